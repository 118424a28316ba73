"""Jobs of critics: what becomes of their verdicts, and that no answer is paid for twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from labeling.models import Suggestion
from modeljobs.engines.base import (
    Capabilities,
    Completion,
    CompletionRequest,
    EngineReply,
    EngineTransient,
)
from modeljobs.methods.r_prm import QUESTION
from modeljobs.models import JobItem, ModelJob, StepEvidence
from modeljobs.runner import RunReport, run_job
from modeljobs.services import jobs
from modeljobs.services.calls import list_exchanges
from tests.modeljobs.test_runner import items_of, sleep_briefly
from tests.modeljobs.worlds import NOON, Clock, World, count_states

STEPS = 2
SETTINGS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "first error": ("critic", {"samples": 3}),
    "ratings": ("critic", {"style": "prmbench", "samples": 2}),
    "r_prm": ("r_prm", {"samples": 2, "logprobs": 0}),
    "think_prm": ("think_prm", {"samples": 2, "logprobs": 0}),
}


class JudgingEngine:
    """Finds an error in the last step. One answer a request; `fail_at` is the request, counted from
    one, that gets none.
    """

    name = "judging"
    revision = "1"
    is_scripted = False
    capabilities = Capabilities(chat=True, completions=True)

    def __init__(self, fail_at: int | None = None) -> None:
        self.fail_at = fail_at
        self.asked = 0
        self.answered: list[str] = []

    async def complete(self, request: CompletionRequest) -> EngineReply:
        self.asked += 1
        if self.asked == self.fail_at:
            raise EngineTransient("The server is busy.", code="busy")
        self.answered.append(request.key)
        return EngineReply(
            (Completion(answer(request), "stop"),),
            model="judging-1",
            prompt_tokens=10,
            completion_tokens=3,
        )

    def describe(self) -> dict[str, Any]:
        return {"kind": "judging"}

    async def aclose(self) -> None: ...


def answer(request: CompletionRequest) -> str:
    data = request.metadata
    match data["task"], data.get("style"), data.get("stage"):
        case "critic", "processbench", _:
            return "\\boxed{1}"
        case "critic", _, _:
            # Unreadable at first, so that it is asked for again.
            ratings = {"validity": [1, -1], "redundancy": [-1, -1]}
            return "Hm." if data["attempt"] == 1 else json.dumps(ratings)
        case "r_prm", _, _:
            return f"Verification: {QUESTION} {'No' if data['position'] else 'Yes'}"
        case _, _, "verify":
            return "Step 1: \\boxed{correct}\nStep 2: \\boxed{incorrect}\n"
        case _:
            return "no"


def make_job(world: World, case: str) -> ModelJob:
    method, parameters = SETTINGS[case]
    made = jobs.create_job(
        project=world.project,
        engine=world.engine,
        method=method,
        parameters=dict(parameters),
        seed=7,
        selection={},
        by=world.alice,
    )
    return jobs.start(job=made, by=world.alice, now=NOON)


def run(job: ModelJob, engine: JudgingEngine, clock: Clock | None = None) -> RunReport:
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


def read_everything(job: ModelJob) -> list[Any]:
    """What stands there in the end, places and times aside."""
    return [
        (
            item.state,
            sorted(
                (one.record.request.key, one.record.reply.completions)
                for one in list_exchanges(item)
                if one.record is not None
            ),
            list(item.evidence.order_by("position").values_list("position", "kind", "summary")),
            list(
                Suggestion.objects.filter(solution=item.solution_id).values_list(
                    "method", "labels", "first_error"
                )
            ),
        )
        for item in items_of(job)
    ]


@pytest.mark.parametrize("case", SETTINGS)
def test_verdicts_become_suggestions(world: World, case: str) -> None:
    job = make_job(world, case)

    report = run(job, JudgingEngine())

    assert report.done == len(items_of(job))
    for suggestion in Suggestion.objects.all():
        assert suggestion.first_error == {"at": 1}
        assert [label["validity"] for label in suggestion.labels] == ["correct", "wrong"]
        assert suggestion.provenance["served_model"] == "judging-1"
    assert StepEvidence.objects.count() == STEPS * report.done


@pytest.mark.parametrize("fail_at", [2, 4])
@pytest.mark.parametrize("case", SETTINGS)
def test_what_was_answered_is_not_asked_again(
    world: World, clock: Clock, case: str, fail_at: int
) -> None:
    job = make_job(world, case)
    engine = JudgingEngine(fail_at=fail_at)

    run(job, engine, clock)
    assert "done" not in count_states(job) or count_states(job)["done"] < len(items_of(job))
    clock.move(seconds=3600)
    run(job, engine, clock)

    assert count_states(job) == {"done": len(items_of(job))}
    assert len(set(engine.answered)) == len(engine.answered)
    stored = [
        one.record.request.key
        for item in items_of(job)
        for one in list_exchanges(item)
        if one.record is not None
    ]
    assert sorted(stored) == sorted(engine.answered)


def test_a_disturbed_run_ends_as_an_undisturbed_one(world: World, clock: Clock) -> None:
    whole = make_job(world, "ratings")
    run(whole, JudgingEngine())
    expected = read_everything(whole)
    Suggestion.objects.all().delete()

    disturbed = make_job(world, "ratings")
    run(disturbed, JudgingEngine(fail_at=3), clock)
    clock.move(seconds=3600)
    run(disturbed, JudgingEngine(), clock)

    assert read_everything(disturbed) == expected


def test_an_unreadable_judge_leaves_its_words_and_a_failed_item(world: World) -> None:
    job = make_job(world, "first error")

    class MumblingEngine(JudgingEngine):
        async def complete(self, request: CompletionRequest) -> EngineReply:
            return EngineReply((Completion("Hm.", "stop"),))

    run(job, MumblingEngine())

    item = items_of(job)[0]
    assert (item.state, item.reason_code) == (JobItem.State.FAILED, "no_verdict")
    assert "None of 3 replies could be read" in item.reason
    assert [one.record.reply.completions[0].text for one in list_exchanges(item) if one.record] == [
        "Hm."
    ] * 3
    assert item.evidence.count() == STEPS
    assert not Suggestion.objects.exists()
