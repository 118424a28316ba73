"""Runs of a method of several steps: what is stored as it comes, and what is never done twice."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import Any

import pytest
from django.db import connections

from labeling.bulk import insert_rows
from labeling.models import Suggestion
from modeljobs.engines.base import CompletionRequest, EngineTransient
from modeljobs.evidence_views import read_detail
from modeljobs.methods.base import ItemInput, StepChecked
from modeljobs.models import CodeRun, JobItem, ModelCall, ModelJob, StepEvidence
from modeljobs.runner import RunReport, run_job
from modeljobs.sandbox.base import SandboxError, SandboxUnavailable
from modeljobs.services import jobs, leases, results
from modeljobs.services.calls import list_exchanges
from modeljobs.texts import TextStoreError, read_chunk
from tests.modeljobs.stepping import NAME, CountingSandbox, HashEngine, add_method
from tests.modeljobs.test_runner import items_of, limit_requests, sleep_briefly
from tests.modeljobs.worlds import NOON, TTL, Clock, World, count_states, make_world

# Of each solution of the world: two steps, with two calls and one block each.
STEPS = 2
CALLS = 4


@pytest.fixture(autouse=True)
def _method(monkeypatch: pytest.MonkeyPatch) -> None:
    add_method(monkeypatch)


def make_job(world: World, *, code: bool = False, **changes: Any) -> ModelJob:
    job = jobs.create_job(
        **{
            "project": world.project,
            "engine": world.engine,
            "method": NAME,
            "parameters": {"code": code},
            "seed": 7,
            "selection": {},
            "by": world.alice,
            **changes,
        }
    )
    return jobs.start(job=job, by=world.alice, now=NOON)


def run(job: ModelJob, engine: HashEngine | None = None, **changes: Any) -> RunReport:
    used = engine or HashEngine()
    given: dict[str, Any] = {
        "job_id": job.pk,
        "worker": "one",
        "now": Clock(),
        "clock": lambda: 0.0,
        "sleep": sleep_briefly,
        "make_engine": lambda snapshot: used,
        "should_stop": lambda: False,
    }
    report = run_job(**(given | changes))
    job.refresh_from_db()
    return report


def read_everything(job: ModelJob) -> list[dict[str, Any]]:
    """What stands in the database and in the texts, ids, times and attempts aside."""
    return [read_item(item) for item in items_of(job)]


def read_item(item: JobItem) -> dict[str, Any]:
    return {
        "state": item.state,
        "tokens": (item.prompt_tokens, item.completion_tokens),
        "calls": [(one.row.place, one.row.purpose, one.record) for one in list_exchanges(item)],
        "runs": [(run.place, run.key, run.status, find_run(run)) for run in item.code_runs.all()],
        "steps": [
            (step.position, step.kind, step.summary, read_detail(step))
            for step in item.evidence.all()
        ],
        "suggestions": list(
            Suggestion.objects.filter(solution=item.solution_id).values_list(
                "labels", "first_error", "provenance__end"
            )
        ),
    }


def find_run(run: CodeRun) -> dict[str, Any]:
    [found] = [
        one for one in json.loads(read_chunk(run.chunk))["runs"] if one["place"] == run.place
    ]
    return dict(found)


def check_whole(job: ModelJob) -> None:
    """Everything is there once: nothing missing, nothing twice."""
    assert job.state == "done"
    n = len(items_of(job))
    assert count_states(job) == {"done": n}
    for item in items_of(job):
        assert [call.place for call in item.calls.order_by("place")] == list(range(CALLS))
        assert len({call.settings["key"] for call in item.calls.all()}) == CALLS
        assert [run.place for run in item.code_runs.order_by("place")] == list(range(STEPS))
        assert [step.position for step in item.evidence.all()] == list(range(STEPS))
    assert Suggestion.objects.count() == n


# --- The whole way ----------------------------------------------------------------------------


def test_it_works(world: World) -> None:
    job = make_job(world)

    report = run(job)

    assert (report.done, report.ended) == (3, "nothing left")
    check_whole(job)
    item = items_of(job)[0]
    [product] = item.result["products"]
    suggestion = Suggestion.objects.get(pk=product["id"])
    assert product["kind"] == "suggestion"
    assert suggestion.solution_id == item.solution_id
    assert suggestion.is_scripted
    assert suggestion.producer == "stepping 1 · Scripted"
    assert suggestion.payload["job"] == job.pk
    assert suggestion.payload["item"] == item.pk
    assert suggestion.payload["evidence"] == "stepping"
    assert suggestion.provenance["method_version"] == "1"
    assert suggestion.provenance["job_seed"] == 7


def test_a_second_job_alike_says_nothing_new(world: World) -> None:
    run(make_job(world))
    second = make_job(world)

    run(second)

    assert Suggestion.objects.count() == 3
    assert [item.result["products"] for item in items_of(second)] == [
        [{"kind": "suggestion", "id": None}]
    ] * 3
    # What it found of each step is its own.
    assert StepEvidence.objects.filter(item__job=second).count() == 3 * STEPS


def test_labels_of_the_wrong_length_fail_the_item(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(world, selection={"limit": 1})
    real = results.build_input

    def lose_a_step(row: JobItem) -> ItemInput:
        given = real(row)
        return replace(given, solution=replace(given.solution, steps=given.solution.steps[:1]))

    monkeypatch.setattr(results, "build_input", lose_a_step)

    run(job)

    [item] = items_of(job)
    assert (item.state, item.reason_code) == ("failed", "refused")
    assert "for 1 steps; this solution has 2" in item.reason
    assert item.calls.count() == 2


def test_a_step_is_stored_when_it_is_finished(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the calls and the block before it, and before the next request is made."""
    job = make_job(world, selection={"limit": 1})
    engine = HashEngine()
    real = results.checkpoint_together
    seen: list[tuple[int, ...]] = []

    def note(items: Any, **kwargs: Any) -> Any:
        stored = real(items, **kwargs)
        rows = [model.objects.count() for model in (ModelCall, CodeRun, StepEvidence)]
        seen.append((len(engine.asked), *rows))
        return stored

    monkeypatch.setattr(results, "checkpoint_together", note)

    run(job, engine)

    # Requests made; calls, blocks and steps stored.
    assert seen == [(1, 1, 1, 0), (2, 2, 1, 1), (3, 3, 2, 1), (4, 4, 2, 2)]
    check_whole(job)


def test_an_undisturbed_run_and_one_that_was_cut_short_say_the_same(
    world: World, clock: Clock
) -> None:
    undisturbed = make_job(world)
    run(undisturbed)
    whole = read_everything(undisturbed)
    Suggestion.objects.all().delete()
    job = make_job(world)
    asked: list[str] = []
    # Each run ends at its third request, as if its worker had been killed there.
    for _ in range(20):
        engine = HashEngine()
        run(job, engine, now=clock, should_stop=lambda used=engine: len(used.asked) >= 3)
        asked += engine.asked
        clock.move(minutes=5)
        if job.state == "done":
            break

    check_whole(job)
    assert read_everything(job) == whole
    # What was answered and stored is not asked again; what was in flight may be.
    assert len(asked) > len(set(asked)) or len(asked) == 3 * CALLS


# --- Code ---------------------------------------------------------------------------------------


def test_code_is_run_in_the_sandbox_of_the_run(world: World) -> None:
    job = make_job(world, code=True)
    made: list[CountingSandbox] = []

    def make_sandbox() -> CountingSandbox:
        made.append(CountingSandbox())
        return made[-1]

    run(job, make_sandbox=make_sandbox)

    check_whole(job)
    # One for all items, whose sessions are ended with them.
    [sandbox] = made
    assert len(sandbox.ran) == 3 * STEPS
    assert (sandbox.open, sandbox.is_closed) == (0, True)


def test_a_method_without_code_makes_no_sandbox(world: World) -> None:
    def make_sandbox() -> CountingSandbox:
        raise AssertionError("nobody needs a sandbox")

    job = make_job(world)
    run(job, make_sandbox=make_sandbox)

    check_whole(job)


def test_what_was_run_is_not_run_again(world: World, clock: Clock) -> None:
    job = make_job(world, code=True, selection={"limit": 1})
    sandbox = CountingSandbox()

    def fail_once(request: CompletionRequest) -> None:
        if request.key.endswith("p1/analyse") and engine.asked.count(request.key) == 1:
            raise EngineTransient("The server did not answer.", code="timeout")

    engine = HashEngine(fail_once)
    run(job, engine, now=clock, make_sandbox=lambda: sandbox)
    assert len(sandbox.ran) == 1
    clock.move(minutes=5)
    run(job, engine, now=clock, make_sandbox=lambda: sandbox)

    check_whole(job)
    assert len(sandbox.ran) == STEPS
    assert list(CodeRun.objects.order_by("place").values_list("attempt", flat=True)) == [1, 2]


def test_without_a_sandbox_the_job_waits_for_one(world: World) -> None:
    job = make_job(world, code=True)

    def make_sandbox() -> CountingSandbox:
        raise SandboxUnavailable("This machine has no user namespaces.")

    report = run(job, make_sandbox=make_sandbox)

    assert report.ended == "there is no sandbox"
    assert (job.state, job.note) == ("paused", "Paused: This machine has no user namespaces.")
    # Nothing is held against the items, and nothing was run.
    assert count_states(job) == {"pending": 3}
    assert {leases.Tally.of(item) for item in items_of(job)} == {leases.Tally()}
    assert CodeRun.objects.count() == 0
    jobs.resume(job=job, by=world.alice)
    run(job, make_sandbox=CountingSandbox)
    check_whole(job)


def test_a_sandbox_that_is_gone_midway_keeps_the_calls(world: World) -> None:
    job = make_job(world, code=True, selection={"limit": 1})

    def refuse(code: str) -> None:
        raise SandboxUnavailable("The sandbox's helper is not there any more.")

    run(job, make_sandbox=lambda: CountingSandbox(refuse))

    assert job.state == "paused"
    assert count_states(job) == {"pending": 1}
    assert ModelCall.objects.count() == 1


def test_code_that_could_not_be_run_fails_its_item_alone(world: World) -> None:
    job = make_job(world, code=True)
    limit_requests(job, 1)

    def fail_once(code: str) -> None:
        if not sandbox.ran:
            sandbox.ran.append("")
            raise SandboxError("The sandbox's disk is full.", code="disk_full")

    sandbox = CountingSandbox(fail_once)
    run(job, make_sandbox=lambda: sandbox)

    assert job.state == "done"
    assert count_states(job) == {"done": 2, "failed": 1}
    item = JobItem.objects.get(state="failed")
    assert (item.reason_code, item.reason) == ("disk_full", "The sandbox's disk is full.")
    assert item.result["outcome"] == "sandbox"
    # Tried again, what was answered is kept.
    assert item.calls.count() == 1
    jobs.retry_failed(job=job, by=world.alice)
    run(job, make_sandbox=CountingSandbox)
    check_whole(job)


# --- Two at once ------------------------------------------------------------------------------


def test_two_workers_share_a_job(any_database: str, sent: object, texts_folder: object) -> None:
    """Each stores several items in one transaction, and neither waits for the other for ever."""
    world = make_world(solutions=24)
    job = make_job(world)
    limit_requests(job, 4)
    engines = {name: HashEngine() for name in ("one", "two")}
    start = threading.Barrier(2)

    def work(name: str) -> None:
        try:
            start.wait()
            run_job(
                job_id=job.pk,
                worker=name,
                make_engine=lambda snapshot: engines[name],
                should_stop=lambda: False,
            )
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(name,)) for name in engines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    job.refresh_from_db()
    check_whole(job)
    asked = [key for engine in engines.values() for key in engine.asked]
    assert len(asked) == len(set(asked)) == 24 * CALLS


def test_a_worker_that_comes_back_late_stores_nothing(world: World, clock: Clock) -> None:
    """Not even a step that it had finished before it lost its lease."""
    job = make_job(world, selection={"limit": 1})
    [row] = leases.claim_items(job_id=job.pk, limit=1, worker="slow", now=NOON, ttl=TTL)
    late = results.open_item(row)
    late.evidence.add_step(StepChecked(0, "stepping", {"yes": 99}, {"samples": []}))
    clock.move(seconds=TTL.total_seconds() + 1)
    run(job, now=clock)
    before = read_everything(job)

    with pytest.raises(leases.LeaseLost):
        results.checkpoint(late, now=clock())

    check_whole(job)
    assert read_everything(job) == before


# --- Checkpoints of several items ---------------------------------------------------------------


def test_items_that_wait_are_stored_together(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job = make_job(world)
    real = results.checkpoint_together
    together: list[int] = []

    def note(items: Any, **kwargs: Any) -> Any:
        together.append(len(items))
        return real(items, **kwargs)

    monkeypatch.setattr(results, "checkpoint_together", note)

    run(job)

    check_whole(job)
    assert max(together) > 1


def test_what_cannot_be_stored_fails_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One item's words make the database refuse; those that go with it are stored."""
    job = make_job(world)
    victim = items_of(job)[1]
    real = insert_rows

    def refuse(model: Any, columns: Any, rows: Any) -> Any:
        if any(victim.pk == row[columns.index("item")] for row in rows):
            raise ValueError("cannot be stored")
        return real(model, columns, rows)

    monkeypatch.setattr("modeljobs.services.results.insert_rows", refuse)

    report = run(job)

    assert (report.done, report.waiting) == (2, 1)
    victim.refresh_from_db()
    assert (victim.state, victim.reason) == ("pending", "ValueError: cannot be stored.")
    assert leases.Tally.of(victim).errors == 1
    assert victim.calls.count() == 0


def test_a_full_disk_pauses_the_job(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job = make_job(world)

    def fail(data: bytes) -> str:
        raise TextStoreError("A model's text could not be stored: No space left on device.")

    with monkeypatch.context() as patch:
        for module in ("calls", "evidence"):
            patch.setattr(f"modeljobs.services.{module}.write_chunk", fail)
        report = run(job)

    assert report.ended == "texts cannot be stored"
    assert (job.state, job.note) == (
        "paused",
        "Paused: A model's text could not be stored: No space left on device.",
    )
    assert count_states(job) == {"pending": 3}
    assert ModelCall.objects.count() == 0
    jobs.resume(job=job, by=world.alice)
    run(job)
    check_whole(job)
