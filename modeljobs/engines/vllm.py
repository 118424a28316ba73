"""A vLLM server (`vllm serve`): OpenAI's API, and beside it tokens in and out, and reward models.

Prompts that come in pieces are sent as token ids: each piece is encoded by itself, by the server,
and kept. What has been written before therefore keeps its tokens, and the server's prefix cache
finds it; a text encoded as a whole may merge differently where its parts meet.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping

from modeljobs.engines.base import (
    Capabilities,
    CompletionRequest,
    EngineError,
    Piece,
)
from modeljobs.engines.openai_compatible import OpenAICompatibleEngine, ServerSettings
from modeljobs.engines.pooling import PoolingReply, PoolingRequest, narrow_rows
from modeljobs.engines.rates import RateLimit
from modeljobs.engines.wire import BadReply, read_pooling, read_tokens

# Texts whose tokens are kept: the fixed strings of prompts, and the steps being judged.
KEPT_TEXTS = 8_192
# vLLM's task for a row of numbers per token, or per step where the model's pooler marks steps.
TOKEN_TASK = "token_classify"  # noqa: S105 - no secret


class VLLMEngine(OpenAICompatibleEngine):
    """Asks one model of one vLLM server: to go on from a text, or to score one."""

    kind = "vllm"

    def __init__(
        self,
        settings: ServerSettings,
        *,
        environ: Mapping[str, str],
        limit: RateLimit | None = None,
    ) -> None:
        super().__init__(settings, environ=environ, limit=limit)
        self._encoded: OrderedDict[str, asyncio.Future[tuple[int, ...]]] = OrderedDict()
        # False once the server said that it has no /tokenize.
        self._can_encode = True

    @property
    def capabilities(self) -> Capabilities:
        """What vLLM can do; whether this server's model generates or scores, only a call tells."""
        return Capabilities(
            logprobs=True,
            n=True,
            token_ids=self._settings.returns_token_ids,
            chat=True,
            completions=True,
            pooling=True,
            json_schema=self._holds_to_schema,
            context_length=self._settings.context_length,
        )

    async def encode(self, text: str) -> tuple[int, ...] | None:
        """The text's tokens with nothing added, or None where the server does not encode.

        Kept, and asked for once however many want it at a time.
        """
        if not self._can_encode:
            return None
        known = self._encoded.get(text)
        if known is None:
            known = asyncio.ensure_future(self._fetch_tokens(text))
            self._encoded[text] = known
            if len(self._encoded) > KEPT_TEXTS:
                self._encoded.popitem(last=False)
        self._encoded.move_to_end(text)
        try:
            # Whoever stops waiting does not take the answer from the others.
            return await asyncio.shield(known)
        except EngineError as error:
            self._encoded.pop(text, None)
            # 404 or 405: a server without this door. Prompts go as texts then.
            if error.status in (404, 405):
                self._can_encode = False
                return None
            raise

    async def pool(self, request: PoolingRequest) -> PoolingReply:
        """The reward model's numbers for the request's text.

        They are asked for as the head gives them (`use_activation`): half precision makes an exact
        zero of a small probability. Servers that do not know the field send probabilities.
        """
        ids = await self._encode_pieces(request.pieces)
        body = {
            "model": self._settings.model,
            "input": request.text if ids is None else list(ids),
            "task": TOKEN_TASK,
            "encoding_format": "float",
            "add_special_tokens": False,
            "use_activation": False,
        }
        async with self._slots:
            started = time.monotonic()
            document = await self._exchange("POST", "/pooling", content=json.dumps(body).encode())
            latency_ms = round((time.monotonic() - started) * 1000)
        try:
            reply = read_pooling(document, latency_ms=latency_ms)
            return reply if ids is None else _narrow_reply(reply, request, ids)
        except BadReply as error:
            raise self._refuse_reply(str(error)) from None

    async def aclose(self) -> None:
        for pending in self._encoded.values():
            pending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._encoded.values(), return_exceptions=True)
        await super().aclose()

    async def _encode_prompt(self, request: CompletionRequest) -> tuple[int, ...] | None:
        if not (self._settings.returns_token_ids and request.pieces):
            return None
        return await self._encode_pieces(request.pieces)

    async def _encode_pieces(self, pieces: Iterable[Piece]) -> tuple[int, ...] | None:
        """The pieces' tokens one behind the other; None where the server does not encode."""

        async def find(piece: Piece) -> tuple[int, ...] | None:
            return piece.token_ids if piece.token_ids is not None else await self.encode(piece.text)

        found = await asyncio.gather(*(find(piece) for piece in pieces))
        ids: list[int] = []
        for tokens in found:
            if tokens is None:
                return None
            ids += tokens
        return tuple(ids)

    async def _fetch_tokens(self, text: str) -> tuple[int, ...]:
        body = {"model": self._settings.model, "prompt": text, "add_special_tokens": False}
        # Not within the slots: these are for requests that wait for a GPU, and this one does not.
        document = await self._exchange("POST", "/tokenize", content=json.dumps(body).encode())
        try:
            return read_tokens(document)
        except BadReply as error:
            raise self._refuse_reply(str(error)) from None


def _narrow_reply(
    reply: PoolingReply, request: PoolingRequest, ids: tuple[int, ...]
) -> PoolingReply:
    """The reply with the rows that are wanted; BadReply where the server read another text."""
    if request.positions is not None and reply.prompt_tokens not in (None, len(ids)):
        raise BadReply(f"counts {reply.prompt_tokens:,} tokens where {len(ids):,} were sent")
    try:
        return dataclasses.replace(reply, scores=narrow_rows(reply.scores, request, ids))
    except ValueError as error:
        raise BadReply(str(error)) from None
