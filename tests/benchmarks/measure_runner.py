"""`runner_cpu_ms_per_call`: what storing, leasing and waking cost, beside the method alone.

The real run on a real database, with an engine that answers at once: all that is left is the
workbench's own time. It is taken as processor time of all threads, so that neither the disk's
pauses nor other programs count.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from labeling.records import Problem, Solution, Step
from modeljobs.engines.base import (
    Capabilities,
    Completion,
    CompletionRequest,
    EngineReply,
    TokenLogprob,
)
from modeljobs.engines.options import validate_options
from modeljobs.methods.base import ItemInput
from modeljobs.methods.catalog import get_method
from tests.benchmarks.imitation import ANALYSIS, CONCLUSION, STEP_TOKENS, find_stage
from tests.benchmarks.job_figures import JobFigure
from tests.benchmarks.places import say, start_django
from tests.benchmarks.workload import SEED, WORDS, Sample, generate

ALTERNATIVES = 20
# Different replies of each kind, so that texts do not compress as if they were all the same.
VARIANTS = 64
# GenPRM without code: what its code costs is the sandbox's figure, and a process of its own.
SETTINGS: dict[str, Any] = {"verify": False, "early_stop": False}


@dataclass(frozen=True, slots=True)
class Running:
    """How much is run: solutions of 9 to 17 steps."""

    solutions: int


FULL = Running(100)
QUICK = Running(4)


def measure(size: Running) -> Iterator[JobFigure]:
    """Milliseconds of processor time for each call that the run makes and stores."""
    start_django()
    from modeljobs.runner import RunLimits, run_job

    job_id = prepare(size.solutions)
    engine = InstantEngine()
    # Once beforehand: what is imported and compiled on first use is not the run's.
    raw = spend_alone(size.solutions)
    raw = spend_alone(size.solutions)
    limits = RunLimits(items=size.solutions, seconds=3600.0)
    start, began = time.process_time(), time.perf_counter()
    report = run_job(
        job_id=job_id, worker="bench", limits=limits, make_engine=lambda snapshot: engine
    )
    spent, lasted = time.process_time() - start, time.perf_counter() - began
    if report.done != size.solutions:
        raise AssertionError(f"{report.done} of {size.solutions} items were done: {report.ended}.")
    say(f"{engine.calls} calls in {lasted:.1f} s, {engine.calls / lasted:.0f} a second.")
    value = 1000.0 * spent / engine.calls
    yield JobFigure(
        "runner_cpu_ms_per_call",
        value,
        "ms",
        raw=raw,
        ratio=value / raw,
        more={"calls": engine.calls, "solutions": size.solutions, "wall_s": lasted},
    )


def prepare(n: int) -> int:
    """A started job over `n` solutions of the workload; its id."""
    from labeling.models import User
    from modeljobs.services.engines import ensure_scripted_engine
    from modeljobs.services.jobs import create_job, start
    from tests.benchmarks.people import open_desk

    desk = open_desk(n, annotators=0)
    lead = User.objects.get(username="lead")
    job = create_job(
        project=desk.project,
        engine=ensure_scripted_engine(),
        method="genprm",
        parameters=SETTINGS,
        seed=SEED,
        selection={},
        by=lead,
    )
    return start(job=job, by=lead).pk


def spend_alone(n: int) -> float:
    """Milliseconds of processor time for each call of the method alone, storing nothing."""
    engine = InstantEngine()
    solutions = [build_solution(sample) for sample in generate(n)]
    start = time.process_time()
    asyncio.run(run_alone(solutions, engine))
    return 1000.0 * (time.process_time() - start) / engine.calls


async def run_alone(solutions: Sequence[Solution], engine: InstantEngine) -> None:
    """The method on each solution, one after the other."""
    method = get_method("genprm")
    settings = validate_options(method.parameters, SETTINGS)
    for number, solution in enumerate(solutions):
        item = ItemInput(key=f"{number}", solution=solution)
        events = method.run(item, engine=engine, settings=settings, rng_seed=SEED)
        async with aclosing(events) as stream:
            async for _ in stream:
                pass


def build_solution(sample: Sample) -> Solution:
    """A solution of the workload as a method sees it."""
    return Solution(
        problem=Problem(text=sample.problem),
        steps=tuple([Step(text=text) for text in sample.steps]),
    )


class InstantEngine:
    """Answers at once, as long as a model would, with as many alternatives as were asked for."""

    def __init__(self) -> None:
        draw = random.Random(SEED)
        self._replies = {
            kind: [write_reply(draw, kind, round(share * STEP_TOKENS)) for _ in range(VARIANTS)]
            for kind, share in KINDS.items()
        }
        self.calls = 0

    @property
    def name(self) -> str:
        return "instant"

    @property
    def revision(self) -> str:
        return "1"

    @property
    def is_scripted(self) -> bool:
        return True

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(logprobs=True, n=True, completions=True)

    def describe(self) -> dict[str, Any]:
        return {"kind": "instant", "name": self.name, "is_scripted": True}

    async def complete(self, request: CompletionRequest) -> EngineReply:
        """An analysis where one is opened, else the verdict."""
        self.calls += 1
        kind = "analysis" if find_stage(request.prompt or "").place == 0 else "verdict"
        reply = self._replies[kind][self.calls % VARIANTS]
        if request.sampling.logprobs is not None:
            return reply
        [completion] = reply.completions
        return replace(reply, completions=(replace(completion, logprobs=None),))

    async def aclose(self) -> None:
        """There is nothing to let go of."""


KINDS = {"analysis": ANALYSIS, "verdict": CONCLUSION}


def write_reply(draw: random.Random, kind: str, tokens: int) -> EngineReply:
    """A reply of so many tokens, a word each, with alternatives beside every one."""
    if kind == "analysis":
        words = [f"{draw.choice(WORDS)} " for _ in range(tokens - 2)] + ["\n</analyze>", "\n"]
    else:
        words = ["{", draw.choice(("Yes", "Yes", "Yes", "No")), "}", "$", "\n</output>", "\n"]
    logprobs = tuple([TokenLogprob(word, -0.1, draw_alternatives(draw, word)) for word in words])
    completion = Completion(
        "".join(words),
        finish_reason="stop",
        prompt_tokens=1000,
        completion_tokens=len(words),
        logprobs=logprobs,
    )
    return EngineReply(
        (completion,), model="instant", prompt_tokens=1000, completion_tokens=len(words)
    )


def draw_alternatives(draw: random.Random, word: str) -> dict[str, float]:
    """The likeliest tokens in a word's place, itself first."""
    others = {f"{other} ": -draw.uniform(2.0, 20.0) for other in draw.sample(WORDS, ALTERNATIVES)}
    if word in ("Yes", "No"):
        others["No" if word == "Yes" else "Yes"] = -2.5
    return {word: -0.1} | dict(list(others.items())[-ALTERNATIVES + 1 :])
