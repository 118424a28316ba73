"""`relabel_1m_arrays_s` and `relabel_1m_database_s`: another epsilon over a million stored steps.

Counts of 64 rollouts are drawn step by step: most steps change nothing, one in five loses some of
the chance of success. They are inserted in bulk; then the labels are made under another epsilon,
once of arrays and once beginning with the rows in the database. No row is written: the sums of the
counts are compared before and after. `raw` is the driver's own cursor fetching the same rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.benchmarks.job_figures import JobFigure
from tests.benchmarks.places import say, start_django
from tests.benchmarks.workload import SEED

if TYPE_CHECKING:
    from modeljobs.models import ModelJob

STEPS = 8
ROLLOUTS = 64
# One step in five is a mistake, after which a random share of the chance is left.
MISTAKES = 0.2
REPEAT = 3


@dataclass(frozen=True, slots=True)
class Relabelling:
    """How many steps are stored, in solutions of eight."""

    steps: int


FULL = Relabelling(1_000_000)
QUICK = Relabelling(800)


def measure(size: Relabelling) -> Iterator[JobFigure]:
    """Seconds from arrays and from the database, each the best of a few."""
    start_django()
    from django.db import connection

    from modeljobs.methods.rpe_labels import LabelRule, label_counts
    from modeljobs.readings import build_statement, find_states, load_counts, read_table, tally

    job = prepare(size.steps // STEPS)
    sums = sum_counts()
    counts = load_counts(job)
    if len(counts.table.steps) != size.steps:
        raise AssertionError(f"{len(counts.table.steps)} of {size.steps} steps came back.")
    rules = [LabelRule(epsilon=epsilon) for epsilon in (0.7, 0.9, 0.6)]

    arrays = min(time_it(partial(label_counts, counts.table, rule)) for rule in rules)
    whole = min(time_it(partial(read_table, counts.table, rule)) for rule in rules)
    yield JobFigure(
        name="relabel_1m_arrays_s",
        value=arrays,
        unit="s",
        more={"steps": size.steps, "with_probabilities_s": whole},
    )

    def fetch() -> None:
        with connection.cursor() as cursor:
            cursor.execute(build_statement(), [job.pk])
            cursor.fetchall()

    def relabel(rule: LabelRule) -> None:
        found = load_counts(job)
        tally(find_states(read_table(found.table, rule), rule), found.table.offsets)

    raw = min(time_it(fetch) for _ in range(REPEAT))
    value = min(time_it(partial(relabel, rule)) for rule in rules)
    if sum_counts() != sums:
        raise AssertionError("Making labels has changed counts.")
    yield JobFigure(
        name="relabel_1m_database_s",
        value=value,
        unit="s",
        raw=raw,
        ratio=value / raw,
        more={"steps": size.steps, "database": connection.vendor},
    )


def time_it(action: Callable[[], object]) -> float:
    """Seconds of wall time."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def prepare(n: int) -> ModelJob:
    """A finished job of `n` solutions of eight steps, with their counts; inserted as rows, since
    running it would take weeks.
    """
    from django.db import transaction
    from django.utils import timezone

    from labeling.bulk import insert_rows, reserve_ids
    from labeling.models import Solution, User
    from modeljobs.models import JobItem, ModelJob, StepCounts
    from modeljobs.services.engines import ensure_scripted_engine
    from tests.labeling.factories import make_project, make_solution

    lead = User.objects.create(username="lead")
    first = make_solution(make_project(lead), "first", steps=[f"Step {k}." for k in range(STEPS)])
    job = ModelJob.objects.create(
        project=first.project,
        engine=ensure_scripted_engine(),
        method="rpe",
        state=ModelJob.State.DONE,
        created_by=lead,
    )
    now = timezone.now()
    say(f"{n * STEPS:,} steps are stored …")
    with transaction.atomic():
        solutions = reserve_ids(Solution, n)
        shared: tuple[Any, ...] = ("imported", 1, "", STEPS, {}, now, "")
        insert_rows(
            Solution,
            (
                *("id", "project", "problem", "source", "source_key", "content_hash", "origin"),
                *("version", "generator", "n_steps", "extra", "created_at", "answer_checker"),
            ),
            (
                (pk, first.project_id, first.problem_id, first.source_id, f"s{pk}", "x", *shared)
                for pk in solutions
            ),
        )
        items = reserve_ids(JobItem, n)
        insert_rows(
            JobItem,
            (
                *("id", "job", "solution", "unit", "state", "attempts", "worker", "reason_code"),
                *("reason", "result", "prompt_tokens", "completion_tokens"),
            ),
            (
                (pk, job.pk, solution, "", "done", 1, "", "", "", {}, 0, 0)
                for pk, solution in zip(items, solutions, strict=True)
            ),
        )
        insert_rows(
            StepCounts,
            (
                *("item", "position", "correct", "wrong", "unparsable", "truncated"),
                *("undecided", "failed", "is_exact"),
            ),
            draw_rows(items),
        )
    return job


def draw_rows(items: list[int]) -> Iterator[tuple[Any, ...]]:
    """The counts of each item: the problem alone, every step but the last, and its answer."""
    rng = np.random.default_rng(SEED)
    rates = rng.random(len(items))
    kept = np.where(rng.random((len(items), STEPS)) < MISTAKES, rng.random((len(items), STEPS)), 1)
    chances = np.concatenate([rates[:, None], rates[:, None] * np.cumprod(kept, axis=1)], axis=1)
    right = rng.binomial(ROLLOUTS, chances)
    solved = rng.random(len(items)) < chances[:, -1]
    for item, row, is_solved in zip(items, right.tolist(), solved.tolist(), strict=True):
        for position in range(-1, STEPS - 1):
            k = row[position + 1]
            yield (item, position, k, ROLLOUTS - k, 0, 0, 0, 0, False)
        yield (item, STEPS - 1, int(is_solved), int(not is_solved), 0, 0, 0, 0, True)


def sum_counts() -> dict[str, int]:
    """Of all rows together: how many, and the sums of what a rule reads."""
    from django.db.models import Count, Sum

    from modeljobs.models import StepCounts

    return StepCounts.objects.aggregate(n=Count("pk"), right=Sum("correct"), wrong=Sum("wrong"))
