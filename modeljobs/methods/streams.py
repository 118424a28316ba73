"""Several coroutines at work on one item, as the one stream of events that a method is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from modeljobs.methods.base import Event

T = TypeVar("T")
Emit = Callable[[Event], Coroutine[Any, Any, None]]


async def stream_events(work: Callable[[Emit], Coroutine[Any, Any, None]]) -> AsyncGenerator[Event]:
    """The events that `work` emits, in the order in which it does, then its error if it has one.

    An emitter goes on once whoever reads the stream comes back for the next event, so that what was
    paid for is stored before more is asked for. Ending the stream early cancels the work and waits
    until it is gone.
    """
    queue: asyncio.Queue[tuple[Event, asyncio.Future[None]] | None] = asyncio.Queue()

    async def emit(event: Event) -> None:
        taken = asyncio.get_running_loop().create_future()
        queue.put_nowait((event, taken))
        await taken

    task = asyncio.create_task(work(emit))
    task.add_done_callback(lambda _: queue.put_nowait(None))
    try:
        while (entry := await queue.get()) is not None:
            event, taken = entry
            yield event
            if not taken.done():
                taken.set_result(None)
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def gather_all(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results in the order given. When one fails the others are cancelled and waited for, and
    its error is raised as it is: callers tell an engine's errors by their class.
    """
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    if not tasks:
        return []
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            if task in done:
                # Raises the error of the first in order, so that the same failures read the same.
                task.result()
        return [task.result() for task in tasks]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
