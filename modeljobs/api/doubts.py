"""References in doubt over REST."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access
from labeling.access import Capability
from modeljobs.models import ReferenceDoubt
from modeljobs.services import doubts as service
from workbench.api.pagination import NewestFirst
from workbench.api.permissions import Scope
from workbench.api.serializers import Input, Nothing
from workbench.api.views import ApiView

SEE_DOUBTS = (Scope.READ, Scope.JOBS)


class DoubtSerializer(serializers.ModelSerializer[ReferenceDoubt]):
    """A reference answer that most rollouts contradict, and what people made of it."""

    problem = serializers.IntegerField(source="problem_id")
    problem_text = serializers.CharField(source="problem.text")
    item = serializers.IntegerField(source="item_id", allow_null=True)
    decided_by = serializers.SerializerMethodField()

    class Meta:
        model = ReferenceDoubt
        fields: tuple[str, ...] = (
            *("id", "problem", "problem_text", "item", "reference", "answer", "rollouts"),
            *("answered", "state", "corrected_answer", "note", "decided_by", "decided_at"),
            "created_at",
        )
        read_only_fields = fields

    def get_decided_by(self, doubt: ReferenceDoubt) -> str | None:
        return None if doubt.decided_by is None else doubt.decided_by.name


class DoubtQuery(Input):
    """Which doubts to list."""

    state = serializers.ChoiceField(ReferenceDoubt.State.choices, required=False)


class DoubtDecisionSerializer(Input):
    """What a person says of a reference."""

    state = serializers.ChoiceField([str(state) for state in service.DECISIONS])
    corrected_answer = serializers.CharField(
        max_length=service.MAX_ANSWER, required=False, allow_blank=True, default=""
    )
    note = serializers.CharField(
        max_length=service.MAX_NOTE, required=False, allow_blank=True, default=""
    )


class DoubtsView(ApiView):
    """The references in doubt of a project."""

    tag = "jobs"
    scopes = {"GET": SEE_DOUBTS}
    pagination_class = NewestFirst

    @extend_schema(parameters=[DoubtQuery], responses=DoubtSerializer(many=True))
    def get(self, request: Request, slug: str) -> Response:
        """The references that most rollouts contradict, newest first."""
        query = self.read_query(DoubtQuery)
        project = access.get_project(self.user, slug, Capability.BROWSE)
        rows = service.list_doubts(project, state=query.get("state", ""))
        return self.list_page(rows, DoubtSerializer)


class DoubtView(ApiView):
    """One reference in doubt."""

    tag = "jobs"
    scopes = {"GET": SEE_DOUBTS}

    @extend_schema(responses=DoubtSerializer)
    def get(self, request: Request, doubt_id: int) -> Response:
        """A reference in doubt, with what was decided."""
        self.read_query(Nothing)
        return Response(DoubtSerializer(service.get_doubt(self.user, doubt_id)).data)


class DecideDoubtView(ApiView):
    """A decision on a reference."""

    tag = "jobs"
    scopes = {"POST": (Scope.ANNOTATE,)}

    @extend_schema(request=DoubtDecisionSerializer, responses=DoubtSerializer)
    def post(self, request: Request, doubt_id: int) -> Response:
        """Say that the reference stands, or that it is wrong and what is right."""
        doubt = service.get_doubt(self.user, doubt_id, Capability.ADJUDICATE)
        decided = service.decide(doubt=doubt, by=self.user, **self.read(DoubtDecisionSerializer))
        return Response(DoubtSerializer(decided).data)


class ReopenDoubtView(ApiView):
    """A decision taken back."""

    tag = "jobs"
    scopes = {"POST": (Scope.ANNOTATE,)}

    @extend_schema(request=None, responses=DoubtSerializer)
    def post(self, request: Request, doubt_id: int) -> Response:
        """Take a decision on a reference back."""
        doubt = service.get_doubt(self.user, doubt_id, Capability.ADJUDICATE)
        self.read(Nothing)
        return Response(DoubtSerializer(service.reopen(doubt=doubt, by=self.user)).data)
