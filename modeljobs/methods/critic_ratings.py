"""Ratings of every step by two numbers, and the labels that follow from them by two thresholds.

PRMBench's critics (Song et al. 2025): validity and redundancy in [-1, 1]; a step is right where its
validity, and redundant where its redundancy, is greater than 0. The scores are means over the
samples that could be read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from labeling.records import Contribution, Score, StepLabel, Validity
from modeljobs.methods.critic_replies import StepScores

SCALE = "critic"


@dataclass(frozen=True, slots=True)
class RatingRule:
    """The two thresholds, and how they are written down."""

    validity: float
    redundancy: float

    @property
    def right(self) -> str:
        return f"> {self.validity:g} is correct"

    @property
    def redundant(self) -> str:
        return f"> {self.redundancy:g} is redundant"


@dataclass(frozen=True, slots=True)
class Rating:
    """One step by all samples together. `deviation` is that of validity; None for one sample."""

    validity: float
    redundancy: float
    deviation: float | None
    is_right: bool
    is_redundant: bool
    rule: RatingRule
    # Each sample's own verdict by the same rule; None for one that could not be read.
    verdicts: tuple[bool | None, ...]

    def build_label(self) -> StepLabel:
        contribution = None
        if self.is_redundant:
            contribution = Contribution.REDUNDANT
        elif self.is_right:
            # Of a wrong step that is in use nobody said that it leads on.
            contribution = Contribution.ADVANCES
        return StepLabel(
            validity=Validity.CORRECT if self.is_right else Validity.WRONG,
            contribution=contribution,
            score=Score(self.validity, scale=SCALE, rule=self.rule.right),
            redundancy=Score(self.redundancy, scale=SCALE, rule=self.rule.redundant),
        )

    def pack(self) -> dict[str, Any]:
        """What is said of the step, for its evidence: plain JSON."""
        scores = [
            ("validity", self.validity, self.rule.right, self.is_right),
            ("redundancy", self.redundancy, self.rule.redundant, self.is_redundant),
        ]
        return {
            "scores": [
                {"name": name, "raw": raw, "scale": SCALE, "rule": rule, "verdict": verdict}
                for name, raw, rule, verdict in scores
            ],
            "verdict": self.is_right,
            "uncertainty": self.deviation,
            "reason": "",
            "verdicts": list(self.verdicts),
        }


def rate_step(samples: Sequence[StepScores | None], position: int, rule: RatingRule) -> Rating:
    """The samples' ratings of one step, taken together. None is a sample that could not be read;
    at least one could.
    """
    read = [one for one in samples if one is not None]
    ratings = [one.validity[position] for one in read]
    validity = _mean(ratings)
    redundancy = _mean([one.redundancy[position] for one in read])
    deviation = None
    if len(ratings) > 1:
        deviation = math.sqrt(_mean([(rating - validity) ** 2 for rating in ratings]))
    return Rating(
        validity=validity,
        redundancy=redundancy,
        deviation=deviation,
        is_right=validity > rule.validity,
        is_redundant=redundancy > rule.redundancy,
        rule=rule,
        verdicts=tuple(
            [None if one is None else one.validity[position] > rule.validity for one in samples]
        ),
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
