"""What the pages of work are drawn from: one dictionary, for the page and for its scripts."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from labeling.models import ReviewItem
from labeling.selectors.review import Workspace
from labeling.services.assignments import count_submitted, count_waiting
from labeling.web.evidence_places import build_evidence_places


def build_context(workspace: Workspace, *, gaps: list[dict[str, Any]]) -> dict[str, Any]:
    """What rate.html and verify.html are drawn from."""
    project, solution = workspace.project, workspace.solution
    pk = workspace.assignment.pk
    shows_answer = project.show_reference_answer
    context: dict[str, Any] = {
        "project": {
            "name": project.name,
            "url": reverse("labeling:work", args=[project.slug]),
            "guidelines_url": reverse("labeling:guidelines", args=[project.slug]),
            "guideline_version": project.guideline_version,
        },
        "assignment": {
            "id": pk,
            "lease_token": str(workspace.assignment.lease_token),
            "lease_expires_at": workspace.assignment.lease_expires_at.isoformat(),
        },
        "item": {"id": workspace.item.pk, "task": workspace.item.task},
        "problem": {
            "text": solution.problem.text,
            "reference_answer": workspace.reference_answer,
            "language": solution.problem.language,
        },
        "protocol": {
            "stop_at_first_error": project.stops_at_first_error,
            "rating_view": str(project.rating_view),
            "asks_contribution": project.asked.contribution,
            "asks_origin": project.asked.origin,
            "asks_error_types": project.asked.error_types,
            "show_reference_answer": shows_answer,
            "allow_partial": project.allow_partial,
            "hide_claim": project.hide_claim,
        },
        "error_types": workspace.error_types,
        "draft": {
            "version": workspace.draft_version,
            "content": workspace.draft,
            # What this browser keeps outlives the lease, and is nobody else's on a shared machine.
            "key": f"{workspace.item.pk}-{workspace.assignment.annotator_id}",
        },
        "progress": _count_progress(workspace),
        "urls": _urls(workspace),
        "evidence": build_evidence_places(workspace),
        "gaps": gaps,
        "steps": workspace.steps,
    }
    if workspace.item.task != ReviewItem.Task.VERIFY_INJECTION:
        context["solution"] = {
            "final_answer": solution.final_answer,
            "final_answer_correct": solution.final_answer_correct if shows_answer else None,
        }
        return context
    return context | {
        "question_diff": workspace.question_diff,
        "fork": workspace.fork,
        "n_original_steps": workspace.n_original_steps,
        "n_steps": solution.n_steps,
        "claim": workspace.claim,
        "blind_first_error": workspace.blind_first_error,
    }


def _count_progress(workspace: Workspace) -> dict[str, int]:
    """Items done, out of those and what this person could still do: as the home page has it."""
    user, project = workspace.assignment.annotator, workspace.project
    done = count_submitted(user=user, project=project)
    return {"done": done, "total": done + 1 + count_waiting(user=user, project=project)}


def _urls(workspace: Workspace) -> dict[str, str]:
    pk = workspace.assignment.pk
    api = f"/api/v1/assignments/{pk}"
    form = reverse("labeling:assignment", args=[pk])
    return {
        "home": reverse("labeling:home"),
        "login": f"{reverse('login')}?next={form}",
        "form": form,
        "draft": f"{api}/draft/",
        "heartbeat": f"{api}/heartbeat/",
        "reveal": f"{api}/reveal/",
        "submit": f"{api}/submit/",
        "skip": f"{api}/skip/",
        "submit_next": reverse("labeling:submit-next", args=[pk]),
        "skip_next": reverse("labeling:skip-next", args=[pk]),
        "again": reverse("labeling:take-again", args=[workspace.item.pk]),
        "work": reverse("labeling:work", args=[workspace.project.slug]),
    }
