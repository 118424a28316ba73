"""How far a figure can be trusted: Wilson's interval, and a bootstrap over solutions.

The steps of a solution stand and fall together, and so do solutions of one family. Drawing steps
one by one makes intervals too narrow; here whole clusters are drawn, with replacement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from labeling.metrics.additive import (
    AdditiveStatistic,
    alpha_statistic,
    gwet_statistic,
    percent_agreement_statistic,
)
from labeling.metrics.coefficients import SENTENCES, Reason
from labeling.metrics.ratings import Ratings, UnitCounts, count_values

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

DEFAULT_DRAWS = 2000
# Fewer draws leave the 2.5 % tails to a couple of dozen values.
MINIMUM_DRAWS = 1000

# Cluster draws made in one go: 32 MB of indices.
_CHUNK = 4_000_000


@dataclass(frozen=True, slots=True)
class WilsonInterval:
    """An interval for a share. `low` and `high` are None, with a reason, when nothing was tried."""

    low: float | None
    high: float | None
    level: float
    successes: int
    trials: int
    reason: Reason | None = None

    @property
    def explanation(self) -> str:
        return SENTENCES[self.reason] if self.reason else ""


@dataclass(frozen=True, slots=True)
class BootstrapInterval:
    """A percentile interval over resampled clusters, with all that is needed to repeat it.

    `n_undefined_draws` counts the draws in which the figure had no value; they are left out of the
    percentiles, and too many of them leave no interval at all.
    """

    low: float | None
    high: float | None
    level: float
    draws: int
    seed: int
    n_clusters: int
    n_undefined_draws: int
    reason: Reason | None = None

    @property
    def explanation(self) -> str:
        return SENTENCES[self.reason] if self.reason else ""


@dataclass(frozen=True, slots=True)
class AgreementIntervals:
    """Intervals for the figures of `agreement`, all from the same draws."""

    percent_agreement: BootstrapInterval
    alpha_nominal: BootstrapInterval
    alpha_ordinal: BootstrapInterval
    alpha_interval: BootstrapInterval
    ac1: BootstrapInterval
    ac2_linear: BootstrapInterval
    ac2_quadratic: BootstrapInterval


def wilson_interval(successes: int, trials: int, *, level: float = 0.95) -> WilsonInterval:
    """Wilson's score interval (1927) for `successes` out of `trials`.

    (p + z^2/2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2/n). It stays inside [0, 1] and
    does not shrink to a point at 0 or 1, as p +- z s does.
    """
    _check_level(level)
    if trials < 0 or not 0 <= successes <= trials:
        raise ValueError(f"There cannot be {successes} successes in {trials} trials.")
    if trials == 0:
        return WilsonInterval(None, None, level, 0, 0, Reason.NO_TRIALS)
    z = NormalDist().inv_cdf(0.5 + level / 2.0)
    share = successes / trials
    shrink = 1.0 + z * z / trials
    centre = (share + z * z / (2.0 * trials)) / shrink
    half = z * (share * (1.0 - share) / trials + z * z / (4.0 * trials**2)) ** 0.5 / shrink
    # At 0 and at n one bound is exact; the subtraction leaves a rounding error of 1e-17 there.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return WilsonInterval(low, high, level, successes, trials)


def agreement_intervals(
    data: Ratings | UnitCounts,
    *,
    seed: int,
    draws: int = DEFAULT_DRAWS,
    level: float = 0.95,
) -> AgreementIntervals:
    """Bootstrap intervals for percent agreement, alpha at three levels, AC1 and AC2.

    The data must say which cluster each unit lies in: `cluster` in `pack_ratings`.
    """
    counts = count_values(data) if isinstance(data, Ratings) else data
    intervals = bootstrap_intervals(
        {
            "percent_agreement": percent_agreement_statistic(counts),
            "alpha_nominal": alpha_statistic(counts, level="nominal"),
            "alpha_ordinal": alpha_statistic(counts, level="ordinal"),
            "alpha_interval": alpha_statistic(counts, level="interval"),
            "ac1": gwet_statistic(counts, weighting="unweighted"),
            "ac2_linear": gwet_statistic(counts, weighting="linear"),
            "ac2_quadratic": gwet_statistic(counts, weighting="quadratic"),
        },
        cluster=find_clusters(counts.cluster),
        seed=seed,
        draws=draws,
        level=level,
    )
    return AgreementIntervals(**intervals)


def bootstrap_intervals(
    statistics: Mapping[str, AdditiveStatistic],
    *,
    cluster: IntArray,
    seed: int,
    draws: int = DEFAULT_DRAWS,
    level: float = 0.95,
) -> dict[str, BootstrapInterval]:
    """Percentile intervals of several statistics of the same units, from the same draws.

    1. Add up each statistic's columns within each cluster.
    2. Draw as many clusters as there are, with replacement, `draws` times; each draw's totals
       are a weighted sum of the cluster totals.
    3. Evaluate the statistic on the totals of each draw and read off the percentiles.

    `cluster` holds a code from 0 for each unit. Davison & Hinkley 1997, section 3.8: for two-level
    data, resample the upper level whole.
    """
    _check_level(level)
    if draws < MINIMUM_DRAWS:
        raise ValueError(f"An interval needs {MINIMUM_DRAWS} draws or more, not {draws}.")
    n_clusters = int(cluster.max(initial=-1)) + 1
    if n_clusters < 2:
        nothing = BootstrapInterval(
            None, None, level, draws, seed, n_clusters, 0, Reason.ONE_CLUSTER
        )
        return dict.fromkeys(statistics, nothing)

    blocks: dict[str, FloatArray] = {
        name: _add_up(statistic, cluster=cluster, n_clusters=n_clusters)
        for name, statistic in statistics.items()
    }
    drawn = _draw_totals(
        np.concatenate(list(blocks.values()), axis=1), draws=draws, rng=np.random.default_rng(seed)
    )
    intervals: dict[str, BootstrapInterval] = {}
    start = 0
    for name, statistic in statistics.items():
        width = blocks[name].shape[1]
        values = statistic.evaluate(drawn[:, start : start + width]).value
        start += width
        intervals[name] = _read_percentiles(values, level=level, seed=seed, n_clusters=n_clusters)
    return intervals


def find_clusters(cluster: IntArray | None) -> IntArray:
    """The cluster codes, or a clear refusal: intervals without clusters would be too narrow."""
    if cluster is None:
        raise ValueError(
            "An interval needs to know which solution or family each unit belongs to; "
            "give `cluster` when packing the ratings."
        )
    return cluster


def _add_up(statistic: AdditiveStatistic, *, cluster: IntArray, n_clusters: int) -> FloatArray:
    """Clusters x columns: the totals of each column within each cluster."""
    return np.stack(
        [
            np.bincount(cluster, weights=column, minlength=n_clusters)
            for column in statistic.columns()
        ],
        axis=1,
    )


def _draw_totals(cluster_totals: FloatArray, *, draws: int, rng: np.random.Generator) -> FloatArray:
    """Draws x columns: the column totals over clusters drawn with replacement."""
    n_clusters, width = cluster_totals.shape
    totals = np.empty((draws, width))
    at_once = max(1, _CHUNK // n_clusters)
    for start in range(0, draws, at_once):
        n = min(at_once, draws - start)
        picks = rng.integers(0, n_clusters, size=(n, n_clusters))
        picks += np.arange(n)[:, None] * n_clusters
        times = np.bincount(picks.ravel(), minlength=n * n_clusters).reshape(n, n_clusters)
        totals[start : start + n] = times.astype(np.float64) @ cluster_totals
    return totals


def _read_percentiles(
    values: FloatArray, *, level: float, seed: int, n_clusters: int
) -> BootstrapInterval:
    defined = values[np.isfinite(values)]
    draws, n_undefined = len(values), len(values) - len(defined)
    # The two tails hold 1 - level of the draws. Once more draws than that have no value, the
    # tails could be made of nothing else, and percentiles of the rest would pretend to know.
    if n_undefined > (1.0 - level) * draws:
        return BootstrapInterval(
            None, None, level, draws, seed, n_clusters, n_undefined, Reason.UNSTABLE_RESAMPLES
        )
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return BootstrapInterval(float(low), float(high), level, draws, seed, n_clusters, n_undefined)


def _check_level(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise ValueError(f"A confidence level lies between 0 and 1, and {level} does not.")
