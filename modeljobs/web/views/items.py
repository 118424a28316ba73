"""The items of a job; one of them with what was found, asked and answered in it."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from labeling.models import Injection
from labeling.selectors.review import list_error_types
from labeling.web.errors import page
from labeling.web.nav import project_context
from labeling.web.requests import AuthedRequest, paginate, wants_fragment
from modeljobs import selectors
from modeljobs.evidence_views import Viewer, build_source, checks_steps, list_step_rows
from modeljobs.models import JobItem, ModelJob
from modeljobs.services.calls import list_exchanges
from modeljobs.services.reveals import get_evidence_access

PAGE_SIZE = 50
# The texts of calls are long: a step's prompt holds all that came before it.
CALLS_PAGE_SIZE = 12
UNDER_WAY = (JobItem.State.PENDING, JobItem.State.LEASED)


@page
@require_GET
def items(request: AuthedRequest, pk: int) -> HttpResponse:
    """The items of a job, by state and reason."""
    job = selectors.get_job(request.user, pk)
    rows = selectors.list_items(job).select_related("solution__problem")
    state, reason = request.GET.get("state", ""), request.GET.get("reason")
    if state in JobItem.State.values:
        rows = rows.filter(state=state)
    if reason is not None:
        rows = rows.filter(reason_code=reason)
    unit = request.GET.get("unit", "")
    if unit:
        rows = rows.filter(unit=unit)
    return render(
        request,
        "modeljobs/items.html",
        {
            **project_context(request, job.project, "jobs"),
            "job": job,
            "page": paginate(request, rows, size=PAGE_SIZE),
            "state": state,
            "reason": reason,
            "unit": unit,
            "states": JobItem.State.choices,
            "checks_steps": checks_steps(job),
            "type_names": {kind.code: kind.name for kind in list_error_types(job.project.taxonomy)},
        },
    )


@page
@require_GET
def item(request: AuthedRequest, pk: int) -> HttpResponse:
    """One item: what was found of each step, what came of it, and its exchanges word for word."""
    found = JobItem.objects.select_related("solution__problem").filter(pk=pk).first()
    if found is None:
        raise Http404(f"There is no item {pk} that you may see.")
    job = selectors.get_job(request.user, found.job_id)
    found.job = job
    context = _build_state(job, found)
    if wants_fragment(request, "state"):
        return render(request, "modeljobs/_item_state.html", context)
    products = [
        product["id"]
        for product in found.result.get("products", ())
        if product.get("kind") == "injection" and product.get("id") is not None
    ]
    exchanges = list_exchanges(found)
    access = get_evidence_access(request.user, found.pk)
    viewer = Viewer(request.user.pk, access.sees_others)
    return render(
        request,
        "modeljobs/item.html",
        {
            **project_context(request, job.project, "jobs"),
            **context,
            "rows": list_step_rows(found, viewer=viewer) if context["checks_steps"] else [],
            "may_run": access.may_run,
            "calls": paginate(request, exchanges, size=CALLS_PAGE_SIZE),
            "injections": Injection.objects.filter(pk__in=products, project=job.project),
        },
    )


def _build_state(job: ModelJob, found: JobItem) -> dict[str, Any]:
    """What the part shows that is asked for again while the item is under way."""
    return {
        "job": job,
        "item": found,
        "source": build_source(found, job),
        "is_under_way": found.state in UNDER_WAY,
        "checks_steps": checks_steps(job),
        "n_checked": found.evidence.values("position").distinct().count(),
        "type_names": {kind.code: kind.name for kind in list_error_types(job.project.taxonomy)},
    }
