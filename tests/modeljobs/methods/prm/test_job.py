"""Reward models as a job: what is stored, and what is never asked twice."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from labeling.models import Suggestion
from modeljobs.engines.base import Engine, EngineTransient
from modeljobs.engines.in_process import Runtime
from modeljobs.engines.pooling import PoolingReply, PoolingRequest
from modeljobs.engines.shelf import Shelf
from modeljobs.engines.transformers_local import TransformersEngine, TransformersSettings
from modeljobs.models import JobItem, ModelJob
from modeljobs.models.evidence import StepEvidence
from modeljobs.runner import run_job
from modeljobs.services import jobs
from modeljobs.services.calls import list_exchanges
from tests.modeljobs.methods.prm.conftest import Folder
from tests.modeljobs.methods.prm.fakes import FakeEngine
from tests.modeljobs.worlds import NOON, Clock, World, count_states


async def _sleep(seconds: float) -> None:
    """No time passes."""


def make_job(world: World, **parameters: Any) -> ModelJob:
    made = jobs.create_job(
        project=world.project,
        engine=world.engine,
        method="prm",
        parameters=parameters,
        seed=7,
        selection={},
        by=world.alice,
    )
    return jobs.start(job=made, by=world.alice, now=NOON)


def run(job: ModelJob, engine: Any, clock: Clock | None = None) -> None:
    make: Callable[[Any], Engine] = lambda snapshot: engine  # noqa: E731
    run_job(
        job_id=job.pk,
        worker="one",
        now=clock or Clock(),
        clock=lambda: 0.0,
        sleep=_sleep,
        make_engine=make,
        should_stop=lambda: False,
    )
    job.refresh_from_db()


class ForgetfulEngine(FakeEngine):
    """Fails once, after it has given its scores: they were stored, or are asked for again."""

    async def pool(self, request: PoolingRequest) -> PoolingReply:
        reply = await super().pool(request)
        if len(self.asked) == 1:
            raise EngineTransient("The server is busy.", code="busy")
        return reply


def test_scores_become_suggestions(world: World) -> None:
    job = make_job(world, family="qwen_prm", threshold=0.7)
    run(job, FakeEngine(lambda count: [(0.2, 0.8), (0.4, 0.6)]))
    assert count_states(job) == {"done": len(world.solutions)}
    made = list(Suggestion.objects.filter(project=world.project).order_by("pk"))
    assert len(made) == len(world.solutions)
    first, second = made[0].labels
    assert (first["validity"], second["validity"]) == ("correct", "wrong")
    assert second["score"] == {"raw": 0.6, "scale": "probability", "rule": ">0.7"}
    assert made[0].first_error == {"at": 1}
    assert made[0].provenance["template"].startswith("qwen_prm-")
    assert made[0].provenance["rule"] == ">0.7"


def test_both_of_two_scores_are_stored(world: World) -> None:
    job = make_job(world, family="reasoneval")
    run(job, FakeEngine(lambda count: [(0.1, 0.3, 0.6), (0.8, 0.1, 0.1)]))
    first, second = Suggestion.objects.filter(project=world.project).earliest("pk").labels
    assert first["redundancy"] == {"raw": 0.3, "scale": "probability", "rule": ">0.15"}
    assert (first["contribution"], second["validity"]) == ("redundant", "wrong")


def test_each_step_has_its_evidence_and_each_item_one_exchange(world: World) -> None:
    job = make_job(world)
    run(job, FakeEngine(lambda count: [(0.2, 0.8), (0.4, 0.6)]))
    item = JobItem.objects.filter(job=job).earliest("pk")
    found = StepEvidence.objects.filter(item=item).order_by("position")
    assert [(one.position, one.kind) for one in found] == [(0, "prm"), (1, "prm")]
    assert found[0].summary["scores"][0]["raw"] == 0.8
    [exchange] = list_exchanges(item)
    assert exchange.pool is not None
    assert exchange.pool.reply.scores == ((0.2, 0.8), (0.4, 0.6))


def test_an_item_that_begins_again_comes_to_the_same(world: World, clock: Clock) -> None:
    job = make_job(world)
    engine = ForgetfulEngine(lambda count: [(0.2, 0.8), (0.4, 0.6)])
    run(job, engine, clock)
    clock.move(seconds=3600)
    run(job, engine, clock)
    assert count_states(job) == {"done": len(world.solutions)}
    # The request that failed is the only one made twice.
    assert len(engine.asked) == len(world.solutions) + 1


def test_a_cut_reply_fails_the_item_and_is_kept(world: World) -> None:
    job = make_job(world)
    run(job, FakeEngine(lambda count: [(0.2, 0.8)]))
    item = JobItem.objects.filter(job=job).earliest("pk")
    assert item.state == JobItem.State.FAILED
    assert "which row belongs to which step" in item.reason
    [exchange] = list_exchanges(item)
    assert exchange.pool is not None
    assert "which row belongs to which step" in exchange.pool.problem


@pytest.mark.models
def test_a_reward_model_in_this_process(world: World, folder: Folder) -> None:
    job = make_job(world, family="skywork")
    shelf: Shelf[Runtime] = Shelf()
    settings = TransformersSettings(str(folder("skywork")), device="cpu")
    run(job, TransformersEngine(settings, shelf=shelf))
    shelf.clear()
    assert count_states(job) == {"done": len(world.solutions)}
    for suggestion in Suggestion.objects.filter(project=world.project):
        scores = [label["score"] for label in suggestion.labels]
        assert {one["rule"] for one in scores} == {"difference>-0.05"}
        assert all(0 < one["raw"] < 1 and math.isfinite(one["raw"]) for one in scores)
        assert suggestion.provenance["engine"]["device"] == "cpu"
