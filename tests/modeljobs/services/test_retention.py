from __future__ import annotations

import os
from datetime import timedelta

import pytest

from modeljobs.evidence_views import read_detail
from modeljobs.models import (
    CodeRun,
    ModelCall,
    ModelJob,
    RolloutChunk,
    StepCounts,
    StepEvidence,
)
from modeljobs.runner import run_job
from modeljobs.services.calls import list_exchanges
from modeljobs.services.evidence import load_runs
from modeljobs.services.jobs import create_job, start
from modeljobs.services.retention import GRACE, Pruned, prune_texts
from modeljobs.texts import list_chunks, write_chunk
from tests.modeljobs.rolling import PARAMETERS, RollingEngine, make_problems
from tests.modeljobs.stepping import NAME, HashEngine, add_method
from tests.modeljobs.worlds import NOON, Clock, World

DAY = 86_400.0
WEEK = timedelta(days=7)


@pytest.fixture
def job(world: World) -> ModelJob:
    """A finished job whose texts were written at second 0."""
    job = world.make_job()
    run_job(job_id=job.pk, worker="one", now=Clock(), should_stop=lambda: False)
    for chunk in list_chunks():
        os.utime(chunk.path, (0, 0))
    return job


def count_readable() -> int:
    items = {call.item for call in ModelCall.objects.select_related("item")}
    return sum(one.record is not None for item in items for one in list_exchanges(item))


def test_what_is_named_stays(job: ModelJob) -> None:
    pruned = prune_texts(now=NOON, clock=10 * DAY)

    assert pruned == Pruned(calls=0, files=0, bytes=0)
    assert count_readable() == 3


def test_what_nobody_names_goes(job: ModelJob) -> None:
    write_chunk(b"an orphan of a lost lease")
    orphan = max(list_chunks(), key=lambda chunk: chunk.modified_at)
    os.utime(orphan.path, (0, 0))

    pruned = prune_texts(now=NOON, clock=10 * DAY)

    assert (pruned.calls, pruned.files) == (0, 1)
    assert pruned.bytes > 0
    assert not orphan.path.exists()
    assert count_readable() == 3


def test_what_was_just_written_may_be_about_to_be_named(job: ModelJob) -> None:
    write_chunk(b"on its way")
    newest = max(chunk.modified_at for chunk in list_chunks())

    assert prune_texts(now=NOON, clock=newest + GRACE.total_seconds()).files == 0
    assert prune_texts(now=NOON, clock=newest + GRACE.total_seconds() + 1).files == 1


def test_old_calls_lose_their_texts_and_nothing_else(job: ModelJob) -> None:
    before = list(ModelCall.objects.values_list("prompt_tokens", "outcome", "purpose"))

    pruned = prune_texts(now=NOON + timedelta(days=8), older_than=WEEK, clock=10 * DAY)

    # Three calls' own chunks; those with the instructions they share go with them.
    assert pruned.calls == 3
    assert list(list_chunks()) == []
    assert list(ModelCall.objects.values_list("prompt_tokens", "outcome", "purpose")) == before
    item = ModelCall.objects.select_related("item")[0].item
    assert "older than texts are kept" in list_exchanges(item)[0].missing


def test_younger_calls_keep_theirs(job: ModelJob) -> None:
    assert prune_texts(now=NOON + timedelta(days=6), older_than=WEEK, clock=10 * DAY).calls == 0
    assert count_readable() == 3


@pytest.mark.parametrize("state", ["running", "paused"])
def test_a_job_that_goes_on_keeps_its_texts(job: ModelJob, state: str) -> None:
    ModelJob.objects.update(state=state)

    assert prune_texts(now=NOON + 2 * WEEK, older_than=WEEK, clock=99 * DAY).calls == 0
    assert count_readable() == 3


def test_a_dry_run_removes_nothing(job: ModelJob) -> None:
    said = prune_texts(now=NOON + 2 * WEEK, older_than=WEEK, clock=99 * DAY, dry_run=True)

    assert (said.calls, said.files) == (3, len(list(list_chunks())))
    assert count_readable() == 3
    assert prune_texts(now=NOON + 2 * WEEK, older_than=WEEK, clock=99 * DAY) == said


# --- Steps and code ---------------------------------------------------------------------------


@pytest.fixture
def stepped(world: World, monkeypatch: pytest.MonkeyPatch) -> ModelJob:
    """A finished job that found something of steps and ran code, written at second 0."""
    add_method(monkeypatch)
    job = create_job(
        project=world.project,
        engine=world.engine,
        method=NAME,
        parameters={},
        seed=7,
        selection={},
        by=world.alice,
    )
    start(job=job, by=world.alice, now=NOON)
    run_job(
        job_id=job.pk,
        worker="one",
        now=Clock(),
        should_stop=lambda: False,
        make_engine=lambda snapshot: HashEngine(),
    )
    for chunk in list_chunks():
        os.utime(chunk.path, (0, 0))
    return job


def count_details() -> int:
    return sum(not isinstance(read_detail(step), str) for step in StepEvidence.objects.all())


def count_runs(job: ModelJob) -> int:
    return sum(len(load_runs(item)) for item in job.items.all())


def test_texts_of_steps_and_code_stay(stepped: ModelJob) -> None:
    assert prune_texts(now=NOON, clock=10 * DAY) == Pruned(calls=0, files=0, bytes=0)
    # Three solutions of two steps.
    assert (count_details(), count_runs(stepped)) == (6, 6)


def test_old_steps_and_code_lose_their_texts(stepped: ModelJob) -> None:
    summaries = list(StepEvidence.objects.order_by("pk").values_list("summary", flat=True))
    given = {"now": NOON + timedelta(days=8), "older_than": WEEK, "clock": 10 * DAY}
    said = prune_texts(**given, dry_run=True)  # type: ignore[arg-type]
    assert (count_details(), count_runs(stepped)) == (6, 6)

    assert prune_texts(**given) == said  # type: ignore[arg-type]

    assert list(list_chunks()) == []
    assert (count_details(), count_runs(stepped)) == (0, 0)
    kept = list(StepEvidence.objects.order_by("pk").values_list("summary", flat=True))
    assert kept == summaries
    assert CodeRun.objects.count() == 6


def test_a_younger_step_keeps_the_text_that_it_shares(stepped: ModelJob) -> None:
    """A chunk is removed when nothing names it any more, whoever wrote it first."""
    first, second = StepEvidence.objects.order_by("pk")[:2]
    StepEvidence.objects.filter(pk=second.pk).update(
        chunk=first.chunk, created_at=NOON + timedelta(days=7)
    )

    prune_texts(now=NOON + timedelta(days=8), older_than=WEEK, clock=10 * DAY)

    second.refresh_from_db()
    assert not isinstance(read_detail(second), str)
    assert len(list(list_chunks())) == 1


# --- Rollouts ---------------------------------------------------------------------------------


@pytest.fixture
def rolled(world: World) -> ModelJob:
    """A finished job that kept its rollouts, written at second 0."""
    ids = [solution.pk for solution in make_problems(world.project, 1)]
    job = create_job(
        project=world.project,
        engine=world.engine,
        method="rpe",
        parameters=PARAMETERS,
        seed=7,
        selection={"solution_ids": ids},
        by=world.alice,
    )
    start(job=job, by=world.alice, now=NOON)
    run_job(
        job_id=job.pk,
        worker="one",
        now=Clock(),
        should_stop=lambda: False,
        make_engine=lambda snapshot: RollingEngine(),
    )
    for chunk in list_chunks():
        os.utime(chunk.path, (0, 0))
    return job


def find_kept() -> list[bool]:
    names = {chunk.name for chunk in list_chunks()}
    return [row.chunk in names for row in RolloutChunk.objects.all()]


def test_kept_rollouts_stay(rolled: ModelJob) -> None:
    assert prune_texts(now=NOON, clock=10 * DAY) == Pruned(calls=0, files=0, bytes=0)
    assert find_kept() == [True] * 8


def test_old_rollouts_lose_their_texts_and_counts_stay(rolled: ModelJob) -> None:
    counts = list(StepCounts.objects.order_by("pk").values())

    prune_texts(now=NOON + timedelta(days=8), older_than=WEEK, clock=10 * DAY)

    assert list(list_chunks()) == []
    assert set(RolloutChunk.objects.values_list("chunk", flat=True)) == {""}
    assert list(StepCounts.objects.order_by("pk").values()) == counts
    assert len(counts) == 8


def test_rollouts_of_a_job_that_goes_on_stay(rolled: ModelJob) -> None:
    ModelJob.objects.update(state="paused")

    prune_texts(now=NOON + 2 * WEEK, older_than=WEEK, clock=99 * DAY)

    assert find_kept() == [True] * 8


def test_rollouts_go_where_another_job_goes_on(rolled: ModelJob, world: World) -> None:
    """One whose number begins as theirs does."""
    ModelJob.objects.bulk_create([ModelJob(
        pk=int(f"{rolled.pk}0"), project=world.project, engine=world.engine, method="rpe",
        state="running", created_by=world.alice, seed=1,
    )])  # fmt: skip

    prune_texts(now=NOON + 2 * WEEK, older_than=WEEK, clock=99 * DAY)

    assert set(RolloutChunk.objects.values_list("chunk", flat=True)) == {""}
