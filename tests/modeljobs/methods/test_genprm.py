from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from labeling.records import (
    At,
    Author,
    LabelSet,
    NoError,
    Score,
    Step,
    StepLabel,
    Unknown,
    Validity,
)
from modeljobs.engines.base import (
    CompletionRequest,
    EnginePermanent,
    EngineReply,
    EngineTransient,
)
from modeljobs.methods.base import CallMade, ItemInput, ItemResult, Outcome, StepChecked
from modeljobs.methods.catalog import get_method
from modeljobs.methods.code_runs import SessionCodeRunner
from modeljobs.sandbox.base import CodeResult, CodeStatus
from tests.modeljobs.methods.genprm_fakes import (
    BARE_NO,
    BARE_YES,
    CODE,
    METHOD,
    NO,
    SOLUTION,
    YES,
    PretendedRunner,
    Write,
    WritingModel,
    get_place,
    judge,
    take_steps,
    with_settings,
    write_by_stage,
)


def find_labels(result: ItemResult) -> LabelSet:
    (product,) = result.products
    assert product.kind == "suggestion"
    assert isinstance(product.product, LabelSet)
    return product.product


def list_validities(result: ItemResult) -> list[Validity | None]:
    return [label.validity if label else None for label in find_labels(result).labels]


def decide(rule: Callable[[int, int], bool | None]) -> Write:
    """Verdicts by position and sample; None for a reply without one."""
    texts = {True: YES, False: NO, None: "</verify>\n<output>\nHm.\n</output>\n"}
    bare = {True: BARE_YES, False: BARE_NO, None: "Hm."}

    def write(request: CompletionRequest) -> str | Exception:
        stage, position, sample = get_place(request)
        verdict = rule(position, sample)
        if stage in ("output", "fallback"):
            return bare[verdict]
        return texts[verdict] if stage == "verify1" else write_by_stage()(request)

    return write


def score(rule: Callable[[int, int], float]) -> Callable[[CompletionRequest], float]:
    return lambda request: rule(*get_place(request)[1:])


RIGHT = WritingModel(decide(lambda position, sample: True))


# What comes out


def test_every_step_gets_a_label_with_its_score() -> None:
    result = judge(WritingModel(write_by_stage()))
    assert result.outcome is Outcome.DONE
    labels = find_labels(result)
    mean = result.steps[0].summary["mean"]
    assert mean == pytest.approx(0.9)
    label = StepLabel(
        validity=Validity.CORRECT,
        score=Score(mean, scale="probability", rule=">= 0.5 is correct"),
    )
    assert labels == LabelSet(Author.MACHINE, (label,) * 3, NoError(), method="genprm")


def test_a_finished_step_is_reported_before_the_next_is_asked_about() -> None:
    engine = WritingModel(write_by_stage())
    seen: list[tuple[int, int]] = []

    async def main() -> None:
        events = METHOD.run(
            ItemInput("item", SOLUTION),
            engine=engine,
            settings=with_settings(),
            rng_seed=1,
            code=PretendedRunner(),
        )
        async for event in events:
            if isinstance(event, StepChecked):
                seen.append((event.position, len(engine.requests)))

    asyncio.run(main())
    assert seen == [(0, 3), (1, 6), (2, 9)]


def test_the_summary_has_the_agreed_shape() -> None:
    engine = WritingModel(
        decide(lambda position, sample: (True, False, None)[sample]),
        p_yes=score(lambda position, sample: (0.8, 0.4, 0.5)[sample]),
    )
    result = judge(engine, solution=take_steps(1), samples=3)
    (step,) = result.steps
    assert (step.position, step.kind) == (0, "genprm")
    summary = dict(step.summary)
    assert summary.pop("completion_tokens") > 0
    assert summary.pop("p_yes") == [pytest.approx(0.8), pytest.approx(0.4), None]
    assert summary == {
        "mean": pytest.approx(0.6),
        "verdict": True,
        "majority": None,
        "decided_by": "mean",
        "yes": 1,
        "no": 1,
        "unparsed": 1,
        "samples": 3,
        "verdicts": [True, False, None],
        "bounds": ["exact", "exact", None],
        "threshold": 0.5,
        "variance": pytest.approx(0.04),
        "code_runs": 3,
        "fell_back": 0,
        "mode": "code",
        "unparsed_reasons": {"no_verdict": 1},
        "chosen": 0,
    }
    samples = step.detail["samples"]
    assert [one["verdict"] for one in samples] == ["yes", "no", None]
    assert set(samples[0]["blocks"][0]) == {
        "code",
        "output",
        "status",
        "is_truncated",
        "wall_ms",
        "layers",
    }


def test_events_are_plain_json() -> None:
    result = judge(WritingModel(write_by_stage()), samples=2)
    for step in result.steps:
        assert json.loads(json.dumps(step.summary)) == step.summary
        assert json.loads(json.dumps(step.detail)) == step.detail
    provenance = result.products[0].provenance
    assert json.loads(json.dumps(provenance)) == provenance
    assert (provenance["served_models"], provenance["is_scripted"]) == (["writing-1"], True)


def test_a_solution_without_steps_is_refused() -> None:
    result = judge(RIGHT, solution=replace(SOLUTION, steps=(Step(" "),)))
    assert result.failure is not None
    assert result.failure.reason_code == "unsuitable_source"
    assert result.outcome is Outcome.FAILED


def test_an_empty_step_at_the_end_is_not_judged() -> None:
    engine = WritingModel(write_by_stage())
    result = judge(engine, solution=replace(SOLUTION, steps=(*SOLUTION.steps, Step(""))))
    assert len(result.steps) == 3
    labels = find_labels(result)
    assert (len(labels.labels), labels.labels[3], labels.first_error) == (4, None, NoError())


# Stopping


def test_it_stops_at_the_first_error_by_the_mean_of_all_samples() -> None:
    # Step 1: one of three says No, and the mean is above 0.5. Step 2: the mean is below.
    engine = WritingModel(
        decide(lambda position, sample: sample != 0 if position == 0 else False),
        p_yes=score(lambda position, sample: 0.2 if sample == 0 or position == 1 else 0.9),
    )
    result = judge(engine, samples=3)
    assert [step.position for step in result.steps] == [0, 1]
    assert list_validities(result) == [Validity.CORRECT, Validity.WRONG, None]
    assert find_labels(result).first_error == At(1)
    provenance = result.products[0].provenance
    assert (provenance["steps_judged"], provenance["stopped_early"]) == (2, True)


def test_without_early_stop_every_step_is_judged() -> None:
    engine = WritingModel(decide(lambda position, sample: position == 2), p_yes=0.4)
    result = judge(engine, early_stop=False)
    assert [step.position for step in result.steps] == [0, 1, 2]
    assert find_labels(result).first_error == At(0)
    assert None not in find_labels(result).labels


def test_the_mean_outweighs_the_majority() -> None:
    # Two of three say No at 0.45, one says Yes at 0.9: the mean is 0.6.
    engine = WritingModel(
        decide(lambda position, sample: sample == 0),
        p_yes=score(lambda position, sample: 0.9 if sample == 0 else 0.45),
    )
    result = judge(engine, solution=take_steps(1), samples=3)
    summary = result.steps[0].summary
    assert (summary["verdict"], summary["majority"]) == (True, False)
    assert list_validities(result) == [Validity.CORRECT]


def test_the_threshold_is_a_setting_and_is_kept() -> None:
    engine = WritingModel(write_by_stage(), p_yes=0.6)
    result = judge(engine, solution=take_steps(1), threshold=0.7)
    assert result.steps[0].summary["threshold"] == 0.7
    assert list_validities(result) == [Validity.WRONG]
    (label,) = find_labels(result).labels
    assert label is not None
    assert label.score is not None
    assert label.score.rule == ">= 0.7 is correct"


# What cannot be read


def test_a_step_without_a_verdict_is_not_judged_and_leaves_the_first_error_open() -> None:
    engine = WritingModel(decide(lambda position, sample: None if position == 1 else True))
    result = judge(engine)
    assert list_validities(result) == [Validity.CORRECT, None, Validity.CORRECT]
    assert find_labels(result).first_error == Unknown("no verdict on step 2 could be read")


def test_an_error_before_such_a_step_is_the_first_all_the_same() -> None:
    engine = WritingModel(decide(lambda position, sample: (False, None, True)[position]), p_yes=0.1)
    result = judge(engine, early_stop=False)
    assert find_labels(result).first_error == At(0)


def test_an_error_behind_such_a_step_may_not_be_the_first() -> None:
    engine = WritingModel(decide(lambda position, sample: (True, None, False)[position]), p_yes=0.1)
    result = judge(engine, threshold=0.05)
    assert isinstance(find_labels(result).first_error, Unknown)


def test_nothing_read_at_all_is_a_failure_to_read() -> None:
    result = judge(WritingModel(decide(lambda position, sample: None)))
    assert result.failure is not None
    assert (result.outcome, result.failure.reason_code) == (Outcome.UNPARSED, "unparsed")
    assert len(result.steps) == 3
    assert result.products == ()


def test_without_log_probabilities_the_votes_decide() -> None:
    engine = WritingModel(decide(lambda position, sample: sample == 0), gives_logprobs=False)
    result = judge(engine, samples=3)
    summary = result.steps[0].summary
    assert (summary["mean"], summary["verdict"], summary["majority"]) == (None, None, False)
    assert summary["p_yes"] == [None, None, None]
    assert summary["decided_by"] == "majority"
    (label, *_) = find_labels(result).labels
    assert label == StepLabel(validity=Validity.WRONG)


def test_log_probabilities_can_be_left_out_of_the_request() -> None:
    engine = WritingModel(write_by_stage())
    judge(engine, logprobs=0, top_k=0)
    assert all(request.sampling.logprobs is None for request in engine.requests)
    assert all(request.sampling.top_k is None for request in engine.requests)


# Samples


def test_each_sample_has_its_own_history_and_session() -> None:
    engine = WritingModel(
        lambda request: (
            CODE.replace("2 + 3", f"{get_place(request)[2]}")
            if get_place(request)[0] == "verify0"
            else write_by_stage()(request)
        )
    )
    runner = PretendedRunner()
    judge(engine, runner=runner, samples=2)
    assert {trajectory for trajectory, _, _ in runner.calls} == {"s0", "s1"}
    for request in engine.requests:
        _, position, sample = get_place(request)
        other = f"print({1 - sample})"
        assert other not in (request.prompt or "")
        assert (request.prompt or "").count(f"print({sample})") >= position


def test_samples_of_one_step_run_side_by_side() -> None:
    engine = WritingModel(write_by_stage())
    judge(engine, solution=take_steps(1), samples=3)
    stages = [get_place(request)[0] for request in engine.requests]
    assert stages == ["analyze"] * 3 + ["verify0"] * 3 + ["verify1"] * 3


class SlowFirstSample(WritingModel):
    """Keeps its first sample waiting at the first step until another has reached the last one."""

    async def complete(self, request: CompletionRequest) -> EngineReply:
        _, position, sample = get_place(request)
        if sample == 0 and position == 0:
            async with asyncio.timeout(60):
                while not any(get_place(one)[1:] == (2, 1) for one in self.requests):
                    await asyncio.sleep(0)
        return await super().complete(request)


def test_without_early_stop_no_sample_waits_for_another() -> None:
    result = judge(SlowFirstSample(write_by_stage()), samples=2, early_stop=False)
    assert [step.position for step in result.steps] == [0, 1, 2]
    assert all(step.summary["samples"] == 2 for step in result.steps)
    assert len(find_labels(result).labels) == 3


def test_a_shared_history_is_that_of_the_sample_closest_to_the_mean() -> None:
    engine = WritingModel(
        lambda request: (
            CODE.replace("2 + 3", f"{get_place(request)[2]}")
            if get_place(request)[0] == "verify0"
            else write_by_stage()(request)
        ),
        # Mean 0.7: sample 1.
        p_yes=score(lambda position, sample: (0.9, 0.7, 0.5)[sample]),
    )
    result = judge(engine, samples=3, sampling="step")
    assert [step.summary["chosen"] for step in result.steps] == [1, 1, 1]
    later = [request.prompt or "" for request in engine.requests if get_place(request)[1] == 1]
    assert len(later) == 9
    firsts = {prompt.partition("Paragraph 2")[0] for prompt in later}
    assert len(firsts) == 1
    assert "print(1)" in firsts.pop()


def test_with_a_shared_history_every_session_knows_the_code_that_was_chosen() -> None:
    engine = WritingModel(
        write_by_stage(), p_yes=score(lambda position, sample: (0.9, 0.7, 0.5)[sample])
    )
    runner = PretendedRunner()
    result = judge(engine, runner=runner, samples=3, sampling="step", solution=take_steps(2))
    chosen = "item/s1/p0/code0"
    asked = [trajectory for trajectory, key, _ in runner.calls if key == chosen]
    assert sorted(asked) == ["s0", "s1", "s2"]
    # It was run once, and reported once.
    assert [key for _, key, _ in runner.runs].count(chosen) == 1
    assert [run.key for run in result.runs].count(chosen) == 1
    assert result.steps[1].summary["code_runs"] == 3


def test_keys_are_unique_and_name_sample_step_and_stage() -> None:
    engine = WritingModel(write_by_stage())
    result = judge(engine, samples=4)
    keys = [call.request.key for call in result.calls]
    assert len(set(keys)) == len(keys) == 36
    assert "item/s3/p2/verify1" in keys
    assert len({request.sampling.seed for request in engine.requests}) == 36
    runs = [run.key for run in result.runs]
    assert len(set(runs)) == len(runs) == 12


# The ladder


def test_a_certain_bare_verdict_is_enough_on_the_ladder() -> None:
    engine = WritingModel(write_by_stage(), p_yes=0.97)
    result = judge(engine, ladder=True)
    assert [step.summary["mode"] for step in result.steps] == ["direct"] * 3
    assert [request.key for request in engine.requests] == [
        f"item/s0/p{position}/direct/output" for position in range(3)
    ]
    # The checkpoint was trained with analyses, and is told so.
    assert "step by step.<｜User｜>" in (engine.requests[0].prompt or "")


def test_doubt_leads_up_the_ladder() -> None:
    def rate(request: CompletionRequest) -> float:
        mode, position = request.metadata["mode"], request.metadata["position"]
        return 0.95 if (mode, position) in {("analysis", 0), ("code", 1)} else 0.6

    engine = WritingModel(write_by_stage(), p_yes=rate)
    result = judge(engine, ladder=True, solution=take_steps(2))
    assert [step.summary["mode"] for step in result.steps] == ["analysis", "code"]
    assert [step.summary["code_runs"] for step in result.steps] == [0, 1]
    assert [request.key.removeprefix("item/s0/") for request in engine.requests] == [
        "p0/direct/output",
        "p0/analysis/analyze",
        "p0/analysis/output",
        "p1/direct/output",
        "p1/analysis/analyze",
        "p1/analysis/output",
        "p1/code/analyze",
        "p1/code/verify0",
        "p1/code/verify1",
    ]
    tokens = result.steps[1].summary["completion_tokens"]
    assert tokens > result.steps[1].detail["samples"][0]["completion_tokens"]


def test_the_last_rung_counts_even_in_doubt() -> None:
    engine = WritingModel(write_by_stage(), p_yes=0.6)
    result = judge(engine, ladder=True, verify=False, solution=take_steps(1))
    assert result.steps[0].summary["mode"] == "analysis"
    assert list_validities(result) == [Validity.CORRECT]


# Failures and going on after them


@pytest.mark.parametrize(
    "error",
    [
        EngineTransient("Busy.", code="rate_limited"),
        EnginePermanent("Too long.", code="context_overflow"),
    ],
)
def test_engine_errors_go_through(error: Exception) -> None:
    engine = WritingModel(write_by_stage({"verify1": error}))
    with pytest.raises(type(error)) as caught:
        judge(engine, samples=3)
    assert caught.value is error


def test_what_was_paid_for_is_reported_before_the_error() -> None:
    engine = WritingModel(write_by_stage({"verify1": EngineTransient("Busy.", code="timeout")}))
    calls: list[str] = []

    async def main() -> None:
        events = METHOD.run(
            ItemInput("item", SOLUTION),
            engine=engine,
            settings=with_settings(samples=2),
            rng_seed=1,
            code=PretendedRunner(),
        )
        async for event in events:
            if isinstance(event, CallMade):
                calls.append(event.call.request.key)

    with pytest.raises(EngineTransient):
        asyncio.run(main())
    assert calls == [
        f"item/s{sample}/p0/{stage}" for stage in ("analyze", "verify0") for sample in (0, 1)
    ]


def test_leaving_early_leaves_no_task_behind() -> None:
    async def main() -> int:
        events = METHOD.run(
            ItemInput("item", SOLUTION),
            engine=WritingModel(write_by_stage()),
            settings=with_settings(samples=4),
            rng_seed=1,
            code=PretendedRunner(),
        )
        async for event in events:
            if isinstance(event, StepChecked):
                break
        await events.aclose()
        return len(asyncio.all_tasks())

    assert asyncio.run(main()) == 1


@pytest.mark.parametrize("gives_ids", [True, False])
@pytest.mark.parametrize("includes_stop", [True, False])
@pytest.mark.parametrize("sampling", ["trajectory", "step"])
def test_stored_replies_and_runs_give_the_same_requests_and_results(
    gives_ids: bool, includes_stop: bool, sampling: str
) -> None:
    def make() -> WritingModel:
        return WritingModel(
            decide(lambda position, sample: (position + sample) % 2 == 0),
            p_yes=score(lambda position, sample: 0.55 + 0.1 * sample),
            gives_ids=gives_ids,
            includes_stop=includes_stop,
        )

    settings: dict[str, Any] = {"samples": 3, "sampling": sampling, "early_stop": False}
    first = judge(make(), **settings)
    stored = {
        call.request.key: replace(
            call.reply,
            # Token ids are not stored.
            completions=tuple(replace(one, token_ids=None) for one in call.reply.completions),
        )
        for call in first.calls
    }
    engine, runner = make(), PretendedRunner(known={run.key: run for run in first.runs})
    engine.known = stored
    again = judge(engine, runner=runner, **settings)
    assert (engine.requests, runner.runs) == ([], [])
    assert again.steps == first.steps
    assert again.products == first.products
    asked = [
        {call.request.key: call.request.prompt for call in one.calls} for one in (first, again)
    ]
    assert asked[0] == asked[1]


def test_half_stored_replies_are_gone_on_from() -> None:
    engine = WritingModel(write_by_stage())
    first = judge(engine)
    half = first.calls[:4]
    again_engine = WritingModel(write_by_stage())
    again_engine.known = {call.request.key: call.reply for call in half}
    again = judge(again_engine)
    assert [request.key for request in again_engine.requests] == [
        call.request.key for call in first.calls[4:]
    ]
    assert again.steps == first.steps


def test_stored_log_probabilities_are_few() -> None:
    talk = "So it seems, after all, that everything is as it should be. " * 10
    result = judge(WritingModel(write_by_stage({"verify1": talk + YES})))
    for call in result.calls:
        (completion,) = call.reply.completions
        spelt = "".join(entry.token for entry in completion.logprobs or ())
        assert len(spelt) < 60


def test_a_real_runner_runs_each_trajectory_in_a_session_of_its_own() -> None:
    opened: list[list[str]] = []

    class Session:
        def __init__(self) -> None:
            self.blocks: list[str] = []
            opened.append(self.blocks)

        async def run(self, code: str) -> CodeResult:
            self.blocks.append(code)
            return CodeResult(CodeStatus.OK, "5")

        def remember(self, code: str) -> None:
            self.blocks.append(f"again: {code}")

        async def aclose(self) -> None: ...

    class Sandbox:
        layers = ()

        async def open_session(self) -> Session:
            return Session()

        def describe(self) -> dict[str, object]:
            return {}

        async def aclose(self) -> None: ...

    engine = WritingModel(write_by_stage(), p_yes=score(lambda position, sample: 0.9 - sample / 5))
    events = METHOD.run(
        ItemInput("item", take_steps(2)),
        engine=engine,
        settings=with_settings(samples=2, sampling="step"),
        rng_seed=1,
        code=SessionCodeRunner(Sandbox()),
    )

    async def main() -> None:
        async for _ in events:
            pass

    asyncio.run(main())
    code = "print(2 + 3)"
    # The chosen sample 0 goes on in its session; the other one's is told of the chosen code.
    assert sorted(opened) == sorted([[code, code], [code, f"again: {code}", code]])


# What the catalogue and the runner see


def test_it_is_in_the_catalogue() -> None:
    assert get_method("genprm") == METHOD
    assert METHOD.units(with_settings()) == ("",)


@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        ({}, True),
        ({"execute": False}, False),
        ({"verify": False}, False),
        ({"ladder": True}, True),
        ({"protocol": "instruct"}, True),
        ({"protocol": "instruct", "verify": False}, False),
    ],
)
def test_a_sandbox_is_needed_where_code_is_run(settings: dict[str, object], needed: bool) -> None:
    assert METHOD.needs_sandbox(with_settings(**settings)) is needed


def test_settings_explain_themselves() -> None:
    unexplained = {option.name for option in METHOD.parameters if not option.help}
    assert unexplained == {"top_p"}
