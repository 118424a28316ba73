"""Reports that an original is wrong: made by reviewers' verdicts, decided by leads.

A source is verified once. Whoever finds the original of an injection wrong says so of every
injection that was made from it: a lead is told once, and what they decide holds for all of them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NoReturn

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from labeling.access import Capability, require
from labeling.comment_rules import MAX_TEXT
from labeling.content import Task
from labeling.models import (
    Adjudication,
    AnnotationRevision,
    Assignment,
    Dispute,
    Injection,
    Membership,
    Project,
    ReviewItem,
    SourceReport,
    User,
)
from labeling.selectors.comments import find_reader
from labeling.selectors.reports import find_original, list_voices, says_original_wrong
from labeling.services.audit import record_event
from labeling.services.comments import add_comment
from labeling.services.reviewing import count_free_slots, refresh_item
from labeling.services.routing import lock_queue
from workbench.errors import Conflict, InvalidInput

State = SourceReport.State
# Of a decision; the reviewers who are told of it read it as a comment.
MAX_REASON: Final = MAX_TEXT
# What there is no more to decide about once the original is wrong.
UNSETTLED: Final = (ReviewItem.State.WAITING, ReviewItem.State.DISPUTED)


def note_verdict(revision: AnnotationRevision) -> SourceReport | None:
    """Open or withdraw a report as this new word says; the report, if anything became of one.

    To be called in the transaction that stores a revision, once it is the annotation's current
    one. A word that says what the same person said before changes nothing.
    """
    content = revision.content
    says_so = says_original_wrong(content)
    if content.get("task") != Task.VERIFY_INJECTION or (not says_so and revision.number == 1):
        return None
    if says_so == _said_so_before(revision):
        return None
    annotation = revision.annotation
    if annotation.item is None or annotation.annotator is None:
        # It came with a data set: nobody here said it.
        return None
    if says_so:
        note = str(content.get("note", ""))
        return report_original(item=annotation.item, reporter=annotation.annotator, note=note)
    return _withdraw(item=annotation.item, reporter=annotation.annotator)


def _said_so_before(revision: AnnotationRevision) -> bool:
    if revision.number == 1:
        return False
    earlier = AnnotationRevision.objects.filter(
        annotation=revision.annotation_id, number=revision.number - 1
    )
    return says_original_wrong(earlier.values_list("content", flat=True).first() or {})


def report_original(*, item: ReviewItem, reporter: User, note: str = "") -> SourceReport:
    """Report the original of an injection, or find the report that is open or confirmed already.

    One that was dismissed does not stand in the way of another: whoever says so now may know more.
    """
    original_id = find_original(item.solution_id)
    if original_id is None:
        raise InvalidInput("This item is no injection, so it has no original.")
    known = _find_standing(original_id)
    if known is not None:
        return known
    try:
        with transaction.atomic():
            report = SourceReport.objects.create(
                project_id=item.project_id,
                original_id=original_id,
                item=item,
                reporter=reporter,
                note=note.strip(),
                created_at=timezone.now(),
            )
    except IntegrityError:
        # A reviewer of a sibling said the same at this moment.
        known = _find_standing(original_id)
        if known is None:
            raise
        return known
    _record(report, by=reporter, verb="opened", item=item.pk)
    return report


def _find_standing(original_id: int) -> SourceReport | None:
    standing = (State.OPEN, State.CONFIRMED)
    return SourceReport.objects.filter(original=original_id, state__in=standing).first()


def _withdraw(*, item: ReviewItem, reporter: User) -> SourceReport | None:
    """Close the open report of an original that nobody calls wrong any more.

    It is dismissed by the reviewer and without a reason, which no lead's dismissal is.
    """
    original_id = find_original(item.solution_id)
    report = SourceReport.objects.filter(original=original_id, state=State.OPEN).first()
    if report is None or list_voices([report.original_id]).exists():
        return None
    updated = SourceReport.objects.filter(pk=report.pk, state=State.OPEN).update(
        state=State.DISMISSED, decided_by=reporter, decided_at=timezone.now(), reason=""
    )
    if updated != 1:
        return None
    _record(report, by=reporter, verb="withdrawn", item=item.pk)
    report.refresh_from_db()
    return report


@transaction.atomic
def confirm(
    *, report: SourceReport, by: User, reason: str = "", now: datetime | None = None
) -> SourceReport:
    """Say that the original is wrong: what was made from it leaves the queue.

    What waits or is in dispute is discarded, and remembered; who holds one of these items loses it
    and keeps the draft. What is settled stays as it is, and no release takes it. Conflict where
    somebody has decided already.
    """
    now = now or timezone.now()
    require(by, report.project, Capability.ADJUDICATE)
    # Before anything of it: nobody takes an item while they leave, and a new order waits.
    lock_queue(report.project)
    items = _lock_siblings(report.original_id)
    _decide(report, by=by, state=State.CONFIRMED, reason=_check_reason(reason), now=now)
    ended = _take_out(report, items, now=now)
    _record(
        report, by=by, verb="confirmed", reason=report.reason, withdrawn=len(items), ended=ended
    )
    return report


@transaction.atomic
def dismiss(
    *, report: SourceReport, by: User, reason: str, now: datetime | None = None
) -> SourceReport:
    """Say that the original is right, and why; the reviewers who said otherwise are told.

    Conflict where somebody has decided already.
    """
    now = now or timezone.now()
    require(by, report.project, Capability.ADJUDICATE)
    reason = _check_reason(reason)
    if not reason:
        raise InvalidInput(
            "Say why the original is right: the reviewers who found it wrong read it.",
            field="reason",
        )
    _decide(report, by=by, state=State.DISMISSED, reason=reason, now=now)
    told = _tell(report, by=by, now=now)
    _record(report, by=by, verb="dismissed", reason=reason, told=told)
    return report


@transaction.atomic
def reopen(*, report: SourceReport, by: User, now: datetime | None = None) -> SourceReport:
    """Take a decision back: what left the queue comes back into it, as its reviewers left it.

    What was decided stays in the audit log. Conflict where it is open, where the reviewer took it
    back, or where another report on the same original is open.
    """
    now = now or timezone.now()
    require(by, report.project, Capability.ADJUDICATE)
    lock_queue(report.project)
    fresh = SourceReport.objects.select_for_update(no_key=True).get(pk=report.pk)
    if fresh.state == State.OPEN:
        raise Conflict("This report is open already.")
    if fresh.state == State.DISMISSED and not fresh.reason:
        raise Conflict("The reviewer took this report back; there is no decision to undo.")
    if _find_other(fresh):
        _refuse_for_newer()
    try:
        with transaction.atomic():
            SourceReport.objects.filter(pk=fresh.pk).update(
                state=State.OPEN, decided_by=None, decided_at=None, reason="", withdrawn_items=[]
            )
    except IntegrityError:
        # A reviewer reported it again at this moment.
        _refuse_for_newer()
    withdrawn = [entry["item"] for entry in fresh.withdrawn_items]
    returned = _bring_back(withdrawn, project=report.project, now=now)
    _record(
        report, by=by, verb="reopened", state=fresh.state, reason=fresh.reason, returned=returned
    )
    report.refresh_from_db()
    return report


def _refuse_for_newer() -> NoReturn:
    raise Conflict("There is a newer report on the same original; decide on that one.")


def _find_other(report: SourceReport) -> bool:
    standing = (State.OPEN, State.CONFIRMED)
    others = SourceReport.objects.filter(original=report.original_id, state__in=standing)
    return others.exclude(pk=report.pk).exists()


def hold_back(*, project: Project, original_ids: Iterable[int]) -> int:
    """Keep new items of originals that are known to be wrong out of the queue; how many.

    To be called in the transaction that made them, under the project's lock.
    """
    reports = SourceReport.objects.filter(
        project=project, original__in=list(original_ids), state=State.CONFIRMED
    )
    held = 0
    for report in reports:
        items = _lock_siblings(report.original_id)
        _take_out(report, items, now=timezone.now())
        held += len(items)
    return held


# --- Deciding -------------------------------------------------------------------------------------


def _check_reason(reason: str) -> str:
    reason = reason.strip()
    if len(reason) > MAX_REASON:
        raise InvalidInput(
            f"A reason has at most {MAX_REASON:,} characters, not {len(reason):,}.", field="reason"
        )
    return reason


def _decide(report: SourceReport, *, by: User, state: str, reason: str, now: datetime) -> None:
    # Compare and set: of two who decide at once, one is told.
    updated = SourceReport.objects.filter(pk=report.pk, state=State.OPEN).update(
        state=state, decided_by=by, decided_at=now, reason=reason
    )
    if updated != 1:
        raise Conflict("This report is decided already, or was taken back. Look at it again.")
    report.refresh_from_db()


def _record(report: SourceReport, *, by: User, verb: str, **detail: Any) -> None:
    record_event(
        project=report.project,
        actor=by,
        verb=f"source_report.{verb}",
        target=report,
        original=report.original_id,
        **detail,
    )


def _tell(report: SourceReport, *, by: User, now: datetime) -> int:
    """A comment to everybody who found the original wrong, on the item on which they did; to how
    many. Who reviews an item does not speak for the desk on it, and says nothing.
    """
    members = set(
        Membership.objects.filter(
            project=report.project, is_active=True, user__is_active=True
        ).values_list("user_id", flat=True)
    )
    told = set[int]()
    for voice in list_voices([report.original_id]):
        item, person = voice.annotation.item, voice.annotation.annotator_id
        if item is None or person is None or person not in members - told - {by.pk}:
            continue
        if find_reader(by, item)[1] != "desk":
            continue
        add_comment(
            item=item,
            by=by,
            text=report.reason,
            idempotency_key=uuid.uuid4(),
            names=[person],
            now=now,
        )
        told.add(person)
    return len(told)


# --- Out of the queue and back --------------------------------------------------------------------


def _lock_siblings(original_id: int) -> list[ReviewItem]:
    """What was made from the original and is not settled, locked.

    An item on which an adjudicator decided once is theirs, also while it is open again.
    """
    decided = Adjudication.objects.filter(item__solution__injection__original=original_id)
    return list(
        ReviewItem.objects.select_for_update(no_key=True, of=("self",))
        .filter(
            task=ReviewItem.Task.VERIFY_INJECTION,
            solution__in=Injection.objects.filter(original=original_id).values("modified"),
            state__in=UNSETTLED,
        )
        .exclude(pk__in=decided.values("item"))
        .order_by("pk")
    )


def _take_out(report: SourceReport, items: Sequence[ReviewItem], *, now: datetime) -> int:
    """Discard the items, note on the report what they were, and end what is held of them; how many
    holds were ended.
    """
    ids = [item.pk for item in items]
    report.withdrawn_items = [
        *report.withdrawn_items,
        *({"item": item.pk, "state": item.state, "free_slots": item.free_slots} for item in items),
    ]
    report.save(update_fields=["withdrawn_items"])
    ended = 0
    for some in _chunk(ids):
        ended += Assignment.objects.filter(item__in=some, state=Assignment.State.OPEN).update(
            state=Assignment.State.EXPIRED, closed_at=now
        )
        Dispute.objects.filter(item__in=some, state=Dispute.State.OPEN).update(
            state=Dispute.State.CLOSED, closed_at=now, version=F("version") + 1
        )
        ReviewItem.objects.filter(pk__in=some).update(
            state=ReviewItem.State.DISCARDED, free_slots=0
        )
    return ended


def _bring_back(item_ids: Sequence[int], *, project: Project, now: datetime) -> int:
    """Put withdrawn items where their reviewers' words leave them now; how many.

    Words may have been revised since, and holds were ended: what they were is not what they are.
    """
    items = (
        ReviewItem.objects.select_for_update(no_key=True, of=("self",))
        .select_related("solution")
        .filter(pk__in=item_ids, state=ReviewItem.State.DISCARDED)
        .order_by("pk")
    )
    returned = list(items)
    for item in returned:
        item.state, item.free_slots = ReviewItem.State.WAITING, count_free_slots(item)
        item.save(update_fields=["state", "free_slots"])
        refresh_item(item, project=project, n_steps=item.solution.n_steps, now=now)
    return len(returned)


def _chunk(ids: Sequence[int], size: int = 500) -> Iterable[Sequence[int]]:
    # Within what a statement of either database takes as parameters.
    return (ids[start : start + size] for start in range(0, len(ids), size))
