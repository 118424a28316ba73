"""The workspace: take an item, see it, judge it. Pages work as plain forms; scripts add speed."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeling.access import Capability, get_own_assignment, get_project
from labeling.content import parse_first_error
from labeling.models import Assignment, Project, ReviewItem
from labeling.selectors.progress import get_home
from labeling.selectors.review import get_workspace
from labeling.services.annotations import Incomplete, reveal_claim, submit
from labeling.services.assignments import (
    LeaseLost,
    claim_item,
    claim_next,
    count_waiting,
    save_draft,
    skip,
)
from labeling.services.screening import NotScreened
from labeling.web.ahead import digest_page, look_ahead, pick_values
from labeling.web.content_forms import (
    find_gaps_in,
    read_rating_form,
    read_verdict_form,
)
from labeling.web.errors import attempt, page
from labeling.web.json_bodies import (
    answers_json,
    read_count,
    read_json,
    read_object,
    read_step_times,
    read_text,
    read_uuid,
)
from labeling.web.nav import project_context
from labeling.web.requests import AuthedRequest
from labeling.web.views.submitted import show_closed
from labeling.web.workspace_context import build_context
from workbench.errors import Conflict, InvalidInput, NotAllowed

# What the skip dialog offers, as it is stored.
SKIP_REASONS = {
    "too_hard": "cannot judge this mathematics",
    "unclear": "the problem or a step cannot be read",
    "conflict": "knows this item from elsewhere",
    "other": "another reason",
}


@page
@never_cache
@require_http_methods(["GET", "POST"])
def work(request: AuthedRequest, slug: str) -> HttpResponse:
    """The way into a queue: a POST takes the next item; a GET says what waits."""
    project = get_project(request.user, slug, Capability.ANNOTATE)
    if request.method == "POST":
        try:
            assignment = attempt(request, lambda: claim_next(user=request.user, project=project))
        except NotScreened:
            return redirect("labeling:training", slug=slug)
        if assignment is not None:
            return redirect("labeling:assignment", pk=assignment.pk)
        return redirect("labeling:work", slug=slug)
    return render(
        request,
        "labeling/work.html",
        {
            **project_context(request, project, "work"),
            "queue": _find_queue(request, project),
            "waiting": count_waiting(user=request.user, project=project),
            "with_others": ReviewItem.objects.filter(
                project=project, assignments__state=Assignment.State.OPEN
            )
            .exclude(assignments__annotator=request.user)
            .distinct()
            .count(),
            "held": Assignment.objects.filter(
                project=project, annotator=request.user, state=Assignment.State.OPEN
            ).first(),
        },
    )


def _find_queue(request: AuthedRequest, project: Project) -> Any:
    return next(
        (queue for queue in get_home(request.user).queues if queue.project == project), None
    )


@page
@never_cache
@require_http_methods(["GET", "POST"])
def assignment(request: AuthedRequest, pk: int) -> HttpResponse:
    """One's own open item. A POST is the plain form's: save, reveal, submit or skip."""
    held = get_own_assignment(request.user, pk)
    if held.state != Assignment.State.OPEN:
        return show_closed(request, held)
    if request.method == "POST":
        return _answer_form(request, held)
    return _show(request, held)


@page
@never_cache
@require_GET
def ahead(request: AuthedRequest, pk: int) -> HttpResponse:
    """The page of the item that comes after this one, with stand-ins for what a claim brings.

    204 where there is none, and where it is the one that the browser has (`have`, its digest).
    """
    found = look_ahead(get_own_assignment(request.user, pk))
    if found is None or found.digest == request.GET.get("have"):
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    html = render_to_string(_find_template(found.context), found.context, request)
    return JsonResponse({"digest": found.digest, "stand_ins": found.stand_ins, "page": html})


@page
@never_cache
@require_POST
@answers_json
def finish(request: AuthedRequest, pk: int, *, action: str) -> HttpResponseBase:
    """Take a submission or a skip, and answer with the next item's page.

    One request where there were three. The next item is taken only now that the last one is done:
    nobody holds what they do not see, and what is logged as shown is shown at once. Sent twice, it
    counts once and brings the same next page. A browser that has that page already (`at_hand`, its
    digest; see labeling/web/ahead.py) gets the values that are missing in it instead.
    """
    held = get_own_assignment(request.user, pk)
    body = read_json(request)
    if action == "submit":
        said, status = _submit(held, body), HTTPStatus.CREATED
    else:
        said, status = _skip(held, body), HTTPStatus.OK
    following = _take_next(request, held.project, at_hand=request.GET.get("at_hand"))
    return JsonResponse({**said, **following}, status=status)


def _submit(held: Assignment, body: Mapping[str, Any]) -> dict[str, Any]:
    try:
        revision = submit(
            assignment=held,
            lease_token=read_uuid(body, "lease_token"),
            data=read_object(body, "content"),
            idempotency_key=read_uuid(body, "idempotency_key"),
            seen_draft=read_count(body, "version"),
            active_ms=read_count(body, "active_ms") or 0,
            step_ms=read_step_times(body, "step_ms"),
        )
    except Incomplete as error:
        # Where something is missing, for a script that goes there.
        error.extra["positions"] = sorted(
            {gap["position"] for gap in find_gaps_in(error) if gap["position"] is not None}
        )
        raise
    return {"annotation_id": revision.annotation_id, "revision": revision.number}


def _skip(held: Assignment, body: Mapping[str, Any]) -> dict[str, Any]:
    reason = read_text(body, "reason")
    skip(assignment=held, lease_token=read_uuid(body, "lease_token"), reason=reason)
    return {}


def _take_next(request: AuthedRequest, project: Project, *, at_hand: str | None) -> dict[str, Any]:
    """The next item's address and page; the queue's address alone where there is none to take."""
    try:
        following = claim_next(user=request.user, project=project)
    except (Conflict, NotAllowed):
        # The work is in already: what became of the queue, its own page says.
        following = None
    if following is None:
        return {"next_url": reverse("labeling:work", args=[project.slug]), "page": None}
    # Both are at hand: the workspace need not ask for them again.
    following.project, following.annotator = project, request.user
    address = reverse("labeling:assignment", args=[following.pk])
    context = build_context(get_workspace(following), gaps=[])
    if at_hand and at_hand == digest_page(context, following):
        return {"next_url": address, "page": None, "values": pick_values(context)}
    html = render_to_string(_find_template(context), context, request)
    return {"next_url": address, "page": html}


def _show(
    request: AuthedRequest, held: Assignment, *, gaps: list[dict[str, Any]] | None = None
) -> HttpResponse:
    context = build_context(get_workspace(held), gaps=gaps or [])
    return render(request, _find_template(context), context, status=400 if gaps else 200)


def _find_template(context: Mapping[str, Any]) -> str:
    verifying = context["item"]["task"] == ReviewItem.Task.VERIFY_INJECTION
    return "labeling/verify.html" if verifying else "labeling/rate.html"


def _answer_form(request: AuthedRequest, held: Assignment) -> HttpResponse:
    action = request.POST.get("action", "submit")
    token = _uuid(request.POST.get("lease_token"), "lease_token")
    try:
        if action == "skip":
            reason = SKIP_REASONS.get(request.POST.get("reason", ""), "another reason")
            note = request.POST.get("note", "").strip()
            skip(
                assignment=held,
                lease_token=token,
                reason=f"{reason}: {note}" if note else reason,
            )
            return redirect("labeling:work", slug=held.project.slug)
        if action == "reveal":
            return _reveal(request, held, token)
        content = _read_content(request, held)
        if action == "save":
            _save(request, held, token, content)
            return redirect("labeling:work", slug=held.project.slug)
        submit(
            assignment=held,
            lease_token=token,
            data=content,
            idempotency_key=_uuid(request.POST.get("idempotency_key"), "idempotency_key"),
        )
    except Incomplete as error:
        _save(request, held, token, _read_content(request, held))
        return _show(request, held, gaps=find_gaps_in(error))
    except LeaseLost:
        held.refresh_from_db()
        return show_closed(request, held)
    except (InvalidInput, Conflict) as error:
        return _show(request, held, gaps=find_gaps_in(error))
    return _go_on(request, held.project)


def _go_on(request: AuthedRequest, project: Project) -> HttpResponse:
    """After a plain form's submission: the next item at once, or the queue's page."""
    try:
        following = claim_next(user=request.user, project=project)
    except NotScreened:
        following = None
    if following is None:
        return redirect("labeling:work", slug=project.slug)
    return redirect("labeling:assignment", pk=following.pk)


def _reveal(request: AuthedRequest, held: Assignment, token: uuid.UUID) -> HttpResponse:
    raw = request.POST.get("blind", "unknown")
    packed: dict[str, Any] = {"unknown": "cannot tell"}
    if raw == "none":
        packed = {"none": True}
    elif raw.isdigit():
        packed = {"at": int(raw)}
    reveal_claim(
        assignment=held,
        lease_token=token,
        blind_first_error=parse_first_error(packed),
    )
    return redirect("labeling:assignment", pk=held.pk)


def _read_content(request: AuthedRequest, held: Assignment) -> dict[str, Any]:
    if held.item.task == ReviewItem.Task.VERIFY_INJECTION:
        return read_verdict_form(request.POST, solution=held.item.solution)
    return read_rating_form(request.POST, n_steps=held.item.solution.n_steps)


def _save(
    request: AuthedRequest, held: Assignment, token: uuid.UUID, content: dict[str, Any]
) -> None:
    version = request.POST.get("version", "0")
    save_draft(
        assignment=held,
        lease_token=token,
        content=content,
        seen_version=int(version) if version.isdigit() else 0,
    )


@page
@require_POST
def take_again(request: AuthedRequest, item_id: int) -> HttpResponse:
    """Take an item again whose lease ran out, with the draft that was kept."""
    mine = Assignment.objects.filter(item_id=item_id, annotator=request.user).order_by("-pk")
    earlier = mine.first()
    if earlier is None:
        return redirect("labeling:home")
    held = get_own_assignment(request.user, earlier.pk)
    again = attempt(request, lambda: claim_item(user=request.user, item=held.item))
    if again is None:
        return redirect("labeling:assignment", pk=held.pk)
    return redirect("labeling:assignment", pk=again.pk)


def _uuid(value: str | None, field: str) -> uuid.UUID:
    try:
        return uuid.UUID(str(value))
    except ValueError:
        raise InvalidInput(
            _("This page is out of date. Load it again; your draft is kept."), field=field
        ) from None
