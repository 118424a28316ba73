from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import DatabaseError

from modeljobs.models import WorkerBeat
from modeljobs.selectors import ALIVE_FOR, is_any_worker_alive, list_live_workers
from modeljobs.services import workers
from tests.modeljobs.worlds import NOON, Clock


def beat(name: str = "celery@one", *, clock: Clock, queues: tuple[str, ...] = ("models",)) -> None:
    workers.record_beat(name=name, queues=queues, pid=7, started_at=NOON, now=clock())


def test_it_works(db: None, clock: Clock) -> None:
    beat(clock=clock)

    [worker] = list_live_workers(now=NOON)
    assert (worker.name, worker.queues, worker.pid) == ("celery@one", ["models"], 7)
    assert is_any_worker_alive(now=NOON)


def test_nobody_there(db: None) -> None:
    assert list_live_workers(now=NOON) == []
    assert not is_any_worker_alive(now=NOON)


def test_a_worker_falls_silent(db: None, clock: Clock) -> None:
    beat(clock=clock)

    assert is_any_worker_alive(now=NOON + ALIVE_FOR)
    assert not is_any_worker_alive(now=NOON + ALIVE_FOR + timedelta(seconds=1))


def test_a_worker_of_other_queues_does_not_count(db: None, clock: Clock) -> None:
    beat(clock=clock, queues=("default", "io"))

    assert not is_any_worker_alive(now=NOON, queue="models")
    assert is_any_worker_alive(now=NOON, queue="io")


def test_a_worker_is_one_row(db: None, clock: Clock) -> None:
    beat(clock=clock)
    clock.move(seconds=10)
    beat(clock=clock)

    [row] = WorkerBeat.objects.all()
    assert (row.started_at, row.beat_at) == (NOON, NOON + timedelta(seconds=10))


def test_saying_good_bye(db: None, clock: Clock) -> None:
    beat(clock=clock)
    beat("celery@two", clock=clock)

    workers.forget_worker("celery@one")

    assert [worker.name for worker in list_live_workers(now=NOON)] == ["celery@two"]


def test_old_workers_are_forgotten(db: None, clock: Clock) -> None:
    beat(clock=clock)

    assert workers.forget_old_workers(now=NOON + timedelta(days=6)) == 0
    assert workers.forget_old_workers(now=NOON + timedelta(days=8)) == 1


def test_a_beat_that_cannot_be_stored_is_survived(
    db: None, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    def fail(**kwargs: object) -> None:
        raise DatabaseError("gone")

    heart = workers.Heart(name="celery@one", queues=["models"], now=clock)
    assert heart.beat()
    monkeypatch.setattr(workers, "record_beat", fail)
    assert not heart.beat()


@pytest.mark.django_db(transaction=True)
def test_a_heart_beats_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    beaten = threading.Event()
    real = workers.record_beat

    def record(**kwargs: object) -> None:
        real(**kwargs)  # type: ignore[arg-type]
        beaten.set()

    monkeypatch.setattr(workers, "record_beat", record)
    heart = workers.Heart(name="celery@one", queues=["models"], seconds=60, now=clock)

    heart.start()
    assert beaten.wait(timeout=30)
    assert is_any_worker_alive(now=NOON)
    heart.stop()
    assert not WorkerBeat.objects.exists()
