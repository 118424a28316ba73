"""A reviewer's work: the workspace, drafts, judgements, submissions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rest_framework import serializers

from labeling.content import ContentError, parse_first_error
from labeling.models import Assignment, Project
from labeling.selectors.review import ErrorTypeView, ForkRow, StepView, Workspace
from labeling.services.projects import PROTOCOL_FIELDS
from workbench.api.serializers import MAX_INTEGER, Input, ObjectField

REASON_LIMIT = 10_000
MOST_STEPS = 10_000
ASSIGNMENT_COLUMNS = ("state", "purpose", "lease_token", "lease_expires_at", "created_at")
PROJECT_COLUMNS = ("slug", "name", "guideline_version", *PROTOCOL_FIELDS)


class FirstErrorField(ObjectField):
    """Where the first error is: {at: position} | {none: true} | {unknown: reason}."""

    def to_internal_value(self, data: Any) -> Any:
        mapping = super().to_internal_value(data)
        if len(mapping) != 1 or not set(mapping) <= {"at", "none", "unknown"}:
            raise serializers.ValidationError(
                "is {at: position}, {none: true} or {unknown: reason}."
            )
        if "none" in mapping and mapping["none"] is not True:
            raise serializers.ValidationError("none is true, or is not there at all.")
        try:
            return parse_first_error(mapping)
        except ContentError as error:
            raise serializers.ValidationError(error.message) from None


# --- What a client sends --------------------------------------------------------------------------


class LeaseSerializer(Input):
    """Proof that the assignment is still held."""

    lease_token = serializers.UUIDField()


class StepTimesField(serializers.DictField):
    """Milliseconds by the position of a step, which counts from "0"."""

    child = serializers.IntegerField(min_value=0, max_value=MAX_INTEGER)

    def to_internal_value(self, data: Any) -> Any:
        times = super().to_internal_value(data)
        if len(times) > MOST_STEPS or not all(key.isdecimal() and len(key) < 6 for key in times):
            raise serializers.ValidationError("has positions of steps as keys.")
        return times


class ActivitySerializer(Input):
    """Active time: the page was seen and had the focus, and somebody did something."""

    total = serializers.IntegerField(min_value=0, max_value=MAX_INTEGER)
    steps = StepTimesField(required=False, default=dict)


class DraftChangeSerializer(LeaseSerializer):
    """Unfinished work, with the version that it was made on: 0 for the first."""

    version = serializers.IntegerField(min_value=0, max_value=MAX_INTEGER)
    content = ObjectField(help_text="The packed document; it may be incomplete.")
    activity = ActivitySerializer(required=False, allow_null=True, default=None)


class RevealSerializer(LeaseSerializer):
    """One's own judgement, made before the claim is opened."""

    blind_first_error = FirstErrorField(
        help_text="{at: position} | {none: true} | {unknown: reason}."
    )


class SubmitSerializer(LeaseSerializer):
    """Finished work. The same key twice is one submission."""

    version = serializers.IntegerField(
        min_value=0,
        max_value=MAX_INTEGER,
        required=False,
        default=None,
        allow_null=True,
        help_text="The version of the draft as you saw it; null where you keep none.",
    )
    idempotency_key = serializers.UUIDField()
    content = ObjectField(help_text="The packed document.")
    active_ms = serializers.IntegerField(
        min_value=0, max_value=MAX_INTEGER, required=False, default=0
    )
    step_ms = StepTimesField(
        required=False,
        default=None,
        allow_null=True,
        help_text="Active time while each step was the current one, in milliseconds.",
    )


class SkipSerializer(LeaseSerializer):
    """Why the item is given back."""

    reason = serializers.CharField(max_length=2_000, allow_blank=True)


class ReviseSerializer(Input):
    """A change of one's word, with the number of the revision that it changes."""

    number = serializers.IntegerField(min_value=0, max_value=MAX_INTEGER)
    idempotency_key = serializers.UUIDField()
    content = ObjectField(help_text="The packed document.")
    reason = serializers.CharField(max_length=REASON_LIMIT, allow_blank=True)


class DecisionSerializer(Input):
    """A decision, with the version of the dispute that it was made on."""

    version = serializers.IntegerField(min_value=0, max_value=MAX_INTEGER)
    idempotency_key = serializers.UUIDField()
    content = ObjectField(help_text="The packed document.")
    reason = serializers.CharField(max_length=REASON_LIMIT, allow_blank=True)


# --- What it is given -----------------------------------------------------------------------------


class SavedSerializer(serializers.Serializer[object]):
    """A draft that was kept."""

    version = serializers.IntegerField()
    saved_at = serializers.DateTimeField()


class LeaseEndSerializer(serializers.Serializer[object]):
    """Until when the item is yours."""

    lease_expires_at = serializers.DateTimeField()


class SubmittedSerializer(serializers.Serializer[object]):
    """What became of a submission."""

    annotation_id = serializers.IntegerField()
    revision = serializers.IntegerField(help_text="Its number, from 1.")
    next_url = serializers.CharField()


class NextSerializer(serializers.Serializer[object]):
    """Where to go now."""

    next_url = serializers.CharField()


class DecidedSerializer(serializers.Serializer[object]):
    """What became of a decision."""

    adjudication_id = serializers.IntegerField()
    number = serializers.IntegerField(help_text="Which decision on this item it is, from 1.")
    next_url = serializers.CharField()


class ClaimSerializer(serializers.Serializer[object]):
    """The claim of an injection, once it is open."""

    error_type = serializers.CharField()
    error_type_name = serializers.CharField()
    error_positions = serializers.ListField(child=serializers.IntegerField())
    changed_positions = serializers.ListField(child=serializers.IntegerField())
    reason = serializers.CharField()
    lints = serializers.JSONField()
    is_scripted = serializers.BooleanField()
    producer = serializers.CharField()


class SourceReportStateSerializer(serializers.Serializer[object]):
    """What became of a report that an original is wrong."""

    state = serializers.CharField()
    reason = serializers.CharField()
    at = serializers.DateTimeField()


class AboutOriginalSerializer(serializers.Serializer[object]):
    """What is known of the original of an injection."""

    report = SourceReportStateSerializer(allow_null=True)
    n_others = serializers.IntegerField(help_text="Other items made from the same original.")


class RevealedSerializer(serializers.Serializer[object]):
    """The claim, and the judgement that counts: the first one made."""

    claim = ClaimSerializer()
    blind_first_error = serializers.JSONField()
    original = AboutOriginalSerializer(allow_null=True)


class AssignmentSerializer(serializers.ModelSerializer[Assignment]):
    """A hold on an item."""

    item = serializers.IntegerField(source="item_id")
    task = serializers.CharField(source="item.task")

    class Meta:
        model = Assignment
        fields: tuple[str, ...] = ("id", "item", "task", *ASSIGNMENT_COLUMNS)
        read_only_fields = fields


class ProtocolSerializer(serializers.ModelSerializer[Project]):
    """The project of an assignment: what is asked and what is hidden."""

    class Meta:
        model = Project
        fields: tuple[str, ...] = PROJECT_COLUMNS
        read_only_fields = fields


class WorkStepSerializer(serializers.Serializer[object]):
    """A step to be judged. `number` is what people see: it counts from 1."""

    id = serializers.IntegerField()
    position = serializers.IntegerField()
    number = serializers.IntegerField()
    text = serializers.CharField()
    kind = serializers.CharField()


class ErrorTypeSerializer(serializers.Serializer[object]):
    """A kind of mistake, in the reader's language."""

    code = serializers.CharField()
    name = serializers.CharField()
    dimension = serializers.CharField()
    definition = serializers.CharField()
    example = serializers.CharField()
    counter_example = serializers.CharField()


class WorkProblemSerializer(serializers.Serializer[object]):
    """The question of an assignment."""

    id = serializers.IntegerField()
    text = serializers.CharField()
    language = serializers.CharField()
    reference_answer = serializers.CharField(
        allow_null=True, help_text="Null where unknown, or not shown in this project."
    )


class WorkSolutionSerializer(serializers.Serializer[object]):
    """The solution of an assignment; who made it is not said."""

    id = serializers.IntegerField()
    n_steps = serializers.IntegerField()
    final_answer = serializers.CharField(allow_null=True)


class DraftSerializer(serializers.Serializer[object]):
    """What is kept of unfinished work; version 0 where there is nothing yet."""

    version = serializers.IntegerField()
    content = serializers.JSONField()


class AlignedSerializer(serializers.Serializer[object]):
    """A pair of steps by position; null where a side has no step."""

    kind = serializers.ChoiceField(["same", "edited", "inserted", "deleted"])
    original = serializers.IntegerField(allow_null=True)
    modified = serializers.IntegerField(allow_null=True)


class WorkInjectionSerializer(serializers.Serializer[object]):
    """The injection of an assignment. The claim is null while it is sealed."""

    id = serializers.IntegerField()
    original_question = serializers.CharField()
    original_steps = WorkStepSerializer(many=True)
    alignment = AlignedSerializer(many=True)
    claim = ClaimSerializer(allow_null=True)
    blind_first_error = serializers.JSONField(
        allow_null=True, help_text="Your own judgement before the claim was opened."
    )


class WorkUrlsSerializer(serializers.Serializer[object]):
    """Where this workspace's requests go."""

    page = serializers.CharField()
    draft = serializers.CharField()
    heartbeat = serializers.CharField()
    reveal = serializers.CharField()
    submit = serializers.CharField()
    skip = serializers.CharField()


class WorkspaceSerializer(serializers.Serializer[object]):
    """Everything that a reviewer needs for one item, and nothing that is sealed from them."""

    assignment = AssignmentSerializer()
    project = ProtocolSerializer()
    problem = WorkProblemSerializer()
    solution = WorkSolutionSerializer()
    steps = WorkStepSerializer(many=True)
    error_types = ErrorTypeSerializer(many=True)
    draft = DraftSerializer()
    evidence = serializers.ChoiceField(
        ["absent", "sealed", "open"], help_text="What machines said of this solution."
    )
    injection = WorkInjectionSerializer(allow_null=True)
    urls = WorkUrlsSerializer()


def show_workspace(workspace: Workspace, urls: dict[str, str]) -> dict[str, Any]:
    """The workspace as JSON-ready data, as WorkspaceSerializer describes it.

    Written out: this is the answer that people wait for, and serializers of models are made anew
    for each. A test compares the two.
    """
    solution, assignment, project = workspace.solution, workspace.assignment, workspace.project
    return {
        "assignment": {
            "id": assignment.pk,
            "item": workspace.item.pk,
            "task": workspace.item.task,
            **{name: getattr(assignment, name) for name in ASSIGNMENT_COLUMNS},
        },
        "project": {name: getattr(project, name) for name in PROJECT_COLUMNS},
        "problem": {
            "id": solution.problem.pk,
            "text": solution.problem.text,
            "language": solution.problem.language,
            "reference_answer": workspace.reference_answer,
        },
        "solution": {
            "id": solution.pk,
            "n_steps": solution.n_steps,
            "final_answer": solution.final_answer,
        },
        "steps": [_show_plain(step) for step in workspace.steps],
        "error_types": [_show_plain(kind) for kind in workspace.error_types],
        "draft": {"version": workspace.draft_version, "content": workspace.draft},
        "evidence": workspace.evidence,
        "injection": _show_injection(workspace),
        "urls": urls,
    }


def _show_plain(view: StepView | ErrorTypeView) -> dict[str, Any]:
    """The fields of a view that holds texts and numbers; `asdict` would copy each of them."""
    return {name: getattr(view, name) for name in view.__slots__}


def show_alignment(fork: Sequence[ForkRow]) -> list[dict[str, Any]]:
    """The fork's rows by position, for clients that have the steps already."""
    return [
        {
            "kind": str(row.kind),
            "original": None if row.original is None else row.original.position,
            "modified": None if row.modified is None else row.modified.position,
        }
        for row in fork
    ]


def _show_injection(workspace: Workspace) -> dict[str, Any] | None:
    if workspace.injection_id is None:
        return None
    originals = [row.original for row in workspace.fork if row.original is not None]
    return {
        "id": workspace.injection_id,
        "original_question": workspace.original_question,
        "original_steps": [
            _show_plain(step) for step in sorted(originals, key=lambda step: step.position)
        ],
        "alignment": show_alignment(workspace.fork),
        "claim": None if workspace.claim is None else ClaimSerializer(workspace.claim).data,
        "blind_first_error": workspace.blind_first_error,
    }
