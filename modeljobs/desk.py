"""A desk between two threads: coroutines in one ask, the other answers. PURE.

Django's connections belong to the thread that opened them, and its ORM refuses to run beside an
event loop. So the thread that owns the connection sits at the desk, and the loop runs in another.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable
from queue import SimpleQueue
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class DatabaseDesk:
    """Lets the coroutines of one thread call functions in another, one at a time, in order."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The function's result. A caller who is cancelled does not stop a call that has begun."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()

        def answer() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        self._calls.put(answer)
        return await asyncio.wrap_future(future)

    def serve(self, *, interrupted: Callable[[], None]) -> None:
        """Answer calls until the desk is closed. Ctrl-C calls `interrupted`, and is raised when the
        others have put their things away.
        """
        interrupt: BaseException | None = None
        while True:
            try:
                answer = self._calls.get()
            except (KeyboardInterrupt, SystemExit) as error:
                interrupt = error
                interrupted()
                continue
            if answer is None:
                break
            answer()
        if interrupt is not None:
            raise interrupt

    def close(self) -> None:
        self._calls.put(None)
