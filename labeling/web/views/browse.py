"""Browsing what a project holds: the list, one solution with everyone's word, one injection."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from labeling.access import Capability, get_injection, get_project, get_solution
from labeling.models import ReviewItem
from labeling.selectors.dossiers import build_injection_dossier, build_solution_dossier
from labeling.selectors.explorer import count_by_lint, list_filter_choices, list_solutions
from labeling.selectors.review import list_error_types
from labeling.web.errors import page
from labeling.web.forms import BrowseForm
from labeling.web.nav import project_context
from labeling.web.requests import AuthedRequest, paginate

PAGE_SIZE = 25


@page
@require_GET
def browse(request: AuthedRequest, slug: str) -> HttpResponse:
    project = get_project(request.user, slug, Capability.BROWSE)
    type_names = {kind.code: kind.name for kind in list_error_types(project.taxonomy)}
    form = BrowseForm(
        request.GET,
        choices=list_filter_choices(project),
        lints=list(count_by_lint(project)),
        type_names=type_names,
    )
    filters = form.build_filters()
    solutions = list_solutions(project, filters)
    if filters.state:
        # A solution may have two items in one state. Elsewhere rows are single, and it would cost.
        solutions = solutions.distinct()
    shown = paginate(request, solutions, size=PAGE_SIZE)
    return render(
        request,
        "labeling/browse.html",
        {
            **project_context(request, project, "solutions"),
            "form": form,
            "page": shown,
            "is_filtered": form.is_filtered,
            "type_names": type_names,
        },
    )


@page
@require_GET
def solution(request: AuthedRequest, pk: int) -> HttpResponse:
    found = get_solution(request.user, pk)
    project = found.project
    return render(
        request,
        "labeling/solution.html",
        {
            **project_context(request, project, "solutions"),
            "solution": found,
            "dossier": build_solution_dossier(found),
            "tasks": ReviewItem.Task,
        },
    )


@page
@require_GET
def injection(request: AuthedRequest, pk: int) -> HttpResponse:
    found = get_injection(request.user, pk)
    project = found.project
    return render(
        request,
        "labeling/injection.html",
        {
            **project_context(request, project, "solutions"),
            "injection": found,
            "dossier": build_injection_dossier(found),
        },
    )
