"""Who reviews what, until when: claiming, heartbeats, skipping, drafts, expiry.

Every person walks the project's items in queue order with a cursor of their own, so that finding
the next one costs the same at a thousand items and at fifty thousand. A slot of an item is taken
in the same transaction as its assignment row; unique constraints stand behind it.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any, NoReturn

from django.db import IntegrityError, connection, transaction
from django.db.models import BigIntegerField, Exists, F, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import get_language

from labeling.bulk import insert_rows
from labeling.models import Assignment, Draft, Exposure, Membership, Project, ReviewItem, User
from labeling.prepared import Prepared, Slot
from labeling.services.audit import record_event
from labeling.services.proposals import Drawn, draw_proposal
from labeling.services.screening import require_passed
from workbench.errors import Conflict, InvalidInput, NotAllowed

LIVE = (Assignment.State.OPEN, Assignment.State.SUBMITTED)
HELD_BY_PERSON = (*LIVE, Assignment.State.SKIPPED)
# Racing claims move on to the next item; more than this many lost races in a row is a fault.
MAX_RACES = 64
MAX_DRAFT_BYTES = 2_000_000


EXPOSURE_COLUMNS = (
    *("project", "item", "person", "what", "detail", "guideline_version", "language", "at"),
)


class LeaseLost(Conflict):
    """The assignment is no longer held: it expired, was skipped, or was submitted."""

    code = "lease_lost"


class StaleDraft(Conflict):
    """The draft was saved from another window since it was read."""

    code = "stale_draft"


def claim_next(*, user: User, project: Project, now: datetime | None = None) -> Assignment | None:
    """The person's open assignment in the project if there is one, else the next free item.

    None when nothing waits for this person. Raises NotAllowed where they may not annotate.
    """
    now = now or timezone.now()
    for _attempt in range(MAX_RACES):
        try:
            with transaction.atomic():
                return _claim(user=user, project=project, now=now)
        except IntegrityError:
            # Another claim took the same slot first: the constraint said so. Look again.
            continue
    raise Conflict("The queue is busy; nothing was lost. Try again in a moment.")


def _claim(*, user: User, project: Project, now: datetime) -> Assignment | None:
    membership = _lock_membership.first(project=project.pk, user=user.pk)
    if membership is None or membership.role not in (
        Membership.Role.ANNOTATOR,
        Membership.Role.LEAD,
    ):
        raise NotAllowed(f"You are not an annotator of {project.name!r}.")
    held = _held_by.first(project=project.pk, user=user.pk)
    if held is not None:
        if held.lease_expires_at > now:
            return held
        _expire(held, now=now)
    require_passed(user, project)
    item = _free_items.first(project=project.pk, user=user.pk, after=membership.queue_cursor)
    if item is None and membership.queue_cursor:
        # The end of the walk: items that came back behind the cursor are found from the start.
        item = _free_items.first(project=project.pk, user=user.pk, after=0)
    if item is None:
        return None
    assignment = _take_slot(item=item, user=user, project=project, now=now)
    Membership.objects.filter(pk=membership.pk).update(queue_cursor=item.queue_order)
    return assignment


def _waiting_for(*, user: Any, project: Any) -> QuerySet[ReviewItem]:
    mine = Assignment.objects.filter(item=OuterRef("pk"), annotator=user, state__in=HELD_BY_PERSON)
    return ReviewItem.objects.filter(project=project, free_slots__gt=0).filter(~Exists(mine))


def _build_free_items(project: Slot, user: Slot, after: Slot) -> QuerySet[ReviewItem]:
    # Whoever claims will look at it: what the workspace shows comes with it.
    items = _waiting_for(user=user, project=project).select_related("solution__problem")
    if connection.features.has_select_for_update_skip_locked:
        # Two people must not wait for each other's row: the next one will do.
        items = items.select_for_update(skip_locked=True, of=("self",), no_key=True)
    return items.filter(queue_order__gt=after).order_by("queue_order")[:1]


# What every claim asks.
_ID = BigIntegerField()
_lock_membership = Prepared(
    lambda project, user: Membership.objects.select_for_update(no_key=True).filter(
        project=project, user=user, is_active=True
    ),
    project=_ID,
    user=_ID,
)
_held_by = Prepared(
    lambda project, user: Assignment.objects.filter(
        project=project, annotator=user, state=Assignment.State.OPEN
    ).order_by("pk")[:1],
    project=_ID,
    user=_ID,
)
_free_items = Prepared(_build_free_items, project=_ID, user=_ID, after=_ID)
_taken_slots = Prepared(
    lambda item: Assignment.objects.filter(item=item, state__in=LIVE).values_list("slot"), item=_ID
)
_locked_items = Prepared(
    lambda item: ReviewItem.objects.select_for_update(no_key=True).filter(pk=item), item=_ID
)


def _take_slot(*, item: ReviewItem, user: User, project: Project, now: datetime) -> Assignment:
    taken = {slot for (slot,) in _taken_slots.all(item=item.pk)}
    slot = next(slot for slot in range(item.overlap + 1) if slot not in taken)
    updated = ReviewItem.objects.filter(pk=item.pk, free_slots__gt=0).update(
        free_slots=F("free_slots") - 1
    )
    if updated != 1 or slot >= item.overlap:
        raise IntegrityError(f"item {item.pk} has no free slot")
    drawn = draw_proposal(item=item, user=user, project=project)
    _record_what_is_shown(item=item, user=user, project=project, drawn=drawn, now=now)
    return Assignment.objects.create(
        project=project,
        item=item,
        annotator=user,
        slot=slot,
        **drawn._asdict(),
        lease_token=uuid.uuid4(),
        lease_expires_at=now + timedelta(minutes=project.lease_minutes),
        created_at=now,
    )


def _record_what_is_shown(
    *, item: ReviewItem, user: User, project: Project, drawn: Drawn, now: datetime
) -> None:
    """Log what the workspace will show: it opens by a GET, which writes nothing."""
    shown: dict[str, dict[str, Any]] = {
        Exposure.What.ITEM: {"reference_answer": project.show_reference_answer}
    }
    if item.task == ReviewItem.Task.VERIFY_INJECTION and not project.hide_claim:
        shown[Exposure.What.CLAIM] = {
            "blind_first_error": {"unknown": "the claim was shown from the start"}
        }
    if drawn.exposure is not None:
        shown[Exposure.What.MACHINE] = drawn.exposure
    insert_rows(
        Exposure,
        EXPOSURE_COLUMNS,
        [
            (
                *(project.pk, item.pk, user.pk, what, detail),
                *(project.guideline_version, get_language() or "", now),
            )
            for what, detail in shown.items()
        ],
    )


@transaction.atomic
def claim_item(*, user: User, item: ReviewItem, now: datetime | None = None) -> Assignment:
    """Take this very item again (after a lease ran out), if a slot of it is still free."""
    now = now or timezone.now()
    # PostgreSQL needs the row locked before it is counted; SQLite's transaction already holds it.
    locked = lock_item(item.pk)
    held = Assignment.objects.filter(item=item, annotator=user, state__in=HELD_BY_PERSON).first()
    if held is not None and held.state == Assignment.State.OPEN:
        if held.lease_expires_at > now:
            return held
        _expire(held, now=now)
        locked.refresh_from_db()
    elif held is not None:
        raise Conflict("You have already finished with this item.")
    if locked.free_slots < 1:
        raise LeaseLost("Somebody else has this item now. Your draft is kept.")
    try:
        with transaction.atomic():
            return _take_slot(item=locked, user=user, project=locked.project, now=now)
    except IntegrityError:
        raise LeaseLost("Somebody else has this item now. Your draft is kept.") from None


def extend_lease(
    *, assignment: Assignment, lease_token: uuid.UUID, now: datetime | None = None
) -> datetime:
    """Heartbeat: the lease's new end. LeaseLost when it is no longer held."""
    now = now or timezone.now()
    end = now + timedelta(minutes=assignment.project.lease_minutes)
    updated = Assignment.objects.filter(
        pk=assignment.pk,
        state=Assignment.State.OPEN,
        lease_token=lease_token,
        lease_expires_at__gt=now,
    ).update(lease_expires_at=end)
    if updated != 1:
        raise_lease_lost(assignment)
    return end


def raise_lease_lost(assignment: Assignment) -> NoReturn:
    """Say what became of a lease that is no longer held."""
    fresh = Assignment.objects.get(pk=assignment.pk)
    if fresh.state == Assignment.State.SUBMITTED:
        raise LeaseLost("This item is already submitted.", state=fresh.state)
    if fresh.state == Assignment.State.SKIPPED:
        raise LeaseLost("You skipped this item.", state=fresh.state)
    raise LeaseLost(
        "Your time with this item has ended. Your draft is safe.",
        state=Assignment.State.EXPIRED,
        ended_at=fresh.lease_expires_at.isoformat(),
    )


def get_held(*, assignment: Assignment, lease_token: uuid.UUID, now: datetime) -> Assignment:
    """The assignment, locked, if this token still holds it; else LeaseLost. In a transaction."""
    lock_item(assignment.item_id)
    held = (
        Assignment.objects.select_for_update(no_key=True)
        .filter(
            pk=assignment.pk,
            state=Assignment.State.OPEN,
            lease_token=lease_token,
            lease_expires_at__gt=now,
        )
        .first()
    )
    if held is None:
        raise_lease_lost(assignment)
    return held


def close_held(
    *, assignment: Assignment, lease_token: uuid.UUID, active_ms: int, now: datetime
) -> None:
    """Make the assignment a submitted one if this token still holds it; else LeaseLost.

    In a transaction that has locked the item.
    """
    # Compare and set: it may have expired, or been submitted, since it was read.
    updated = Assignment.objects.filter(
        pk=assignment.pk,
        state=Assignment.State.OPEN,
        lease_token=lease_token,
        lease_expires_at__gt=now,
    ).update(state=Assignment.State.SUBMITTED, closed_at=now, active_ms=active_ms)
    if updated != 1:
        raise_lease_lost(assignment)


@transaction.atomic
def skip(
    *, assignment: Assignment, lease_token: uuid.UUID, reason: str, now: datetime | None = None
) -> Assignment:
    """Give the item back with a reason. It goes to somebody else, never to this person again."""
    now = now or timezone.now()
    reason = reason.strip()
    if not reason:
        raise InvalidInput("Say in a word why you skip this item.", field="reason")
    held = get_held(assignment=assignment, lease_token=lease_token, now=now)
    held.state = Assignment.State.SKIPPED
    held.skip_reason = reason[:2000]
    held.closed_at = now
    held.save(update_fields=["state", "skip_reason", "closed_at"])
    ReviewItem.objects.filter(pk=held.item_id).update(free_slots=F("free_slots") + 1)
    record_event(
        project=held.project,
        actor=held.annotator,
        verb="assignment.skipped",
        target=held,
        reason=held.skip_reason,
    )
    return held


def undo_skip(*, assignment: Assignment, now: datetime | None = None) -> Assignment:
    """Take back a skip: the item is this person's again if a slot is still free."""
    now = now or timezone.now()
    with transaction.atomic():
        item = lock_item(assignment.item_id)
        updated = Assignment.objects.filter(
            pk=assignment.pk, state=Assignment.State.SKIPPED
        ).update(state=Assignment.State.EXPIRED)
        if updated != 1:
            raise Conflict("This item is not skipped.")
        return claim_item(user=assignment.annotator, item=item, now=now)


@transaction.atomic
def save_draft(
    *,
    assignment: Assignment,
    lease_token: uuid.UUID,
    content: dict[str, Any],
    seen_version: int,
    activity: dict[str, Any] | None = None,
    now: datetime | None = None,
) -> Draft:
    """Keep unfinished work, unless it was saved from another window since this one read it.

    The content may be incomplete; it is checked when it is submitted. A lost lease refuses the
    write (the page keeps its own copy), a stale version answers with what is stored. `activity` is
    the active time so far, {"total": ms, "steps": {"0": ms}}; None leaves what is stored.
    """
    now = now or timezone.now()
    if len(str(content)) > MAX_DRAFT_BYTES:
        raise InvalidInput("This draft is too large to keep.", field="content")
    held = get_held(assignment=assignment, lease_token=lease_token, now=now)
    draft = (
        Draft.objects.select_for_update()
        .filter(item_id=held.item_id, annotator_id=held.annotator_id)
        .first()
    )
    if draft is None:
        if seen_version:
            raise StaleDraft("This draft is gone; it was submitted.", version=0, content={})
        return Draft.objects.create(
            item_id=held.item_id,
            annotator_id=held.annotator_id,
            content=content,
            activity=activity or {},
            updated_at=now,
        )
    if draft.version != seen_version:
        raise StaleDraft(
            "This item was changed in another window. Both texts are kept.",
            version=draft.version,
            content=draft.content,
            saved_at=draft.updated_at.isoformat(),
        )
    draft.version += 1
    draft.content = content
    draft.updated_at = now
    if activity is not None:
        draft.activity = activity
    draft.save(update_fields=["version", "content", "activity", "updated_at"])
    return draft


def expire_leases(*, now: datetime | None = None, limit: int = 500) -> int:
    """Return items whose lease has run out to the queue; how many. Safe to run from anywhere."""
    now = now or timezone.now()
    expired = (
        Assignment.objects.filter(state=Assignment.State.OPEN, lease_expires_at__lte=now)
        .order_by("lease_expires_at")
        .only("pk", "item_id", "lease_token")[:limit]
    )
    return sum(_expire(assignment, now=now) for assignment in expired)


@transaction.atomic
def _expire(assignment: Assignment, *, now: datetime) -> bool:
    lock_item(assignment.item_id)
    # Compare and set: a heartbeat or a submission may have come in between.
    updated = Assignment.objects.filter(
        pk=assignment.pk,
        state=Assignment.State.OPEN,
        lease_token=assignment.lease_token,
        lease_expires_at__lte=now,
    ).update(state=Assignment.State.EXPIRED, closed_at=now)
    if updated:
        ReviewItem.objects.filter(pk=assignment.item_id).update(free_slots=F("free_slots") + 1)
    return updated == 1


def lock_item(item_id: int) -> ReviewItem:
    """The item, locked until the transaction ends.

    Whoever touches both an item and its assignments or annotations locks the item first: one
    order for all, so that no two transactions wait for each other, and so that two submissions
    that end at the same moment see one another.
    """
    item = _locked_items.first(item=item_id)
    if item is None:
        raise ReviewItem.DoesNotExist(f"There is no item {item_id}.")
    return item


def count_waiting(*, user: User, project: Project) -> int:
    """How many items the person could still claim."""
    return _waiting_for(user=user, project=project).count()


def count_submitted(*, user: User, project: Project) -> int:
    """How many items the person has submitted."""
    return Assignment.objects.filter(
        annotator=user, project=project, state=Assignment.State.SUBMITTED
    ).count()


_next_items = Prepared(
    lambda project, user, after: (
        _waiting_for(user=user, project=project)
        .select_related("solution__problem")
        .filter(queue_order__gt=after)
        .order_by("queue_order")[:1]
    ),
    project=_ID,
    user=_ID,
    after=_ID,
)


def peek_next(*, held: Assignment) -> ReviewItem | None:
    """The item that `claim_next` would give to whoever submitted this one now. Takes nothing.

    The same walk from the same place, without a lock: by then it may have come otherwise. None
    where nothing waits, or where this one is no longer held.
    """
    if held.state != Assignment.State.OPEN or held.lease_expires_at <= timezone.now():
        return None
    project, user = held.project_id, held.annotator_id
    membership = Membership.objects.filter(project=project, user=user, is_active=True).first()
    if membership is None:
        return None
    after = membership.queue_cursor
    item = _next_items.first(project=project, user=user, after=after)
    if item is None and after:
        item = _next_items.first(project=project, user=user, after=0)
    return item
