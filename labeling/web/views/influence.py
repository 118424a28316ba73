"""What became of machines' proposals: how often people took them over, and how far that sways."""

from __future__ import annotations

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from labeling.access import Capability, get_project
from labeling.content import OverrideReason
from labeling.selectors.influence import build_influence, list_proposed_steps
from labeling.web.downloads import stream_csv
from labeling.web.errors import page
from labeling.web.nav import project_context
from labeling.web.requests import AuthedRequest, paginate
from labeling.words import OVERRIDE_REASONS

PAGE_SIZE = 25
CSV_COLUMNS = (
    *("item", "solution", "person", "step", "arm", "method", "proposed", "said", "reason"),
    *("in_bulk", "decided"),
)


@page
@require_GET
def proposals(request: AuthedRequest, slug: str) -> HttpResponse:
    project = get_project(request.user, slug, Capability.VIEW_AGREEMENT)
    people_only = request.GET.get("people") == "1"
    reason = request.GET.get("reason", "")
    report = build_influence(project, include_simulated=not people_only)
    steps = None
    if reason in set(OverrideReason):
        found = list_proposed_steps(project, include_simulated=not people_only)
        steps = paginate(request, [row for row in found if row.reason == reason], size=PAGE_SIZE)
    return render(
        request,
        "labeling/proposals.html",
        {
            **project_context(request, project, "agreement"),
            "report": report,
            "people_only": people_only,
            "measures": [
                (report.on_all, _("All steps that both rated"), ""),
                (
                    report.on_wrong,
                    _("Steps on which the machine was wrong"),
                    _("by an adjudicator's decision: errors taken over from it"),
                ),
            ],
            "reasons": [
                (code, OVERRIDE_REASONS[OverrideReason(code)], count)
                for code, count in report.reasons.items()
            ],
            "reason": reason,
            "reason_words": "" if steps is None else OVERRIDE_REASONS[OverrideReason(reason)],
            "steps": steps,
        },
    )


@page
@require_GET
def proposals_csv(request: AuthedRequest, slug: str) -> HttpResponseBase:
    """Every judged step that had a proposal, shown or kept back, one a row."""
    project = get_project(request.user, slug, Capability.VIEW_AGREEMENT)
    rows = list_proposed_steps(project, include_simulated=request.GET.get("people") != "1")
    return stream_csv(
        f"{project.slug}-proposals.csv",
        CSV_COLUMNS,
        (
            (
                *(row.item_id, row.solution_id, row.person, row.position + 1),
                *("shown" if row.shown else "blind", row.method, row.proposed, row.said),
                *(row.reason, row.in_bulk, row.decided),
            )
            for row in rows
        ),
    )
