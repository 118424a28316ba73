"""The start page: what is next for this person."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from labeling.access import Capability, may_create_projects
from labeling.selectors.progress import HomeView, get_home
from labeling.selectors.training import Standing, find_standings
from labeling.web.errors import page
from labeling.web.requests import AuthedRequest


@page
@never_cache
@require_GET
def home(request: AuthedRequest) -> HttpResponse:
    """Half-finished work first, then the queues; leads and engineers find their projects here."""
    shown = get_home(request.user)
    return render(
        request,
        "labeling/home.html",
        {
            "home": shown,
            "training": _find_training(request, shown),
            "may_create": may_create_projects(request.user),
        },
    )


def _find_training(request: AuthedRequest, shown: HomeView) -> dict[int, Standing]:
    """Where the person stands in the projects that ask for training first, by project id."""
    asking = [
        queue.project
        for queue in shown.queues
        if queue.project.screening_required and Capability.ANNOTATE in queue.capabilities
    ]
    return find_standings(request.user, asking) if asking else {}
