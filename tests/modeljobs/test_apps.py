from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from celery.signals import worker_ready, worker_shutdown, worker_shutting_down

from modeljobs import apps
from modeljobs.services import workers
from workbench import reaper


class NotedHeart:
    """A heart that notes what it is told instead of beating."""

    notes: list[tuple[object, ...]]

    def __init__(self, *, name: str, queues: list[str]) -> None:
        self.name = name
        self.notes.append(("made", name, sorted(queues)))

    def start(self) -> None:
        self.notes.append(("started", self.name))

    def stop(self) -> None:
        self.notes.append(("stopped", self.name))


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[object, ...]]]:
    NotedHeart.notes = []
    monkeypatch.setattr(workers, "Heart", NotedHeart)
    yield NotedHeart.notes
    workers.stopping.clear()
    apps._hearts.clear()


class Consumer:
    """As much of Celery's consumer as the signal's receiver reads."""

    def __init__(self, name: str) -> None:
        queues = SimpleNamespace(consume_from={"models": None, "default": None})
        self.hostname = name
        self.app = SimpleNamespace(amqp=SimpleNamespace(queues=queues))


def test_the_reaper_tends_jobs() -> None:
    assert "model jobs" in reaper.list_chores()


def test_a_worker_says_that_it_is_there_and_when_it_goes(notes: list[tuple[object, ...]]) -> None:
    worker_ready.send(sender=Consumer("celery@one"))
    # Celery says so again when it has lost its broker for a while.
    worker_ready.send(sender=Consumer("celery@one"))
    worker_shutdown.send(sender=None)
    worker_shutdown.send(sender=None)

    assert notes == [
        ("made", "celery@one", ["default", "models"]),
        ("started", "celery@one"),
        ("stopped", "celery@one"),
    ]


def test_a_worker_that_is_asked_to_end_stops_its_runs(notes: list[tuple[object, ...]]) -> None:
    assert not workers.stopping.is_set()

    worker_shutting_down.send(sender="celery@one", sig="TERM", how="Warm", exitcode=0)

    assert workers.stopping.is_set()
