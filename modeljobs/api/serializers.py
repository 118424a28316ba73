"""Engines, methods and jobs, as they are sent and shown."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from modeljobs.engines import catalog
from modeljobs.models import Engine, ModelJob
from modeljobs.services.engines import settings_of
from workbench.api.serializers import MAX_ID, MAX_INTEGER, IdField, Input, ObjectField


class EngineSerializer(serializers.ModelSerializer[Engine]):
    """A configured source of text. Keys are never shown: they stay in the environment."""

    is_scripted = serializers.BooleanField()
    sends_data_away = serializers.SerializerMethodField(
        help_text="Problems and solutions leave this machine for a server that may be anybody's."
    )
    settings = serializers.SerializerMethodField(help_text="For those who may change engines.")

    class Meta:
        model = Engine
        fields: tuple[str, ...] = (
            *("id", "name", "kind", "model", "is_scripted", "sends_data_away", "is_active"),
            *("output_terms", "output_may_train", "settings"),
        )
        read_only_fields = fields

    def get_sends_data_away(self, engine: Engine) -> bool:
        return catalog.KINDS[engine.kind].sends_data_away

    def get_settings(self, engine: Engine) -> dict[str, Any] | None:
        return settings_of(engine) if self.context.get("may_manage") else None


class EngineQuery(Input):
    """Which engines to list: the active ones, if nothing is said."""

    include_inactive = serializers.BooleanField(required=False, default=False)


class EngineChangeSerializer(Input):
    """Changes of an engine: what is given, and nothing else."""

    name = serializers.CharField(max_length=80, required=False)
    settings = ObjectField(required=False, help_text="All settings of the engine's kind.")
    output_terms = serializers.CharField(max_length=20_000, required=False, allow_blank=True)
    output_may_train = serializers.BooleanField(required=False)
    is_active = serializers.BooleanField(required=False)


class NewEngineSerializer(Input):
    """An engine to be added. No request is made to it."""

    name = serializers.CharField(max_length=80)
    kind = serializers.ChoiceField(Engine.Kind.choices)
    settings = ObjectField(required=False, default=dict)
    output_terms = serializers.CharField(
        max_length=20_000, required=False, default="", allow_blank=True
    )
    output_may_train = serializers.BooleanField(required=False, default=None, allow_null=True)


class OptionSerializer(serializers.Serializer[object]):
    """A setting of a method or of a kind of engine."""

    name = serializers.CharField()
    type = serializers.CharField()
    title = serializers.CharField()
    help = serializers.CharField()
    default = serializers.JSONField(allow_null=True)
    required = serializers.BooleanField()  # type: ignore[assignment]
    minimum = serializers.FloatField(allow_null=True)
    maximum = serializers.FloatField(allow_null=True)
    choices = serializers.SerializerMethodField()

    def get_choices(self, option: Any) -> list[str]:
        return [value for value, _title in option.choices]


class MethodSerializer(serializers.Serializer[object]):
    """One way of using a model."""

    name = serializers.CharField()
    version = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()
    parameters = OptionSerializer(many=True)


class EngineKindSerializer(serializers.Serializer[object]):
    """A kind of engine with its settings."""

    name = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()
    is_scripted = serializers.BooleanField()
    sends_data_away = serializers.BooleanField()
    options = OptionSerializer(many=True)


class MethodListSerializer(serializers.Serializer[object]):
    """What jobs are made of: methods, and kinds of engine."""

    results = MethodSerializer(many=True)
    engine_kinds = EngineKindSerializer(many=True)


class JobSerializer(serializers.ModelSerializer[ModelJob]):
    """A run of a method over solutions."""

    engine = serializers.IntegerField(source="engine_id")
    engine_name = serializers.CharField(source="engine.name")
    parameters = serializers.JSONField()
    selection = serializers.JSONField()
    budgets = serializers.JSONField(help_text="What stops it when used up; empty for nothing.")
    guards = serializers.JSONField(
        help_text="From which acceptance down its injectors are stopped; empty for none."
    )
    created_by = serializers.CharField(source="created_by.name")

    class Meta:
        model = ModelJob
        fields: tuple[str, ...] = (
            *("id", "method", "engine", "engine_name", "is_scripted", "state", "note"),
            *("parameters", "prompt_version", "seed", "selection", "budgets", "guards"),
            "code_version",
            *("created_by", "created_at", "started_at", "finished_at"),
        )
        read_only_fields = fields


class JobLineSerializer(serializers.Serializer[object]):
    """A job in a list, with its items by state."""

    job = JobSerializer()
    counts = serializers.DictField(child=serializers.IntegerField())
    total = serializers.IntegerField()
    finished = serializers.IntegerField()


class FailureSerializer(serializers.Serializer[object]):
    """Items that ended for one reason."""

    state = serializers.CharField()
    reason_code = serializers.CharField()
    count = serializers.IntegerField()
    example = serializers.CharField()


class SpeedSerializer(serializers.Serializer[object]):
    """What was finished lately; a rate is null where nothing was, or nobody said."""

    window_s = serializers.FloatField()
    items_per_s = serializers.FloatField(allow_null=True)
    tokens_per_s = serializers.FloatField(allow_null=True)


class FunnelSerializer(serializers.Serializer[object]):
    """How the proposals of one unit fared, from asking to acceptance."""

    unit = serializers.CharField()
    items = serializers.IntegerField()
    asked = serializers.IntegerField()
    parsed = serializers.IntegerField()
    new = serializers.IntegerField()
    lint_free = serializers.IntegerField()
    reviewed = serializers.IntegerField()
    accepted = serializers.IntegerField()


class JobDetailSerializer(JobLineSerializer):
    """A job at this moment."""

    prompt_tokens = serializers.IntegerField()
    completion_tokens = serializers.IntegerField()
    speed = SpeedSerializer()
    eta_s = serializers.FloatField(allow_null=True, help_text="Null while unknown.")
    failures = FailureSerializer(many=True)
    delayed = serializers.IntegerField(help_text="Items that wait for their next try.")
    next_try_at = serializers.DateTimeField(allow_null=True)
    is_worker_alive = serializers.BooleanField()
    funnel = serializers.SerializerMethodField()

    @extend_schema_field(FunnelSerializer(many=True))
    def get_funnel(self, progress: object) -> Any:
        return FunnelSerializer(self.context["funnel"], many=True).data


class SelectionSerializer(Input):
    """Which solutions a job takes: those named, or all that fit."""

    solution_ids = serializers.ListField(
        child=IdField(), required=False, allow_empty=False, max_length=100_000
    )
    source = serializers.CharField(  # type: ignore[assignment]
        max_length=120, required=False
    )
    kind = serializers.ChoiceField(
        choices=["solutions", "injections"],
        required=False,
        help_text="For a method that judges: unmodified solutions, or injections, alone.",
    )
    correct_only = serializers.BooleanField(required=False)
    verified_only = serializers.BooleanField(
        required=False, help_text="Only what people have found right in every step."
    )
    limit = serializers.IntegerField(min_value=1, max_value=MAX_INTEGER, required=False)
    shuffle = serializers.BooleanField(required=False)


class NewJobSerializer(Input):
    """A job to be made, and started unless it says not to."""

    method = serializers.CharField(max_length=60)
    engine = IdField()
    parameters = ObjectField(required=False, default=dict)
    seed = serializers.IntegerField(min_value=0, max_value=MAX_ID, required=False, default=0)
    selection = SelectionSerializer(required=False, default=dict)
    budgets = ObjectField(
        required=False, default=dict, help_text="max_tokens, max_cost, max_seconds."
    )
    guards = ObjectField(required=False, default=dict, help_text="min_acceptance, min_reviewed.")
    start = serializers.BooleanField(required=False, default=True)


class RetrySerializer(Input):
    """Which failed items to try again."""

    reason_code = serializers.CharField(
        max_length=60, required=False, default=None, allow_null=True, help_text="All if not given."
    )


class RetriedSerializer(JobSerializer):
    """The job after a retry."""

    items = serializers.SerializerMethodField(help_text="How many were put back.")

    class Meta(JobSerializer.Meta):
        fields: tuple[str, ...] = (*JobSerializer.Meta.fields, "items")
        read_only_fields = fields

    def get_items(self, job: ModelJob) -> int:
        return int(self.context["items"])
