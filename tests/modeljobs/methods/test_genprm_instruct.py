from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from modeljobs.engines.base import CompletionRequest
from modeljobs.methods.base import ItemResult
from modeljobs.sandbox.base import CodeResult, CodeStatus, SandboxError
from tests.modeljobs.methods.genprm_fakes import (
    SOLUTION,
    PretendedRunner,
    Write,
    WritingModel,
    get_place,
    judge,
    take_steps,
)

JUDGE = "The sum is right, as the code shows.\n\n```python\nprint(2 + 3)\n```\n"
VERDICT = "The program agrees. \\boxed{Yes}"


def write_chat(answers: Mapping[str, str] | None = None) -> Write:
    texts = {"judge": JUDGE, "judge1": VERDICT, "final": "\\boxed{Yes}", **(answers or {})}
    return lambda request: texts[get_place(request)[0]]


def judge_chat(engine: WritingModel, steps: int = 1, **settings: Any) -> ItemResult:
    return judge(engine, solution=take_steps(steps), protocol="instruct", **settings)


def take_sample(result: ItemResult) -> dict[str, Any]:
    (sample,) = result.steps[0].detail["samples"]
    assert isinstance(sample, dict)
    return sample


def list_stages(engine: WritingModel) -> list[str]:
    return [get_place(request)[0] for request in engine.requests]


def get_last(request: CompletionRequest) -> str:
    return request.messages[-1].content


def test_code_is_run_and_shown_before_the_verdict() -> None:
    engine, runner = WritingModel(write_chat()), PretendedRunner()
    result = judge_chat(engine, runner=runner)
    assert list_stages(engine) == ["judge", "judge1"]
    assert [run[2] for run in runner.runs] == ["print(2 + 3)"]
    assert [message.role for message in engine.requests[1].messages] == [
        "system",
        "user",
        "assistant",
        "user",
    ]
    assert "```\n5\n```" in get_last(engine.requests[1])
    sample = take_sample(result)
    assert (sample["verdict"], sample["p_yes"]) == ("yes", pytest.approx(0.9))
    assert sample["analysis"] == "The sum is right, as the code shows."
    assert result.steps[0].summary["mode"] == "code"


def test_the_problem_comes_first_and_each_step_in_its_turn() -> None:
    engine = WritingModel(write_chat())
    judge_chat(engine, steps=3)
    first, last = engine.requests[0], engine.requests[-1]
    assert SOLUTION.problem.text in get_last(first)
    assert SOLUTION.steps[0].text in get_last(first)
    assert SOLUTION.steps[1].text not in get_last(first)
    users = [message.content for message in last.messages if message.role == "user"]
    assert [SOLUTION.problem.text in text for text in users] == [True, *[False] * 5]
    assert "{{" not in "".join(message.content for message in last.messages)


def test_nothing_is_prefilled() -> None:
    engine = WritingModel(write_chat())
    judge_chat(engine, steps=2)
    for request in engine.requests:
        assert (request.prompt, request.sampling.stop) == (None, ())
        assert request.messages[-1].role == "user"


def test_a_step_with_braces_is_put_in_as_it_stands() -> None:
    engine = WritingModel(write_chat())
    step = replace(SOLUTION.steps[0], text="Let {{number}} be {{step}}.")
    judge(engine, solution=replace(SOLUTION, steps=(step,)), protocol="instruct")
    assert "Let {{number}} be {{step}}." in get_last(engine.requests[0])


def test_without_log_probabilities_the_verdict_is_a_vote() -> None:
    engine = WritingModel(write_chat(), gives_logprobs=False)
    result = judge_chat(engine)
    summary = result.steps[0].summary
    assert (summary["mean"], summary["majority"], summary["yes"]) == (None, True, 1)
    assert take_sample(result)["no_p_yes"].endswith(".")
    assert result.products


def test_a_reply_without_a_verdict_is_asked_once_more() -> None:
    engine = WritingModel(write_chat({"judge1": "It agrees."}))
    sample = take_sample(judge_chat(engine))
    assert list_stages(engine) == ["judge", "judge1", "final"]
    assert (sample["fell_back"], sample["verdict"]) == (True, "yes")


def test_a_model_that_never_decides_is_unparsed() -> None:
    engine = WritingModel(write_chat({"judge1": "It agrees.", "final": "I would rather not."}))
    result = judge_chat(engine)
    sample = take_sample(result)
    assert (sample["verdict"], sample["p_yes"]) == (None, None)
    assert result.steps[0].summary["unparsed_reasons"] == {"no_verdict": 1}
    assert not result.calls[-1].is_usable


def test_a_verdict_that_was_given_before_the_code_waits_for_its_output() -> None:
    engine = WritingModel(write_chat({"judge": "Surely \\boxed{No}.\n" + JUDGE}))
    assert take_sample(judge_chat(engine))["verdict"] == "yes"


def test_a_verdict_without_any_code_is_taken() -> None:
    engine, runner = WritingModel(write_chat({"judge": VERDICT})), PretendedRunner()
    sample = take_sample(judge_chat(engine, runner=runner))
    assert (list_stages(engine), runner.runs) == (["judge"], [])
    assert sample["verdict"] == "yes"


def test_rounds_of_code_are_bounded() -> None:
    engine = WritingModel(write_chat({f"judge{n}": JUDGE for n in range(1, 9)}))
    runner = PretendedRunner()
    sample = take_sample(judge_chat(engine, runner=runner, code_rounds=2))
    assert list_stages(engine) == ["judge", "judge1", "judge2", "final"]
    assert len(runner.runs) == 2
    assert sample["verdict"] == "yes"


def test_code_of_a_reply_that_was_cut_off_is_not_run() -> None:
    engine, runner = WritingModel(write_chat({"judge": JUDGE + "word " * 100})), PretendedRunner()
    sample = take_sample(judge_chat(engine, runner=runner, max_tokens=64))
    assert (runner.runs, list_stages(engine)) == ([], ["judge", "final"])
    assert sample["verdict"] == "yes"


def test_a_block_that_we_ended_is_not_spoken_of() -> None:
    secret = "Out of memory on host 7."
    runner = PretendedRunner(lambda trajectory, code: SandboxError(secret, code="killed"))
    engine = WritingModel(write_chat())
    sample = take_sample(judge_chat(engine, runner=runner))
    assert list_stages(engine) == ["judge", "final"]
    assert sample["blocks"][0]["status"] == "killed"
    assert secret not in str(engine.requests)


def test_a_models_errors_are_shown_to_it() -> None:
    runner = PretendedRunner(
        lambda trajectory, code: CodeResult(CodeStatus.ERROR, "Code execute Error: KeyError: 1")
    )
    engine = WritingModel(write_chat())
    judge_chat(engine, runner=runner)
    assert "KeyError" in get_last(engine.requests[1])


@pytest.mark.parametrize(
    ("settings", "mode", "words"),
    [
        ({"execute": False}, "code_imagined", "It will not be run"),
        ({"verify": False}, "analysis", "without code"),
        ({"verify": False, "analyze": False}, "direct", "and nothing else"),
    ],
)
def test_each_mode_asks_in_its_own_words(settings: dict[str, bool], mode: str, words: str) -> None:
    engine = WritingModel(write_chat({"judge": JUDGE + VERDICT}))
    runner = PretendedRunner()
    result = judge_chat(engine, runner=runner, **settings)
    assert words in get_last(engine.requests[0])
    assert (list_stages(engine), runner.calls) == (["judge"], [])
    assert (result.steps[0].summary["mode"], take_sample(result)["verdict"]) == (mode, "yes")
    assert [block["status"] for block in take_sample(result)["blocks"]] == ["imagined"]


def test_an_empty_reply_is_no_empty_turn() -> None:
    engine = WritingModel(write_chat({"judge": ""}))
    judge_chat(engine)
    assert all(message.content for message in engine.requests[-1].messages)


def test_stored_replies_give_the_same_results() -> None:
    first = judge_chat(WritingModel(write_chat()), steps=3, samples=2)
    engine = WritingModel(write_chat())
    engine.known = {call.request.key: call.reply for call in first.calls}
    runner = PretendedRunner(known={run.key: run for run in first.runs})
    again = judge_chat(engine, steps=3, samples=2, runner=runner)
    assert (engine.requests, runner.runs) == ([], [])
    assert (again.steps, again.products) == (first.steps, first.products)
