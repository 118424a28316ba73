"""What a person has finished: the list of it, and the page of an item that is no longer held."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from labeling import panels
from labeling.access import Capability, get_project
from labeling.models import Annotation, Assignment
from labeling.web.errors import page
from labeling.web.nav import project_context
from labeling.web.requests import AuthedRequest


def show_closed(request: AuthedRequest, held: Assignment) -> HttpResponse:
    """What became of an item that is no longer held, and the way on."""
    item = held.item
    return render(
        request,
        "labeling/assignment_closed.html",
        {
            **project_context(request, held.project, "work"),
            "assignment": held,
            "can_take_again": held.state == Assignment.State.EXPIRED and item.free_slots > 0,
            "annotation": Annotation.objects.filter(item=item, annotator=request.user).first(),
            "has_draft": item.drafts.filter(annotator=request.user).exists(),
            "evidence_url": _find_evidence_url(held),
        },
        status=200 if request.method == "GET" else 409,
    )


def _find_evidence_url(held: Assignment) -> str:
    """Where a reviewer who has submitted finds what machines said; "" where nothing is open."""
    if held.state != Assignment.State.SUBMITTED or held.project.machine_evidence == "never":
        return ""
    found = panels.find_panels(solution_id=held.item.solution_id)
    return found[0].find_open_url(assignment_id=held.pk) if found else ""


@page
@require_GET
def submitted(request: AuthedRequest, slug: str) -> HttpResponse:
    """What this person has submitted in a project, newest first."""
    project = get_project(request.user, slug, Capability.ANNOTATE)
    mine = (
        Annotation.objects.filter(project=project, annotator=request.user)
        .select_related("item", "solution__problem")
        .prefetch_related("revisions")
        .order_by("-pk")
    )
    query = request.GET.get("q", "").strip()
    if query:
        mine = mine.filter(solution__problem__text__icontains=query)
    paginator = Paginator(mine, 25)
    return render(
        request,
        "labeling/submitted.html",
        {
            **project_context(request, project, "work"),
            "page": paginator.get_page(request.GET.get("page")),
            "query": query,
        },
    )
