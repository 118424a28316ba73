"""Comments: on an item, over a project for those who lead it, and those addressed to oneself.

Every action is a plain form. With `?fragment=panel` the answer is the panel alone, which the script
puts in place of the old one.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from labeling.access import Capability, get_own_assignment, get_project, get_review_item
from labeling.models import Comment, Project, ReviewItem
from labeling.selectors import comments as selectors
from labeling.selectors.comments import CommentView, ThreadFilters, view_comment
from labeling.services.comments import (
    add_comment,
    mark_seen,
    reopen,
    reply,
    resolve,
    withdraw,
)
from labeling.web.comment_forms import FilterForm, WriteForm
from labeling.web.errors import attempt, page
from labeling.web.nav import project_context
from labeling.web.requests import AuthedRequest, paginate, wants_fragment
from workbench.errors import WorkbenchError

PAGE_SIZE = 25


@dataclass(frozen=True, slots=True)
class Line:
    """One comment of a list, with where it was said and what came after it."""

    comment: CommentView
    item: ReviewItem
    project: Project
    url: str
    n_replies: int = 0
    mention_id: int = 0
    is_new: bool = False


# --- On an item ---------------------------------------------------------------------------------


@page
@never_cache
@require_http_methods(["GET", "POST"])
def assignment_comments(request: AuthedRequest, pk: int) -> HttpResponse:
    """What is said of one's own item, as far as one may read it. POST: see `_answer`."""
    held = get_own_assignment(request.user, pk)
    item = held.item
    # The assignment's own project is at hand with its protocol.
    item.project = held.project
    address = reverse("labeling:assignment-comments", args=[pk])
    back = reverse("labeling:assignment", args=[pk])
    return _answer(request, item, address=address, back=(back, _("Your item")), part="work")


@page
@never_cache
@require_http_methods(["GET", "POST"])
def item_comments(request: AuthedRequest, item_id: int) -> HttpResponse:
    """What is said of an item, for those who browse the project. POST: see `_answer`."""
    item = get_review_item(request.user, item_id)
    address = reverse("labeling:item-comments", args=[item_id])
    back = reverse("labeling:solution", args=[item.solution_id])
    return _answer(request, item, address=address, back=(back, _("The solution")), part="comments")


def _answer(
    request: AuthedRequest, item: ReviewItem, *, address: str, back: tuple[str, str], part: str
) -> HttpResponse:
    """The page of an item's comments. POST's `action`: add, reply, resolve, reopen, withdraw."""
    context = {"item": item, "comments_action": address, "back_url": back[0], "back": back[1]}
    if request.method != "POST":
        return _show(request, context, part)
    form = WriteForm(request.POST)
    try:
        if not form.is_valid():
            return _show(request, context, part, refusal=form.explain(), status=400)
        done = _act(request, item, form.cleaned_data)
    except WorkbenchError as error:
        return _show(request, context, part, refusal=error.message, status=error.status)
    if wants_fragment(request, "panel"):
        return _show(request, context, part, done=done.pk)
    return redirect(f"{address}#comment-{done.pk}")


def _act(request: AuthedRequest, item: ReviewItem, data: dict[str, Any]) -> Comment:
    user, action = request.user, data["action"]
    written: dict[str, Any] = {
        "by": user,
        "text": data["text"],
        "idempotency_key": data["key"] or uuid.uuid4(),
        "audience": "everyone" if data["everyone"] else "desk",
        "names": data["names"],
    }
    if action == "add":
        return add_comment(item=item, position=data["position"], reason=data["reason"], **written)
    comment = selectors.find_comment(user, data["comment"] or 0)
    if comment.item_id != item.pk:
        raise Http404("This comment is on another item.")
    if action == "reply":
        return reply(to=comment, **written)
    if action == "resolve":
        return resolve(comment=comment, by=user)
    if action == "reopen":
        return reopen(comment=comment, by=user)
    return withdraw(comment=comment, by=user)


def _show(
    request: AuthedRequest,
    context: dict[str, Any],
    part: str,
    *,
    refusal: str = "",
    status: int = 200,
    done: int = 0,
) -> HttpResponse:
    item: ReviewItem = context["item"]
    shown = {
        **context,
        "panel": selectors.get_panel(item, request.user),
        "refusal": refusal,
        "kept": _keep(request.POST) if refusal else {},
        "done": done,
    }
    if wants_fragment(request, "panel"):
        return render(request, "labeling/_comments.html", shown, status=status)
    more = project_context(request, item.project, part)
    return render(request, "labeling/comments_item.html", {**more, **shown}, status=status)


def _keep(form: QueryDict) -> dict[str, str]:
    """What was typed in a form that is refused: nobody writes it twice."""
    names = ("action", "comment", "text", "position", "reason", "key")
    return {name: form.get(name, "") for name in names}


# --- Of a project -------------------------------------------------------------------------------


@page
@require_http_methods(["GET", "POST"])
def comments(request: AuthedRequest, slug: str) -> HttpResponse:
    """A project's threads, open flags first. POST's `action` on one: resolve, reopen."""
    project = get_project(request.user, slug, Capability.ADJUDICATE)
    if request.method == "POST":
        return _settle(request, project)
    form = FilterForm(request.GET)
    filters = form.build_filters()
    rows = paginate(request, selectors.list_threads(project, request.user, filters), size=PAGE_SIZE)
    return render(
        request,
        "labeling/comments.html",
        {
            **project_context(request, project, "comments"),
            "form": form,
            "page": rows,
            "lines": [_build_line(row, request) for row in rows.object_list],
            "tabs": _build_tabs(filters),
            "filters": filters,
            "is_filtered": bool(filters.text or filters.reason),
            "may_resolve": True,
        },
    )


def _build_tabs(filters: ThreadFilters) -> list[dict[str, Any]]:
    tabs = (
        (_("Open flags"), "open", "flag"),
        (_("Open comments"), "open", "comment"),
        (_("Resolved"), "resolved", ""),
        (_("All"), "all", ""),
    )
    return [
        {
            "url": f"?state={state}&kind={kind}",
            "label": label,
            "current": (filters.state, filters.kind) == (state, kind),
        }
        for label, state, kind in tabs
    ]


def _build_line(row: Any, request: AuthedRequest) -> Line:
    return Line(
        comment=view_comment(row, request.user),
        item=row.item,
        project=row.project,
        url=_find_place(row.item, row.pk),
        n_replies=row.n_replies,
    )


def _find_place(item: ReviewItem, comment_id: int) -> str:
    """Where somebody who browses finds the comment: its injection's page, or its solution's."""
    injection = getattr(item.solution, "injection", None)
    if item.task == ReviewItem.Task.VERIFY_INJECTION and injection is not None:
        return f"{reverse('labeling:injection', args=[injection.pk])}#comment-{comment_id}"
    return f"{reverse('labeling:solution', args=[item.solution_id])}#comment-{comment_id}"


def _settle(request: AuthedRequest, project: Project) -> HttpResponse:
    comment = selectors.find_comment(request.user, _read_id(request.POST.get("comment")))
    if comment.project_id != project.pk:
        raise Http404("This comment is in another project.")
    if request.POST.get("action") == "reopen":
        attempt(
            request,
            lambda: reopen(comment=comment, by=request.user),
            done=_("The thread is open again."),
        )
    else:
        attempt(
            request,
            lambda: resolve(comment=comment, by=request.user),
            done=_("The thread is resolved."),
        )
    form = FilterForm(request.POST)
    return redirect(f"{reverse('labeling:comments', args=[project.slug])}?{form.build_query()}")


def _read_id(value: str | None) -> int:
    """A row's id as a form sends it; 0, which no row has, for anything else."""
    text = value or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


# --- To oneself ---------------------------------------------------------------------------------


@page
@never_cache
@require_http_methods(["GET", "POST"])
def comments_to_you(request: AuthedRequest) -> HttpResponse:
    """Comments addressed to oneself. POST's `action`: open or seen with an `id`, seen-all."""
    if request.method == "POST":
        return _note_seen(request)
    everything = request.GET.get("state") == "all"
    rows = selectors.list_mentions(request.user, unseen_only=not everything)
    shown = paginate(request, selectors.with_comments(rows), size=PAGE_SIZE)
    mentions: list[Any] = list(shown.object_list)
    browsed = selectors.find_browsed(request.user, [one.comment.project for one in mentions])
    lines = [
        Line(
            comment=view_comment(one.comment, request.user),
            item=one.comment.item,
            project=one.comment.project,
            url=_find_own_place(one, browsed),
            mention_id=one.pk,
            is_new=one.seen_at is None,
        )
        for one in mentions
    ]
    return render(
        request,
        "labeling/comments_to_you.html",
        {
            "page": shown,
            "lines": lines,
            "everything": everything,
            "tabs": [
                {"url": "?", "label": _("New"), "current": not everything},
                {"url": "?state=all", "label": _("All"), "current": everything},
            ],
        },
    )


def _find_own_place(mention: Any, browsed: frozenset[int]) -> str:
    """Where this person finds the comment; "" where they can open nothing of its item."""
    comment = mention.comment
    if comment.project_id in browsed:
        return _find_place(comment.item, comment.pk)
    if mention.assignment_id is None:
        return ""
    address = reverse("labeling:assignment-comments", args=[mention.assignment_id])
    return f"{address}#comment-{comment.pk}"


def _note_seen(request: AuthedRequest) -> HttpResponse:
    action = request.POST.get("action", "")
    if action == "seen-all":
        mark_seen(person=request.user)
        messages.success(request, _("All comments to you are marked as read."))
        return redirect("labeling:comments-to-you")
    wanted = _read_id(request.POST.get("id"))
    mine = selectors.with_comments(selectors.list_mentions(request.user).filter(pk=wanted))
    found: Any = mine.first()
    if found is None:
        raise Http404("There is no such comment to you.")
    mark_seen(person=request.user, mention_ids=[found.pk])
    browsed = selectors.find_browsed(request.user, [found.comment.project])
    place = _find_own_place(found, browsed) if action == "open" else ""
    return redirect(place or "labeling:comments-to-you")
