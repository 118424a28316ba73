from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from modeljobs.methods.base import Event, Failed
from modeljobs.methods.streams import Emit, gather_all, stream_events


def event(name: str) -> Failed:
    return Failed(name, name)


async def collect(stream: AsyncGenerator[Event]) -> list[str]:
    return [one.reason_code async for one in stream if isinstance(one, Failed)]


def test_events_come_in_the_order_of_their_emission() -> None:
    async def work(emit: Emit) -> None:
        for name in "abc":
            await emit(event(name))

    assert asyncio.run(collect(stream_events(work))) == ["a", "b", "c"]


def test_several_emitters_share_one_stream() -> None:
    async def work(emit: Emit) -> None:
        await gather_all(emit(event(name)) for name in "ab")
        await emit(event("c"))

    assert asyncio.run(collect(stream_events(work))) == ["a", "b", "c"]


def test_an_emitter_goes_on_when_the_reader_has_dealt_with_its_event() -> None:
    log: list[str] = []

    async def work(emit: Emit) -> None:
        await emit(event("a"))
        log.append("went on")

    async def main() -> None:
        async for _ in stream_events(work):
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            log.append("stored")

    asyncio.run(main())
    assert log == ["stored", "went on"]


def test_an_error_comes_after_the_events_before_it() -> None:
    async def work(emit: Emit) -> None:
        await emit(event("a"))
        raise RuntimeError("broken")

    seen: list[str] = []

    async def main() -> None:
        async for one in stream_events(work):
            assert isinstance(one, Failed)
            seen.append(one.reason_code)

    with pytest.raises(RuntimeError, match="broken"):
        asyncio.run(main())
    assert seen == ["a"]


def test_ending_the_stream_early_ends_the_work() -> None:
    log: list[str] = []

    async def sleep_for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            log.append("gone")

    async def work(emit: Emit) -> None:
        await gather_all([sleep_for_ever(), sleep_for_ever(), emit(event("a"))])

    async def main() -> int:
        stream = stream_events(work)
        async for _ in stream:
            break
        await stream.aclose()
        return len(asyncio.all_tasks())

    # The one task that is left is the test's own.
    assert asyncio.run(main()) == 1
    assert log == ["gone", "gone"]


def test_results_come_in_the_order_asked_for() -> None:
    async def give(value: int, turns: int) -> int:
        for _ in range(turns):
            await asyncio.sleep(0)
        return value

    async def main() -> list[int]:
        return await gather_all([give(1, 5), give(2, 0), give(3, 2)])

    assert asyncio.run(main()) == [1, 2, 3]
    assert asyncio.run(gather_all(())) == []


def test_one_failure_cancels_the_others_and_is_raised_as_it_is() -> None:
    log: list[str] = []

    async def sleep_for_ever() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            log.append("gone")
            raise

    async def fail() -> None:
        raise KeyError("no")

    async def main() -> None:
        await gather_all([sleep_for_ever(), fail(), sleep_for_ever()])

    with pytest.raises(KeyError):
        asyncio.run(main())
    assert log == ["gone", "gone"]


def test_of_several_failures_the_first_in_order_is_raised() -> None:
    async def fail(name: str) -> None:
        raise ValueError(name)

    with pytest.raises(ValueError, match="first"):
        asyncio.run(gather_all([fail("first"), fail("second")]))
