from __future__ import annotations

import pytest

from labeling.metrics.coefficients import Reason
from labeling.metrics.influence import Trial, measure_influence


def arm(shown: bool, same: int, other: int, *, clusters: int = 5) -> list[Trial]:
    outcomes = [True] * same + [False] * other
    return [Trial(index % clusters, shown, outcome) for index, outcome in enumerate(outcomes)]


def test_the_difference_is_that_of_the_shares() -> None:
    found = measure_influence(
        [*arm(True, 45, 5, clusters=9), *arm(False, 30, 20, clusters=9)], seed=1
    )
    assert (found.shown.successes, found.shown.trials) == (45, 50)
    assert (found.blind.successes, found.blind.trials) == (30, 50)
    assert found.difference == pytest.approx(0.3)
    assert found.interval.low is not None
    assert found.interval.high is not None
    assert found.interval.low < 0.3 < found.interval.high


def test_without_a_blind_arm_there_is_no_difference() -> None:
    found = measure_influence(arm(True, 8, 2), seed=1)
    assert (found.difference, found.interval.low) == (None, None)
    assert found.interval.reason is Reason.UNSTABLE_RESAMPLES
    assert found.blind.reason is Reason.NO_TRIALS


def test_nothing_at_all_has_a_reason() -> None:
    found = measure_influence([], seed=1)
    assert found.difference is None
    assert found.interval.reason is Reason.ONE_CLUSTER


def test_the_same_seed_gives_the_same_interval() -> None:
    trials = [*arm(True, 30, 9), *arm(False, 21, 14)]
    assert measure_influence(trials, seed=4) == measure_influence(trials, seed=4)


def test_whole_families_are_drawn() -> None:
    """Ten steps of one family that stand and fall together are no ten witnesses."""
    apart = [*arm(True, 25, 25, clusters=50), *arm(False, 25, 25, clusters=50)]
    alike = [
        Trial(index // 10, shown, (index // 10) % 2 == 0)
        for shown in (True, False)
        for index in range(50)
    ]
    wide, narrow = measure_influence(alike, seed=2).shown, measure_influence(apart, seed=2).shown
    assert wide.trials == narrow.trials
    single = [trial for trial in alike if trial.shown] + [
        Trial(trial.cluster + 100, False, trial.same) for trial in alike if not trial.shown
    ]
    spread = measure_influence(single, seed=2).interval
    tight = measure_influence(apart, seed=2).interval
    assert spread.low is not None
    assert spread.high is not None
    assert tight.low is not None
    assert tight.high is not None
    assert spread.high - spread.low > tight.high - tight.low
