"""Runs of methods that have texts scored: what is stored, and what is never asked twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from labeling import records
from modeljobs.engines.base import Capabilities, Engine, EnginePermanent, EngineTransient, Piece
from modeljobs.engines.options import Option
from modeljobs.engines.pooling import PoolingEngine, PoolingReply, PoolingRequest
from modeljobs.item_engine import ItemEngine
from modeljobs.methods import catalog
from modeljobs.methods.base import (
    CallMade,
    CodeRunner,
    Event,
    Failed,
    ItemInput,
    PoolRecord,
    Produced,
    StepChecked,
    collect_events,
)
from modeljobs.models import JobItem, ModelCall, ModelJob
from modeljobs.runner import RunReport, run_job
from modeljobs.services import jobs, leases, results
from modeljobs.services.calls import list_exchanges
from tests.modeljobs.stepping import HashEngine
from tests.modeljobs.test_runner import items_of, sleep_briefly
from tests.modeljobs.worlds import NOON, TTL, Clock, World, count_states

NAME = "scoring"
STEPS = 2


class ScoringEngine(HashEngine):
    """Scores a text by its length. `fail_at` is the request that gets no answer, once."""

    capabilities = Capabilities(pooling=True)

    def __init__(self, fail_at: int | None = None) -> None:
        super().__init__()
        self.fail_at = fail_at
        self.encoded: list[str] = []

    async def pool(self, request: PoolingRequest) -> PoolingReply:
        self.asked.append(request.key)
        if len(self.asked) == self.fail_at:
            raise EngineTransient("The server is busy.", code="busy")
        size = len(request.text)
        return PoolingReply(((1 / size, 1 - 1 / size),), model="prm", prompt_tokens=size)

    async def encode(self, text: str) -> tuple[int, ...]:
        self.encoded.append(text)
        return tuple(text.encode())


class ScoringMethod:
    """Has each step scored by itself."""

    name = NAME
    version = "1"
    prompt_version = ""
    title = "Scoring"
    description = "For tests."
    judges = True
    asks_engine = True
    parameters: tuple[Option, ...] = ()

    def units(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        return ("",)

    def needs_sandbox(self, settings: Mapping[str, Any]) -> bool:
        return False

    async def run(
        self,
        item: ItemInput,
        *,
        engine: Engine,
        settings: Mapping[str, Any],
        rng_seed: int,
        code: CodeRunner | None = None,
    ) -> AsyncGenerator[Event]:
        if not isinstance(engine, PoolingEngine):
            yield Failed("no_pooling", "The engine gives no scores.")
            return
        labels = []
        text = item.solution.problem.text
        for position, step in enumerate(item.solution.steps):
            text = f"{text}\n{step.text}"
            ids = await engine.encode(text)
            request = PoolingRequest(f"{item.key}/p{position}", (Piece(text, token_ids=ids),))
            reply = await engine.pool(request)
            yield CallMade(PoolRecord(request, reply, "score"))
            score = reply.scores[0][1]
            labels.append(records.StepLabel(score=records.Score(score, scale="probability")))
            yield StepChecked(position, "prm", {"scores": [{"raw": score}]})
        yield Produced("suggestion", records.LabelSet(records.Author.MACHINE, tuple(labels)))


@pytest.fixture(autouse=True)
def _method(monkeypatch: pytest.MonkeyPatch) -> None:
    methods = MappingProxyType({**catalog.METHODS, NAME: ScoringMethod()})
    monkeypatch.setattr(catalog, "METHODS", methods)


@pytest.fixture
def job(world: World) -> ModelJob:
    made = jobs.create_job(
        project=world.project,
        engine=world.engine,
        method=NAME,
        parameters={},
        seed=7,
        selection={},
        by=world.alice,
    )
    return jobs.start(job=made, by=world.alice, now=NOON)


def run(job: ModelJob, engine: HashEngine, clock: Clock | None = None) -> RunReport:
    report = run_job(
        job_id=job.pk,
        worker="one",
        now=clock or Clock(),
        clock=lambda: 0.0,
        sleep=sleep_briefly,
        make_engine=lambda snapshot: engine,
        should_stop=lambda: False,
    )
    job.refresh_from_db()
    return report


def check_whole(job: ModelJob) -> None:
    """Every step of every item was scored once, and its scores are there with their text."""
    assert count_states(job) == {"done": len(items_of(job))}
    for item in items_of(job):
        exchanges = list_exchanges(item)
        assert [one.row.place for one in exchanges] == list(range(STEPS))
        for exchange in exchanges:
            assert exchange.pool is not None
            size = len(exchange.pool.request.text)
            assert exchange.pool.reply.scores == ((1 / size, 1 - 1 / size),)


def test_it_works(job: ModelJob) -> None:
    engine = ScoringEngine()

    report = run(job, engine)

    assert report.done == len(items_of(job))
    assert len(engine.asked) == STEPS * report.done
    check_whole(job)


def test_what_was_read_is_counted(job: ModelJob) -> None:
    run(job, ScoringEngine())

    for item in items_of(job):
        read = sum(call.prompt_tokens or 0 for call in item.calls.all())
        assert (item.prompt_tokens, item.completion_tokens) == (read, 0)
        assert read > 0


def test_an_item_that_begins_again_has_nothing_scored_twice(job: ModelJob, clock: Clock) -> None:
    engine = ScoringEngine(fail_at=STEPS)

    run(job, engine, clock)
    clock.move(seconds=3600)
    run(job, engine, clock)

    check_whole(job)
    # One request more than there are steps: the one that got no answer.
    assert len(engine.asked) == STEPS * len(items_of(job)) + 1
    assert len(set(engine.asked)) == STEPS * len(items_of(job))


def test_a_killed_worker_loses_no_scores(job: ModelJob, clock: Clock) -> None:
    rows = leases.claim_items(job_id=job.pk, limit=10, worker="dead", now=NOON, ttl=TTL)
    first = results.open_item(rows[0])
    made = asyncio.run(
        collect_events(
            ScoringMethod().run(first.input, engine=ScoringEngine(), settings={}, rng_seed=7)
        )
    )
    first.calls.add(made.pools[0])
    results.checkpoint(first, now=NOON)
    engine = ScoringEngine()

    clock.move(seconds=121)
    run(job, engine, clock)

    assert made.pools[0].request.key not in engine.asked
    assert len(engine.asked) == STEPS * len(items_of(job)) - 1
    check_whole(job)


def test_an_engine_that_gives_no_scores_is_an_error_that_says_so(job: ModelJob) -> None:
    run(job, HashEngine())

    item = items_of(job)[0]
    assert item.state == JobItem.State.FAILED
    assert "does not score them" in item.reason
    assert not ModelCall.objects.exists()


# --- The engine as a method sees it -----------------------------------------------------------


def open_engine(job: ModelJob, engine: HashEngine) -> ItemEngine:
    [row] = leases.claim_items(job_id=job.pk, limit=1, worker="one", now=NOON, ttl=TTL)
    item = results.open_item(row)

    async def save() -> None:
        results.checkpoint(item, now=NOON)

    return ItemEngine(engine, item=item, save=save, slots=asyncio.Semaphore(1))


def test_it_is_a_pooling_engine_and_says_what_the_one_beneath_can(job: ModelJob) -> None:
    scoring = open_engine(job, ScoringEngine())
    silent = open_engine(job, HashEngine())

    assert isinstance(scoring, PoolingEngine)
    assert scoring.capabilities.pooling
    assert not silent.capabilities.pooling


def test_texts_are_encoded_beneath(job: ModelJob) -> None:
    engine = ScoringEngine()

    assert asyncio.run(open_engine(job, engine).encode("ab")) == (97, 98)
    assert asyncio.run(open_engine(job, HashEngine()).encode("ab")) is None


def test_scores_are_refused_with_a_reason(job: ModelJob) -> None:
    engine = open_engine(job, HashEngine())

    with pytest.raises(EnginePermanent, match="'hash' continues texts") as caught:
        asyncio.run(engine.pool(PoolingRequest("a", (Piece("x"),))))

    assert caught.value.code == "no_pooling"
