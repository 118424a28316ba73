"""ProcessBench's score: the arithmetic, its edges, and how sure it is."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from labeling.metrics.intervals import wilson_interval
from labeling.records import At, FirstError, NoError, Unknown
from modeljobs.evaluation.processbench import (
    Case,
    accuracy_intervals,
    compare_f1,
    f1_bounds,
    f1_interval,
    find_first_error,
    join_accuracies,
    score_first_errors,
)

UNREAD = Unknown("nobody could read it")


def read(position: int | None) -> FirstError:
    return NoError() if position is None else At(position)


def make_cases(pairs: Iterable[tuple[int | None, int | None]]) -> list[Case]:
    """Cases from (gold, predicted) positions; None is no error."""
    return [Case(read(gold), (read(predicted),)) for gold, predicted in pairs]


# Erroneous: 1 of 2 found. Correct: 3 of 4 left alone.
MIXED = [(2, 2), (0, 1), (None, None), (None, None), (None, None), (None, 3)]


def test_known_value():
    score = score_first_errors(make_cases(MIXED))
    assert (score.error_accuracy, score.correct_accuracy) == (0.5, 0.75)
    # F1 = 2 * 0.5 * 0.75 / (0.5 + 0.75) = 0.6
    assert score.f1 == pytest.approx(0.6)
    assert (score.n_error, score.n_correct, score.n_unknown) == (2, 4, 0)


@pytest.mark.parametrize(
    ("error_accuracy", "correct_accuracy", "published"),
    [
        # GenPRM, table 6: GenPRM-7B and GenPRM-1.5B, one answer, on four subsets.
        (67.7, 94.0, 78.7),
        (74.6, 87.0, 80.3),
        (68.3, 76.6, 72.2),
        (47.0, 66.5, 55.1),
    ],
)
def test_published_rows(error_accuracy, correct_accuracy, published):
    f1 = join_accuracies(error_accuracy / 100, correct_accuracy / 100)
    assert f1 is not None
    assert round(100 * f1, 1) == published


def test_another_step_than_the_first_is_a_miss():
    score = score_first_errors(make_cases([(1, 2), (None, None)]))
    assert score.error_accuracy == 0.0


def test_nothing_found_on_either_side_is_zero():
    score = score_first_errors(make_cases([(1, None), (None, 0)]))
    assert score.f1 == 0.0


def test_a_side_without_solutions_has_no_f1():
    score = score_first_errors(make_cases([(1, 1)]))
    assert (score.error_accuracy, score.correct_accuracy, score.f1) == (1.0, None, None)


def test_an_answer_nobody_could_read_is_a_counted_miss():
    score = score_first_errors([Case(At(0), (UNREAD,)), Case(NoError(), (NoError(),))])
    assert (score.error_accuracy, score.n_unknown) == (0.0, 1)


def test_several_answers_are_averaged():
    # One of four answers is right, and both of two: (1/4 + 1) / 2 = 0.625.
    cases = [
        Case(At(1), (At(1), At(2), NoError(), UNREAD)),
        Case(At(0), (At(0), At(0))),
        Case(NoError(), (NoError(),)),
    ]
    assert score_first_errors(cases).error_accuracy == pytest.approx(0.625)


def test_a_case_needs_to_know_its_error():
    with pytest.raises(ValueError, match="known first error"):
        Case(UNREAD, (NoError(),))


def test_a_case_needs_an_answer():
    with pytest.raises(ValueError, match="at least one answer"):
        Case(NoError(), ())


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.9, 0.4, 0.1], At(1)),
        ([0.9, 0.5], NoError()),
        ([], NoError()),
        ([0.9, None, 0.1], Unknown("step 2 has no score")),
        ([0.1, None], At(0)),
    ],
)
def test_the_first_step_below_the_threshold(scores, expected):
    assert find_first_error(scores) == expected


def test_scores_that_end_early_do_not_say_that_all_is_well():
    assert find_first_error([0.9], is_whole=False) == Unknown("not every step was scored")


def test_accuracies_have_wilson_intervals():
    with_error, without = accuracy_intervals(make_cases(MIXED))
    assert with_error == wilson_interval(1, 2)
    assert without == wilson_interval(3, 4)


def test_answers_about_the_same_solution_have_no_wilson_interval():
    with pytest.raises(ValueError, match="not independent"):
        accuracy_intervals([Case(At(0), (At(0), At(1))), Case(NoError(), (NoError(),))])


def test_cases_of_one_cluster_have_no_wilson_interval():
    pair = [Case(At(0), (At(0),), "p"), Case(NoError(), (NoError(),), "p")]
    with pytest.raises(ValueError, match="not independent"):
        accuracy_intervals(pair)


def test_bounds_of_f1_do_not_shrink_to_a_point():
    bounds = f1_bounds(make_cases([(1, 1)] * 20 + [(None, None)] * 20))
    assert bounds is not None
    low, high = bounds
    assert 0.7 < low < 1.0
    assert high == 1.0


def test_bounds_of_f1_need_both_sides():
    assert f1_bounds(make_cases([(1, 1)])) is None


def test_bounds_of_f1_cover_it():
    # 400 draws of 30 + 30 solutions at accuracies 0.8 and 0.9. Bounds that hold 95 % of the time
    # miss 20 times on average; more than 40 misses would be 4.6 standard deviations off.
    rng = np.random.default_rng(7)
    truth = 2 * 0.8 * 0.9 / 1.7
    misses = 0
    for _ in range(400):
        found, alone = rng.random(30) < 0.8, rng.random(30) < 0.9
        pairs: list[tuple[int | None, int | None]] = [(1, 1 if hit else 0) for hit in found]
        pairs += [(None, None if hit else 0) for hit in alone]
        bounds = f1_bounds(make_cases(pairs))
        assert bounds is not None
        misses += not bounds[0] <= truth <= bounds[1]
    assert misses <= 40


def test_a_bootstrap_interval_lies_around_f1():
    cases = make_cases(MIXED * 20)
    interval = f1_interval(cases, seed=1)
    assert interval.low is not None
    assert interval.high is not None
    assert interval.low < 0.6 < interval.high
    assert interval.n_clusters == 120


def test_clusters_are_drawn_together():
    alone = make_cases(MIXED * 10)
    together = [
        Case(case.gold, case.predicted, f"problem {number // 6}")
        for number, case in enumerate(alone)
    ]
    # Every cluster is the same six cases: whichever are drawn, F1 is 0.6.
    interval = f1_interval(together, seed=1)
    assert interval.n_clusters == 10
    assert interval.low == pytest.approx(0.6)
    assert interval.high == pytest.approx(0.6)


def test_the_difference_of_a_method_to_itself_is_zero_for_sure():
    cases = make_cases(MIXED * 10)
    difference = compare_f1(cases, cases, seed=1)
    assert (difference.value, difference.interval.low, difference.interval.high) == (0.0, 0.0, 0.0)


def test_a_paired_difference_keeps_its_sign():
    golds: list[int | None] = [1, None] * 30
    worse = [(gold, 0 if number % 3 == 0 else gold) for number, gold in enumerate(golds)]
    better = [(gold, 0 if number % 9 == 0 else gold) for number, gold in enumerate(golds)]
    difference = compare_f1(make_cases(better), make_cases(worse), seed=1)
    assert difference.value is not None
    assert difference.interval.low is not None
    assert difference.value > difference.interval.low > 0.0


def test_different_solutions_are_not_compared():
    with pytest.raises(ValueError, match="different solutions"):
        compare_f1(make_cases([(1, 1)]), make_cases([(2, 1)]), seed=1)
