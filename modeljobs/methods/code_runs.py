"""Code runs of one item: a session for each trajectory, and what was run before not run again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from modeljobs.methods.base import CodeRecord
from modeljobs.sandbox.base import CodeStatus, Sandbox, Session


@dataclass(slots=True)
class _Place:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    session: Session | None = None
    # Blocks that ran to their end and that no session has seen yet.
    owed: list[str] = field(default_factory=list)


class SessionCodeRunner:
    """A `CodeRunner` over a sandbox. `known` are runs of earlier attempts, in their order."""

    def __init__(self, sandbox: Sandbox, *, known: Iterable[CodeRecord] = ()) -> None:
        self._sandbox = sandbox
        self._known = {record.key: record for record in known}
        self._places: dict[str, _Place] = {}

    async def run(self, trajectory: str, key: str, code: str) -> CodeRecord:
        """See `CodeRunner`. A known key whose code differs is a new block."""
        place = self._places.setdefault(trajectory, _Place())
        async with place.lock:
            known = self._known.get(key)
            if known is not None and known.code == code:
                # One that raised leaves names behind as well.
                if known.result.status in (CodeStatus.OK, CodeStatus.ERROR):
                    place.owed.append(code)
                return known
            if place.session is None:
                place.session = await self._sandbox.open_session()
            for earlier in place.owed:
                place.session.remember(earlier)
            place.owed.clear()
            record = CodeRecord(key, code, await place.session.run(code))
            self._known[key] = record
            return record

    async def aclose(self) -> None:
        """End the sessions."""
        for place in self._places.values():
            if place.session is not None:
                await place.session.aclose()
        self._places.clear()
