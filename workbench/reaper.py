"""The reaper: small chores that apps register, run every few seconds in one process.

It returns expired leases, sends work again whose message was lost, and prunes. An app
registers its chores in `AppConfig.ready()`:

    reaper.register("expired leases", expire_assignment_leases)

A chore takes nothing, is safe to run twice, and returns how many things it did (or None). Its
errors are logged, and neither stop the other chores nor the next round.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from django.db import close_old_connections, connections

logger = logging.getLogger(__name__)

Chore = Callable[[], int | None]


@dataclass(frozen=True, slots=True)
class ChoreResult:
    """What a chore said it did, or the error that it ended with."""

    name: str
    done: int | None
    error: Exception | None = None


_chores: dict[str, Chore] = {}


def register(name: str, chore: Chore) -> None:
    """Add a chore under a name that the log uses; the same name twice is a mistake."""
    known = _chores.get(name)
    if known is not None and known is not chore:
        raise ValueError(f"There is already a chore named {name!r}.")
    _chores[name] = chore


def unregister(name: str) -> None:
    """Forget a chore."""
    _chores.pop(name, None)


def list_chores() -> list[str]:
    """The names of the registered chores, in the order of their registration."""
    return list(_chores)


def run_once() -> list[ChoreResult]:
    """Run each chore once; what came of each.

    Connections that broke since the last round are replaced before each chore, so that one
    restart of the database costs one round and not all of them.
    """
    results = []
    for name, chore in list(_chores.items()):
        close_old_connections()
        try:
            done = chore()
        except Exception as error:
            logger.exception("The chore %r failed; it will be tried again.", name)
            results.append(ChoreResult(name, None, error))
            continue
        if done:
            logger.info("The chore %r did %s.", name, done)
        results.append(ChoreResult(name, done))
    return results


def run_until(stop: threading.Event, *, seconds: float) -> None:
    """Run all chores now and every so many seconds, until `stop` is set."""
    while not stop.is_set():
        run_once()
        stop.wait(seconds)
    connections.close_all()
