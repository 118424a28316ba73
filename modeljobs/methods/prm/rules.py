"""When a score makes a step right: a threshold, or the difference to the step before.

The threshold decides more than the model: Skywork-7B was first published at 36.2 on PRMBench, and
under its difference rule at 65.1. The rule is therefore stored with every score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

RuleKind = Literal["threshold", "difference"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a rule says of a step. `compared` is the number that it compared, None where there is
    none; then there is no verdict either.
    """

    compared: float | None
    verdict: bool | None


@dataclass(frozen=True, slots=True)
class Rule:
    """Above the threshold is right, or redundant: whatever the rule is about.

    A difference is the score less that of the step before; the first step is judged by its own
    score (PRMBench, Song et al. 2025: `skywork_prm.py`).
    """

    kind: RuleKind
    threshold: float

    @property
    def text(self) -> str:
        start = "difference" if self.kind == "difference" else ""
        return f"{start}>{self.threshold:g}"

    def judge(self, values: Sequence[float | None]) -> tuple[Judgement, ...]:
        """Of each step in turn. A step without a score has no verdict, and under a difference rule
        neither has the step behind it.
        """
        found = []
        for position, value in enumerate(values):
            compared = value
            if self.kind == "difference" and position and value is not None:
                before = values[position - 1]
                compared = None if before is None else value - before
            verdict = None if compared is None else compared > self.threshold
            found.append(Judgement(compared, verdict))
        return tuple(found)
