"""Numbers: how far a project is, and how far its people agree.

A figure that is not defined is never left out and never 0: its value is null, and `reason` and
`explanation` say why.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from labeling.metrics.agreement import RaterMarginals
from labeling.metrics.pairs import PairwiseTable, RaterPair
from labeling.models import AuditEvent, Exposure
from workbench.api.serializers import IdField, Input

NO_KAPPA = {
    "value": None,
    "reason": "no_defined_kappa",
    "explanation": "No two raters have a kappa of their own, so there is no mean of them.",
}


class OverviewSerializer(serializers.Serializer[object]):
    """A project's numbers."""

    solutions = serializers.IntegerField()
    steps = serializers.IntegerField()
    injections = serializers.IntegerField()
    blocked_injections = serializers.IntegerField()
    items = serializers.IntegerField()
    by_state = serializers.DictField(child=serializers.IntegerField())
    submissions = serializers.IntegerField()
    submissions_last_week = serializers.IntegerField()
    open_disputes = serializers.IntegerField()
    releases = serializers.IntegerField()


class OwnProgressSerializer(serializers.Serializer[object]):
    """How far one is oneself."""

    done = serializers.IntegerField()
    waiting = serializers.IntegerField(help_text="Items that you could still claim.")


class ProgressSerializer(serializers.Serializer[object]):
    """How far the work is."""

    items = serializers.IntegerField()
    settled = serializers.IntegerField(help_text="Agreed, decided or discarded.")
    by_state = serializers.DictField(child=serializers.IntegerField())
    own = OwnProgressSerializer(allow_null=True, help_text="Null for those who do not annotate.")


class LintCountSerializer(serializers.Serializer[object]):
    """How many injections carry a lint."""

    code = serializers.CharField()
    injections = serializers.IntegerField()


class LintsSerializer(serializers.Serializer[object]):
    """The lints of a project's injections."""

    injections = serializers.IntegerField()
    blocked = serializers.IntegerField(help_text="Injections with a lint that stops a release.")
    results = LintCountSerializer(many=True)


class AuditEventSerializer(serializers.ModelSerializer[AuditEvent]):
    """Who did what to which thing."""

    actor = serializers.SerializerMethodField()
    detail = serializers.JSONField()

    class Meta:
        model = AuditEvent
        fields: tuple[str, ...] = (
            "id",
            "actor",
            "verb",
            "target_type",
            "target_id",
            "detail",
            "at",
        )
        read_only_fields = fields

    def get_actor(self, event: AuditEvent) -> str | None:
        return None if event.actor is None else event.actor.name


class AuditQuery(Input):
    """Which events to list."""

    verb = serializers.CharField(max_length=60, required=False)
    target_type = serializers.CharField(max_length=60, required=False)
    target_id = serializers.CharField(max_length=60, required=False)


class ExposureSerializer(serializers.ModelSerializer[Exposure]):
    """What a person was shown about an item, and when."""

    item = serializers.IntegerField(source="item_id")
    person = serializers.CharField(source="person.name")
    detail = serializers.JSONField()

    class Meta:
        model = Exposure
        fields: tuple[str, ...] = (
            "id",
            "item",
            "person",
            "what",
            "detail",
            "guideline_version",
            "language",
            "at",
        )
        read_only_fields = fields


class ExposureQuery(Input):
    """Which exposures to list."""

    item = IdField(required=False)
    person = IdField(required=False, help_text="The id of a user.")
    what = serializers.ChoiceField(Exposure.What.choices, required=False)


# --- Agreement ------------------------------------------------------------------------------------


class AgreementQuery(Input):
    """Whose words count."""

    include_simulated = serializers.BooleanField(required=False, default=True)


class FigureSerializer(serializers.Serializer[object]):
    """One figure: a value, or the reason why there is none."""

    value = serializers.FloatField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    explanation = serializers.CharField()


class CoefficientSerializer(FigureSerializer):
    """A figure of agreement, with what it was computed from."""

    n_units = serializers.IntegerField()
    n_ratings = serializers.IntegerField()
    n_raters = serializers.IntegerField(allow_null=True)
    observed = serializers.FloatField(allow_null=True)
    expected = serializers.FloatField(allow_null=True)


class BoundsSerializer(serializers.Serializer[object]):
    """An interval: two bounds, or the reason why there are none."""

    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    level = serializers.FloatField()
    reason = serializers.CharField(allow_null=True)
    explanation = serializers.CharField()


class BootstrapSerializer(BoundsSerializer):
    """A percentile interval over resampled problem families."""

    draws = serializers.IntegerField()
    seed = serializers.IntegerField()
    n_clusters = serializers.IntegerField()
    n_undefined_draws = serializers.IntegerField()


class WilsonSerializer(BoundsSerializer):
    """Wilson's interval for a share."""

    successes = serializers.IntegerField()
    trials = serializers.IntegerField()


class AgreementIntervalsSerializer(serializers.Serializer[object]):
    """Intervals for the figures of agreement."""

    percent_agreement = BootstrapSerializer()
    alpha_nominal = BootstrapSerializer()
    alpha_ordinal = BootstrapSerializer()
    alpha_interval = BootstrapSerializer()
    ac1 = BootstrapSerializer()
    ac2_linear = BootstrapSerializer()
    ac2_quadratic = BootstrapSerializer()


def name_rater(context: Mapping[str, Any], rater: object) -> str:
    """The pseudonym of a rater's id."""
    names: dict[int, str] = context["raters"]
    return names.get(int(str(rater)), f"#{rater}")


class MarginalsSerializer(serializers.Serializer[RaterMarginals]):
    """How often one rater chose each category."""

    rater = serializers.SerializerMethodField()
    counts = serializers.ListField(child=serializers.IntegerField())

    def get_rater(self, marginals: RaterMarginals) -> str:
        return name_rater(self.context, marginals.rater)


class RaterPairSerializer(serializers.Serializer[RaterPair]):
    """Two raters, on the units that both rated."""

    first = serializers.SerializerMethodField()
    second = serializers.SerializerMethodField()
    n_units = serializers.IntegerField()
    percent_agreement = CoefficientSerializer()
    alpha = CoefficientSerializer()
    kappa = CoefficientSerializer()

    def get_first(self, pair: RaterPair) -> str:
        return name_rater(self.context, pair.first)

    def get_second(self, pair: RaterPair) -> str:
        return name_rater(self.context, pair.second)


class PairsSerializer(serializers.Serializer[PairwiseTable]):
    """Every two raters who met."""

    pairs = RaterPairSerializer(many=True)
    n_pairs_without_overlap = serializers.IntegerField()
    level = serializers.CharField()
    weighting = serializers.CharField()
    mean_kappa = serializers.SerializerMethodField()

    @extend_schema_field(FigureSerializer)
    def get_mean_kappa(self, table: PairwiseTable) -> Any:
        mean = table.mean_kappa
        figure = NO_KAPPA if mean is None else {"value": mean, "reason": None, "explanation": ""}
        return FigureSerializer(figure).data


class NominalSerializer(serializers.Serializer[object]):
    """Every figure that takes the categories as names only."""

    categories = serializers.ListField(child=serializers.CharField())
    n_units = serializers.IntegerField()
    n_single_units = serializers.IntegerField()
    n_ratings = serializers.IntegerField()
    n_raters = serializers.IntegerField()
    percent_agreement = CoefficientSerializer()
    alpha = CoefficientSerializer()
    ac1 = CoefficientSerializer()
    fleiss = CoefficientSerializer()
    fleiss_generalised = CoefficientSerializer()
    conger = CoefficientSerializer()
    brennan_prediger = CoefficientSerializer()
    marginals = MarginalsSerializer(many=True)
    pairs = PairsSerializer()


class RankedSerializer(serializers.Serializer[object]):
    """The figures that also use the order of the categories."""

    alpha_ordinal = CoefficientSerializer()
    alpha_interval = CoefficientSerializer()
    ac2_linear = CoefficientSerializer()
    ac2_quadratic = CoefficientSerializer()


class DisagreementsSerializer(serializers.Serializer[object]):
    """Pairs of answers about one solution, by what they differ in."""

    none = serializers.IntegerField()
    existence = serializers.IntegerField()
    location = serializers.IntegerField()


class FirstErrorAgreementSerializer(serializers.Serializer[object]):
    """Do people find the same first error?"""

    exact = CoefficientSerializer()
    within_one = CoefficientSerializer()
    mean_distance = CoefficientSerializer()
    index_alpha = CoefficientSerializer()
    verdict_alpha = CoefficientSerializer()
    disagreements = DisagreementsSerializer()
    n_solutions = serializers.IntegerField()
    n_ratings = serializers.IntegerField()
    n_raters = serializers.IntegerField()
    n_unknown = serializers.IntegerField()


class FirstErrorIntervalsSerializer(serializers.Serializer[object]):
    """Intervals for the figures on first errors."""

    exact = BootstrapSerializer()
    within_one = BootstrapSerializer()
    index_alpha = BootstrapSerializer()
    verdict_alpha = BootstrapSerializer()


class AgreementSerializer(serializers.Serializer[object]):
    """How far people agree; a part is null where nobody has done that task.

    First revisions of planned assignments count, and people alone: no machine is a rater.
    """

    steps = NominalSerializer(allow_null=True)
    ranked = RankedSerializer(allow_null=True)
    step_intervals = AgreementIntervalsSerializer(allow_null=True)
    first_error = FirstErrorAgreementSerializer(allow_null=True)
    first_error_intervals = FirstErrorIntervalsSerializer(allow_null=True)
    verdicts = NominalSerializer(allow_null=True)
    verdict_intervals = AgreementIntervalsSerializer(allow_null=True)
    correctness = WilsonSerializer(
        allow_null=True, help_text="Share of injections that were accepted."
    )
    kinds = serializers.DictField(
        child=serializers.IntegerField(), help_text="Items judged twice, by kind of disagreement."
    )
    raters = serializers.SerializerMethodField(help_text="Pseudonyms.")
    items_judged = serializers.IntegerField()
    items_judged_twice = serializers.IntegerField()
    open_disputes = serializers.IntegerField()
    simulated_raters = serializers.IntegerField()
    draws = serializers.IntegerField()
    seed = serializers.IntegerField()

    def get_raters(self, report: object) -> list[str]:
        return list(self.context["raters"].values())


# --- Proposals ------------------------------------------------------------------------------------


class InfluenceSerializer(serializers.Serializer[object]):
    """How often people said the machine's word, with its proposal shown and kept back."""

    shown = WilsonSerializer()
    blind = WilsonSerializer()
    difference = serializers.FloatField(
        allow_null=True, help_text="Shown minus blind; null where an arm has no steps."
    )
    interval = BootstrapSerializer(help_text="Of the difference.")


class ProposalsSerializer(serializers.Serializer[object]):
    """What became of machines' proposals."""

    items_shown = serializers.IntegerField()
    items_blind = serializers.IntegerField()
    on_all = InfluenceSerializer(help_text="All steps that the machine and the person rated.")
    on_wrong = InfluenceSerializer(
        help_text="Steps on which the machine was wrong by an adjudicator's decision."
    )
    reasons = serializers.DictField(child=serializers.IntegerField())
    in_bulk = serializers.IntegerField(help_text="Steps rated with others in one action.")
    changed = serializers.IntegerField(
        help_text="Steps rated otherwise once the person had opened the evidence."
    )
    changed_to_right = serializers.IntegerField()
    changed_to_wrong = serializers.IntegerField()
    simulated = serializers.IntegerField(help_text="Assignments of simulated people.")
    draws = serializers.IntegerField()
    seed = serializers.IntegerField()
