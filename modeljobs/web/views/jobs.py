"""Model jobs: the list, a new one, one as it runs, and what is done to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeling.access import Capability, get_project
from labeling.models import Project
from labeling.selectors.review import list_error_types
from labeling.web.errors import Mendable, add_refusal, attempt, page
from labeling.web.nav import project_context
from labeling.web.requests import AuthedRequest, paginate, wants_fragment
from modeljobs import selectors
from modeljobs.evidence_views import checks_steps
from modeljobs.methods.base import Method
from modeljobs.methods.catalog import METHODS
from modeljobs.models import Engine, JobItem, ModelJob
from modeljobs.selectors import JobProgress
from modeljobs.services import jobs as service
from modeljobs.services.budgets import NAMES
from modeljobs.services.engines import ensure_scripted_engine, ensure_tiny_engine
from modeljobs.web.figures import build_figures
from modeljobs.web.forms import BudgetForm, JobForm, read_budget_fields
from modeljobs.web.sections import build_sections
from workbench.messages import translate_sentence

PAGE_SIZE = 25
# Where a job's budgets may be changed.
AT_REST = (ModelJob.State.QUEUED, ModelJob.State.PAUSED)
BAR_WIDTH = 1000
FINAL = (ModelJob.State.DONE, ModelJob.State.CANCELLED)
# In the order of the bar, with the class of each part.
BAR = (
    (JobItem.State.DONE, "seg-done"),
    (JobItem.State.FAILED, "seg-bad"),
    (JobItem.State.SET_ASIDE, "seg-discarded"),
    (JobItem.State.LEASED, "bar--soft"),
    (JobItem.State.PENDING, "seg-wait"),
)


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a job's bar."""

    state: str
    css: str
    label: str
    x: float
    width: float
    count: int


@page
@require_GET
def jobs(request: AuthedRequest, slug: str) -> HttpResponse:
    project = get_project(request.user, slug, Capability.VIEW_JOBS)
    rows = (
        ModelJob.objects.filter(project=project)
        .select_related("engine", "created_by")
        .order_by("-pk")
    )
    shown = paginate(request, rows, size=PAGE_SIZE)
    return render(
        request,
        "modeljobs/jobs.html",
        {
            **project_context(request, project, "jobs"),
            "page": shown,
            "summaries": selectors.summarise_jobs(list(shown.object_list)),
            "titles": {name: translate_sentence(method.title) for name, method in METHODS.items()},
        },
    )


# --- A new job ----------------------------------------------------------------------------------


@page
@require_http_methods(["GET", "POST"])
def job_new(request: AuthedRequest, slug: str) -> HttpResponse:
    """The form. A POST makes and starts a job, or by its `action` counts what it would have
    (count), or makes the shipped engines where none serves the method (shipped).
    """
    project = get_project(request.user, slug, Capability.RUN_JOBS)
    method = METHODS.get(request.GET.get("method", ""), next(iter(METHODS.values())))
    if request.method == "POST" and request.POST.get("action") == "shipped":
        ensure_scripted_engine()
        ensure_tiny_engine()
        return redirect(f"{reverse('modeljobs:job-new', args=[slug])}?method={method.name}")
    sources = list(project.sources.values_list("name", flat=True))
    form = JobForm(
        request.POST or None, method=method, engines=selectors.list_engines(), sources=sources
    )
    counted: tuple[int, int] | None = None
    injects = not method.judges
    if request.method == "POST" and form.is_valid():
        if request.POST.get("action") == "count" or wants_fragment(request, "count"):
            counted = _count(project, method, form)
            if wants_fragment(request, "count"):
                context = {"counted": counted, "form": form, "injects": injects}
                return render(request, "modeljobs/_count.html", context)
        else:
            job = _make(request, project, method, form)
            if job is not None:
                return redirect("modeljobs:job", job.pk)
    elif request.method == "POST" and wants_fragment(request, "count"):
        context = {"counted": None, "form": form, "injects": injects}
        return render(request, "modeljobs/_count.html", context)
    return render(
        request,
        "modeljobs/job_new.html",
        {
            **project_context(request, project, "jobs"),
            "form": form,
            "method": method,
            "methods": list(METHODS.values()),
            "counted": counted,
            "injects": injects,
            "has_engines": form.has_engines,
        },
        status=400 if form.errors else 200,
    )


def _count(project: Project, method: Method, form: JobForm) -> tuple[int, int] | None:
    """(solutions, items) of such a job; None where it is refused, with the reason in the form."""
    try:
        return service.preview_job(
            project=project,
            method=method.name,
            parameters=form.build_settings(),
            seed=form.cleaned_data["seed"],
            selection=form.build_selection(),
        )
    except Mendable as error:
        add_refusal(form, error, prefix=form.OPTION)
        return None


def _make(
    request: AuthedRequest, project: Project, method: Method, form: JobForm
) -> ModelJob | None:
    try:
        with transaction.atomic():
            job = service.create_job(
                project=project,
                engine=form.cleaned_data["engine"],
                method=method.name,
                parameters=form.build_settings(),
                seed=form.cleaned_data["seed"],
                selection=form.build_selection(),
                by=request.user,
                **form.build_limits(),
            )
            service.start(job=job, by=request.user)
    except Mendable as error:
        of_budget = error.extra.get("field") in NAMES
        add_refusal(form, error, prefix=form.BUDGET if of_budget else form.OPTION)
        return None
    messages.success(request, _("The job is started."))
    return job


# --- One job ------------------------------------------------------------------------------------


@page
@require_GET
def job(request: AuthedRequest, pk: int) -> HttpResponse:
    found = selectors.get_job(request.user, pk)
    progress = selectors.get_progress(found, now=timezone.now())
    # What judges solutions has no proposals that people accept.
    injects = not checks_steps(found)
    context: dict[str, Any] = {
        "job": found,
        "project": found.project,
        "progress": progress,
        "segments": build_segments(progress),
        "is_final": found.state in FINAL,
        "is_tiny": found.engine_snapshot.get("kind") == Engine.Kind.TINY,
        "injects": injects,
        "figures": build_figures(found, progress, with_steps=not injects),
        "feed": selectors.list_feed(found) if injects else [],
        "funnel": selectors.build_funnel(found) if injects else [],
        "type_names": _name_units(found.project),
    }
    if wants_fragment(request, "progress"):
        # What this person may do is not shown in the part that is refreshed, but for its buttons.
        context["can"] = project_context(request, found.project)["can"]
        return render(request, "modeljobs/_job_progress.html", context)
    method = METHODS.get(found.method)
    context |= {
        **project_context(request, found.project, "jobs"),
        "method": method,
        "parameters": _describe_parameters(found, method),
        "timeline": selectors.list_timeline(found),
        "workers": selectors.list_live_workers(now=timezone.now()),
        "budget_form": BudgetForm(budgets=found.budgets) if found.state in AT_REST else None,
        "sections": build_sections(found, request.user),
    }
    return render(request, "modeljobs/job.html", context)


@page
@require_POST
def job_budgets(request: AuthedRequest, pk: int) -> HttpResponse:
    """Give a job at rest other budgets: one that stopped because its own were used up goes on."""
    found = selectors.get_job(request.user, pk, Capability.RUN_JOBS)
    form = BudgetForm(request.POST, budgets=found.budgets)
    if not form.is_valid():
        for name, sentences in form.errors.items():
            messages.error(request, f"{form.fields[name].label}: {' '.join(map(str, sentences))}")
        return redirect("modeljobs:job", pk)
    attempt(
        request,
        lambda: service.change_budgets(
            job=found, budgets=read_budget_fields(form), by=request.user
        ),
        done=_("The budgets are changed."),
    )
    return redirect("modeljobs:job", pk)


def build_segments(progress: JobProgress) -> list[Segment]:
    """The job's items by state, as parts of one bar."""
    segments = []
    x = 0.0
    for state, css in BAR:
        count = progress.counts.get(state, 0)
        width = BAR_WIDTH * count / progress.total if progress.total else 0.0
        segments.append(Segment(state, css, str(state.label), round(x, 2), round(width, 2), count))
        x += width
    return segments


def _name_units(project: Project) -> dict[str, str]:
    """The names of error types, for units that are some."""
    return {kind.code: kind.name for kind in list_error_types(project.taxonomy)}


def _describe_parameters(job: ModelJob, method: Method | None) -> list[tuple[str, str]]:
    """(title, value) of the job's settings as its method calls them."""
    titles = {option.name: option for option in method.parameters} if method else {}
    described = []
    for name, value in job.parameters.items():
        option = titles.get(name)
        names = {key: translate_sentence(title) for key, title in option.choices} if option else {}
        if isinstance(value, list):
            text = ", ".join(names.get(str(one), str(one)) for one in value)
        elif isinstance(value, bool):
            text = _("yes") if value else _("no")
        else:
            text = names.get(str(value), str(value))
        described.append((translate_sentence(option.title) if option else name, text))
    return described


@page
@require_POST
def job_action(request: AuthedRequest, pk: int, action: str) -> HttpResponse:
    """Start, pause, resume or cancel a job; whoever was faster is told so."""
    found = selectors.get_job(request.user, pk, Capability.RUN_JOBS)
    actions: dict[str, tuple[Callable[..., ModelJob], str]] = {
        "start": (service.start, _("The job is started.")),
        "pause": (
            service.pause,
            _("The job is paused: what is in flight lands, nothing new begins."),
        ),
        "resume": (service.resume, _("The job goes on.")),
        "cancel": (service.cancel, _("The job is cancelled. What it made stays.")),
    }
    act, done = actions[action]
    attempt(request, lambda: act(job=found, by=request.user), done=done)
    return redirect("modeljobs:job", pk)


@page
@require_POST
def job_retry(request: AuthedRequest, pk: int) -> HttpResponse:
    """Put failed items back, all of them or those of one reason."""
    found = selectors.get_job(request.user, pk, Capability.RUN_JOBS)
    reason = request.POST.get("reason_code")
    count = attempt(
        request, lambda: service.retry_failed(job=found, by=request.user, reason_code=reason)
    )
    if count is not None:
        messages.success(
            request,
            ngettext("%(n)s item is tried again.", "%(n)s items are tried again.", count)
            % {"n": count},
        )
    return redirect("modeljobs:job", pk)
