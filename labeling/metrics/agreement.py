"""Agreement among any number of raters.

Conventions, the same for every figure here:

- Observed agreement is seen on units with two ratings or more. Units with one rating play no part
  in alpha; for Gwet's, Fleiss' and Brennan-Prediger's coefficients they do count towards how often
  each category is chosen (p_e).
- The categories are the full list of what could be chosen, used or not: AC1, AC2 and
  Brennan-Prediger depend on how many there are.
- What cannot be computed is undefined with a reason. When all ratings are of one category alpha
  and kappa are undefined, while percent agreement is 1 and so is AC1.
- On one unit alone alpha is 0 and Fleiss' kappa -1 / (m - 1) whatever was said (D_o = D_e), so
  neither says anything, and both are undefined there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from labeling.metrics.additive import (
    AdditiveStatistic,
    Parts,
    alpha_statistic,
    brennan_prediger_statistic,
    correct_for_chance,
    fleiss_statistic,
    gwet_statistic,
    percent_agreement_statistic,
    total_columns,
)
from labeling.metrics.coefficients import Coefficient, Reason
from labeling.metrics.pairs import PairwiseTable, build_pairwise_table
from labeling.metrics.ratings import (
    Category,
    Ratings,
    UnitCounts,
    count_by_rater,
    count_values,
)
from labeling.metrics.weights import Level, Weighting, build_weights


@dataclass(frozen=True, slots=True)
class RaterMarginals:
    """How often one rater chose each category, in the order of the categories."""

    rater: Any
    counts: tuple[int, ...]

    @property
    def n_ratings(self) -> int:
        return sum(self.counts)

    @property
    def shares(self) -> tuple[float, ...]:
        """The share of each category; a rater in the table has at least one rating."""
        return tuple(count / self.n_ratings for count in self.counts)


@dataclass(frozen=True, slots=True)
class NominalAgreement:
    """Every figure that takes the categories as names only.

    Alpha and kappa fall when one category is rare, however well people agree (Feinstein &
    Cicchetti 1990); so they are shown beside percent agreement, AC1 and the marginals.
    """

    categories: tuple[Category, ...]
    n_units: int
    n_single_units: int
    n_ratings: int
    n_raters: int
    percent_agreement: Coefficient
    alpha: Coefficient
    ac1: Coefficient
    fleiss: Coefficient
    fleiss_generalised: Coefficient
    conger: Coefficient
    brennan_prediger: Coefficient
    marginals: tuple[RaterMarginals, ...]
    pairs: PairwiseTable


@dataclass(frozen=True, slots=True)
class RankedAgreement:
    """The figures that also use the order of the categories, or their places on the scale."""

    alpha_ordinal: Coefficient
    alpha_interval: Coefficient
    ac2_linear: Coefficient
    ac2_quadratic: Coefficient


def percent_agreement(data: Ratings | UnitCounts) -> Coefficient:
    """The mean, over units with two ratings or more, of the share of rater pairs that agree."""
    counts = _count(data)
    return _conclude(counts, percent_agreement_statistic(counts))


def krippendorff_alpha(data: Ratings | UnitCounts, *, level: Level) -> Coefficient:
    """Krippendorff's alpha; ratings may be missing anywhere.

    Undefined on a single unit, and where nothing varies. `observed` and `expected` are shares, and
    so given, at the nominal level only.
    """
    counts = _count(data)
    return _conclude(
        counts,
        alpha_statistic(counts, level=level),
        fixed_by_one_unit=int(np.count_nonzero(counts.pairable)) == 1,
        parts_are_shares=level == "nominal",
    )


def gwet_ac1(data: Ratings | UnitCounts) -> Coefficient:
    """Gwet's AC1 over the full list of categories; stays meaningful when one is rare."""
    counts = _count(data)
    return _conclude(counts, gwet_statistic(counts, weighting="unweighted"))


def gwet_ac2(data: Ratings | UnitCounts, *, weighting: Weighting) -> Coefficient:
    """Gwet's AC2: AC1 with part credit for near misses."""
    counts = _count(data)
    return _conclude(counts, gwet_statistic(counts, weighting=weighting))


def fleiss_kappa(data: Ratings | UnitCounts) -> Coefficient:
    """Fleiss' kappa (1971); undefined where units have different numbers of ratings."""
    counts = _count(data)
    sizes = counts.sizes[counts.sizes > 0]
    if sizes.size and sizes.min() != sizes.max() and sizes.max() >= 2:
        return _undefined(
            counts,
            Reason.UNEQUAL_RATERS,
            explanation=(
                "Fleiss' kappa needs the same number of ratings on every unit; here units have "
                f"between {int(sizes.min())} and {int(sizes.max())}. See the generalised kappa."
            ),
        )
    return fleiss_kappa_generalised(counts)


def fleiss_kappa_generalised(
    data: Ratings | UnitCounts, *, weighting: Weighting = "unweighted"
) -> Coefficient:
    """Fleiss' kappa where the number of ratings may differ; Scott's pi for two raters."""
    counts = _count(data)
    return _conclude(
        counts,
        fleiss_statistic(counts, weighting=weighting),
        fixed_by_one_unit=int(np.count_nonzero(counts.sizes)) == 1,
    )


def brennan_prediger(
    data: Ratings | UnitCounts, *, weighting: Weighting = "unweighted"
) -> Coefficient:
    """Brennan and Prediger's coefficient: chance takes every category alike; PABAK for two."""
    counts = _count(data)
    return _conclude(counts, brennan_prediger_statistic(counts, weighting=weighting))


def conger_kappa(ratings: Ratings, *, weighting: Weighting = "unweighted") -> Coefficient:
    """Conger's kappa: Cohen's, for more raters; chance is two different raters' own habits.

    Conger 1980, with Gwet's extension to missing ratings (2014): p_e is the mean over ordered
    pairs of different raters of p_g' W p_h, with p_g the rater's shares of each category.
    """
    counts = count_values(ratings)
    statistic = percent_agreement_statistic(counts, weighting=weighting)
    observed = statistic.evaluate(total_columns(statistic)).observed
    marginals = count_by_rater(ratings).astype(np.float64)
    shares = marginals / marginals.sum(axis=1, keepdims=True)
    weights = build_weights(counts.scale, weighting=weighting)
    n = len(shares)
    total = shares.sum(axis=0)
    own = float(((shares @ weights) * shares).sum())
    expected = np.array(
        [(total @ weights @ total - own) / (n * (n - 1)) if n > 1 else np.nan], dtype=np.float64
    )
    parts = Parts(correct_for_chance(observed, expected), observed, expected)
    return _describe(counts, parts, fixed_by_one_unit=int(np.count_nonzero(counts.sizes)) == 1)


def summarise_nominal(ratings: Ratings) -> NominalAgreement:
    """All nominal figures at once, from one table of counts."""
    counts = count_values(ratings)
    marginals = tuple(
        RaterMarginals(rater, tuple(row))
        for rater, row in zip(
            ratings.rater_ids.tolist(), count_by_rater(ratings).tolist(), strict=True
        )
    )
    return NominalAgreement(
        categories=ratings.categories,
        n_units=ratings.n_units,
        n_single_units=int(np.count_nonzero(counts.sizes == 1)),
        n_ratings=len(ratings),
        n_raters=ratings.n_raters,
        percent_agreement=percent_agreement(counts),
        alpha=krippendorff_alpha(counts, level="nominal"),
        ac1=gwet_ac1(counts),
        fleiss=fleiss_kappa(counts),
        fleiss_generalised=fleiss_kappa_generalised(counts),
        conger=conger_kappa(ratings),
        brennan_prediger=brennan_prediger(counts),
        marginals=marginals,
        pairs=build_pairwise_table(ratings),
    )


def summarise_ranked(ratings: Ratings) -> RankedAgreement:
    """The figures for ordered categories at once, from one table of counts."""
    counts = count_values(ratings)
    return RankedAgreement(
        alpha_ordinal=krippendorff_alpha(counts, level="ordinal"),
        alpha_interval=krippendorff_alpha(counts, level="interval"),
        ac2_linear=gwet_ac2(counts, weighting="linear"),
        ac2_quadratic=gwet_ac2(counts, weighting="quadratic"),
    )


def _count(data: Ratings | UnitCounts) -> UnitCounts:
    return count_values(data) if isinstance(data, Ratings) else data


def _conclude(
    counts: UnitCounts,
    statistic: AdditiveStatistic,
    *,
    fixed_by_one_unit: bool = False,
    parts_are_shares: bool = True,
) -> Coefficient:
    return _describe(
        counts,
        statistic.evaluate(total_columns(statistic)),
        fixed_by_one_unit=fixed_by_one_unit,
        parts_are_shares=parts_are_shares,
    )


def _describe(
    counts: UnitCounts,
    parts: Parts,
    *,
    fixed_by_one_unit: bool = False,
    parts_are_shares: bool = True,
) -> Coefficient:
    """The coefficient, or the first reason that forbids it, from the plainest to the subtlest."""
    value, observed, expected = (
        _read(array) for array in (parts.value, parts.observed, parts.expected)
    )
    reason: Reason | None = None
    if not np.any(counts.sizes > 0):
        reason = Reason.NO_RATINGS
    elif counts.n_raters == 1:
        reason = Reason.ONE_RATER
    elif not np.any(counts.pairable):
        reason = Reason.NO_OVERLAP
    elif value is None:
        reason = Reason.ONE_CATEGORY if len(counts.scale) == 1 else Reason.NO_VARIATION
    elif fixed_by_one_unit:
        reason = Reason.ONE_UNIT
    if reason is not None:
        return _undefined(counts, reason, observed=observed if parts_are_shares else None)
    return Coefficient(
        value=value,
        reason=None,
        n_units=int(np.count_nonzero(counts.pairable)),
        n_ratings=int(counts.sizes[counts.pairable].sum()),
        n_raters=counts.n_pairable_raters,
        observed=observed if parts_are_shares else None,
        expected=expected if parts_are_shares else None,
    )


def _undefined(
    counts: UnitCounts,
    reason: Reason,
    *,
    observed: float | None = None,
    explanation: str = "",
) -> Coefficient:
    return Coefficient(
        value=None,
        reason=reason,
        n_units=int(np.count_nonzero(counts.pairable)),
        n_ratings=int(counts.sizes[counts.pairable].sum()),
        n_raters=counts.n_pairable_raters,
        observed=observed,
        explanation=explanation,
    )


def _read(array: Any) -> float | None:
    number = float(array[0])
    return number if np.isfinite(number) else None
