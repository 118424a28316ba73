"""ProcessBench's score: does a method find the first wrong step, and leave right solutions alone?

ProcessBench (Zheng et al. 2024, section 3.1) takes the accuracy over solutions with an error and
over those without apart, and scores the harmonic mean of the two. A solution counts only if the
very step is named. An answer that nobody could read is a miss, and is counted besides.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from labeling.metrics.additive import AdditiveStatistic, Parts, divide
from labeling.metrics.intervals import (
    DEFAULT_DRAWS,
    BootstrapInterval,
    WilsonInterval,
    bootstrap_intervals,
    wilson_interval,
)
from labeling.records import At, FirstError, NoError, Unknown

FloatArray = npt.NDArray[np.float64]

# GenPRM and ProcessBench's own scripts: a step scored below it is wrong.
THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class Case:
    """A solution whose first error is known, and what was said of it.

    `predicted` holds one answer, or several independent ones: then the accuracy is that of a single
    answer, averaged (Pass@1). Cases of one `cluster` are drawn together in a bootstrap; a case
    without one stands alone.
    """

    gold: FirstError
    predicted: tuple[FirstError, ...]
    cluster: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.gold, Unknown):
            raise ValueError("A case needs a known first error, or to be known to have none.")
        if not self.predicted:
            raise ValueError("A case needs at least one answer; one that is not known is Unknown.")

    @property
    def has_error(self) -> bool:
        return isinstance(self.gold, At)

    @property
    def hit(self) -> float:
        """The share of the answers that are the gold one."""
        return sum(answer == self.gold for answer in self.predicted) / len(self.predicted)


@dataclass(frozen=True, slots=True)
class FirstErrorScore:
    """Accuracies between 0 and 1 over the two kinds of solution, and their harmonic mean.

    A side without solutions has no accuracy, and then there is no F1: None, never 0. `n_unknown`
    counts answers that nobody could read, which are misses.
    """

    error_accuracy: float | None
    correct_accuracy: float | None
    f1: float | None
    n_error: int
    n_correct: int
    n_unknown: int


@dataclass(frozen=True, slots=True)
class Difference:
    """How much higher the F1 of one method is than that of another on the same solutions."""

    value: float | None
    interval: BootstrapInterval


def find_first_error(
    scores: Sequence[float | None], *, threshold: float = THRESHOLD, is_whole: bool = True
) -> FirstError:
    """The first step whose score lies below the threshold.

    Unknown where a step without a score comes before it, since that one may be the first; and
    where none lies below and the scores do not cover the solution (`is_whole`).
    """
    for position, score in enumerate(scores):
        if score is None:
            return Unknown(f"step {position + 1} has no score")
        if score < threshold:
            return At(position)
    return NoError() if is_whole else Unknown("not every step was scored")


def score_first_errors(cases: Iterable[Case]) -> FirstErrorScore:
    """ProcessBench's accuracies and F1 = 2 a b / (a + b)."""
    hits: dict[bool, list[float]] = {True: [], False: []}
    n_unknown = 0
    for case in cases:
        hits[case.has_error].append(case.hit)
        n_unknown += sum(isinstance(answer, Unknown) for answer in case.predicted)
    error_accuracy, correct_accuracy = _mean(hits[True]), _mean(hits[False])
    return FirstErrorScore(
        error_accuracy=error_accuracy,
        correct_accuracy=correct_accuracy,
        f1=join_accuracies(error_accuracy, correct_accuracy),
        n_error=len(hits[True]),
        n_correct=len(hits[False]),
        n_unknown=n_unknown,
    )


def join_accuracies(error_accuracy: float | None, correct_accuracy: float | None) -> float | None:
    """The harmonic mean; 0 where both are 0, None where either is not known."""
    if error_accuracy is None or correct_accuracy is None:
        return None
    total = error_accuracy + correct_accuracy
    return 2.0 * error_accuracy * correct_accuracy / total if total else 0.0


def accuracy_intervals(
    cases: Sequence[Case], *, level: float = 0.95
) -> tuple[WilsonInterval, WilsonInterval]:
    """Wilson's intervals of the two accuracies: with an error, without one.

    For cases with one answer each that stand alone; ValueError for others, since several answers
    about one solution are no independent trials.
    """
    clusters = [case.cluster for case in cases if case.cluster]
    if len(set(clusters)) < len(clusters) or any(len(case.predicted) > 1 for case in cases):
        raise ValueError("These answers are not independent: use f1_interval, which is drawn.")
    sides = [
        [case.hit == 1.0 for case in cases if case.has_error is side] for side in (True, False)
    ]
    with_error, without = (wilson_interval(sum(side), len(side), level=level) for side in sides)
    return with_error, without


def f1_bounds(cases: Sequence[Case], *, level: float = 0.95) -> tuple[float, float] | None:
    """Bounds of F1 from Wilson's bounds of both accuracies; None where a side is empty.

    F1 grows with either accuracy, and the two are independent: if each lies in its interval with
    probability sqrt(level), F1 lies between its values at the two corners with probability `level`
    or more. Unlike a bootstrap it does not shrink to a point where everything was found.
    """
    with_error, without = accuracy_intervals(cases, level=math.sqrt(level))
    low = join_accuracies(with_error.low, without.low)
    high = join_accuracies(with_error.high, without.high)
    return None if low is None or high is None else (low, high)


def f1_interval(
    cases: Sequence[Case], *, seed: int, draws: int = DEFAULT_DRAWS, level: float = 0.95
) -> BootstrapInterval:
    """A bootstrap interval of F1 over clusters."""
    return bootstrap_intervals(
        {"f1": _f1_statistic(cases)},
        cluster=_number_clusters(cases),
        seed=seed,
        draws=draws,
        level=level,
    )["f1"]


def compare_f1(
    ours: Sequence[Case],
    theirs: Sequence[Case],
    *,
    seed: int,
    draws: int = DEFAULT_DRAWS,
    level: float = 0.95,
) -> Difference:
    """The F1 of `ours` less that of `theirs`, with a paired bootstrap interval.

    Both hold the same solutions in the same order, so that a draw takes both answers about a
    solution or neither, and what is hard for both does not widen the interval. ValueError where
    the solutions differ.
    """
    key = [(case.gold, case.cluster) for case in ours]
    if key != [(case.gold, case.cluster) for case in theirs]:
        raise ValueError("The two hold different solutions: a difference would not be of methods.")
    first, second = score_first_errors(ours).f1, score_first_errors(theirs).f1
    interval = bootstrap_intervals(
        {"difference": _difference_statistic(_f1_statistic(ours), _f1_statistic(theirs))},
        cluster=_number_clusters(ours),
        seed=seed,
        draws=draws,
        level=level,
    )["difference"]
    return Difference(None if first is None or second is None else first - second, interval)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _number_clusters(cases: Sequence[Case]) -> npt.NDArray[np.int64]:
    codes: dict[tuple[str, int], int] = {}
    names = [(case.cluster, -1) if case.cluster else ("", n) for n, case in enumerate(cases)]
    return np.array([codes.setdefault(name, len(codes)) for name in names], dtype=np.int64)


def _f1_statistic(cases: Sequence[Case]) -> AdditiveStatistic:
    has_error = np.array([case.has_error for case in cases], dtype=np.float64)
    hit = np.array([case.hit for case in cases], dtype=np.float64)

    def columns() -> Iterator[FloatArray]:
        yield has_error
        yield has_error * hit
        yield 1.0 - has_error
        yield (1.0 - has_error) * hit

    def evaluate(totals: FloatArray) -> Parts:
        error_accuracy = divide(totals[:, 1], totals[:, 0])
        correct_accuracy = divide(totals[:, 3], totals[:, 2])
        total = error_accuracy + correct_accuracy
        joined = divide(2.0 * error_accuracy * correct_accuracy, total)
        # A side at NaN keeps the whole at NaN; two sides at zero have the harmonic mean zero.
        f1 = np.where(total == 0.0, 0.0, joined)
        return Parts(f1, f1, np.full_like(f1, np.nan))

    return AdditiveStatistic(columns, evaluate)


def _difference_statistic(first: AdditiveStatistic, second: AdditiveStatistic) -> AdditiveStatistic:
    width = len(list(first.columns()))

    def columns() -> Iterator[FloatArray]:
        yield from first.columns()
        yield from second.columns()

    def evaluate(totals: FloatArray) -> Parts:
        value = first.evaluate(totals[:, :width]).value - second.evaluate(totals[:, width:]).value
        return Parts(value, value, np.full_like(value, np.nan))

    return AdditiveStatistic(columns, evaluate)
