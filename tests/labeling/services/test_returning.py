from __future__ import annotations

import uuid
from typing import Any

import pytest

from labeling.models import AuditEvent, Comment, Dispute, Membership, Project, User
from labeling.selectors.comments import list_mentions
from labeling.services.adjudications import decide
from labeling.services.annotations import revise
from labeling.services.returning import send_back
from tests.labeling.factories import make_items, rating
from tests.labeling.services.test_annotations import CORRECT, hand_in, take
from workbench.errors import Conflict, InvalidInput, NotAllowed

WRONG = ("correct", "wrong", "correct")


@pytest.fixture
def dispute(project: Project, bob: User, erin: User) -> Dispute:
    make_items(project, 1)
    hand_in(take(bob, project), rating(*CORRECT))
    hand_in(take(erin, project), rating(*WRONG))
    return Dispute.objects.get()


def ask(dispute: Dispute, by: User, **changes: Any) -> Comment:
    said: dict[str, Any] = {"reason": "Look at step 2 again.", "idempotency_key": uuid.uuid4()}
    return send_back(dispute=dispute, by=by, **(said | changes))


def test_it_works(dispute: Dispute, carol: User, bob: User, erin: User) -> None:
    ask(dispute, carol)
    for reviewer in (bob, erin):
        assert [one.comment.text for one in list_mentions(reviewer)] == ["Look at step 2 again."]
    dispute.refresh_from_db()
    assert dispute.state == Dispute.State.OPEN
    event = AuditEvent.objects.get(verb="dispute.sent_back")
    assert (event.actor, event.target_id) == (carol, str(dispute.pk))


def test_who_then_agrees_closes_it(dispute: Dispute, carol: User, erin: User) -> None:
    ask(dispute, carol)
    mine = dispute.item.annotations.get(annotator=erin)
    revise(
        annotation=mine,
        by=erin,
        data=rating(*CORRECT),
        reason="It is right after all.",
        seen_number=1,
        idempotency_key=uuid.uuid4(),
    )
    dispute.refresh_from_db()
    assert dispute.state == Dispute.State.CLOSED


def test_sent_twice_it_asks_once(dispute: Dispute, carol: User) -> None:
    key = uuid.uuid4()
    first = ask(dispute, carol, idempotency_key=key)
    assert ask(dispute, carol, idempotency_key=key) == first
    assert Comment.objects.count() == 1
    assert AuditEvent.objects.filter(verb="dispute.sent_back").count() == 1


def test_it_says_at_what_to_look(dispute: Dispute, carol: User) -> None:
    with pytest.raises(InvalidInput, match="Say what the reviewers should look at"):
        ask(dispute, carol, reason=" ")
    assert not Comment.objects.exists()


def test_nobody_sends_back_what_they_reviewed(dispute: Dispute, project: Project) -> None:
    reviewer = dispute.item.annotations.latest("pk").annotator
    assert reviewer is not None
    Membership.objects.filter(project=project, user=reviewer).update(role="adjudicator")
    with pytest.raises(NotAllowed, match="somebody else sends it back"):
        ask(dispute, reviewer)


def test_what_is_decided_is_not_sent_back(dispute: Dispute, carol: User) -> None:
    decide(
        dispute=dispute,
        by=carol,
        data=rating(*CORRECT),
        reason="It is right.",
        seen_version=1,
        idempotency_key=uuid.uuid4(),
    )
    dispute.refresh_from_db()
    with pytest.raises(Conflict, match="closed already"):
        ask(dispute, carol)


def test_those_who_left_are_not_asked(
    dispute: Dispute, project: Project, carol: User, bob: User, erin: User
) -> None:
    Membership.objects.filter(project=project, user=bob).update(is_active=False)
    ask(dispute, carol)
    assert list_mentions(erin).count() == 1
    Membership.objects.filter(project=project, user=erin).update(is_active=False)
    with pytest.raises(Conflict, match="decide on it"):
        ask(dispute, carol)
