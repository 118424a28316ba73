from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from modeljobs.checkpoints import Checkpoints
from modeljobs.services.leases import LeaseLost


class SlowDesk:
    """A desk that answers when it is told to; `seen` is what was stored together, by key."""

    def __init__(self) -> None:
        self.seen: list[list[int]] = []
        self.faults: Mapping[int, Exception] = {}
        self.error: BaseException | None = None
        self.gate = asyncio.Event()

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        await self.gate.wait()
        return function(*args)

    def store(self, items: Sequence[Any]) -> Mapping[int, Exception]:
        self.seen.append([item.row.pk for item in items])
        if self.error is not None:
            raise self.error
        return self.faults


def make_item(key: int) -> Any:
    return SimpleNamespace(row=SimpleNamespace(pk=key))


def save(checkpoints: Checkpoints, key: int) -> asyncio.Task[None]:
    return asyncio.create_task(checkpoints.save(make_item(key)))


async def begin(desk: SlowDesk, *keys: int) -> list[asyncio.Task[None]]:
    """Those who ask while the desk is busy with the first, which waits at the gate."""
    checkpoints = Checkpoints(desk, desk.store)  # type: ignore[arg-type]
    tasks = [save(checkpoints, keys[0])]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    tasks += [save(checkpoints, key) for key in keys[1:]]
    await asyncio.sleep(0)
    return tasks


def test_who_waits_goes_together() -> None:
    async def main() -> list[list[int]]:
        desk = SlowDesk()
        tasks = await begin(desk, 1, 2, 3, 2)
        desk.gate.set()
        await asyncio.gather(*tasks)
        return desk.seen

    # The second asked twice, and is stored once.
    assert asyncio.run(main()) == [[1], [2, 3]]


def test_one_who_is_cancelled_takes_nobody_along() -> None:
    async def main() -> tuple[list[list[int]], list[bool]]:
        desk = SlowDesk()
        tasks = await begin(desk, 1, 2, 2, 3)
        tasks[1].cancel()
        desk.gate.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        return desk.seen, [task.cancelled() for task in tasks]

    seen, cancelled = asyncio.run(main())

    # What it has is stored all the same.
    assert seen == [[1], [2, 3]]
    assert cancelled == [False, True, False, False]


def test_a_lost_lease_is_told_to_whom_it_concerns() -> None:
    async def main() -> list[BaseException | None]:
        desk = SlowDesk()
        desk.faults = {2: LeaseLost("It is lost.")}
        tasks = await begin(desk, 1, 2, 3, 2)
        desk.gate.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    told = asyncio.run(main())

    assert [type(one) for one in told] == [type(None), LeaseLost, type(None), LeaseLost]


def test_a_fault_of_the_desk_is_told_to_all_and_ends_nothing() -> None:
    async def main() -> tuple[list[type], list[list[int]]]:
        desk = SlowDesk()
        desk.error = OSError("gone")
        desk.gate.set()
        checkpoints = Checkpoints(desk, desk.store)  # type: ignore[arg-type]
        tasks = [save(checkpoints, key) for key in (1, 2)]
        told = await asyncio.gather(*tasks, return_exceptions=True)
        desk.error = None
        await checkpoints.save(make_item(3))
        return [type(one) for one in told], desk.seen

    told, seen = asyncio.run(main())

    assert told == [OSError, OSError]
    assert sorted(key for batch in seen for key in batch) == [1, 2, 3]


def test_a_save_after_all_were_stored_is_taken_up() -> None:
    async def main() -> list[list[int]]:
        desk = SlowDesk()
        desk.gate.set()
        checkpoints = Checkpoints(desk, desk.store)  # type: ignore[arg-type]
        await checkpoints.save(make_item(1))
        await checkpoints.save(make_item(1))
        return desk.seen

    assert asyncio.run(main()) == [[1], [1]]


def test_an_interrupt_is_not_swallowed() -> None:
    async def main() -> None:
        desk = SlowDesk()
        desk.error = SystemExit("asked to end")
        desk.gate.set()
        await Checkpoints(desk, desk.store).save(make_item(1))  # type: ignore[arg-type]

    with pytest.raises(SystemExit):
        asyncio.run(main())
