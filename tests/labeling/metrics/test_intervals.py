"""Wilson's interval, and the bootstrap over clusters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from labeling.metrics.additive import alpha_statistic, percent_agreement_statistic
from labeling.metrics.agreement import krippendorff_alpha
from labeling.metrics.coefficients import Reason
from labeling.metrics.intervals import (
    BootstrapInterval,
    agreement_intervals,
    bootstrap_intervals,
    wilson_interval,
)
from labeling.metrics.ratings import (
    Ratings,
    count_values,
    number_step_units,
    pack_ratings,
)

NAMES = (
    "percent_agreement",
    "alpha_nominal",
    "alpha_ordinal",
    "alpha_interval",
    "ac1",
    "ac2_linear",
    "ac2_quadratic",
)


class Bounds(NamedTuple):
    low: float
    high: float


def bounds(interval: BootstrapInterval) -> Bounds:
    assert interval.low is not None, interval.explanation
    assert interval.high is not None
    return Bounds(interval.low, interval.high)


def simulate_first_errors(*, seed: int, by_step: bool = False, n_solutions: int = 60) -> Ratings:
    """Two raters, one of whom puts three first errors of ten elsewhere; later steps are wrong.

    A first error elsewhere makes all the steps between the two disagree at once.
    """
    rng = np.random.default_rng(seed)
    n_steps = 10
    truth = rng.integers(0, n_steps + 1, size=n_solutions)
    elsewhere = rng.integers(0, n_steps + 1, size=n_solutions)
    shifted = np.where(rng.random(n_solutions) < 0.3, elsewhere, truth)
    steps = np.arange(n_steps)
    value = np.stack([steps < truth[:, None], steps < shifted[:, None]]).astype(int).ravel()
    solution = np.tile(np.repeat(np.arange(n_solutions), n_steps), 2)
    unit = number_step_units(solution, np.tile(steps, 2 * n_solutions))
    return pack_ratings(
        unit=unit,
        rater=np.repeat([0, 1], n_solutions * n_steps),
        value=value,
        categories=(-1, 1),
        cluster=unit if by_step else solution,
    )


def test_wilson_known_value() -> None:
    # Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662; 15 of 148 gives 0.0624 to 0.1605.
    interval = wilson_interval(81, 263)
    assert (interval.low, interval.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    interval = wilson_interval(15, 148)
    assert (interval.low, interval.high) == pytest.approx((0.0624, 0.1605), abs=5e-5)


def test_wilson_at_none_and_at_all() -> None:
    # Newcombe 1998, table I: 0 of 20 gives 0 to 0.1611.
    none, everything = wilson_interval(0, 20), wilson_interval(20, 20)

    assert none.low == 0.0
    assert none.high == pytest.approx(0.1611, abs=5e-5)
    assert everything.low == pytest.approx(1 - 0.1611, abs=5e-5)
    assert everything.high == 1.0


def test_wilson_equals_statsmodels() -> None:
    proportion = pytest.importorskip("statsmodels.stats.proportion")
    for successes, trials, level in ((1, 3, 0.95), (92, 100, 0.9), (610, 622, 0.99)):
        theirs = proportion.proportion_confint(successes, trials, 1 - level, method="wilson")

        ours = wilson_interval(successes, trials, level=level)

        assert (ours.low, ours.high) == pytest.approx(theirs, abs=1e-12)


def test_wilson_of_nothing() -> None:
    interval = wilson_interval(0, 0)

    assert (interval.low, interval.high, interval.reason) == (None, None, Reason.NO_TRIALS)
    assert interval.explanation == "Nothing has been counted yet."


def test_wilson_refuses_impossible_counts() -> None:
    with pytest.raises(ValueError, match="5 successes in 4 trials"):
        wilson_interval(5, 4)


def test_wilson_refuses_an_impossible_level() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        wilson_interval(1, 2, level=95)


def test_every_figure_has_an_interval_around_it() -> None:
    ratings = simulate_first_errors(seed=1)

    intervals = agreement_intervals(ratings, seed=7)

    for name in NAMES:
        interval = getattr(intervals, name)
        low, high = bounds(interval)
        assert low < high, name
        assert (interval.level, interval.draws, interval.seed) == (0.95, 2000, 7)
        assert (interval.n_clusters, interval.n_undefined_draws) == (60, 0)
    alpha = krippendorff_alpha(ratings, level="nominal").value
    assert alpha is not None
    assert bounds(intervals.alpha_nominal).low < alpha < bounds(intervals.alpha_nominal).high
    # Two categories: alpha is the same at every level, and so is every draw.
    assert bounds(intervals.alpha_ordinal) == pytest.approx(bounds(intervals.alpha_nominal))
    assert bounds(intervals.alpha_interval) == pytest.approx(bounds(intervals.alpha_nominal))


def test_the_same_seed_gives_the_same_interval() -> None:
    ratings = simulate_first_errors(seed=1)

    assert agreement_intervals(ratings, seed=7) == agreement_intervals(ratings, seed=7)
    assert agreement_intervals(ratings, seed=7) != agreement_intervals(ratings, seed=8)


def test_a_draw_equals_the_figure_of_the_drawn_clusters() -> None:
    # Draw the same clusters by hand, copy their rows under new names, and measure anew.
    ratings = simulate_first_errors(seed=2, n_solutions=8)
    counts = count_values(ratings)
    assert ratings.cluster is not None
    picks = np.random.default_rng(3).integers(0, 8, size=(1000, 8))
    alphas = []
    for drawn in picks:
        unit, rater, value = [], [], []
        for copy, cluster in enumerate(drawn):
            rows = np.flatnonzero(ratings.cluster[ratings.unit] == cluster)
            unit.append(ratings.unit[rows] + copy * 1000)
            rater.append(ratings.rater[rows])
            value.append(ratings.value[rows])
        alpha = krippendorff_alpha(
            pack_ratings(
                unit=np.concatenate(unit),
                rater=np.concatenate(rater),
                value=np.concatenate(value),
                categories=(-1, 1),
            ),
            level="ordinal",
        )
        assert alpha.value is not None
        alphas.append(alpha.value)

    interval = bootstrap_intervals(
        {"alpha": alpha_statistic(counts, level="ordinal")},
        cluster=ratings.cluster,
        seed=3,
        draws=1000,
    )["alpha"]

    assert bounds(interval) == pytest.approx(tuple(np.quantile(alphas, [0.025, 0.975])))


def test_drawing_in_chunks_gives_the_same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    ratings = simulate_first_errors(seed=1)
    whole = agreement_intervals(ratings, seed=7)

    monkeypatch.setattr("labeling.metrics.intervals._CHUNK", 6000)

    again = agreement_intervals(ratings, seed=7)
    for name in NAMES:
        assert bounds(getattr(again, name)) == pytest.approx(bounds(getattr(whole, name)))


def test_drawing_steps_one_by_one_is_too_sure_of_itself() -> None:
    widths: dict[bool, list[float]] = {False: [], True: []}
    for seed in range(5):
        for by_step, found in widths.items():
            ratings = simulate_first_errors(seed=seed, by_step=by_step)
            low, high = bounds(agreement_intervals(ratings, seed=1, draws=1000).alpha_nominal)
            found.append(high - low)

    assert np.mean(widths[False]) > 1.15 * np.mean(widths[True])


def test_a_wider_level_gives_a_wider_interval() -> None:
    ratings = simulate_first_errors(seed=1)
    low, high = bounds(agreement_intervals(ratings, seed=7, level=0.99).ac1)
    inner_low, inner_high = bounds(agreement_intervals(ratings, seed=7, level=0.8).ac1)

    assert low < inner_low < inner_high < high


def test_percentiles_of_a_mean_come_near_the_normal_interval() -> None:
    # 400 units of one pair each, 300 in agreement: the standard error is sqrt(.75 * .25 / 400).
    first = np.zeros(400, dtype=int)
    second = np.repeat([0, 1], [300, 100])
    counts = count_values(
        pack_ratings(
            unit=np.tile(np.arange(400), 2),
            rater=np.repeat([0, 1], 400),
            value=np.concatenate([first, second]),
            categories=(0, 1),
            cluster=np.tile(np.arange(400), 2),
        )
    )

    interval = bootstrap_intervals(
        {"share": percent_agreement_statistic(counts)},
        cluster=np.arange(400),
        seed=1,
        draws=20_000,
    )["share"]

    half = 1.96 * (0.75 * 0.25 / 400) ** 0.5
    assert bounds(interval) == pytest.approx((0.75 - half, 0.75 + half), abs=0.003)


def test_one_cluster_has_no_interval() -> None:
    ratings = pack_ratings(
        unit=[0, 0, 1, 1],
        rater=[0, 1, 0, 1],
        value=[0, 0, 0, 1],
        categories=(0, 1),
        cluster=[5] * 4,
    )

    interval = agreement_intervals(ratings, seed=1).ac1

    assert (interval.low, interval.high, interval.reason) == (None, None, Reason.ONE_CLUSTER)
    assert interval.n_clusters == 1


def test_no_ratings_have_no_interval() -> None:
    ratings = pack_ratings(unit=[], rater=[], value=[], categories=(0, 1), cluster=[])

    assert agreement_intervals(ratings, seed=1).alpha_nominal.reason == Reason.ONE_CLUSTER


def test_too_many_undefined_draws_leave_no_interval() -> None:
    # One solution of ten holds the only disagreement, and the only -1. A draw misses it with
    # probability 0.9^10 = 0.35, and then alpha has no value.
    solution = np.repeat(np.arange(10), 2)
    value = np.ones(20, dtype=int)
    value[0] = 0
    ratings = pack_ratings(
        unit=solution,
        rater=np.tile([0, 1], 10),
        value=value,
        categories=(-1, 1),
        cluster=solution,
    )

    intervals = agreement_intervals(ratings, seed=1)

    alpha = intervals.alpha_nominal
    assert (alpha.low, alpha.reason) == (None, Reason.UNSTABLE_RESAMPLES)
    assert alpha.n_undefined_draws / alpha.draws == pytest.approx(0.9**10, abs=0.03)
    assert alpha.explanation.startswith("The figure is undefined in too many resamples")
    # AC1 has a value in every draw.
    assert intervals.ac1.n_undefined_draws == 0
    assert bounds(intervals.ac1).high == 1.0


def test_a_few_undefined_draws_are_left_out_and_counted() -> None:
    # Four of ten solutions hold a -1: a draw misses all four with probability 0.6^10 = 0.006.
    solution = np.repeat(np.arange(10), 2)
    value = np.ones(20, dtype=int)
    value[[0, 2, 4, 5, 6, 7]] = 0
    ratings = pack_ratings(
        unit=solution,
        rater=np.tile([0, 1], 10),
        value=value,
        categories=(-1, 1),
        cluster=solution,
    )

    alpha = agreement_intervals(ratings, seed=1).alpha_nominal

    assert 0 < alpha.n_undefined_draws < 40
    assert bounds(alpha).low < bounds(alpha).high


def test_ratings_without_clusters_are_refused() -> None:
    ratings = pack_ratings(unit=[0, 0], rater=[0, 1], value=[0, 1], categories=(0, 1))

    with pytest.raises(ValueError, match="give `cluster`"):
        agreement_intervals(ratings, seed=1)


def test_too_few_draws_are_refused() -> None:
    with pytest.raises(ValueError, match="1000 draws or more, not 200"):
        agreement_intervals(simulate_first_errors(seed=1), seed=1, draws=200)
