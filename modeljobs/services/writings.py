"""Files that a worker writes because a person asked for them: one row, one message, one file.

    request_writing -> a row and a message -> writing_runs.run_writing in a worker of the queue "io"

A worker holds a writing by the time at which it began (`Pen`). Whoever lost that hold notes nothing
any more, so that a message that comes twice, or a worker that was thought dead, makes no second
result. A file has its hash for a name, and that only once it is whole.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from django.db import transaction
from django.utils import timezone

from labeling.models import User
from modeljobs.models import ConsensusRun, FileWriting, ModelJob
from modeljobs.services.workers import pick_due
from workbench.errors import Conflict

State = FileWriting.State
OPEN: Final = (State.QUEUED, State.RUNNING)
QUEUE: Final = "io"
# How far it is is stored no more often than this: people look once a second.
STORE_SECONDS: Final = 1.0
# A worker that was not heard of for so long is gone. Counts of a million steps are read, and
# labelled, in a fraction of it; from then on a worker is heard of every second.
SILENT_AFTER: Final = timedelta(minutes=5)
# A writing that nobody took is sent again.
RESEND_AFTER: Final = timedelta(minutes=1)
# So many workers may be lost with one writing: it may be what kills them.
MOST_LOSSES: Final = 3
MAX_ERROR: Final = 10_000

# How often a worker was lost, in the row's `request` beside what was asked for.
_LOSSES: Final = "losses"
# When this process last sent a writing again: only the reaper's.
_resent: dict[int, datetime] = {}


class Superseded(Exception):
    """The writing is another worker's by now, or was ended: what this one has counts no more."""


class Asked(NamedTuple):
    """A writing, and whether it is new: one that was open already stays as it is."""

    writing: FileWriting
    is_new: bool


class Stored(NamedTuple):
    """A whole file in the data folder, named by its hash."""

    sha256: str
    size: int


# --- Asking ---------------------------------------------------------------------------------------


@transaction.atomic
def request_writing(
    *,
    of: ModelJob | ConsensusRun,
    request: Mapping[str, Any],
    total: int,
    by: User,
    now: datetime | None = None,
) -> Asked:
    """A writing of this job's labels or this comparison's conversations, sent to a worker once this
    has committed; or the one that is open already.

    Whether the person may, and whether there is anything to write, is asked before.
    """
    # Whoever asks at the same time waits here, and then sees this one's row.
    if isinstance(of, ModelJob):
        ModelJob.objects.select_for_update(no_key=True).get(pk=of.pk)
        key: dict[str, Any] = {"job": of}
    else:
        ConsensusRun.objects.select_for_update(no_key=True).get(pk=of.pk)
        key = {"run": of}
    there = FileWriting.objects.filter(**key, state__in=OPEN).first()
    if there is not None:
        return Asked(there, is_new=False)
    writing = FileWriting.objects.create(
        **key,
        request=dict(request),
        total=total,
        requested_by=by,
        created_at=now or timezone.now(),
    )
    transaction.on_commit(partial(_send, writing.pk), robust=True)
    return Asked(writing, is_new=True)


def read_request(writing: FileWriting) -> dict[str, Any]:
    """What was asked for."""
    return {name: value for name, value in writing.request.items() if name != _LOSSES}


def _send(writing_id: int) -> None:
    # A task is a door, and doors import services: it is looked up only when one is sent.
    from modeljobs.writing_tasks import write_file

    write_file.delay(writing_id)


# --- Writing --------------------------------------------------------------------------------------


class Pen:
    """A worker's hold on one writing: it says how far it is, stores the file, and ends it."""

    def __init__(
        self,
        writing: FileWriting,
        *,
        now: Callable[[], datetime] = timezone.now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.writing = writing
        self._now = now
        self._clock = clock
        self._stored_at: float | None = None
        self._held = FileWriting.objects.filter(
            pk=writing.pk, state=State.RUNNING, started_at=writing.started_at
        )

    def report(self, done: int, total: int) -> None:
        """So many solutions are done. Superseded where the hold is lost."""
        self.writing.done, self.writing.total = done, total
        moment = self._clock()
        if self._stored_at is not None and moment < self._stored_at + STORE_SECONDS:
            return
        self._stored_at = moment
        if not self._held.update(done=done, total=total, beat_at=self._now()):
            raise Superseded

    def store(self, pieces: Iterable[bytes], *, folder: Path, what: str) -> Stored:
        """Write the pieces aside, and give the file its name once that is known.

        Conflict, with `what` was to be written, where the folder does not take it.
        """
        prefix = f"writing-{self.writing.pk}-"
        draft = folder / f"{prefix}{secrets.token_hex(8)}.part"
        digest, size = hashlib.sha256(), 0
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left_behind in folder.glob(f"{prefix}*.part"):
                left_behind.unlink(missing_ok=True)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    for piece in pieces:
                        digest.update(piece)
                        file.write(piece)
                        size += len(piece)
                    file.flush()
                    os.fsync(file.fileno())
                sha256 = digest.hexdigest()
                draft.replace(folder / f"{sha256}.jsonl")
            finally:
                draft.unlink(missing_ok=True)
        except OSError as error:
            raise Conflict(
                f"{what} could not be written: {error.strerror or error}. Free some space in the "
                "data folder and try again."
            ) from error
        return Stored(sha256, size)

    @contextmanager
    def finish(self) -> Iterator[FileWriting]:
        """What is noted inside is noted together with the end of the writing, or not at all.

        Superseded where the hold is lost.
        """
        with transaction.atomic():
            held = self._held.select_for_update(no_key=True).first()
            if held is None:
                raise Superseded
            yield held
            held.state = State.DONE
            held.done, held.total = self.writing.done, self.writing.total
            held.beat_at = held.finished_at = self._now()
            held.save(update_fields=["state", "done", "total", "beat_at", "finished_at", "reading"])

    def fail(self, error: str) -> bool:
        """End it with a sentence; False where the hold is lost."""
        return bool(
            self._held.update(state=State.FAILED, error=error[:MAX_ERROR], finished_at=self._now())
        )


def take(writing_id: int, *, now: Callable[[], datetime] = timezone.now) -> Pen | None:
    """The hold on a writing that waits; None where there is none, or somebody else has it."""
    began = now()
    taken = FileWriting.objects.filter(pk=writing_id, state=State.QUEUED).update(
        state=State.RUNNING, started_at=began, beat_at=began, done=0, error=""
    )
    if taken != 1:
        return None
    writing = FileWriting.objects.select_related(
        "job__project", "job__engine", "run__project", "run__judge_job__engine", "requested_by"
    ).get(pk=writing_id)
    return Pen(writing, now=now)


# --- Tending --------------------------------------------------------------------------------------


def tend_writings(*, now: datetime | None = None) -> int:
    """The reaper's chore; how many things were done.

    1. A writing whose worker fell silent waits again, and fails after a few such workers. 2. One
    whose message may be lost is sent again, while there is a worker that would take it.
    """
    now = now or timezone.now()
    silent = FileWriting.objects.filter(state=State.RUNNING, beat_at__lt=now - SILENT_AFTER)
    done = sum(_take_away(writing, now=now) for writing in silent)
    late = FileWriting.objects.filter(state=State.QUEUED, created_at__lt=now - RESEND_AFTER)
    due = pick_due(
        set(late.values_list("pk", flat=True)), _resent, now=now, after=RESEND_AFTER, queue=QUEUE
    )
    for writing_id in due:
        transaction.on_commit(partial(_send, writing_id), robust=True)
    return done + len(due)


def _take_away(writing: FileWriting, *, now: datetime) -> int:
    """End a silent worker's hold, unless it was heard of since; how many were ended."""
    losses = int(writing.request.get(_LOSSES, 0)) + 1
    changes: dict[str, Any] = {"request": {**writing.request, _LOSSES: losses}}
    if losses < MOST_LOSSES:
        changes |= {"state": State.QUEUED, "started_at": None, "done": 0}
    else:
        changes |= {
            "state": State.FAILED,
            "error": f"{losses} workers were lost while they wrote this file. Their log may say "
            "why; try again when that is mended.",
            "finished_at": now,
        }
    # Sent again at once, however lately that was done the last time.
    _resent.pop(writing.pk, None)
    return FileWriting.objects.filter(
        pk=writing.pk, state=State.RUNNING, beat_at=writing.beat_at
    ).update(**changes)
