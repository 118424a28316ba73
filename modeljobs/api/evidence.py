"""What methods found step by step, over REST: a job's items, their evidence, and opening it."""

from __future__ import annotations

from math import isfinite
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from labeling import access
from modeljobs import selectors
from modeljobs.evidence_views import EvidenceView, Viewer, list_evidence
from modeljobs.models import CodeTrial, JobItem
from modeljobs.rollout_views import WHOLE, Point, RolloutView, Sight
from modeljobs.services.reveals import get_evidence_access, open_evidence
from workbench.api.permissions import Scope
from workbench.api.serializers import MAX_INTEGER, Input
from workbench.api.views import ApiView

SEE_EVIDENCE = (Scope.READ, Scope.JOBS, Scope.ANNOTATE)


class JobItemSerializer(serializers.ModelSerializer[JobItem]):
    """One unit of a job: a solution, and what of it."""

    job = serializers.IntegerField(source="job_id")
    solution = serializers.IntegerField(source="solution_id")
    steps = serializers.IntegerField(source="solution.n_steps")
    steps_checked = serializers.IntegerField(
        source="n_checked", help_text="Steps on which evidence is stored by now."
    )

    class Meta:
        model = JobItem
        fields: tuple[str, ...] = (
            *("id", "job", "solution", "unit", "state", "attempts", "reason_code", "reason"),
            *("prompt_tokens", "completion_tokens", "steps", "steps_checked"),
            *("started_at", "finished_at"),
        )
        read_only_fields = fields


class JobItemQuery(Input):
    """Which items of a job to list."""

    state = serializers.ChoiceField(JobItem.State.choices, required=False)
    reason_code = serializers.CharField(max_length=60, required=False, allow_blank=True)
    unit = serializers.CharField(max_length=60, required=False)


class CodeTrialSerializer(serializers.ModelSerializer[CodeTrial]):
    """A person's own version of a model's code and analysis. `output` is what the code printed;
    `error` is why it was not run to its end.
    """

    item = serializers.IntegerField(source="item_id")
    author = serializers.CharField(source="author.name")
    layers = serializers.ListField(child=serializers.CharField())
    analysis = serializers.CharField(
        help_text="The analysis as this person puts it; empty where they changed nothing of it."
    )
    status = serializers.CharField(
        help_text='How the code ended; "not_run" where only the analysis was changed.'
    )

    class Meta:
        model = CodeTrial
        fields: tuple[str, ...] = (
            *("id", "item", "position", "sample", "block", "author", "code", "analysis"),
            *("state", "status"),
            *("output", "is_truncated", "milliseconds", "layers", "error"),
            *("created_at", "started_at", "finished_at"),
        )
        read_only_fields = fields


class EvidenceSourceSerializer(serializers.Serializer[object]):
    """The run that speaks."""

    item = serializers.IntegerField(source="item_id")
    job = serializers.IntegerField(source="job_id")
    method = serializers.CharField()
    engine = serializers.CharField()
    model = serializers.CharField()
    is_scripted = serializers.BooleanField(help_text="No model is behind it.")
    is_tiny = serializers.BooleanField(help_text="The shipped model of a few sums is behind it.")


class EvidenceSummarySerializer(serializers.Serializer[object]):
    """The samples of a step together; null is "not known"."""

    mean = serializers.FloatField(allow_null=True, help_text="Mean of P(Yes).")
    verdict = serializers.BooleanField(allow_null=True, help_text="Does the mean reach threshold?")
    majority = serializers.BooleanField(allow_null=True, help_text="Null on a tie.")
    decision = serializers.BooleanField(
        allow_null=True, help_text="The mean's, or the majority's where there is no mean."
    )
    yes = serializers.IntegerField()
    no = serializers.IntegerField()
    unparsed = serializers.IntegerField()
    samples = serializers.IntegerField()
    threshold = serializers.FloatField(allow_null=True)
    variance = serializers.FloatField(allow_null=True)
    completion_tokens = serializers.IntegerField(allow_null=True)
    code_runs = serializers.IntegerField()
    fell_back = serializers.IntegerField()
    mode = serializers.CharField()
    chosen = serializers.IntegerField(allow_null=True)
    unparsed_reasons = serializers.SerializerMethodField()

    def get_unparsed_reasons(self, summary: Any) -> dict[str, int]:
        return dict(summary.unparsed_reasons)


class CodeBlockSerializer(serializers.Serializer[object]):
    """Python that a model wrote, and what came of it."""

    number = serializers.IntegerField()
    code = serializers.CharField()
    output = serializers.CharField()
    status = serializers.CharField(help_text='"imagined" where nothing was run.')
    is_truncated = serializers.BooleanField()
    wall_ms = serializers.IntegerField(allow_null=True)
    layers = serializers.ListField(child=serializers.CharField())


class EvidenceSampleSerializer(serializers.Serializer[object]):
    """One sample's word on a step."""

    sample = serializers.IntegerField()
    text = serializers.CharField()
    analysis = serializers.CharField()
    blocks = CodeBlockSerializer(many=True)
    verdict = serializers.ChoiceField(["yes", "no"], allow_null=True)
    p_yes = serializers.FloatField(allow_null=True)
    bound = serializers.ChoiceField(["exact", "at_least", "at_most"], allow_null=True)
    unparsed = serializers.CharField(help_text="Why there is no verdict; empty where there is one.")
    fell_back = serializers.BooleanField()
    completion_tokens = serializers.IntegerField(allow_null=True)
    no_p_yes = serializers.CharField(help_text="Why there is a verdict, but no probability.")


class RolloutAnswerSerializer(serializers.Serializer[object]):
    """An answer that rollouts gave."""

    answer = serializers.CharField()
    count = serializers.IntegerField()
    outcome = serializers.CharField()
    reason = serializers.CharField()


class RolloutTextSerializer(serializers.Serializer[object]):
    """One rollout as it was written."""

    text = serializers.CharField()
    finish = serializers.CharField()
    outcome = serializers.CharField()
    answer = serializers.CharField()


class PointSerializer(serializers.Serializer[object]):
    """A step under the rule in force."""

    state = serializers.CharField(help_text='"correct", "wrong", "open", "unknown" or "scored".')
    progress = serializers.SerializerMethodField(
        help_text="The number that the rule looks at; null where it is unknown or infinite."
    )
    chance = serializers.FloatField(allow_null=True, help_text="That the step passes the rule.")
    is_absorbed = serializers.BooleanField(help_text="After a step with MC = 0.")

    def get_progress(self, point: Point) -> float | None:
        known = point.progress is not None and isfinite(point.progress)
        return point.progress if known else None


class RolloutsSerializer(serializers.Serializer[RolloutView]):
    """The rollouts from one place; null is "not known"."""

    is_start = serializers.BooleanField(help_text="From the problem alone (MC(s1)).")
    counts = serializers.SerializerMethodField()
    k = serializers.IntegerField()
    mc = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True, help_text="Wilson's 95 % interval.")
    high = serializers.FloatField(allow_null=True)
    is_exact = serializers.BooleanField(help_text="Judged by the solution's own answer.")
    point = PointSerializer(allow_null=True)
    stop = serializers.CharField()
    checker = serializers.CharField()
    hides_answers = serializers.BooleanField(
        help_text="Answers and texts are left out: they would give a hidden reference away."
    )
    answers = RolloutAnswerSerializer(many=True)
    samples = RolloutTextSerializer(many=True)
    models = serializers.ListField(child=serializers.CharField())

    def get_counts(self, view: RolloutView) -> dict[str, int]:
        return dict(view.counts)


class ScoreSerializer(serializers.Serializer[object]):
    """One number of a PRM or a critic, with its scale and rule."""

    name = serializers.CharField()
    raw = serializers.FloatField(allow_null=True)
    scale = serializers.CharField()
    rule = serializers.CharField()
    verdict = serializers.BooleanField(allow_null=True)


class ScoredSampleSerializer(serializers.Serializer[object]):
    """What a generative critic wrote, and its verdict on the step."""

    sample = serializers.IntegerField()
    text = serializers.CharField()
    verdict = serializers.BooleanField(allow_null=True)


class ScoresSerializer(serializers.Serializer[object]):
    """What a PRM or a critic says of a step."""

    scores = ScoreSerializer(many=True)
    verdict = serializers.BooleanField(source="decision", allow_null=True)
    uncertainty = serializers.FloatField(allow_null=True)
    family = serializers.CharField()
    template = serializers.CharField()
    token = serializers.IntegerField(allow_null=True, help_text="The token that was scored.")
    samples = serializers.IntegerField()
    reason = serializers.CharField(help_text="Why there is no score; empty where there is one.")
    texts = serializers.ListField(child=serializers.CharField())
    written = ScoredSampleSerializer(many=True, help_text="The texts with their samples.")


class EvidenceSerializer(serializers.Serializer[EvidenceView]):
    """What one run found of one step. Texts of models are data, never markup."""

    id = serializers.IntegerField()
    kind = serializers.CharField()
    position = serializers.IntegerField()
    at = serializers.DateTimeField()
    source = EvidenceSourceSerializer()  # type: ignore[assignment]
    summary = EvidenceSummarySerializer(allow_null=True)
    facts = serializers.SerializerMethodField(help_text="Of a kind that has no summary.")
    samples = EvidenceSampleSerializer(many=True)
    rollouts = RolloutsSerializer(allow_null=True)
    scores = ScoresSerializer(allow_null=True)
    missing = serializers.CharField(help_text="Why the texts are not there; empty where they are.")
    trials = serializers.SerializerMethodField()

    def get_facts(self, view: EvidenceView) -> dict[str, str]:
        return dict(view.facts)

    @extend_schema_field(CodeTrialSerializer(many=True))
    def get_trials(self, view: EvidenceView) -> Any:
        trials = [one.trial for group in view.trials.values() for one in group]
        return CodeTrialSerializer(sorted(trials, key=lambda one: one.pk), many=True).data


class EvidenceListSerializer(serializers.Serializer[object]):
    """What was found, in the order of the steps."""

    results = EvidenceSerializer(many=True)


class EvidenceQuery(Input):
    """Of which step; of all if nothing is said."""

    position = serializers.IntegerField(min_value=0, max_value=MAX_INTEGER, required=False)


class OpenSerializer(Input):
    """The step whose evidence is to be opened."""

    position = serializers.IntegerField(min_value=0, max_value=MAX_INTEGER)


class JobItemsView(ApiView):
    """The items of a job."""

    tag = "jobs"
    scopes = {"GET": (Scope.READ, Scope.JOBS)}

    @extend_schema(parameters=[JobItemQuery], responses=JobItemSerializer(many=True))
    def get(self, request: Request, job_id: int) -> Response:
        """The items, with how far each is."""
        query = self.read_query(JobItemQuery)
        job = selectors.get_job(self.user, job_id)
        rows = selectors.list_items(job).filter(**query).select_related("solution")
        return self.list_page(rows, JobItemSerializer)


class JobItemEvidenceView(ApiView):
    """What was found in one item."""

    tag = "jobs"
    scopes = {"GET": SEE_EVIDENCE}

    @extend_schema(parameters=[EvidenceQuery], responses=EvidenceListSerializer)
    def get(self, request: Request, job_item_id: int) -> Response:
        """What a run found of its solution, step by step.

        For those who browse the project; a reviewer gets the steps that they have opened.
        """
        query = self.read_query(EvidenceQuery)
        allowed = get_evidence_access(self.user, job_item_id)
        sight = WHOLE
        if allowed.positions is not None:
            shows_answers = allowed.item.job.project.show_reference_answer
            sight = Sight(allowed.positions, shows_answers)
        found = list_evidence(
            allowed.item,
            position=query.get("position"),
            sight=sight,
            viewer=Viewer(self.user.pk, allowed.sees_others),
        )
        shown = [view for view in found if allowed.includes(view.position)]
        return Response(EvidenceListSerializer({"results": shown}).data)


class AssignmentEvidenceView(ApiView):
    """The machines' word on a step of one's own item."""

    tag = "work"
    scopes = {"POST": (Scope.ANNOTATE,)}

    @extend_schema(request=OpenSerializer, responses=EvidenceListSerializer)
    def post(self, request: Request, assignment_id: int) -> Response:
        """Open what machines found of one step; that it was opened is logged.

        Refused with `sealed` before the project's protocol allows it. Of several runs the newest
        comes first; no result means that no machine has checked the step.
        """
        held = access.get_own_assignment(self.user, assignment_id)
        position = self.read(OpenSerializer)["position"]
        shown = open_evidence(assignment=held, position=position)
        return Response(EvidenceListSerializer({"results": shown}).data)
