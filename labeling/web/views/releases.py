"""Releases: asking for one, seeing it built, and its files."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from labeling.access import Capability, get_project, get_release
from labeling.formats import list_formats
from labeling.models import Release
from labeling.services.releases import create_release, open_file
from labeling.web.downloads import not_modified, stream_file
from labeling.web.errors import Mendable, add_refusal, page
from labeling.web.forms import ReleaseForm
from labeling.web.nav import project_context
from labeling.web.requests import AuthedRequest, paginate, wants_fragment

PAGE_SIZE = 25
FINAL = (Release.State.READY, Release.State.FAILED)


@page
@require_http_methods(["GET", "POST"])
def releases(request: AuthedRequest, slug: str) -> HttpResponse:
    project = get_project(request.user, slug, Capability.EXPORT)
    sources = list(project.sources.values_list("name", flat=True))
    form = ReleaseForm(request.POST or None, sources=sources)
    if request.method == "POST" and form.is_valid():
        try:
            release = create_release(
                project=project,
                name=form.cleaned_data["name"],
                by=request.user,
                options=form.build_options(),
                note=form.cleaned_data["note"],
            )
        except Mendable as error:
            add_refusal(form, error)
        else:
            messages.success(request, _("A worker builds the release now."))
            return redirect("labeling:release", release.pk)
    rows = project.releases.select_related("created_by").prefetch_related("files").order_by("-pk")
    return render(
        request,
        "labeling/releases.html",
        {
            **project_context(request, project, "releases"),
            "form": form,
            "page": paginate(request, rows, size=PAGE_SIZE),
        },
        status=400 if form.errors else 200,
    )


@page
@require_GET
def release(request: AuthedRequest, pk: int) -> HttpResponse:
    found = get_release(request.user, pk)
    files = list(found.files.all())
    titles = {fmt.info.name: fmt.info.title for fmt in list_formats()}
    context: dict[str, Any] = {
        "release": found,
        "project": found.project,
        "is_final": found.state in FINAL,
        "files": files,
        "titles": titles,
        "is_blocked": "blocking lints" in found.error,
        "api_urls": [
            request.build_absolute_uri(reverse("api:release-file", args=[found.pk, file.filename]))
            for file in files[:1]
        ],
    }
    if wants_fragment(request, "progress"):
        return render(request, "labeling/_release_progress.html", context)
    context |= project_context(request, found.project, "releases")
    return render(request, "labeling/release_detail.html", context)


@page
@require_safe
def release_file(request: AuthedRequest, pk: int, filename: str) -> HttpResponseBase:
    found = get_release(request.user, pk)
    file, path = open_file(found, filename)
    unchanged = not_modified(file.sha256, request.headers.get("If-None-Match", ""))
    if unchanged is not None:
        return unchanged
    name = f"{found.project.slug}-{found.name}-{file.filename}"
    return stream_file(path, filename=name, sha256=file.sha256)
