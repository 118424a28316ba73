"""The start page: what is next for this person."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from labeling.access import may_create_projects
from labeling.selectors.progress import get_home
from labeling.web.errors import page
from labeling.web.requests import AuthedRequest


@page
@never_cache
@require_GET
def home(request: AuthedRequest) -> HttpResponse:
    """Half-finished work first, then the queues; leads and engineers find their projects here."""
    return render(
        request,
        "labeling/home.html",
        {
            "home": get_home(request.user),
            "may_create": may_create_projects(request.user),
        },
    )
