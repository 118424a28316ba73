from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from modeljobs.engines.base import (
    Completion,
    CompletionRequest,
    EnginePermanent,
    EngineReply,
    Message,
    Piece,
    SamplingSettings,
)
from modeljobs.engines.tiny import TinyEngine, TinySettings, encode_request, match_tokens
from modeljobs.tiny.dialogues import REVIEW_SYSTEM, write_analyze_prefix, write_solve_request
from modeljobs.tiny.exam import read_answer
from modeljobs.tiny.model import TinyModel
from modeljobs.tiny.problems import Change, Problem
from modeljobs.tiny.runtime import Generation
from modeljobs.tiny.tokenizer import ASSISTANT, BEGIN, USER, build_tokenizer

TOKENIZER = build_tokenizer()
PROBLEM = Problem(
    "A shop",
    "boxes",
    "pens",
    4,
    (
        Change("", "", "*", 5),
        Change("Monday", "sells", "-", 8),
        Change("Tuesday", "buys", "+", 6),
    ),
)
GREEDY = SamplingSettings(temperature=0.0, max_tokens=60, seed=1)
OPENING = (
    Piece(BEGIN),
    Piece(REVIEW_SYSTEM),
    Piece(USER),
    Piece(f"{PROBLEM.text}\n{PROBLEM.steps[0]}"),
    Piece(ASSISTANT),
)


def ask(request: CompletionRequest, settings: TinySettings | None = None) -> EngineReply:
    async def work() -> EngineReply:
        engine = TinyEngine(settings)
        try:
            return await engine.complete(request)
        finally:
            await engine.aclose()

    return asyncio.run(work())


def ask_pieces(sampling: SamplingSettings, **settings: Any) -> Completion:
    request = CompletionRequest.of_pieces(
        "k", (*OPENING, Piece(write_analyze_prefix(1))), sampling=sampling
    )
    return ask(request, TinySettings(**settings)).completions[0]


def test_it_works() -> None:
    request = CompletionRequest(
        "k", messages=(Message("user", write_solve_request(PROBLEM.text)),), sampling=GREEDY
    )
    reply = ask(request)
    [completion] = reply.completions
    # Right or wrong, it is a solution.
    assert completion.text.startswith("At first it has ")
    assert read_answer(completion.text) is not None
    assert completion.finish_reason == "stop"
    assert reply.model == "tiny arithmetic model (better)"


def test_it_says_what_it_is() -> None:
    engine = TinyEngine(TinySettings("worse"))
    assert engine.name == "tiny arithmetic model (worse)"
    assert not engine.is_scripted
    assert engine.capabilities.token_ids
    assert engine.capabilities.context_length == 2048
    described = engine.describe()
    assert described["kind"] == "tiny"
    assert described["revision"] == engine.revision != ""
    assert described["revision"] != TinyEngine(TinySettings("better")).revision


def test_a_stop_string_is_dropped_and_the_tokens_spell_the_text() -> None:
    settings = SamplingSettings(temperature=0.0, max_tokens=80, stop=("</analyze>\n",))
    completion = ask_pieces(settings)
    assert completion.finish_reason == "stop"
    assert "</analyze>" not in completion.text
    assert completion.token_ids is not None
    assert TOKENIZER.decode(completion.token_ids) == completion.text


def test_a_stop_string_is_kept_where_the_settings_say_so() -> None:
    settings = SamplingSettings(temperature=0.0, max_tokens=80, stop=("</analyze>\n",))
    completion = ask_pieces(settings, include_stop=True)
    assert completion.text.endswith("</analyze>\n")
    assert completion.token_ids is not None
    assert TOKENIZER.decode(completion.token_ids) == completion.text


def test_log_probabilities_of_a_verdict() -> None:
    pieces = (*OPENING, Piece("<output>\n**Judgement**: $\\boxed"))
    settings = SamplingSettings(temperature=0.0, max_tokens=20, stop=("</output>\n",), logprobs=20)
    [completion] = ask(CompletionRequest.of_pieces("k", pieces, sampling=settings)).completions
    assert completion.logprobs is not None
    [verdict] = [token for token in completion.logprobs if token.token in ("Yes", "No")]
    assert {"Yes", "No"} <= set(verdict.top)
    assert verdict.logprob == max(verdict.top.values())


def test_pieces_with_ids_are_taken_as_they_are() -> None:
    request = CompletionRequest.of_pieces(
        "k", (Piece("anything", (5, 6)), Piece("Yes")), sampling=GREEDY
    )
    assert encode_request(TOKENIZER, request) == [5, 6, TOKENIZER.id_of("Yes")]


def test_pieces_are_encoded_apart() -> None:
    request = CompletionRequest.of_pieces("k", (Piece("Ye"), Piece("s")), sampling=GREEDY)
    assert TOKENIZER.id_of("Yes") not in encode_request(TOKENIZER, request)
    whole = CompletionRequest("k", prompt="Yes", sampling=GREEDY)
    assert encode_request(TOKENIZER, whole) == [TOKENIZER.id_of("Yes")]


def test_ids_of_another_model_are_refused() -> None:
    request = CompletionRequest.of_pieces("k", (Piece("a", (151_651,)),), sampling=GREEDY)
    with pytest.raises(EnginePermanent, match="token ids of another model"):
        ask(request)


def test_answers_of_one_request() -> None:
    sampling = SamplingSettings(temperature=1.5, max_tokens=30, n=4, seed=3)
    request = CompletionRequest("k", prompt=f"{BEGIN}{USER}", sampling=sampling)
    first, second = ask(request), ask(request)
    assert len(first.completions) == 4
    assert [one.text for one in first.completions] == [one.text for one in second.completions]
    assert len({one.text for one in first.completions}) > 1
    assert first.completion_tokens == sum(one.completion_tokens or 0 for one in first.completions)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (CompletionRequest("k", prompt="a" * 2048), "context_overflow"),
        (CompletionRequest("k", prompt=""), "bad_request"),
    ],
)
def test_requests_without_an_answer_are_refused(request_: CompletionRequest, code: str) -> None:
    with pytest.raises(EnginePermanent) as caught:
        ask(request_)
    assert caught.value.code == code


def test_an_unknown_checkpoint_is_refused() -> None:
    with pytest.raises(EnginePermanent, match="no tiny checkpoint 'best'; there are better, worse"):
        TinyEngine(TinySettings("best"))


@pytest.mark.parametrize("many", [0, 257])
def test_concurrency_is_bounded(many: int) -> None:
    with pytest.raises(ValueError, match="max_concurrency"):
        TinySettings(max_concurrency=many)


def test_the_loop_runs_on_while_the_model_works(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    prefill = TinyModel.prefill

    def prefill_later(*args: Any) -> Any:
        assert released.wait(60)
        return prefill(*args)

    monkeypatch.setattr(TinyModel, "prefill", prefill_later)

    async def work() -> EngineReply:
        engine = TinyEngine()
        request = CompletionRequest("k", prompt=f"{BEGIN}{USER}A shop", sampling=GREEDY)
        asked = asyncio.create_task(engine.complete(request))
        # Lets the request begin; the model then waits for this very loop.
        await asyncio.sleep(0)
        released.set()
        reply = await asked
        await engine.aclose()
        return reply

    assert asyncio.run(work()).completions


def test_a_cancelled_request_does_not_hold_up_others() -> None:
    async def work() -> EngineReply:
        engine = TinyEngine(TinySettings(max_concurrency=1))
        many = SamplingSettings(max_tokens=500, n=200)
        asked = asyncio.create_task(
            engine.complete(CompletionRequest("a", prompt=BEGIN, sampling=many))
        )
        await asyncio.sleep(0)
        asked.cancel()
        reply = await engine.complete(CompletionRequest("b", prompt=BEGIN, sampling=GREEDY))
        await engine.aclose()
        return reply

    assert len(asyncio.run(work()).completions) == 1


def test_an_unused_engine_closes() -> None:
    asyncio.run(TinyEngine().aclose())


@pytest.mark.parametrize(
    ("text", "spell", "expected"),
    [
        ("12", lambda t: [*t.encode("12"), t.end_id], "12"),
        # The stop string " = 3" cut at a token's end, and within one.
        ("12", lambda t: t.encode("12 = 3"), "12"),
        ("12 ", lambda t: t.encode("12 = 3"), None),
        ("", lambda t: [t.end_id], ""),
    ],
)
def test_tokens_are_given_only_where_they_spell_the_text(
    text: str, spell: Callable[[Any], list[int]], expected: str | None
) -> None:
    answer = Generation(text, tuple(spell(TOKENIZER)), "stop", None, None)
    ids = match_tokens(TOKENIZER, answer)
    assert (None if ids is None else TOKENIZER.decode(ids)) == expected
