"""A person's own version of a model's code and analysis, beside the model's. No code runs here."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from labeling.selectors.review import list_steps
from labeling.web.errors import page
from labeling.web.nav import project_context
from labeling.web.requests import AuthedRequest, wants_fragment
from modeljobs.evidence_views import (
    BlockView,
    EvidenceView,
    SampleView,
    TrialView,
    list_evidence,
    list_trials,
    show_trials,
)
from modeljobs.services.reveals import EvidenceAccess, get_evidence_access
from modeljobs.services.trials import (
    MAX_ANALYSIS_CHARS,
    MAX_CODE_CHARS,
    keep_analysis,
    request_trial,
)
from modeljobs.web.views.evidence import find_viewer, read_whole, refuse
from workbench.errors import Conflict, InvalidInput, NotAllowed, NotFound


@page
@never_cache
@require_http_methods(["GET", "POST"])
def trials(request: AuthedRequest, pk: int) -> HttpResponse:
    """The runs of one block (`position`, `sample`, `block`): a page, or with `?fragment=trials` the
    part that is asked for again until all of them have ended.

    A POST asks for another; with `action=keep` it keeps the analysis, and nothing is run.
    """
    access = get_evidence_access(request.user, pk)
    position, sample, block = (
        read_whole(request, name) for name in ("position", "sample", "block")
    )
    if not access.includes(position):
        raise NotAllowed("The machine evidence on this step is not open to you.")
    if request.method == "POST":
        return _run(request, access, position=position, sample=sample, block=block)
    if wants_fragment(request, "trials"):
        return _show_part(request, access, position=position, sample=sample, block=block)
    return _show_page(request, access, position=position, sample=sample, block=block)


def _run(
    request: AuthedRequest, access: EvidenceAccess, *, position: int, sample: int, block: int
) -> HttpResponse:
    is_fragment = wants_fragment(request, "trials")
    place = {"position": position, "sample": sample, "block": block}
    code, analysis = request.POST.get("code", ""), request.POST.get("analysis")
    try:
        if not access.may_run:
            raise NotAllowed("Your role in this project does not allow you to run code.")
        if request.POST.get("action") == "keep":
            keep_analysis(
                item=access.item,
                position=position,
                sample=sample,
                block=block,
                analysis=analysis or "",
                code=code,
                by=request.user,
            )
        else:
            request_trial(
                item=access.item,
                position=position,
                sample=sample,
                block=block,
                code=code,
                analysis=analysis,
                by=request.user,
            )
    except (Conflict, InvalidInput) as error:
        if is_fragment:
            return refuse(request, error)
        return _show_page(request, access, **place, code=code, analysis=analysis, refusal=error)
    if is_fragment:
        return _show_part(request, access, **place)
    address = reverse("modeljobs:trials", args=[access.item.pk])
    return redirect(f"{address}?{urlencode(place)}")


def _list(
    request: AuthedRequest, access: EvidenceAccess, word: SampleView | None, **place: int
) -> list[TrialView]:
    trials = list_trials(access.item, find_viewer(request, access), **place)
    return show_trials(trials, word.analysis if word else "")


def _show_part(request: AuthedRequest, access: EvidenceAccess, **place: int) -> HttpResponse:
    _view, word, _written = _find_block(access, **place)
    context: dict[str, Any] = {
        "item_id": access.item.pk,
        "trials": _list(request, access, word, **place),
        "position": place["position"],
        "sample": place["sample"],
        "number": place["block"],
    }
    return render(request, "modeljobs/_trials.html", context)


def _show_page(
    request: AuthedRequest,
    access: EvidenceAccess,
    *,
    position: int,
    sample: int,
    block: int,
    code: str | None = None,
    analysis: str | None = None,
    refusal: Conflict | InvalidInput | None = None,
) -> HttpResponse:
    view, word, written = _find_block(access, position, sample, block)
    steps = list_steps(access.item.solution)
    answer = render(
        request,
        "modeljobs/trials.html",
        {
            **project_context(request, access.item.job.project, "jobs"),
            "item": access.item,
            "view": view,
            "word": word,
            "written": written,
            "step": next((step for step in steps if step.position == position), None),
            "trials": _list(request, access, word, position=position, sample=sample, block=block),
            "item_id": access.item.pk,
            "position": position,
            "sample": sample,
            "number": block,
            "may_run": access.may_run,
            "code": code if code is not None else (written.code if written else ""),
            "analysis": analysis if analysis is not None else (word.analysis if word else ""),
            "longest": MAX_CODE_CHARS,
            "longest_analysis": MAX_ANALYSIS_CHARS,
            "refusal": refusal.message if refusal else "",
        },
        status=refusal.status if refusal else 200,
    )
    wait = refusal.extra.get("retry_after") if refusal else None
    if wait is not None:
        answer["Retry-After"] = str(wait)
    return answer


def _find_block(
    access: EvidenceAccess, position: int, sample: int, block: int
) -> tuple[EvidenceView, SampleView | None, BlockView | None]:
    """The block as its model wrote it; None for one of one's own, or where the texts are gone."""
    found = list_evidence(access.item, position=position)
    if not found:
        raise NotFound(f"Nothing was found of step {position + 1}.")
    view = found[0]
    word = next((one for one in view.samples if one.sample == sample), None)
    if view.samples and (word is None or block > len(word.blocks)):
        raise NotFound(f"There is no block {block + 1} of sample {sample + 1}.")
    written = word.blocks[block] if word and block < len(word.blocks) else None
    return view, word, written
