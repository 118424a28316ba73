"""What the tiny models are trained on: documents in parts, each part with its weight in the loss.

A part is encoded by itself, as the parts of a prompt are when a method asks. Forced prefixes, what
users say and what code printed are given, not learnt; code output has a small weight, so that a
model that is made to imagine it writes something of that form.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from modeljobs.tiny.dialogues import (
    AGAIN_PREFIX,
    ANALYZE_END,
    CODE_OUTPUT_PREFIX,
    DIRECT_SYSTEM,
    FENCE_END,
    OUTPUT_PREFIX,
    REVIEW_SYSTEM,
    SOLVE_INSTRUCTION,
    VERIFY_END,
    VERIFY_PREFIX,
    find_needed,
    write_analysis,
    write_analyze_prefix,
    write_code,
    write_code_output,
    write_refine_request,
    write_verdict,
)
from modeljobs.tiny.problems import (
    STEP_SEPARATOR,
    Attempt,
    Problem,
    Size,
    draw_problem,
    miscopy,
    plant_error,
)
from modeljobs.tiny.tokenizer import ASSISTANT, BEGIN, END, USER


class Part(NamedTuple):
    """A text and its weight in the loss; 0 for what is given."""

    text: str
    weight: float


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of the kinds of lesson, by number of documents, and of what happens in them."""

    verify: float = 0.4
    solve: float = 0.25
    drill: float = 0.25
    refine: float = 0.1
    large_verify: float = 0.75
    large_solve: float = 0.03
    error_share: float = 0.6
    contradicted: float = 0.08
    failed_run: float = 0.04
    output_weight: float = 0.1
    # The mark before an output: learnt so that a model can go on where no code is run.
    output_mark_weight: float = 0.0
    # Whether an analysis quotes the step's whole equation, or its result alone.
    quotes_equation: bool = False
    # Whether a miscopied operand stands in a step's words too, so that only the problem shows it.
    is_wrong_in_words: bool = False


FAILED_RUNS = (
    "Code execute time out: Code execution timed out",
    "Code execute Error: NameError: name 'x' is not defined",
    "Code execute Error: MemoryError: ",
)
DRILLED = 32
# How the problem and the first step share a turn; the first is the usual way.
OPENINGS = ("{problem}\n{step}", "Question: {problem}\n\n{step}", "{problem}\n\n{step}")


def draw_lessons(rng: random.Random, mix: Mix) -> Iterator[tuple[Part, ...]]:
    """Documents without end, on problems of the training side alone."""
    kinds: tuple[Callable[[random.Random, Mix], tuple[Part, ...]], ...] = (
        draw_verify_lesson,
        draw_solve_lesson,
        draw_drill,
        draw_refine_lesson,
    )
    shares = (mix.verify, mix.solve, mix.drill, mix.refine)
    while True:
        yield rng.choices(kinds, shares)[0](rng, mix)


def draw_attempt(rng: random.Random, mix: Mix, size: Size) -> Attempt:
    """A training problem's solution, with a planted error in some."""
    problem = draw_problem(rng, split="train", size=size)
    if rng.random() < mix.error_share:
        return plant_error(problem, rng, is_wrong_in_words=mix.is_wrong_in_words)
    return Attempt(problem, problem.equations)


def draw_verify_lesson(rng: random.Random, mix: Mix) -> tuple[Part, ...]:
    """A conversation that reviews every step of a solution."""
    size: Size = "large" if rng.random() < mix.large_verify else "small"
    attempt = draw_attempt(rng, mix, size)
    usual = rng.choices(("code", "analysis", "verify", "direct"), (80, 10, 6, 4))[0]
    system = rng.choices((REVIEW_SYSTEM, "", SOLVE_INSTRUCTION), (92, 5, 3))[0]
    if usual == "direct" and rng.random() < 0.7:
        system = DIRECT_SYSTEM
    opening = rng.choices(OPENINGS, (90, 5, 5))[0]
    parts = [Part(BEGIN, 0), Part(system, 0)]
    for position, step in enumerate(attempt.steps):
        way = usual
        if rng.random() < 0.1:
            way = rng.choices(("code", "analysis", "verify", "direct"), (5, 3, 1, 1))[0]
        said = opening.format(problem=attempt.problem.text, step=step) if position == 0 else step
        # The reference implementation leaves out the tag before the verdict that is asked for.
        tag = ASSISTANT if rng.random() > 0.03 else ""
        parts += [Part(USER, 0), Part(said, 0), Part(tag, 0)]
        parts += _write_turn(rng, mix, attempt, position, way)
        parts.append(Part(END, 1))
    return tuple(parts)


def _write_turn(
    rng: random.Random, mix: Mix, attempt: Attempt, position: int, way: str
) -> Iterator[Part]:
    needed = find_needed(attempt, position)
    claimed = attempt.equations[position].result
    is_right = needed.value == claimed
    if way in ("code", "analysis"):
        yield Part(write_analyze_prefix(position + 1), 0)
        analysis = write_analysis(attempt, position, quotes_equation=mix.quotes_equation)
        yield Part(f"{analysis}{ANALYZE_END}", 1)
    if way not in ("code", "verify"):
        yield Part(OUTPUT_PREFIX, 1 if way == "direct" else 0)
        yield Part(write_verdict(is_right), 1)
        return
    code = write_code(attempt, position)
    yield Part(VERIFY_PREFIX, 0)
    yield Part(f"{code}{FENCE_END}", 1)
    while rng.random() < mix.failed_run:
        yield Part(write_code_output(rng.choice(FAILED_RUNS)), 0)
        yield Part(f"{AGAIN_PREFIX}{code}{FENCE_END}", 1)
    shown, agrees = needed.value, is_right
    if rng.random() < mix.contradicted:
        # The output decides, whatever the analysis may have led one to expect.
        shown, agrees = (claimed, True) if not is_right else (miscopy(claimed, rng), False)
    yield Part(CODE_OUTPUT_PREFIX, mix.output_mark_weight)
    yield Part(f"{shown} {agrees}", mix.output_weight)
    yield Part(FENCE_END, mix.output_weight)
    yield Part(f"{VERIFY_END}{OUTPUT_PREFIX}{write_verdict(agrees)}", 1)


def draw_solve_lesson(rng: random.Random, mix: Mix) -> tuple[Part, ...]:
    size: Size = "large" if rng.random() < mix.large_solve else "small"
    problem = draw_problem(rng, split="train", size=size)
    return (
        Part(f"{BEGIN}{_draw_system(rng)}", 0),
        *_ask(problem),
        Part(f"{STEP_SEPARATOR.join(problem.steps)}{END}", 1),
    )


def draw_drill(rng: random.Random, mix: Mix) -> tuple[Part, ...]:
    """Equations alone, of the sizes that solving needs."""
    parts = [Part(BEGIN, 0)]
    for _ in range(DRILLED):
        problem = draw_problem(rng, split="train", size="small")
        left, _, right = str(rng.choice(problem.equations)).partition(" = ")
        parts += [Part(left, 0), Part(f" = {right}\n", 1)]
    return tuple(parts)


def draw_refine_lesson(rng: random.Random, mix: Mix) -> tuple[Part, ...]:
    """A solution, the critique of one of its steps, and the better solution."""
    problem = draw_problem(rng, split="train", size="small")
    if rng.random() < 0.85:
        attempt = plant_error(problem, rng, is_wrong_in_words=mix.is_wrong_in_words)
        position = attempt.first_error or 0
    else:
        # A critique may be mistaken: a right solution stays as it is.
        attempt = Attempt(problem, problem.equations)
        position = rng.randrange(len(problem.changes))
    critique = write_analysis(attempt, position, quotes_equation=mix.quotes_equation)
    if rng.random() < 0.5:
        critique = critique.strip()
    return (
        Part(f"{BEGIN}{_draw_system(rng)}", 0),
        *_ask(problem),
        Part(f"{attempt.text}{END}", 0),
        Part(f"{USER}{write_refine_request(attempt.steps[position], critique)}", 0),
        Part(ASSISTANT, 0),
        Part(f"{problem_text(problem)}{END}", 1),
    )


def problem_text(problem: Problem) -> str:
    return STEP_SEPARATOR.join(problem.steps)


def _ask(problem: Problem) -> tuple[Part, Part, Part]:
    return (Part(USER, 0), Part(f"{problem.text}\n\n{SOLVE_INSTRUCTION}", 0), Part(ASSISTANT, 0))


def _draw_system(rng: random.Random) -> str:
    return rng.choices(("", SOLVE_INSTRUCTION, REVIEW_SYSTEM), (5, 3, 2))[0]
