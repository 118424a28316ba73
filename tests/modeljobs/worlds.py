"""A project with solutions and a job on them: small, so that a test says what it depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from labeling.models import Project, Solution, User
from modeljobs.models import Engine, JobItem, ModelJob
from modeljobs.services.engines import ensure_scripted_engine
from modeljobs.services.jobs import create_job, start
from tests.labeling.factories import make_project, make_solution, make_user

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
TTL = timedelta(seconds=120)
# Rates of the scripted engine at which every reply can be read.
FLAWLESS = {
    "seed": 1,
    "malformed_rate": 0.0,
    "off_by_one_rate": 0.0,
    "fence_rate": 0.0,
    "raw_backslash_rate": 0.0,
    "drift_rate": 0.0,
}


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, start: datetime = NOON) -> None:
        self.time = start

    def __call__(self) -> datetime:
        return self.time

    def move(self, **by: float) -> datetime:
        self.time += timedelta(**by)
        return self.time


@dataclass(frozen=True, slots=True)
class World:
    """alice leads a project whose solutions a scripted engine is to injure."""

    alice: User
    project: Project
    engine: Engine
    solutions: tuple[Solution, ...]

    def make_job(self, **changes: Any) -> ModelJob:
        """A started job, one item per solution, unless `changes` to create_job say otherwise."""
        return start(job=self.draft_job(**changes), by=self.alice, now=NOON)

    def draft_job(
        self,
        *,
        parameters: Mapping[str, Any] | None = None,
        error_types: Sequence[str] = ("deception",),
        **changes: Any,
    ) -> ModelJob:
        given: dict[str, Any] = {
            "project": self.project,
            "engine": self.engine,
            "method": "injection",
            "parameters": {"error_types": list(error_types), **(parameters or {})},
            "seed": 7,
            "selection": {},
            "by": self.alice,
        }
        return create_job(**(given | changes))


def make_world(*, solutions: int = 3, engine_options: Mapping[str, Any] | None = None) -> World:
    """The world, in whatever database the test uses."""
    alice = make_user("alice")
    project = make_project(alice)
    engine = ensure_scripted_engine()
    engine.options = dict(FLAWLESS if engine_options is None else engine_options)
    engine.save()
    rows = tuple(
        make_solution(
            project,
            f"s{number}",
            question=f"What is ${number}+{number}$?",
            steps=(
                f"We add ${number}+{number}={2 * number}$.",
                f"So the answer is $\\boxed{{{2 * number}}}$.",
            ),
            final_answer_correct=True,
        )
        for number in range(2, solutions + 2)
    )
    return World(alice, project, engine, rows)


def count_states(job: ModelJob) -> dict[str, int]:
    """How many items of the job are in each state."""
    states = JobItem.objects.filter(job=job).order_by("state").values_list("state", flat=True)
    counts: dict[str, int] = {}
    for state in states:
        counts[state] = counts.get(state, 0) + 1
    return counts
