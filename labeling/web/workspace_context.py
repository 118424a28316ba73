"""What the pages of work are drawn from: one dictionary, for the page and for its scripts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict

from django.urls import reverse

from labeling.evidence_places import build_evidence_places
from labeling.models import ReviewItem
from labeling.preferences import pack_preferences
from labeling.selectors.originals import describe_original
from labeling.selectors.review import Workspace
from labeling.services.assignments import count_submitted, count_waiting

Kind = Literal["work", "revise", "training"]

# What a page of work may ask the server for; "" where there is no such thing in its way of use.
ADDRESSES = (
    *("home", "login", "work", "form", "submit", "submit_next", "skip", "skip_next", "ahead"),
    *("again", "draft", "heartbeat", "reveal", "comments"),
)


class Way(TypedDict, total=False):
    """How a page of work is used: {"kind": "revise", "asks_reason": True, "extra": {"number": 2}}.

    work      an item that is held: lease, draft on the server, skipping, the next item after it
    revise    an item that one has submitted, opened again
    training  an item of the training set, of which there is no assignment

    Only `work` has a lease and a draft on the server; else drafts are kept in this browser. What
    `extra` holds is merged into the body of the submission, which is {content, idempotency_key,
    active_ms, step_ms, **extra}, with lease_token and version (of the draft) where there is a
    lease, and with `reason` where it is asked for (the person is asked after they press Submit).
    The answer to it is {"next_url": address} or, to turn without a navigation, that and "page".
    """

    kind: Kind
    asks_reason: bool
    extra: dict[str, Any]


def build_context(
    workspace: Workspace,
    *,
    gaps: list[dict[str, Any]],
    urls: Mapping[str, str] | None = None,
    way: Way | None = None,
) -> dict[str, Any]:
    """What rate.html and verify.html are drawn from.

    Other ways than `work` need at least `urls` {"form": where the plain form goes, "submit": where
    the script's JSON goes, with answers as `Way` says}; "reveal" too, where a claim is to be
    opened. What the page starts from is `get_workspace(assignment, content=…)`; what else differs
    (progress, say) may be replaced in what comes back.
    """
    project, solution = workspace.project, workspace.solution
    kind: Kind = way.get("kind", "work") if way else "work"
    shows_answer = project.show_reference_answer
    context: dict[str, Any] = {
        "project": {
            "name": project.name,
            "url": reverse("labeling:work", args=[project.slug]),
            "guidelines_url": reverse("labeling:guidelines", args=[project.slug]),
            "guideline_version": project.guideline_version,
        },
        "assignment": _show_assignment(workspace, kind),
        "item": {"id": workspace.item.pk, "task": workspace.item.task},
        "problem": {
            "text": solution.problem.text,
            "reference_answer": workspace.reference_answer,
            "language": solution.problem.language,
        },
        "protocol": {
            "mode": str(project.mode),
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
            "activity": workspace.activity,
            # What this browser keeps outlives the lease, and is nobody else's on a shared machine.
            "key": _name_draft(workspace, kind),
        },
        "progress": _count_progress(workspace, kind),
        "urls": _find_urls(workspace, kind, urls or {}),
        "way": {
            "kind": kind,
            "asks_reason": bool(way and way.get("asks_reason")),
            "extra": dict(way.get("extra", {})) if way else {},
        },
        # The person's own keys, whether single ones act, and how two solutions stand.
        **pack_preferences(workspace.assignment.annotator),
        "proposal": workspace.proposal,
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
        "about_original": describe_original(solution.pk, beside_item=workspace.item.pk)
        if workspace.claim
        else None,
    }


def _count_progress(workspace: Workspace, kind: Kind) -> dict[str, int]:
    """Items done, out of those and what this person could still do: as the home page has it."""
    user, project = workspace.assignment.annotator, workspace.project
    done = count_submitted(user=user, project=project)
    held = 1 if kind == "work" else 0
    return {"done": done, "total": done + held + count_waiting(user=user, project=project)}


def _show_assignment(workspace: Workspace, kind: Kind) -> dict[str, Any]:
    held = workspace.assignment
    is_held = kind == "work"
    return {
        # Training has no assignment, and no address with this number.
        "id": held.pk or 0,
        "lease_token": str(held.lease_token) if is_held else "",
        "lease_expires_at": held.lease_expires_at.isoformat() if is_held else "",
    }


def _name_draft(workspace: Workspace, kind: Kind) -> str:
    name = f"{workspace.item.pk}-{workspace.assignment.annotator_id}"
    return name if kind == "work" else f"{kind}-{name}"


def _find_urls(workspace: Workspace, kind: Kind, given: Mapping[str, str]) -> dict[str, str]:
    pk = workspace.assignment.pk
    slug = workspace.project.slug
    urls = dict.fromkeys(ADDRESSES, "") | {
        "home": reverse("labeling:home"),
        "work": reverse("labeling:work", args=[slug]),
    }
    if kind != "training":
        urls["comments"] = reverse("labeling:assignment-comments", args=[pk])
    if kind == "work":
        api = f"/api/v1/assignments/{pk}"
        urls |= {
            "form": reverse("labeling:assignment", args=[pk]),
            "draft": f"{api}/draft/",
            "heartbeat": f"{api}/heartbeat/",
            "reveal": f"{api}/reveal/",
            "submit": f"{api}/submit/",
            "skip": f"{api}/skip/",
            "submit_next": reverse("labeling:submit-next", args=[pk]),
            "skip_next": reverse("labeling:skip-next", args=[pk]),
            "ahead": reverse("labeling:ahead", args=[pk]),
            "again": reverse("labeling:take-again", args=[workspace.item.pk]),
        }
    urls |= given
    urls["submit_next"] = urls["submit_next"] or urls["submit"]
    urls["login"] = urls["login"] or f"{reverse('login')}?next={urls['form']}"
    return urls
