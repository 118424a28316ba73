"""Comparisons of answers that are kept for every job, by checker, version, answer and reference."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime

from modeljobs import models
from modeljobs.desk import DatabaseDesk
from modeljobs.engines.wire import clean_text
from modeljobs.methods.answer_checks import AnswerVerdict, VerdictKey

COLUMN_LIMIT = 60
REASON_LIMIT = 200
# Verdicts that a run remembers by itself; beyond that it asks the database again.
REMEMBERED = 50_000


class StoredVerdicts:
    """The `VerdictCache` of one run: what it has seen, and behind that the database.

    A verdict is stored at once and by itself: it depends on nothing but its key, and two who come
    to one at the same time come to the same one.
    """

    def __init__(self, *, desk: DatabaseDesk, now: Callable[[], datetime]) -> None:
        self._desk = desk
        self._now = now
        self._seen: dict[VerdictKey, AnswerVerdict] = {}

    async def get(self, key: VerdictKey) -> AnswerVerdict | None:
        known = self._seen.get(key)
        if known is None:
            known = await self._desk.call(find_verdict, key)
            if known is not None:
                self._remember(key, known)
        return known

    async def put(self, key: VerdictKey, verdict: AnswerVerdict) -> None:
        self._remember(key, verdict)
        await self._desk.call(store_verdict, key, verdict, now=self._now())

    def _remember(self, key: VerdictKey, verdict: AnswerVerdict) -> None:
        if len(self._seen) >= REMEMBERED:
            self._seen.clear()
        self._seen[key] = verdict


def name_verdict(key: VerdictKey) -> str:
    """The name of a comparison, as 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(list(key)).encode()).hexdigest()


def find_verdict(key: VerdictKey) -> AnswerVerdict | None:
    """What this version of this checker said of the pair, None where it was never asked."""
    row = models.AnswerVerdict.objects.filter(key=name_verdict(key)).first()
    if row is None:
        return None
    return AnswerVerdict(row.is_equal, f"{key.name}/{key.version}", row.reason)


def store_verdict(key: VerdictKey, verdict: AnswerVerdict, *, now: datetime) -> None:
    """Keep a verdict. One that stands there already stays."""
    row = models.AnswerVerdict(
        key=name_verdict(key),
        checker=clean_text(key.name)[:COLUMN_LIMIT],
        version=clean_text(key.version)[:COLUMN_LIMIT],
        answer=clean_text(key.answer),
        reference=clean_text(key.reference),
        is_equal=verdict.is_equal,
        reason=clean_text(verdict.reason)[:REASON_LIMIT],
        created_at=now,
    )
    models.AnswerVerdict.objects.bulk_create([row], ignore_conflicts=True)
