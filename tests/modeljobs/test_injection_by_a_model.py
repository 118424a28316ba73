"""All nine classes asked of a real model behind a real server: one of random weights, whose replies
are as bad as replies can be. Nothing of them may be lost, and each has to be explained.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labeling.models import Injection
from modeljobs.methods.injection import CLASSES
from modeljobs.models import Engine, JobItem, ModelCall, ModelJob
from modeljobs.runner import run_job
from modeljobs.selectors import list_failures
from modeljobs.selectors_yield import build_yield
from modeljobs.services.calls import list_exchanges
from modeljobs.tiny.model import TinyModel
from modeljobs.tiny.server import TinyServer, run_server
from tests.modeljobs.tiny import conftest as tiny
from tests.modeljobs.worlds import Clock, World

pytestmark = pytest.mark.usefixtures("sent")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyServer]:
    """A model that reads prompts of our length; what it has learnt is nothing."""
    folder: Path = tmp_path_factory.mktemp("model") / "random"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny, "SHAPE", replace(tiny.SHAPE, context_length=8192))
        tiny.write_random_checkpoint(folder)
    with run_server(TinyModel(folder)) as made:
        yield made


@pytest.fixture
def engine(world: World, server: TinyServer) -> Engine:
    return Engine.objects.create(
        name="Tiny server",
        kind="openai_compatible",
        base_url=server.url,
        model=server.model_name,
        options={"max_attempts": 1, "structured_output": "json_schema"},
    )


def run(world: World, engine: Engine, **parameters: Any) -> ModelJob:
    job = world.make_job(
        engine=engine,
        error_types=CLASSES,
        parameters={"max_tokens": 256, **parameters},
        selection={"limit": 1},
    )
    run_job(job_id=job.pk, worker="one", now=Clock(), should_stop=lambda: False)
    job.refresh_from_db()
    return job


def test_every_malformed_reply_is_kept_and_explained(world: World, engine: Engine) -> None:
    job = run(world, engine, examples=0)

    assert (job.state, job.note) == ("done", "")
    items = list(JobItem.objects.filter(job=job).order_by("pk"))
    assert [item.unit for item in items] == list(CLASSES)
    for item in items:
        assert item.state == JobItem.State.FAILED
        assert item.result["outcome"] == "unparsed"
        assert item.reason_code
        assert item.reason.endswith(".")
        exchanges = list_exchanges(item)
        # The first reply, and that to the request to mend it.
        assert len(exchanges) == 2
        for exchange in exchanges:
            assert exchange.record is not None, exchange.missing
            assert exchange.record.reply.completions[0].text
            assert exchange.record.problem.endswith(".")
        last = exchanges[-1].record
        assert last is not None
        assert last.problem == item.reason
    assert not Injection.objects.exists()
    assert ModelCall.objects.filter(item__job=job, outcome="unusable").count() == 18
    failures = list_failures(job)
    assert sum(failure.count for failure in failures) == 9
    assert all(failure.example for failure in failures)


def test_the_funnel_of_a_model_that_knows_nothing_adds_up(world: World, engine: Engine) -> None:
    job = run(world, engine, examples=0, repair=False)

    rows = build_yield(world.project)

    assert {row.error_type for row in rows} == set(CLASSES)
    assert {(row.model, row.is_scripted) for row in rows} == {(engine.model, False)}
    for row in rows:
        assert (row.jobs, row.items, row.asked) == ((job.pk,), 1, 1)
        assert (row.parsed, row.new, row.lint_free, row.differs, row.reviewed) == (0,) * 5


def test_a_prompt_beyond_the_context_is_the_engines_refusal(world: World, engine: Engine) -> None:
    long = "\n".join(f"We note that ${n} + 1 = {n + 1}$." for n in range(800))
    world.solutions[0].steps.filter(position=0).update(text=long)

    job = run(world, engine, examples=0)

    for item in JobItem.objects.filter(job=job):
        assert (item.state, item.reason_code) == ("failed", "context_overflow")
        assert item.reason.endswith(".")
