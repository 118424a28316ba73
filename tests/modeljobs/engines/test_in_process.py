"""What engines in this process have in common, with a runtime that holds no model."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from modeljobs.engines.base import (
    CompletionRequest,
    EnginePermanent,
    Message,
    SamplingSettings,
)
from modeljobs.engines.batching import Generated
from modeljobs.engines.in_process import InProcessEngine, LocalSettings, Runtime, TokenTexts
from modeljobs.engines.sampling import Likelihood
from modeljobs.engines.shelf import Shelf

LONG = 30.0


class LetterTokenizer:
    """A token for each letter; two of them spell the same."""

    chat_template: str | None = None

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        return [ord(letter) for letter in text]

    def decode(self, ids: Sequence[int], **_: Any) -> str:
        return "".join("a" if one == 1 else chr(one) for one in ids)


class EmptyRuntime:
    """Answers "ab" to everything."""

    context_length = 100
    place: Mapping[str, Any] = {"device": "none"}
    is_broken = False

    def __init__(self) -> None:
        self.texts = TokenTexts(LetterTokenizer())
        self.is_closed = False
        self.asked: list[Sequence[int]] = []

    async def generate(
        self, prompt: Sequence[int], sampling: SamplingSettings, *, max_tokens: int
    ) -> list[Generated]:
        self.asked.append(prompt)
        likelihoods = (Likelihood(-0.5, {97: -0.5, 1: -0.7}), Likelihood(-0.1, {1: -3, 97: -2}))
        return [Generated("ab", (97, 98), "stop", likelihoods)] * sampling.n

    def close(self) -> None:
        self.is_closed = True


class EmptyEngine(InProcessEngine):
    kind = "empty"

    def __init__(self, shelf: Shelf[Runtime]) -> None:
        super().__init__(LocalSettings("m"), shelf=shelf)
        self.runtime = EmptyRuntime()
        self.began = threading.Event()
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def load(self) -> Runtime:
        self.began.set()
        assert self.may_go_on.wait(LONG)
        return self.runtime


def ask(prompt: str = "abc", **sampling: Any) -> CompletionRequest:
    return CompletionRequest("a", prompt=prompt, sampling=SamplingSettings(**sampling))


def test_it_works() -> None:
    async def run() -> None:
        engine = EmptyEngine(Shelf())
        reply = await engine.complete(ask(n=2, logprobs=2, max_tokens=5))
        await engine.aclose()
        assert (reply.prompt_tokens, reply.completion_tokens) == (3, 4)
        first = reply.completions[0]
        assert (first.text, first.token_ids, first.completion_tokens) == ("ab", (97, 98), 2)
        assert first.logprobs is not None
        # Two tokens spell the same: the likelier counts.
        assert [dict(one.top) for one in first.logprobs] == [{"a": -0.5}, {"a": -2}]

    asyncio.run(run())


def test_a_model_that_nobody_waits_for_any_more_goes_back_on_the_shelf() -> None:
    shelf: Shelf[Runtime] = Shelf()

    async def run() -> EmptyRuntime:
        engine = EmptyEngine(shelf)
        engine.may_go_on.clear()
        task = asyncio.create_task(engine.complete(ask()))
        assert await asyncio.to_thread(engine.began.wait, LONG)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await engine.aclose()
        engine.may_go_on.set()
        return engine.runtime

    # The loop ends when the thread that loads has ended.
    runtime = asyncio.run(run())
    assert not runtime.is_closed
    shelf.clear()
    assert runtime.is_closed


def test_a_closed_engine_answers_nothing() -> None:
    async def run() -> None:
        engine = EmptyEngine(Shelf())
        await engine.aclose()
        with pytest.raises(EnginePermanent) as caught:
            await engine.complete(ask())
        assert caught.value.code == "closed"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (ask(""), "bad_request"),
        (ask("x" * 100), "context_overflow"),
        (ask("x" * 90, max_tokens=11), "context_overflow"),
        (CompletionRequest("a", messages=(Message("user", "x"),)), "no_chat_template"),
    ],
)
def test_requests_that_it_refuses(request_: CompletionRequest, code: str) -> None:
    async def run() -> None:
        engine = EmptyEngine(Shelf())
        with pytest.raises(EnginePermanent) as caught:
            await engine.complete(request_)
        await engine.aclose()
        assert caught.value.code == code
        assert engine.runtime.asked == []

    asyncio.run(run())


def test_a_template_that_fails_is_told() -> None:
    class FailingTokenizer(LetterTokenizer):
        chat_template = "{{ nonsense }}"

        def apply_chat_template(self, *_: Any, **__: Any) -> str:
            raise RuntimeError("roles must alternate")

    with pytest.raises(EnginePermanent, match="roles must alternate") as caught:
        TokenTexts(FailingTokenizer()).write_chat((Message("user", "x"),))
    assert caught.value.code == "bad_request"
