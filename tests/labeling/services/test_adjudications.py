from __future__ import annotations

import uuid
from typing import Any

import pytest

from labeling.models import Adjudication, Dispute, Project, ReviewItem, User
from labeling.services.adjudications import decide, reopen
from labeling.services.annotations import revise
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


def settle(dispute: Dispute, by: User, **changes: Any) -> Adjudication:
    arguments: dict[str, Any] = {
        "data": rating(*WRONG),
        "reason": "Two and two is four.",
        "seen_version": dispute.version,
        "idempotency_key": uuid.uuid4(),
        **changes,
    }
    return decide(dispute=dispute, by=by, **arguments)


def test_it_works(dispute: Dispute, carol: User) -> None:
    adjudication = settle(dispute, carol)
    assert adjudication.reason == "Two and two is four."
    dispute.refresh_from_db()
    assert dispute.state == Dispute.State.DECIDED
    assert ReviewItem.objects.get().state == ReviewItem.State.DECIDED


def test_a_decision_needs_a_reason(dispute: Dispute, carol: User) -> None:
    with pytest.raises(InvalidInput, match="reason"):
        settle(dispute, carol, reason="  ")
    assert not Adjudication.objects.exists()


def test_the_same_key_twice_is_one_decision(dispute: Dispute, carol: User) -> None:
    key = uuid.uuid4()
    first = settle(dispute, carol, idempotency_key=key)
    assert settle(dispute, carol, idempotency_key=key) == first


def test_nobody_decides_on_their_own_work(dispute: Dispute, bob: User) -> None:
    with pytest.raises(NotAllowed, match="yourself"):
        settle(dispute, bob)


def test_a_word_changed_meanwhile_stops_the_decision(
    dispute: Dispute, erin: User, carol: User
) -> None:
    seen = dispute.version
    theirs = erin.annotations.get()
    revise(
        annotation=theirs,
        by=erin,
        data=rating("wrong", "wrong", "correct"),
        reason="step 1 too",
        seen_number=1,
        idempotency_key=uuid.uuid4(),
    )
    with pytest.raises(Conflict, match="changed their word"):
        settle(dispute, carol, seen_version=seen)


def test_a_decided_item_is_not_revised_but_can_be_opened_again(
    dispute: Dispute, alice: User, erin: User, carol: User
) -> None:
    settle(dispute, carol)
    with pytest.raises(Conflict, match="adjudicated"):
        revise(
            annotation=erin.annotations.get(),
            by=erin,
            data=rating(*CORRECT),
            reason="later thought",
            seen_number=1,
            idempotency_key=uuid.uuid4(),
        )
    again = reopen(item=ReviewItem.objects.get(), by=alice, reason="new guideline")
    second = settle(again, carol, data=rating(*CORRECT))
    assert second.number == 2
    assert Adjudication.objects.count() == 2
