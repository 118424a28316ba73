"""Call texts that are kept no longer: by age where the operator says so, and what no row names.

Texts are named by calls, by the code runs that stand in a chunk with them, by what was found of
steps, and by rollouts that are kept for whoever needs the same. Injections and suggestions hold
their own texts, and counts of rollouts are columns: they lose nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.db.models.fields.json import KT

from modeljobs.models import CodeRun, ModelCall, ModelJob, RolloutChunk, StepEvidence
from modeljobs.texts import list_chunks, remove_leftovers

# A text is written before its row: what is younger may be about to be named.
GRACE = timedelta(days=1)
ENDED = (ModelJob.State.DONE, ModelJob.State.CANCELLED)
BATCH = 5_000
# Whatever names a chunk, with an item and a time.
NAMERS: tuple[type[ModelCall] | type[CodeRun] | type[StepEvidence], ...] = (
    ModelCall,
    CodeRun,
    StepEvidence,
)


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
    """Remove texts that no row names, and with `older_than` those of calls, code runs, steps and
    kept rollouts of ended jobs that are older than that. Rows and counts stay.

    A job that was pruned can still be retried: what was answered is then asked again. So are
    rollouts that a later job could have shared.
    """
    before = None if older_than is None else now - older_than
    calls = 0
    if before is not None:
        calls = _list_forgotten(ModelCall, before).count()
        if not dry_run:
            for namer in NAMERS:
                # Their `prefix` goes by itself: it is looked for in calls that still have a chunk.
                forgotten = _list_forgotten(namer, before)
                namer._default_manager.filter(pk__in=forgotten.values("pk")).update(chunk="")
            _list_forgotten_rollouts(before).update(chunk="")
    named = set(_list_named(before))
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


def _list_forgotten(
    namer: type[ModelCall] | type[CodeRun] | type[StepEvidence], before: datetime
) -> QuerySet[Any]:
    """Rows of ended jobs that are older, and still name a text."""
    return namer._default_manager.filter(item__job__state__in=ENDED, created_at__lt=before).exclude(
        chunk=""
    )


def _list_forgotten_rollouts(before: datetime) -> QuerySet[RolloutChunk]:
    """Kept rollouts that are older, but for those which a job that goes on has sampled."""
    rows = RolloutChunk.objects.filter(created_at__lt=before).exclude(chunk="")
    for pk in ModelJob.objects.exclude(state__in=ENDED).values_list("pk", flat=True):
        rows = rows.exclude(origin__startswith=f"{pk}/")
    return rows


def _list_named(before: datetime | None) -> Iterator[bytes]:
    """The names of all texts in use, as 32 bytes each: a million of them fit into memory. What is
    forgotten by age is not in use, whether or not it was removed yet.
    """
    for namer in NAMERS:
        rows = namer._default_manager.exclude(chunk="").order_by()
        if before is not None:
            rows = rows.exclude(pk__in=_list_forgotten(namer, before).values("pk"))
        for chunk in rows.values_list("chunk", flat=True).iterator(chunk_size=BATCH):
            yield bytes.fromhex(chunk)
        if namer is ModelCall:
            prefixes = rows.annotate(prefix=KT("settings__prefix")).exclude(prefix__isnull=True)
            for prefix in prefixes.values_list("prefix", flat=True).iterator(chunk_size=BATCH):
                yield bytes.fromhex(prefix)
    kept = RolloutChunk.objects.exclude(chunk="")
    if before is not None:
        kept = kept.exclude(pk__in=_list_forgotten_rollouts(before).values("pk"))
    for chunk in kept.values_list("chunk", flat=True).iterator(chunk_size=BATCH):
        yield bytes.fromhex(chunk)
