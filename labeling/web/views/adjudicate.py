"""Disputes: the list, and the page on which one is decided."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeling.access import Capability, get_dispute, get_project
from labeling.alignment import diff_text
from labeling.evidence_places import build_solution_places
from labeling.models import Dispute, ReviewItem
from labeling.preferences import pack_preferences
from labeling.selectors.disputes import (
    DisputeView,
    find_next_dispute,
    get_dispute_view,
    list_disputes,
)
from labeling.selectors.originals import describe_original
from labeling.services.adjudications import decide, reopen
from labeling.services.returning import send_back
from labeling.web.content_forms import find_gaps_in, read_rating_form, read_verdict_form
from labeling.web.errors import attempt, page
from labeling.web.nav import project_context
from labeling.web.requests import AuthedRequest, paginate
from workbench.errors import Conflict, InvalidInput, NotAllowed


@page
@require_GET
def disputes(request: AuthedRequest, slug: str) -> HttpResponse:
    """Open disputes, oldest first; with `?state=decided` those that were decided."""
    project = get_project(request.user, slug, Capability.ADJUDICATE)
    state = request.GET.get("state", Dispute.State.OPEN)
    if state not in Dispute.State.values:
        state = Dispute.State.OPEN
    rows = list_disputes(project, state=state).prefetch_related(
        "item__annotations__annotator", "item__adjudications__adjudicator"
    )
    return render(
        request,
        "labeling/disputes.html",
        {
            **project_context(request, project, "disputes"),
            "page": paginate(request, rows),
            "state": state,
            "states": [
                {
                    "url": f"?state={value}",
                    "label": label,
                    "current": value == state,
                }
                for value, label in Dispute.State.choices
            ],
            "next": find_next_dispute(project, request.user),
        },
    )


@page
@never_cache
@require_http_methods(["GET", "POST"])
def dispute(request: AuthedRequest, pk: int) -> HttpResponse:
    """Everyone's word on a disputed item, and the decision's plain form."""
    found = get_dispute(request.user, pk)
    if request.method == "POST":
        return _decide(request, found)
    if found.state != Dispute.State.OPEN:
        return _show_closed(request, found)
    return _show(request, found)


def _decide(request: AuthedRequest, found: Dispute) -> HttpResponse:
    item = found.item
    if item.task == ReviewItem.Task.VERIFY_INJECTION:
        content = read_verdict_form(request.POST, solution=item.solution)
    else:
        content = read_rating_form(request.POST, n_steps=item.solution.n_steps)
    reason = request.POST.get("reason", "")
    version = request.POST.get("version", "")
    try:
        decide(
            dispute=found,
            by=request.user,
            data=content,
            reason=reason,
            seen_version=int(version) if version.isdigit() else 0,
            idempotency_key=_key(request.POST.get("idempotency_key")),
        )
    except (InvalidInput, Conflict, NotAllowed) as error:
        found.refresh_from_db()
        return _show(
            request,
            found,
            gaps=find_gaps_in(error),
            decision={"content": content, "reason": reason},
            status=error.status,
        )
    return _go_on(request, found)


def _go_on(request: AuthedRequest, found: Dispute) -> HttpResponse:
    """The next dispute, or the list where there is no other one."""
    following = find_next_dispute(found.project, request.user, after=found.pk)
    if following is None or following.pk == found.pk:
        return redirect("labeling:disputes", slug=found.project.slug)
    return redirect("labeling:dispute", pk=following.pk)


def _key(value: str | None) -> uuid.UUID:
    try:
        return uuid.UUID(str(value))
    except ValueError:
        raise InvalidInput(_("This page is out of date. Load it again.")) from None


def _show(
    request: AuthedRequest,
    found: Dispute,
    *,
    gaps: list[dict[str, Any]] | None = None,
    decision: dict[str, Any] | None = None,
    status: int = 200,
) -> HttpResponse:
    view = get_dispute_view(found, request.user)
    context = _build_context(request, view)
    context["gaps"] = gaps or []
    context["decision"] = decision or {"content": {}, "reason": ""}
    return render(request, "labeling/adjudicate.html", context, status=status)


def _build_context(request: AuthedRequest, view: DisputeView) -> dict[str, Any]:
    project, item = view.project, view.item
    problem = item.solution.problem
    decided = Dispute.objects.filter(project=project, state=Dispute.State.DECIDED).count()
    changed = view.original_question and view.original_question != problem.text
    return {
        "project": {
            "name": project.name,
            "url": reverse("labeling:disputes", args=[project.slug]),
            "guidelines_url": reverse("labeling:guidelines", args=[project.slug]),
            "guideline_version": project.guideline_version,
        },
        "dispute": {
            "id": view.dispute.pk,
            "version": view.dispute.version,
            "kinds": view.dispute.kinds,
        },
        "item": {"id": item.pk, "task": item.task},
        "evidence": build_solution_places(item.solution, item=item, user=request.user),
        "problem": {
            "text": problem.text,
            "reference_answer": problem.reference_answer,
            "language": problem.language,
        },
        "people": view.people,
        "rows": view.rows,
        "machines": view.machines,
        "fork": view.fork,
        "claim": view.claim,
        "question_diff": diff_text(view.original_question, problem.text) if changed else None,
        "n_original_steps": view.n_original_steps,
        "n_steps": item.solution.n_steps,
        "error_types": view.error_types,
        "about_original": describe_original(item.solution_id) if view.claim else None,
        "earlier": view.earlier,
        "is_own_work": view.is_own_work,
        "protocol": {
            "rating_view": str(project.rating_view),
            "stop_at_first_error": project.stops_at_first_error,
            "asks_error_types": project.asked.error_types,
            "asks_origin": project.asked.origin,
            "show_reference_answer": True,
        },
        "progress": {"done": decided, "total": decided + view.n_open},
        "urls": {
            "home": reverse("labeling:home"),
            "login": f"{reverse('login')}?next={request.path}",
            "form": reverse("labeling:dispute", args=[view.dispute.pk]),
            "decide": f"/api/v1/disputes/{view.dispute.pk}/decide/",
            "send_back": reverse("labeling:dispute-send-back", args=[view.dispute.pk]),
        },
        **pack_preferences(request.user),
    }


@page
@require_POST
def dispute_send_back(request: AuthedRequest, pk: int) -> HttpResponse:
    """Ask the reviewers to look again, with a reason; the dispute stays open."""
    found = get_dispute(request.user, pk)
    sent = attempt(
        request,
        lambda: send_back(
            dispute=found,
            by=request.user,
            reason=request.POST.get("reason", ""),
            idempotency_key=_key(request.POST.get("idempotency_key")),
        ),
        done=_("The reviewers are asked to look again."),
    )
    if sent is None:
        return redirect("labeling:dispute", pk=found.pk)
    return _go_on(request, found)


@page
@require_POST
def dispute_reopen(request: AuthedRequest, pk: int) -> HttpResponse:
    """Open a decided dispute again, with a reason; the decision stays on record."""
    found = get_dispute(request.user, pk)
    again = attempt(
        request,
        lambda: reopen(item=found.item, by=request.user, reason=request.POST.get("reason", "")),
        done=_("The dispute is open again."),
    )
    return redirect("labeling:dispute", pk=found.pk if again is None else again.pk)


def _show_closed(request: AuthedRequest, found: Dispute) -> HttpResponse:
    """A dispute that is over: what was decided, by whom, why, and the way on."""
    view = get_dispute_view(found, request.user)
    return render(
        request,
        "labeling/dispute_closed.html",
        {
            **project_context(request, found.project, "disputes"),
            "dispute": found,
            "earlier": view.earlier,
            "people": view.people,
            "next": find_next_dispute(found.project, request.user, after=found.pk),
            "can_reopen": found.item.state == ReviewItem.State.DECIDED,
        },
    )
