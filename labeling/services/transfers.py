"""Import batches: a file stored, then read by a worker, with progress and a list of defects."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from labeling import records
from labeling.bulk import steady_heap
from labeling.formats import detect_format, get_format
from labeling.formats.base import OptionError, ReadOptions, UnknownFormat, resolve_options
from labeling.formats.compressed import CompressedError, open_compressed
from labeling.models import ImportBatch, ImportIssue, Project, User
from labeling.services.audit import record_event
from labeling.services.importing import (
    CHUNK,
    MAX_ISSUES,
    ImportCounts,
    ImportOptions,
    Keyed,
    key_record,
    store_chunk,
)
from labeling.services.ordering import finish_order
from workbench.errors import InvalidInput

PIECE = 1024 * 1024
STALE_AFTER = timedelta(minutes=5)
RESEND_AFTER = timedelta(minutes=1)
READ_ERRORS = (CompressedError, OSError, EOFError)


def create_import(
    *,
    project: Project,
    by: User | None,
    chunks: Iterable[bytes],
    filename: str,
    format_name: str = "",
    source_name: str = "",
    enqueue: bool = True,
    format_options: Mapping[str, str] | None = None,
    source_facts: Mapping[str, Any] | None = None,
    send: bool = True,
) -> ImportBatch:
    """Keep the file in the data folder and ask a worker to read it.

    Without a format the file's first bytes tell it. `send=False` leaves the reading to the caller
    (the management command reads in its own process).
    """
    from labeling.services.projects import ensure_source

    filename = Path(filename.replace("\\", "/")).name[:255] or "upload"
    stored = _store_file(chunks)
    try:
        chosen = _choose_format(stored, filename, format_name)
        values = dict(format_options or {})
        try:
            resolve_options(values, get_format(chosen).info.read_options, chosen)
        except OptionError as error:
            raise InvalidInput(str(error), field="format_options") from None
        source = ensure_source(
            project=project,
            name=source_name or filename,
            by=by,
            **dict(source_facts or {}),
        )
    except InvalidInput:
        stored.path.unlink(missing_ok=True)
        raise
    batch = ImportBatch.objects.create(
        project=project,
        source=source,
        format=chosen,
        filename=filename,
        stored_as=stored.path.name,
        sha256=stored.sha256,
        size=stored.size,
        options={"enqueue": enqueue, "format_options": values},
        created_by=by,
    )
    record_event(
        project=project,
        actor=by,
        verb="import.requested",
        target=batch,
        filename=filename,
        sha256=stored.sha256,
    )
    if send:
        from labeling.tasks import run_import as task

        transaction.on_commit(partial(task.delay, batch.pk))
    return batch


@dataclass(frozen=True, slots=True)
class _Stored:
    path: Path
    sha256: str
    size: int


def import_folder() -> Path:
    folder = Path(settings.MEDIA_ROOT) / "imports"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _store_file(chunks: Iterable[bytes]) -> _Stored:
    path = import_folder() / f"{uuid.uuid4().hex}.data"
    digest = hashlib.sha256()
    size = 0
    limit = settings.WORKBENCH_MAX_UPLOAD_BYTES
    try:
        with path.open("xb") as file:
            os.chmod(path, 0o600)
            for chunk in chunks:
                size += len(chunk)
                if size > limit:
                    raise InvalidInput(
                        f"The file is larger than {limit:,} bytes. Import it in parts, or raise "
                        "WORKBENCH_MAX_UPLOAD_BYTES.",
                        field="file",
                    )
                digest.update(chunk)
                file.write(chunk)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    if size == 0:
        path.unlink(missing_ok=True)
        raise InvalidInput("The file is empty.", field="file")
    return _Stored(path, digest.hexdigest(), size)


def _choose_format(stored: _Stored, filename: str, format_name: str) -> str:
    if format_name:
        try:
            info = get_format(format_name).info
        except UnknownFormat as error:
            raise InvalidInput(str(error), field="format") from None
        if not info.can_read:
            raise InvalidInput(f"{info.title} can be written but not read.", field="format")
        return format_name
    try:
        with stored.path.open("rb") as raw:
            head = open_compressed(raw).read(256 * 1024)
    except READ_ERRORS as error:
        raise InvalidInput(f"The file cannot be opened: {error}", field="file") from None
    found = detect_format(head, filename)
    if found is None:
        raise InvalidInput(
            "The format of this file could not be told from its first lines. Choose it from the "
            "list.",
            field="format",
        )
    return found


def run_import(batch_id: int, *, now: datetime | None = None) -> ImportBatch:
    """Read a queued batch to its end. Safe to run twice, and again after a crash."""
    now = now or timezone.now()
    stale = Q(state=ImportBatch.State.RUNNING, heartbeat_at__lt=now - STALE_AFTER)
    taken = ImportBatch.objects.filter(
        Q(state=ImportBatch.State.QUEUED) | stale, pk=batch_id
    ).update(state=ImportBatch.State.RUNNING, heartbeat_at=now, error="")
    batch = ImportBatch.objects.select_related("project", "source").get(pk=batch_id)
    if taken != 1:
        return batch
    _Reader(batch).run()
    batch.refresh_from_db()
    return batch


class _CountingStream:
    """The file, with how far it has been read: progress for files of any compression."""

    def __init__(self, raw: BinaryIO) -> None:
        self.raw = raw
        self.done = 0

    def read(self, size: int = -1) -> bytes:
        data = self.raw.read(size)
        self.done += len(data)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


class _Reader:
    """Reads one batch: chunks of records into the database, defects into issues."""

    def __init__(self, batch: ImportBatch) -> None:
        self.batch = batch
        self.counts = ImportCounts()
        self.issues = 0
        self.pending: list[Keyed] = []
        self.waiting: list[records.ReadIssue] = []
        self.ordinal = 0
        self.options = ImportOptions(
            enqueue=bool(batch.options.get("enqueue", True)),
            provenance={"import": batch.pk},
        )

    def run(self) -> None:
        batch = self.batch
        # Issues of an earlier, interrupted run would stand twice.
        ImportIssue.objects.filter(batch=batch).delete()
        path = import_folder() / batch.stored_as
        try:
            with path.open("rb") as raw, steady_heap():
                counting = _CountingStream(raw)
                # The counter only passes reads through; seeking archives go to the file itself.
                stream = open_compressed(cast(BinaryIO, counting))
                for item in self._read(stream):
                    self._take(item)
                    if len(self.pending) >= CHUNK:
                        self._flush(counting.done)
                self._flush(batch.size)
        except READ_ERRORS as error:
            self._flush(batch.bytes_done)
            self._finish(
                ImportBatch.State.FAILED,
                f"Reading stopped after {self.counts.records_read:,} records: {error}",
            )
            return
        self._finish(ImportBatch.State.DONE, "")

    def _read(self, stream: BinaryIO) -> Iterator[records.Solution | records.ReadIssue]:
        values = self.batch.options.get("format_options", {})
        return get_format(self.batch.format).read(
            stream, options=ReadOptions(values=values, max_issues=MAX_ISSUES)
        )

    def _take(self, item: records.Solution | records.ReadIssue) -> None:
        if isinstance(item, records.ReadIssue):
            self.waiting.append(item)
            return
        self.ordinal += 1
        self.pending.append(key_record(item, self.ordinal))

    def _flush(self, bytes_done: int) -> None:
        batch = self.batch
        with transaction.atomic():
            if self.pending:
                self.counts.add(
                    store_chunk(
                        project=batch.project,
                        source=batch.source,
                        chunk=self.pending,
                        options=self.options,
                        now=timezone.now(),
                    )
                )
            room = MAX_ISSUES - self.issues
            ImportIssue.objects.bulk_create(
                ImportIssue(
                    batch=batch,
                    line=max(0, issue.line),
                    field=issue.field[:200],
                    message=issue.message[:2000],
                    fatal=issue.fatal,
                )
                for issue in self.waiting[: max(0, room)]
            )
            self.issues += len(self.waiting)
            ImportBatch.objects.filter(pk=batch.pk).update(
                **self._columns(), bytes_done=bytes_done, heartbeat_at=timezone.now()
            )
        self.pending = []
        self.waiting = []

    def _columns(self) -> dict[str, int]:
        counts = self.counts
        return {
            "records_read": counts.records_read,
            "problems_added": counts.problems_added,
            "solutions_added": counts.solutions_added,
            "steps_added": counts.steps_added,
            "labels_added": counts.labels_added,
            "already_there": counts.already_there,
            "issues_count": self.issues,
        }

    def _finish(self, state: str, error: str) -> None:
        batch = self.batch
        finish_order(batch.project)
        ImportBatch.objects.filter(pk=batch.pk).update(
            state=state, error=error, finished_at=timezone.now()
        )
        record_event(
            project=batch.project,
            actor=batch.created_by,
            verb="import.finished",
            target=batch,
            state=str(state),
            **self._columns(),
        )


def resume_stale_imports(*, now: datetime | None = None) -> int:
    """Send again what was lost with a worker. For the reaper."""
    from labeling.tasks import run_import as task

    now = now or timezone.now()
    patience = now - RESEND_AFTER
    queued = Q(state=ImportBatch.State.QUEUED, created_at__lt=patience)
    silent = Q(heartbeat_at__isnull=True) | Q(heartbeat_at__lt=patience)
    stalled = Q(state=ImportBatch.State.RUNNING, heartbeat_at__lt=now - STALE_AFTER)
    lost = list(ImportBatch.objects.filter((queued & silent) | stalled).values_list("pk", "state"))
    for pk, state in lost:
        if state == ImportBatch.State.QUEUED:
            ImportBatch.objects.filter(pk=pk).update(heartbeat_at=now)
        task.delay(pk)
    return len(lost)
