"""What comes of injections in a project, what stops a job of them, and who sees sources first."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from labeling.access import Capability, get_project
from labeling.selectors.review import list_error_types
from labeling.web.errors import attempt, page
from labeling.web.nav import project_context
from labeling.web.requests import AuthedRequest
from modeljobs import selectors
from modeljobs.selection import count_sources
from modeljobs.selectors_yield import build_yield
from modeljobs.services import acceptance
from modeljobs.services.sources import send_sources_to_people
from modeljobs.web.forms import GuardForm, read_guard_fields
from modeljobs.web.yield_views import build_groups


@page
@require_GET
def yields(request: AuthedRequest, slug: str) -> HttpResponse:
    """The yield of every injector of the project, and its sources."""
    project = get_project(request.user, slug, Capability.VIEW_JOBS)
    return render(
        request,
        "modeljobs/yield.html",
        {
            **project_context(request, project, "jobs"),
            "groups": build_groups(build_yield(project)),
            "type_names": {kind.code: kind.name for kind in list_error_types(project.taxonomy)},
            "sources": count_sources(project),
        },
    )


@page
@require_POST
def sources_verify(request: AuthedRequest, slug: str) -> HttpResponse:
    """Put sources that nobody has settled yet before reviewers."""
    project = get_project(request.user, slug, Capability.MANAGE)
    routed = attempt(request, lambda: send_sources_to_people(project=project, by=request.user))
    if routed is not None:
        count = routed.queued + routed.moved
        messages.success(
            request,
            ngettext(
                "%(n)s solution comes first in the queue now.",
                "%(n)s solutions come first in the queue now.",
                count,
            )
            % {"n": count},
        )
    return redirect("modeljobs:yield", slug)


@page
@require_POST
def job_guards(request: AuthedRequest, pk: int) -> HttpResponse:
    """Give a job at rest another guard: one that it stopped goes on only then."""
    found = selectors.get_job(request.user, pk, Capability.RUN_JOBS)
    form = GuardForm(request.POST, guards=found.guards)
    if not form.is_valid():
        for name, sentences in form.errors.items():
            messages.error(request, f"{form.fields[name].label}: {' '.join(map(str, sentences))}")
        return redirect("modeljobs:job", pk)
    attempt(
        request,
        lambda: acceptance.change_guards(
            job=found, guards=read_guard_fields(form), by=request.user
        ),
        done=_("The guard is changed."),
    )
    return redirect("modeljobs:job", pk)
