"""Decisions on disputes."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from labeling.content import pack_content
from labeling.models import Adjudication, Annotation, Dispute, Exposure, ReviewItem, User
from labeling.services.annotations import parse_submission
from labeling.services.assignments import lock_item
from labeling.services.audit import record_event, record_exposure
from workbench.errors import Conflict, InvalidInput, NotAllowed


def open_dispute_page(*, dispute: Dispute, person: User) -> None:
    """Log that the adjudicator was shown the reviewers' work. Called by a POST, not by the page."""
    record_exposure(
        item=dispute.item,
        person=person,
        what=Exposure.What.OTHERS,
        project=dispute.project,
        dispute=dispute.pk,
    )


def decide(
    *,
    dispute: Dispute,
    by: User,
    data: object,
    reason: str,
    seen_version: int,
    idempotency_key: uuid.UUID,
    now: datetime | None = None,
) -> Adjudication:
    """Settle a dispute with a reason. The same key twice is one decision.

    Nobody decides on an item they reviewed themselves. If a reviewer changed their word since the
    adjudicator looked, Conflict says so and nothing is stored.
    """
    now = now or timezone.now()
    reason = reason.strip()
    done = Adjudication.objects.filter(
        item_id=dispute.item_id, idempotency_key=idempotency_key
    ).first()
    if done is not None:
        return done
    if not reason:
        raise InvalidInput("Give the reason for your decision.", field="reason")
    if Annotation.objects.filter(item_id=dispute.item_id, annotator=by).exists():
        raise NotAllowed("You reviewed this item yourself; somebody else decides on it.")
    item = dispute.item
    content = parse_submission(data, item=item, project=dispute.project)
    with transaction.atomic():
        lock_item(item.pk)
        updated = Dispute.objects.filter(
            pk=dispute.pk, state=Dispute.State.OPEN, version=seen_version
        ).update(state=Dispute.State.DECIDED, closed_at=now, version=F("version") + 1)
        if updated != 1:
            fresh = Dispute.objects.get(pk=dispute.pk)
            if fresh.state == Dispute.State.OPEN:
                raise Conflict(
                    "A reviewer changed their word since you opened this. Look again.",
                    version=fresh.version,
                )
            done = Adjudication.objects.filter(
                item_id=dispute.item_id, idempotency_key=idempotency_key
            ).first()
            if done is not None:
                return done
            raise Conflict("This dispute is closed already.", state=fresh.state)
        adjudication = _append(
            item=item,
            dispute=dispute,
            by=by,
            content=pack_content(content),
            reason=reason,
            idempotency_key=idempotency_key,
            now=now,
        )
        record_exposure(item=item, person=by, what=Exposure.What.OTHERS, project=dispute.project)
    return adjudication


def reopen(*, item: ReviewItem, by: User, reason: str, now: datetime | None = None) -> Dispute:
    """Open a decided item's dispute again; the decision stays on record until another is made."""
    now = now or timezone.now()
    if not reason.strip():
        raise InvalidInput("Say why the decision is opened again.", field="reason")
    with transaction.atomic():
        updated = ReviewItem.objects.filter(pk=item.pk, state=ReviewItem.State.DECIDED).update(
            state=ReviewItem.State.DISPUTED
        )
        if updated != 1:
            raise Conflict("This item has no decision to open again.")
        dispute = Dispute.objects.create(
            project_id=item.project_id, item=item, kinds=["reopened"], created_at=now
        )
        record_event(
            project=item.project, actor=by, verb="dispute.reopened", target=dispute, reason=reason
        )
    return dispute


def _append(
    *,
    item: ReviewItem,
    dispute: Dispute,
    by: User,
    content: dict[str, Any],
    reason: str,
    idempotency_key: uuid.UUID,
    now: datetime,
) -> Adjudication:
    number = 1 + (
        Adjudication.objects.filter(item=item)
        .order_by("-number")
        .values_list("number", flat=True)
        .first()
        or 0
    )
    adjudication = Adjudication.objects.create(
        project_id=item.project_id,
        item=item,
        dispute=dispute,
        adjudicator=by,
        number=number,
        content=content,
        reason=reason,
        idempotency_key=idempotency_key,
        created_at=now,
    )
    ReviewItem.objects.filter(pk=item.pk).update(state=ReviewItem.State.DECIDED)
    record_event(
        project=dispute.project,
        actor=by,
        verb="dispute.decided",
        target=adjudication,
        item=item.pk,
        number=number,
    )
    return adjudication
