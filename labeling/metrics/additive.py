"""Statistics that depend on the data through sums over units.

Each statistic here is a handful of columns with one entry for each unit, and a function of the
column totals. The figure itself comes from the totals over all units; a bootstrap draw comes from
the totals over the units drawn. Both go through the same formula, and a draw costs a weighted sum
instead of a pass over the ratings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labeling.metrics.ratings import UnitCounts
from labeling.metrics.weights import (
    Level,
    Weighting,
    build_distances,
    build_ordinal_distances,
    build_weights,
)

FloatArray = npt.NDArray[np.float64]

# Chance agreement this close to 1 is 1: with N ratings the nearest other value is about 1 / N^2.
_CERTAIN = 1e-14


@dataclass(frozen=True, slots=True)
class Parts:
    """A statistic's value beside the observed and expected agreement; NaN where undefined.

    One entry for each row of totals.
    """

    value: FloatArray
    observed: FloatArray
    expected: FloatArray


@dataclass(frozen=True, slots=True)
class AdditiveStatistic:
    """Columns of per-unit addends, and the statistic as a function of their totals.

    `columns` yields them one at a time, so that a wide statistic never holds them all;
    `evaluate` takes totals of shape (draws, columns).
    """

    columns: Callable[[], Iterator[FloatArray]]
    evaluate: Callable[[FloatArray], Parts]


def total_columns(statistic: AdditiveStatistic) -> FloatArray:
    """The totals over all units, as one row."""
    return np.array([[column.sum() for column in statistic.columns()]], dtype=np.float64)


def percent_agreement_statistic(
    counts: UnitCounts, *, weighting: Weighting = "unweighted"
) -> AdditiveStatistic:
    """Mean over units of the share of rater pairs that agree (Gwet's p_a)."""

    def columns() -> Iterator[FloatArray]:
        yield counts.pairable.astype(np.float64)
        yield _pair_agreement(counts, build_weights(counts.scale, weighting=weighting))

    def evaluate(totals: FloatArray) -> Parts:
        observed = divide(totals[:, 1], totals[:, 0])
        return Parts(observed, observed, np.full_like(observed, np.nan))

    return AdditiveStatistic(columns, evaluate)


def gwet_statistic(counts: UnitCounts, *, weighting: Weighting) -> AdditiveStatistic:
    """Gwet's AC1 (unweighted) and AC2.

    Gwet 2008, "Computing inter-rater reliability and its variance in the presence of high
    agreement" (AC1); Gwet 2014, "Handbook of Inter-Rater Reliability" (AC2):
    p_e = T_w / (q (q - 1)) * sum_k pi_k (1 - pi_k), with pi_k the mean share of category k over
    *all* rated units, and T_w the sum of the weights.
    """
    weights = build_weights(counts.scale, weighting=weighting)
    q = len(weights)
    spread = weights.sum() / (q * (q - 1)) if q > 1 else np.nan

    def expect(shares: FloatArray) -> FloatArray:
        return np.asarray(spread * (shares * (1.0 - shares)).sum(axis=1), dtype=np.float64)

    return _share_statistic(counts, weights=weights, expect=expect)


def fleiss_statistic(counts: UnitCounts, *, weighting: Weighting) -> AdditiveStatistic:
    """Fleiss' kappa, generalised to units with different numbers of ratings.

    Fleiss 1971, "Measuring nominal scale agreement among many raters"; Gwet 2014:
    p_e = sum_kl w_kl pi_k pi_l. With two raters it is Scott's pi.
    """
    weights = build_weights(counts.scale, weighting=weighting)

    def expect(shares: FloatArray) -> FloatArray:
        return np.asarray(((shares @ weights) * shares).sum(axis=1), dtype=np.float64)

    return _share_statistic(counts, weights=weights, expect=expect)


def brennan_prediger_statistic(counts: UnitCounts, *, weighting: Weighting) -> AdditiveStatistic:
    """Brennan and Prediger's coefficient: chance picks every category alike.

    Brennan & Prediger 1981; p_e = T_w / q^2. With two categories it is PABAK.
    """
    weights = build_weights(counts.scale, weighting=weighting)
    chance = weights.sum() / weights.size

    def expect(shares: FloatArray) -> FloatArray:
        return np.full(len(shares), chance)

    return _share_statistic(counts, weights=weights, expect=expect)


def alpha_statistic(counts: UnitCounts, *, level: Level) -> AdditiveStatistic:
    """Krippendorff's alpha. Units with fewer than two ratings play no part.

    Krippendorff 2011, "Computing Krippendorff's alpha-reliability": a unit with m_u
    ratings adds n_uc (n_uk - [c = k]) / (m_u - 1) to the coincidences o_ck, and
    alpha = 1 - (n - 1) sum o_ck delta_ck / sum n_c n_k delta_ck.
    """
    values = np.where(counts.pairable[:, None], counts.counts, 0.0)
    # A unit that cannot be paired holds zeros only, so its divisor does not matter.
    divisor = np.where(counts.pairable, counts.sizes - 1.0, 1.0)
    q = values.shape[1]
    if level == "ordinal":
        upper = np.triu_indices(q, k=1)

        # The distances depend on the marginals of each draw: keep the coincidences apart.
        def ordinal_columns() -> Iterator[FloatArray]:
            yield from values.T
            for c, k in zip(*upper, strict=True):
                yield values[:, c] * values[:, k] / divisor

        def evaluate_ordinal(totals: FloatArray) -> Parts:
            marginals, coincidences = totals[:, :q], totals[:, q:]
            distances = build_ordinal_distances(marginals)
            # Each unordered pair stands for (c, k) and (k, c).
            disagreement = 2.0 * (coincidences * distances[:, *upper]).sum(axis=1)
            return finish_alpha(disagreement, marginals, distances)

        return AdditiveStatistic(ordinal_columns, evaluate_ordinal)

    distances = build_distances(counts.scale, level=level)

    def columns() -> Iterator[FloatArray]:
        yield from values.T
        yield ((values @ distances) * values).sum(axis=1) / divisor

    def evaluate(totals: FloatArray) -> Parts:
        return finish_alpha(totals[:, q], totals[:, :q], distances)

    return AdditiveStatistic(columns, evaluate)


def finish_alpha(disagreement: FloatArray, marginals: FloatArray, distances: FloatArray) -> Parts:
    """Alpha from sum o_ck delta_ck, the category totals n_c and delta, a row for each draw.

    `observed` and `expected` come as agreement, 1 - D_o and 1 - D_e; they are shares where the
    distances lie in [0, 1], as the nominal ones do.
    """
    n = marginals.sum(axis=1)
    subscripts = "bc,cd,bd->b" if distances.ndim == 2 else "bc,bcd,bd->b"
    spread = np.einsum(subscripts, marginals, distances, marginals, optimize=True)
    observed_distance = divide(disagreement, n)
    expected_distance = divide(spread, n * (n - 1.0))
    value = 1.0 - divide(observed_distance, expected_distance)
    return Parts(value, 1.0 - observed_distance, 1.0 - expected_distance)


def correct_for_chance(observed: FloatArray, expected: FloatArray) -> FloatArray:
    """(p_a - p_e) / (1 - p_e); NaN where chance alone agrees always."""
    room = 1.0 - expected
    return divide(observed - expected, np.where(room > _CERTAIN, room, 0.0))


def divide(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """The quotient; NaN, without a warning, where the denominator is 0 or NaN."""
    top, bottom = np.broadcast_arrays(
        np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    )
    quotient = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=quotient, where=bottom != 0)
    return quotient


def _share_statistic(
    counts: UnitCounts,
    *,
    weights: FloatArray,
    expect: Callable[[FloatArray], FloatArray],
) -> AdditiveStatistic:
    """A coefficient whose chance agreement comes from the mean share of each category."""

    def columns() -> Iterator[FloatArray]:
        yield counts.pairable.astype(np.float64)
        yield _pair_agreement(counts, weights)
        yield (counts.sizes > 0).astype(np.float64)
        # A unit that nobody rated holds zeros, whatever they are divided by.
        sizes = np.maximum(counts.sizes, 1.0)
        for column in counts.counts.T:
            yield column / sizes

    def evaluate(totals: FloatArray) -> Parts:
        observed = divide(totals[:, 1], totals[:, 0])
        expected = expect(divide(totals[:, 3:], totals[:, 2:3]))
        return Parts(correct_for_chance(observed, expected), observed, expected)

    return AdditiveStatistic(columns, evaluate)


def _pair_agreement(counts: UnitCounts, weights: FloatArray) -> FloatArray:
    """Weighted share of agreeing rater pairs of each unit; 0 for units without a pair.

    sum_k n_k ((W n)_k - 1) / (m (m - 1)), Gwet 2014.
    """
    values, sizes = counts.counts, counts.sizes
    pairs = sizes * (sizes - 1.0)
    agreeing = ((values @ weights) * values).sum(axis=1) - sizes
    shares = np.zeros(len(agreeing))
    np.divide(agreeing, pairs, out=shares, where=pairs > 0)
    return shares
