"""What people think of a machine's reasoning: rated beside it, and listed for a whole job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from labeling.selectors.review import list_steps
from labeling.web.downloads import stream_csv
from labeling.web.errors import page
from labeling.web.nav import project_context
from labeling.web.requests import AuthedRequest, paginate, wants_fragment
from modeljobs import selectors
from modeljobs.evidence_views import NOT_RATED, group_ratings, list_evidence
from modeljobs.models import ModelJob, RationaleRating
from modeljobs.selectors_rationales import list_newest, tally_ratings
from modeljobs.services.rationales import MAX_NOTE_CHARS, rate_rationale
from modeljobs.services.reveals import EvidenceAccess, get_evidence_access
from modeljobs.web.views.evidence import find_viewer, read_whole, refuse
from workbench.errors import Conflict, InvalidInput, NotAllowed, NotFound

COLUMNS = ("id", "item", "solution", "step", "sample", "person", "value", "note", "created_at")


@page
@never_cache
@require_http_methods(["GET", "POST"])
def rationales(request: AuthedRequest, pk: int) -> HttpResponse:
    """What one thinks of one sample's reasoning (`position`, `sample`): a page, or with
    `?fragment=rationale` the part of it. A POST (`value`, `note`) says it.
    """
    access = get_evidence_access(request.user, pk)
    position, sample = (read_whole(request, name) for name in ("position", "sample"))
    if not access.includes(position):
        raise NotAllowed("The machine evidence on this step is not open to you.")
    is_fragment = wants_fragment(request, "rationale")
    refusal: InvalidInput | None = None
    if request.method == "POST":
        if not access.may_run:
            raise NotAllowed("Your role in this project does not allow you to rate reasoning.")
        try:
            rate_rationale(
                item=access.item,
                position=position,
                sample=sample,
                value=request.POST.get("value", ""),
                note=request.POST.get("note", ""),
                by=request.user,
            )
        except (Conflict, InvalidInput) as error:
            if is_fragment:
                return refuse(request, error)
            refusal = error if isinstance(error, InvalidInput) else None
        else:
            if not is_fragment:
                address = reverse("modeljobs:rationales", args=[pk])
                query = urlencode({"position": position, "sample": sample})
                return redirect(f"{address}?{query}")
    ratings = group_ratings(access.item, position, find_viewer(request, access))
    context: dict[str, Any] = {
        "item_id": pk,
        "position": position,
        "sample": sample,
        "ratings": ratings.get(position, {}).get(sample, NOT_RATED),
        "may_run": access.may_run,
    }
    if is_fragment:
        return render(request, "modeljobs/_rationale.html", context)
    return _show_page(request, access, context, refusal)


def _show_page(
    request: AuthedRequest,
    access: EvidenceAccess,
    context: dict[str, Any],
    refusal: InvalidInput | None,
) -> HttpResponse:
    position, sample = context["position"], context["sample"]
    views = list_evidence(access.item, position=position)
    if not views:
        raise NotFound(f"Nothing was found of step {position + 1}.")
    view = views[0]
    word = next((one for one in view.samples if one.sample == sample), None)
    written = view.scores.written if view.scores else ()
    said = next((one for one in written if one.sample == sample), None)
    if word is None and said is None and not view.missing:
        raise NotFound(f"There is no reasoning of a sample {sample + 1} on this step.")
    steps = list_steps(access.item.solution)
    return render(
        request,
        "modeljobs/rationale.html",
        {
            **project_context(request, access.item.job.project, "jobs"),
            **context,
            "item": access.item,
            "view": view,
            "word": word,
            "said": said,
            "step": next((step for step in steps if step.position == position), None),
            "longest": MAX_NOTE_CHARS,
            "refusal": refusal.message if refusal else "",
        },
        status=refusal.status if refusal else 200,
    )


@page
@require_GET
def job_rationales(request: AuthedRequest, pk: int) -> HttpResponse:
    """The newest ratings of a job's reasoning, all or those of one value."""
    job = selectors.get_job(request.user, pk)
    value = request.GET.get("value", "")
    rows = list_newest(job).select_related("person", "item__solution__problem")
    if value in RationaleRating.Value.values:
        rows = rows.filter(value=value)
    tally = tally_ratings(job)
    return render(
        request,
        "modeljobs/job_rationales.html",
        {
            **project_context(request, job.project, "jobs"),
            "job": job,
            "page": paginate(request, rows),
            "tally": tally,
            "tabs": _build_tabs(tally.counts, value, total=tally.ratings),
        },
    )


def _build_tabs(counts: Mapping[str, int], value: str, *, total: int) -> list[dict[str, Any]]:
    is_known = value in RationaleRating.Value.values
    return [
        {"url": "?", "label": _("All"), "current": not is_known, "count": total},
        *(
            {
                "url": f"?value={code}",
                "label": str(label),
                "current": code == value,
                "count": counts[code],
            }
            for code, label in RationaleRating.Value.choices
        ),
    ]


@page
@require_GET
def job_rationales_csv(request: AuthedRequest, pk: int) -> HttpResponseBase:
    """The same as a table for a spreadsheet."""
    job = selectors.get_job(request.user, pk)
    return stream_csv(f"job-{job.pk}-rationales.csv", COLUMNS, _list_rows(job))


def _list_rows(job: ModelJob) -> Iterator[tuple[object, ...]]:
    rows = list_newest(job).select_related("person", "item")
    for row in rows.iterator(chunk_size=1_000):
        yield (
            *(row.pk, row.item_id, row.item.solution_id, row.position + 1, row.sample + 1),
            *(row.person.name, row.value, row.note, row.created_at.isoformat()),
        )
