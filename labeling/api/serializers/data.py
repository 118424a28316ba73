"""What is labelled: sources, problems, solutions, injections, and what was said of them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from labeling.api.names import Names
from labeling.api.serializers.work import AlignedSerializer, show_alignment
from labeling.models import (
    Annotation,
    AnnotationRevision,
    Injection,
    Problem,
    ReviewItem,
    Solution,
    Source,
    Step,
    Suggestion,
)
from labeling.selectors.review import StepView
from labeling.services.projects import SOURCE_FACTS
from workbench.api.serializers import IdField, Input

QUERY_LIMIT = 1_000


class SourceSerializer(serializers.ModelSerializer[Source]):
    """A data set as it was taken, with its terms."""

    class Meta:
        model = Source
        fields: tuple[str, ...] = ("id", "name", *SOURCE_FACTS, "created_at")
        read_only_fields = fields


class SourceChangeSerializer(serializers.ModelSerializer[Source], Input):
    """Corrected facts of a source."""

    citation = serializers.CharField(max_length=20_000, required=False, allow_blank=True)

    class Meta:
        model = Source
        fields: tuple[str, ...] = SOURCE_FACTS


class ProblemSerializer(serializers.ModelSerializer[Problem]):
    """A question as it is put to a reviewer."""

    family = serializers.CharField(source="family.key")
    source = serializers.CharField(source="source.name")  # type: ignore[assignment]

    class Meta:
        model = Problem
        fields: tuple[str, ...] = (
            *("id", "family", "source", "source_key", "text", "reference_answer"),
            *("reference_solution", "domain", "language", "created_at"),
        )
        read_only_fields = fields


class ProblemQuery(Input):
    """Which problems to list."""

    text = serializers.CharField(max_length=QUERY_LIMIT, required=False)
    source = serializers.CharField(  # type: ignore[assignment]
        max_length=120, required=False
    )
    domain = serializers.CharField(max_length=60, required=False)
    language = serializers.CharField(max_length=16, required=False)


class ItemSerializer(serializers.ModelSerializer[ReviewItem]):
    """One thing to review, and where it stands."""

    solution = serializers.IntegerField(source="solution_id")

    class Meta:
        model = ReviewItem
        fields: tuple[str, ...] = (
            *("id", "solution", "task", "state", "overlap", "free_slots", "queue_order"),
            "created_at",
        )
        read_only_fields = fields


class ItemQuery(Input):
    """Which items to list."""

    state = serializers.ChoiceField(ReviewItem.State.choices, required=False)
    task = serializers.ChoiceField(ReviewItem.Task.choices, required=False)
    solution = IdField(required=False)


class SettledSerializer(serializers.Serializer[object]):
    """What an item was settled with."""

    standing = serializers.ChoiceField(["decided", "agreed"])
    content = serializers.JSONField(help_text="The packed document.")
    reason = serializers.CharField(allow_blank=True, help_text="The adjudicator's, if decided.")


class SettledItemSerializer(ItemSerializer):
    """An item with what it was settled with."""

    settled = SettledSerializer(allow_null=True, read_only=True)

    class Meta(ItemSerializer.Meta):
        fields: tuple[str, ...] = (*ItemSerializer.Meta.fields, "settled")
        read_only_fields = fields


class ProblemLineSerializer(serializers.Serializer[Problem]):
    """A problem in a list of solutions."""

    id = serializers.IntegerField()
    text = serializers.CharField()
    domain = serializers.CharField()
    language = serializers.CharField()


class InjectionLineSerializer(serializers.Serializer[Injection]):
    """A claim in a list of solutions."""

    id = serializers.IntegerField()
    error_type = serializers.CharField()
    blocking_lints = serializers.IntegerField()
    is_scripted = serializers.BooleanField()


class SolutionSerializer(serializers.ModelSerializer[Solution]):
    """A candidate answer, without its steps."""

    problem = ProblemLineSerializer()
    source = serializers.CharField(source="source.name")  # type: ignore[assignment]
    injection = serializers.SerializerMethodField()
    items = ItemSerializer(source="review_items", many=True)

    class Meta:
        model = Solution
        fields: tuple[str, ...] = (
            *("id", "problem", "source", "source_key", "origin", "version", "generator"),
            *("final_answer", "final_answer_correct", "n_steps", "injection", "items"),
            "created_at",
        )
        read_only_fields = fields

    @extend_schema_field(InjectionLineSerializer(allow_null=True))
    def get_injection(self, solution: Solution) -> Any:
        # Most solutions have none, and asking for it raises.
        injection = getattr(solution, "injection", None)
        return None if injection is None else InjectionLineSerializer(injection).data


class SolutionQuery(Input):
    """Which solutions to list; what is not given is any."""

    text = serializers.CharField(
        max_length=QUERY_LIMIT, required=False, help_text="In the question or in a step."
    )
    source = serializers.CharField(  # type: ignore[assignment]
        max_length=120, required=False
    )
    generator = serializers.CharField(max_length=200, required=False)
    domain = serializers.CharField(max_length=60, required=False)
    state = serializers.ChoiceField(ReviewItem.State.choices, required=False)
    kind = serializers.ChoiceField(["solution", "injection", "original"], required=False)
    error_type = serializers.CharField(max_length=60, required=False)
    answer = serializers.ChoiceField(["right", "wrong", "unknown"], required=False)
    lint = serializers.CharField(
        max_length=60, required=False, help_text="A lint's code, or `blocking` for any that blocks."
    )


class InjectionQuery(Input):
    """Which injections to list."""

    text = serializers.CharField(max_length=QUERY_LIMIT, required=False)
    source = serializers.CharField(  # type: ignore[assignment]
        max_length=120, required=False
    )
    error_type = serializers.CharField(max_length=60, required=False)
    state = serializers.ChoiceField(ReviewItem.State.choices, required=False)
    lint = serializers.CharField(max_length=60, required=False)
    producer = serializers.CharField(max_length=120, required=False)


class StepSerializer(serializers.ModelSerializer[Step]):
    """One step; `position` counts from 0."""

    extra = serializers.JSONField(
        help_text="Alternatives and what the source said besides; null for most steps."
    )

    class Meta:
        model = Step
        fields: tuple[str, ...] = ("id", "position", "text", "kind", "extra")
        read_only_fields = fields


class SuggestionSerializer(serializers.ModelSerializer[Suggestion]):
    """A machine's proposal; never an annotation."""

    solution = serializers.IntegerField(source="solution_id")
    labels = serializers.JSONField(help_text="One packed label or null for each step.")
    first_error = serializers.JSONField(help_text="{at} | {none: true} | {unknown: reason}.")
    provenance = serializers.JSONField()

    class Meta:
        model = Suggestion
        fields: tuple[str, ...] = (
            *("id", "solution", "method", "producer", "is_scripted", "labels", "first_error"),
            *("provenance", "created_at"),
        )
        read_only_fields = fields


class SuggestionQuery(Input):
    """Which suggestions to list."""

    solution = IdField(required=False)
    method = serializers.CharField(max_length=80, required=False)


class RevisionSerializer(serializers.ModelSerializer[AnnotationRevision]):
    """One submission, frozen."""

    content = serializers.JSONField(help_text="The packed document.")

    class Meta:
        model = AnnotationRevision
        fields: tuple[str, ...] = (
            *("number", "content", "verdict", "first_error_state", "first_error_position"),
            *("reason", "after_reveal", "guideline_version", "language", "active_ms"),
            "created_at",
        )
        read_only_fields = fields


class AnnotationSerializer(serializers.ModelSerializer[Annotation]):
    """What one person says of one solution: the revision in force."""

    solution = serializers.IntegerField(source="solution_id")
    item = serializers.IntegerField(source="item_id", allow_null=True)
    reviewer = serializers.SerializerMethodField(
        help_text="A pseudonym where the project hides names."
    )
    is_own = serializers.SerializerMethodField()
    current = serializers.SerializerMethodField()

    class Meta:
        model = Annotation
        fields: tuple[str, ...] = (
            *("id", "solution", "item", "kind", "reviewer", "is_own", "current_number"),
            *("current", "created_at"),
        )
        read_only_fields = fields

    def get_reviewer(self, annotation: Annotation) -> str:
        names: Names = self.context["names"]
        return names.of_annotation(annotation)

    def get_is_own(self, annotation: Annotation) -> bool:
        names: Names = self.context["names"]
        return annotation.annotator_id == names.viewer_id

    @extend_schema_field(RevisionSerializer(allow_null=True))
    def get_current(self, annotation: Annotation) -> Any:
        rows: list[AnnotationRevision] = annotation.current_revisions  # type: ignore[attr-defined]
        return RevisionSerializer(rows[0]).data if rows else None


class AnnotationHistorySerializer(AnnotationSerializer):
    """An annotation with all its revisions, the first one first."""

    revisions = RevisionSerializer(many=True)

    class Meta(AnnotationSerializer.Meta):
        fields: tuple[str, ...] = (*AnnotationSerializer.Meta.fields, "revisions")
        read_only_fields = fields

    @extend_schema_field(RevisionSerializer(allow_null=True))
    def get_current(self, annotation: Annotation) -> Any:
        rows = list(annotation.revisions.all())
        return RevisionSerializer(rows[-1]).data if rows else None


class AnnotationQuery(Input):
    """Which annotations to list."""

    solution = IdField(required=False)
    item = IdField(required=False)
    kind = serializers.ChoiceField(Annotation.Kind.choices, required=False)


class SolutionDetailSerializer(SolutionSerializer):
    """A candidate answer with its steps and what was said of them."""

    problem = ProblemSerializer()  # type: ignore[assignment]
    items = serializers.SerializerMethodField()  # type: ignore[assignment]
    steps = StepSerializer(many=True)
    suggestions = SuggestionSerializer(many=True)
    annotations = serializers.SerializerMethodField(
        help_text="All for leads and adjudicators; for others what came with the data."
    )

    class Meta(SolutionSerializer.Meta):
        fields: tuple[str, ...] = (
            *SolutionSerializer.Meta.fields,
            *("steps", "suggestions", "annotations"),
        )
        read_only_fields = fields

    @extend_schema_field(SettledItemSerializer(many=True))
    def get_items(self, solution: Solution) -> Any:
        return SettledItemSerializer(self.context["items"], many=True).data

    @extend_schema_field(AnnotationHistorySerializer(many=True))
    def get_annotations(self, solution: Solution) -> Any:
        rows = self.context["annotations"]
        return AnnotationHistorySerializer(rows, many=True, context=self.context).data


class InjectionSerializer(serializers.ModelSerializer[Injection]):
    """A claim that steps of a modified solution carry an error of a type."""

    original = serializers.IntegerField(source="original_id")
    modified = serializers.IntegerField(source="modified_id")
    claimed_error_positions = serializers.ListField(
        child=serializers.IntegerField(), help_text="As given; one may point past the end."
    )
    claimed_changed_positions = serializers.ListField(child=serializers.IntegerField())
    lints = serializers.JSONField()
    state = serializers.SerializerMethodField(help_text="Of its review; null if never queued.")

    class Meta:
        model = Injection
        fields: tuple[str, ...] = (
            *("id", "original", "modified", "error_type", "claimed_error_positions"),
            *("claimed_changed_positions", "reason", "question_changed", "producer"),
            *("is_scripted", "lints", "blocking_lints", "state", "created_at"),
        )
        read_only_fields = fields

    def get_state(self, injection: Injection) -> str | None:
        return next(
            (
                item.state
                for item in injection.modified.review_items.all()
                if item.task == ReviewItem.Task.VERIFY_INJECTION
            ),
            None,
        )


class SideSerializer(serializers.Serializer[object]):
    """One of the two solutions of an injection."""

    solution = serializers.IntegerField()
    question = serializers.CharField()
    steps = serializers.ListField(child=serializers.CharField())


class InjectionDetailSerializer(InjectionSerializer):
    """An injection with both solutions, aligned step by step."""

    provenance = serializers.JSONField()
    original_side = serializers.SerializerMethodField()
    modified_side = serializers.SerializerMethodField()
    alignment = serializers.SerializerMethodField()

    class Meta(InjectionSerializer.Meta):
        fields: tuple[str, ...] = (
            *InjectionSerializer.Meta.fields,
            *("provenance", "original_side", "modified_side", "alignment"),
        )
        read_only_fields = fields

    @extend_schema_field(SideSerializer)
    def get_original_side(self, injection: Injection) -> Any:
        return self._show(injection.original, self.context["original_steps"])

    @extend_schema_field(SideSerializer)
    def get_modified_side(self, injection: Injection) -> Any:
        return self._show(injection.modified, self.context["modified_steps"])

    @extend_schema_field(AlignedSerializer(many=True))
    def get_alignment(self, injection: Injection) -> Any:
        return show_alignment(self.context["fork"])

    def _show(self, solution: Solution, steps: list[StepView]) -> Any:
        side = {
            "solution": solution.pk,
            "question": solution.problem.text,
            "steps": [step.text for step in steps],
        }
        return SideSerializer(side).data
