"""Engines that hold their model in this process: what they have in common.

A subclass names its model and loads it; everything else is here: prompts become tokens piece by
piece, requests are checked against the context, answers become replies. Nothing heavy is imported
before a model is loaded, and what is loaded stays for the next engine of the same settings.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from modeljobs.engines.base import (
    Capabilities,
    Completion,
    CompletionRequest,
    EnginePermanent,
    EngineReply,
    Message,
    Piece,
    SamplingSettings,
    TokenLogprob,
)
from modeljobs.engines.batching import Generated
from modeljobs.engines.sampling import Likelihood
from modeljobs.engines.shelf import Shelf
from modeljobs.engines.wire import clean_text

# Pieces whose tokens are kept: the fixed strings of prompts, and the steps being judged.
KEPT_TEXTS = 8_192
KEPT_TOKENS = 65_536


class Runtime(Protocol):
    """A loaded model. Used by several engines, in loops of their own."""

    # Nothing more will come of it: it is not kept for others.
    is_broken: bool

    @property
    def texts(self) -> TokenTexts: ...

    @property
    def context_length(self) -> int: ...

    @property
    def place(self) -> Mapping[str, Any]:
        """Where and how it runs, for the record: device, type of number, versions."""

    async def generate(
        self, prompt: Sequence[int], sampling: SamplingSettings, *, max_tokens: int
    ) -> list[Generated]:
        """`sampling.n` continuations. Cancelling the call frees what it held."""

    def close(self) -> None: ...


class TokenTexts:
    """Texts to tokens and back, by a tokenizer of the transformers library, with what it said
    before kept: prompts repeat.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        # The Rust tokenizer itself decodes several times faster than its Python shell.
        self._core = getattr(tokenizer, "backend_tokenizer", None)
        self.encode = functools.lru_cache(KEPT_TEXTS)(self._encode)
        self.show_token = functools.lru_cache(KEPT_TOKENS)(self._show_token)

    def _encode(self, text: str, with_specials: bool = False) -> tuple[int, ...]:
        """The text's tokens; `with_specials` adds those that the tokenizer puts around a text."""
        return tuple(self._tokenizer.encode(text, add_special_tokens=with_specials))

    def _show_token(self, token: int) -> str:
        """What one token spells by itself; special tokens by their names."""
        return clean_text(str(self._tokenizer.decode([token], skip_special_tokens=False)))

    def decode(self, ids: Sequence[int]) -> str:
        """What the tokens spell, special ones left out, no space tidied away."""
        if self._core is not None:
            return str(self._core.decode(list(ids), skip_special_tokens=True))
        return str(
            self._tokenizer.decode(
                list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        )

    def write_chat(self, messages: Sequence[Message]) -> str:
        """The chat as the model's own template writes it, open for the assistant to go on.

        EnginePermanent where the model has no template, or its template takes no such chat.
        """
        if not getattr(self._tokenizer, "chat_template", None):
            raise EnginePermanent(
                "The model has no chat template: use a method that writes raw prompts.",
                code="no_chat_template",
            )
        goes_on = messages[-1].role == "assistant"
        try:
            return str(
                self._tokenizer.apply_chat_template(
                    [{"role": one.role, "content": one.content} for one in messages],
                    tokenize=False,
                    add_generation_prompt=not goes_on,
                    continue_final_message=goes_on,
                )
            )
        except Exception as error:
            # A template is the model's own program: it may fail in any way.
            raise EnginePermanent(
                f"The model's chat template does not take this chat: {str(error)[:300]}.",
                code="bad_request",
            ) from None


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """Which model, and how much of it at a time.

    `model` is a folder, or a name in the hub's cache; it is downloaded only with `allow_download`.
    """

    model: str
    revision: str = ""
    dtype: str = "auto"
    max_concurrency: int = 32
    context_length: int | None = None
    allow_download: bool = False


_shelf: Shelf[Runtime] = Shelf()
# A thread in the middle of torch outlives no interpreter.
atexit.register(_shelf.clear)


class InProcessEngine(ABC):
    """A model in this process. To be made, used and closed within one event loop."""

    kind = ""

    def __init__(self, settings: LocalSettings, *, shelf: Shelf[Runtime] | None = None) -> None:
        self._settings = settings
        self._shelf = _shelf if shelf is None else shelf
        self._runtime: Runtime | None = None
        self._loading = asyncio.Lock()
        # Loading goes on in its thread when whoever wanted it has gone.
        self._closing = threading.Lock()
        self._is_closed = False
        self._slots = asyncio.Semaphore(settings.max_concurrency)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model={self.name!r})"

    @abstractmethod
    def load(self) -> Runtime:
        """The model, loaded: seconds to minutes. EnginePermanent says what is missing."""

    @property
    def name(self) -> str:
        return self._settings.model

    @property
    def revision(self) -> str:
        return self._settings.revision

    @property
    def is_scripted(self) -> bool:
        return False

    @property
    def capabilities(self) -> Capabilities:
        """The context length is known once the model is loaded, unless the settings bound it."""
        runtime = self._runtime
        return Capabilities(
            logprobs=True,
            n=True,
            token_ids=True,
            chat=True,
            completions=True,
            context_length=runtime.context_length if runtime else self._settings.context_length,
        )

    def describe(self) -> dict[str, Any]:
        described: dict[str, Any] = {
            "kind": self.kind,
            "name": self.name,
            "revision": self.revision,
            "is_scripted": False,
            "dtype": self._settings.dtype,
        }
        return described | (dict(self._runtime.place) if self._runtime else {})

    async def encode(self, text: str) -> tuple[int, ...]:
        """The text's tokens with nothing added."""
        return (await self.open()).texts.encode(text)

    async def complete(self, request: CompletionRequest) -> EngineReply:
        runtime = await self.open()
        prompt = self._encode_prompt(request, runtime.texts)
        max_tokens = self._find_limit(len(prompt), request.sampling, runtime.context_length)
        async with self._slots:
            started = time.monotonic()
            made = await runtime.generate(prompt, request.sampling, max_tokens=max_tokens)
            latency_ms = round((time.monotonic() - started) * 1000)
        completions = tuple(
            Completion(
                text=clean_text(one.text),
                finish_reason=one.finish_reason,
                prompt_tokens=len(prompt),
                completion_tokens=len(one.token_ids),
                logprobs=_show_logprobs(one, runtime.texts),
                token_ids=one.token_ids,
            )
            for one in made
        )
        return EngineReply(
            completions,
            model=self.name,
            prompt_tokens=len(prompt),
            completion_tokens=sum([len(one.token_ids) for one in made]),
            latency_ms=latency_ms,
        )

    async def open(self) -> Runtime:
        """The loaded model; loaded once, however many wait for it."""
        async with self._loading:
            if self._runtime is None:
                # In a thread: the loop goes on, and other items' work with it.
                await asyncio.to_thread(self._acquire)
            runtime = self._runtime
        if runtime is None:
            raise EnginePermanent("The engine was closed before it could answer.", code="closed")
        return runtime

    async def aclose(self) -> None:
        with self._closing:
            self._is_closed = True
            runtime, self._runtime = self._runtime, None
        if runtime is not None:
            # In a thread: a model that is put away for good may take a while.
            await asyncio.to_thread(
                self._shelf.release, self._find_key(), discard=runtime.is_broken
            )

    def _acquire(self) -> None:
        """Take the model off the shelf; put it back where nobody waits any more."""
        runtime = self._shelf.acquire(self._find_key(), self.load)
        with self._closing:
            if self._is_closed:
                self._shelf.release(self._find_key())
            else:
                self._runtime = runtime

    def _find_key(self) -> Hashable:
        return type(self), self._settings

    def _encode_prompt(self, request: CompletionRequest, texts: TokenTexts) -> tuple[int, ...]:
        if request.pieces:
            return self._encode_pieces(request.pieces, texts)
        if request.prompt is not None:
            return texts.encode(request.prompt, with_specials=True)
        # The template writes the special tokens itself.
        return texts.encode(texts.write_chat(request.messages))

    def _encode_pieces(self, pieces: Sequence[Piece], texts: TokenTexts) -> tuple[int, ...]:
        """The pieces' tokens one behind the other."""
        ids: list[int] = []
        for piece in pieces:
            ids += texts.encode(piece.text) if piece.token_ids is None else piece.token_ids
        return tuple(ids)

    def _find_limit(self, length: int, sampling: SamplingSettings, context: int) -> int:
        """How many tokens the answer may have: as asked, or what the context leaves."""
        if length == 0:
            raise EnginePermanent("The prompt is empty: it has no tokens.", code="bad_request")
        wanted = sampling.max_tokens
        if length >= context or (wanted is not None and length + wanted > context):
            asked = "any answer" if wanted is None else f"{wanted:,} more"
            raise EnginePermanent(
                f"The prompt has {length:,} tokens, and with {asked} it is longer than the "
                f"model's context length of {context:,}. Ask for fewer tokens, or use a longer "
                "context.",
                code="context_overflow",
            )
        return context - length if wanted is None else max(1, wanted)


def _show_logprobs(made: Generated, texts: TokenTexts) -> tuple[TokenLogprob, ...] | None:
    if made.likelihoods is None:
        return None
    return tuple(
        TokenLogprob(texts.show_token(token), one.logprob, _show_top(one, texts.show_token))
        for token, one in zip(made.token_ids, made.likelihoods, strict=True)
    )


def _show_top(likelihood: Likelihood, show: Callable[[int], str]) -> dict[str, float]:
    """The best tokens by what they spell; of two that spell the same, the likelier."""
    top: dict[str, float] = {}
    for token, logprob in likelihood.top.items():
        text = show(token)
        top[text] = max(logprob, top.get(text, logprob))
    return top
