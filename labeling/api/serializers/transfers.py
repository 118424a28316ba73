"""What comes in and goes out: imports with their issues, releases with their files, formats."""

from __future__ import annotations

import json
from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from labeling.models import ImportBatch, ImportIssue, Release, ReleaseFile, Source
from workbench.api.serializers import Input


class ImportSerializer(serializers.ModelSerializer[ImportBatch]):
    """One file's way into a project. Counts are final once the state is done."""

    source = serializers.CharField(source="source.name")  # type: ignore[assignment]
    options = serializers.JSONField()
    created_by = serializers.SerializerMethodField()

    class Meta:
        model = ImportBatch
        fields: tuple[str, ...] = (
            *("id", "source", "format", "filename", "sha256", "size", "options", "state"),
            *("records_read", "problems_added", "solutions_added", "steps_added"),
            *("labels_added", "already_there", "issues_count", "bytes_done", "error"),
            *("created_by", "created_at", "finished_at"),
        )
        read_only_fields = fields

    def get_created_by(self, batch: ImportBatch) -> str | None:
        return None if batch.created_by is None else batch.created_by.name


class ImportQuery(Input):
    """Which imports to list."""

    state = serializers.ChoiceField(ImportBatch.State.choices, required=False)


@extend_schema_field({"type": "string"})
class TextOptionsField(serializers.Field[Any, Any, Any, Any]):
    """A JSON object of texts, written as text: a form and an address know nothing else."""

    def to_internal_value(self, data: Any) -> Any:
        try:
            values = json.loads(serializers.CharField(max_length=4_000).run_validation(data))
        except (ValueError, RecursionError):
            raise serializers.ValidationError("is a JSON object of texts.") from None
        if not isinstance(values, dict) or not all(
            isinstance(value, str) for value in values.values()
        ):
            raise serializers.ValidationError("is a JSON object of texts.")
        return values


class UploadSerializer(Input):
    """How a file is to be read, and what is known of it.

    The facts about the source count where the source is new.
    """

    format = serializers.CharField(
        max_length=40, required=False, default="", help_text="Told from the file if not given."
    )
    source = serializers.CharField(  # type: ignore[assignment]
        max_length=120, required=False, default="", help_text="The file's name if not given."
    )
    filename = serializers.CharField(max_length=255, required=False, default="")
    enqueue = serializers.BooleanField(
        required=False, default=True, help_text="Put what is read into the review queue."
    )
    format_options = TextOptionsField(
        required=False,
        default=dict,
        help_text='The format\'s own options as a JSON object: {"phase": "2"}.',
    )
    url = serializers.URLField(max_length=500, required=False)
    revision = serializers.CharField(max_length=120, required=False)
    licence = serializers.CharField(max_length=60, required=False, help_text="SPDX identifier.")
    redistribution = serializers.ChoiceField(Source.Redistribution.choices, required=False)
    has_personal_data = serializers.BooleanField(required=False)
    split = serializers.CharField(max_length=60, required=False)
    citation = serializers.CharField(max_length=20_000, required=False)


class UploadFormSerializer(UploadSerializer):
    """The same as a form, with the file as a part of it."""

    file = serializers.FileField()


class IssueSerializer(serializers.ModelSerializer[ImportIssue]):
    """A defect of one line."""

    class Meta:
        model = ImportIssue
        fields: tuple[str, ...] = ("line", "field", "message", "fatal")
        read_only_fields = fields


class ReleaseFileSerializer(serializers.ModelSerializer[ReleaseFile]):
    """One file of a release."""

    left_out = serializers.DictField(child=serializers.IntegerField())
    url = serializers.SerializerMethodField()

    class Meta:
        model = ReleaseFile
        fields: tuple[str, ...] = (
            "filename",
            "format",
            "sha256",
            "size",
            "records",
            "left_out",
            "url",
        )
        read_only_fields = fields

    def get_url(self, file: ReleaseFile) -> str:
        return reverse("api:release-file", args=[file.release_id, file.filename])


class ReleaseSerializer(serializers.ModelSerializer[Release]):
    """A frozen export. Its files are there once it is ready."""

    options = serializers.JSONField()
    manifest = serializers.JSONField()
    created_by = serializers.CharField(source="created_by.name")
    files = ReleaseFileSerializer(many=True)

    class Meta:
        model = Release
        fields: tuple[str, ...] = (
            *("id", "name", "note", "state", "options", "manifest", "records_done"),
            *("records_total", "error", "created_by", "created_at", "finished_at", "files"),
        )
        read_only_fields = fields


class NameListField(serializers.ListField):
    child = serializers.CharField(max_length=120)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=100, required=False, **kwargs)


class ReleaseOptionsSerializer(Input):
    """What goes into a release; what is not given takes its default."""

    formats = NameListField(help_text="Names of formats that can be written.")
    sources = NameListField(help_text="Names of sources; all if not given.")
    tasks = NameListField(help_text="rate_steps, verify_injection, or both.")
    include_single = serializers.BooleanField(
        required=False, help_text="Take one reviewer's word where not everybody has answered."
    )
    include_scripted = serializers.BooleanField(required=False)
    on_blocking = serializers.ChoiceField(
        ["stop", "leave_out"],
        required=False,
        help_text="What becomes of injections that still have blocking lints.",
    )
    format_options = serializers.DictField(
        child=serializers.DictField(child=serializers.CharField(max_length=200)),
        required=False,
        help_text="By format: its own write options.",
    )


class NewReleaseSerializer(Input):
    """A release to be built. The name is the release's for ever."""

    name = serializers.CharField(max_length=80)
    note = serializers.CharField(max_length=10_000, required=False, default="", allow_blank=True)
    options = ReleaseOptionsSerializer(required=False, default=dict)


class FieldDocSerializer(serializers.Serializer[object]):
    """One field of a format's rows."""

    name = serializers.CharField()
    type = serializers.CharField()
    meaning = serializers.CharField()


class FormatOptionSerializer(serializers.Serializer[object]):
    """A choice that reading or writing leaves to the caller."""

    name = serializers.CharField()
    description = serializers.CharField()
    choices = serializers.ListField(child=serializers.CharField())
    default = serializers.CharField()


class FormatSerializer(serializers.Serializer[object]):
    """A format, as its reader and writer describe themselves."""

    name = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()
    suffixes = serializers.ListField(child=serializers.CharField())
    index_convention = serializers.CharField()
    can_read = serializers.BooleanField()
    can_write = serializers.BooleanField()
    fields = FieldDocSerializer(many=True)  # type: ignore[assignment]
    read_options = FormatOptionSerializer(many=True)
    write_options = FormatOptionSerializer(many=True)


class FormatListSerializer(serializers.Serializer[object]):
    """All formats, in the order in which they are offered."""

    results = FormatSerializer(many=True)
