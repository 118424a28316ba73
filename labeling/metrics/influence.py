"""How far a machine's proposals sway the people who confirm them.

Chance decides which assignments are judged without the proposals. The two arms then differ in
nothing else, and the difference between their shares is what the proposals did: to agreement with
the machine, and, where the truth is known, to errors taken over from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trial:
    """One step that a person judged and a machine had rated.

    `shown`: the proposal stood there. `same`: the person said the machine's word. `cluster`: the
    problem family that the step belongs to.
    """

    cluster: int
    shown: bool
    same: bool


@dataclass(frozen=True, slots=True)
class Influence:
    """The shares of the two arms, and shown minus blind with its interval over clusters.

    `difference` is None where an arm is empty; the interval then says why.
    """

    shown: WilsonInterval
    blind: WilsonInterval
    difference: float | None
    interval: BootstrapInterval

    @property
    def arms(self) -> tuple[WilsonInterval, WilsonInterval]:
        return (self.shown, self.blind)


def measure_influence(
    trials: Sequence[Trial], *, seed: int, draws: int = DEFAULT_DRAWS
) -> Influence:
    """How much more often people say the machine's word when they see it.

    Wilson's intervals of the arms treat steps as independent and are for orientation; that of the
    difference resamples problem families (Davison & Hinkley 1997, section 3.8).
    """
    families = sorted({trial.cluster for trial in trials})
    code = {family: index for index, family in enumerate(families)}
    cluster = np.array([code[trial.cluster] for trial in trials], dtype=np.int64)
    shown = np.array([trial.shown for trial in trials], dtype=np.float64)
    same = np.array([trial.same for trial in trials], dtype=np.float64)

    def columns() -> Iterator[FloatArray]:
        yield shown * same
        yield shown
        yield (1.0 - shown) * same
        yield 1.0 - shown

    def evaluate(totals: FloatArray) -> Parts:
        with_it = divide(totals[:, 0], totals[:, 1])
        without = divide(totals[:, 2], totals[:, 3])
        return Parts(with_it - without, with_it, without)

    intervals = bootstrap_intervals(
        {"difference": AdditiveStatistic(columns, evaluate)},
        cluster=cluster,
        seed=seed,
        draws=draws,
    )
    arms = {
        arm: wilson_interval(
            sum(trial.same for trial in trials if trial.shown is arm),
            sum(trial.shown is arm for trial in trials),
        )
        for arm in (True, False)
    }
    both = arms[True].trials and arms[False].trials
    difference = (
        arms[True].successes / arms[True].trials - arms[False].successes / arms[False].trials
        if both
        else None
    )
    return Influence(arms[True], arms[False], difference, intervals["difference"])
