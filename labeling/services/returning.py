"""Sending a dispute back: its reviewers are asked to look again before anybody decides."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from labeling.models import Annotation, Comment, Dispute, Membership, User
from labeling.services.audit import record_event
from labeling.services.comments import add_comment
from workbench.errors import Conflict, InvalidInput, NotAllowed


@transaction.atomic
def send_back(
    *,
    dispute: Dispute,
    by: User,
    reason: str,
    idempotency_key: uuid.UUID,
    now: datetime | None = None,
) -> Comment:
    """Ask the reviewers of a disputed item to look again, and say at what.

    They read it as a comment to them, and may change their word until somebody decides; where they
    come to agree, the dispute closes by itself. It stays open until then: whoever adjudicates may
    still decide. The same key twice asks once.
    """
    reason = reason.strip()
    if not reason:
        raise InvalidInput("Say what the reviewers should look at again.", field="reason")
    reviewers = Annotation.objects.filter(item=dispute.item_id, annotator__isnull=False)
    if reviewers.filter(annotator=by).exists():
        raise NotAllowed("You reviewed this item yourself; somebody else sends it back.")
    if dispute.state != Dispute.State.OPEN:
        raise Conflict("This dispute is closed already.", state=dispute.state)
    reached = Membership.objects.filter(
        project=dispute.project_id,
        is_active=True,
        user__is_active=True,
        user__in=reviewers.values("annotator"),
    )
    people = list(reached.order_by("pk").values_list("user_id", flat=True))
    if not people:
        raise Conflict("Nobody who reviewed this item works here any more: decide on it.")
    asked_before = Comment.objects.filter(author=by, idempotency_key=idempotency_key).exists()
    comment = add_comment(
        item=dispute.item,
        by=by,
        text=reason,
        idempotency_key=idempotency_key,
        names=people,
        now=now or timezone.now(),
    )
    if not asked_before:
        record_event(
            project=dispute.project,
            actor=by,
            verb="dispute.sent_back",
            target=dispute,
            item=dispute.item_id,
            version=dispute.version,
            comment=comment.pk,
        )
    return comment
