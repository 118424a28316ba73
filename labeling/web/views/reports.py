"""Originals that reviewers found wrong: the list, and what leads decide."""

from __future__ import annotations

from functools import partial

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from labeling.access import Capability, get_project
from labeling.models import SourceReport
from labeling.selectors.dossiers import name_types
from labeling.selectors.reports import build_dossiers, count_reports, get_report, list_reports
from labeling.services.reports import confirm, dismiss, reopen
from labeling.web.errors import attempt, page
from labeling.web.nav import project_context
from labeling.web.requests import AuthedRequest, paginate

State = SourceReport.State
# Each shows a whole solution and all that was made from it.
PAGE_SIZE = 10


@page
@never_cache
@require_GET
def reports(request: AuthedRequest, slug: str) -> HttpResponse:
    """Reported originals; with `?state=` those that were decided."""
    project = get_project(request.user, slug, Capability.ADJUDICATE)
    state = request.GET.get("state", State.OPEN)
    if state not in State.values:
        state = State.OPEN
    counts = count_reports(project)
    shown = paginate(request, list_reports(project, state=state), size=PAGE_SIZE)
    return render(
        request,
        "labeling/reports.html",
        {
            **project_context(request, project, "reports"),
            "page": shown,
            "dossiers": build_dossiers(list(shown.object_list), project),
            "state": state,
            "states": [
                {
                    "url": f"?state={value}",
                    "label": label,
                    "current": value == state,
                    "count": counts.get(value, 0),
                }
                for value, label in State.choices
            ],
            "type_names": name_types(project),
        },
    )


@page
@require_POST
def report_decide(request: AuthedRequest, pk: int) -> HttpResponse:
    """Say that an original is wrong, or that it is right and why."""
    report = get_report(request.user, pk)
    reason = request.POST.get("reason", "")
    if request.POST.get("state") == State.CONFIRMED:
        attempt(
            request,
            partial(confirm, report=report, by=request.user, reason=reason),
            done=_("Noted: the original is wrong. What was made from it left the queue."),
        )
    else:
        attempt(
            request,
            partial(dismiss, report=report, by=request.user, reason=reason),
            done=_("Noted: the original is right. Who found it wrong is told why."),
        )
    return _go_back(report)


@page
@require_POST
def report_reopen(request: AuthedRequest, pk: int) -> HttpResponse:
    """Take a decision back."""
    report = get_report(request.user, pk)
    attempt(
        request,
        partial(reopen, report=report, by=request.user),
        done=_("The report is open again, and what left the queue is back."),
    )
    return _go_back(report)


def _go_back(report: SourceReport) -> HttpResponse:
    report.refresh_from_db(fields=["state"])
    address = reverse("labeling:reports", args=[report.project.slug])
    return redirect(f"{address}?state={report.state}#report-{report.pk}")
