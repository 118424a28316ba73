"""Generated word problems, their solutions, and planted errors. Everything follows from a seed.

A problem tells how a stock changes; a solution follows it with one equation per step. A problem is
held out where a hash of its text says so, so that no training run can have seen it, whatever its
seed: `draw_problem` is told on which side of the split to draw.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

Operator = Literal["+", "-", "*"]
Split = Literal["train", "held_out"]
Size = Literal["small", "large"]
ErrorKind = Literal["result", "operand", "carried", "operator"]

SUBJECTS = (
    "A farm",
    "A shop",
    "A school",
    "A library",
    "A museum",
    "A factory",
    "A bakery",
    "A club",
)
CONTAINERS = ("boxes", "crates", "shelves", "bags", "racks", "trays")
ITEMS = ("apples", "pens", "books", "coins", "cups", "lamps", "toys", "stamps", "bricks", "cards")
GAINS = ("buys", "finds", "receives", "makes", "collects")
LOSSES = ("sells", "loses", "gives away", "breaks", "lends")
GROWTH = "multiplies its stock by"
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
STEP_SEPARATOR = "\n\n"

# One problem in eight is never trained on.
HELD_OUT_SHARE = 8


@dataclass(frozen=True, slots=True)
class Equation:
    """`left operator right = result`, as a step states it; it need not be true."""

    left: int
    operator: Operator
    right: int
    result: int

    @property
    def value(self) -> int:
        """What the left side comes to."""
        return compute(self.left, self.operator, self.right)

    def __str__(self) -> str:
        return f"{self.left} {self.operator} {self.right} = {self.result}"


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to the stock on a day: a verb of GAINS or LOSSES, or GROWTH, and its number.

    The verb "" stands for the stock's beginning, as containers with `number` items each.
    """

    day: str
    verb: str
    operator: Operator
    number: int


@dataclass(frozen=True, slots=True)
class Problem:
    """A stock that begins with `start` (items, or containers) and goes through its changes."""

    subject: str
    container: str
    item: str
    start: int
    changes: tuple[Change, ...]

    @property
    def text(self) -> str:
        first = self.changes[0]
        if first.verb:
            sentences = [f"{self.subject} has {self.start} {self.item}."]
        else:
            sentences = [
                f"{self.subject} has {self.start} {self.container} with {first.number} "
                f"{self.item} each."
            ]
        sentences += [
            f"On {change.day} it {change.verb} {change.number}"
            f"{'' if change.verb == GROWTH else f' {self.item}'}."
            for change in self.changes
            if change.verb
        ]
        sentences.append(f"How many {self.item} does it have in the end?")
        return " ".join(sentences)

    @property
    def equations(self) -> tuple[Equation, ...]:
        """The true solution."""
        return tuple(follow(self.start, self.changes))

    @property
    def answer(self) -> int:
        return self.equations[-1].result

    @property
    def steps(self) -> tuple[str, ...]:
        return write_steps(self, self.equations)

    @property
    def is_held_out(self) -> bool:
        """Whether the problem is kept from training; decided by its text alone."""
        return hashlib.sha256(self.text.encode()).digest()[0] % HELD_OUT_SHARE == 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """A solution of a problem with at most one first error; later steps carry it on.

    `first_error` is 0-based, None where every step is right.
    """

    problem: Problem
    equations: tuple[Equation, ...]
    first_error: int | None = None
    kind: ErrorKind | None = None
    # Whether a miscopied operand stands in the step's words too, not in its equation alone.
    is_wrong_in_words: bool = False

    @property
    def steps(self) -> tuple[str, ...]:
        return write_steps(self.problem, self.equations, is_wrong_in_words=self.is_wrong_in_words)

    @property
    def answer(self) -> int:
        return self.equations[-1].result

    @property
    def text(self) -> str:
        return STEP_SEPARATOR.join(self.steps)


def compute(left: int, operator: Operator, right: int) -> int:
    """The value of one operation."""
    if operator == "*":
        return left * right
    return left + right if operator == "+" else left - right


def follow(start: int, changes: tuple[Change, ...]) -> Iterator[Equation]:
    """One true equation per change, each beginning with the result of the one before."""
    value = start
    for change in changes:
        result = compute(value, change.operator, change.number)
        yield Equation(value, change.operator, change.number, result)
        value = result


def write_steps(
    problem: Problem, equations: tuple[Equation, ...], *, is_wrong_in_words: bool = False
) -> tuple[str, ...]:
    """The paragraphs of a solution; the last one states the answer."""
    steps = [
        f"{_introduce(change, equation.right if is_wrong_in_words else change.number)} "
        f"{equation} {problem.item}."
        for change, equation in zip(problem.changes, equations, strict=True)
    ]
    steps[-1] += f" The answer is \\boxed{{{equations[-1].result}}}."
    return tuple(steps)


def _introduce(change: Change, number: int) -> str:
    """How a step begins that works out this change."""
    if not change.verb:
        return "At first it has"
    return f"Then on {change.day} it {change.verb} {number}, so it has"


def draw_problem(rng: random.Random, *, split: Split, size: Size) -> Problem:
    """A problem of three to six steps on the wanted side of the split.

    `small` numbers are such as a tiny model can learn to compute; `large` ones are not, and are for
    verifying with code.
    """
    while True:
        problem = _draw_any(rng, size)
        if problem.is_held_out == (split == "held_out"):
            return problem


@dataclass(frozen=True, slots=True)
class _Range:
    """The numbers of a size, each range with both ends."""

    limit: int
    start: tuple[int, int]
    containers: tuple[int, int]
    each: tuple[int, int]
    shift: tuple[int, int]
    factor: int


RANGES = {
    "small": _Range(99, (12, 90), (3, 12), (2, 9), (2, 15), 3),
    "large": _Range(9_999, (1_010, 6_500), (12, 98), (12, 98), (102, 987), 9),
}


def _draw_any(rng: random.Random, size: Size) -> Problem:
    within = RANGES[size]
    steps = rng.randint(3, 6)
    verbs = rng.sample(GAINS + LOSSES, steps)
    days = list(DAYS)
    changes: list[Change] = []
    if rng.random() < 0.6:
        start, number = rng.randint(*within.containers), rng.randint(*within.each)
        changes.append(Change("", "", "*", number))
        value = start * number
    else:
        start = value = rng.randint(*within.start)
    growth_at = rng.randint(1, steps - 1) if rng.random() < 0.4 else None
    while len(changes) < steps:
        most = min(within.limit // value, within.factor)
        if len(changes) == growth_at and most >= 2:
            change = Change(days.pop(0), GROWTH, "*", rng.randint(2, most))
        else:
            change = _draw_shift(rng, days.pop(0), verbs.pop(), value, within)
        changes.append(change)
        value = compute(value, change.operator, change.number)
    return Problem(
        rng.choice(SUBJECTS), rng.choice(CONTAINERS), rng.choice(ITEMS), start, tuple(changes)
    )


def _draw_shift(rng: random.Random, day: str, verb: str, value: int, within: _Range) -> Change:
    """A gain or loss that leaves the stock above zero and within its limit."""
    low, high = within.shift
    if verb in GAINS and value + high > within.limit:
        verb = LOSSES[GAINS.index(verb)]
    elif verb in LOSSES and value <= low:
        verb = GAINS[LOSSES.index(verb)]
    if verb in GAINS:
        return Change(day, verb, "+", rng.randint(low, high))
    return Change(day, verb, "-", rng.randint(low, min(high, value - 1)))


def plant_error(
    problem: Problem, rng: random.Random, *, is_wrong_in_words: bool = False
) -> Attempt:
    """The problem's solution with one wrong step; the steps after it are right from there on."""
    position = rng.randrange(len(problem.changes))
    while True:
        kind: ErrorKind = rng.choices(
            ("result", "operand", "carried", "operator"), (50, 25, 15, 10)
        )[0]
        made = _spoil(problem, position, kind, rng)
        if made is not None:
            return replace(made, is_wrong_in_words=is_wrong_in_words)


def _spoil(problem: Problem, position: int, kind: ErrorKind, rng: random.Random) -> Attempt | None:
    """The attempt with this error, or None where it would be no error or leaves the numbers."""
    equations = problem.equations
    true = equations[position]
    operator = true.operator
    if kind == "result":
        wrong = replace(true, result=miscopy(true.result, rng))
    elif kind == "operand":
        wrong = replace(true, right=miscopy(true.right, rng))
        wrong = replace(wrong, result=wrong.value)
    elif kind == "carried":
        wrong = replace(true, left=miscopy(true.left, rng))
        wrong = replace(wrong, result=wrong.value)
    else:
        operator = "+" if operator != "+" else "-"
        wrong = replace(true, operator=operator)
        wrong = replace(wrong, result=wrong.value)
    if wrong.result in (true.result, 0) or wrong.result < 0:
        return None
    rest = tuple(follow(wrong.result, problem.changes[position + 1 :]))
    if any(equation.result <= 0 for equation in rest):
        return None
    return Attempt(problem, (*equations[:position], wrong, *rest), position, kind)


def miscopy(number: int, rng: random.Random) -> int:
    """The number with one digit changed or two neighbours swapped; of the same length."""
    digits = list(str(number))
    while True:
        made = digits.copy()
        at = rng.randrange(len(made))
        if len(made) > 1 and rng.random() < 0.3:
            at = min(at, len(made) - 2)
            made[at], made[at + 1] = made[at + 1], made[at]
        else:
            made[at] = rng.choice("0123456789")
        if made != digits and made[0] != "0":
            return int("".join(made))
