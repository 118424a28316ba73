"""Where an item stands: the one writer of ReviewItem.state and of disputes being opened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, cast

from django.db.models import BigIntegerField, F
from django.utils import timezone

from labeling.content import parse_content
from labeling.models import (
    AnnotationRevision,
    Assignment,
    Dispute,
    Project,
    ReviewItem,
    SourceReport,
)
from labeling.prepared import Prepared
from labeling.queueing import (
    Agreed,
    Discarded,
    Disputed,
    Resolution,
    Strategy,
    Waiting,
    resolve_item,
)

# Where each resolution leaves an item.
STATES: dict[type[Resolution], ReviewItem.State] = {
    Waiting: ReviewItem.State.WAITING,
    Agreed: ReviewItem.State.AGREED,
    Disputed: ReviewItem.State.DISPUTED,
    Discarded: ReviewItem.State.DISCARDED,
}


class Word(NamedTuple):
    """What one reviewer says now: the revision and its packed content."""

    revision_id: int
    content: object


def _load_words(item: ReviewItem) -> list[Word]:
    """The current word of every reviewer of the item, in order of first submission."""
    return [Word(*row) for row in _words_of.all(item=item.pk)]


_words_of = Prepared(
    lambda item: (
        AnnotationRevision.objects.filter(
            annotation__item=item, number=F("annotation__current_number")
        )
        .order_by("annotation__created_at", "annotation_id")
        .values_list("pk", "content")
    ),
    item=BigIntegerField(),
)


def resolve(item: ReviewItem, *, project: Project | None = None) -> Resolution:
    """What the reviewers' current words amount to under the project's strategy."""
    return _resolve(
        item, _load_words(item), project=project or item.project, n_steps=item.solution.n_steps
    )


def _resolve(
    item: ReviewItem, words: Sequence[Word], *, project: Project, n_steps: int
) -> Resolution:
    return resolve_item(
        [parse_content(word.content, n_steps=n_steps) for word in words],
        n_steps=n_steps,
        strategy=cast(Strategy, project.strategy),
        overlap=item.overlap,
        agree_target=project.agree_target,
        max_overlap=project.max_overlap,
        binary=project.rating_view == Project.RatingView.BINARY,
        first_error_only=project.stops_at_first_error,
    )


def refresh_item(
    item: ReviewItem,
    *,
    project: Project | None = None,
    n_steps: int | None = None,
    now: datetime | None = None,
) -> Resolution:
    """Bring a locked item's cached state up to its annotations, opening or closing its dispute.

    An adjudicated item stays decided: later words do not undo a decision. One whose original was
    found wrong stays out of the queue until that is undone.
    """
    now = now or timezone.now()
    words = _load_words(item)
    resolution = _resolve(
        item,
        words,
        project=project or item.project,
        n_steps=item.solution.n_steps if n_steps is None else n_steps,
    )
    if item.state == ReviewItem.State.DISCARDED and is_withdrawn(item):
        return resolution
    agreed = words[resolution.index].revision_id if isinstance(resolution, Agreed) else None
    was_waiting = item.state == ReviewItem.State.WAITING
    if isinstance(resolution, Waiting):
        _set_overlap(item, resolution.overlap)
    moved = _move(item, STATES[type(resolution)], agreed)
    if isinstance(resolution, Disputed):
        if moved:
            _open_dispute(item, resolution, now=now)
    elif not was_waiting:
        # An item that waits has no dispute.
        _close_dispute(item, now=now)
    return resolution


def _move(item: ReviewItem, state: ReviewItem.State, agreed_revision: int | None) -> bool:
    """Write the state and what was agreed; False where a decision stands against it."""
    if item.state == ReviewItem.State.DECIDED:
        return False
    if (item.state, item.agreed_revision_id) != (state, agreed_revision):
        item.state, item.agreed_revision_id = state, agreed_revision
        ReviewItem.objects.filter(pk=item.pk).update(state=state, agreed_revision=agreed_revision)
    return True


def _set_overlap(item: ReviewItem, overlap: int) -> None:
    """Ask for more reviewers (k-agree): new slots become free."""
    more = overlap - item.overlap
    if more > 0:
        item.overlap, item.free_slots = overlap, item.free_slots + more
        ReviewItem.objects.filter(pk=item.pk).update(
            overlap=overlap, free_slots=F("free_slots") + more
        )


def _open_dispute(item: ReviewItem, disputed: Disputed, *, now: datetime) -> None:
    dispute = Dispute.objects.filter(item=item, state=Dispute.State.OPEN).first()
    if dispute is None:
        Dispute.objects.create(
            project_id=item.project_id, item=item, kinds=list(disputed.kinds), created_at=now
        )
    else:
        # A revision changed what differs: whoever has the dispute open must look again.
        Dispute.objects.filter(pk=dispute.pk).update(
            kinds=list(disputed.kinds), version=F("version") + 1
        )


def _close_dispute(item: ReviewItem, *, now: datetime) -> None:
    Dispute.objects.filter(item=item, state=Dispute.State.OPEN).update(
        state=Dispute.State.CLOSED, closed_at=now, version=F("version") + 1
    )


def is_withdrawn(item: ReviewItem) -> bool:
    """Did a lead take the item out of the queue, because its original is wrong?"""
    reports = SourceReport.objects.filter(
        original__injections_made_from_it__modified=item.solution_id,
        state=SourceReport.State.CONFIRMED,
    )
    return any(
        entry["item"] == item.pk
        for entries in reports.values_list("withdrawn_items", flat=True)
        for entry in entries
    )


def count_free_slots(item: ReviewItem) -> int:
    """What `free_slots` must be: the overlap less the live assignments.

    Of an item that a lead took out of the queue it must be 0: see `is_withdrawn`.
    """
    live = item.assignments.filter(
        state__in=[Assignment.State.OPEN, Assignment.State.SUBMITTED]
    ).count()
    return max(0, item.overlap - live)
