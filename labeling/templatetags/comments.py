"""Comments on pages that show an item, and the way to those addressed to oneself.

`{% load comments %}{% item_comments dossier.items %}` `{% comments_link %}`
`{% comments_button "assignment" assignment.id %}`
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import template
from django.template.context import Context
from django.urls import reverse

from labeling.comment_rules import MAX_TEXT
from labeling.models import Comment, User
from labeling.selectors.comments import PanelView, count_open, count_unseen, get_panel
from labeling.selectors.dossiers import ItemView

register = template.Library()

# Where the comments of a thing are: the page of that name, with its id.
PLACES = {"assignment": "labeling:assignment-comments", "item": "labeling:item-comments"}


def _panel_context(panel: PanelView, action: str) -> dict[str, Any]:
    return {
        "panel": panel,
        "item": panel.item,
        "comments_action": action,
        "refusal": "",
        "kept": {},
        "done": 0,
    }


@register.inclusion_tag("labeling/_comments_cards.html", takes_context=True)
def item_comments(context: Context, items: Iterable[ItemView]) -> dict[str, Any]:
    """A card of comments for every place that a solution has in the queue."""
    user: User = context["user"]
    panels = []
    for view in items:
        action = reverse("labeling:item-comments", args=[view.item.pk])
        panels.append(_panel_context(get_panel(view.item, user), action))
    return {"panels": panels, "several": len(panels) > 1}


@register.inclusion_tag("labeling/_comments_link.html", takes_context=True)
def comments_link(context: Context) -> dict[str, Any]:
    """The way to new comments to oneself; nothing while there are none."""
    user = context.get("user")
    if not isinstance(user, User) or user.pk is None:
        return {"count": 0}
    return {"count": count_unseen(user)}


@register.inclusion_tag("labeling/_comments_button.html", takes_context=True)
def comments_button(
    context: Context, what: str, number: int, is_icon: bool = False
) -> dict[str, Any]:
    """What opens the comments beside one's work: `{% comments_button "assignment" 7 %}`.

    `_comments_panel.html`, included outside of any form with the same `comments_url`, is what it
    opens; without script it is a link to the page. The item is the context's.
    """
    return {
        "comments_url": reverse(PLACES[what], args=[number]),
        "n_open": _count_open(context),
        "is_icon": is_icon,
    }


def _count_open(context: Context) -> int:
    """The open threads of the page's item, of which a page of work has only a few facts."""
    user, item = context.get("user"), context.get("item")
    if not isinstance(user, User) or user.pk is None or item is None:
        return 0
    return count_open(item["id"] if isinstance(item, Mapping) else item.pk, user)


@register.simple_tag
def comments_url(what: str, number: int) -> str:
    """The address of an assignment's or an item's comments: for `_comments_panel.html`."""
    return reverse(PLACES[what], args=[number])


@register.simple_tag
def flag_reasons() -> list[tuple[str, str]]:
    """Why something may be flagged: code and words."""
    return [(value, str(label)) for value, label in Comment.Reason.choices]


@register.simple_tag
def comment_limit() -> int:
    """How many characters a comment may have."""
    return MAX_TEXT


@register.filter
def is_reply(kept: dict[str, str], comment_id: int) -> bool:
    """Was the refused form an answer to this comment?"""
    return kept.get("action") == "reply" and kept.get("comment") == str(comment_id)


@register.filter
def holds_position(kept: dict[str, str], position: int) -> bool:
    """Was the refused form about this step?"""
    return kept.get("position") == str(position)


@register.filter
def holds_reason(kept: dict[str, str], reason: str) -> bool:
    """Did the refused form flag for this reason?"""
    return kept.get("reason") == reason
