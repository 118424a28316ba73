"""The expected calibration error, its bins, and what chance alone makes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from labeling.metrics.calibration import (
    Calibration,
    calibration_error,
    find_bins,
    measure_calibration,
)


def measure(chances: np.ndarray, outcomes: np.ndarray, **options: Any) -> Calibration:
    given: dict[str, Any] = {
        "cluster": np.arange(len(chances)),
        "seed": 3,
        "draws": 1_000,
    } | options
    return measure_calibration(chances, outcomes, **given)


def test_known_value():
    # Two bins of two. 0.2 and 0.4 stated, none true: 0.6 in all. 0.6 and 0.8 stated, both true:
    # 0.6 in all. (0.6 + 0.6) / 4 = 0.3
    chances = np.array([0.2, 0.4, 0.6, 0.8])
    found = measure(chances, np.array([False, False, True, True]), bins=2)
    assert found.value == pytest.approx(0.3)
    assert [(one.n, one.share) for one in found.bins] == [(2, 0.0), (2, 1.0)]
    assert [one.stated for one in found.bins] == pytest.approx([0.3, 0.7])


def test_gaps_within_a_bin_cancel_and_between_bins_do_not():
    chances, outcomes = np.array([0.4, 0.6]), np.array([True, False])
    assert calibration_error(chances, outcomes, np.array([0, 0])) == pytest.approx(0.0)
    assert calibration_error(chances, outcomes, np.array([0, 1])) == pytest.approx(0.6)


def test_equal_chances_share_a_bin():
    chances = np.array([0.0, 0.0, 0.0, 0.5, 1.0, 1.0])
    assert find_bins(chances, bins=3).tolist() == [0, 0, 0, 1, 2, 2]


def test_bins_of_equal_mass_hold_as_many():
    chances = np.random.default_rng(1).permutation(np.linspace(0.9, 1.0, 100))
    assert np.bincount(find_bins(chances, bins=4)).tolist() == [25, 25, 25, 25]


def test_bins_of_equal_width_do_not_depend_on_the_others():
    chances = np.array([0.05, 0.1, 0.55, 1.0])
    assert find_bins(chances, bins=10, spacing="width").tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("spacing", ["mass", "width"])
def test_calibrated_chances_come_to_the_floor_and_overstated_ones_do_not(spacing):
    rng = np.random.default_rng(4)
    chances = rng.random(4_000)
    outcomes = rng.random(4_000) < chances
    fair = measure(chances, outcomes, spacing=spacing)
    # Twice the floor leaves room for chance: over 10 bins its own spread is about a quarter of it.
    assert fair.value is not None
    assert fair.floor is not None
    assert fair.value < 2 * fair.floor
    bold = measure(np.clip(chances * 1.3, 0, 1), outcomes, spacing=spacing)
    assert bold.value is not None
    assert bold.floor is not None
    assert bold.value > 5 * bold.floor
    assert bold.interval.low is not None
    assert fair.interval.high is not None
    assert bold.interval.low > fair.interval.high


def test_the_interval_draws_whole_clusters():
    # Each case four times over says no more than once.
    rng = np.random.default_rng(5)
    chances = rng.random(200)
    outcomes = rng.random(200) < chances**2
    once = measure(chances, outcomes)
    often = measure(np.tile(chances, 4), np.tile(outcomes, 4), cluster=np.tile(np.arange(200), 4))
    assert often.value == pytest.approx(once.value)
    assert (often.interval.low, often.interval.high) == pytest.approx(
        (once.interval.low, once.interval.high)
    )


def test_no_forecasts_have_no_error():
    nothing = np.zeros(0)
    found = measure(nothing, nothing.astype(bool), cluster=nothing.astype(np.int64))
    assert (found.value, found.floor, found.interval.low, found.n) == (None, None, None, 0)


@pytest.mark.parametrize("chance", [-0.1, 1.1, np.nan])
def test_what_is_no_chance_is_refused(chance):
    with pytest.raises(ValueError, match="between 0 and 1"):
        measure(np.array([0.5, chance]), np.array([True, False]))


def test_arrays_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="as long as"):
        measure(np.array([0.5]), np.array([True, False]))


def test_no_bins_are_refused():
    with pytest.raises(ValueError, match="at least one bin"):
        find_bins(np.array([0.5]), bins=0)
