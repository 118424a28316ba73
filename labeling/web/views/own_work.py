"""One's own page of a project: how far one is, how long it takes, and how it compares."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from labeling.access import Capability, get_project
from labeling.models import Assignment, Project
from labeling.selectors.agreement import FEW
from labeling.selectors.own_work import (
    FIGURES,
    Figure,
    Progress,
    SentBack,
    get_own_work,
    list_compared,
    load_decided,
)
from labeling.selectors.review import list_error_types
from labeling.selectors.training import find_standing
from labeling.web.errors import page
from labeling.web.nav import project_context
from labeling.web.requests import AuthedRequest, paginate

PAGE_SIZE = 25
BAR_WIDTH = 160.0


class DayBar(NamedTuple):
    """A day, its items, and the length of its bar."""

    day: Any
    done: int
    width: float


@page
@never_cache
@require_GET
def own_work(request: AuthedRequest, slug: str) -> HttpResponse:
    """Everything of one's own; with `?figure=` the items that a figure was counted from."""
    project = get_project(request.user, slug, Capability.ANNOTATE)
    context = project_context(request, project, "mine")
    if "figure" in request.GET:
        return _show_items(request, project, context)
    own = get_own_work(request.user, project)
    return render(
        request,
        "labeling/own_work.html",
        {
            **context,
            "own": own,
            "days": plot_days(own.progress),
            "figures": None if own.figures is None else [_name_figure(one) for one in own.figures],
            "few": FEW,
            "standing": find_standing(request.user, project),
            "rounds": own.rounds,
            "sent_back": _with_assignments(request, own.sent_back),
        },
    )


def plot_days(progress: Progress) -> list[DayBar]:
    """The bars of the last days; the longest is that of the day with most."""
    most = max((day.done for day in progress.days), default=0)
    return [
        DayBar(day.day, day.done, round(BAR_WIDTH * day.done / most, 2) if most else 0.0)
        for day in progress.days
    ]


def name_figures() -> dict[str, tuple[str, str]]:
    """What each figure is called, and what it counts."""
    return {
        "first_error": (
            _("First error, exact"),
            _("the same step, or both none; of an injection what you said before its claim"),
        ),
        "within_one": (_("First error, ±1"), _("the same step or one beside it, or both none")),
        "steps": (_("Ratings of steps"), _("of the steps that both rated")),
        "verdicts": (
            _("Verdicts"),
            _("accepted, with or without edits, or rejected, or a bad problem"),
        ),
    }


def _name_figure(figure: Figure) -> tuple[str, str, Figure]:
    return (*name_figures()[figure.name], figure)


def _with_assignments(
    request: AuthedRequest, sent_back: list[SentBack]
) -> list[tuple[SentBack, int | None]]:
    """Each with the number of one's hold on the item, by whose page one comes to its comments."""
    held = _find_assignments(request, [one.annotation.item_id for one in sent_back])
    return [(one, held.get(one.annotation.item_id)) for one in sent_back]


def _find_assignments(request: AuthedRequest, items: list[Any]) -> dict[Any, int]:
    mine = Assignment.objects.filter(annotator=request.user, item__in=items).order_by("pk")
    return dict(mine.values_list("item", "pk"))


def _show_items(request: AuthedRequest, project: Project, context: dict[str, Any]) -> HttpResponse:
    wanted = request.GET.get("figure")
    name = next((one for one in FIGURES if one == wanted), None)
    if name is None or not project.decisions_shown:
        raise Http404("There are no items behind such a figure here.")
    differ_only = request.GET.get("differ") == "1"
    found = list_compared(load_decided(request.user, project), name, differing_only=differ_only)
    shown = paginate(request, found, size=PAGE_SIZE)
    held = _find_assignments(request, [one.item.pk for one, _same in shown])
    return render(
        request,
        "labeling/own_work_items.html",
        {
            **context,
            "figure": name,
            "label": name_figures()[name][0],
            "detail": name_figures()[name][1],
            "differ_only": differ_only,
            "page": shown,
            "rows": [(one, same, held.get(one.item.pk)) for one, same in shown],
            "types": list_error_types(project.taxonomy),
        },
    )
