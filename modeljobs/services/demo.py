"""The machine side of the demo project: generated arithmetic, and jobs that show what jobs do."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

from labeling import records
from labeling.models import Project, Source, User
from labeling.services.demo import SEED
from labeling.services.demo import SOURCE as PROBLEMS
from labeling.services.importing import ImportOptions, store_records
from labeling.services.projects import ensure_source
from modeljobs.models import ModelJob
from modeljobs.services.engines import ensure_scripted_engine, ensure_tiny_engine
from modeljobs.services.jobs import create_job, start
from modeljobs.tiny.problems import Attempt, Size, draw_problem, plant_error

ARITHMETIC = "Generated arithmetic"
N_ATTEMPTS = 16
# Small enough for the tiny model to solve by itself: only then do rollouts say anything.
SUMS = "Generated sums"
N_SUMS = 8
INJECTED_SOLUTIONS = 4
INJECTED_TYPES = ("redundency", "confidence", "step_contradiction")
SAMPLES = 4
ROLLOUTS = 16


def start_demo_jobs(*, project: Project, lead: User) -> None:
    """Three small jobs for the worker: GenPRM and rollouts by the shipped tiny model, injection by
    the script.

    Called once, for a demo project that has just been loaded.
    """
    _store_attempts(project, lead, ARITHMETIC, draw_attempts(N_ATTEMPTS))
    sums = draw_attempts(N_SUMS, size="small")
    # People are asked about those that rollouts leave open, once somebody sends them.
    _store_attempts(project, lead, SUMS, sums, enqueue=False)
    start(job=_create_genprm_job(project, lead), by=lead)
    start(job=_create_rpe_job(project, lead), by=lead)
    start(job=_create_injection_job(project, lead), by=lead)


def draw_attempts(count: int, *, seed: int = SEED, size: Size = "large") -> Iterator[Attempt]:
    """Solutions of problems that the tiny models never saw; every other one has a wrong step."""
    rng = random.Random(seed)  # noqa: S311 - a fixed order, not a secret
    for index in range(count):
        problem = draw_problem(rng, split="held_out", size=size)
        yield plant_error(problem, rng) if index % 2 else Attempt(problem, problem.equations)


def build_record(attempt: Attempt, key: str) -> records.Solution:
    """The attempt as a record without labels: those are for people and models to give."""
    problem = attempt.problem
    return records.Solution(
        problem=records.Problem(
            text=problem.text,
            source_id=key,
            reference_answer=str(problem.answer),
            domain="arithmetic",
        ),
        steps=tuple(records.Step(text) for text in attempt.steps),
        source_id=key,
        generator="a generator of problems",
        final_answer=str(attempt.answer),
        final_answer_correct=attempt.answer == problem.answer,
    )


def _store_attempts(
    project: Project, lead: User, name: str, attempts: Iterable[Attempt], *, enqueue: bool = True
) -> None:
    source = ensure_source(
        project=project,
        name=name,
        by=lead,
        licence="Apache-2.0",
        redistribution=Source.Redistribution.ALLOWED,
    )
    store_records(
        project=project,
        source=source,
        items=(
            build_record(attempt, f"{name.rpartition(' ')[2]}-{number}")
            for number, attempt in enumerate(attempts, start=1)
        ),
        options=ImportOptions(producer="demo", enqueue=enqueue),
    )


def _create_genprm_job(project: Project, lead: User) -> ModelJob:
    return create_job(
        project=project,
        engine=ensure_tiny_engine(),
        method="genprm",
        parameters={"samples": SAMPLES, "early_stop": False},
        seed=SEED,
        selection={"source": ARITHMETIC, "correct_only": False},
        by=lead,
    )


def _create_rpe_job(project: Project, lead: User) -> ModelJob:
    return create_job(
        project=project,
        engine=ensure_tiny_engine(),
        method="rpe",
        # The tiny model knows neither system messages nor numbered steps.
        parameters={
            "template": "plain",
            "instruction_place": "user",
            "plan": "fixed",
            "samples": ROLLOUTS,
            "start_samples": ROLLOUTS,
            "max_tokens": 256,
        },
        seed=SEED,
        selection={"source": SUMS, "correct_only": False},
        by=lead,
    )


def _create_injection_job(project: Project, lead: User) -> ModelJob:
    return create_job(
        project=project,
        engine=ensure_scripted_engine(),
        method="injection",
        parameters={"error_types": list(INJECTED_TYPES)},
        seed=SEED,
        selection={
            "source": PROBLEMS,
            "correct_only": True,
            "limit": INJECTED_SOLUTIONS,
            "shuffle": True,
        },
        by=lead,
    )
