from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from labeling.records import At, LabelSet, NoError, Step, Unknown, Validity
from modeljobs.engines.base import Completion, CompletionRequest
from modeljobs.methods.base import ItemResult, Outcome
from modeljobs.methods.parsing import Unparsed
from modeljobs.methods.r_prm import QUESTION, RprmMethod, read_verdict, write_prompt
from modeljobs.methods.templates import load_prompt
from modeljobs.methods.verdicts import Verdict
from tests.modeljobs.methods.critic_fakes import (
    CLAIMED,
    SECRETS,
    SOLUTION,
    SayingModel,
    describe_requests,
    run_method,
    say_in_turn,
    spell,
    write_out,
)

METHOD = RprmMethod()
VERIFICATION = f"Verification: {QUESTION}"


def write_reply(p_yes: float | None, *, says: str | None = None) -> Completion:
    """A reply whose verdict has this probability, token by token; None for no log-probabilities."""
    word = says or ("Yes" if p_yes is None or p_yes >= 0.5 else "No")
    text = f"Analysis:\nFine.\nConclusion:\nSo it is. {VERIFICATION} {word}"
    if p_yes is None:
        return Completion(text, "stop", completion_tokens=9)
    top: dict[str, float] = {" Yes": math.log(p_yes), " No": math.log(1 - p_yes)}
    return spell(
        "Analysis:\nFine.\nConclusion:\nSo it is. ",
        "Verification: Is the step correct (",
        *("Yes", "/", "No", ")?"),
        (f" {word}", top),
    )


def judge(*p_yes: float | None, **settings: Any) -> ItemResult:
    """One sample a step, with these probabilities step after step."""
    replies = [write_reply(p) for p in p_yes]

    def say(request: CompletionRequest, index: int) -> Completion:
        position: int = request.metadata["position"]
        return replies[position]

    return run_method(METHOD, SayingModel(say), samples=1, **settings)


def take_labels(result: ItemResult) -> LabelSet:
    [product] = result.products
    assert isinstance(product.product, LabelSet)
    return product.product


def test_it_works() -> None:
    result = judge(0.9, 0.2, 0.5)

    labels = take_labels(result)
    assert labels.first_error == At(1)
    found = [label for label in labels.labels if label is not None]
    assert [label.validity for label in found] == [
        Validity.CORRECT,
        Validity.WRONG,
        Validity.CORRECT,
    ]
    scores = [label.score for label in found if label.score is not None]
    assert [score.raw for score in scores] == [pytest.approx(p) for p in (0.9, 0.2, 0.5)]
    assert {(score.scale, score.rule) for score in scores} == {("probability", ">= 0.5 is correct")}


def test_the_score_is_the_mean_over_samples() -> None:
    given = (0.9, 0.5, 0.1, 0.7)
    engine = SayingModel(lambda request, index: write_reply(given[index]))

    result = run_method(METHOD, engine, samples=4)

    summary = result.steps[0].summary
    # (0.9 + 0.5 + 0.1 + 0.7) / 4
    assert summary["scores"][0]["raw"] == pytest.approx(0.55)
    # Squares of 0.35, 0.05, 0.45 and 0.15: 0.1225 + 0.0025 + 0.2025 + 0.0225 = 0.35, a quarter of
    # which is 0.0875.
    assert summary["uncertainty"] == pytest.approx(math.sqrt(0.0875))
    assert summary["verdicts"] == [True, True, False, True]
    assert [one["p_yes"] for one in result.steps[0].detail["samples"]] == [
        pytest.approx(p) for p in given
    ]


def test_the_published_samples_and_sampling_are_the_default() -> None:
    engine = SayingModel(lambda request, index: write_reply(0.9))
    run_method(METHOD, engine)

    sampling = engine.requests[0].sampling
    assert (sampling.n, sampling.temperature, sampling.top_p) == (10, 0.95, 0.95)
    assert sampling.logprobs == 20


def test_the_threshold_is_a_setting_and_stands_in_the_rule() -> None:
    result = judge(0.58, 0.9, 0.9, threshold=0.6)

    label = take_labels(result).labels[0]
    assert label is not None
    assert label.validity is Validity.WRONG
    assert label.score is not None
    assert label.score.rule == ">= 0.6 is correct"


def test_without_log_probabilities_the_score_is_a_share_of_votes_and_says_so() -> None:
    words = ("Yes", "No", "Yes", "Yes")
    engine = SayingModel(lambda request, index: write_reply(None, says=words[index]))

    result = run_method(METHOD, engine, samples=4, logprobs=0)

    label = take_labels(result).labels[0]
    assert label is not None
    assert label.score is not None
    assert (label.score.raw, label.score.scale) == (0.75, "vote share")
    assert label.score.rule == "more Yes than No is correct"
    assert engine.requests[0].sampling.logprobs is None
    sample = result.steps[0].detail["samples"][0]
    assert (sample["verdict"], sample["p_yes"]) == ("yes", None)
    assert sample["no_p_yes"] == "The engine gave no log-probabilities."


def test_even_votes_are_no_verdict() -> None:
    words = ("Yes", "No")
    engine = SayingModel(lambda request, index: write_reply(None, says=words[index]))

    result = run_method(METHOD, engine, samples=2)

    assert result.outcome is Outcome.UNPARSED
    assert result.steps[0].summary["reason"] == "The votes are even: 1 Yes, 1 No."


def test_a_step_that_was_not_read_is_not_judged_and_leaves_the_first_error_open() -> None:
    replies = [write_reply(0.9), Completion("I lost the thread.", "stop"), write_reply(0.1)]
    engine = SayingModel(lambda request, index: replies[request.metadata["position"]])

    result = run_method(METHOD, engine, samples=1)

    labels = take_labels(result)
    assert labels.labels[1] is None
    assert labels.first_error == Unknown("step 2 was not judged")
    [step] = [one for one in result.steps if one.position == 1]
    assert step.summary["scores"] == []
    assert f'does not come to "{QUESTION}"' in step.summary["reason"]


def test_when_no_step_was_read_the_item_is_unparsed() -> None:
    result = run_method(METHOD, SayingModel(say_in_turn("Hm.")), samples=2)

    assert result.outcome is Outcome.UNPARSED
    assert result.failure is not None
    assert "any of the 3 steps. None of 2 replies could be read" in result.failure.message
    assert len(result.calls) == 3


def test_a_script_that_does_not_know_the_question_is_named() -> None:
    result = run_method(METHOD, SayingModel(say_in_turn("Hm."), is_scripted=True), samples=1)

    assert result.failure is not None
    assert "The engine is scripted" in result.failure.message


# --- Verdicts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "is_yes"),
    [
        (f"{VERIFICATION} Yes", True),
        (f"{VERIFICATION} No", False),
        (f"{VERIFICATION} no.", False),
        (f"**{VERIFICATION}** **Yes**", True),
        (f"{VERIFICATION}\nNo", False),
        (f"{VERIFICATION} Yes\n{VERIFICATION} Yes", True),
        (f"<think>{VERIFICATION} No</think>{VERIFICATION} Yes", True),
    ],
)
def test_the_word_behind_the_question_is_the_verdict(text: str, is_yes: bool) -> None:
    found = read_verdict(text)

    assert isinstance(found, Verdict)
    assert found.is_yes is is_yes
    assert text[found.start :].lower().startswith("yes" if is_yes else "no")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        ("The step is correct. Yes", "no_verification"),
        (VERIFICATION, "no_verdict"),
        (f"{VERIFICATION} Maybe", "no_verdict"),
        (f"{VERIFICATION} Nothing speaks against it.", "no_verdict"),
        (f"{VERIFICATION} Yes\nWait. {VERIFICATION} No", "contradictory"),
    ],
)
def test_a_reply_without_a_verdict_says_why(text: str, code: str) -> None:
    found = read_verdict(text)

    assert isinstance(found, Unparsed)
    assert found.code == code


def test_a_reply_that_was_cut_off_says_so() -> None:
    result = run_method(
        METHOD, SayingModel(say_in_turn(Completion("Analysis:", "length"))), samples=1
    )

    assert "cut off at the limit of 3072 tokens" in result.steps[0].summary["reason"]


# --- Prompts ----------------------------------------------------------------------------------


def test_the_prompt_is_the_published_one() -> None:
    prompt = write_prompt(SOLUTION, 1, numbers=True)

    assert prompt.startswith("You are an excellent math teacher. Please verify the correctness of")
    for heading in (
        "Previous Steps Analysis",
        "Now Step Analysis",
        "Data Source Analysis",
        "Consistency Analysis",
        "Calculation Analysis",
    ):
        assert f"\n**{heading}**: " in prompt
    assert "in the calculation.\nConclusion: \nPlease verify" in prompt
    assert prompt.endswith(
        "where X is either Yes or No.\n\n"
        "Question: What is $2 + 3 + 4$?\n"
        "Previous Steps: Step 1: First, $2 + 3 = 5$.\n"
        "Now Step: Step 2: Then $5 + 4 = 10$.\n"
        "Please carefully analyze the correctness of the Now Step.\n"
        "Reply: "
    )


def test_the_first_step_has_no_previous_ones_and_says_so() -> None:
    prompt = write_prompt(SOLUTION, 0, numbers=True)

    assert f"Previous Steps: {load_prompt('r_prm').sections['no_previous']}\nNow Step: " in prompt


def test_numbers_are_not_given_twice_and_can_be_left_out() -> None:
    numbered = replace(SOLUTION, steps=(Step("Step 1: Add."), Step("Add again.")))

    assert "Previous Steps: Step 1: Add.\nNow Step: Step 2: Add again." in write_prompt(
        numbered, 1, numbers=True
    )
    assert "Now Step: Add again." in write_prompt(numbered, 1, numbers=False)


def test_later_steps_are_not_shown() -> None:
    assert SOLUTION.steps[2].text not in write_prompt(SOLUTION, 1, numbers=True)


def test_nothing_that_is_claimed_or_known_reaches_the_model() -> None:
    engine = SayingModel(lambda request, index: write_reply(0.9))
    run_method(METHOD, engine, solution=CLAIMED, samples=1)

    assert len(engine.requests) == 3
    for request in engine.requests:
        assert not [secret for secret in SECRETS if secret in write_out(request)]


# --- Asking -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [True, False])
def test_the_same_replies_give_the_same_requests(n: bool) -> None:
    engines = [SayingModel(lambda request, index: write_reply(0.9), n=n) for _ in range(2)]
    for engine in engines:
        run_method(METHOD, engine, samples=2)

    first, second = (describe_requests(engine.requests) for engine in engines)
    assert first == second
    assert len(first) == (3 if n else 6)


def test_steps_whose_replies_are_known_are_not_asked_for_again() -> None:
    engine = SayingModel(lambda request, index: write_reply(0.9))
    whole = run_method(METHOD, engine, samples=2)
    known = {call.request.key: call.reply for call in whole.calls[:2]}
    again = SayingModel(lambda request, index: write_reply(0.9), known=known)

    resumed = run_method(METHOD, again, samples=2)

    assert [request.key for request in again.requests] == [whole.calls[2].request.key]
    assert resumed.products == whole.products


def test_what_is_stored_of_the_log_probabilities_is_enough_to_read_them_again() -> None:
    whole = judge(0.9, 0.2, 0.7)

    for call in whole.calls:
        [completion] = call.reply.completions
        assert completion.logprobs is not None
        assert len(completion.logprobs) < len(completion.text)
    known = {call.request.key: call.reply for call in whole.calls}
    again = run_method(METHOD, SayingModel(say_in_turn("Hm."), known=known), samples=1)
    assert again.products == whole.products


def test_the_evidence_has_the_agreed_shape() -> None:
    result = judge(0.9, 0.9, 0.9)
    step = result.steps[0]

    assert step.kind == "prm"
    assert step.summary["scores"] == [
        {
            "name": "validity",
            "raw": pytest.approx(0.9),
            "scale": "probability",
            "rule": ">= 0.5 is correct",
            "verdict": True,
        }
    ]
    assert (step.summary["family"], step.summary["template"]) == ("r_prm", "r_prm-1")
    assert (step.summary["token"], step.summary["samples"], step.summary["reason"]) == (None, 1, "")
    assert take_labels(result).first_error == NoError()
    [product] = result.products
    assert product.provenance["decided_by"] == ["mean"]
    assert product.provenance["served_model"] == "saying-1"
    json.dumps([step.summary, step.detail, dict(product.provenance)])


def test_a_solution_without_steps_is_refused() -> None:
    engine = SayingModel(say_in_turn("Hm."))

    result = run_method(METHOD, engine, solution=replace(SOLUTION, steps=()))

    assert result.failure is not None
    assert result.failure.reason_code == "unsuitable_source"
    assert engine.requests == []
