"""A project's overview, and making a new project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from labeling.access import Capability, get_project, may_create_projects
from labeling.models import Membership, Project, ReviewItem
from labeling.selectors.progress import OverviewView, get_overview
from labeling.services.assignments import count_submitted, count_waiting
from labeling.services.projects import create_project, ensure_builtin_taxonomies
from labeling.web.errors import Mendable, add_refusal, page
from labeling.web.nav import project_context
from labeling.web.project_forms import ProjectForm
from labeling.web.requests import AuthedRequest

# In the order in which an item passes through them.
STATES = (
    ReviewItem.State.WAITING,
    ReviewItem.State.DISPUTED,
    ReviewItem.State.AGREED,
    ReviewItem.State.DECIDED,
    ReviewItem.State.DISCARDED,
)
BAR_CLASSES = {
    ReviewItem.State.WAITING: "seg-wait",
    ReviewItem.State.DISPUTED: "bar--soft",
    ReviewItem.State.AGREED: "seg-done",
    ReviewItem.State.DECIDED: "seg-decided",
    ReviewItem.State.DISCARDED: "seg-discarded",
}
BAR_WIDTH = 1000


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a bar: where it starts, how wide it is, and what it stands for."""

    css: str
    x: float
    width: float
    label: str
    count: int
    url: str


class NextStep(NamedTuple):
    """One thing on the way from data to a release; `is_done` where it has been done once."""

    label: str
    detail: str
    url: str
    is_done: bool


@page
@require_GET
def overview(request: AuthedRequest, slug: str) -> HttpResponse:
    project = get_project(request.user, slug)
    context = project_context(request, project, "overview")
    can = context["can"]
    if can[Capability.ANNOTATE]:
        done = count_submitted(user=request.user, project=project)
        waiting = count_waiting(user=request.user, project=project)
        # As on the home page: out of what this person has done or could still do.
        context |= {"done": done, "total": done + waiting}
    if can[Capability.BROWSE]:
        numbers = get_overview(project)
        context |= {
            "numbers": numbers,
            "segments": build_segments(project, numbers.by_state),
            "next_steps": list_next_steps(project, numbers, can),
        }
    return render(request, "labeling/overview.html", context)


def build_segments(project: Project, by_state: dict[str, int]) -> list[Segment]:
    """The items of a project as parts of one bar, each a link to its items."""
    total = sum(by_state.values())
    browse = reverse("labeling:browse", args=[project.slug])
    segments: list[Segment] = []
    x = 0.0
    for state in STATES:
        count = by_state.get(state, 0)
        width = BAR_WIDTH * count / total if total else 0.0
        segments.append(
            Segment(
                css=BAR_CLASSES[state],
                x=round(x, 2),
                width=round(width, 2),
                label=str(state.label),
                count=count,
                url=f"{browse}?state={state}",
            )
        )
        x += width
    return segments


def list_next_steps(
    project: Project, numbers: OverviewView, can: dict[str, bool]
) -> list[NextStep]:
    """The way from data to a release, with how far this project has come."""

    def address(name: str, capability: Capability) -> str:
        return reverse(name, args=[project.slug]) if can[capability] else ""

    settled = sum(
        numbers.by_state.get(state, 0)
        for state in (ReviewItem.State.AGREED, ReviewItem.State.DECIDED)
    )
    return [
        NextStep(
            _("Import solutions"),
            _("From a file in any of a dozen formats."),
            address("labeling:imports", Capability.IMPORT),
            numbers.solutions > 0,
        ),
        NextStep(
            _("Inject errors"),
            _("A model job puts errors of known types into correct solutions."),
            address("modeljobs:jobs", Capability.VIEW_JOBS),
            numbers.injections > 0,
        ),
        NextStep(
            _("Invite reviewers"),
            _("A one-time link makes an account and a role."),
            address("labeling:members", Capability.MANAGE),
            Membership.objects.filter(project=project, is_active=True).count() > 1,
        ),
        NextStep(
            _("Review"),
            _("Each item is judged by as many people as the protocol asks."),
            address("labeling:work", Capability.ANNOTATE),
            numbers.submissions > 0,
        ),
        NextStep(
            _("Decide disputes"),
            _("Where reviewers differ, an adjudicator decides with a reason."),
            address("labeling:disputes", Capability.ADJUDICATE),
            settled > 0 and not numbers.open_disputes,
        ),
        NextStep(
            _("Release"),
            _("Hashed files of what was verified, for training."),
            address("labeling:releases", Capability.EXPORT),
            numbers.releases > 0,
        ),
    ]


@page
@require_http_methods(["GET", "POST"])
def project_new(request: AuthedRequest) -> HttpResponse:
    if not may_create_projects(request.user):
        raise PermissionDenied("Only someone who leads a project may make another.")
    taxonomies = ensure_builtin_taxonomies() if request.method == "POST" else {}
    form = ProjectForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        values = dict(form.cleaned_data)
        taxonomy = taxonomies.get(values.pop("taxonomy"))
        try:
            project = create_project(by=request.user, taxonomy=taxonomy, **values)
        except Mendable as error:
            add_refusal(form, error)
        else:
            messages.success(request, _("The project is made. Import solutions to begin."))
            return redirect("labeling:overview", project.slug)
    status = 400 if form.errors else 200
    return render(request, "labeling/project_new.html", {"form": form}, status=status)
