"""The labels of a job's rollouts over REST: the rule in force, another one tried, frozen files."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import parse_etags, quote_etag
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.access import Capability
from labeling.formats import get_format
from modeljobs import selectors
from modeljobs.api.writings import FileWritingSerializer, answer_accepted
from modeljobs.methods.rpe_labels import (
    KINDS,
    ONE_STARTS,
    TREATMENTS,
    ZERO_OVER_ZEROS,
    ZERO_STARTS,
    LabelRule,
)
from modeljobs.methods.rpe_posteriors import PRIORS
from modeljobs.models import LabelReading, ModelJob
from modeljobs.readings import find_rule, pack_rule, require_counts
from modeljobs.services import readings as service
from workbench.api.pagination import NewestFirst
from workbench.api.permissions import Scope
from workbench.api.serializers import Input, Nothing
from workbench.api.views import ApiView

SEE_JOBS = (Scope.READ, Scope.JOBS)
CONTENT_TYPES = {".jsonl": "application/x-ndjson", ".json": "application/json"}
# How many items with open steps are named; sending them takes all.
NAMED = 100


class RuleSerializer(Input):
    """How counts become labels; what is left out has its default, as in docs/rpe.md."""

    rule = serializers.ChoiceField(KINDS, required=False)
    epsilon = serializers.FloatField(required=False)
    threshold = serializers.FloatField(required=False)
    zero_absorbs = serializers.BooleanField(required=False)
    zero_over_zero = serializers.ChoiceField(ZERO_OVER_ZEROS, required=False)
    start_zero = serializers.ChoiceField(ZERO_STARTS, required=False)
    start_one = serializers.ChoiceField(ONE_STARTS, required=False)
    truncated = serializers.ChoiceField(TREATMENTS, required=False)
    unparsable = serializers.ChoiceField(TREATMENTS, required=False)
    undecided = serializers.ChoiceField(TREATMENTS, required=False)
    undecided_limit = serializers.FloatField(required=False)
    prior = serializers.ChoiceField(PRIORS, required=False)
    neutral_share = serializers.FloatField(required=False)
    band_low = serializers.FloatField(required=False)
    band_high = serializers.FloatField(required=False)


class PreviewRequestSerializer(Input):
    """The rule to be tried; without one that in force."""

    rule = RuleSerializer(required=False, allow_null=True, default=None)


class RuleChangeSerializer(Input):
    """The rule to be put in force; null for the job's own parameters."""

    rule = RuleSerializer(allow_null=True)


class FreezeSerializer(Input):
    """What is frozen: labels under this rule, or without one under that in force."""

    rule = RuleSerializer(required=False, allow_null=True, default=None)
    note = serializers.CharField(
        max_length=service.MAX_NOTE, required=False, allow_blank=True, default=""
    )


class TallySerializer(serializers.Serializer[object]):
    """Steps by state, and solutions by their first error."""

    solutions = serializers.IntegerField()
    steps = serializers.IntegerField()
    states = serializers.DictField(child=serializers.IntegerField())
    with_error = serializers.IntegerField()
    without_error = serializers.IntegerField()
    first_error_unknown = serializers.IntegerField()
    whole = serializers.IntegerField(help_text="Solutions with a verdict on every step.")
    settled_steps = serializers.IntegerField(
        help_text="Steps before the first open or unknown one, over all solutions."
    )


class FlipSerializer(serializers.Serializer[object]):
    """So many steps are something else."""

    before = serializers.CharField()
    after = serializers.CharField()
    steps = serializers.IntegerField()


class BarSerializer(serializers.Serializer[object]):
    """Steps whose number lies from `low` up to `high`; null is no bound."""

    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    steps = serializers.IntegerField()


class OpenItemSerializer(serializers.Serializer[object]):
    """An item with steps that the counts leave open."""

    item = serializers.IntegerField(source="item_id")
    solution = serializers.IntegerField(source="solution_id")
    steps = serializers.IntegerField()


class PreviewSerializer(serializers.Serializer[service.Preview]):
    """What a rule makes of a job's counts, beside the rule in force."""

    rule = serializers.SerializerMethodField()
    in_force = serializers.SerializerMethodField()
    is_in_force = serializers.BooleanField()
    tally = TallySerializer()
    tally_in_force = TallySerializer()
    flips = FlipSerializer(many=True)
    flipped = serializers.IntegerField()
    bars = BarSerializer(many=True)
    open_solutions = serializers.SerializerMethodField()
    open_items = serializers.SerializerMethodField()
    unfinished = serializers.IntegerField(help_text="Items that are not done, and not counted.")
    mistaken = serializers.IntegerField(
        help_text="Items left out: their reference was found wrong after they were counted."
    )

    def get_rule(self, shown: service.Preview) -> dict[str, Any]:
        return pack_rule(shown.rule)

    def get_in_force(self, shown: service.Preview) -> dict[str, Any]:
        return pack_rule(shown.in_force)

    def get_open_solutions(self, shown: service.Preview) -> int:
        return len(shown.open_items)

    def get_open_items(self, shown: service.Preview) -> list[dict[str, int]]:
        return [dict(row) for row in OpenItemSerializer(shown.open_items[:NAMED], many=True).data]


class ReadingSerializer(serializers.ModelSerializer[LabelReading]):
    """Labels frozen under one rule: the file's hash, and how it came about."""

    job = serializers.IntegerField(source="job_id")
    rule = serializers.DictField()
    counts = serializers.DictField(help_text="A tally, and the provenance of the counts.")
    created_by = serializers.CharField(source="created_by.name")
    formats = serializers.SerializerMethodField(help_text="What the file is offered as.")

    class Meta:
        model = LabelReading
        fields: tuple[str, ...] = (
            *("id", "job", "number", "rule", "note", "counts", "sha256", "size", "formats"),
            *("created_by", "created_at"),
        )
        read_only_fields = fields

    def get_formats(self, reading: LabelReading) -> list[str]:
        rule = service.parse_rule(reading.rule)
        return [name for name, _title in service.list_formats_for(rule)]


class RoutedSerializer(serializers.Serializer[object]):
    """What became of the solutions with open steps."""

    queued = serializers.IntegerField(help_text="New in the queue of reviews.")
    moved = serializers.IntegerField(help_text="Waited already, and come first now.")
    there = serializers.IntegerField(help_text="Need nothing.")


class FileQuery(Input):
    """In which format."""

    file_format = serializers.ChoiceField(service.FORMATS, default=service.NATIVE)
    unjudged = serializers.ChoiceField(
        service.UNJUDGED,
        default=service.UNJUDGED[0],
        help_text="A solution with an open or unknown step: up to that step, or not at all.",
    )


def get_job(view: ApiView, job_id: int, capability: Capability) -> ModelJob:
    """The job, if it is one of rollouts and the user may do that with it."""
    job = selectors.get_job(view.user, job_id, capability)
    require_counts(job)
    return job


def read_rule_of(job: ModelJob, given: dict[str, Any] | None) -> LabelRule:
    """The rule that was sent, or the one in force."""
    return find_rule(job) if given is None else service.parse_rule(given)


class LabelsView(ApiView):
    """The rule in force on a job's counts."""

    tag = "jobs"
    scopes = {"GET": SEE_JOBS, "PUT": (Scope.JOBS,)}

    @extend_schema(responses=PreviewSerializer)
    def get(self, request: Request, job_id: int) -> Response:
        """The rule in force, and what it makes of the counts."""
        self.read_query(Nothing)
        job = get_job(self, job_id, Capability.VIEW_JOBS)
        return Response(PreviewSerializer(service.preview(job, find_rule(job))).data)

    @extend_schema(request=RuleChangeSerializer, responses=PreviewSerializer)
    def put(self, request: Request, job_id: int) -> Response:
        """Put another rule in force. No count changes; all pages read by it at once."""
        job = get_job(self, job_id, Capability.RUN_JOBS)
        given = self.read(RuleChangeSerializer)["rule"]
        rule = None if given is None else service.parse_rule(given)
        changed = service.set_rule(job=job, rule=rule, by=self.user)
        return Response(PreviewSerializer(service.preview(changed, find_rule(changed))).data)


class PreviewLabelsView(ApiView):
    """Another rule, tried."""

    tag = "jobs"
    scopes = {"POST": SEE_JOBS}

    @extend_schema(request=PreviewRequestSerializer, responses=PreviewSerializer)
    def post(self, request: Request, job_id: int) -> Response:
        """What a rule would make of the counts, and what would change. Nothing is stored."""
        job = get_job(self, job_id, Capability.VIEW_JOBS)
        rule = read_rule_of(job, self.read(PreviewRequestSerializer)["rule"])
        return Response(PreviewSerializer(service.preview(job, rule)).data)


class SendOpenView(ApiView):
    """Open steps on their way to people."""

    tag = "jobs"
    scopes = {"POST": (Scope.JOBS,)}

    @extend_schema(request=PreviewRequestSerializer, responses=RoutedSerializer)
    def post(self, request: Request, job_id: int) -> Response:
        """Put the solutions with steps that the rule leaves open at the head of the queue."""
        job = get_job(self, job_id, Capability.MANAGE)
        rule = read_rule_of(job, self.read(PreviewRequestSerializer)["rule"])
        routed = service.send_open_steps(job=job, rule=rule, by=self.user)
        return Response(RoutedSerializer(routed).data)


class ReadingsView(ApiView):
    """The frozen labels of a job."""

    tag = "jobs"
    scopes = {"GET": SEE_JOBS, "POST": (Scope.EXPORT,)}
    pagination_class = NewestFirst

    @extend_schema(responses=ReadingSerializer(many=True))
    def get(self, request: Request, job_id: int) -> Response:
        """The frozen readings, newest first, with their hashes."""
        self.read_query(Nothing)
        job = get_job(self, job_id, Capability.VIEW_JOBS)
        rows = LabelReading.objects.filter(job=job).select_related("created_by")
        return self.list_page(rows, ReadingSerializer)

    @extend_schema(request=FreezeSerializer, responses={202: FileWritingSerializer})
    def post(self, request: Request, job_id: int) -> Response:
        """Have a worker freeze the labels of all finished items as a file that never changes.

        Sent again before that is done, the same request is answered with the same writing.
        """
        job = get_job(self, job_id, Capability.EXPORT)
        data = self.read(FreezeSerializer)
        rule = read_rule_of(job, data["rule"])
        asked = service.request_labels(job=job, rule=rule, by=self.user, note=data["note"])
        return answer_accepted(asked.writing)


class ReadingView(ApiView):
    """One frozen reading."""

    tag = "jobs"
    scopes = {"GET": (Scope.READ, Scope.EXPORT)}

    @extend_schema(responses=ReadingSerializer)
    def get(self, request: Request, job_id: int, number: int) -> Response:
        """A frozen reading, with its rule, its figures and where its counts came from."""
        self.read_query(Nothing)
        return Response(ReadingSerializer(service.get_reading(self.user, job_id, number)).data)


class ReadingFileView(ApiView):
    """The file of a frozen reading."""

    tag = "jobs"
    scopes = {"GET": (Scope.EXPORT,)}

    @extend_schema(
        parameters=[FileQuery, OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER)],
        responses={
            (200, "application/octet-stream"): OpenApiTypes.BINARY,
            304: OpenApiResponse(description="You have this file already."),
        },
    )
    def get(self, request: Request, job_id: int, number: int) -> HttpResponseBase:
        """Download the labels. The native file has its SHA-256 as ETag; others are made of it."""
        query = self.read_query(FileQuery)
        reading = service.get_reading(self.user, job_id, number)
        name, unjudged = query["file_format"], query["unjudged"]
        etag = quote_etag(f"{reading.sha256}-{name}-{unjudged}")
        if name == service.NATIVE:
            etag = quote_etag(reading.sha256)
        wanted = parse_etags(request.headers.get("If-None-Match", ""))
        response: HttpResponseBase
        pieces = service.write_as(reading, name, unjudged=unjudged)
        if "*" in wanted or etag in (tag.removeprefix("W/") for tag in wanted):
            response = HttpResponse(status=status.HTTP_304_NOT_MODIFIED)
        else:
            suffix = get_format(name).info.suffixes[0]
            response = StreamingHttpResponse(
                () if request.method == "HEAD" else pieces, content_type=CONTENT_TYPES[suffix]
            )
            filename = f"job{job_id}-labels{number}-{name}{suffix}"
            response["Content-Disposition"] = f'attachment; filename="{filename}"'
            response["X-Content-Type-Options"] = "nosniff"
        response["ETag"] = etag
        # Kept if you like, but asked for again each time: access may have ended.
        response["Cache-Control"] = "private, no-cache"
        return response
