from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import CancelledError

import pytest

from modeljobs.tiny.model import TinyModel
from modeljobs.tiny.runtime import Batcher, ContextOverflow, Generation
from modeljobs.tiny.sampling import SamplingPlan

PROMPT = [1, 40, 41, 42, 43, 44, 45, 46]
WAIT_S = 60
PLAN = SamplingPlan(max_tokens=12, seed=1)


@pytest.fixture
def batcher(model: TinyModel) -> Iterator[Batcher]:
    made = Batcher(model, slots=3)
    yield made
    made.close()


def ask(batcher: Batcher, plan: SamplingPlan, prompt: list[int] = PROMPT) -> list[Generation]:
    return batcher.submit(prompt, plan).result(WAIT_S)


def find_stop(text: str) -> str:
    """The end of a text that is whole characters: random tokens may spell half a one."""
    return next(character for character in reversed(text) if character.isascii())


def test_it_works(batcher: Batcher) -> None:
    [answer] = ask(batcher, PLAN)
    assert len(answer.token_ids) == 12
    assert answer.finish_reason == "length"
    assert answer.text == batcher.model.tokenizer.decode(answer.token_ids)


def test_a_seed_gives_the_same_tokens_whoever_runs_beside(model: TinyModel) -> None:
    plans = [SamplingPlan(max_tokens=10 + i, seed=i) for i in range(7)]
    alone = []
    for plan in plans:
        single = Batcher(model, slots=1)
        alone += ask(single, plan)
        single.close()
    crowd = Batcher(model, slots=3)
    futures = [crowd.submit(PROMPT, plan) for plan in plans]
    together = [one for future in futures for one in future.result(WAIT_S)]
    crowd.close()
    assert [one.token_ids for one in together] == [one.token_ids for one in alone]


def test_answers_of_one_request_differ(batcher: Batcher) -> None:
    answers = ask(batcher, SamplingPlan(max_tokens=12, seed=1, n=5))
    assert len({answer.token_ids for answer in answers}) == 5


def test_without_a_seed_answers_differ_from_time_to_time(batcher: Batcher) -> None:
    plan = SamplingPlan(max_tokens=20)
    assert ask(batcher, plan)[0].token_ids != ask(batcher, plan)[0].token_ids


def test_a_known_beginning_is_not_computed_anew(batcher: Batcher) -> None:
    [first] = ask(batcher, PLAN)
    assert batcher.reused_tokens == 0
    longer = [*PROMPT, *first.token_ids[:-1], 50, 51]
    [warm] = ask(batcher, PLAN, longer)
    # All that went through the model: the last token of an answer never does.
    assert batcher.reused_tokens == len(PROMPT) + 11
    fresh = Batcher(batcher.model, slots=1, kept_tokens=0)
    [cold] = ask(fresh, PLAN, longer)
    fresh.close()
    assert warm.token_ids == cold.token_ids


def test_answers_of_one_request_share_their_prompt(batcher: Batcher) -> None:
    ask(batcher, SamplingPlan(max_tokens=3, seed=1, n=3))
    assert batcher.prefilled_tokens == len(PROMPT) + 2
    assert batcher.reused_tokens == 2 * (len(PROMPT) - 1)


def test_a_stop_string_ends_an_answer(batcher: Batcher) -> None:
    [whole] = ask(batcher, PLAN)
    stop = find_stop(whole.text)
    at = whole.text.index(stop)
    [answer] = ask(batcher, SamplingPlan(max_tokens=12, seed=1, stop=("\x00", stop)))
    assert answer.text == whole.text[:at]
    assert (answer.finish_reason, answer.stop_reason) == ("stop", stop)


def test_a_stop_string_is_kept_on_request(batcher: Batcher) -> None:
    [whole] = ask(batcher, PLAN)
    stop = find_stop(whole.text)
    plan = SamplingPlan(max_tokens=12, seed=1, stop=(stop,), include_stop=True)
    assert ask(batcher, plan)[0].text == whole.text[: whole.text.index(stop) + len(stop)]


def test_the_end_token_ends_an_answer(model: TinyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = SamplingPlan(max_tokens=12, seed=1, temperature=0)
    batcher = Batcher(model, slots=1)
    [whole] = ask(batcher, plan)
    monkeypatch.setattr(model.tokenizer, "end_id", whole.token_ids[0])
    [answer] = ask(batcher, plan)
    batcher.close()
    assert (answer.text, answer.token_ids) == ("", whole.token_ids[:1])
    assert (answer.finish_reason, answer.stop_reason) == ("stop", None)


def test_scores_are_given_for_every_token(batcher: Batcher) -> None:
    [answer] = ask(batcher, SamplingPlan(max_tokens=4, seed=1, logprobs=3))
    assert answer.scores is not None
    assert tuple(score.token_id for score in answer.scores) == answer.token_ids
    assert all(len(score.top) == 3 for score in answer.scores)


def test_a_prompt_that_fills_the_context_is_refused(batcher: Batcher) -> None:
    with pytest.raises(ContextOverflow, match="maximum context length is 128 tokens"):
        batcher.submit([40] * 128, PLAN)


def test_an_answer_ends_where_the_context_does(batcher: Batcher) -> None:
    [answer] = ask(batcher, SamplingPlan(max_tokens=500, seed=1), [40] * 120)
    assert len(answer.token_ids) == 8
    assert answer.finish_reason == "length"


@pytest.mark.parametrize("plan", [SamplingPlan(n=0), SamplingPlan(max_tokens=0)])
def test_a_request_for_nothing_is_refused(batcher: Batcher, plan: SamplingPlan) -> None:
    with pytest.raises(ValueError, match="at least one token and one answer"):
        batcher.submit(PROMPT, plan)


def test_an_empty_prompt_is_refused(batcher: Batcher) -> None:
    with pytest.raises(ValueError, match="empty prompt"):
        batcher.submit([], PLAN)


def test_a_cancelled_request_leaves_room_for_others(batcher: Batcher) -> None:
    given_up = batcher.submit(PROMPT, SamplingPlan(n=50, seed=1))
    given_up.cancel()
    assert ask(batcher, PLAN)[0].finish_reason == "length"


def test_closing_gives_up_on_what_is_open(model: TinyModel) -> None:
    batcher = Batcher(model, slots=1)
    future = batcher.submit(PROMPT, SamplingPlan(n=200))
    batcher.close()
    with pytest.raises(CancelledError):
        future.result(WAIT_S)
    with pytest.raises(RuntimeError, match="closed"):
        batcher.submit(PROMPT, PLAN)


def test_kept_tokens_stay_within_their_limit(model: TinyModel) -> None:
    batcher = Batcher(model, slots=2, kept_tokens=40)
    for first in range(50, 58):
        ask(batcher, PLAN, [first, *PROMPT])
    kept = [len(one.ids) for one in batcher._kept]
    batcher.close()
    # Each is 9 + 12 - 1 = 20 tokens long.
    assert kept == [20, 20]


def test_a_failing_model_fails_its_requests(
    model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("threading.excepthook", lambda _: None)

    def fail(*_: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(model, "decode", fail)
    batcher = Batcher(model, slots=1)
    with pytest.raises(RuntimeError, match="The tiny model failed: no room"):
        ask(batcher, PLAN)
    batcher.close()
