"""Data coming in."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.http import HttpRequest, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access
from labeling.access import Capability
from labeling.api.serializers.transfers import (
    ImportQuery,
    ImportSerializer,
    IssueSerializer,
    UploadFormSerializer,
    UploadSerializer,
)
from labeling.models import ImportBatch
from labeling.services.projects import SOURCE_FACTS
from labeling.services.transfers import create_import
from workbench.api.pagination import NewestFirst
from workbench.api.permissions import Scope
from workbench.api.serializers import Nothing
from workbench.api.views import ApiView
from workbench.errors import InvalidInput, WorkbenchError

PIECE = 64 * 1024
# A form's other fields and its boundaries, beside the file.
FORM_ROOM = 1024 * 1024
# A cell that begins so is a formula to a spreadsheet, and what a message quotes is anybody's text.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class TooLarge(WorkbenchError):
    """More than is taken in one request."""

    code = "too_large"
    status = 413


class LengthRequired(WorkbenchError):
    """The size of the body is not known beforehand."""

    code = "length_required"
    status = 411


class ImportsView(ApiView):
    """The imports of a project."""

    tag = "imports"
    scopes = {"GET": (Scope.READ, Scope.IMPORT), "POST": (Scope.IMPORT,)}
    pagination_class = NewestFirst

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        # Before anything reads the body, and so before it is on the disk.
        check_length(request._request)
        super().initial(request, *args, **kwargs)

    @extend_schema(parameters=[ImportQuery], responses=ImportSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The imports, newest first."""
        project = access.get_project(self.user, slug, Capability.IMPORT)
        query = self.read_query(ImportQuery)
        rows = project.import_batches.filter(**query).select_related("source", "created_by")
        return self.list_page(rows, ImportSerializer)

    @extend_schema(
        parameters=[UploadSerializer],
        request={
            "application/octet-stream": OpenApiTypes.BINARY,
            "multipart/form-data": UploadFormSerializer,
        },
        responses={201: ImportSerializer},
    )
    def post(self, request: Request, slug: str) -> Response:
        """Upload a file. A worker reads it; ask for the import to see how far it is.

        Either the file is the body, and the rest stands in the address, or it is the part `file`
        of a form. JSON, JSON Lines, and both compressed (gzip, zstd, zip).
        """
        project = access.get_project(self.user, slug, Capability.IMPORT)
        given = request._request
        name = ""
        if given.content_type == "multipart/form-data":
            file = given.FILES.get("file")
            if file is None:
                raise InvalidInput("Send the file as the part `file` of the form.", field="file")
            options = self._check(
                UploadSerializer, {**request.query_params.dict(), **given.POST.dict()}
            )
            chunks: Iterator[bytes] = file.chunks(PIECE)
            name = file.name or ""
        else:
            options = self.read_query(UploadSerializer)
            chunks = iterate_body(given)
        batch = create_import(
            project=project,
            by=self.user,
            chunks=chunks,
            filename=options["filename"] or name,
            format_name=options["format"],
            source_name=options["source"],
            enqueue=options["enqueue"],
            format_options=options["format_options"],
            source_facts={key: options[key] for key in SOURCE_FACTS if key in options},
        )
        return Response(ImportSerializer(batch).data, status=status.HTTP_201_CREATED)


def check_length(request: HttpRequest) -> None:
    """Refuse what is too large, or of unknown size, before a byte of it is read."""
    if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        raise LengthRequired("Send the file with its Content-Length, not in chunks.")
    try:
        length = int(request.headers.get("Content-Length") or 0)
    except ValueError:
        length = 0
    limit: int = settings.WORKBENCH_MAX_UPLOAD_BYTES
    room = FORM_ROOM if request.content_type == "multipart/form-data" else 0
    if length > limit + room:
        raise TooLarge(
            f"The file is larger than {limit:,} bytes. Import it in parts, or raise "
            "WORKBENCH_MAX_UPLOAD_BYTES.",
            limit=limit,
        )


def iterate_body(request: HttpRequest) -> Iterator[bytes]:
    """The body in pieces, never whole."""
    while piece := request.read(PIECE):
        yield piece


class ImportView(ApiView):
    """One import."""

    tag = "imports"
    scopes = {"GET": (Scope.READ, Scope.IMPORT)}

    @extend_schema(responses=ImportSerializer)
    def get(self, request: Request, batch_id: int) -> Response:
        """How far an import is, and what it added."""
        self.read_query(Nothing)
        return Response(ImportSerializer(access.get_import_batch(self.user, batch_id)).data)


class ImportIssuesView(ApiView):
    """What was wrong with a file."""

    tag = "imports"
    scopes = {"GET": (Scope.READ, Scope.IMPORT)}

    @extend_schema(responses=IssueSerializer(many=True))
    def get(self, request: Request, batch_id: int) -> Response:
        """The defects of a file, line by line."""
        self.read_query(Nothing)
        batch = access.get_import_batch(self.user, batch_id)
        return self.list_page(batch.issues.all(), IssueSerializer)


class ImportIssuesFileView(ApiView):
    """What was wrong with a file, as a table."""

    tag = "imports"
    scopes = {"GET": (Scope.READ, Scope.IMPORT)}

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR})
    def get(self, request: Request, batch_id: int) -> StreamingHttpResponse:
        """The defects of a file as CSV: line, field, message, fatal."""
        self.read_query(Nothing)
        batch = access.get_import_batch(self.user, batch_id)
        response = StreamingHttpResponse(
            write_issues(batch), content_type="text/csv; charset=utf-8"
        )
        response["Content-Disposition"] = f'attachment; filename="import-{batch.pk}-issues.csv"'
        response["X-Content-Type-Options"] = "nosniff"
        return response


class _Line:
    """A file for csv.writer that gives back what was written to it."""

    def write(self, text: str) -> str:
        return text


def write_issues(batch: ImportBatch) -> Iterator[str]:
    """The issues of an import as lines of CSV."""
    writer = csv.writer(_Line())
    yield writer.writerow(("line", "field", "message", "fatal"))
    rows = batch.issues.order_by("pk").values_list("line", "field", "message", "fatal")
    for line, field, message, fatal in rows.iterator(chunk_size=2000):
        yield writer.writerow((line, disarm(field), disarm(message), "yes" if fatal else "no"))


def disarm(text: str) -> str:
    """The text with an apostrophe before it where a spreadsheet would read a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
