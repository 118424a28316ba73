"""Rollouts that are kept for whoever needs the same: other items, other jobs, the next attempt.

A chunk is stored with the call that completes it, in one transaction under the lease of the item
that sampled it: what was paid for is either there for everybody or for nobody. Within a process a
chunk is sampled by one item at a time, whatever jobs and runs there are; the others wait and find
it stored. Two processes may sample the same one at once: the first to store it is right, and both
go on with what stands in the database.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import hashlib
import json
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from modeljobs.desk import DatabaseDesk
from modeljobs.engines.wire import clean_text
from modeljobs.methods.rollouts import Chunk, ChunkKey, Rollout
from modeljobs.models import RolloutChunk
from modeljobs.texts import TextMissing, read_chunk

COLUMN_LIMIT = 200
# SQLite bounds the values of one statement.
BATCH = 200
Texts = dict[str, tuple[Rollout, ...]]


@dataclass(frozen=True, slots=True)
class SampledChunk:
    """A chunk to be stored under its name. `replaces` is the text of a row that stands there and
    cannot be read any more; None where there is no row.
    """

    name: str
    key: ChunkKey
    chunk: Chunk
    replaces: str | None = None


class FoundChunk(NamedTuple):
    """What stands under a name: a chunk, a row whose text is `lost` (its name), or neither."""

    chunk: Chunk | None = None
    lost: str | None = None


class ChunkRow(NamedTuple):
    """A row to be stored, and the text of the row that it `replaces` (see `SampledChunk`)."""

    row: RolloutChunk
    replaces: str | None


class StoredChunks:
    """Looks chunks up for all items of a run. They are wanted many at a time: who asks while others
    are being looked up goes with all who wait.
    """

    def __init__(self, *, desk: DatabaseDesk, job_id: int) -> None:
        self.job_id = job_id
        self._desk = desk
        self._waiting: list[tuple[str, asyncio.Future[FoundChunk]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def find(self, name: str) -> FoundChunk:
        """What stands under the name, as this job is to see it."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[FoundChunk] = loop.create_future()
        self._waiting.append((name, answer))
        if self._worker is None:
            self._worker = loop.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            names = [name for name, _ in batch]
            try:
                found = await self._desk.call(find_chunks, names, job_id=self.job_id)
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                # Also Ctrl-C: it is raised where it is waited for, and ends the loop there.
                for _, answer in batch:
                    if not answer.done():
                        answer.set_exception(error)
            else:
                for name, answer in batch:
                    if not answer.done():
                        answer.set_result(found[name])
        self._worker = None


class ItemRollouts:
    """The `RolloutCache` of one item.

    `attach` has a chunk stored with the call of that key, `keep` with whatever is stored next;
    `save` has everything stored that the item has so far.
    """

    def __init__(
        self,
        *,
        stored: StoredChunks,
        attach: Callable[[str, SampledChunk], None],
        keep: Callable[[SampledChunk], None],
        save: Callable[[], Awaitable[None]],
    ) -> None:
        self._stored = stored
        self._attach = attach
        self._keep = keep
        self._save = save
        # Texts that were lost, by the name of their chunk.
        self._lost: dict[str, str] = {}

    def note(self, key: ChunkKey, chunk: Chunk, call_key: str) -> None:
        """See `RolloutCache`."""
        self._attach(call_key, self._pack(key, chunk))

    async def fetch(self, key: ChunkKey, sample: Callable[[], Awaitable[Chunk]]) -> Chunk:
        """See `RolloutCache`."""
        name = name_chunk(key, job_id=self._stored.job_id)
        while (other := _flights.begin(name)) is not None:
            await asyncio.wrap_future(other)
        try:
            return await self._find_or_sample(name, key, sample)
        finally:
            _flights.end(name)

    async def _find_or_sample(
        self, name: str, key: ChunkKey, sample: Callable[[], Awaitable[Chunk]]
    ) -> Chunk:
        """1. What is stored. 2. A new one, stored with its calls. 3. Where these were stored by an
        earlier attempt, by itself. What stands there in the end is what everybody else sees too.
        """
        if (found := await self._find(name)) is not None:
            return found
        chunk = await sample()
        await self._save()
        if (found := await self._find(name)) is not None:
            return found
        self._keep(self._pack(key, chunk))
        await self._save()
        return await self._find(name) or chunk

    async def _find(self, name: str) -> Chunk | None:
        found = await self._stored.find(name)
        if found.lost is not None:
            self._lost[name] = found.lost
        return found.chunk

    def _pack(self, key: ChunkKey, chunk: Chunk) -> SampledChunk:
        name = name_chunk(key, job_id=self._stored.job_id)
        return SampledChunk(name, key, chunk, self._lost.get(name))


def name_chunk(key: ChunkKey, *, job_id: int) -> str:
    """The name of a chunk, as 64 hexadecimal digits. Where the server does not say which revision
    of its model it runs, only the same job may have the chunk again.
    """
    owner = None if key.revision else job_id
    facts = [key.fingerprint, key.number, key.revision, owner]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def find_chunks(names: Sequence[str], *, job_id: int) -> dict[str, FoundChunk]:
    """What stands under each name, as the job is to see it: a chunk that another job sampled comes
    with an `origin` that begins with that job's number, and is no request key of this one.
    """
    found = dict.fromkeys(names, FoundChunk())
    wanted = list(found)
    # What was stored together stands in one document, and is often wanted together.
    documents: dict[str, Texts | None] = {}
    for start in range(0, len(wanted), BATCH):
        for row in RolloutChunk.objects.filter(key__in=wanted[start : start + BATCH]):
            if row.chunk not in documents:
                documents[row.chunk] = _read_texts(row.chunk)
            rollouts = (documents[row.chunk] or {}).get(row.key)
            if rollouts is None:
                found[row.key] = FoundChunk(lost=row.chunk)
            else:
                origin = row.origin.removeprefix(f"{job_id}/")
                found[row.key] = FoundChunk(Chunk(rollouts, origin, row.seed, row.model))
    return found


def _read_texts(document: str) -> Texts | None:
    """The rollouts in a document by the names of their chunks; None where it cannot be read."""
    try:
        return {
            one["name"]: tuple(Rollout(text, finish) for text, finish in one["rollouts"])
            for one in json.loads(read_chunk(document))["rollouts"]
        }
    except (TextMissing, KeyError, TypeError, ValueError):
        return None


def pack_chunks(
    batch: Sequence[SampledChunk], *, job_id: int, now: datetime
) -> tuple[list[dict[str, Any]], list[ChunkRow]]:
    """The chunks as the part `rollouts` of a document (see `services.calls`), and their rows, which
    want the document's name as `chunk`. In one document with the calls that their texts come from
    they take next to no room.
    """
    entries = [
        {
            "name": one.name,
            "rollouts": [[rollout.text, rollout.finish_reason] for rollout in one.chunk.rollouts],
        }
        for one in batch
    ]
    return entries, [
        ChunkRow(_pack_row(one, job_id=job_id, now=now), one.replaces) for one in batch
    ]


def insert_chunks(rows: Sequence[ChunkRow]) -> None:
    """Store the rows, in a transaction that holds the leases of the items that sampled them. What
    somebody else stored meanwhile stays.
    """
    # In the order of their keys: two who store several never wait for each other in a circle.
    ordered = sorted(rows, key=lambda entry: entry.row.key)
    RolloutChunk.objects.bulk_create([entry.row for entry in ordered], ignore_conflicts=True)
    for row, replaces in ordered:
        if replaces is not None:
            RolloutChunk.objects.filter(key=row.key, chunk=replaces).update(
                chunk=row.chunk,
                origin=row.origin,
                seed=row.seed,
                model=row.model,
                rollouts=row.rollouts,
                created_at=row.created_at,
            )


def _pack_row(sampled: SampledChunk, *, job_id: int, now: datetime) -> RolloutChunk:
    chunk = sampled.chunk
    return RolloutChunk(
        key=sampled.name,
        fingerprint=sampled.key.fingerprint,
        number=sampled.key.number,
        revision=clean_text(sampled.key.revision)[:COLUMN_LIMIT],
        origin=f"{job_id}/{chunk.origin}",
        seed=chunk.seed,
        model=clean_text(chunk.model)[:COLUMN_LIMIT],
        rollouts=len(chunk.rollouts),
        created_at=now,
    )


class _Flights:
    """Which chunks are being looked for or sampled in this process, by whatever run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: dict[str, concurrent.futures.Future[None]] = {}

    def begin(self, name: str) -> concurrent.futures.Future[None] | None:
        """None where the caller may go on, and must call `end`; else what to wait for first."""
        with self._lock:
            if name in self._ends:
                return self._ends[name]
            end: concurrent.futures.Future[None] = concurrent.futures.Future()
            # From here on nobody who waits can cancel it for the others.
            end.set_running_or_notify_cancel()
            self._ends[name] = end
            return None

    def end(self, name: str) -> None:
        with self._lock:
            end = self._ends.pop(name)
        end.set_result(None)


_flights = _Flights()
