"""The engine as the method sees it while it works on one item."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from modeljobs.engines.base import Capabilities, CompletionRequest, Engine, EngineReply
from modeljobs.services.results import OpenItem


class ItemEngine:
    """Wraps the run's engine for one item.

    It answers what was answered before without asking, has what came so far stored before a new
    request is made, and asks within the run's bound on requests in flight.
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
        if self._item.is_unsaved:
            # Before the next request, and not after each reply: an item of one call is stored in
            # one transaction, and nothing that took an engine's time is lost all the same.
            await self._save()
        async with self._slots:
            return await self._engine.complete(request)

    async def aclose(self) -> None:
        """The run's engine is not the item's to close."""
