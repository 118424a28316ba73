"""Examines an engine on held-out problems: verifying by GenPRM's protocol, solving, refining.

The protocol is played here in its plainest form, for the model cards and the tests; code is run by
an evaluator of sums alone, since that is all the tiny models write.
"""

from __future__ import annotations

import ast
import asyncio
import math
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from modeljobs.engines.base import (
    Completion,
    CompletionRequest,
    Engine,
    Message,
    Piece,
    SamplingSettings,
)
from modeljobs.tiny.dialogues import (
    ANALYZE_END,
    CODE_OUTPUT_PREFIX,
    FENCE_END,
    OUTPUT_END,
    OUTPUT_PREFIX,
    REVIEW_SYSTEM,
    VERIFY_PREFIX,
    write_analysis,
    write_analyze_prefix,
    write_code_output,
    write_refine_request,
    write_solve_request,
)
from modeljobs.tiny.problems import Attempt, Equation, Problem, Size, draw_problem, plant_error
from modeljobs.tiny.tokenizer import ASSISTANT, BEGIN, END, USER

Mode = Literal["code", "code_imagined", "analysis", "direct"]

CODE_ROUNDS = 3
STEP_TOKENS = 200
SOLUTION_TOKENS = 300


@dataclass(frozen=True, slots=True)
class ReviewScore:
    """ProcessBench's measure: the share of first errors found, of right solutions left alone, and
    their harmonic mean; and the mean of P(Yes) over right and over wrong steps.
    """

    error_accuracy: float
    correct_accuracy: float
    solutions: int

    @property
    def f1(self) -> float:
        total = self.error_accuracy + self.correct_accuracy
        return 2 * self.error_accuracy * self.correct_accuracy / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """An examination's figures, shares between 0 and 1: of answers that are right, of equations
    that are true, of wrong solutions that a critique mends.
    """

    solutions: int
    reviews: Mapping[Mode, ReviewScore]
    problems: int
    solved: float
    equations_right: float
    refined: float


@dataclass(frozen=True, slots=True)
class StepReview:
    """What an engine said of a step; P(Yes) is None where none could be read."""

    p_yes: float | None
    turn: str
    code: str = ""
    output: str = ""


def draw_held_out(seed: int, count: int, size: Size) -> list[Attempt]:
    """Held-out solutions, by turns with one planted error and with none."""
    rng = random.Random(seed)  # noqa: S311 (not a secret)
    attempts = []
    for index in range(count):
        problem = draw_problem(rng, split="held_out", size=size)
        if index % 2:
            attempts.append(plant_error(problem, rng))
        else:
            attempts.append(Attempt(problem, problem.equations))
    return attempts


async def review_attempt(
    engine: Engine, attempt: Attempt, *, mode: Mode, key: str, seed: int, temperature: float = 0.6
) -> list[StepReview]:
    """The verdicts on a solution's steps, up to the first wrong one."""
    history = [Piece(BEGIN), Piece(REVIEW_SYSTEM)]
    reviews: list[StepReview] = []
    for position, step in enumerate(attempt.steps):
        said = f"{attempt.problem.text}\n{step}" if position == 0 else step
        history += [Piece(USER), Piece(said), Piece(ASSISTANT)]
        turn = _Turn(engine, tuple(history), f"{key}:{position}", seed, temperature)
        review = await turn.play(mode, position + 1)
        reviews.append(review)
        if review.p_yes is None or review.p_yes < 0.5:
            break
        history += [*turn.made, Piece(END)]
    return reviews


class _Turn:
    """One verdict in the making."""

    def __init__(
        self,
        engine: Engine,
        history: tuple[Piece, ...],
        key: str,
        seed: int,
        temperature: float,
    ) -> None:
        self._engine = engine
        self._history = history
        self._key = key
        self._seed = seed
        self._temperature = temperature
        self._calls = 0
        self.made: list[Piece] = []

    async def play(self, mode: Mode, number: int) -> StepReview:
        code = output = ""
        if mode != "direct":
            self.made.append(Piece(write_analyze_prefix(number)))
            await self._ask(ANALYZE_END)
            self.made.append(Piece(ANALYZE_END))
        if mode in ("direct", "analysis"):
            self.made.append(Piece(OUTPUT_PREFIX))
            return await self._conclude("", "")
        self.made.append(Piece(VERIFY_PREFIX))
        for _ in range(CODE_ROUNDS):
            said = await self._ask(FENCE_END)
            self.made.append(Piece(FENCE_END))
            code = said.text.rpartition("```python\n")[2]
            if mode == "code_imagined":
                self.made.append(Piece(CODE_OUTPUT_PREFIX))
                break
            output = run_arithmetic(code)
            self.made.append(Piece(write_code_output(output)))
            if not output.startswith("Code "):
                break
        return await self._conclude(code, output)

    async def _conclude(self, code: str, output: str) -> StepReview:
        last = await self._ask(OUTPUT_END)
        self.made.append(Piece(OUTPUT_END))
        text = "".join([piece.text for piece in self.made])
        return StepReview(_read_p_yes(last), text, code, output)

    async def _ask(self, stop: str) -> Completion:
        self._calls += 1
        request = CompletionRequest.of_pieces(
            f"{self._key}:{self._calls}",
            (*self._history, *self.made),
            sampling=SamplingSettings(
                temperature=self._temperature,
                top_p=0.95,
                top_k=20,
                max_tokens=STEP_TOKENS,
                seed=self._seed,
                stop=(stop,),
                logprobs=20,
            ),
        )
        said = (await self._engine.complete(request)).completions[0]
        self.made.append(Piece(said.text, said.token_ids))
        return said


async def score_reviews(
    engine: Engine, attempts: Sequence[Attempt], *, mode: Mode, seed: int, at_a_time: int = 32
) -> tuple[ReviewScore, list[list[StepReview]]]:
    """First-error accuracy over attempts with and without an error; the reviews beside it."""
    slots = asyncio.Semaphore(at_a_time)

    async def review(index: int, attempt: Attempt) -> list[StepReview]:
        async with slots:
            return await review_attempt(
                engine, attempt, mode=mode, key=f"{mode}:{index}", seed=seed + index
            )

    reviews = await asyncio.gather(*(review(i, one) for i, one in enumerate(attempts)))
    hits: dict[bool, list[bool]] = {True: [], False: []}
    for attempt, steps in zip(attempts, reviews, strict=True):
        wrong = [i for i, one in enumerate(steps) if one.p_yes is not None and one.p_yes < 0.5]
        is_read = all(one.p_yes is not None for one in steps)
        found = wrong[0] if wrong else None
        has_error = attempt.first_error is not None
        hits[has_error].append(is_read and found == attempt.first_error)
    return ReviewScore(_mean(hits[True]), _mean(hits[False]), len(attempts)), list(reviews)


async def solve(
    engine: Engine, problem: Problem, *, key: str, seed: int, temperature: float = 0.7
) -> str:
    """The engine's solution of a problem."""
    messages = (Message("user", write_solve_request(problem.text)),)
    return await _chat(engine, messages, key, seed, temperature)


async def refine(
    engine: Engine,
    attempt_text: str,
    problem: Problem,
    *,
    step: str,
    critique: str,
    key: str,
    seed: int,
    temperature: float = 0.7,
) -> str:
    """The engine's better solution after the critique of a step."""
    messages = (
        Message("user", write_solve_request(problem.text)),
        Message("assistant", attempt_text),
        Message("user", write_refine_request(step, critique)),
    )
    return await _chat(engine, messages, key, seed, temperature)


async def _chat(
    engine: Engine, messages: tuple[Message, ...], key: str, seed: int, temperature: float
) -> str:
    request = CompletionRequest(
        key,
        messages=messages,
        sampling=SamplingSettings(
            temperature=temperature, max_tokens=SOLUTION_TOKENS, seed=seed, top_p=0.95
        ),
    )
    return (await engine.complete(request)).completions[0].text


async def take_exam(
    engine: Engine,
    *,
    seed: int,
    size: int,
    modes: Sequence[Mode] = ("code", "code_imagined", "analysis", "direct"),
) -> Report:
    """All of it, on `size` held-out solutions and as many problems to solve and to mend."""
    attempts = draw_held_out(seed, size, "large")
    reviews = {
        mode: (await score_reviews(engine, attempts, mode=mode, seed=seed))[0] for mode in modes
    }
    rng = random.Random(seed + 1)  # noqa: S311 (not a secret)
    problems = [draw_problem(rng, split="held_out", size="small") for _ in range(size)]
    solutions = await asyncio.gather(
        *(solve(engine, one, key=f"solve:{i}", seed=seed + i) for i, one in enumerate(problems))
    )
    equations = [one for solution in solutions for one in find_equations(solution)]
    wrong = [plant_error(one, rng) for one in problems]
    mended = await asyncio.gather(
        *(
            refine(
                engine,
                attempt.text,
                attempt.problem,
                step=attempt.steps[attempt.first_error or 0],
                critique=write_analysis(attempt, attempt.first_error or 0),
                key=f"refine:{i}",
                seed=seed + i,
            )
            for i, attempt in enumerate(wrong)
        )
    )
    return Report(
        solutions=size,
        reviews=reviews,
        problems=size,
        solved=_mean(
            [read_answer(s) == p.answer for s, p in zip(solutions, problems, strict=True)]
        ),
        equations_right=_mean([one.value == one.result for one in equations]),
        refined=_mean([read_answer(s) == p.answer for s, p in zip(mended, problems, strict=True)]),
    )


def find_equations(text: str) -> list[Equation]:
    """The equations that a solution states, true or not."""
    found = re.findall(r"(\d+) ([-+*]) (\d+) = (\d+)", text)
    return [Equation(int(a), operator, int(b), int(c)) for a, operator, b, c in found]


def read_answer(text: str) -> int | None:
    """The number in the last box of a solution, or None."""
    found = re.findall(r"\\boxed\{(\d+)\}", text)
    return int(found[-1]) if found else None


def run_arithmetic(code: str) -> str:
    """What a block of assignments, sums and prints writes, in the words of the protocol."""
    names: dict[str, int | bool] = {}
    lines: list[str] = []
    try:
        for statement in ast.parse(code).body:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    names[name] = _evaluate(value, names)
                case ast.Expr(value=ast.Call(func=ast.Name(id="print"), args=args, keywords=[])):
                    lines.append(" ".join([str(_evaluate(one, names)) for one in args]))
                case _:
                    raise SyntaxError("only sums are run here")
    except (SyntaxError, ValueError, NameError) as error:
        return f"Code execute Error: {type(error).__name__}: {error}"
    return "\n".join(lines)


OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: int.__add__,
    ast.Sub: int.__sub__,
    ast.Mult: int.__mul__,
}


def _evaluate(node: ast.expr, names: dict[str, int | bool]) -> int | bool:
    match node:
        case ast.Constant(value=int(value)):
            return value
        case ast.Name(id=name):
            if name not in names:
                raise NameError(f"name {name!r} is not defined")
            return names[name]
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in OPERATORS:
            return OPERATORS[type(operator)](_evaluate(left, names), _evaluate(right, names))
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]):
            return _evaluate(left, names) == _evaluate(right, names)
    raise SyntaxError("only sums are run here")


def _read_p_yes(completion: Completion) -> float | None:
    """P(Yes) against P(No) at the verdict's token."""
    for token in completion.logprobs or ():
        if token.token in ("Yes", "No"):
            yes = math.exp(token.top.get("Yes", -math.inf))
            no = math.exp(token.top.get("No", -math.inf))
            return yes / (yes + no) if yes + no else None
    return None


def _mean(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits) if hits else math.nan
