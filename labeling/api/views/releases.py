"""Data going out."""

from __future__ import annotations

from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import parse_etags, quote_etag
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access
from labeling.access import Capability
from labeling.api.serializers.transfers import (
    FormatListSerializer,
    NewReleaseSerializer,
    ReleaseSerializer,
)
from labeling.formats import list_formats
from labeling.services import releases
from workbench.api.pagination import NewestFirst
from workbench.api.permissions import ANY_SCOPE, Scope
from workbench.api.serializers import Nothing
from workbench.api.views import ApiView

CONTENT_TYPES = {".jsonl": "application/x-ndjson", ".json": "application/json"}


class ReleasesView(ApiView):
    """The releases of a project."""

    tag = "releases"
    scopes = {"GET": (Scope.READ, Scope.EXPORT), "POST": (Scope.EXPORT,)}
    pagination_class = NewestFirst

    @extend_schema(responses=ReleaseSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The releases, newest first, with their files and hashes."""
        self.read_query(Nothing)
        project = access.get_project(self.user, slug, Capability.EXPORT)
        rows = project.releases.select_related("created_by").prefetch_related("files")
        return self.list_page(rows, ReleaseSerializer)

    @extend_schema(request=NewReleaseSerializer, responses={201: ReleaseSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Ask for a release. A worker builds it; ask again to see whether it is ready."""
        project = access.get_project(self.user, slug, Capability.EXPORT)
        data = self.read(NewReleaseSerializer)
        release = releases.create_release(project=project, by=self.user, **data)
        return Response(ReleaseSerializer(release).data, status=status.HTTP_201_CREATED)


class ReleaseView(ApiView):
    """One release."""

    tag = "releases"
    scopes = {"GET": (Scope.READ, Scope.EXPORT)}

    @extend_schema(responses=ReleaseSerializer)
    def get(self, request: Request, release_id: int) -> Response:
        """A release with its manifest, or why it could not be built."""
        self.read_query(Nothing)
        return Response(ReleaseSerializer(access.get_release(self.user, release_id)).data)


class Download(FileResponse):
    """A file in pieces of 64 KB."""

    block_size = 64 * 1024


class ReleaseFileView(ApiView):
    """One file of a release."""

    tag = "releases"
    scopes = {"GET": (Scope.EXPORT,)}

    @extend_schema(
        parameters=[
            OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER),
        ],
        responses={
            (200, "application/octet-stream"): OpenApiTypes.BINARY,
            304: OpenApiResponse(description="You have this file already."),
        },
    )
    def get(self, request: Request, release_id: int, filename: str) -> HttpResponseBase:
        """Download a file. Its ETag is its SHA-256, so that a second download can be saved."""
        self.read_query(Nothing)
        release = access.get_release(self.user, release_id)
        file, path = releases.open_file(release, filename)
        etag = quote_etag(file.sha256)
        wanted = parse_etags(request.headers.get("If-None-Match", ""))
        response: HttpResponseBase
        if "*" in wanted or etag in (tag.removeprefix("W/") for tag in wanted):
            response = HttpResponse(status=status.HTTP_304_NOT_MODIFIED)
        else:
            response = Download(
                path.open("rb"),
                as_attachment=True,
                filename=file.filename,
                content_type=CONTENT_TYPES.get(path.suffix, "application/octet-stream"),
            )
            response["X-Content-Type-Options"] = "nosniff"
            if request.method == "HEAD":
                response.close()
                response = HttpResponse(headers=dict(response.items()))
        response["ETag"] = etag
        # Kept if you like, but asked for again each time: access may have ended.
        response["Cache-Control"] = "private, no-cache"
        return response


class FormatsView(ApiView):
    """The formats that there are."""

    tag = "formats"
    scopes = {"GET": ANY_SCOPE}

    @extend_schema(responses=FormatListSerializer)
    def get(self, request: Request) -> Response:
        """The formats that can be read and written, with their fields, indices and options."""
        self.read_query(Nothing)
        return Response(
            FormatListSerializer({"results": [one.info for one in list_formats()]}).data
        )
