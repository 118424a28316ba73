"""Machine evidence on pages that browse a project. `{% load evidence %}{% solution_evidence %}`"""

from __future__ import annotations

from django import template
from django.template.context import Context
from django.template.loader import render_to_string
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from labeling import panels
from labeling.evidence_places import find_item_equality
from labeling.models import ReviewItem, Solution, User

register = template.Library()


@register.simple_tag(takes_context=True)
def solution_evidence(context: Context) -> SafeString:
    """What every panel has to say of the context's `solution`, and where its equalities are checked
    by those who judge or decide.
    """
    solution, user = context["solution"], context["user"]
    parts = [panel.render_solution(solution=solution, user=user) for panel in panels.list_panels()]
    parts.append(_render_equality(solution, user))
    return format_html_join("\n", "{}", ((part,) for part in parts))


def _render_equality(solution: Solution, user: User) -> SafeString:
    # What is asked belongs to a place in the queue: the first that the solution has.
    item = ReviewItem.objects.filter(solution=solution).order_by("pk").first()
    if item is not None:
        item.project = solution.project
    equality = find_item_equality(item, user)
    if equality is None:
        return SafeString("")
    return render_to_string("labeling/_equality.html", {"evidence": {"equality": equality}})
