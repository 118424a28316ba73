"""Runs that use up what their job may use, and how their time is counted."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from labeling.models import AuditEvent
from modeljobs.engines.base import CompletionRequest, EngineReply
from modeljobs.models import JobItem, ModelCall, ModelJob
from modeljobs.services import jobs, leases
from tests.modeljobs.stepping import HashEngine, add_method
from tests.modeljobs.test_runner import items_of, limit_requests
from tests.modeljobs.test_runner_steps import check_whole, make_job, run
from tests.modeljobs.worlds import NOON, TTL, World, count_states

TAKES = (100, 20)


@pytest.fixture(autouse=True)
def _method(monkeypatch: pytest.MonkeyPatch) -> None:
    add_method(monkeypatch)


class CountedEngine(HashEngine):
    """Every call takes 100 tokens read and 20 written."""

    async def complete(self, request: CompletionRequest) -> EngineReply:
        reply = await super().complete(request)
        return replace(reply, prompt_tokens=TAKES[0], completion_tokens=TAKES[1])


class Ticks:
    """A clock that goes on by a second at each look of the watcher."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += 1.0
        await asyncio.sleep(0)


def set_prices(job: ModelJob, **prices: Any) -> None:
    job.engine_snapshot["settings"] |= prices
    job.save()


def test_a_budget_of_tokens_stops_the_job(world: World) -> None:
    job = make_job(world, budgets={"max_tokens": 350})
    limit_requests(job, 1)

    report = run(job, CountedEngine())

    assert report.ended == "a budget is used up"
    assert job.state == "paused"
    # Three calls of 120 tokens; the items in flight beside may have stored theirs as well.
    calls = ModelCall.objects.count()
    assert calls >= 3
    assert job.note.startswith("The budget of 350 tokens is used up: ")
    assert AuditEvent.objects.get(verb="job.paused").detail == {"note": job.note}
    # What was in flight is handed back with its calls, and nothing is held against it.
    counts = count_states(job)
    assert "leased" not in counts
    assert counts["pending"] >= 1
    assert {leases.Tally.of(item) for item in items_of(job)} == {leases.Tally()}
    assert sum(item.prompt_tokens for item in items_of(job)) == 100 * calls


def test_it_goes_on_with_what_it_had(world: World) -> None:
    job = make_job(world, budgets={"max_tokens": 350})
    first = CountedEngine()
    run(job, first)
    jobs.change_budgets(job=job, budgets={"max_tokens": 10_000}, by=world.alice)
    jobs.resume(job=job, by=world.alice)
    stored = {call.settings["key"] for call in ModelCall.objects.all()}
    second = CountedEngine()

    run(job, second)

    check_whole(job)
    assert stored.isdisjoint(second.asked)


def test_a_budget_that_is_enough_stops_nothing(world: World) -> None:
    # Three items with four calls of 120 tokens.
    job = make_job(world, budgets={"max_tokens": 3 * 4 * 120 + 1})

    assert run(job, CountedEngine()).ended == "nothing left"
    check_whole(job)


def test_what_the_last_call_used_up_is_finished_without_another(world: World) -> None:
    job = make_job(world, budgets={"max_tokens": 4 * 120}, selection={"limit": 1})
    run(job, CountedEngine())
    assert (job.state, ModelCall.objects.count()) == ("paused", 4)
    jobs.change_budgets(job=job, budgets={}, by=world.alice)
    jobs.resume(job=job, by=world.alice)
    again = CountedEngine()

    run(job, again)

    assert again.asked == []
    check_whole(job)


def test_a_budget_of_cost_stops_the_job(world: World) -> None:
    job = make_job(world)
    set_prices(job, price_prompt=1_000.0, price_completion=5_000.0, currency="EUR")
    # A call costs 100 * 0.001 + 20 * 0.005 = 0.20.
    ModelJob.objects.filter(pk=job.pk).update(budgets={"max_cost": 0.5})

    report = run(job, CountedEngine())

    assert report.ended == "a budget is used up"
    assert job.note.startswith("The budget of 0.50 EUR is used up: ")
    assert job.state == "paused"


def test_a_cost_that_nobody_knows_stops_the_job(world: World) -> None:
    """An engine that stops counting must not go on as if it were free."""
    job = make_job(world)
    set_prices(job, price_prompt=1.0, price_completion=5.0, currency="EUR")
    ModelJob.objects.filter(pk=job.pk).update(budgets={"max_cost": 0.5})

    class SilentEngine(HashEngine):
        async def complete(self, request: CompletionRequest) -> EngineReply:
            reply = await super().complete(request)
            return replace(reply, completion_tokens=None)

    run(job, SilentEngine())

    assert job.state == "paused"
    assert job.note.startswith("The budget of 0.50 EUR cannot be kept: the engine did not say")


def test_what_others_used_counts(world: World) -> None:
    """The watcher sees what another worker spent while the engine is still at work here."""
    job = make_job(world, budgets={"max_tokens": 1_000}, selection={"limit": 1})

    async def wait_for_ever(request: CompletionRequest) -> None:
        await asyncio.Event().wait()

    looks: list[float] = []

    async def sleep(seconds: float) -> None:
        looks.append(seconds)
        await asyncio.sleep(0)

    from modeljobs.runner import Run

    real = Run._read_state

    def spend_elsewhere(self: Run, *args: Any) -> Any:
        JobItem.objects.filter(job=job).update(completion_tokens=1_000)
        return real(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "_read_state", spend_elsewhere)
        report = run(job, HashEngine(wait_for_ever), sleep=sleep)

    assert report.ended == "a budget is used up"
    assert report.handed_back == 1
    assert job.state == "paused"


def test_a_job_whose_budget_is_used_up_begins_nothing(world: World) -> None:
    job = make_job(world, budgets={"max_seconds": 5})
    ModelJob.objects.filter(pk=job.pk).update(ran_seconds=5.0)
    engine = HashEngine()

    run(job, engine)

    assert engine.asked == []
    assert job.state == "paused"
    assert "5 seconds at work is used up" in job.note


# --- Time -----------------------------------------------------------------------------------------


def test_time_at_work_is_counted(world: World) -> None:
    job = make_job(world)
    ticks = Ticks()

    async def take_time(request: CompletionRequest) -> None:
        until = ticks.seconds + 3
        while ticks.seconds < until:
            await asyncio.sleep(0)

    run(job, HashEngine(take_time), clock=ticks, sleep=ticks.sleep)

    assert job.state == "done"
    # All of it, from the start of the run to its end.
    assert job.ran_seconds == ticks.seconds >= 4 * 3


def test_a_budget_of_time_stops_the_job(world: World) -> None:
    job = make_job(world, budgets={"max_seconds": 5})
    ticks = Ticks()

    async def wait_for_ever(request: CompletionRequest) -> None:
        await asyncio.Event().wait()

    report = run(job, HashEngine(wait_for_ever), clock=ticks, sleep=ticks.sleep)

    assert report.ended == "a budget is used up"
    assert job.state == "paused"
    assert job.ran_seconds == 5.0
    assert job.note == "The budget of 5 seconds at work is used up: it took 5, 0 beyond it."


def test_two_workers_at_once_count_once(world: World) -> None:
    """Whoever holds the item that stands first counts for both."""
    job = make_job(world)
    other = leases.claim_items(job_id=job.pk, limit=1, worker="other", now=NOON, ttl=TTL)
    assert other
    ticks = Ticks()

    async def take_time(request: CompletionRequest) -> None:
        until = ticks.seconds + 3
        while ticks.seconds < until:
            await asyncio.sleep(0)

    run(job, HashEngine(take_time), clock=ticks, sleep=ticks.sleep)

    assert ticks.seconds > 0
    assert job.ran_seconds == 0
