"""`genprm_first_error_f1`, `genprm_mean_at_8`, `genprm_no_execution_f1`: a real model's answers.

The shipped tiny verifier judges solutions of generated problems that it was never trained on, half
of them with one planted error, through the method, the engine and the sandbox that jobs use. The
numbers in the problems are too large for the model to compute: it has to write code. The score is
ProcessBench's, in percent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any

from labeling.metrics.intervals import BootstrapInterval
from labeling.records import At, FirstError, LabelSet, NoError, Problem, Solution, Step, Unknown
from modeljobs.engines.base import EnginePermanent
from modeljobs.engines.options import validate_options
from modeljobs.engines.tiny import TinyEngine, TinySettings
from modeljobs.evaluation.processbench import (
    Case,
    Difference,
    compare_f1,
    f1_bounds,
    find_first_error,
    score_first_errors,
)
from modeljobs.methods.base import Failed, ItemInput, Produced, StepChecked
from modeljobs.methods.catalog import get_method
from modeljobs.methods.code_runs import SessionCodeRunner
from modeljobs.sandbox.base import Sandbox
from modeljobs.sandbox.isolated import build_sandbox
from modeljobs.tiny.exam import draw_held_out
from modeljobs.tiny.problems import Attempt
from tests.benchmarks.job_figures import JobFigure
from tests.benchmarks.places import say
from tests.benchmarks.workload import SEED

CHECKPOINT = "better"
# Solutions at a time, and sequences that the model works on together.
AT_A_TIME = 16
SEQUENCES = 32
# Cheaper than a sample's whole trajectory, and all that a first error needs.
ONCE: dict[str, Any] = {"samples": 1, "early_stop": True}
# Every sample goes its own way to the end, so that each can be scored alone as well.
OFTEN: dict[str, Any] = {"early_stop": False}


@dataclass(frozen=True, slots=True)
class Judging:
    """How many solutions are judged once (with and without code run), and `samples` times."""

    once: int
    often: int
    samples: int = 8


FULL = Judging(once=300, often=80)
QUICK = Judging(once=2, often=2, samples=2)


@dataclass(frozen=True, slots=True)
class Review:
    """What came of one solution: the method's word, and each sample's own."""

    said: FirstError
    samples: tuple[FirstError, ...]


def measure(size: Judging) -> Iterator[JobFigure]:
    """F1 of one answer to each step, of the mean of eight, and of one whose code is not run."""
    attempts = draw_held_out(SEED, size.once, "large")
    judge = partial(judge_all, attempts)
    run = to_cases(attempts, asyncio.run(judge(ONCE)))
    yield make_figure("genprm_first_error_f1", run)
    imagined = to_cases(attempts, asyncio.run(judge(ONCE | {"execute": False})))
    yield make_figure("genprm_no_execution_f1", imagined, beside=run)
    few = attempts[: size.often]
    reviews = asyncio.run(judge_all(few, OFTEN | {"samples": size.samples}))
    singly = [
        Case(read_gold(attempt), review.samples)
        for attempt, review in zip(few, reviews, strict=True)
    ]
    yield make_figure("genprm_mean_at_8", to_cases(few, reviews), beside=singly)


def make_figure(name: str, cases: Sequence[Case], beside: Sequence[Case] = ()) -> JobFigure:
    """The score in percent, beside that of the same solutions judged in another way."""
    score = score_first_errors(cases)
    bounds = f1_bounds(cases)
    if score.f1 is None or bounds is None:
        raise AssertionError("A score needs solutions with an error and without.")
    more: dict[str, Any] = {
        "n": len(cases),
        "error_accuracy": percent(score.error_accuracy),
        "correct_accuracy": percent(score.correct_accuracy),
        "unread": score.n_unknown,
    }
    raw = ratio = None
    if beside:
        raw = percent(score_first_errors(beside).f1)
        ratio = None if not raw else 100.0 * score.f1 / raw
        more |= pack_difference(compare_f1(cases, beside, seed=SEED))
    low, high = bounds
    return JobFigure(
        name,
        100.0 * score.f1,
        "%",
        raw=raw,
        ratio=ratio,
        interval=(100.0 * low, 100.0 * high),
        more=more,
    )


def pack_difference(difference: Difference) -> dict[str, Any]:
    """The difference in percentage points, with its paired interval."""
    interval: BootstrapInterval = difference.interval
    return {
        "difference": percent(difference.value),
        "difference_interval": [percent(interval.low), percent(interval.high)],
    }


def percent(share: float | None) -> float | None:
    return None if share is None else float(f"{100.0 * share:.4g}")


def to_cases(attempts: Sequence[Attempt], reviews: Sequence[Review]) -> list[Case]:
    """What was said of each solution beside what was planted in it."""
    return [
        Case(read_gold(attempt), (review.said,))
        for attempt, review in zip(attempts, reviews, strict=True)
    ]


def read_gold(attempt: Attempt) -> FirstError:
    return NoError() if attempt.first_error is None else At(attempt.first_error)


# --- Judging --------------------------------------------------------------------------------------


async def judge_all(attempts: Sequence[Attempt], settings: Mapping[str, Any]) -> list[Review]:
    """Every solution, some of them at a time."""
    slots = asyncio.Semaphore(AT_A_TIME)
    engine = TinyEngine(TinySettings(checkpoint=CHECKPOINT, max_concurrency=SEQUENCES))
    say(f"Judging {len(attempts)} solutions: {dict(settings)} …")

    async def judge_in_turn(number: int, attempt: Attempt, sandbox: Sandbox) -> Review:
        async with slots:
            return await judge(number, attempt, engine, sandbox, settings)

    sandbox = build_sandbox()
    try:
        return await asyncio.gather(
            *[judge_in_turn(number, one, sandbox) for number, one in enumerate(attempts)]
        )
    finally:
        await sandbox.aclose()
        await engine.aclose()


async def judge(
    number: int,
    attempt: Attempt,
    engine: TinyEngine,
    sandbox: Sandbox,
    settings: Mapping[str, Any],
) -> Review:
    """One solution by the real method, each sample's code in a session of its own."""
    method = get_method("genprm")
    runner = SessionCodeRunner(sandbox)
    events = method.run(
        ItemInput(key=f"{number}", solution=build_solution(attempt)),
        engine=engine,
        settings=validate_options(method.parameters, settings),
        rng_seed=SEED,
        code=runner,
    )
    said: FirstError = Unknown("nothing was said")
    scores: list[list[float | None]] = [[] for _ in range(int(settings["samples"]))]
    try:
        async with aclosing(events) as stream:
            async for event in stream:
                match event:
                    case StepChecked(summary=summary):
                        for sample, score in zip(scores, summary["p_yes"], strict=True):
                            sample.append(score)
                    case Produced(product=LabelSet(first_error=first_error)):
                        said = first_error
                    case Failed(message=message):
                        said = Unknown(message)
    except EnginePermanent as error:
        # The conversation outgrew the model: nothing is known of this solution.
        said = Unknown(error.message)
    finally:
        await runner.aclose()
    n_steps = len(attempt.steps)
    return Review(
        said,
        tuple([find_first_error(sample, is_whole=len(sample) == n_steps) for sample in scores]),
    )


def build_solution(attempt: Attempt) -> Solution:
    """The attempt as a method sees it."""
    return Solution(
        problem=Problem(text=attempt.problem.text),
        steps=tuple([Step(text=text) for text in attempt.steps]),
    )
