from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connections
from pytest_django import DjangoCaptureOnCommitCallbacks

from labeling.models import AuditEvent, Injection, ReviewItem
from modeljobs import runner
from modeljobs.engines.base import (
    Completion,
    CompletionRequest,
    EnginePermanent,
    EngineReply,
    EngineTransient,
)
from modeljobs.engines.scripted import ScriptedEngine, ScriptSettings
from modeljobs.methods.base import collect_events
from modeljobs.methods.catalog import get_method
from modeljobs.models import JobItem, ModelCall, ModelJob
from modeljobs.runner import RunLimits, RunReport, build_context, run_job
from modeljobs.services import jobs, leases, results
from modeljobs.services.leases import LeaseLost, Tally
from modeljobs.services.results import OpenItem
from modeljobs.texts import TextStoreError
from tests.modeljobs.worlds import FLAWLESS, NOON, TTL, Clock, World, count_states, make_world
from workbench.errors import InvalidInput

Answer = Callable[[CompletionRequest], Awaitable[EngineReply]]
GARBAGE = EngineReply((Completion("I would rather not."),))


class TestEngine(ScriptedEngine):
    """The scripted engine, with something to do before each answer; it notes what was asked."""

    __test__ = False

    def __init__(self, before: Callable[[CompletionRequest], Any] | None = None) -> None:
        super().__init__(ScriptSettings(**FLAWLESS))  # type: ignore[arg-type]
        self.before = before
        self.asked: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self.is_closed = False

    async def complete(self, request: CompletionRequest) -> EngineReply:
        self.asked.append(request.key)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.before is not None:
                given = self.before(request)
                if asyncio.iscoroutine(given):
                    given = await given
                if isinstance(given, EngineReply):
                    return given
            return await super().complete(request)
        finally:
            self.at_once -= 1

    async def aclose(self) -> None:
        self.is_closed = True


async def sleep_briefly(seconds: float) -> None:
    """Let the others go on, and look again at once."""
    await asyncio.sleep(0)


def run(job: ModelJob, engine: TestEngine | None = None, **changes: Any) -> RunReport:
    engine = engine or TestEngine()
    given: dict[str, Any] = {
        "job_id": job.pk,
        "worker": "one",
        "now": Clock(),
        "clock": lambda: 0.0,
        "sleep": sleep_briefly,
        "make_engine": lambda snapshot: engine,
        "should_stop": lambda: False,
    }
    report = run_job(**(given | changes))
    job.refresh_from_db()
    return report


def limit_requests(job: ModelJob, most: int) -> None:
    """Bound the requests in flight, as an engine's own option does."""
    job.engine_snapshot["settings"]["max_concurrency"] = most
    job.save()


def key_of(item: JobItem) -> str:
    return f"{item.solution_id}:deception/deception/inject"


def items_of(job: ModelJob) -> list[JobItem]:
    return list(JobItem.objects.filter(job=job).order_by("pk"))


def expected_steps(item: JobItem) -> list[str]:
    """What an undisturbed run of the pure method makes of the item."""
    result = asyncio.run(
        collect_events(
            get_method("injection").run(
                results.build_input(item),
                engine=TestEngine(),
                settings=build_context(item.job).parameters,
                rng_seed=item.job.seed,
            )
        )
    )
    [product] = result.products
    return [step.text for step in product.product.steps]  # type: ignore[union-attr]


def check_undisturbed(job: ModelJob) -> None:
    """The rows are those of a run that nothing happened to: nothing missing, nothing twice."""
    assert job.state == "done"
    assert count_states(job) == {"done": len(items_of(job))}
    assert Injection.objects.count() == len(items_of(job))
    for item in items_of(job):
        [product] = item.result["products"]
        injection = Injection.objects.get(pk=product["id"])
        assert injection.original_id == item.solution_id
        texts = [step.text for step in injection.modified.steps.all()]
        assert texts == expected_steps(item)
        [call] = item.calls.all()
        assert (call.place, call.outcome) == (0, "ok")
    assert AuditEvent.objects.filter(verb="job.done").count() == 1


# --- The whole way ----------------------------------------------------------------------------


def test_it_works(world: World) -> None:
    job = world.make_job()
    engine = TestEngine()

    report = run(job, engine)

    assert (report.done, report.failed, report.ended) == (3, 0, "nothing left")
    check_undisturbed(job)
    assert job.finished_at == NOON
    assert sorted(engine.asked) == sorted(key_of(item) for item in items_of(job))
    assert engine.is_closed
    injection = Injection.objects.order_by("pk")[0]
    assert injection.is_scripted
    assert injection.producer == "injection 1 · Scripted"
    assert injection.provenance["job"] == job.pk
    assert injection.provenance["job_seed"] == 7
    assert ReviewItem.objects.filter(task="verify_injection").count() == 3


def test_the_shipped_scripted_engine(world: World) -> None:
    """The same through the door that is used: the engine made from the job's snapshot."""
    job = world.make_job()

    run_job(job_id=job.pk, worker="one", now=Clock(), should_stop=lambda: False)

    job.refresh_from_db()
    check_undisturbed(job)


def test_running_again_does_nothing(world: World) -> None:
    job = world.make_job()
    run(job)
    engine = TestEngine()

    report = run(job, engine)

    assert report == RunReport(ended="the job does not run")
    assert engine.asked == []
    check_undisturbed(job)


def test_a_job_that_is_not_there(db: None) -> None:
    assert run_job(job_id=10**9, worker="one").ended == "the job does not run"


def test_the_same_injection_is_not_made_twice(world: World) -> None:
    run(world.make_job())
    second = world.make_job()

    run(second)

    assert Injection.objects.count() == 3
    assert count_states(second) == {"done": 3}
    assert [item.result["products"][0]["id"] for item in items_of(second)] == [None] * 3


def test_no_barriers(world: World) -> None:
    """One item that takes long keeps nobody waiting: here it ends only after all others have."""
    job = make_jobs_larger(world, 20)
    limit_requests(job, 4)
    slow = key_of(items_of(job)[0])
    answered: list[str] = []

    async def wait_for_others(request: CompletionRequest) -> None:
        if request.key == slow:
            while len(answered) < 19:
                await asyncio.sleep(0)
        answered.append(request.key)

    run(job, TestEngine(wait_for_others))

    assert answered[-1] == slow
    check_undisturbed(job)


def test_requests_in_flight_are_bounded(world: World) -> None:
    job = make_jobs_larger(world, 20)
    limit_requests(job, 3)

    async def take_time(request: CompletionRequest) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    engine = TestEngine(take_time)
    run(job, engine)

    assert engine.most_at_once == 3
    check_undisturbed(job)


def make_jobs_larger(world: World, solutions: int) -> ModelJob:
    from tests.labeling.factories import make_solution

    for number in range(solutions - len(world.solutions)):
        make_solution(world.project, f"more-{number}", question=f"What is ${number}+1$?")
    return world.make_job()


# --- Workers that die, two at a time ----------------------------------------------------------


def test_a_killed_worker_loses_nothing_and_doubles_nothing(world: World, clock: Clock) -> None:
    job = world.make_job()
    # A worker claimed everything; one call was stored when it was killed.
    rows = leases.claim_items(job_id=job.pk, limit=10, worker="dead", now=NOON, ttl=TTL)
    first = results.open_item(rows[0])
    made = asyncio.run(
        collect_events(
            get_method("injection").run(
                first.input,
                engine=TestEngine(),
                settings=build_context(job).parameters,
                rng_seed=job.seed,
            )
        )
    )
    first.calls.add(made.calls[0])
    results.checkpoint(first, now=NOON)
    engine = TestEngine()

    early = run(job, engine, now=clock)
    clock.move(seconds=121)
    late = run(job, engine, now=clock)

    assert early.done == 0
    assert late.done == 3
    # What the dead worker had asked is not asked again.
    assert sorted(engine.asked) == sorted(key_of(item) for item in items_of(job)[1:])
    check_undisturbed(job)


def test_a_worker_that_dies_while_it_stores_leaves_all_or_nothing(
    world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.make_job()
    real = leases.finish_item

    def die(**kwargs: Any) -> bool:
        real(**kwargs)
        raise SystemExit("killed")

    # After everything was written, and before the transaction ends.
    monkeypatch.setattr(leases, "finish_item", die)
    with pytest.raises(SystemExit):
        run(job, now=clock)
    monkeypatch.setattr(leases, "finish_item", real)
    assert Injection.objects.count() == 0
    assert ModelCall.objects.filter(item__state="done").count() == 0

    clock.move(seconds=121)
    run(job, now=clock)

    check_undisturbed(job)


def test_a_worker_that_comes_back_late_stores_nothing(world: World, clock: Clock) -> None:
    job = world.make_job()
    rows = leases.claim_items(job_id=job.pk, limit=10, worker="slow", now=NOON, ttl=TTL)
    late = results.open_item(rows[0])
    clock.move(seconds=121)
    run(job, now=clock)
    before = Injection.objects.count(), ModelCall.objects.count()

    with pytest.raises(LeaseLost):
        results.finish(build_context(job), late, [], now=clock())
    with pytest.raises(LeaseLost):
        results.checkpoint(late, now=clock())

    assert (Injection.objects.count(), ModelCall.objects.count()) == before
    check_undisturbed(job)


def test_two_workers_on_one_job(any_database: str, sent: object, texts_folder: object) -> None:
    world = make_world(solutions=30)
    job = world.make_job()
    limit_requests(job, 4)
    engines = {name: TestEngine() for name in ("one", "two")}
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

    asked = [key for engine in engines.values() for key in engine.asked]
    assert sorted(asked) == sorted(key_of(item) for item in items_of(job))
    job.refresh_from_db()
    check_undisturbed(job)


def test_a_worker_runs_a_job_once_at_a_time(world: World) -> None:
    job = world.make_job()
    nested: list[RunReport] = []

    def run_again(request: CompletionRequest) -> None:
        nested.append(run_job(job_id=job.pk, worker="one"))

    run(job, TestEngine(run_again))

    assert {report.ended for report in nested} == {"already running in this worker"}
    check_undisturbed(job)


# --- Stopping ---------------------------------------------------------------------------------


def after_first_finish(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    """Do something in the database right after the first item was stored."""
    real = results.finish
    is_done: list[bool] = []

    def finish_and_act(*args: Any, **kwargs: Any) -> Any:
        stored = real(*args, **kwargs)
        if not is_done:
            is_done.append(True)
            action()
        return stored

    monkeypatch.setattr(results, "finish", finish_and_act)


def block_all_but(first: str) -> Callable[[CompletionRequest], Any]:
    async def before(request: CompletionRequest) -> None:
        if request.key != first:
            await asyncio.Event().wait()

    return before


def test_cancel_midway(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job = world.make_job()
    after_first_finish(monkeypatch, lambda: jobs.cancel(job=job, by=world.alice, now=NOON))

    # The other items would never end by themselves.
    report = run(job, TestEngine(block_all_but(key_of(items_of(job)[0]))))

    assert report.ended == "the job was cancelled"
    assert job.state == "cancelled"
    assert count_states(job) == {"done": 1, "pending": 2}
    assert Injection.objects.count() == 1
    assert ModelCall.objects.count() == 1


def test_pause_midway_lets_what_is_in_flight_land(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_jobs_larger(world, 12)
    limit_requests(job, 2)
    after_first_finish(monkeypatch, lambda: jobs.pause(job=job, by=world.alice))

    report = run(job)

    # Two requests at a time: four items were begun, and nothing after them.
    assert report.done == 4
    assert report.ended == "the job is paused"
    assert job.state == "paused"
    assert count_states(job) == {"done": 4, "pending": 8}
    jobs.resume(job=job, by=world.alice)
    run(job)
    check_undisturbed(job)


def test_a_worker_that_is_asked_to_end_hands_back(world: World) -> None:
    job = world.make_job()
    first = key_of(items_of(job)[0])
    engine = TestEngine(block_all_but(first))

    report = run(job, engine, should_stop=lambda: len(engine.asked) == 3)

    assert report.ended == "the worker is asked to end"
    assert report.done + report.handed_back == 3
    assert count_states(job).get("leased") is None
    assert job.state == "running"
    # Nothing is held against what was handed back.
    assert {Tally.of(item) for item in items_of(job) if item.state == "pending"} == {Tally()}
    run(job)
    check_undisturbed(job)


def test_ctrl_c_hands_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job = world.make_job()

    def interrupt() -> None:
        raise KeyboardInterrupt

    after_first_finish(monkeypatch, interrupt)

    with pytest.raises(KeyboardInterrupt):
        run(job, TestEngine(block_all_but(key_of(items_of(job)[0]))))

    assert count_states(job) == {"done": 1, "pending": 2}


def test_a_run_ends_for_others_and_is_sent_again(
    world: World,
    sent: list[tuple[int, int]],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    job = world.make_job()

    with django_capture_on_commit_callbacks(execute=True):
        report = run(job, limits=RunLimits(items=2))

    assert (report.done, report.ended) == (2, "time for other jobs")
    assert sent == [(job.pk, 1)]
    assert job.state == "running"
    run(job)
    check_undisturbed(job)


def test_a_run_ends_when_its_time_is_over(world: World) -> None:
    job = make_jobs_larger(world, 12)
    limit_requests(job, 1)
    ticks = iter(range(1_000))

    report = run(job, limits=RunLimits(seconds=5), clock=lambda: float(next(ticks)))

    assert report.ended == "time for other jobs"
    assert 0 < report.done < 12
    assert count_states(job).get("leased") is None


# --- Engines that fail ------------------------------------------------------------------------


def transient(request: CompletionRequest) -> None:
    raise EngineTransient("The server did not answer.", code="timeout", retry_after=30)


def test_a_transient_failure_waits_and_goes_on(world: World, clock: Clock) -> None:
    job = world.make_job()
    second = key_of(items_of(job)[1])

    def fail_once(request: CompletionRequest) -> None:
        if request.key == second and engine.asked.count(second) == 1:
            transient(request)

    engine = TestEngine(fail_once)
    first_run = run(job, engine, now=clock)
    item = items_of(job)[1]
    assert (first_run.done, first_run.waiting) == (2, 1)
    assert (item.state, item.reason_code) == ("pending", "timeout")
    assert item.not_before == NOON + timedelta(seconds=30)

    assert run(job, engine, now=clock).done == 0
    clock.move(seconds=30)
    assert run(job, engine, now=clock).done == 1

    check_undisturbed(job)
    assert engine.asked.count(second) == 2


def test_an_engine_that_never_answers_fails_its_items(world: World, clock: Clock) -> None:
    job = world.make_job()
    engine = TestEngine(transient)

    for _ in range(leases.MAX_TRANSIENTS):
        run(job, engine, now=clock)
        clock.move(hours=1)

    assert job.state == "done"
    assert count_states(job) == {"failed": 3}
    assert {item.reason_code for item in items_of(job)} == {"timeout"}
    assert Injection.objects.count() == 0


def test_a_refused_request_fails_its_item_alone(world: World) -> None:
    job = world.make_job()
    second = key_of(items_of(job)[1])

    def refuse(request: CompletionRequest) -> None:
        if request.key == second:
            raise EnginePermanent("The prompt is too long.", code="context_overflow", status=400)

    report = run(job, TestEngine(refuse))

    assert (report.done, report.failed) == (2, 1)
    item = items_of(job)[1]
    assert (item.state, item.reason_code, item.reason) == (
        "failed",
        "context_overflow",
        "The prompt is too long.",
    )
    assert item.result["outcome"] == "engine"
    assert job.state == "done"


def test_an_engine_that_refuses_everything_pauses_the_job(world: World) -> None:
    job = make_jobs_larger(world, 20)
    limit_requests(job, 1)

    def refuse(request: CompletionRequest) -> None:
        raise EnginePermanent("The server refused the key.", code="wrong_key", status=401)

    report = run(job, TestEngine(refuse))

    assert job.state == "paused"
    assert job.note == "Paused after 5 refusals in a row: The server refused the key."
    assert report.ended == "the engine refuses everything"
    counts = count_states(job)
    assert counts["pending"] >= 12
    # Mended, they go on where they were.
    jobs.retry_failed(job=job, by=world.alice, reason_code="wrong_key")
    jobs.resume(job=job, by=world.alice)
    run(job)
    check_undisturbed(job)


def test_refusals_between_answers_pause_nothing(world: World) -> None:
    job = make_jobs_larger(world, 20)
    limit_requests(job, 1)
    refused = {key_of(item) for item in items_of(job)[::2]}

    def refuse(request: CompletionRequest) -> None:
        if request.key in refused:
            raise EnginePermanent("Not this one.", code="not_found", status=404)

    run(job, TestEngine(refuse))

    assert job.state == "done"
    assert count_states(job) == {"done": 10, "failed": 10}


def test_an_engine_that_cannot_be_made_pauses_the_job(world: World) -> None:
    job = world.make_job()

    def make_engine(snapshot: Mapping[str, Any]) -> TestEngine:
        raise EnginePermanent("There is no key 'LOCAL'.", code="key_missing")

    report = run(job, make_engine=make_engine)

    assert report.ended == "the engine cannot be used"
    assert job.state == "paused"
    assert job.note == "Paused: There is no key 'LOCAL'."
    assert count_states(job) == {"pending": 3}


def test_a_method_that_is_gone_pauses_the_job(world: World) -> None:
    job = world.make_job()
    ModelJob.objects.update(method="gone")

    run(job)

    assert job.state == "paused"
    assert "no method 'gone'" in job.note


# --- Replies that cannot be used --------------------------------------------------------------


def test_an_unreadable_reply_is_a_result_with_its_calls(world: World) -> None:
    job = world.make_job(parameters={"repair": False})
    second = key_of(items_of(job)[1])

    def answer(request: CompletionRequest) -> EngineReply | None:
        return GARBAGE if request.key == second else None

    report = run(job, TestEngine(answer))

    assert (report.done, report.failed) == (2, 1)
    item = items_of(job)[1]
    assert item.state == "failed"
    assert item.reason
    assert item.result["outcome"] == "unparsed"
    [call] = item.calls.all()
    assert call.outcome == "unusable"
    assert job.state == "done"


def test_retrying_an_unreadable_reply_asks_anew(world: World) -> None:
    job = world.make_job(parameters={"repair": False})
    engine = TestEngine(lambda request: GARBAGE)
    run(job, engine)
    first = set(engine.asked)
    jobs.retry_failed(job=job, by=world.alice)
    again = TestEngine()

    run(job, again)

    assert first.isdisjoint(again.asked)
    assert count_states(job) == {"done": 3}
    # Both calls are kept: what was said is never overwritten.
    assert [list(i.calls.values_list("place", "outcome")) for i in items_of(job)] == [
        [(0, "unusable"), (1, "ok")]
    ] * 3


def test_what_was_answered_is_not_asked_again(world: World, clock: Clock) -> None:
    """The repair fails in passing: the next attempt begins with the stored reply."""
    job = world.make_job(selection={"limit": 1})

    def answer(request: CompletionRequest) -> EngineReply | None:
        if request.key.endswith("inject"):
            return GARBAGE
        if len(engine.asked) == 2:
            transient(request)
        return None

    engine = TestEngine(answer)
    run(job, engine, now=clock)
    assert ModelCall.objects.count() == 1
    clock.move(seconds=30)
    run(job, engine, now=clock)

    assert [key.rsplit("/")[-1] for key in engine.asked] == ["inject", "repair", "repair"]
    assert list(ModelCall.objects.values_list("place", "attempt", "purpose", "outcome")) == [
        (0, 1, "inject", "unusable"),
        (1, 2, "repair", "ok"),
    ]
    assert job.state == "done"


def test_tokens_are_counted_as_they_come(world: World) -> None:
    job = world.make_job(selection={"limit": 1})

    async def answer(request: CompletionRequest) -> EngineReply:
        reply = await ScriptedEngine(ScriptSettings(**FLAWLESS)).complete(request)  # type: ignore[arg-type]
        return replace(reply, prompt_tokens=100, completion_tokens=20)

    run(job, TestEngine(answer))

    [item] = items_of(job)
    assert (item.prompt_tokens, item.completion_tokens) == (100, 20)


def test_labelling_may_refuse_a_product(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job = world.make_job(selection={"limit": 1})

    def refuse(**kwargs: Any) -> Injection:
        raise InvalidInput("This question is too long.")

    monkeypatch.setattr(results, "record_injection", refuse)

    run(job)

    [item] = items_of(job)
    assert (item.state, item.reason_code) == ("failed", "refused")
    assert item.reason == "The result could not be taken in: This question is too long."
    assert ModelCall.objects.count() == 1


# --- Errors that nobody foresaw ---------------------------------------------------------------


def test_a_poison_item_is_set_aside_and_the_others_go_on(
    world: World, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    job = world.make_job()
    poison = key_of(items_of(job)[1])

    def explode(request: CompletionRequest) -> None:
        if request.key == poison:
            raise ZeroDivisionError("boom")

    reports = []
    for _ in range(leases.MAX_ERRORS):
        reports.append(run(job, TestEngine(explode), now=clock))
        clock.move(minutes=1)

    assert [(r.done, r.waiting, r.set_aside) for r in reports] == [(2, 1, 0), (0, 1, 0), (0, 0, 1)]
    item = items_of(job)[1]
    assert (item.state, item.reason_code) == ("set_aside", "unexpected_error")
    assert item.reason.startswith("ZeroDivisionError: boom.")
    assert job.state == "done"
    # The log has what a person needs to find the fault.
    assert "ZeroDivisionError" in caplog.text
    assert "Traceback" in caplog.text


def test_a_result_that_cannot_be_stored_is_set_aside_in_the_end(
    world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.make_job(selection={"limit": 1})

    def fail(**kwargs: Any) -> Injection:
        raise RuntimeError("no such thing")

    monkeypatch.setattr(results, "record_injection", fail)
    for _ in range(leases.MAX_ERRORS):
        run(job, now=clock)
        clock.move(minutes=1)

    [item] = items_of(job)
    assert item.state == "set_aside"
    # The call was paid for, and is kept, once.
    assert ModelCall.objects.count() == 1


def test_an_item_that_kills_its_workers_is_set_aside_alone(world: World, clock: Clock) -> None:
    """Each worker that claims the poison item dies; the innocents get through all the same."""
    job = make_jobs_larger(world, 12)
    poison = items_of(job)[5].pk

    for number in range(20):
        rows = leases.claim_items(
            job_id=job.pk, limit=12, worker=f"w{number}", now=clock(), ttl=TTL
        )
        if not rows:
            break
        if poison not in {row.pk for row in rows}:
            for row in rows:
                assert row.lease_token is not None
                leases.finish_item(
                    lease=leases.Lease(row.pk, row.lease_token),
                    state="done",
                    result={},
                    now=clock(),
                )
        # Whoever has the poison item dies with all it holds.
        clock.move(seconds=121)
        leases.reap_expired_items(now=clock())

    assert count_states(job) == {"done": 11, "set_aside": 1}
    assert JobItem.objects.get(state="set_aside").pk == poison


def test_a_fault_of_the_machinery_blames_no_item(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.make_job()

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise OperationalError("database is locked")

    monkeypatch.setattr(results, "finish", fail)
    with pytest.raises(OperationalError):
        run(job)
    monkeypatch.undo()

    assert count_states(job) == {"pending": 3}
    assert {Tally.of(item) for item in items_of(job)} == {Tally()}
    run(job)
    check_undisturbed(job)


def test_a_full_disk_blames_no_item(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job = world.make_job()

    def fail(data: bytes) -> str:
        raise TextStoreError("A model's text could not be stored: No space left on device.")

    monkeypatch.setattr("modeljobs.services.calls.write_chunk", fail)
    report = run(job)

    # What cannot be saved is handed back; nothing is stored in part, and nothing is paid for again
    # until somebody has made room.
    assert report.ended == "texts cannot be stored"
    assert job.state == "paused"
    assert count_states(job) == {"pending": 3}
    assert ModelCall.objects.count() == 0
    assert Injection.objects.count() == 0


# --- Leases during a run ----------------------------------------------------------------------


def steal(row: JobItem) -> None:
    JobItem.objects.filter(pk=row.pk).update(lease_token=uuid.uuid4(), worker="thief")


def test_a_lease_lost_before_the_end_stores_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.make_job()
    victim = items_of(job)[1]
    real = results.finish

    def lose_then_finish(context: Any, item: OpenItem, *args: Any, **kwargs: Any) -> Any:
        if item.row.pk == victim.pk:
            steal(victim)
        return real(context, item, *args, **kwargs)

    monkeypatch.setattr(results, "finish", lose_then_finish)

    report = run(job)

    assert (report.done, report.lost) == (2, 1)
    assert Injection.objects.count() == 2
    assert ModelCall.objects.filter(item=victim).count() == 0
    victim.refresh_from_db()
    assert (victim.state, victim.worker) == ("leased", "thief")
    assert job.state == "running"


def test_a_lost_lease_is_noticed_while_the_engine_works(
    world: World, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    job = world.make_job(selection={"limit": 1})
    real = results.open_item

    def open_and_lose(row: JobItem) -> OpenItem:
        item = real(row)
        steal(row)
        return item

    monkeypatch.setattr(results, "open_item", open_and_lose)

    async def sleep(seconds: float) -> None:
        clock.move(seconds=60)
        await asyncio.sleep(0)

    # The engine never answers: only the look can end this.
    report = run(job, TestEngine(block_all_but("nothing")), now=clock, sleep=sleep)

    assert report.lost == 1
    assert ModelCall.objects.count() == 0


def test_leases_are_extended_while_the_engine_works(world: World, clock: Clock) -> None:
    job = world.make_job(selection={"limit": 1})
    looks: list[float] = []

    async def sleep(seconds: float) -> None:
        looks.append(seconds)
        # A long call: ten looks, a minute apart.
        clock.move(seconds=60)
        await asyncio.sleep(0)

    async def take_long(request: CompletionRequest) -> None:
        while len(looks) < 10:
            await asyncio.sleep(0)

    run(job, TestEngine(take_long), now=clock, sleep=sleep)

    # Far beyond the first lease, and never lost.
    assert clock() - NOON >= timedelta(minutes=10)
    [item] = items_of(job)
    assert (item.state, item.attempts) == ("done", 1)


def test_a_run_takes_up_what_a_dead_worker_of_the_same_job_left(world: World, clock: Clock) -> None:
    """Without waiting for the reaper."""
    job = world.make_job()
    leases.claim_items(job_id=job.pk, limit=10, worker="dead", now=NOON, ttl=TTL)
    clock.move(seconds=121)

    assert run(job, now=clock).done == 3


def test_suspects_fly_alone(world: World) -> None:
    job = make_jobs_larger(world, 6)
    JobItem.objects.update(result={"losses": 4})
    limit_requests(job, 4)

    async def take_time(request: CompletionRequest) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    engine = TestEngine(take_time)
    run(job, engine)

    assert engine.most_at_once == 1
    check_undisturbed(job)


def test_a_broken_watch_ends_the_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job = world.make_job(selection={"limit": 1})

    def fail(self: runner.Run, *args: Any) -> Any:
        raise OperationalError("gone")

    monkeypatch.setattr(runner.Run, "_read_state", fail)

    with pytest.raises(OperationalError):
        run(job, TestEngine(block_all_but("nothing")))

    assert count_states(job) == {"pending": 1}
