from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from django.db import OperationalError

from modeljobs.desk import DatabaseDesk
from modeljobs.methods.rollouts import Chunk, ChunkKey, Rollout
from modeljobs.models import RolloutChunk
from modeljobs.services.calls import write_document
from modeljobs.services.rollouts import (
    FoundChunk,
    ItemRollouts,
    SampledChunk,
    StoredChunks,
    find_chunks,
    insert_chunks,
    name_chunk,
    pack_chunks,
)
from modeljobs.texts import list_chunks, write_chunk
from tests.modeljobs.desks import run_beside
from tests.modeljobs.worlds import NOON

KEY = ChunkKey("f" * 32, 0, "r1")
CHUNK = Chunk(
    (Rollout("So \\boxed{6}.", "stop"), Rollout("Hé \ud83d\x00", "length")),
    "3:/rpe/p1/c0",
    77,
    "policy",
)
JOB, OTHER_JOB = 5, 6

pytestmark = pytest.mark.usefixtures("db", "texts_folder")


def store(chunk: Chunk = CHUNK, key: ChunkKey = KEY, *, job_id: int = JOB, **how: Any) -> str:
    name = name_chunk(key, job_id=job_id)
    store_all([SampledChunk(name, key, chunk, **how)], job_id=job_id)
    return name


def store_all(batch: list[SampledChunk], *, job_id: int) -> None:
    entries, rows = pack_chunks(batch, job_id=job_id, now=NOON)
    document = write_document(rollouts=entries)
    for row, _ in rows:
        row.chunk = document
    insert_chunks(rows)


def find_chunk(name: str, *, job_id: int) -> FoundChunk:
    return find_chunks([name], job_id=job_id)[name]


def test_it_works() -> None:
    name = store()

    assert find_chunk(name, job_id=JOB).chunk == CHUNK
    [row] = RolloutChunk.objects.all()
    assert (row.key, row.fingerprint, row.number, row.revision) == (name, *KEY[:2], "r1")
    assert (row.rollouts, row.seed, row.model, row.created_at) == (2, 77, "policy", NOON)


def test_what_another_job_sampled_has_an_origin_of_its_own() -> None:
    found = find_chunk(store(), job_id=OTHER_JOB).chunk

    assert found is not None
    assert found.origin == "5/3:/rpe/p1/c0"
    assert found.rollouts == CHUNK.rollouts


@pytest.mark.parametrize(
    ("key", "is_same"),
    [
        (KEY, True),
        (KEY._replace(fingerprint="e" * 32), False),
        (KEY._replace(number=1), False),
        (KEY._replace(revision="r2"), False),
        (KEY._replace(revision=""), False),
    ],
)
def test_a_name_stands_for_all_that_a_chunk_depends_on(key: ChunkKey, is_same: bool) -> None:
    assert (name_chunk(key, job_id=JOB) == name_chunk(KEY, job_id=OTHER_JOB)) == is_same


def test_without_a_revision_a_chunk_is_its_jobs_alone() -> None:
    unknown = KEY._replace(revision="")
    assert name_chunk(unknown, job_id=JOB) == name_chunk(unknown, job_id=JOB)
    assert name_chunk(unknown, job_id=JOB) != name_chunk(unknown, job_id=OTHER_JOB)


def test_who_stored_first_is_right() -> None:
    name = store()
    late = Chunk((Rollout("So \\boxed{7}.", "stop"),), "9:/rpe/p1/c0", 77, "policy")

    store(late, job_id=OTHER_JOB)

    assert find_chunk(name, job_id=JOB).chunk == CHUNK


@pytest.mark.parametrize("gone", ["", "0" * 64])
def test_a_text_that_is_gone_is_lost_and_can_be_replaced(gone: str) -> None:
    name = store()
    RolloutChunk.objects.update(chunk=gone)
    assert find_chunk(name, job_id=JOB) == (None, gone)

    store(replaces=gone)

    assert find_chunk(name, job_id=JOB).chunk == CHUNK


def test_a_text_that_is_no_chunk_is_lost() -> None:
    name = store()
    RolloutChunk.objects.update(chunk=write_chunk(b'{"exchanges": []}'))

    assert find_chunk(name, job_id=JOB).chunk is None


def test_what_somebody_else_has_replaced_stays() -> None:
    name = store()
    RolloutChunk.objects.update(chunk="")
    store(replaces="")

    store(Chunk(CHUNK.rollouts[:1], "9:/rpe/p1/c0", 77, "late"), replaces="")

    assert find_chunk(name, job_id=JOB).chunk == CHUNK


def test_many_are_found_at_once() -> None:
    keys = [KEY._replace(number=number) for number in range(450)]
    names = [store(key=key) for key in keys[::2]]

    found = find_chunks([name_chunk(key, job_id=JOB) for key in keys], job_id=JOB)

    assert {name for name, one in found.items() if one.chunk is not None} == set(names)
    assert len(found) == 450


# --- The cache of an item -------------------------------------------------------------------------


class Shelf:
    """An item's cache over the database, without an item: what is kept or attached is stored when
    it is saved.
    """

    def __init__(self, desk: DatabaseDesk, job_id: int = JOB) -> None:
        self.desk = desk
        self.waiting: list[SampledChunk] = []
        self.attached: dict[str, SampledChunk] = {}
        self.saves = 0
        self.job_id = job_id
        self.cache = ItemRollouts(
            stored=StoredChunks(desk=desk, job_id=job_id),
            attach=self.attached.__setitem__,
            keep=self.waiting.append,
            save=self.save,
        )

    async def save(self) -> None:
        self.saves += 1
        batch = [*self.attached.values(), *self.waiting]
        self.attached.clear()
        self.waiting.clear()
        await self.desk.call(self._store, batch)

    def _store(self, batch: list[SampledChunk]) -> None:
        store_all(batch, job_id=self.job_id)


@pytest.fixture
def desk() -> DatabaseDesk:
    return DatabaseDesk()


def sample(made: list[str], shelf: Shelf | None = None, error: Exception | None = None) -> Any:
    async def make() -> Chunk:
        made.append("sampled")
        await asyncio.sleep(0)
        if error is not None:
            raise error
        if shelf is not None:
            shelf.cache.note(KEY, CHUNK, "3:/rpe/p1/c0/0")
        return CHUNK

    return make


def together(desk: DatabaseDesk, *fetches: Coroutine[Any, Any, Any]) -> list[Any]:
    async def wait() -> list[Any]:
        return await asyncio.gather(*fetches, return_exceptions=True)

    return run_beside(desk, wait)


def test_a_chunk_is_stored_with_its_call_and_found_afterwards(desk: DatabaseDesk) -> None:
    made: list[str] = []
    shelf = Shelf(desk)

    async def fetch_twice() -> list[Chunk]:
        return [
            await shelf.cache.fetch(KEY, sample(made, shelf)),
            await Shelf(desk).cache.fetch(KEY, sample(made)),
        ]

    assert run_beside(desk, fetch_twice) == [CHUNK, CHUNK]
    assert (made, shelf.saves) == (["sampled"], 1)


def test_a_chunk_whose_call_is_stored_already_is_stored_by_itself(desk: DatabaseDesk) -> None:
    """An earlier attempt stored the call and no chunk: nothing comes after it."""
    shelf = Shelf(desk)

    together(desk, shelf.cache.fetch(KEY, sample([])))

    assert RolloutChunk.objects.count() == 1


def test_items_that_want_the_same_wait_for_one_of_them(desk: DatabaseDesk) -> None:
    made: list[str] = []
    shelves = [Shelf(desk), Shelf(desk), Shelf(desk, OTHER_JOB)]

    found = together(desk, *(one.cache.fetch(KEY, sample(made, one)) for one in shelves))

    assert made == ["sampled"]
    assert [chunk.origin for chunk in found] == [CHUNK.origin, CHUNK.origin, f"5/{CHUNK.origin}"]


def test_an_error_is_its_callers_and_the_next_one_tries(desk: DatabaseDesk) -> None:
    made: list[str] = []

    first, second = together(
        desk,
        Shelf(desk).cache.fetch(KEY, sample(made, error=ValueError("refused"))),
        Shelf(desk).cache.fetch(KEY, sample(made)),
    )

    assert isinstance(first, ValueError)
    assert second == CHUNK
    assert len(made) == 2


def test_who_is_cancelled_holds_up_nobody(desk: DatabaseDesk) -> None:
    made: list[str] = []

    async def cancel_first() -> Chunk:
        first, waiting, third = (
            asyncio.create_task(Shelf(desk).cache.fetch(KEY, sample(made))) for _ in range(3)
        )
        while not made:
            await asyncio.sleep(0)
        waiting.cancel()
        first.cancel()
        return await third

    assert run_beside(desk, cancel_first) == CHUNK


def test_what_another_process_stored_meanwhile_counts(desk: DatabaseDesk) -> None:
    """Both have sampled it; what both go on with is what stands there."""
    theirs = Chunk((Rollout("So \\boxed{7}.", "stop"),), "9:/rpe/p1/c0", 77, "policy")
    shelf = Shelf(desk)

    async def be_late() -> Chunk:
        await desk.call(store, theirs, job_id=OTHER_JOB)
        return CHUNK

    [found] = together(desk, shelf.cache.fetch(KEY, be_late))

    assert found.rollouts == theirs.rollouts
    assert found.origin == "6/9:/rpe/p1/c0"
    assert RolloutChunk.objects.count() == 1


def test_what_is_wanted_at_once_is_looked_up_together(
    desk: DatabaseDesk, django_assert_max_num_queries: Any
) -> None:
    stored = StoredChunks(desk=desk, job_id=JOB)
    names = [store(key=KEY._replace(number=number)) for number in range(20)]

    with django_assert_max_num_queries(3):
        found = together(desk, *(stored.find(name) for name in names))

    assert [one.chunk for one in found] == [CHUNK] * 20


def test_a_fault_of_the_database_goes_to_all_who_wait(
    desk: DatabaseDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(names: Any, *, job_id: int) -> Any:
        raise OperationalError("database is locked")

    monkeypatch.setattr("modeljobs.services.rollouts.find_chunks", fail)
    stored = StoredChunks(desk=desk, job_id=JOB)

    found = together(desk, stored.find("a"), stored.find("b"))

    assert [str(one) for one in found] == ["database is locked"] * 2


def test_a_lost_text_is_sampled_again_under_its_name(desk: DatabaseDesk) -> None:
    made: list[str] = []
    name = store()
    for chunk in list_chunks():
        chunk.path.unlink()
    shelf = Shelf(desk)

    [found] = together(desk, shelf.cache.fetch(KEY, sample(made, shelf)))

    assert (found, made) == (CHUNK, ["sampled"])
    assert find_chunk(name, job_id=JOB).chunk == CHUNK
