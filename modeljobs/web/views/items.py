"""The items of a job, and what was asked and answered in one of them."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from labeling.models import Injection
from labeling.selectors.review import list_error_types
from labeling.web.errors import page
from labeling.web.nav import project_context
from labeling.web.requests import AuthedRequest, paginate
from modeljobs import selectors
from modeljobs.models import JobItem
from modeljobs.services.calls import list_exchanges

PAGE_SIZE = 50


@page
@require_GET
def items(request: AuthedRequest, pk: int) -> HttpResponse:
    """The items of a job, by state and reason."""
    job = selectors.get_job(request.user, pk)
    rows = JobItem.objects.filter(job=job).select_related("solution__problem").order_by("pk")
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
            "type_names": {kind.code: kind.name for kind in list_error_types(job.project.taxonomy)},
        },
    )


@page
@require_GET
def item(request: AuthedRequest, pk: int) -> HttpResponse:
    """One item: its exchanges with the engine word for word, and what came of it."""
    found = JobItem.objects.select_related("solution__problem").filter(pk=pk).first()
    if found is None:
        raise Http404(f"There is no item {pk} that you may see.")
    job = selectors.get_job(request.user, found.job_id)
    products = [
        product["id"]
        for product in found.result.get("products", ())
        if product.get("kind") == "injection" and product.get("id") is not None
    ]
    return render(
        request,
        "modeljobs/item.html",
        {
            **project_context(request, job.project, "jobs"),
            "job": job,
            "item": found,
            "exchanges": list_exchanges(found),
            "injections": Injection.objects.filter(pk__in=products, project=job.project),
            "type_names": {kind.code: kind.name for kind in list_error_types(job.project.taxonomy)},
        },
    )
