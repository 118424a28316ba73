"""Files that workers write: asked for once, written once, and never lost without a word."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from labeling.models import AuditEvent, Source
from modeljobs.methods.rpe_labels import LabelRule
from modeljobs.models import FileWriting, LabelReading, ModelJob
from modeljobs.services import readings, writings
from modeljobs.services.readings import reading_folder, request_labels, write_labels
from modeljobs.services.workers import record_beat
from modeljobs.services.writing_runs import BROKEN, run_writing
from modeljobs.services.writings import (
    MOST_LOSSES,
    RESEND_AFTER,
    SILENT_AFTER,
    Pen,
    Superseded,
    request_writing,
    take,
    tend_writings,
)
from modeljobs.tasks import write_file
from tests.modeljobs.consensus_rows import make_comparison
from tests.modeljobs.counting import BROKEN as WRONG
from tests.modeljobs.counting import SOUND, UNSURE, count_job
from tests.modeljobs.worlds import NOON, Clock, World
from tests.modeljobs.writing_now import freeze_conversations, write
from workbench.errors import Conflict

HARD = LabelRule(kind="hard")


@pytest.fixture
def job(world: World) -> ModelJob:
    return count_job(world.project, world.alice, world.solutions, [SOUND, WRONG, UNSURE])


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Messages are noted instead of sent."""
    messages: list[int] = []
    monkeypatch.setattr(writings, "_send", messages.append)
    yield messages
    writings._resent.clear()


@pytest.fixture
def ask(job: ModelJob) -> Callable[..., FileWriting]:
    """Asks for the job's labels, at noon."""

    def build(**fields: Any) -> FileWriting:
        asked = request_writing(
            of=job,
            request={"rule": {"rule": "ratio"}, "note": ""},
            total=3,
            by=job.created_by,
            now=NOON,
        )
        FileWriting.objects.filter(pk=asked.writing.pk).update(**fields)
        return FileWriting.objects.get(pk=asked.writing.pk)

    return build


def request(job: ModelJob, rule: LabelRule | None = None, **more: Any) -> writings.Asked:
    return request_labels(job=job, rule=rule or LabelRule(), by=job.created_by, **more)


def hold(writing: FileWriting, *, now: Clock | None = None) -> Pen:
    """A worker's hold on it, since noon if nothing else is said."""
    pen = take(writing.pk, now=now or Clock())
    assert pen is not None
    return pen


def list_files() -> list[Path]:
    return sorted(reading_folder().iterdir()) if reading_folder().is_dir() else []


# --- Asking ---------------------------------------------------------------------------------------


def test_a_message_goes_out_when_the_row_is_there(job, posted, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        asked = request(job, note=" For training. ")
        assert posted == []
    assert posted == [asked.writing.pk]
    writing = FileWriting.objects.get()
    assert (writing.state, writing.done, writing.total) == ("queued", 0, 3)
    assert writing.request["note"] == "For training."
    assert not LabelReading.objects.exists()


def test_a_worker_with_the_message_writes_the_file(job, django_capture_on_commit_callbacks):
    """The task runs in place, as with a worker: the whole way from the press to the file."""
    with django_capture_on_commit_callbacks(execute=True):
        request(job)
    writing = FileWriting.objects.get()
    assert writing.state == "done"
    assert writing.reading == LabelReading.objects.get()
    assert list_files() == [reading_folder() / f"{writing.reading.sha256}.jsonl"]


def test_files_are_written_by_workers_of_the_queue_io():
    routes = settings.CELERY_TASK_ROUTES
    assert routes[write_file.name] == {"queue": "io"}


def test_the_same_asked_for_twice_is_one_writing(job, posted, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        first, second = request(job), request(job)
    assert (first.is_new, second.is_new) == (True, False)
    assert first.writing == second.writing
    assert len(posted) == 1


@pytest.mark.parametrize("other", [{"rule": HARD}, {"note": "Another note."}])
def test_something_else_waits_until_a_writing_is_over(other, job):
    asked = request(job)
    with pytest.raises(Conflict, match="being written already"):
        request(job, **other)
    write(asked)
    assert request(job, **other).is_new


def test_other_jobs_are_written_at_the_same_time(world, job):
    other = count_job(world.project, world.alice, world.solutions[:1], [SOUND])
    assert request(job).is_new
    assert request(other).is_new


# --- Writing --------------------------------------------------------------------------------------


def test_a_message_that_comes_twice_makes_one_reading(job):
    asked = request(job)
    assert run_writing(asked.writing.pk)
    assert not run_writing(asked.writing.pk)
    assert LabelReading.objects.count() == 1
    assert AuditEvent.objects.filter(verb="job.labels_frozen").count() == 1


def test_what_runs_already_is_left_to_its_worker(ask):
    writing = ask()
    assert take(writing.pk) is not None
    assert take(writing.pk) is None
    assert not run_writing(writing.pk)


@pytest.mark.django_db
def test_a_writing_that_was_removed_is_nothing_to_do():
    assert not run_writing(10**6)


def test_how_far_it_is_is_stored_now_and_then(ask):
    moments = iter([0.0, 0.4, 0.9, 1.1, 1.2])
    clock = Clock()
    pen = Pen(hold(ask(), now=clock).writing, now=clock, clock=lambda: next(moments))
    seen = []
    for done in (10, 20, 30, 40, 50):
        clock.move(seconds=1)
        pen.report(done, 100)
        row = FileWriting.objects.get()
        seen.append((row.done, row.beat_at))
    first, second = (10, NOON + timedelta(seconds=1)), (40, NOON + timedelta(seconds=4))
    assert seen == [first, first, first, second, second]
    assert FileWriting.objects.get().total == 100


def test_whoever_lost_a_writing_stops_and_leaves_nothing(ask):
    writing = ask()
    pen = hold(writing)
    FileWriting.objects.update(state="queued", started_at=None)
    with pytest.raises(Superseded):
        write_labels(pen)
    assert not LabelReading.objects.exists()
    assert list_files() == []
    assert not pen.fail("Too late.")
    assert FileWriting.objects.get().state == "queued"


def test_a_worker_that_comes_back_from_the_dead_adds_no_second_reading(ask):
    writing = ask()
    clock = Clock()
    dead = hold(writing, now=clock)
    clock.move(minutes=10)
    tend_writings(now=clock())
    assert run_writing(writing.pk, now=clock)
    with pytest.raises(Superseded), dead.finish():
        pytest.fail("The hold was lost.")
    assert LabelReading.objects.count() == 1


def test_the_file_of_a_killed_worker_is_cleared_away(ask):
    writing = ask()
    folder = reading_folder()
    folder.mkdir(parents=True)
    left = folder / f"writing-{writing.pk}-0123456789abcdef.part"
    left.write_bytes(b"half")
    others = folder / f"writing-{writing.pk + 1}-0123456789abcdef.part"
    others.write_bytes(b"somebody is at it")
    assert run_writing(writing.pk)
    reading = LabelReading.objects.get()
    assert list_files() == sorted([folder / f"{reading.sha256}.jsonl", others])


def test_begun_again_it_has_the_same_bytes(ask, monkeypatch):
    """A worker that dies behind the first solution, and another one that finishes."""
    clock = Clock()
    writing = ask()
    monkeypatch.setattr(readings, "CHUNK", 1)

    def die(pen: Pen, done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with monkeypatch.context() as killing:
        killing.setattr(Pen, "report", die)
        with pytest.raises(KeyboardInterrupt):
            run_writing(writing.pk, now=clock)
    assert not list(reading_folder().glob("*.jsonl"))
    tend_writings(now=clock.move(minutes=6))
    assert run_writing(writing.pk, now=clock)
    monkeypatch.undo()
    again = write(request(writing.job))
    first, second = LabelReading.objects.order_by("number")
    assert second == again.reading
    assert first.sha256 == second.sha256


def test_terms_that_changed_since_are_asked_again(job, world):
    asked = request(job)
    Source.objects.filter(project=world.project).update(redistribution="forbidden")
    writing = write(asked)
    assert writing.state == "failed"
    assert "may not be redistributed" in writing.error
    assert not LabelReading.objects.exists()


def test_a_full_disk_is_said_and_tried_again(job, monkeypatch):
    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr("modeljobs.services.writings.os.fsync", refuse)
        writing = write(request(job))
    assert writing.state == "failed"
    assert "No space left on device" in writing.error
    assert writing.finished_at is not None
    assert list_files() == []
    asked = request(job)
    assert asked.is_new
    assert write(asked).state == "done"


def test_what_nobody_foresaw_is_said_too(job, monkeypatch, caplog):
    def fail(*args: object) -> None:
        raise RuntimeError("A defect.")

    monkeypatch.setattr(readings, "read_table", fail)
    writing = write(request(job))
    assert (writing.state, writing.error) == ("failed", BROKEN)
    assert "A defect." in caplog.text


def test_conversations_written_again_replace_what_was_noted(world, texts_folder):
    run = make_comparison(world.project, world.alice)
    first = freeze_conversations(run=run, by=world.alice).report
    second = freeze_conversations(run=run, by=world.alice).report
    assert first == second
    done, again = FileWriting.objects.order_by("pk")
    assert (done.done, done.total, done.reading) == (2, 2, None)
    assert again.state == "done"


# --- Tending --------------------------------------------------------------------------------------


def beat(queue: str, now: Any) -> None:
    record_beat(name=f"{queue}@here", queues=[queue], pid=1, started_at=NOON, now=now)


def test_a_lost_message_is_sent_again_now_and_then(ask, posted, django_capture_on_commit_callbacks):
    writing = ask()
    sent = []
    for seconds in (30, 61, 90, 125):
        now = NOON + timedelta(seconds=seconds)
        beat("io", now)
        with django_capture_on_commit_callbacks(execute=True):
            tend_writings(now=now)
        sent.append(len(posted))
    assert sent == [0, 1, 1, 2]
    assert set(posted) == {writing.pk}


def test_nothing_is_sent_where_nobody_would_take_it(
    ask, posted, django_capture_on_commit_callbacks
):
    ask()
    now = NOON + 2 * RESEND_AFTER
    beat("models", now)
    with django_capture_on_commit_callbacks(execute=True):
        assert tend_writings(now=now) == 0
    assert posted == []


def test_a_writing_whose_worker_fell_silent_is_sent_again(
    ask, posted, django_capture_on_commit_callbacks
):
    writing = ask()
    hold(writing)
    now = NOON + SILENT_AFTER
    beat("io", now + timedelta(seconds=1))
    with django_capture_on_commit_callbacks(execute=True):
        assert tend_writings(now=now) == 0
        assert tend_writings(now=now + timedelta(seconds=1)) == 2
    assert posted == [writing.pk]
    assert FileWriting.objects.get().state == "queued"
    assert run_writing(writing.pk)


def test_after_a_few_lost_workers_it_fails_with_a_sentence(ask):
    writing = ask()
    clock = Clock()
    for _ in range(MOST_LOSSES):
        assert FileWriting.objects.get().state == "queued"
        hold(writing, now=clock)
        tend_writings(now=clock.move(minutes=6))
    row = FileWriting.objects.get()
    assert row.state == "failed"
    assert "3 workers were lost" in row.error
    # What was asked for is as it was.
    assert writings.read_request(row) == writings.read_request(writing)


def test_the_reaper_tends_them():
    from workbench import reaper

    assert "model jobs: files" in reaper.list_chores()


# --- Both databases -------------------------------------------------------------------------------


def test_both_databases_write_it_once(any_database, texts_folder):
    from tests.modeljobs.worlds import make_world

    world = make_world()
    job = count_job(world.project, world.alice, world.solutions, [SOUND, WRONG, UNSURE])
    # With real transactions the message is sent at once, and the task runs in place.
    asked = request(job)
    assert asked.is_new
    assert FileWriting.objects.get().state == "done"
    assert request(job).is_new
    assert sorted(LabelReading.objects.values_list("number", flat=True)) == [1, 2]
    assert len(set(LabelReading.objects.values_list("sha256", flat=True))) == 1
