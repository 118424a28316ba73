"""Agreement: how sure we are, who differs from whom, and about what. Every number is a door."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from labeling.access import Capability, get_project
from labeling.models import Dispute, Membership, Project, ReviewItem, User
from labeling.selectors.agreement import (
    AgreementReport,
    build_report,
    list_kind_items,
    list_pair_items,
    load_words,
    seconds_per_step,
)
from labeling.selectors.influence import has_proposals
from labeling.web.downloads import stream_csv
from labeling.web.errors import page
from labeling.web.figures import (
    describe_kinds,
    describe_raters,
    list_figures,
    pick_tiles,
    plot_intervals,
    plot_pairs,
)
from labeling.web.nav import project_context
from labeling.web.requests import AuthedRequest, paginate

PAGE_SIZE = 25
CSV_COLUMNS = (
    *("of", "figure", "first", "second", "value", "low", "high", "n", "undefined_because"),
)


@page
@require_GET
def agreement(request: AuthedRequest, slug: str) -> HttpResponse:
    project = get_project(request.user, slug, Capability.VIEW_AGREEMENT)
    people_only = request.GET.get("people") == "1"
    report = build_report(project, include_simulated=not people_only)
    figures = list_figures(report)
    names = name_raters(project, report)
    shown = report.steps or report.verdicts
    context: dict[str, Any] = {
        **project_context(request, project, "agreement"),
        "report": report,
        "people_only": people_only,
        "figures": figures,
        "tiles": pick_tiles(figures),
        "plot": plot_intervals(figures),
        "kinds": describe_kinds(report.kinds),
        "n_solutions": project.solutions.count(),
        "has_proposals": has_proposals(project),
    }
    if shown is not None:
        address = reverse("labeling:agreement-items", args=[project.slug])
        words = load_words(project, include_simulated=not people_only)
        context |= {
            "of_steps": report.steps is not None,
            "shown": shown,
            "heat": plot_pairs(shown, names, address),
            "names": names,
            "raters": describe_raters(
                shown,
                names=names,
                simulated=find_simulated(report),
                items=dict(Counter(word.rater_id for word in words)),
                seconds=seconds_per_step(words),
            ),
        }
    return render(request, "labeling/agreement.html", context)


def name_raters(project: Project, report: AgreementReport) -> dict[int, str]:
    """What this project calls its reviewers: pseudonyms, or names where they are not hidden."""
    if project.hide_names:
        return dict(report.raters)
    return {user.pk: user.name for user in User.objects.filter(pk__in=report.raters)}


def name_people(project: Project, people: list[int]) -> dict[int, str]:
    """The same names for people of the project who are known by id."""
    members = Membership.objects.filter(project=project, user__in=people).select_related("user")
    return {
        member.user_id: member.pseudonym if project.hide_names else member.user.name
        for member in members
    }


def find_simulated(report: AgreementReport) -> set[int]:
    """Which of the raters nobody is."""
    return set(
        User.objects.filter(pk__in=report.raters, is_simulated=True).values_list("pk", flat=True)
    )


@page
@require_GET
def agreement_csv(request: AuthedRequest, slug: str) -> HttpResponseBase:
    """The figures and the pairs as one table; undefined figures have a reason and no value."""
    project = get_project(request.user, slug, Capability.VIEW_AGREEMENT)
    report = build_report(project, include_simulated=request.GET.get("people") != "1")
    return stream_csv(
        f"{project.slug}-agreement.csv",
        CSV_COLUMNS,
        list_csv_rows(report, name_raters(project, report)),
    )


def list_csv_rows(report: AgreementReport, names: dict[int, str]) -> Iterator[tuple[object, ...]]:
    for figure in list_figures(report):
        unit, _dot, name = figure.key.partition(".")
        yield (
            *(unit, name, "", "", figure.value, figure.low, figure.high, figure.n),
            figure.reason if figure.value is None else "",
        )
    for unit, part in (("steps", report.steps), ("injections", report.verdicts)):
        for pair in part.pairs.pairs if part else ():
            for name in ("alpha", "kappa", "percent_agreement"):
                coefficient = getattr(pair, name)
                yield (
                    *(unit, name, names.get(pair.first, ""), names.get(pair.second, "")),
                    *(coefficient.value, "", "", pair.n_units, coefficient.explanation),
                )
    for kind, count in sorted(report.kinds.items()):
        yield ("items", f"disagree_on_{kind}", "", "", count, "", "", report.items_judged_twice, "")


@page
@require_GET
def agreement_items(request: AuthedRequest, slug: str) -> HttpResponse:
    """The items behind a number: judged by the same two people, or of one kind of difference."""
    project = get_project(request.user, slug, Capability.VIEW_AGREEMENT)
    kind = request.GET.get("kind", "")
    first, second = (_read_id(request.GET.get(name)) for name in ("first", "second"))
    if first and second:
        found = list_pair_items(project, first, second, kind=kind)
        if request.GET.get("differ") == "1":
            found = [row for row in found if row[2]]
    elif kind:
        found = [(item, solution, True) for item, solution in list_kind_items(project, kind)]
    else:
        raise Http404("Choose two people, or a kind of disagreement.")
    shown = paginate(request, found, size=PAGE_SIZE)
    items = (
        ReviewItem.objects.filter(pk__in=[item for item, _solution, _differ in shown])
        .select_related("solution__problem", "solution__injection")
        .in_bulk()
    )
    disputes = dict(
        Dispute.objects.filter(item__in=items, state=Dispute.State.OPEN).values_list("item", "pk")
    )
    people = name_people(project, [first, second])
    labels = {row.kind: row for row in describe_kinds({kind: 1})} if kind else {}
    return render(
        request,
        "labeling/agreement_items.html",
        {
            **project_context(request, project, "agreement"),
            "page": shown,
            "rows": [
                (items[item], differ, disputes.get(item)) for item, _solution, differ in shown
            ],
            "kind": labels.get(kind),
            "people": [people[pk] for pk in (first, second) if pk in people],
            "first": first,
            "second": second,
            "differ_only": request.GET.get("differ") == "1",
        },
    )


def _read_id(value: str | None) -> int:
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 19 else 0
