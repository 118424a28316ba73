"""What the scripted engine answers when it is to go on with a solution: sums by rule, and says so.

It can follow the word problems that `modeljobs.tiny.problems` generates: a stock, and how it
changes. It goes on from what the last step states, right or wrong, and slips now and then, as a
model does. Of any other problem it says that it knows nothing.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import NamedTuple

from modeljobs.tiny.problems import GAINS, GROWTH, LOSSES, STEP_SEPARATOR, Operator, compute

MARK = "Scripted, by no model:"
SLIP_RATE = 0.1
# Sentences of a longer text are no problem of ours, and a hostile one must not cost time.
QUESTION_CHARACTERS = 2_000

_START = re.compile(r" has (?P<start>\d{1,9}) \w+(?: with (?P<each>\d{1,9}) \w+ each)?\.")
_VERBS = "|".join(map(re.escape, (*GAINS, *LOSSES, GROWTH)))
_CHANGE = re.compile(rf"On \w+ it (?P<verb>{_VERBS}) (?P<number>\d{{1,9}})\b")
_RESULT = re.compile(r"= (?P<result>\d{1,12})\b")


class Changes(NamedTuple):
    """A stock, and what happens to it, one operation a step."""

    start: int
    operations: tuple[tuple[Operator, int], ...]


def read_changes(question: str) -> Changes | None:
    """The sums of a generated problem, None where the text is no such problem."""
    text = question[:QUESTION_CHARACTERS]
    start = _START.search(text)
    if start is None:
        return None
    operations: list[tuple[Operator, int]] = []
    if start["each"]:
        operations.append(("*", int(start["each"])))
    for change in _CHANGE.finditer(text):
        operations.append((_find_operator(change["verb"]), int(change["number"])))
    return Changes(int(start["start"]), tuple(operations)) if operations else None


def _find_operator(verb: str) -> Operator:
    if verb == GROWTH:
        return "*"
    return "+" if verb in GAINS else "-"


def write_rollout(question: str, steps: Sequence[str], rng: random.Random) -> str | None:
    """The rest of the solution, with its answer in a box; None for a problem it cannot follow."""
    changes = read_changes(question)
    done = len(steps)
    if changes is None or done >= len(changes.operations):
        return None
    value = changes.start
    if steps:
        stated = _RESULT.findall(steps[-1])
        if not stated:
            return None
        value = int(stated[-1])
    rest = changes.operations[done:]
    # Drawn every time, so that what follows does not depend on whether it slips.
    slips_at, slip = rng.randrange(len(rest)), rng.choice((-10, -1, 1, 10))
    is_slip = rng.random() < SLIP_RATE
    lines = []
    for at, (operator, number) in enumerate(rest):
        result = compute(value, operator, number) + (slip if is_slip and at == slips_at else 0)
        lines.append(f"{value} {operator} {number} = {result}.")
        value = result
    lines.append(f"The answer is \\boxed{{{value}}}.")
    return f"{MARK} {STEP_SEPARATOR.join(lines)}"
