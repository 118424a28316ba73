"""Comparisons of rollouts with a judge, over REST: made, read, sent to people, and downloaded."""

from __future__ import annotations

from typing import Any

from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import parse_etags, quote_etag
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access
from labeling.access import Capability
from modeljobs import selectors_consensus as selectors
from modeljobs.api.writings import FileWritingSerializer, answer_accepted
from modeljobs.methods.consensus import SCOPES, VOTES, ConsensusRule, Decision
from modeljobs.methods.rpe_labels import LabelRule, read_rule
from modeljobs.models import ConsensusFinding, ConsensusRun, ModelJob
from modeljobs.services import consensus as service
from workbench.api.pagination import NewestFirst
from workbench.api.permissions import Scope
from workbench.api.serializers import IdField, Input, Nothing, ObjectField
from workbench.api.views import ApiView
from workbench.errors import InvalidInput

SEE_JOBS = (Scope.READ, Scope.JOBS)


class ConsensusRunSerializer(serializers.ModelSerializer[ConsensusRun]):
    """One comparison. `report` holds the funnel, the decisions with their numbers, the compared
    steps by what both say, and, once they are written, the conversations with their SHA-256.
    """

    rpe_job = serializers.IntegerField(source="rpe_job_id")
    judge_job = serializers.IntegerField(source="judge_job_id")
    rule = ObjectField(help_text="vote, scope, open_steps, and the rule of labels.")
    report = ObjectField()
    created_by = serializers.CharField(source="created_by.name")

    class Meta:
        model = ConsensusRun
        fields: tuple[str, ...] = (
            *("id", "rpe_job", "judge_job", "rule", "report", "created_by", "created_at"),
        )
        read_only_fields = fields


class NewConsensusRunSerializer(Input):
    """Two jobs to be compared, and how."""

    rpe_job = IdField(help_text="A job that labels by rollouts.")
    judge_job = IdField(help_text="A job in which another model judges the same solutions.")
    vote = serializers.ChoiceField(VOTES, default="unanimity")
    scope = serializers.ChoiceField(SCOPES, default="all")
    open_steps = serializers.ChoiceField(
        selectors.OPEN_STEPS,
        default="leave",
        help_text='"label": as published, a step that the counts leave open has their verdict.',
    )
    label_rule = ObjectField(
        required=False,
        help_text="How counts become labels, as a job's settings name it; else the rule in force.",
    )


class ConsensusFindingSerializer(serializers.ModelSerializer[ConsensusFinding]):
    """What was found of one solution. `steps` has a pair [rollouts, judge] of true, false or null
    each; `judge_first_error` is {"at": position}, {"none": true} or {"unknown": reason}.
    """

    solution = serializers.IntegerField(source="solution_id")
    steps = serializers.ListField(
        child=serializers.ListField(child=serializers.BooleanField(allow_null=True))
    )
    judge_first_error = ObjectField()

    class Meta:
        model = ConsensusFinding
        fields: tuple[str, ...] = (
            *("id", "solution", "decision", "first_disagreement", "steps", "judge_first_error"),
        )
        read_only_fields = fields


class ConsensusFindingQuery(Input):
    """Which solutions of a comparison to list."""

    decision = serializers.ChoiceField([str(one) for one in Decision], required=False)


class SendToPeopleSerializer(Input):
    """Which of the dropped solutions go to people, and why; all if nothing is said."""

    decisions = serializers.ListField(
        child=serializers.ChoiceField(selectors.DROPPED),
        default=list(selectors.DROPPED),
        allow_empty=False,
    )
    reason = serializers.CharField(max_length=300, default="", allow_blank=True)


class SentToPeopleSerializer(serializers.Serializer[object]):
    """What became of the solutions: new in the queue, moved to its head, or there already."""

    queued = serializers.IntegerField()
    moved = serializers.IntegerField()
    there = serializers.IntegerField()


class ConsensusRunsView(ApiView):
    """The comparisons of a project."""

    tag = "jobs"
    scopes = {"GET": SEE_JOBS, "POST": (Scope.EXPORT,)}
    pagination_class = NewestFirst

    @extend_schema(responses=ConsensusRunSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The comparisons of rollouts with a judge, newest first."""
        self.read_query(Nothing)
        project = access.get_project(self.user, slug, Capability.VIEW_JOBS)
        return self.list_page(selectors.list_runs(project), ConsensusRunSerializer)

    @extend_schema(request=NewConsensusRunSerializer, responses={201: ConsensusRunSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Compare two jobs. Neither is changed, and no model is asked."""
        project = access.get_project(self.user, slug, Capability.EXPORT)
        data = self.read(NewConsensusRunSerializer)
        jobs = ModelJob.objects.filter(project=project).select_related("engine")
        found = {job.pk: job for job in jobs.filter(pk__in=(data["rpe_job"], data["judge_job"]))}
        for name in ("rpe_job", "judge_job"):
            if data[name] not in found:
                raise InvalidInput(f"There is no job {data[name]} in this project.", field=name)
        run = service.compare(
            project=project,
            rpe_job=found[data["rpe_job"]],
            judge_job=found[data["judge_job"]],
            by=self.user,
            rule=ConsensusRule(data["vote"], data["scope"]),
            label_rule=_read_rule(data.get("label_rule")),
            open_steps=data["open_steps"],
        )
        return Response(ConsensusRunSerializer(run).data, status=status.HTTP_201_CREATED)


def _read_rule(data: dict[str, Any] | None) -> LabelRule | None:
    if data is None:
        return None
    known = {*LabelRule.__dataclass_fields__, "rule"} - {"kind"}
    unknown = sorted(set(data) - known)
    if unknown:
        raise InvalidInput(
            f"There is no {unknown[0]!r} in a rule; it has {', '.join(sorted(known))}.",
            field="label_rule",
        )
    try:
        return read_rule(data)
    except (TypeError, ValueError) as error:
        raise InvalidInput(str(error), field="label_rule") from None


class ConsensusRunView(ApiView):
    """One comparison."""

    tag = "jobs"
    scopes = {"GET": SEE_JOBS}

    @extend_schema(responses=ConsensusRunSerializer)
    def get(self, request: Request, consensus_id: int) -> Response:
        """A comparison with its rule and its funnel."""
        self.read_query(Nothing)
        run = selectors.get_run(self.user, consensus_id)
        return Response(ConsensusRunSerializer(run).data)


class ConsensusFindingsView(ApiView):
    """What a comparison found."""

    tag = "jobs"
    scopes = {"GET": SEE_JOBS}

    @extend_schema(
        parameters=[ConsensusFindingQuery], responses=ConsensusFindingSerializer(many=True)
    )
    def get(self, request: Request, consensus_id: int) -> Response:
        """The solutions, step by step, or those with one decision."""
        query = self.read_query(ConsensusFindingQuery)
        run = selectors.get_run(self.user, consensus_id)
        rows = selectors.list_findings(run, query.get("decision", ""))
        return self.list_page(rows, ConsensusFindingSerializer)


class ConsensusSendView(ApiView):
    """What was dropped, for people."""

    tag = "jobs"
    scopes = {"POST": (Scope.ADMIN,)}

    @extend_schema(request=SendToPeopleSerializer, responses=SentToPeopleSerializer)
    def post(self, request: Request, consensus_id: int) -> Response:
        """Put dropped solutions at the head of the queue, to have their steps rated."""
        run = selectors.get_run(self.user, consensus_id, Capability.MANAGE)
        data = self.read(SendToPeopleSerializer)
        sent = service.send_dropped(
            run=run, by=self.user, decisions=data["decisions"], reason=data["reason"]
        )
        return Response(SentToPeopleSerializer(sent._asdict()).data)


class _Download(FileResponse):
    """A file in pieces of 64 kB."""

    block_size = 64 * 1024


class ConsensusConversationsView(ApiView):
    """The training conversations of a comparison."""

    tag = "jobs"
    scopes = {"GET": (Scope.EXPORT,), "POST": (Scope.EXPORT,)}

    @extend_schema(
        parameters=[OpenApiParameter("If-None-Match", str, OpenApiParameter.HEADER)],
        responses={
            (200, "application/x-ndjson"): OpenApiTypes.BINARY,
            304: OpenApiResponse(description="You have this file already."),
        },
    )
    def get(self, request: Request, consensus_id: int) -> HttpResponseBase:
        """Download the conversations that were written. The ETag is their SHA-256."""
        self.read_query(Nothing)
        run = selectors.get_run(self.user, consensus_id, Capability.EXPORT)
        written, path = service.open_conversations(run)
        etag = quote_etag(written["sha256"])
        wanted = parse_etags(request.headers.get("If-None-Match", ""))
        response: HttpResponseBase
        if "*" in wanted or etag in (tag.removeprefix("W/") for tag in wanted):
            response = HttpResponse(status=status.HTTP_304_NOT_MODIFIED)
        else:
            response = _Download(
                path.open("rb"),
                as_attachment=True,
                filename="conversations.jsonl",
                content_type="application/x-ndjson",
            )
            response["X-Content-Type-Options"] = "nosniff"
            if request.method == "HEAD":
                response.close()
                response = HttpResponse(headers=dict(response.items()))
        response["ETag"] = etag
        # Kept if you like, but asked for again each time: access may have ended.
        response["Cache-Control"] = "private, no-cache"
        return response

    @extend_schema(request=None, responses={202: FileWritingSerializer})
    def post(self, request: Request, consensus_id: int) -> Response:
        """Have a worker write the conversations of what is kept. The same rows give the same bytes.

        Sent again before that is done, it is answered with the same writing.
        """
        run = selectors.get_run(self.user, consensus_id, Capability.EXPORT)
        self.read(Nothing)
        asked = service.request_conversations(run=run, by=self.user)
        return answer_accepted(asked.writing)
