"""What methods found step by step, for those who browse a project and for its reviewers.

A reviewer opens one step at a time, by POST, because opening is logged. What was opened before is
shown again by GET; what was not is in no answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from labeling.access import Capability, capabilities_of, get_own_assignment, get_solution
from labeling.models import Assignment, ReviewItem
from labeling.selectors.review import list_steps
from labeling.web.errors import page
from labeling.web.nav import project_context
from labeling.web.requests import AuthedRequest, wants_fragment
from modeljobs.evidence_views import (
    EvidenceView,
    StepRow,
    Viewer,
    list_evidence,
    list_sources,
    list_step_rows,
)
from modeljobs.models import JobItem
from modeljobs.rollout_views import WHOLE, Sight
from modeljobs.services.reveals import (
    EvidenceAccess,
    Sealed,
    explain_seal,
    find_evidence_state,
    get_evidence_access,
    list_opened_positions,
    open_evidence,
)
from workbench.errors import Conflict, InvalidInput, NotAllowed, WorkbenchError

# Assignments that still have something to show their annotator.
SHOWN = (Assignment.State.OPEN, Assignment.State.SUBMITTED)


@page
@never_cache
@require_GET
def item_evidence(request: AuthedRequest, pk: int) -> HttpResponse:
    """All that one run found of a solution, or with `?fragment=step&position=` one step of it."""
    access = get_evidence_access(request.user, pk)
    if wants_fragment(request, "step"):
        position = read_position(request)
        shown = (
            list_evidence(
                access.item,
                position=position,
                sight=find_sight(access),
                viewer=find_viewer(request, access),
            )
            if access.includes(position)
            else []
        )
        return render(request, "modeljobs/_step_evidence.html", step_context(access, shown))
    return render(
        request,
        "modeljobs/item_evidence.html",
        {
            **project_context(request, access.item.job.project, "jobs"),
            "job": access.item.job,
            "item": access.item,
            "rows": list_open_rows(request, access),
            "may_run": access.may_run,
        },
    )


@page
@never_cache
@require_GET
def solution_evidence(request: AuthedRequest, pk: int) -> HttpResponse:
    """What the newest runs found of a solution, for those who browse: one step of it with
    `?fragment=step&position=`, else all steps. Nothing is sealed from them, and nothing logged.
    """
    solution = get_solution(request.user, pk)
    runs = list_sources(solution.pk)
    accesses = [get_evidence_access(request.user, item.pk) for item, _source in runs]
    if wants_fragment(request, "step"):
        position = read_position(request)
        shown = [
            view
            for access in accesses
            for view in list_evidence(
                access.item,
                position=position,
                sight=WHOLE,
                viewer=find_viewer(request, access),
            )
        ]
        may_run = any(access.may_run for access in accesses)
        context = {"evidence": shown, "may_run": may_run}
        return render(request, "modeljobs/_step_evidence.html", context)
    return render(
        request,
        "modeljobs/solution_evidence.html",
        {
            **project_context(request, solution.project, "solutions"),
            "solution": solution,
            "runs": [
                (source, list_open_rows(request, access), access.may_run)
                for (_item, source), access in zip(runs, accesses, strict=True)
            ],
        },
    )


def find_viewer(request: AuthedRequest, access: EvidenceAccess) -> Viewer:
    """Who looks, and whether they see what others made of it."""
    return Viewer(request.user.pk, access.sees_others)


def step_context(access: EvidenceAccess, evidence: list[Any]) -> dict[str, Any]:
    """What _step_evidence.html is drawn from."""
    return {"evidence": evidence, "may_run": access.may_run}


def find_sight(access: EvidenceAccess) -> Sight:
    """What this person may see of the solution beside each step."""
    if access.positions is None:
        return WHOLE
    return Sight(access.positions, access.item.job.project.show_reference_answer)


def list_open_rows(request: AuthedRequest, access: EvidenceAccess) -> list[StepRow]:
    """The steps that this person may see: the others are left out, not hidden."""
    rows = list_step_rows(
        access.item, sight=find_sight(access), viewer=find_viewer(request, access)
    )
    return [row for row in rows if access.includes(row.step.position)]


@page
@never_cache
@require_http_methods(["GET", "POST"])
def assignment_evidence(request: AuthedRequest, pk: int) -> HttpResponse:
    """The machines' word on the steps of one's own item. A POST opens one step."""
    held = get_own_assignment(request.user, pk)
    if request.method == "POST":
        return _open(request, held)
    opened = list_opened_positions(held)
    items = list_items(held) if opened else []
    rows = [
        {
            "step": step,
            "is_open": step.position in opened,
            "state": find_evidence_state(held, step.position) if held.state in SHOWN else "sealed",
            "evidence": list_opened(held, items, step.position, opened)
            if step.position in opened
            else [],
        }
        for step in list_steps(held.item.solution)
    ]
    return render(
        request,
        "modeljobs/assignment_evidence.html",
        {
            **project_context(request, held.project, "work"),
            "assignment": held,
            "is_verifying": held.item.task == ReviewItem.Task.VERIFY_INJECTION,
            "rows": rows,
            "is_absent": held.project.machine_evidence == "never",
            "seal": explain_seal(held),
            "may_run": True,
        },
    )


def list_items(held: Assignment) -> list[JobItem]:
    """The runs that found something of what the reviewer judges, the newest first."""
    return [item for item, _source in list_sources(held.item.solution_id)]


def list_opened(
    held: Assignment, items: Sequence[JobItem], position: int, opened: frozenset[int]
) -> list[EvidenceView]:
    """What was found of a step that is open to its reviewer, by each run."""
    sight = Sight(opened, held.project.show_reference_answer)
    # Beside their own work nobody sees another reviewer's.
    viewer = Viewer(held.annotator_id, sees_others=False)
    return [
        view
        for item in items
        for view in list_evidence(item, position=position, sight=sight, viewer=viewer)
    ]


def _open(request: AuthedRequest, held: Assignment) -> HttpResponse:
    is_fragment = wants_fragment(request, "step")
    try:
        position = read_position(request)
        open_evidence(assignment=held, position=position)
    except (Conflict, InvalidInput, NotAllowed) as error:
        if is_fragment:
            return refuse(request, error)
        if isinstance(error, Sealed):
            # The page says of each step what opens it.
            return redirect("modeljobs:assignment-evidence", pk=held.pk)
        raise
    if is_fragment:
        may_run = Capability.ANNOTATE in capabilities_of(request.user, held.project)
        # With what was opened before: the curve may go through it.
        shown = list_opened(held, list_items(held), position, list_opened_positions(held))
        context = {"evidence": shown, "may_run": may_run}
        return render(request, "modeljobs/_step_evidence.html", context)
    address = reverse("modeljobs:assignment-evidence", args=[held.pk])
    return redirect(f"{address}#step-{position + 1}")


def read_position(request: HttpRequest) -> int:
    """The position of a step that the form or the address names; InvalidInput without one."""
    return read_whole(request, "position")


def read_whole(request: HttpRequest, name: str) -> int:
    """A whole number from the form or the address."""
    given = request.POST if request.method == "POST" else request.GET
    raw = given.get(name, "")
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 9):
        raise InvalidInput(f"{name!r} is a whole number from 0, not {raw[:40]!r}.", field=name)
    return int(raw)


def refuse(request: HttpRequest, error: WorkbenchError) -> HttpResponse:
    """A refusal as a part of a page: the script puts it where the answer would have stood."""
    answer = render(
        request, "modeljobs/_refusal.html", {"message": error.message}, status=error.status
    )
    wait = error.extra.get("retry_after")
    if wait is not None:
        answer["Retry-After"] = str(wait)
    return answer
