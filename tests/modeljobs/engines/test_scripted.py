from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from modeljobs.engines.base import CompletionRequest, EngineReply, Message, SamplingSettings
from modeljobs.engines.scripted import GREETING, ScriptedEngine, ScriptSettings
from modeljobs.engines.scripted_rollouts import MARK
from modeljobs.methods.answers import extract_answer
from modeljobs.methods.parsing import Unparsed, find_object
from modeljobs.methods.rule_injection import INJECTED_CLASSES
from modeljobs.tiny.problems import draw_problem

EXACT = {
    "malformed_rate": 0.0,
    "off_by_one_rate": 0.0,
    "fence_rate": 0.0,
    "raw_backslash_rate": 0.0,
    "drift_rate": 0.0,
}
STEPS = ("The sum is $2 + 3 = 5$.", r"Twice that is $2 \cdot 5 = 10$.", "The answer is $10$.")


def build_request(error_type: str, key: str = "item-1") -> CompletionRequest:
    metadata = {
        "task": "injection",
        "error_type": error_type,
        "question": "What is twice the sum of $2$ and $3$?",
        "steps": STEPS,
    }
    return CompletionRequest(key, messages=(Message("user", "…"),), metadata=metadata)


def ask(request: CompletionRequest, **settings: Any) -> EngineReply:
    return asyncio.run(ScriptedEngine(ScriptSettings(**settings)).complete(request))


def ask_text(request: CompletionRequest, **settings: Any) -> str:
    return ask(request, **settings).completions[0].text


@pytest.mark.parametrize("error_type", INJECTED_CLASSES)
def test_it_works(error_type: str) -> None:
    reply = json.loads(ask_text(build_request(error_type), **EXACT))
    assert set(reply) == {
        "modified_question",
        "modified_process",
        "modified_steps",
        "error_steps",
        "reason",
    }
    errors, steps = reply["error_steps"], reply["modified_process"]
    assert errors
    assert set(errors) <= set(reply["modified_steps"])
    # Counted from 1; each flagged step is a new one.
    assert all(steps[number - 1] not in STEPS for number in errors)


def test_the_same_seed_and_key_give_the_same_reply() -> None:
    texts = {ask_text(build_request("deception"), seed=3) for _ in range(3)}
    assert len(texts) == 1


def test_another_seed_or_key_gives_another() -> None:
    by_seed = {ask_text(build_request("confidence"), seed=seed) for seed in range(20)}
    by_key = {ask_text(build_request("confidence", key=f"item-{k}")) for k in range(20)}
    assert min(len(by_seed), len(by_key)) > 5


def test_each_of_several_answers_has_its_own_draw() -> None:
    request = replace(build_request("confidence"), sampling=SamplingSettings(n=8))
    completions = ask(request).completions
    assert len(completions) == 8
    assert len({completion.text for completion in completions}) > 1


def test_it_says_that_it_is_scripted() -> None:
    engine = ScriptedEngine()
    assert engine.is_scripted
    assert engine.name == "scripted"
    assert "no model" in engine.describe()["description"]
    assert json.loads(json.dumps(engine.describe())) == engine.describe()


def test_it_says_so_to_anybody_who_talks_to_it() -> None:
    assert ask_text(CompletionRequest("a", prompt="Hello?")) == GREETING


def test_it_counts_no_tokens() -> None:
    reply = ask(build_request("circular"))
    assert (reply.prompt_tokens, reply.completion_tokens, reply.latency_ms) == (None, None, 0)


def test_every_malformed_reply_is_unreadable_or_misses_its_claim() -> None:
    for number in range(40):
        text = ask_text(
            build_request("redundency", key=str(number)), **(EXACT | {"malformed_rate": 1.0})
        )
        found = find_object(text, keys=frozenset({"modified_process"}))
        if isinstance(found, Unparsed):
            continue
        value = found.value
        is_whole = isinstance(value["modified_process"], list) and all(
            isinstance(number, int) for number in value.get("error_steps", ["missing"])
        )
        assert not is_whole


def test_malformed_replies_are_as_frequent_as_asked() -> None:
    def is_malformed(number: int) -> bool:
        text = ask_text(
            build_request("redundency", key=str(number)), **(EXACT | {"malformed_rate": 0.5})
        )
        try:
            claim = json.loads(text)
        except ValueError:
            return True
        steps = claim["modified_process"], claim.get("error_steps")
        return not all(isinstance(part, list) for part in steps) or "Step" in str(steps[1])

    # 400 draws at 0.5: 200 ± 10 (one standard deviation).
    assert 150 <= sum(map(is_malformed, range(400))) <= 250


def test_claims_off_by_one_point_one_step_too_far() -> None:
    request = build_request("redundency")
    exact = json.loads(ask_text(request, **EXACT))
    shifted = json.loads(ask_text(request, **(EXACT | {"off_by_one_rate": 1.0})))
    assert shifted["error_steps"] == [number + 1 for number in exact["error_steps"]]
    # Nothing else is drawn anew by the change of a rate.
    assert shifted["modified_process"] == exact["modified_process"]


def test_a_drifting_reply_copies_the_original_badly() -> None:
    reply = json.loads(ask_text(build_request("circular"), **(EXACT | {"drift_rate": 1.0})))
    assert reply["original_process"] != list(STEPS)


def test_a_wrapped_reply_holds_the_same_object() -> None:
    request = build_request("circular")
    exact = json.loads(ask_text(request, **EXACT))
    text = ask_text(request, **(EXACT | {"fence_rate": 1.0}))
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(text)
    found = find_object(text, keys=frozenset(exact))
    assert not isinstance(found, Unparsed)
    assert found.value == exact


def test_a_class_without_a_rule_for_the_solution_is_said() -> None:
    assert "No rule fits" in ask_text(build_request("multi_solutions"))


def test_a_rate_that_is_no_share_is_refused() -> None:
    with pytest.raises(ValueError, match="drift_rate must be between 0 and 1, not 1.5"):
        ScriptSettings(drift_rate=1.5)


# --- Rollouts -------------------------------------------------------------------------------------

SUMS = draw_problem(random.Random(4), split="held_out", size="large")


def roll(
    steps: Sequence[str] = (),
    *,
    question: str = SUMS.text,
    key: str = "a",
    seed: int = 1,
    n: int = 1,
) -> list[str]:
    request = CompletionRequest(
        key,
        messages=(Message("user", "…"),),
        sampling=SamplingSettings(n=n, seed=seed),
        metadata={"task": "rollout", "question": question, "steps": tuple(steps)},
    )
    return [one.text for one in ask(request).completions]


def answer_of(text: str) -> int:
    found = extract_answer(text)
    assert not isinstance(found, Unparsed)
    return int(found.text)


@pytest.mark.parametrize("done", range(len(SUMS.steps)))
def test_a_rollout_goes_on_with_the_sums_and_slips_now_and_then(done: int) -> None:
    texts = roll(SUMS.steps[:done], n=200)
    right = sum(answer_of(text) == SUMS.answer for text in texts)
    # 200 at 0.9: 180 with a standard deviation of 4.
    assert 155 <= right < 200
    assert all(text.startswith(MARK) for text in texts)


def test_a_rollout_goes_on_from_a_wrong_step_as_it_stands() -> None:
    first, *others = SUMS.steps
    right = SUMS.equations[0].result
    answers = [answer_of(text) for text in roll([first.replace(str(right), str(right + 7))], n=20)]
    assert SUMS.answer not in answers


def test_a_rollout_follows_from_its_seed_and_not_from_who_asks() -> None:
    assert roll(key="a", n=20) == roll(key="b", n=20) != roll(seed=2, n=20)


@pytest.mark.parametrize(
    ("question", "steps"),
    [
        ("What is $2+2$?", ()),
        (SUMS.text, SUMS.steps),
        (SUMS.text, ("No sum at all.",)),
        ("A farm has 12 apples. How many?", ()),
    ],
)
def test_of_what_is_no_such_problem_it_says_that_it_knows_nothing(
    question: str, steps: tuple[str, ...]
) -> None:
    [text] = roll(steps, question=question)
    assert text.startswith(GREETING)
    assert isinstance(extract_answer(text), Unparsed)
