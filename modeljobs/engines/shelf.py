"""Models that this process holds: loaded once, used by every engine of the same settings."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    def close(self) -> None: ...


T = TypeVar("T", bound=Closable)


@dataclass(slots=True)
class _Entry(Generic[T]):
    value: T
    users: int


class Shelf(Generic[T]):
    """Keeps what was loaded for whoever comes next, until something else is wanted.

    Runs of a job make and close engines of their own, minutes apart, and loading takes as long. A
    value that nobody uses stays; it is closed before another is made, so that a card need not hold
    two. Values in use are never closed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[Hashable, _Entry[T]] = {}

    def acquire(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of that key, made where there is none. Whoever comes meanwhile waits."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                self._close_unused()
                entry = self._entries[key] = _Entry(make(), 0)
            entry.users += 1
            return entry.value

    def release(self, key: Hashable, *, discard: bool = False) -> None:
        """Say that one user is done with it. With `discard`, the last user closes it: it is broken,
        and the next one is to make it anew.
        """
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return
            entry.users -= 1
            if discard and entry.users <= 0:
                del self._entries[key]
                entry.value.close()

    def clear(self) -> None:
        """Close what nobody uses."""
        with self._lock:
            self._close_unused()

    def _close_unused(self) -> None:
        for key in [key for key, entry in self._entries.items() if entry.users <= 0]:
            self._entries.pop(key).value.close()
