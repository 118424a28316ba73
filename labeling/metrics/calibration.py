"""Whether stated chances mean what they say: the expected calibration error.

Forecasts are put into bins; within each, the mean stated chance stands beside the share of cases
that came true. The error is the mean gap, weighted by bin size (Guo et al. 2017, equation 3). Bins
of equal mass instead of equal width (Nixon et al. 2019, "Measuring calibration in deep learning")
leave none of them almost empty; bins of equal width keep apart what is certain and what is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from labeling.metrics.additive import AdditiveStatistic, Parts, divide
from labeling.metrics.intervals import DEFAULT_DRAWS, BootstrapInterval, bootstrap_intervals

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

Spacing = Literal["mass", "width"]

DEFAULT_BINS = 10
_FLOOR_DRAWS = 200


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Forecasts of much the same size: the mean stated chance, and the share that came true."""

    low: float
    high: float
    n: int
    stated: float
    share: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """The expected calibration error of `n` forecasts, None where there are none.

    Chance alone leaves gaps, so that the value lies above the true error: `floor` is the value to
    be expected of forecasts that are calibrated perfectly, as many and the same as these, if the
    cases were independent (Bröcker & Smith 2007). It is not taken off. The interval draws whole
    clusters, the bins being held fixed.
    """

    value: float | None
    floor: float | None
    interval: BootstrapInterval
    bins: tuple[CalibrationBin, ...]
    n: int


def measure_calibration(
    chances: FloatArray,
    outcomes: BoolArray,
    *,
    cluster: IntArray,
    seed: int,
    bins: int = DEFAULT_BINS,
    spacing: Spacing = "mass",
    draws: int = DEFAULT_DRAWS,
) -> Calibration:
    """The calibration of N chances of what N outcomes then were.

    `cluster` holds a code
    from 0 for each case; `seed` is that of the bootstrap and of the floor. ValueError where a
    chance is not between 0 and 1: one that is not known has no place here.
    """
    if not len(chances) == len(outcomes) == len(cluster):
        raise ValueError("Chances, outcomes and clusters must be as long as each other.")
    if not ((chances >= 0.0) & (chances <= 1.0)).all():
        raise ValueError("A chance must be between 0 and 1; leave out those that are not known.")
    places = find_bins(chances, bins=bins, spacing=spacing)
    statistic = _error_statistic(chances, outcomes, places)
    interval = bootstrap_intervals({"error": statistic}, cluster=cluster, seed=seed, draws=draws)[
        "error"
    ]
    if not len(chances):
        return Calibration(None, None, interval, (), 0)
    return Calibration(
        value=calibration_error(chances, outcomes, places),
        floor=_find_floor(chances, places, seed=seed),
        interval=interval,
        bins=tuple(_list_bins(chances, outcomes, places)),
        n=len(chances),
    )


def calibration_error(chances: FloatArray, outcomes: BoolArray, places: IntArray) -> float:
    """Σ_b |Σ_{i in b} (chance_i - outcome_i)| / N, for the bins that `places` names."""
    gaps = np.bincount(places, weights=chances - outcomes)
    return float(np.abs(gaps).sum() / len(chances))


def find_bins(
    chances: FloatArray, *, bins: int = DEFAULT_BINS, spacing: Spacing = "mass"
) -> IntArray:
    """The bin of each chance, the lowest first, numbered from 0 with no empty one among them.

    Of equal mass as far as ties allow, since equal chances share a bin; or of equal width.
    """
    if bins < 1:
        raise ValueError(f"There must be at least one bin, not {bins}.")
    if not len(chances):
        return np.zeros(0, dtype=np.int64)
    inner = np.arange(1, bins) / bins
    if spacing == "mass":
        # An edge is the last value of its bin, and belongs to it.
        edges = np.unique(np.quantile(chances, inner, method="inverted_cdf"))
        places = np.searchsorted(edges, chances, side="left")
    else:
        places = np.searchsorted(inner, chances, side="right")
    _, numbered = np.unique(places, return_inverse=True)
    return numbered.astype(np.int64)


def _find_floor(chances: FloatArray, places: IntArray, *, seed: int) -> float:
    rng = np.random.default_rng([seed, len(chances)])
    drawn = [
        calibration_error(chances, rng.random(len(chances)) < chances, places)
        for _ in range(_FLOOR_DRAWS)
    ]
    return float(np.mean(drawn))


def _list_bins(
    chances: FloatArray, outcomes: BoolArray, places: IntArray
) -> Iterator[CalibrationBin]:
    for place in range(int(places.max()) + 1):
        inside = places == place
        stated = chances[inside]
        yield CalibrationBin(
            float(stated.min()),
            float(stated.max()),
            len(stated),
            float(stated.mean()),
            float(outcomes[inside].mean()),
        )


def _error_statistic(
    chances: FloatArray, outcomes: BoolArray, places: IntArray
) -> AdditiveStatistic:
    def columns() -> Iterator[FloatArray]:
        yield np.ones(len(chances))
        for place in range(int(places.max(initial=-1)) + 1):
            yield (places == place) * (chances - outcomes)

    def evaluate(totals: FloatArray) -> Parts:
        error = divide(np.abs(totals[:, 1:]).sum(axis=1), totals[:, 0])
        return Parts(error, error, np.full_like(error, np.nan))

    return AdditiveStatistic(columns, evaluate)
