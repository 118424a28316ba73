"""An asyncio loop on a clock of its own: where everybody waits, time jumps to the next timer.

What is simulated on it takes no longer than its Python does, and the same virtual time on every
machine.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")

# Timers this close together (in seconds) are one moment: sums of floats differ in the last digits.
RESOLUTION = 1e-9


class NothingWillHappen(RuntimeError):
    """Everybody waits, and no timer is set: on a real clock this would hang for ever."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose `time()` moves only while nobody has anything to do."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_JumpingSelector(self))
        # What the loop allows between a timer and the clock; the real clock's has no meaning here.
        self._clock_resolution = RESOLUTION

    def time(self) -> float:
        return self._now

    def jump(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds


class _JumpingSelector(selectors.SelectSelector):
    """Looks at files without ever waiting for them, and lets the loop's time pass instead."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise NothingWillHappen("Everybody waits, and no timer is set.")
        if timeout > 0:
            self._loop.jump(timeout)
        return ready


class Timed(NamedTuple, Generic[T]):
    """What a coroutine returned, and the virtual seconds that it took."""

    result: T
    seconds: float


def run_virtually(main: Coroutine[Any, Any, T]) -> Timed[T]:
    """Run a coroutine to its end on a virtual clock that starts at 0."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        result = runner.run(main)
        return Timed(result, runner.get_loop().time())
