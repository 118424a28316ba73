"""Workers and their signs of life: pages say so when nobody is there to do the work."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.db import DatabaseError, close_old_connections, connections
from django.utils import timezone

from modeljobs import selectors
from modeljobs.models import WorkerBeat

logger = logging.getLogger(__name__)

BEAT_SECONDS = 10.0
# Set when this process is asked to end: runs then hand back what they have.
stopping = threading.Event()
FORGOTTEN_AFTER = timedelta(days=7)


def record_beat(
    *, name: str, queues: Sequence[str], pid: int, started_at: datetime, now: datetime
) -> None:
    """Note that the worker is alive and which queues it takes work from."""
    WorkerBeat.objects.update_or_create(
        name=name[:120],
        defaults={
            "queues": sorted(queues),
            "pid": pid,
            "started_at": started_at,
            "beat_at": now,
        },
    )


def forget_worker(name: str) -> None:
    """A worker that ends as it should says good-bye, and is not waited for."""
    WorkerBeat.objects.filter(name=name[:120]).delete()


def forget_old_workers(*, now: datetime) -> int:
    """Remove rows of workers that were not heard of for a week; how many."""
    count, _by_model = WorkerBeat.objects.filter(beat_at__lt=now - FORGOTTEN_AFTER).delete()
    return count


class Heart:
    """A thread of a worker that records its beats until it is stopped.

    A thread, and not Celery's own heartbeat: that one can be switched off, and stands still while
    a solo pool works.
    """

    def __init__(
        self,
        *,
        name: str,
        queues: Sequence[str],
        seconds: float = BEAT_SECONDS,
        now: Callable[[], datetime] = timezone.now,
    ) -> None:
        self._name = name
        self._queues = tuple(queues)
        self._seconds = seconds
        self._now = now
        self._started_at = now()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="worker-heart", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop beating and say good-bye."""
        self._stop.set()
        self._thread.join(timeout=5)

    def beat(self) -> bool:
        """One beat; False where the database did not take it, which the next may mend."""
        try:
            record_beat(
                name=self._name,
                queues=self._queues,
                pid=os.getpid(),
                started_at=self._started_at,
                now=self._now(),
            )
        except DatabaseError:
            logger.warning("The worker's sign of life could not be stored.", exc_info=True)
            return False
        return True

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                # A connection that broke since the last beat is replaced.
                close_old_connections()
                self.beat()
                self._stop.wait(self._seconds)
            try:
                forget_worker(self._name)
            except DatabaseError:
                logger.warning("The worker's good-bye could not be stored.", exc_info=True)
        finally:
            # This thread's connection is nobody else's.
            connections.close_all()


def find_own_name() -> str:
    """A name for a worker that nobody named: this process on this machine."""
    return f"process-{os.getpid()}@{socket.gethostname()}"


def pick_due(
    late: set[int], sent: dict[int, datetime], *, now: datetime, after: timedelta, queue: str
) -> list[int]:
    """Which of the late rows to send to a worker again, and note it in `sent`.

    None while no worker is alive: nobody would take the messages, and they would pile up.
    """
    for pk in set(sent) - late:
        del sent[pk]
    if not late or not selectors.is_any_worker_alive(now=now, queue=queue):
        return []
    due = [pk for pk in sorted(late) if pk not in sent or now >= sent[pk] + after]
    sent.update(dict.fromkeys(due, now))
    return due
