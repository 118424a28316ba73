"""Imports: sending a file, seeing it read, and what was wrong with which line."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_http_methods

from labeling.access import Capability, get_import_batch, get_project
from labeling.formats import list_formats
from labeling.models import ImportBatch, ImportIssue, Project
from labeling.services.transfers import create_import
from labeling.web.downloads import stream_csv
from labeling.web.errors import Mendable, add_refusal, page
from labeling.web.forms import ImportForm
from labeling.web.nav import project_context
from labeling.web.requests import AuthedRequest, paginate, wants_fragment

PAGE_SIZE = 25
FINAL = (ImportBatch.State.DONE, ImportBatch.State.FAILED)


def format_titles() -> dict[str, str]:
    """What formats are called, by name."""
    return {fmt.info.name: fmt.info.title for fmt in list_formats()}


@page
@require_http_methods(["GET", "POST"])
def imports(request: AuthedRequest, slug: str) -> HttpResponse:
    project = get_project(request.user, slug, Capability.IMPORT)
    sources = list(project.sources.values_list("name", flat=True))
    form = ImportForm(request.POST or None, request.FILES or None, sources=sources)
    if request.method == "POST" and form.is_valid():
        batch = _send(request, project, form)
        if batch is not None:
            return redirect("labeling:import", batch.pk)
    batches = project.import_batches.select_related("source", "created_by").order_by("-pk")
    return render(
        request,
        "labeling/imports.html",
        {
            **project_context(request, project, "imports"),
            "form": form,
            "page": paginate(request, batches, size=PAGE_SIZE),
            "formats": [fmt.info for fmt in list_formats() if fmt.info.can_read],
            "format_titles": format_titles(),
        },
        status=400 if form.errors else 200,
    )


def _send(request: AuthedRequest, project: Project, form: ImportForm) -> ImportBatch | None:
    upload = form.cleaned_data["file"]
    try:
        return create_import(
            project=project,
            by=request.user,
            chunks=upload.chunks(),
            filename=upload.name or "",
            format_name=form.cleaned_data["format"],
            source_name=form.cleaned_data["source_name"],
            source_facts=form.build_facts(),
            enqueue=form.cleaned_data["enqueue"],
        )
    except Mendable as error:
        add_refusal(form, error)
        return None


@page
@require_GET
def import_detail(request: AuthedRequest, pk: int) -> HttpResponse:
    batch = get_import_batch(request.user, pk)
    context: dict[str, Any] = {
        "batch": batch,
        "project": batch.project,
        "is_final": batch.state in FINAL,
        "share": batch.bytes_done / batch.size if batch.size else None,
        "format_title": format_titles().get(batch.format, batch.format),
        "page": paginate(request, ImportIssue.objects.filter(batch=batch), size=PAGE_SIZE * 2),
    }
    if wants_fragment(request, "progress"):
        return render(request, "labeling/_import_progress.html", context)
    context |= project_context(request, batch.project, "imports")
    return render(request, "labeling/import_detail.html", context)


@page
@require_GET
def import_issues(request: AuthedRequest, pk: int) -> HttpResponseBase:
    """Every issue of an import, as a table to mend the file by."""
    batch = get_import_batch(request.user, pk)
    rows = (
        ImportIssue.objects.filter(batch=batch)
        .values_list("line", "field", "message", "fatal")
        .iterator(chunk_size=2_000)
    )
    name = slugify(batch.filename.rpartition(".")[0]) or "import"
    return stream_csv(
        f"{name}-{batch.pk}-issues.csv",
        ("line", "field", "message", "line_skipped"),
        ((line, field, message, "yes" if fatal else "no") for line, field, message, fatal in rows),
    )
