"""What a person has finished: the list of it, an item that is no longer held, and reopening."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from labeling import panels
from labeling.access import Capability, get_own_annotation, get_project
from labeling.models import Annotation, Assignment, ReviewItem
from labeling.selectors.exposures import find_blind_judgement
from labeling.selectors.originals import describe_original
from labeling.selectors.review import get_workspace, list_error_types
from labeling.selectors.submitted import (
    SubmittedFilters,
    build_own_words,
    find_own_word,
    list_submitted,
)
from labeling.services.annotations import parse_submission, revise
from labeling.web.content_forms import find_gaps_in, read_rating_form, read_verdict_form
from labeling.web.errors import page
from labeling.web.nav import project_context
from labeling.web.requests import AuthedRequest, paginate
from labeling.web.submitted_forms import ReasonForm, SubmittedForm
from labeling.web.workspace_context import build_context
from workbench.errors import Conflict, InvalidInput, NotFound, WorkbenchError
from workbench.messages import translate_sentence

PAGE_SIZE = 25


def show_closed(request: AuthedRequest, held: Assignment) -> HttpResponse:
    """What became of an item that is no longer held, all that one said of it, and the way on."""
    item = held.item
    types = {kind.code: kind.name for kind in list_error_types(held.project.taxonomy)}
    about = None
    if item.task == ReviewItem.Task.VERIFY_INJECTION:
        about = describe_original(item.solution_id, beside_item=item.pk)
    return render(
        request,
        "labeling/assignment_closed.html",
        {
            **project_context(request, held.project, "work"),
            "assignment": held,
            "can_take_again": held.state == Assignment.State.EXPIRED and item.free_slots > 0,
            "own": find_own_word(item, request.user, held.project),
            "report": about and about.report,
            "has_draft": item.drafts.filter(annotator=request.user).exists(),
            "evidence_url": _find_evidence_url(held),
            # As the partial that puts a revision in words expects it.
            "dossier": {"type_names": types},
        },
        status=200 if request.method == "GET" else 409,
    )


def _find_evidence_url(held: Assignment) -> str:
    """Where a reviewer who has submitted finds what machines said; "" where nothing is open."""
    if held.state != Assignment.State.SUBMITTED or held.project.machine_evidence == "never":
        return ""
    found = panels.find_panels(solution_id=held.item.solution_id)
    return found[0].find_open_url(assignment_id=held.pk) if found else ""


@page
@require_GET
def submitted(request: AuthedRequest, slug: str) -> HttpResponse:
    """What this person has submitted in a project, what they spoke of last first."""
    project = get_project(request.user, slug, Capability.ANNOTATE)
    types = {kind.code: kind.name for kind in list_error_types(project.taxonomy)}
    form = SubmittedForm(request.GET, error_types=types.items())
    filters, refusal = form.build_filters(), ""
    try:
        rows = list_submitted(request.user, project, filters)
    except InvalidInput as error:
        rows = list_submitted(request.user, project, SubmittedFilters()).none()
        refusal = translate_sentence(error.message)
    shown = paginate(request, rows, size=PAGE_SIZE)
    return render(
        request,
        "labeling/submitted.html",
        {
            **project_context(request, project, "work"),
            "form": form,
            "refusal": refusal,
            "page": shown,
            "words": build_own_words(list(shown.object_list), project),
            "is_filtered": not filters.is_empty,
            "dossier": {"type_names": types},
        },
    )


# --- Opening one's own again ----------------------------------------------------------------------


@page
@never_cache
@require_http_methods(["GET", "POST"])
def reopen(request: AuthedRequest, pk: int) -> HttpResponse:
    """One's own item, opened again with what one says of it now. A POST is the plain form's."""
    annotation = get_own_annotation(request.user, pk)
    held = _get_submitted(annotation)
    refusal = _find_refusal(held)
    if refusal:
        messages.error(request, refusal)
        return redirect("labeling:assignment", pk=held.pk)
    if request.method == "POST":
        return _answer_form(request, annotation, held)
    return _show(request, annotation, held)


def _get_submitted(annotation: Annotation) -> Assignment:
    """The hold under which the annotation was submitted, with all that the workspace shows."""
    held = (
        Assignment.objects.select_related("project__taxonomy", "item__solution__problem")
        .filter(
            item=annotation.item_id,
            annotator=annotation.annotator_id,
            state=Assignment.State.SUBMITTED,
        )
        .first()
    )
    if held is None:
        raise NotFound("This was not submitted here; there is nothing to open again.")
    return held


def _find_refusal(held: Assignment) -> str:
    """Why an item stays closed to its own reviewer; "" where it may be opened again."""
    if held.item.state == ReviewItem.State.DECIDED:
        return _("This item has been adjudicated. Comment on it instead.")
    sealed = held.item.task == ReviewItem.Task.VERIFY_INJECTION and held.project.hide_claim
    if sealed and find_blind_judgement(item=held.item, person=held.annotator) is None:
        return _("You submitted this without opening its claim. Comment on it instead.")
    return ""


def _show(
    request: AuthedRequest,
    annotation: Annotation,
    held: Assignment,
    *,
    content: dict[str, Any] | None = None,
    gaps: list[dict[str, Any]] | None = None,
) -> HttpResponse:
    number = annotation.current_number
    # The plain form says by its address which revision it changes.
    address = f"{reverse('labeling:annotation-reopen', args=[annotation.pk])}?number={number}"
    if content is None:
        content = annotation.revisions.values_list("content", flat=True).get(number=number)
    workspace = get_workspace(held, content=content)
    context = build_context(
        workspace,
        gaps=gaps or [],
        urls={"form": address, "submit": reverse("api:annotation-revise", args=[annotation.pk])},
        way={"kind": "revise", "asks_reason": True, "extra": {"number": number}},
    )
    verifying = held.item.task == ReviewItem.Task.VERIFY_INJECTION
    template = "labeling/verify.html" if verifying else "labeling/rate.html"
    return render(request, template, context, status=400 if gaps else 200)


def _answer_form(request: AuthedRequest, annotation: Annotation, held: Assignment) -> HttpResponse:
    """The workspace's own form asks for no reason: a page of its own does, and sends all again."""
    explaining = request.POST.get("action") == "explain"
    content = _read_kept(request) if explaining else _read_content(request, held)
    if request.POST.get("action") == "save":
        gap = _("Nothing is kept until you submit: your earlier judgement stands. Here is yours.")
        return _show(request, annotation, held, content=content, gaps=[_gap(gap)])
    form = ReasonForm(request.POST if explaining else None)
    try:
        parse_submission(content, item=held.item, project=held.project)
        if not form.is_valid():
            return _ask_reason(request, annotation, held, content, form)
        revise(
            annotation=annotation,
            by=request.user,
            data=content,
            reason=form.cleaned_data["reason"],
            seen_number=_read_number(request),
            idempotency_key=_read_key(request),
        )
    except Conflict as error:
        annotation.refresh_from_db()
        return _show(request, annotation, held, content=content, gaps=[_explain(error)])
    except InvalidInput as error:
        return _show(request, annotation, held, content=content, gaps=find_gaps_in(error))
    messages.success(request, _("Your new judgement is on record, beside the first."))
    return redirect("labeling:assignment", pk=held.pk)


def _ask_reason(
    request: AuthedRequest,
    annotation: Annotation,
    held: Assignment,
    content: dict[str, Any],
    form: ReasonForm,
) -> HttpResponse:
    return render(
        request,
        "labeling/reopen_reason.html",
        {
            **project_context(request, held.project, "work"),
            "form": form,
            "content": json.dumps(content),
            "key": str(_read_key(request)),
            "address": f"{request.path}?number={_read_number(request)}",
            "back": reverse("labeling:annotation-reopen", args=[annotation.pk]),
        },
        status=400 if form.is_bound else 200,
    )


def _read_content(request: AuthedRequest, held: Assignment) -> dict[str, Any]:
    if held.item.task == ReviewItem.Task.VERIFY_INJECTION:
        return read_verdict_form(request.POST, solution=held.item.solution)
    return read_rating_form(request.POST, n_steps=held.item.solution.n_steps)


def _read_kept(request: AuthedRequest) -> dict[str, Any]:
    """The judgement as the page that asks for the reason keeps it."""
    try:
        content = json.loads(request.POST.get("content", ""))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise InvalidInput(_("This page is out of date. Open the item again."), field="content")
    return content


def _read_number(request: AuthedRequest) -> int:
    given = request.GET.get("number", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else 0


def _read_key(request: AuthedRequest) -> uuid.UUID:
    """The form's own key, so that it counts once; another where it has none."""
    try:
        return uuid.UUID(request.POST.get("idempotency_key", ""))
    except ValueError:
        return uuid.uuid4()


def _explain(error: WorkbenchError) -> dict[str, Any]:
    if "number" in error.extra:
        return _gap(
            _(
                "You changed this in another window meanwhile. That judgement is on record; what "
                "you see here is this window's. Submit it to put it beside the other one."
            )
        )
    return _gap(translate_sentence(error.message))


def _gap(message: str) -> dict[str, Any]:
    return {"message": message, "position": None}
