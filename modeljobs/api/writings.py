"""Files that workers write, over REST: how far one is, and where what came of it is."""

from __future__ import annotations

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from modeljobs.models import FileWriting
from modeljobs.selectors_writings import get_writing
from workbench.api.permissions import Scope
from workbench.api.serializers import Nothing
from workbench.api.views import ApiView


class FileWritingSerializer(serializers.ModelSerializer[FileWriting]):
    """A file that a worker writes: a job's labels, or a comparison's conversations."""

    job = serializers.IntegerField(source="job_id", allow_null=True)
    consensus = serializers.IntegerField(source="run_id", allow_null=True)
    done = serializers.IntegerField(help_text="How many solutions are written.")
    total = serializers.IntegerField(help_text="How many there are to write.")
    error = serializers.CharField(help_text="Why it failed; empty where it did not.")
    requested_by = serializers.CharField(source="requested_by.name")
    url = serializers.SerializerMethodField(help_text="Where to ask how far it is.")
    result = serializers.SerializerMethodField(
        help_text="The reading or the comparison that the file belongs to, once it is written."
    )
    file = serializers.SerializerMethodField(help_text="The file, once it is written.")

    class Meta:
        model = FileWriting
        fields: tuple[str, ...] = (
            *("id", "job", "consensus", "state", "done", "total", "error", "requested_by"),
            *("created_at", "started_at", "finished_at", "url", "result", "file"),
        )
        read_only_fields = fields

    def get_url(self, writing: FileWriting) -> str:
        return build_url(writing)

    def get_result(self, writing: FileWriting) -> str | None:
        if writing.state != FileWriting.State.DONE:
            return None
        if writing.run_id is not None:
            return reverse("api:consensus", args=[writing.run_id])
        if writing.reading is None:
            return None
        return reverse("api:job-reading", args=[writing.job_id, writing.reading.number])

    def get_file(self, writing: FileWriting) -> str | None:
        if writing.state != FileWriting.State.DONE:
            return None
        if writing.run_id is not None:
            return reverse("api:consensus-conversations", args=[writing.run_id])
        if writing.reading is None:
            return None
        return reverse("api:job-reading-file", args=[writing.job_id, writing.reading.number])


def build_url(writing: FileWriting) -> str:
    """Where the state of a writing is asked for."""
    return reverse("api:writing", args=[writing.pk])


def answer_accepted(writing: FileWriting) -> Response:
    """What was asked for is on its way: 202, and where to look."""
    return Response(
        FileWritingSerializer(writing).data,
        status=status.HTTP_202_ACCEPTED,
        headers={"Location": build_url(writing)},
    )


class FileWritingView(ApiView):
    """One file that a worker writes."""

    tag = "jobs"
    scopes = {"GET": (Scope.READ, Scope.EXPORT)}

    @extend_schema(responses=FileWritingSerializer)
    def get(self, request: Request, writing_id: int) -> Response:
        """How far a file is; ask again until its state is `done` or `failed`."""
        self.read_query(Nothing)
        return Response(FileWritingSerializer(get_writing(self.user, writing_id)).data)
