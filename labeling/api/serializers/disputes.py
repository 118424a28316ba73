"""Disputes: who said what, side by side."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from labeling.api.serializers.work import (
    AlignedSerializer,
    ClaimSerializer,
    ErrorTypeSerializer,
    WorkStepSerializer,
    show_alignment,
)
from labeling.models import Adjudication, Dispute
from labeling.selectors.disputes import DisputeView
from workbench.api.serializers import Input


class DisputeSerializer(serializers.ModelSerializer[Dispute]):
    """An item on which the reviewers differ."""

    item = serializers.IntegerField(source="item_id")
    task = serializers.CharField(source="item.task")
    solution = serializers.IntegerField(source="item.solution_id")
    question = serializers.CharField(source="item.solution.problem.text")
    kinds = serializers.ListField(
        child=serializers.CharField(),
        help_text="existence, location, type, severity, verdict, unsure or reopened.",
    )

    class Meta:
        model = Dispute
        fields: tuple[str, ...] = (
            *("id", "item", "task", "solution", "question", "state", "kinds", "version"),
            *("created_at", "closed_at"),
        )
        read_only_fields = fields


class DisputeQuery(Input):
    """Which disputes to list: the open ones, if nothing is said."""

    state = serializers.ChoiceField(
        Dispute.State.choices, required=False, default=Dispute.State.OPEN
    )


class PersonSerializer(serializers.Serializer[object]):
    """A reviewer's word; the name is a pseudonym where the project hides names."""

    annotation_id = serializers.IntegerField()
    name = serializers.CharField()
    is_simulated = serializers.BooleanField()
    verdict = serializers.CharField()
    reject_code = serializers.CharField()
    error_type = serializers.CharField()
    error_positions = serializers.ListField(child=serializers.IntegerField())
    blind_position = serializers.IntegerField(allow_null=True)
    outcome = serializers.CharField()
    note = serializers.CharField()
    content = serializers.JSONField()


class CellSerializer(serializers.Serializer[object]):
    """One person's word on one step."""

    rating = serializers.IntegerField(allow_null=True)
    unsure = serializers.BooleanField()
    judged = serializers.BooleanField()
    flagged = serializers.BooleanField()
    error_type = serializers.CharField()
    origin = serializers.CharField()
    note = serializers.CharField()


class MatrixRowSerializer(serializers.Serializer[object]):
    """A step with everyone's word, in the order of `people`."""

    step = WorkStepSerializer()
    cells = CellSerializer(many=True)
    agreed = serializers.BooleanField()
    majority = serializers.IntegerField(allow_null=True)
    machine = serializers.ListField(child=serializers.CharField())


class DecisionMadeSerializer(serializers.ModelSerializer[Adjudication]):
    """An earlier decision on the same item."""

    adjudicator = serializers.CharField(source="adjudicator.name")
    content = serializers.JSONField()

    class Meta:
        model = Adjudication
        fields: tuple[str, ...] = ("number", "adjudicator", "content", "reason", "created_at")
        read_only_fields = fields


class DisputeDetailSerializer(serializers.Serializer[DisputeView]):
    """Everything that a decision needs."""

    dispute = DisputeSerializer()
    reference_answer = serializers.CharField(
        source="item.solution.problem.reference_answer", allow_null=True
    )
    people = PersonSerializer(many=True)
    rows = MatrixRowSerializer(many=True)
    original_question = serializers.CharField()
    alignment = serializers.SerializerMethodField(help_text="Empty where nothing was injected.")
    claim = ClaimSerializer(allow_null=True)
    error_types = ErrorTypeSerializer(many=True)
    earlier = DecisionMadeSerializer(many=True)
    is_own_work = serializers.BooleanField(
        help_text="You reviewed this item; somebody else decides."
    )
    n_open = serializers.IntegerField()

    @extend_schema_field(AlignedSerializer(many=True))
    def get_alignment(self, view: DisputeView) -> Any:
        return show_alignment(view.fork)
