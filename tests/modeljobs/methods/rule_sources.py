"""Correct solutions in numbers, made by rule, for what is tried on many."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modeljobs.tiny.problems import GAINS, Equation, Problem, draw_problem

DEMO = Path(__file__).resolve().parents[3] / "labeling" / "demo" / "problems.json"
# How a solution writes its formulas: not at all, between dollars, between brackets.
STYLES = (("", ""), ("$", "$"), (r"\(", r"\)"))


@dataclass(frozen=True, slots=True)
class Chain:
    """A problem, a correct solution of it, and another one where there is one."""

    name: str
    question: str
    steps: tuple[str, ...]
    other: tuple[str, ...] = ()


def make_chains(count: int, *, seed: int = 0) -> list[Chain]:
    """The demo's correct solutions, and generated ones up to the count, in all styles."""
    chains = [*read_demo()][:count]
    number = 0
    while len(chains) < count:
        chains.append(generate_chain(f"{seed}:{number}"))
        number += 1
    return chains


def read_demo() -> Iterator[Chain]:
    """The demo's problems with a reference solution, and as the other one the first that is right
    from start to end.
    """
    for row in json.loads(DEMO.read_text(encoding="utf-8"))["problems"]:
        right = [each for each in row["solutions"] if each["first_error"] is None]
        yield Chain(
            row["id"],
            row["problem"],
            tuple(row["reference_solution_steps"]),
            tuple(step if isinstance(step, str) else step["text"] for step in right[0]["steps"])
            if right
            else (),
        )


def generate_chain(seed: str) -> Chain:
    rng = random.Random(seed)
    problem = draw_problem(rng, split="train", size=rng.choice(["small", "large"]))
    opening, closing = rng.choice(STYLES)
    times = r"\cdot" if opening else "*"

    def write(step: str, equations: tuple[Equation, ...]) -> str:
        for equation in equations:
            formula = f"{opening}{equation}{closing}".replace("*", times)
            step = step.replace(str(equation), formula)
        if opening:
            step = step.replace(r"\boxed", f"{opening}\\boxed").replace("}.", f"}}{closing}.")
        return step

    steps = tuple(
        write(step, (equation,))
        for step, equation in zip(problem.steps, problem.equations, strict=True)
    )
    other = tuple(write(step, found) for step, found in solve_by_totals(problem))
    return Chain(f"made-{seed}", problem.text, steps, other)


def solve_by_totals(problem: Problem) -> list[tuple[str, tuple[Equation, ...]]]:
    """All gains first, then all losses: right where nothing multiplies the stock on the way.

    Each step with the equations in it; none where this way is not open, or is the same as the
    other.
    """
    start, changes = problem.start, problem.changes
    steps: list[tuple[str, tuple[Equation, ...]]] = []
    if not changes[0].verb:
        first = Equation(start, "*", changes[0].number, start * changes[0].number)
        steps.append((f"In the beginning there are {first} {problem.item}.", (first,)))
        start, changes = first.result, changes[1:]
    gains = [change.number for change in changes if change.verb in GAINS]
    losses = [change.number for change in changes if change.verb not in GAINS]
    if any(change.operator == "*" for change in changes) or min(len(gains), len(losses)) < 1:
        return []
    value = start
    for word, sign, numbers in (("comes in", "+", gains), ("goes out", "-", losses)):
        total = numbers[0]
        for number in numbers[1:]:
            made = Equation(total, "+", number, total + number)
            steps.append((f"What {word} adds up to {made} so far.", (made,)))
            total = made.result
        after = value + total if sign == "+" else value - total
        made = Equation(value, "+" if sign == "+" else "-", total, after)
        steps.append((f"With what {word} there are {made} {problem.item}.", (made,)))
        value = after
    last, found = steps[-1]
    steps[-1] = (f"{last} The answer is \\boxed{{{value}}}.", found)
    return steps
