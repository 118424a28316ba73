"""The machine side of the demo project: generated arithmetic, and jobs that show what jobs do."""

from __future__ import annotations

import random
from collections.abc import Iterator

from labeling import records
from labeling.models import Project, Source, User
from labeling.services.demo import SEED
from labeling.services.demo import SOURCE as PROBLEMS
from labeling.services.importing import ImportOptions, store_records
from labeling.services.projects import ensure_source
from modeljobs.models import ModelJob
from modeljobs.services.engines import ensure_scripted_engine, ensure_tiny_engine
from modeljobs.services.jobs import create_job, start
from modeljobs.tiny.problems import Attempt, draw_problem, plant_error

ARITHMETIC = "Generated arithmetic"
N_ATTEMPTS = 16
INJECTED_SOLUTIONS = 4
INJECTED_TYPES = ("redundency", "confidence", "step_contradiction")
SAMPLES = 4


def start_demo_jobs(*, project: Project, lead: User) -> None:
    """Two small jobs for the worker: GenPRM by the shipped tiny model, injection by the script.

    Called once, for a demo project that has just been loaded.
    """
    _store_arithmetic(project, lead)
    start(job=_create_genprm_job(project, lead), by=lead)
    start(job=_create_injection_job(project, lead), by=lead)


def draw_attempts(count: int, *, seed: int = SEED) -> Iterator[Attempt]:
    """Solutions of problems that the tiny models never saw; every other one has a wrong step."""
    rng = random.Random(seed)  # noqa: S311 - a fixed order, not a secret
    for index in range(count):
        problem = draw_problem(rng, split="held_out", size="large")
        yield plant_error(problem, rng) if index % 2 else Attempt(problem, problem.equations)


def build_record(attempt: Attempt, number: int) -> records.Solution:
    """The attempt as a record without labels: those are for people and models to give."""
    problem = attempt.problem
    return records.Solution(
        problem=records.Problem(
            text=problem.text,
            source_id=f"arithmetic-{number}",
            reference_answer=str(problem.answer),
            domain="arithmetic",
        ),
        steps=tuple(records.Step(text) for text in attempt.steps),
        source_id=f"arithmetic-{number}",
        generator="a generator of problems",
        final_answer=str(attempt.answer),
        final_answer_correct=attempt.answer == problem.answer,
    )


def _store_arithmetic(project: Project, lead: User) -> Source:
    source = ensure_source(
        project=project,
        name=ARITHMETIC,
        by=lead,
        licence="Apache-2.0",
        redistribution=Source.Redistribution.ALLOWED,
    )
    store_records(
        project=project,
        source=source,
        items=(
            build_record(attempt, number)
            for number, attempt in enumerate(draw_attempts(N_ATTEMPTS), start=1)
        ),
        options=ImportOptions(producer="demo"),
    )
    return source


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
