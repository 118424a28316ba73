"""Items that store what they have, together: who asks while another is being stored waits, and goes
with all who wait in one transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from modeljobs.desk import DatabaseDesk
from modeljobs.services.results import OpenItem

# Stores what the items have; what kept an item from being stored, by its key.
StoreTogether = Callable[[Sequence[OpenItem]], Mapping[int, Exception]]


class Checkpoints:
    """A queue before the desk, for the coroutines of one loop."""

    def __init__(self, desk: DatabaseDesk, store: StoreTogether) -> None:
        self._desk = desk
        self._store = store
        self._waiting: dict[int, tuple[OpenItem, list[asyncio.Future[None]]]] = {}
        self._worker: asyncio.Task[None] | None = None

    async def save(self, item: OpenItem) -> None:
        """Return when everything that the item had is stored, or raise what prevented it."""
        loop = asyncio.get_running_loop()
        # A future for each caller: one who is cancelled takes nobody along.
        stored: asyncio.Future[None] = loop.create_future()
        self._waiting.setdefault(item.row.pk, (item, []))[1].append(stored)
        if self._worker is None:
            self._worker = loop.create_task(self._work())
        await stored

    async def _work(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, {}
            try:
                faults = await self._desk.call(self._store, [item for item, _ in batch.values()])
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                # Also Ctrl-C: it is raised where it is waited for, and ends the loop there.
                self._answer(batch, dict.fromkeys(batch, error))
            else:
                self._answer(batch, faults)
        self._worker = None

    def _answer(
        self,
        batch: Mapping[int, tuple[OpenItem, list[asyncio.Future[None]]]],
        faults: Mapping[int, BaseException],
    ) -> None:
        for key, (_item, callers) in batch.items():
            for stored in callers:
                if stored.done():
                    continue
                if key in faults:
                    stored.set_exception(faults[key])
                else:
                    stored.set_result(None)
