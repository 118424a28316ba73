"""Releases: choosing what goes out, the gates, the files and their hashes.

A release is built by a worker as files in the data folder, and is immutable once ready. Rows come
in an order that depends on nothing but their content, and no file holds a clock: the same labels
and options give the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from labeling import records
from labeling.bulk import steady_heap
from labeling.formats import get_format, list_formats
from labeling.formats.base import (
    OptionError,
    UnknownFormat,
    WriteLog,
    WriteOptions,
    resolve_options,
)
from labeling.formats.lint import LintContext
from labeling.models import Injection, Project, Release, ReleaseFile, Source, User
from labeling.selectors.truth import LeftOut, TruthOptions, iterate_truth
from labeling.services.audit import record_event
from labeling.services.injections import lint_rows
from workbench.errors import Conflict, InvalidInput, NotFound

MANIFEST_SCHEMA = 1
DEFAULT_FORMATS = ("prmbench", "trl", "native")
STALE_AFTER = timedelta(minutes=10)
RESEND_AFTER = timedelta(minutes=1)
WRITE_SIZE = 64 * 1024
# Formats that hold injections and nothing else; the others take any labelled solution.
INJECTION_FORMATS = frozenset({"prmbench", "labelllm", "prmbench_pilot"})


class GateClosed(Exception):
    """Something must be mended before this may go out; each message says what and where."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class ReleaseOptions:
    """What goes into a release.

    `on_blocking` says what becomes of injections that still have blocking lints after people's
    repairs: stop the release, or leave them out and count them. `format_options` maps a format
    to its own write options.
    """

    formats: tuple[str, ...] = DEFAULT_FORMATS
    include_single: bool = False
    include_scripted: bool = True
    sources: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ("rate_steps", "verify_injection")
    on_blocking: str = "stop"
    format_options: dict[str, dict[str, str]] = field(default_factory=dict)


def parse_options(data: Mapping[str, Any], *, project: Project) -> ReleaseOptions:
    """The options as sent, checked against the formats and sources there are."""
    known = set(ReleaseOptions.__slots__)
    unknown = set(data) - known
    if unknown:
        raise InvalidInput(f"{sorted(unknown)[0]!r} is not an option of a release.")
    formats = _texts(data.get("formats", DEFAULT_FORMATS), "formats")
    if not formats:
        raise InvalidInput("Choose at least one format.", field="formats")
    format_options = data.get("format_options", {})
    if not isinstance(format_options, Mapping) or not all(
        isinstance(values, Mapping) for values in format_options.values()
    ):
        raise InvalidInput("Format options are an object by format.", field="format_options")
    for name in formats:
        try:
            info = get_format(name).info
            if not info.can_write:
                raise InvalidInput(f"{info.title} can be read but not written.", field="formats")
            resolve_options(format_options.get(name, {}), info.write_options, name)
        except (UnknownFormat, OptionError) as error:
            raise InvalidInput(str(error), field="formats") from None
    sources = _texts(data.get("sources", ()), "sources")
    there = set(Source.objects.filter(project=project).values_list("name", flat=True))
    for name in sources:
        if name not in there:
            raise InvalidInput(f"There is no source {name!r} in this project.", field="sources")
    tasks = _texts(data.get("tasks", ReleaseOptions().tasks), "tasks")
    if set(tasks) - {"rate_steps", "verify_injection"}:
        raise InvalidInput("Tasks are 'rate_steps' and 'verify_injection'.", field="tasks")
    on_blocking = data.get("on_blocking", "stop")
    if on_blocking not in ("stop", "leave_out"):
        raise InvalidInput("On blocking lints: 'stop' or 'leave_out'.", field="on_blocking")
    flags = {}
    for name in ("include_single", "include_scripted"):
        value = data.get(name, getattr(ReleaseOptions(), name))
        if not isinstance(value, bool):
            raise InvalidInput(f"{name} is true or false, not {value!r}.", field=name)
        flags[name] = value
    return ReleaseOptions(
        formats=tuple(sorted(set(formats))),
        sources=tuple(sorted(set(sources))),
        tasks=tuple(sorted(set(tasks))),
        on_blocking=on_blocking,
        format_options={
            name: dict(format_options[name]) for name in sorted(format_options) if name in formats
        },
        **flags,
    )


def create_release(
    *,
    project: Project,
    name: str,
    by: User,
    options: Mapping[str, Any] | None = None,
    note: str = "",
) -> Release:
    """Ask for a release; a worker builds it. The name is the release's for ever."""
    name = name.strip()
    if not name or len(name) > 80:
        raise InvalidInput("Name the release, with at most 80 characters.", field="name")
    parsed = parse_options(options or {}, project=project)
    try:
        with transaction.atomic():
            release = Release.objects.create(
                project=project, name=name, note=note, options=asdict(parsed), created_by=by
            )
            record_event(
                project=project, actor=by, verb="release.requested", target=release, name=name
            )
    except IntegrityError:
        raise Conflict(f"There is a release named {name!r} already.", field="name") from None
    from labeling.tasks import build_release as task

    transaction.on_commit(partial(task.delay, release.pk))
    return release


def release_folder(release: Release) -> Path:
    return Path(settings.MEDIA_ROOT) / "releases" / str(release.pk)


def build_release(release_id: int, *, now: datetime | None = None) -> Release:
    """Write the files of a queued release. Safe to run twice: the second finds nothing to do."""
    now = now or timezone.now()
    stale = Q(state=Release.State.BUILDING, heartbeat_at__lt=now - STALE_AFTER)
    taken = Release.objects.filter(Q(state=Release.State.QUEUED) | stale, pk=release_id).update(
        state=Release.State.BUILDING, heartbeat_at=now, records_done=0, error=""
    )
    release = Release.objects.select_related("project", "created_by").get(pk=release_id)
    if taken != 1:
        return release
    folder = release_folder(release)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    try:
        with steady_heap():
            files, manifest = _write_files(release, folder)
    except GateClosed as closed:
        return _fail(release, " ".join(closed.problems))
    except OSError as error:
        return _fail(release, f"The files could not be written: {error.strerror or error}.")
    with transaction.atomic():
        updated = Release.objects.filter(pk=release.pk, state=Release.State.BUILDING).update(
            state=Release.State.READY, manifest=manifest, finished_at=timezone.now()
        )
        if updated:
            ReleaseFile.objects.bulk_create(files)
            record_event(
                project=release.project,
                actor=release.created_by,
                verb="release.ready",
                target=release,
                files={file.filename: file.sha256 for file in files},
            )
    release.refresh_from_db()
    return release


def _fail(release: Release, message: str) -> Release:
    shutil.rmtree(release_folder(release), ignore_errors=True)
    Release.objects.filter(pk=release.pk, state=Release.State.BUILDING).update(
        state=Release.State.FAILED, error=message[:10_000], finished_at=timezone.now()
    )
    release.refresh_from_db()
    return release


@dataclass(slots=True)
class _Output:
    """One file being written, hashed on the way."""

    format: str
    path: Path
    log: WriteLog = field(default_factory=WriteLog)
    size: int = 0
    sha256: str = ""


def _write_files(release: Release, folder: Path) -> tuple[list[ReleaseFile], dict[str, Any]]:
    options = _stored_options(release.options)
    truth = TruthOptions(
        include_single=options.include_single,
        include_scripted=options.include_scripted,
        sources=options.sources,
        tasks=options.tasks,
    )
    _check_terms(release.project, options)
    blocked = _find_blocked(release.project, truth)
    if blocked and options.on_blocking == "stop":
        shown = ", ".join(f"item {pk} ({codes})" for pk, codes in list(blocked.items())[:20])
        raise GateClosed(
            [
                f"{len(blocked)} accepted injections still have blocking lints: {shown}. "
                "Repair or reject them, or choose to leave them out."
            ]
        )
    outputs = [
        _Output(name, folder / f"{name}{get_format(name).info.suffixes[0]}")
        for name in options.formats
    ]
    left_out = LeftOut()
    standings: Counter[str] = Counter()
    for index, output in enumerate(outputs):
        # One pass over the rows for each format keeps memory flat, whatever the number of rows.
        reasons = left_out if index == 0 else LeftOut()
        tally = standings if index == 0 else Counter()
        rows = _select_rows(release, truth, output.format, blocked, reasons, tally)
        _write_file(output, rows, options.format_options.get(output.format, {}))
    if blocked:
        left_out.reasons["blocking lints"] = len(blocked)
    manifest = _build_manifest(release, options, outputs, standings, left_out)
    files = [
        ReleaseFile(
            release=release,
            format=output.format,
            filename=output.path.name,
            sha256=output.sha256,
            size=output.size,
            records=output.log.rows,
            left_out=dict(Counter(skip.reason for skip in output.log.skips)),
        )
        for output in outputs
    ]
    return files, manifest


def _select_rows(
    release: Release,
    truth: TruthOptions,
    format_name: str,
    blocked: Mapping[int, str],
    left_out: LeftOut,
    standings: Counter[str],
) -> Iterator[records.Solution]:
    done = 0
    for row in iterate_truth(release.project, truth, left_out=left_out):
        if row.item_id in blocked:
            continue
        standings[row.standing] += 1
        done += 1
        if done % 500 == 0:
            Release.objects.filter(pk=release.pk).update(
                records_done=done, heartbeat_at=timezone.now()
            )
        if format_name in INJECTION_FORMATS and row.record.injection is None:
            continue
        yield row.record


def _write_file(
    output: _Output, rows: Iterator[records.Solution], format_options: dict[str, str]
) -> None:
    digest = hashlib.sha256()
    pieces: list[bytes] = []
    waiting = 0
    with output.path.open("wb") as file:
        os.chmod(output.path, 0o600)
        for piece in get_format(output.format).write(
            rows, options=WriteOptions(format_options), log=output.log
        ):
            pieces.append(piece)
            waiting += len(piece)
            if waiting >= WRITE_SIZE:
                joined = b"".join(pieces)
                digest.update(joined)
                file.write(joined)
                output.size += waiting
                pieces, waiting = [], 0
        joined = b"".join(pieces)
        digest.update(joined)
        file.write(joined)
        output.size += waiting
        file.flush()
        os.fsync(file.fileno())
    output.sha256 = digest.hexdigest()


def _find_blocked(project: Project, truth: TruthOptions) -> dict[int, str]:
    """Items that were accepted and whose final form still has blocking lints, with their codes."""
    if "verify_injection" not in truth.tasks:
        return {}
    only = replace(truth, tasks=("verify_injection",))
    # Duplicates are found among all that goes out, so the first pass looks at everything.
    context = LintContext.build(row.record for row in iterate_truth(project, only))
    blocked: dict[int, str] = {}
    for row in iterate_truth(project, only):
        [lints] = lint_rows([row.record], project=project, context=context)
        codes = sorted({lint["code"] for lint in lints if lint["severity"] == "block"})
        if codes:
            blocked[row.item_id] = ", ".join(codes)
    return blocked


def _check_terms(project: Project, options: ReleaseOptions) -> None:
    """The gate that reads the terms of sources, and of the engines that made injections."""
    sources = Source.objects.filter(project=project)
    injections = Injection.objects.filter(project=project, provenance__output_may_train=False)
    if options.sources:
        sources = sources.filter(name__in=options.sources)
        injections = injections.filter(modified__source__name__in=options.sources)
    used = sources.filter(solutions__review_items__isnull=False).distinct().order_by("name")
    problems = [
        f"The source {source.name!r} may not be redistributed. Leave it out, or correct its terms."
        for source in used
        if source.redistribution == Source.Redistribution.FORBIDDEN
    ]
    problems += [
        f"The terms of {producer!r} do not allow training on what it wrote. Leave its source out, "
        "or correct the engine's terms."
        for producer in sorted(set(injections.values_list("producer", flat=True)))
    ]
    if problems:
        raise GateClosed(problems)


def _build_manifest(
    release: Release,
    options: ReleaseOptions,
    outputs: list[_Output],
    standings: Counter[str],
    left_out: LeftOut,
) -> dict[str, Any]:
    """What the release is made of; no clock in it, so that it hashes alike when built again."""
    project = release.project
    used = Source.objects.filter(project=project).order_by("name")
    if options.sources:
        used = used.filter(name__in=options.sources)
    return {
        "schema": MANIFEST_SCHEMA,
        "project": project.slug,
        "name": release.name,
        "options": asdict(options),
        "guideline_version": project.guideline_version,
        "taxonomy": {"id": project.taxonomy.slug, "version": project.taxonomy.version},
        "strategy": project.strategy,
        "settled": dict(sorted(standings.items())),
        "left_out": dict(sorted(left_out.reasons.items())),
        "sources": [
            {
                "name": source.name,
                "url": source.url,
                "revision": source.revision,
                "licence": source.licence,
                "redistribution": source.redistribution,
            }
            for source in used
        ],
        "files": {
            output.path.name: {
                "format": output.format,
                "sha256": output.sha256,
                "bytes": output.size,
                "records": output.log.rows,
                "not_written": output.log.skipped,
                "shortened": output.log.shortened,
            }
            for output in outputs
        },
    }


def _stored_options(data: Mapping[str, Any]) -> ReleaseOptions:
    values = {
        name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
    }
    return ReleaseOptions(**cast(dict[str, Any], values))


def open_file(release: Release, filename: str) -> tuple[ReleaseFile, Path]:
    """A ready release's file and where it lies, or NotFound."""
    if release.state != Release.State.READY:
        raise NotFound(
            f"The release {release.name!r} is {release.get_state_display().lower()}; "
            "its files are there once it is ready."
        )
    file = ReleaseFile.objects.filter(release=release, filename=filename).first()
    if file is None:
        names = ", ".join(release.files.values_list("filename", flat=True))
        raise NotFound(f"This release has no file {filename!r}; it has {names}.")
    path = release_folder(release) / file.filename
    if not path.is_file():
        raise NotFound(f"The file {filename!r} is missing from the data folder.")
    return file, path


def list_writable_formats() -> list[str]:
    return [fmt.info.name for fmt in list_formats() if fmt.info.can_write]


def resume_stale_releases(*, now: datetime | None = None) -> int:
    """Send again what was lost with a worker: queued releases, and stalled ones. For the reaper."""
    from labeling.tasks import build_release as task

    now = now or timezone.now()
    patience = now - RESEND_AFTER
    queued = Q(state=Release.State.QUEUED, created_at__lt=patience)
    silent = Q(heartbeat_at__isnull=True) | Q(heartbeat_at__lt=patience)
    stalled = Q(state=Release.State.BUILDING, heartbeat_at__lt=now - STALE_AFTER)
    lost = list(Release.objects.filter((queued & silent) | stalled).values_list("pk", "state"))
    for pk, state in lost:
        if state == Release.State.QUEUED:
            # Noted first, so that a dead worker does not find a heap of messages when it is back.
            Release.objects.filter(pk=pk).update(heartbeat_at=now)
        task.delay(pk)
    return len(lost)


def _texts(data: object, field: str) -> list[str]:
    if not isinstance(data, list | tuple) or not all(isinstance(item, str) for item in data):
        raise InvalidInput(f"{field} is a list of names.", field=field)
    return list(data)
