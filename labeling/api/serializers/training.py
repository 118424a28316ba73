"""Training: the set, people's rounds, their answers explained; and one's own work."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from labeling.api.serializers.statistics import WilsonSerializer
from labeling.api.serializers.work import (
    REASON_LIMIT,
    ErrorTypeSerializer,
    FirstErrorField,
    ProtocolSerializer,
    StepTimesField,
    WorkInjectionSerializer,
    WorkProblemSerializer,
    WorkSolutionSerializer,
    WorkStepSerializer,
)
from labeling.metrics.intervals import wilson_interval
from labeling.models import TrainingItem, TrainingRound
from labeling.services.training import MAX_EXPLANATION, MAX_REASON, MAX_SET
from labeling.training_rules import count_needed
from workbench.api.serializers import MAX_INTEGER, IdField, Input, ObjectField

# --- What a client sends --------------------------------------------------------------------------


class AddItemsSerializer(Input):
    """Settled items for the set, in the order in which they are asked."""

    items = serializers.ListField(child=IdField(), allow_empty=False, max_length=MAX_SET)


class ChooseSerializer(Input):
    """A balanced set, chosen by chance."""

    size = serializers.IntegerField(
        min_value=1,
        max_value=MAX_SET,
        required=False,
        default=None,
        allow_null=True,
        help_text="How many items the set has afterwards; what the settings ask for if not given.",
    )
    seed = serializers.IntegerField(min_value=0, max_value=MAX_INTEGER, required=False, default=1)


class ExplainSerializer(Input):
    """Why the expected answer is what it is."""

    explanation = serializers.CharField(max_length=MAX_EXPLANATION, allow_blank=True)


class MoveSerializer(Input):
    """One place earlier or later."""

    later = serializers.BooleanField()


class BlindSerializer(Input):
    """One's own judgement, made before the claim is opened."""

    blind_first_error = FirstErrorField(
        help_text="{at: position} | {none: true} | {unknown: reason}."
    )
    lease_token = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=64,
        help_text="Not needed: nobody holds a training item.",
    )


class AnswerSerializer(Input):
    """A finished answer. The same key twice is one answer."""

    idempotency_key = serializers.UUIDField()
    content = ObjectField(help_text="The packed document, as for a submission.")
    active_ms = serializers.IntegerField(
        min_value=0, max_value=MAX_INTEGER, required=False, default=0
    )
    step_ms = StepTimesField(
        required=False, default=None, allow_null=True, help_text="Not kept of training."
    )


class LetInSerializer(Input):
    """Who may take items without having passed, and why."""

    member = IdField(help_text="The id of the membership.")
    reason = serializers.CharField(max_length=min(REASON_LIMIT, MAX_REASON), allow_blank=True)


# --- What it is given -----------------------------------------------------------------------------


class TrainingItemSerializer(serializers.ModelSerializer[TrainingItem]):
    """An item of the set, and how people answered it when they first met it."""

    item = serializers.IntegerField(source="item_id")
    task = serializers.CharField(source="item.task")
    solution = serializers.IntegerField(source="item.solution_id")
    expected = serializers.JSONField()
    first_answers = serializers.SerializerMethodField()

    class Meta:
        model = TrainingItem
        fields: tuple[str, ...] = (
            *("id", "item", "task", "solution", "place", "expected", "explanation"),
            *("first_answers", "created_at", "removed_at"),
        )
        read_only_fields = fields

    @extend_schema_field(WilsonSerializer)
    def get_first_answers(self, row: TrainingItem) -> Any:
        right, n = self.context["shares"].get(row.pk, (0, 0))
        return WilsonSerializer(wilson_interval(right, n)).data


class ChosenSerializer(serializers.Serializer[object]):
    """Items that were put into the set."""

    items = serializers.ListField(
        child=serializers.IntegerField(), help_text="Ids of training items, in their order."
    )


class TrainingRoundSerializer(serializers.ModelSerializer[TrainingRound]):
    """A round, and its result once it is finished (`passed` is null before)."""

    person = serializers.IntegerField(source="person_id")
    needed = serializers.SerializerMethodField(help_text="How many must be right to pass.")
    right = serializers.IntegerField(source="n_right")
    answered = serializers.IntegerField(source="n_answered")
    is_excused = serializers.SerializerMethodField(
        help_text="Did a lead let this person in without passing?"
    )

    class Meta:
        model = TrainingRound
        fields: tuple[str, ...] = (
            *("id", "person", "number", "size", "pass_percent", "needed", "right", "answered"),
            *("passed", "is_excused", "started_at", "finished_at"),
        )
        read_only_fields = fields

    def get_needed(self, row: TrainingRound) -> int:
        return count_needed(row.size, row.pass_percent)

    def get_is_excused(self, row: TrainingRound) -> bool:
        return row.excused_by_id is not None


class RoundItemSerializer(serializers.Serializer[object]):
    """One item of a round."""

    place = serializers.IntegerField(help_text="From 1.")
    item = serializers.IntegerField()
    task = serializers.CharField()
    is_right = serializers.BooleanField(allow_null=True, help_text="Null before it is answered.")
    url = serializers.CharField()


class ConfusionSerializer(serializers.Serializer[object]):
    """What was taken for what, and in how many answers."""

    kind = serializers.CharField()
    expected = serializers.CharField()
    given = serializers.CharField()
    answers = serializers.IntegerField()


class RoundDetailSerializer(serializers.Serializer[object]):
    """A round with its items, and what was confused most so far."""

    round = TrainingRoundSerializer()
    items = RoundItemSerializer(many=True)
    share = WilsonSerializer()
    confusions = ConfusionSerializer(many=True)
    next_place = serializers.IntegerField(allow_null=True, help_text="Null once all are answered.")


class FindingSerializer(serializers.Serializer[object]):
    """One thing that was right or wrong in an answer."""

    kind = serializers.CharField()
    is_right = serializers.BooleanField()
    counts = serializers.BooleanField(help_text="Does it decide whether the answer is right?")
    values = serializers.JSONField()


class ExplainedSerializer(serializers.Serializer[object]):
    """An answer beside what was expected of it."""

    is_right = serializers.BooleanField()
    given = serializers.JSONField()
    expected = serializers.JSONField()
    findings = FindingSerializer(many=True)
    explanation = serializers.CharField()


class AnsweredSerializer(ExplainedSerializer):
    """The same just after it was given, with where a browser goes from here."""

    next_url = serializers.CharField()
    passed = serializers.BooleanField(
        allow_null=True, help_text="Of the round, once this was its last item."
    )


class TrainingWorkSerializer(serializers.Serializer[object]):
    """What is to be judged. The claim is null while it is sealed."""

    project = ProtocolSerializer()
    problem = WorkProblemSerializer()
    solution = WorkSolutionSerializer()
    steps = WorkStepSerializer(many=True)
    error_types = ErrorTypeSerializer(many=True)
    injection = WorkInjectionSerializer(allow_null=True)


class TrainingPlaceSerializer(serializers.Serializer[object]):
    """An item of a round: before it is answered its work, afterwards what is to be learnt."""

    round = serializers.IntegerField()
    place = serializers.IntegerField()
    size = serializers.IntegerField()
    item = serializers.IntegerField()
    task = serializers.CharField()
    work = TrainingWorkSerializer()
    explained = ExplainedSerializer(allow_null=True, help_text="Null before it is answered.")


# --- One's own work -------------------------------------------------------------------------------


class DaySerializer(serializers.Serializer[object]):
    """How many items one submitted on a day."""

    day = serializers.DateField()
    done = serializers.IntegerField()


class OwnDaysSerializer(serializers.Serializer[object]):
    """How far one is."""

    done = serializers.IntegerField()
    waiting = serializers.IntegerField()
    days = DaySerializer(many=True)


class TimingSerializer(serializers.Serializer[object]):
    """A median of active time; null where nothing was measured."""

    median_ms = serializers.FloatField(allow_null=True)
    n = serializers.IntegerField()


class OwnFigureSerializer(serializers.Serializer[object]):
    """How often one's first word was the decision's, over items (or steps, where it says so)."""

    name = serializers.ChoiceField(["first_error", "within_one", "steps", "verdicts"])
    share = WilsonSerializer()
    items = serializers.IntegerField(help_text="Decided items that count for it.")
    is_few = serializers.SerializerMethodField(help_text="Too few items to be read as a finding.")

    def get_is_few(self, figure: Any) -> bool:
        return bool(figure.items < self.context["few"])


class OwnTrainingSerializer(serializers.Serializer[object]):
    """Where one stands with the training."""

    is_required = serializers.BooleanField()
    must_train = serializers.BooleanField(help_text="Does the queue wait for it?")
    has_passed = serializers.BooleanField()
    is_excused = serializers.BooleanField()
    done = serializers.IntegerField(help_text="Of the round under way.")
    size = serializers.IntegerField(source="total")
    needed = serializers.IntegerField()
    rounds = serializers.IntegerField()


class OwnWorkSerializer(serializers.Serializer[object]):
    """One's own work in a project; nobody else's is in it."""

    progress = OwnDaysSerializer()
    item_time = TimingSerializer()
    step_time = TimingSerializer()
    figures = OwnFigureSerializer(
        many=True, allow_null=True, help_text="Null where decisions are not shown to reviewers."
    )
    sent_back = serializers.ListField(
        child=serializers.IntegerField(), help_text="Ids of one's annotations to look at again."
    )
    unseen_mentions = serializers.IntegerField()
    training = OwnTrainingSerializer()
    guideline_version_read = serializers.IntegerField(allow_null=True)
