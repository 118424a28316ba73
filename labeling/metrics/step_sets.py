"""Do two people mark the same set of things? Sets of wrong steps, sets of error types.

Two empty sets agree that nothing is wrong, which is a matter of existence, not of location: such
pairs are counted apart, as otherwise the many clean solutions would hide that people point at
different steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from labeling.metrics.additive import divide
from labeling.metrics.coefficients import Coefficient, Reason
from labeling.metrics.ratings import PairIndex, Ratings, iterate_pairs, pack_ratings

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SetDistance = Literal["jaccard", "masi"]

# Rows of the distance matrix between distinct sets that are held at once.
_CHUNK = 512


class SetSimilarity(NamedTuple):
    """How alike two sets are, by three measures in [0, 1]."""

    f1: float
    jaccard: float
    masi: float


@dataclass(frozen=True, slots=True)
class SetAgreement:
    """Mean F1, Jaccard and MASI similarity over pairs of sets, at least one of them not empty.

    `n_both_empty` counts the pairs of two empty sets, which are in no mean. `first` and `second`
    name the raters, or are None where the pairs of all raters are taken together.
    """

    first: Any
    second: Any
    f1: Coefficient
    jaccard: Coefficient
    masi: Coefficient
    n_pairs: int
    n_both_empty: int


@dataclass(frozen=True, slots=True)
class SetAgreementTable:
    """All pairs together, and each two raters who met."""

    overall: SetAgreement
    pairs: tuple[SetAgreement, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _PackedSets:
    """Ratings whose value is the position of a set in `distinct`."""

    ratings: Ratings
    distinct: tuple[frozenset[Any], ...]


def compare_sets(first: AbstractSet[Any], second: AbstractSet[Any]) -> SetSimilarity | None:
    """F1, Jaccard and MASI of two sets; None for two empty ones, which locate nothing."""
    if not first and not second:
        return None
    numbers = (float(len(first & second)), float(len(first)), float(len(second)))
    row = _measure(*(np.array([number]) for number in numbers))[0]
    return SetSimilarity(*row.tolist())


def compare_step_sets(
    *,
    solution: npt.ArrayLike,
    rater: npt.ArrayLike,
    steps: Sequence[AbstractSet[Any]],
    order: npt.ArrayLike | None = None,
    eligible: npt.ArrayLike | None = None,
) -> SetAgreementTable:
    """Compare the sets of steps that raters marked as wrong in the same solutions.

    `order` and `eligible` are as in `pack_ratings`.
    """
    packed = _pack_sets(unit=solution, rater=rater, sets=steps, order=order, eligible=eligible)
    ratings = packed.ratings
    first, second = _collect_pairs(ratings)
    similarity = _measure_pairs(packed, first, second)
    code = ratings.rater[first] * ratings.n_raters + ratings.rater[second]
    ids = ratings.rater_ids.tolist()
    pairs = tuple(
        _average(
            similarity[code == pair],
            unit=ratings.unit[first][code == pair],
            raters=(ids[pair // ratings.n_raters], ids[pair % ratings.n_raters]),
            n_raters=2,
        )
        for pair in np.unique(code).tolist()
    )
    overall = _average(
        similarity,
        unit=ratings.unit[first],
        raters=(None, None),
        n_raters=ratings.n_raters,
    )
    return SetAgreementTable(overall, pairs)


def set_alpha(
    *,
    unit: npt.ArrayLike,
    rater: npt.ArrayLike,
    sets: Sequence[AbstractSet[Any]],
    distance: SetDistance,
    order: npt.ArrayLike | None = None,
    eligible: npt.ArrayLike | None = None,
) -> Coefficient:
    """Krippendorff's alpha for multi-valued answers, such as several error types on one step.

    The distance of two sets is 1 - Jaccard or 1 - MASI (Passonneau 2006); equal sets, empty ones
    too, are at distance 0, an empty set and any other at 1.
    """
    packed = _pack_sets(unit=unit, rater=rater, sets=sets, order=order, eligible=eligible)
    ratings = packed.ratings
    sizes = np.bincount(ratings.unit, minlength=ratings.n_units)
    pairable = sizes >= 2
    n_units = int(np.count_nonzero(pairable))
    on_pairable = pairable[ratings.unit]
    marginals = np.bincount(ratings.value[on_pairable], minlength=len(packed.distinct))
    n = int(marginals.sum())

    column = 1 if distance == "jaccard" else 2
    first, second = _collect_pairs(ratings)
    gaps = 1.0 - _measure_pairs(packed, first, second)[:, column]
    # Two empty sets have no similarity (NaN), and are equal.
    gaps = np.where(ratings.value[first] == ratings.value[second], 0.0, gaps)
    # Each unordered pair of a unit with m ratings counts as two coincidences, over (m - 1).
    disagreement = float((2.0 * gaps / (sizes[ratings.unit[first]] - 1)).sum())
    spread = _spread(packed.distinct, marginals.astype(np.float64), column=column)

    reason: Reason | None = None
    if not len(ratings):
        reason = Reason.NO_RATINGS
    elif ratings.n_raters == 1:
        reason = Reason.ONE_RATER
    elif not n_units:
        reason = Reason.NO_OVERLAP
    elif spread == 0.0:
        reason = Reason.NO_VARIATION
    elif n_units == 1:
        reason = Reason.ONE_UNIT
    return Coefficient(
        value=None if reason else 1.0 - (n - 1) * disagreement / spread,
        reason=reason,
        n_units=n_units,
        n_ratings=n,
        n_raters=len(np.unique(ratings.rater[on_pairable])),
    )


def _measure(shared: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    """Columns F1, Jaccard, MASI from |A and B|, |A|, |B|; NaN where both are empty.

    F1 = 2 |A and B| / (|A| + |B|). Jaccard = |A and B| / |A or B|. MASI (Passonneau 2006,
    "Measuring agreement on set-valued items") = Jaccard times 1, 2/3, 1/3 or 0 for equal, nested,
    overlapping or disjoint sets.
    """
    union = first + second - shared
    jaccard = divide(shared, union)
    nested = (shared == first) | (shared == second)
    equal = (shared == first) & (shared == second)
    monotonicity = np.where(equal, 1.0, np.where(nested, 2.0 / 3.0, 1.0 / 3.0))
    return np.stack([divide(2.0 * shared, first + second), jaccard, jaccard * monotonicity], -1)


def _pack_sets(
    *,
    unit: npt.ArrayLike,
    rater: npt.ArrayLike,
    sets: Sequence[AbstractSet[Any]],
    order: npt.ArrayLike | None,
    eligible: npt.ArrayLike | None,
) -> _PackedSets:
    codes: dict[frozenset[Any], int] = {}
    values = [codes.setdefault(frozenset(each), len(codes)) for each in sets]
    ratings = pack_ratings(
        unit=unit,
        rater=rater,
        value=values,
        categories=range(max(1, len(codes))),
        order=order,
        eligible=eligible,
    )
    return _PackedSets(ratings, tuple(codes))


def _collect_pairs(ratings: Ratings) -> PairIndex:
    chunks = list(iterate_pairs(ratings))
    if not chunks:
        nothing = np.zeros(0, dtype=np.int64)
        return PairIndex(nothing, nothing)
    return PairIndex(
        np.concatenate([chunk.first for chunk in chunks]),
        np.concatenate([chunk.second for chunk in chunks]),
    )


def _measure_pairs(packed: _PackedSets, first: IntArray, second: IntArray) -> FloatArray:
    """F1, Jaccard and MASI of each pair; each two distinct sets are compared once."""
    distinct = packed.distinct
    n = max(1, len(distinct))
    values = packed.ratings.value
    codes, which = np.unique(values[first] * n + values[second], return_inverse=True)
    # Python's own sets: a table of members would be as wide as the longest solution.
    compared = [(distinct[code // n], distinct[code % n]) for code in codes.tolist()]
    sizes = np.array([(len(a & b), len(a), len(b)) for a, b in compared], dtype=np.float64)
    sizes = sizes.reshape(-1, 3)
    measured = _measure(sizes[:, 0], sizes[:, 1], sizes[:, 2])
    return np.asarray(measured[which], dtype=np.float64)


def _spread(distinct: tuple[frozenset[Any], ...], marginals: FloatArray, *, column: int) -> float:
    """sum n_c n_k delta_ck over all distinct sets; time grows with their number squared."""
    elements = {element: i for i, element in enumerate(frozenset().union(*distinct))}
    members = np.zeros((len(distinct), len(elements)))
    for code, each in enumerate(distinct):
        members[code, [elements[element] for element in each]] = 1.0
    sizes = members.sum(axis=1)
    total = 0.0
    for start in range(0, len(members), _CHUNK):
        rows = slice(start, start + _CHUNK)
        shared = members[rows] @ members.T
        first, second = np.broadcast_arrays(sizes[rows, None], sizes[None, :])
        gaps = 1.0 - _measure(shared, first, second)[..., column]
        # A set is listed once, so two empty ones are the same one.
        gaps[np.isnan(gaps)] = 0.0
        total += float(marginals[rows] @ gaps @ marginals)
    return total


def _average(
    similarity: FloatArray, *, unit: IntArray, raters: tuple[Any, Any], n_raters: int
) -> SetAgreement:
    marked = ~np.isnan(similarity[:, 0])
    n_units = len(np.unique(unit[marked]))
    n_pairs = int(np.count_nonzero(marked))
    reason = None if n_pairs else (Reason.NO_ERROR_MARKED if len(unit) else Reason.NO_OVERLAP)
    means = similarity[marked].mean(axis=0).tolist() if n_pairs else [None, None, None]
    f1, jaccard, masi = (
        Coefficient(
            value=mean, reason=reason, n_units=n_units, n_ratings=2 * n_pairs, n_raters=n_raters
        )
        for mean in means
    )
    return SetAgreement(
        first=raters[0],
        second=raters[1],
        f1=f1,
        jaccard=jaccard,
        masi=masi,
        n_pairs=n_pairs,
        n_both_empty=len(unit) - n_pairs,
    )
