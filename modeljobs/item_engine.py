"""The engine as the method sees it while it works on one item."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from modeljobs.engines.base import (
    Capabilities,
    CompletionRequest,
    Engine,
    EnginePermanent,
    EngineReply,
)
from modeljobs.engines.pooling import PoolingEngine, PoolingReply, PoolingRequest
from modeljobs.services.results import OpenItem


class ItemEngine:
    """Wraps the run's engine for one item.

    It answers what was answered before without asking, has what came so far stored before a new
    request is made, and asks within the run's bound on requests in flight. It scores texts as far
    as the engine beneath it does: `capabilities.pooling` says whether.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        item: OpenItem,
        save: Callable[[], Awaitable[None]],
        slots: asyncio.Semaphore,
    ) -> None:
        self._engine = engine
        self._item = item
        self._save = save
        self._slots = slots

    @property
    def name(self) -> str:
        return self._engine.name

    @property
    def revision(self) -> str:
        return self._engine.revision

    @property
    def is_scripted(self) -> bool:
        return self._engine.is_scripted

    @property
    def capabilities(self) -> Capabilities:
        return self._engine.capabilities

    def describe(self) -> dict[str, Any]:
        return self._engine.describe()

    async def complete(self, request: CompletionRequest) -> EngineReply:
        known = self._item.calls.replies.get(request.key)
        if known is not None:
            return known
        await self._save_before_asking()
        async with self._slots:
            return await self._engine.complete(request)

    async def pool(self, request: PoolingRequest) -> PoolingReply:
        """The scores, as `complete` gives answers; EnginePermanent where the engine gives none."""
        known = self._item.calls.scores.get(request.key)
        if known is not None:
            return known
        if not isinstance(self._engine, PoolingEngine):
            raise EnginePermanent(
                f"The engine {self.name!r} continues texts and does not score them: use one of a "
                "kind that does, such as a vLLM server with a reward model.",
                code="no_pooling",
            )
        await self._save_before_asking()
        async with self._slots:
            return await self._engine.pool(request)

    async def encode(self, text: str) -> tuple[int, ...] | None:
        """The text's tokens with nothing added, or None where the engine cannot say."""
        if not isinstance(self._engine, PoolingEngine):
            return None
        async with self._slots:
            return await self._engine.encode(text)

    async def _save_before_asking(self) -> None:
        """Before the next request, and not after each reply: an item of one call is stored in one
        transaction, and nothing that took an engine's time is lost all the same.
        """
        if self._item.is_unsaved:
            await self._save()

    async def aclose(self) -> None:
        """The run's engine is not the item's to close."""
