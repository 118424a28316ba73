"""What people think of a machine's reasoning: sound, right for the wrong reason, or wrong.

A rating is of one sample on one step. Rows are only ever added: the newest of a person counts, and
what they said before stays on record.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from labeling.models import User
from modeljobs.engines.wire import clean_text
from modeljobs.evidence_views import find_sample_text
from modeljobs.models import JobItem, RationaleRating, StepEvidence
from workbench.errors import InvalidInput

MAX_NOTE_CHARS = 4_000
Value = RationaleRating.Value


@transaction.atomic
def rate_rationale(
    *,
    item: JobItem,
    position: int,
    sample: int,
    value: str,
    by: User,
    note: str = "",
    now: datetime | None = None,
) -> RationaleRating:
    """Note what a person thinks of a sample's reasoning on a step.

    Whether they may is asked before. InvalidInput where there is no such value or no reasoning to
    rate. Who says again what they said last adds nothing.
    """
    if value not in Value.values:
        raise InvalidInput(f"{value[:40]!r} is no rating of a rationale.", field="value")
    said = clean_text(note.replace("\r\n", "\n")).strip()
    if len(said) > MAX_NOTE_CHARS:
        raise InvalidInput(
            f"The note has {len(said):,} characters; at most {MAX_NOTE_CHARS:,} are kept.",
            field="note",
        )
    _require_text(item, position, sample)
    # Two at once are served one after the other: the second sees what the first said.
    User.objects.select_for_update().get(pk=by.pk)
    last = RationaleRating.objects.filter(
        item=item, position=position, sample=sample, person=by
    ).last()
    if last is not None and (last.value, last.note) == (value, said):
        return last
    return RationaleRating.objects.create(
        item=item,
        position=position,
        sample=sample,
        person=by,
        value=value,
        note=said,
        created_at=now or timezone.now(),
    )


def _require_text(item: JobItem, position: int, sample: int) -> None:
    rows = StepEvidence.objects.filter(item=item, position=position)
    if not rows.exists():
        raise InvalidInput(f"Nothing was found of step {position + 1}.", field="position")
    if not any(find_sample_text(row, sample) for row in rows):
        raise InvalidInput(
            f"There is no reasoning of a sample {sample + 1} on this step.", field="sample"
        )
