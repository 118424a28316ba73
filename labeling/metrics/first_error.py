"""Do people find the same first error? One unit is one solution.

"No error" is an answer of its own: it equals itself, and is never near a position. Unknown is no
answer, and is left out and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from labeling.metrics.additive import AdditiveStatistic, Parts, alpha_statistic, divide
from labeling.metrics.agreement import krippendorff_alpha
from labeling.metrics.coefficients import Coefficient, Reason
from labeling.metrics.intervals import (
    DEFAULT_DRAWS,
    BootstrapInterval,
    bootstrap_intervals,
    find_clusters,
)
from labeling.metrics.ratings import (
    MISSING,
    Ratings,
    UnitCounts,
    count_values,
    iterate_pairs,
    pack_ratings,
)
from labeling.records import FirstError, FirstErrorAt, NoError, UnknownFirstError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# The category of "no error" in the packed form; the positions that were used follow it.
_NO_ERROR = 0
# Stand-ins for the two answers without a position, while positions are read into one array.
_AT_NOWHERE = -1
_NOT_KNOWN = -2


class Disagreement(StrEnum):
    """What two answers about the same solution differ in."""

    NONE = "none"
    EXISTENCE = "existence"
    LOCATION = "location"


@dataclass(frozen=True, slots=True)
class DisagreementCounts:
    """Pairs of answers about one solution, by what they differ in."""

    none: int
    existence: int
    location: int

    @property
    def n_pairs(self) -> int:
        return self.none + self.existence + self.location


@dataclass(frozen=True, slots=True)
class FirstErrorAgreement:
    """How far raters agree on the first error; see `summarise_first_errors`."""

    exact: Coefficient
    within_one: Coefficient
    mean_distance: Coefficient
    index_alpha: Coefficient
    verdict_alpha: Coefficient
    disagreements: DisagreementCounts
    n_solutions: int
    n_ratings: int
    n_raters: int
    n_unknown: int


@dataclass(frozen=True, slots=True)
class FirstErrorIntervals:
    """Intervals over clusters for the figures of `FirstErrorAgreement`."""

    exact: BootstrapInterval
    within_one: BootstrapInterval
    index_alpha: BootstrapInterval
    verdict_alpha: BootstrapInterval


@dataclass(frozen=True, slots=True, eq=False)
class _PairSums:
    """What the pairs of answers come to, one entry for each solution."""

    pairs: FloatArray
    exact: FloatArray
    within_one: FloatArray
    located: FloatArray
    distance: FloatArray
    existence: FloatArray
    location: FloatArray


def classify_disagreement(first: FirstError, second: FirstError) -> Disagreement | None:
    """What two answers differ in; None where either does not know."""
    if isinstance(first, UnknownFirstError) or isinstance(second, UnknownFirstError):
        return None
    if isinstance(first, NoError) or isinstance(second, NoError):
        return Disagreement.NONE if type(first) is type(second) else Disagreement.EXISTENCE
    return Disagreement.NONE if first.position == second.position else Disagreement.LOCATION


def pack_first_errors(
    *,
    solution: npt.ArrayLike,
    rater: npt.ArrayLike,
    first_error: Sequence[FirstError],
    family: npt.ArrayLike | None = None,
    order: npt.ArrayLike | None = None,
    eligible: npt.ArrayLike | None = None,
) -> Ratings:
    """Pack answers about solutions; the categories are -1 for "no error" and the positions used.

    `order` and `eligible` are as in `pack_ratings`. Without a `family` for each row the solutions
    themselves are the clusters. An Unknown answer is kept as missing, so that a rater whose latest
    word is Unknown has no answer.
    """
    positions = np.fromiter(
        (_read_position(answer) for answer in first_error), dtype=np.int64, count=len(first_error)
    )
    located = np.unique(positions[positions >= 0])
    # Only the positions that somebody chose: an error at step 999,999 is one category, not a
    # million, and alpha does not look at categories that nobody used.
    values = np.where(
        positions >= 0,
        np.searchsorted(located, positions) + 1,
        np.where(positions == _AT_NOWHERE, _NO_ERROR, MISSING),
    )
    return pack_ratings(
        unit=solution,
        rater=rater,
        value=values,
        categories=(-1, *located.tolist()),
        cluster=solution if family is None else family,
        order=order,
        eligible=eligible,
    )


def summarise_first_errors(ratings: Ratings) -> FirstErrorAgreement:
    """Agreement on the first error, over every pair of answers about the same solution.

    `exact` is the share of pairs with the same answer; `within_one` also takes positions one step
    apart. "No error" is within one of "no error" only, never of the first step. `mean_distance`
    is in steps, over pairs that both located an error. `index_alpha` is nominal alpha with "no
    error" as a category; `verdict_alpha` the same on whether there is an error at all.
    """
    sums = _sum_pairs(ratings)
    pairs, located = sums.pairs.sum(), sums.located.sum()
    counts = count_values(ratings)
    return FirstErrorAgreement(
        exact=_build_share(counts, sums.exact.sum(), pairs),
        within_one=_build_share(counts, sums.within_one.sum(), pairs),
        mean_distance=_build_share(
            counts, sums.distance.sum(), located, reason=Reason.NO_LOCATED_PAIR
        ),
        index_alpha=krippendorff_alpha(counts, level="nominal"),
        verdict_alpha=krippendorff_alpha(_count_verdicts(counts), level="nominal"),
        disagreements=DisagreementCounts(
            none=int(sums.exact.sum()),
            existence=int(sums.existence.sum()),
            location=int(sums.location.sum()),
        ),
        n_solutions=ratings.n_units,
        n_ratings=len(ratings),
        n_raters=ratings.n_raters,
        n_unknown=ratings.n_missing,
    )


def first_error_intervals(
    ratings: Ratings, *, seed: int, draws: int = DEFAULT_DRAWS, level: float = 0.95
) -> FirstErrorIntervals:
    """Bootstrap intervals over families, or over solutions where no family was given."""
    sums = _sum_pairs(ratings)
    counts = count_values(ratings)
    intervals = bootstrap_intervals(
        {
            "exact": _ratio_statistic(sums.exact, sums.pairs),
            "within_one": _ratio_statistic(sums.within_one, sums.pairs),
            "index_alpha": alpha_statistic(counts, level="nominal"),
            "verdict_alpha": alpha_statistic(_count_verdicts(counts), level="nominal"),
        },
        cluster=find_clusters(ratings.cluster),
        seed=seed,
        draws=draws,
        level=level,
    )
    return FirstErrorIntervals(**intervals)


def _read_position(answer: FirstError) -> int:
    if isinstance(answer, FirstErrorAt):
        if answer.position < 0:
            raise ValueError(f"A first error's position counts from 0; {answer.position} is below.")
        return answer.position
    return _AT_NOWHERE if isinstance(answer, NoError) else _NOT_KNOWN


def _sum_pairs(ratings: Ratings) -> _PairSums:
    n = ratings.n_units
    position = ratings.scale.astype(np.int64)[ratings.value]
    names = ("pairs", "exact", "within_one", "located", "distance", "existence", "location")
    totals = {name: np.zeros(n) for name in names}
    for first, second in iterate_pairs(ratings):
        here, there = position[first], position[second]
        both = (here >= 0) & (there >= 0)
        gap = np.abs(here - there)
        addends = {
            "pairs": np.ones(len(first)),
            "exact": gap == 0,
            # The -1 of "no error" lies one below position 0 and is not near it.
            "within_one": (gap == 0) | (both & (gap == 1)),
            "located": both,
            "distance": np.where(both, gap, 0),
            "existence": (here >= 0) != (there >= 0),
            "location": both & (gap > 0),
        }
        unit = ratings.unit[first]
        for name, addend in addends.items():
            totals[name] += np.bincount(unit, weights=addend.astype(np.float64), minlength=n)
    return _PairSums(**totals)


def _count_verdicts(counts: UnitCounts) -> UnitCounts:
    """The same units with two categories: no error, some error."""
    clean = counts.counts[:, :1]
    return UnitCounts(
        counts=np.concatenate([clean, counts.sizes[:, None] - clean], axis=1),
        sizes=counts.sizes,
        scale=np.array([0.0, 1.0]),
        cluster=counts.cluster,
        n_raters=counts.n_raters,
        n_pairable_raters=counts.n_pairable_raters,
    )


def _ratio_statistic(numerator: FloatArray, denominator: FloatArray) -> AdditiveStatistic:
    def columns() -> Iterator[FloatArray]:
        yield numerator
        yield denominator

    def evaluate(totals: FloatArray) -> Parts:
        ratio = divide(totals[:, 0], totals[:, 1])
        return Parts(ratio, ratio, np.full_like(ratio, np.nan))

    return AdditiveStatistic(columns, evaluate)


def _build_share(
    counts: UnitCounts,
    numerator: float,
    denominator: float,
    *,
    reason: Reason = Reason.NO_OVERLAP,
) -> Coefficient:
    if not np.any(counts.sizes):
        reason = Reason.NO_RATINGS
    elif counts.n_raters == 1:
        reason = Reason.ONE_RATER
    elif not np.any(counts.pairable):
        reason = Reason.NO_OVERLAP
    return Coefficient(
        value=float(numerator / denominator) if denominator else None,
        reason=None if denominator else reason,
        n_units=int(np.count_nonzero(counts.pairable)),
        n_ratings=int(counts.sizes[counts.pairable].sum()),
        n_raters=counts.n_pairable_raters,
    )
