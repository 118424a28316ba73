"""Call texts that are kept no longer: by age where the operator says so, and what no row names."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.db.models.fields.json import KT

from modeljobs.models import ModelCall, ModelJob
from modeljobs.texts import list_chunks, remove_leftovers

# A text is written before its row: what is younger may be about to be named.
GRACE = timedelta(days=1)
ENDED = (ModelJob.State.DONE, ModelJob.State.CANCELLED)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed, or would be: calls that lost their texts, files, and their bytes."""

    calls: int
    files: int
    bytes: int


def prune_texts(
    *,
    now: datetime,
    older_than: timedelta | None = None,
    dry_run: bool = False,
    clock: float | None = None,
) -> Pruned:
    """Remove texts that no call names, and with `older_than` those of calls of ended jobs that are
    older than that. Rows and counts stay.

    A job that was pruned can still be retried: what was answered is then asked again.
    """
    calls = 0
    forgotten = ModelCall.objects.none()
    if older_than is not None:
        forgotten = ModelCall.objects.filter(
            item__job__state__in=ENDED, created_at__lt=now - older_than
        ).exclude(chunk="")
        calls = forgotten.count()
        if not dry_run:
            # Their `prefix` goes by itself: it is looked for in calls that still have a chunk.
            ModelCall.objects.filter(pk__in=forgotten.values("pk")).update(chunk="")
    named = _list_named(ModelCall.objects.exclude(pk__in=forgotten.values("pk")))
    oldest = (time.time() if clock is None else clock) - GRACE.total_seconds()
    files = size = 0
    for chunk in list_chunks():
        if chunk.modified_at < oldest and bytes.fromhex(chunk.name) not in named:
            files += 1
            size += chunk.path.stat().st_size
            if not dry_run:
                chunk.path.unlink(missing_ok=True)
    if not dry_run:
        remove_leftovers(older_than_s=GRACE.total_seconds(), clock=clock)
    return Pruned(calls, files, size)


def _list_named(calls: QuerySet[ModelCall]) -> set[bytes]:
    """The names of all texts in use, as 32 bytes each: a million of them fit into memory."""
    rows = (
        calls.exclude(chunk="")
        .order_by()
        .annotate(prefix=KT("settings__prefix"))
        .values_list("chunk", "prefix")
    )
    named: set[bytes] = set()
    for chunk, prefix in rows.iterator(chunk_size=5_000):
        named.add(bytes.fromhex(chunk))
        if prefix:
            named.add(bytes.fromhex(prefix))
    return named
