"""Defects of GenPRM's published code that must not come back, one by one.

Found by reading `genprm_inference.py`, `prm_evaluate.py` and `policy_refine.py` and by running what
they match texts with.
"""

from __future__ import annotations

import asyncio
import builtins
import threading
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.formats.genprm import read_decision
from labeling.records import Problem, Solution, Step
from modeljobs.engines.base import CompletionRequest
from modeljobs.methods.base import ItemInput, collect_events
from modeljobs.methods.genprm_prompts import write_user_turns
from modeljobs.sandbox.base import CodeResult, CodeStatus, SandboxError
from tests.modeljobs.methods.genprm_fakes import (
    ANALYSIS,
    BARE_YES,
    CODE,
    METHOD,
    NO,
    SOLUTION,
    YES,
    PretendedRunner,
    WritingModel,
    get_place,
    judge,
    take_steps,
    with_settings,
    write_by_stage,
)

ONE_STEP = take_steps(1)


def judge_one(engine: WritingModel, **settings: Any) -> dict[str, Any]:
    (step,) = judge(engine, solution=ONE_STEP, **settings).steps
    (sample,) = step.detail["samples"]
    assert isinstance(sample, dict)
    return sample


@pytest.mark.parametrize(
    "decoy", ["\\text{casino}", 'print(f"{ok and yes}")', "\\boxed{Yes}", "{No} {Yes}", "Yes}"]
)
def test_1_words_before_the_output_do_not_decide(decoy: str) -> None:
    written = {"analyze": f"{decoy}\n{ANALYSIS}", "verify1": f"{decoy}\n{NO}"}
    sample = judge_one(WritingModel(write_by_stage(written), p_yes=0.1))
    assert (sample["verdict"], sample["p_yes"]) == ("no", pytest.approx(0.1))


@pytest.mark.parametrize("word", ["\\text{Yes}", " Yes ", "yes", "YES"])
def test_2_a_verdict_in_another_spelling_loses_nothing(word: str) -> None:
    # The reference looks up one token id, and fails where the verdict is spelt with another one.
    sample = judge_one(WritingModel(write_by_stage({"verify1": YES.replace("Yes", word)})))
    assert sample["verdict"] == "yes"


@pytest.mark.parametrize("reply", ["", "{", "{Yes}$", "Hm. " * 50, "\n```\n", "</output>"])
@pytest.mark.parametrize("gives_logprobs", [True, False])
def test_3_a_forced_verdict_that_does_not_end_as_expected_is_the_end(
    reply: str, gives_logprobs: bool
) -> None:
    engine = WritingModel(
        write_by_stage({"verify1": "</verify>\n", "fallback": reply}),
        gives_logprobs=gives_logprobs,
    )
    sample = judge_one(engine)
    stages = [get_place(request)[0] for request in engine.requests]
    assert stages.count("fallback") == 1
    assert sample["verdict"] == ("yes" if "Yes" in reply else None)
    assert sample["text"].endswith("</output>\n")


@given(
    st.lists(
        st.lists(
            st.sampled_from(
                [
                    "</analyze>\n",
                    "</output>\n",
                    "<output>",
                    "\n```\n",
                    "```python\n",
                    "print(1)",
                    '"""',
                    "$\\boxed{Yes}$\n",
                    "\\boxed{No}",
                    "{Yes}",
                    "\n",
                    " word",
                ]
            ),
            max_size=8,
        ).map("".join),
        min_size=1,
        max_size=6,
    ),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from(
        [(True, True, True), (True, True, False), (False, True, True), (True, False, True)]
    ),
)
@settings(deadline=None, max_examples=200)
def test_3_every_conversation_ends_and_no_reading_is_half_a_yes(
    replies: list[str],
    includes_stop: bool,
    gives_logprobs: bool,
    gives_ids: bool,
    mode: tuple[bool, bool, bool],
) -> None:
    asked: list[CompletionRequest] = []

    def write(request: CompletionRequest) -> str:
        asked.append(request)
        return replies[len(asked) % len(replies)]

    engine = WritingModel(
        write, includes_stop=includes_stop, gives_logprobs=gives_logprobs, gives_ids=gives_ids
    )
    analyze, verify, execute = mode
    result = judge(engine, solution=ONE_STEP, analyze=analyze, verify=verify, execute=execute)
    # An analysis, twice three rounds, and a forced verdict.
    assert len(asked) <= 8
    (sample,) = result.steps[0].detail["samples"]
    assert sample["p_yes"] != 0.5
    assert (sample["verdict"] is None) == bool(sample["unparsed"])
    assert sample["text"].endswith("</output>\n")
    assert "".join(piece.text for piece in asked[-1].pieces) == asked[-1].prompt
    if sample["verdict"] is not None:
        assert read_decision(sample["text"]) is (sample["verdict"] == "yes")


def test_4_a_block_that_breaks_off_is_not_run_and_nor_is_the_one_before_it() -> None:
    written = {"verify1": "Once more:\n```python\n" + "x = 1\n" * 500}
    runner = PretendedRunner()
    engine = WritingModel(write_by_stage(written))
    sample = judge_one(engine, runner=runner, max_tokens=200)
    assert [code for _, _, code in runner.runs] == ["print(2 + 3)"]
    assert [block["code"] for block in sample["blocks"]] == ["print(2 + 3)"]
    assert sample["fell_back"] is True


def test_4_text_behind_a_code_output_does_not_run_the_same_code_again() -> None:
    runner = PretendedRunner()
    engine = WritingModel(write_by_stage({"verify1": "It is so.", "fallback": BARE_YES}))
    judge_one(engine, runner=runner)
    assert len(runner.runs) == 1


@pytest.mark.parametrize("code", ['print("```")', 'print("```python")', "x = '''```'''"])
def test_4_backticks_in_a_string_do_not_break_the_code(code: str) -> None:
    runner = PretendedRunner()
    judge_one(WritingModel(write_by_stage({"verify0": f"{code}\n```\n"})), runner=runner)
    assert [run for _, _, run in runner.runs] == [code]


def test_5_it_works_in_a_thread_and_shows_the_model_no_fault_of_ours() -> None:
    ours = "signal only works in main thread"
    runner = PretendedRunner(lambda trajectory, code: SandboxError(ours, code="protocol"))
    engine = WritingModel(write_by_stage())
    found: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: found.append(judge_one(engine, runner=runner)))
    thread.start()
    thread.join()
    assert found[0]["verdict"] == "yes"
    assert all(ours not in (request.prompt or "") for request in engine.requests)
    assert "Code execute Error" not in found[0]["text"]


def test_6_code_is_handed_over_and_never_run_here() -> None:
    code = "import builtins\nbuiltins.genprm_was_here = True\nraise SystemExit"
    runner = PretendedRunner()
    judge_one(WritingModel(write_by_stage({"verify0": f"{code}\n```\n"})), runner=runner)
    assert not hasattr(builtins, "genprm_was_here")
    assert [run for _, _, run in runner.runs] == [code]


@pytest.mark.parametrize("sampling", ["trajectory", "step"])
def test_7_samples_do_not_share_a_namespace(sampling: str) -> None:
    runner = PretendedRunner()
    engine = WritingModel(write_by_stage())
    judge(engine, runner=runner, samples=3, sampling=sampling, solution=ONE_STEP)
    assert sorted(trajectory for trajectory, _, _ in runner.runs) == ["s0", "s1", "s2"]


def test_8_the_problem_is_not_written_into_the_first_step() -> None:
    before = replace(SOLUTION)
    result = judge(WritingModel(write_by_stage()))
    assert before == SOLUTION
    assert SOLUTION.steps[0].text == "First, $2 + 3 = 5$."
    users = write_user_turns(SOLUTION.problem.text, [s.text for s in SOLUTION.steps], "newline")
    assert len(users) == len(result.steps)
    assert users[1] == SOLUTION.steps[1].text


@pytest.mark.parametrize("analysis", [ANALYSIS, "No colon here.\n</analyze>\n", "</analyze>\n"])
def test_9_the_analysis_is_there_for_a_refinement_whatever_it_looks_like(analysis: str) -> None:
    sample = judge_one(WritingModel(write_by_stage({"analyze": analysis})))
    assert sample["analysis"] == analysis.removesuffix("</analyze>\n")


def test_10_many_samples_and_a_second_round_have_places_of_their_own() -> None:
    async def judge_as(key: str) -> list[str]:
        events = METHOD.run(
            ItemInput(key, ONE_STEP),
            engine=WritingModel(write_by_stage()),
            settings=with_settings(samples=8),
            rng_seed=1,
            code=PretendedRunner(),
        )
        result = await collect_events(events)
        return [call.request.key for call in result.calls] + [run.key for run in result.runs]

    first, again = asyncio.run(judge_as("7:")), asyncio.run(judge_as("7::again1"))
    assert len({*first, *again}) == len(first) + len(again) == 2 * 8 * 4


def test_a_large_output_is_bounded_by_the_step_budget_and_not_by_the_next_step() -> None:
    runner = PretendedRunner(lambda trajectory, code: CodeResult(CodeStatus.OK, "9" * 4096))
    solution = Solution(Problem("What?"), (Step("one"), Step("two")))
    engine = WritingModel(write_by_stage({"verify0": CODE}))
    judge(engine, solution=solution, runner=runner)
    # What a sample falls back from is not in its history.
    assert all(len(request.prompt or "") < 6000 for request in engine.requests)
