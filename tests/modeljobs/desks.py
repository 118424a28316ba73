"""A loop in a thread of its own with the database at a desk, as a run has it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

from modeljobs.desk import DatabaseDesk

T = TypeVar("T")


def run_beside(desk: DatabaseDesk, begin: Callable[[], Awaitable[T]]) -> T:
    """The result of what `begin` begins in the loop, while this thread serves the database."""
    results: list[T] = []
    errors: list[BaseException] = []

    async def main() -> None:
        results.append(await begin())

    def drive() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            errors.append(error)
        finally:
            desk.close()

    thread = threading.Thread(target=drive)
    thread.start()
    desk.serve(interrupted=lambda: None)
    thread.join()
    for error in errors:
        raise error
    return results[0]
