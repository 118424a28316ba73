"""What the numbers of a scored token mean.

Servers give a head's own numbers or have made probabilities of them; a row that is a probability
distribution is one. Nothing is rounded and nothing is looked for by being unequal to zero: a
probability may well be an exact zero.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from modeljobs.engines.base import EnginePermanent

# Half precision: probabilities that are stored in it add up to one no closer.
SUM_TOLERANCE = 4e-3


@dataclass(frozen=True, slots=True)
class Numbers:
    """What was read for one step: the score of its validity, and what else the family has.

    `uncertainty` is the standard deviation over an ensemble's heads.
    """

    value: float
    redundancy: float | None = None
    uncertainty: float | None = None


def read_signs(row: Sequence[float]) -> Numbers:
    """P(+) of the logits of `+` and `-` alone, in this order."""
    return Numbers(_to_probabilities(row, 2)[0])


def read_classes(row: Sequence[float]) -> Numbers:
    """P(right) of the classes wrong and right."""
    return Numbers(_to_probabilities(row, 2)[1])


def read_margin(row: Sequence[float]) -> Numbers:
    """P(right) - P(wrong), in [-1, 1]."""
    wrong, right = _to_probabilities(row, 2)
    return Numbers(right - wrong)


def read_three(row: Sequence[float]) -> Numbers:
    """ReasonEval: of negative, neutral and positive, a step is valid by the last two together and
    redundant by the middle one (Xia et al. 2024).
    """
    _, neutral, positive = _to_probabilities(row, 3)
    return Numbers(neutral + positive, redundancy=neutral)


def read_value(row: Sequence[float]) -> Numbers:
    """The logistic function of one number: of a value head's, or of the mean of all logits."""
    return Numbers(_squash(_take_one(row)))


def read_logit(row: Sequence[float]) -> Numbers:
    """The number as it is."""
    return Numbers(_take_one(row))


def read_ensemble(row: Sequence[float]) -> Numbers:
    """The mean over the heads of the logistic function of each, and their standard deviation."""
    chances = [_squash(one) for one in row]
    spread = statistics.stdev(chances) if len(chances) > 1 else None
    return Numbers(statistics.fmean(chances), uncertainty=spread)


def _take_one(row: Sequence[float]) -> float:
    _check_width(row, 1)
    return row[0]


def _to_probabilities(row: Sequence[float], width: int) -> list[float]:
    _check_width(row, width)
    if all(0 <= one <= 1 for one in row) and abs(sum(row) - 1) <= SUM_TOLERANCE:
        return list(row)
    highest = max(row)
    powers = [math.exp(one - highest) for one in row]
    return [one / sum(powers) for one in powers]


def _squash(value: float) -> float:
    """1 / (1 + e^-value), for any number."""
    if value >= 0:
        return 1 / (1 + math.exp(-value))
    power = math.exp(value)
    return power / (1 + power)


def _check_width(row: Sequence[float], width: int) -> None:
    if len(row) != width:
        raise EnginePermanent(
            f"The engine's model has {len(row):,} numbers for a token where this kind of reward "
            f"model has {width}: choose the kind that the model is of.",
            code="unsupported_model",
        )
