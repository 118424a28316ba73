"""The shipped tiny models, in this process: real models, but of generated arithmetic alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from modeljobs.engines.base import (
    Capabilities,
    Completion,
    CompletionRequest,
    EnginePermanent,
    EngineReply,
    EngineTransient,
    Piece,
    SamplingSettings,
    TokenLogprob,
)
from modeljobs.tiny.model import TinyModel, list_checkpoints, load_checkpoint
from modeljobs.tiny.runtime import Batcher, ContextOverflow, Generation
from modeljobs.tiny.sampling import SamplingPlan, TokenScore
from modeljobs.tiny.tokenizer import Tokenizer, encode_chat


@dataclass(frozen=True, slots=True)
class TinySettings:
    """Which checkpoint, and how many sequences it works on at a time.

    `include_stop` keeps the stop string that ended an answer at its end; OpenAI's servers drop it.
    """

    checkpoint: str = "better"
    max_concurrency: int = 16
    include_stop: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.max_concurrency <= 256:
            raise ValueError(
                f"max_concurrency must be between 1 and 256, not {self.max_concurrency!r}."
            )


class TinyEngine:
    """Runs a tiny checkpoint on this machine's processor, in a thread of its own.

    Safe to use from one event loop or from several. The model is read at the first request.
    """

    def __init__(
        self, settings: TinySettings | None = None, *, model: TinyModel | None = None
    ) -> None:
        """`model` is for one that is not shipped; else the settings name it."""
        self._settings = settings or TinySettings()
        self._given = model
        if model is None and self._settings.checkpoint not in list_checkpoints():
            raise EnginePermanent(
                f"There is no tiny checkpoint {self._settings.checkpoint!r}; there are "
                f"{', '.join(list_checkpoints())}.",
                code="no_checkpoint",
            )
        self._batcher: Batcher | None = None

    def __repr__(self) -> str:
        return f"TinyEngine(checkpoint={self._settings.checkpoint!r})"

    @property
    def name(self) -> str:
        return f"tiny arithmetic model ({self._settings.checkpoint})"

    @property
    def revision(self) -> str:
        return self._model.revision

    @property
    def is_scripted(self) -> bool:
        return False

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            logprobs=True,
            n=True,
            token_ids=True,
            chat=True,
            completions=True,
            context_length=self._model.shape.context_length,
        )

    def describe(self) -> dict[str, Any]:
        return {
            "kind": "tiny",
            "name": self.name,
            "revision": self.revision,
            "is_scripted": False,
            "checkpoint": self._settings.checkpoint,
            "include_stop": self._settings.include_stop,
            "parameters": self._model.parameters,
        }

    async def complete(self, request: CompletionRequest) -> EngineReply:
        started = time.monotonic()
        prompt = encode_request(self._model.tokenizer, request)
        plan = _read_plan(request.sampling, include_stop=self._settings.include_stop)
        try:
            future = self._open().submit(prompt, plan)
        except ContextOverflow as error:
            raise EnginePermanent(str(error), code="context_overflow") from None
        except ValueError as error:
            raise EnginePermanent(str(error), code="bad_request") from None
        try:
            answers = await asyncio.wrap_future(future)
        except RuntimeError as error:
            raise EngineTransient(str(error), code="engine_failed") from None
        completions = tuple(self._build(answer, len(prompt)) for answer in answers)
        return EngineReply(
            completions,
            model=self.name,
            prompt_tokens=len(prompt),
            completion_tokens=sum(len(answer.token_ids) for answer in answers),
            latency_ms=round((time.monotonic() - started) * 1000),
        )

    async def aclose(self) -> None:
        if self._batcher is not None:
            # Joining the thread waits for the token that it is at.
            await asyncio.to_thread(self._batcher.close)

    @property
    def _model(self) -> TinyModel:
        return self._given or load_checkpoint(self._settings.checkpoint)

    def _open(self) -> Batcher:
        if self._batcher is None:
            self._batcher = Batcher(self._model, slots=self._settings.max_concurrency)
        return self._batcher

    def _build(self, answer: Generation, prompt_tokens: int) -> Completion:
        tokenizer = self._model.tokenizer
        logprobs = None
        if answer.scores is not None:
            logprobs = tuple(_name_score(tokenizer, score) for score in answer.scores)
        return Completion(
            text=answer.text,
            finish_reason=answer.finish_reason,
            prompt_tokens=prompt_tokens,
            completion_tokens=len(answer.token_ids),
            logprobs=logprobs,
            token_ids=match_tokens(tokenizer, answer),
        )


def encode_request(tokenizer: Tokenizer, request: CompletionRequest) -> list[int]:
    """The prompt's token ids. Each piece is encoded by itself, unless it brings its own ids."""
    if request.messages:
        return encode_chat(tokenizer, [(m.role, m.content) for m in request.messages])
    pieces: Iterable[Piece] = request.pieces or (Piece(request.prompt or ""),)
    ids: list[int] = []
    for piece in pieces:
        ids += piece.token_ids if piece.token_ids is not None else tokenizer.encode(piece.text)
    if any(not 0 <= number < len(tokenizer) for number in ids):
        raise EnginePermanent("The prompt holds token ids of another model.", code="bad_request")
    return ids


def match_tokens(tokenizer: Tokenizer, answer: Generation) -> tuple[int, ...] | None:
    """The tokens that spell exactly the answer's text, so that both can stand in one Piece.

    The end token spells nothing of it. None where the text was cut within a token.
    """
    ids = [number for number in answer.token_ids if number != tokenizer.end_id]
    wanted = answer.text.encode()
    while ids and len(tokenizer.decode_bytes(ids)) > len(wanted):
        ids.pop()
    return tuple(ids) if tokenizer.decode_bytes(ids) == wanted else None


def _read_plan(sampling: SamplingSettings, *, include_stop: bool) -> SamplingPlan:
    """What a request leaves open is as OpenAI's servers have it, but for the answer's length."""
    return SamplingPlan(
        temperature=1.0 if sampling.temperature is None else sampling.temperature,
        top_p=1.0 if sampling.top_p is None else sampling.top_p,
        top_k=sampling.top_k or 0,
        max_tokens=sampling.max_tokens,
        n=sampling.n,
        seed=sampling.seed,
        stop=sampling.stop,
        include_stop=include_stop,
        logprobs=sampling.logprobs,
    )


def _name_score(tokenizer: Tokenizer, score: TokenScore) -> TokenLogprob:
    return TokenLogprob(
        tokenizer.decode([score.token_id]),
        score.logprob,
        {tokenizer.decode([number]): logprob for number, logprob in score.top},
    )
