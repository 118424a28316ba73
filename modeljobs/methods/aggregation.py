"""Several samples' verdicts on one step, taken together: the mean of their probabilities and the
majority of their verdicts, kept apart.

GenPRM's "majority" is the mean (Zhao et al. 2025, eq. 6): r = (1/N) sum of P(Yes), and a step is
right where r >= 0.5. What was not read is left out of both and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from modeljobs.methods.probabilities import YesProbability


@dataclass(frozen=True, slots=True)
class Opinion:
    """One sample's word on a step; None where it gave none that could be read."""

    is_yes: bool | None
    probability: YesProbability | None = None


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`verdict` follows from the mean, `majority` from the votes; None where there is none, or a
    tie. `chosen` is the place of the sample that stands for all.
    """

    mean: float | None
    variance: float | None
    verdict: bool | None
    majority: bool | None
    yes: int
    no: int
    unparsed: int
    chosen: int | None

    @property
    def decision(self) -> bool | None:
        """The mean's verdict, or the majority's where no probability is known."""
        return self.majority if self.mean is None else self.verdict

    @property
    def decided_by(self) -> str | None:
        if self.mean is not None:
            return "mean"
        return None if self.majority is None else "majority"


def aggregate(opinions: Sequence[Opinion], *, threshold: float) -> Aggregate:
    """The samples' opinions taken together. The variance is that of the values given (divided by
    their number), and unknown for fewer than two.
    """
    values = [one.probability.value for one in opinions if one.probability is not None]
    mean = sum(values) / len(values) if values else None
    variance = None
    if mean is not None and len(values) > 1:
        variance = sum((value - mean) ** 2 for value in values) / len(values)
    yes = sum(one.is_yes is True for one in opinions)
    no = sum(one.is_yes is False for one in opinions)
    majority = None if yes == no else yes > no
    return Aggregate(
        mean=mean,
        variance=variance,
        verdict=None if mean is None else mean >= threshold,
        majority=majority,
        yes=yes,
        no=no,
        unparsed=len(opinions) - yes - no,
        chosen=_choose(opinions, mean, majority),
    )


def _choose(opinions: Sequence[Opinion], mean: float | None, majority: bool | None) -> int | None:
    """The sample closest to the mean, or the first that votes with the majority, or the first that
    votes at all; of equals the first.
    """
    if mean is not None:
        distances = {
            place: abs(one.probability.value - mean)
            for place, one in enumerate(opinions)
            if one.probability is not None
        }
        return min(distances, key=lambda place: (distances[place], place))
    voters = [place for place, one in enumerate(opinions) if one.is_yes is not None]
    agreeing = [place for place in voters if opinions[place].is_yes is majority]
    return next(iter(agreeing or voters), None)
