from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Adjudication, Dispute, Project, ReviewItem, User
from tests.labeling.factories import make_injection_item, make_items, rating, verdict
from tests.labeling.services.test_annotations import CORRECT, hand_in, take

WRONG = ("correct", "wrong", "correct")


@pytest.fixture
def dispute(project: Project, bob: User, erin: User) -> Dispute:
    make_items(project, 1)
    hand_in(take(bob, project), rating(*CORRECT))
    hand_in(take(erin, project), rating(*WRONG))
    return Dispute.objects.get()


def decide_form(**changes: Any) -> dict[str, Any]:
    return {
        "version": "1",
        "idempotency_key": str(uuid.uuid4()),
        "reason": "Two and two is four.",
        "rating-0": "1",
        "rating-1": "-1",
        "rating-2": "1",
        **changes,
    }


def test_it_works_without_script(dispute: Dispute, client: Client, carol: User) -> None:
    client.force_login(carol)
    address = reverse("labeling:dispute", args=[dispute.pk])
    page = client.get(address)
    assert page.status_code == 200
    assert b"Two and two" not in page.content
    answer = client.post(address, decide_form())
    assert answer.status_code == 302
    assert Adjudication.objects.get().reason == "Two and two is four."
    assert ReviewItem.objects.get().state == ReviewItem.State.DECIDED


def test_a_refused_decision_keeps_what_was_typed(
    dispute: Dispute, client: Client, carol: User
) -> None:
    client.force_login(carol)
    answer = client.post(
        reverse("labeling:dispute", args=[dispute.pk]), decide_form(**{"rating-2": ""})
    )
    assert answer.status_code == 400
    assert b"Step 3 is not judged yet" in answer.content
    assert b"Two and two is four." in answer.content
    assert not Adjudication.objects.exists()


def test_a_reviewer_cannot_decide_on_their_own_work(
    dispute: Dispute, client: Client, alice: User, bob: User, dave: User
) -> None:
    address = reverse("labeling:dispute", args=[dispute.pk])
    client.force_login(bob)
    assert client.get(address).status_code == 403
    client.force_login(dave)
    assert client.get(address).status_code == 404


def test_an_injection_is_decided_by_a_verdict(
    project: Project, client: Client, bob: User, erin: User, carol: User
) -> None:
    make_injection_item(project)
    hand_in(take(bob, project), verdict("accept"))
    hand_in(take(erin, project), verdict("reject", error_positions=[], reject_code="not_an_error"))
    found = Dispute.objects.get()
    client.force_login(carol)
    form = {
        "version": "1",
        "idempotency_key": str(uuid.uuid4()),
        "reason": "The sum is wrong.",
        "verdict": "accept",
        "error": ["1"],
    }
    assert client.get(reverse("labeling:dispute", args=[found.pk])).status_code == 200
    assert client.post(reverse("labeling:dispute", args=[found.pk]), form).status_code == 302
    content = Adjudication.objects.get().content
    assert (content["verdict"], content["error_positions"]) == ("accept", [1])
    assert content["error_type"] == "deception"


def test_a_decided_dispute_can_be_opened_again(
    dispute: Dispute, client: Client, carol: User
) -> None:
    client.force_login(carol)
    address = reverse("labeling:dispute", args=[dispute.pk])
    client.post(address, decide_form())
    closed = client.get(address)
    assert b"This dispute is decided" in closed.content
    again = client.post(
        reverse("labeling:dispute-reopen", args=[dispute.pk]), {"reason": "new guideline"}
    )
    assert again.status_code == 302
    assert Dispute.objects.filter(state=Dispute.State.OPEN).count() == 1
    # Without a reason nothing is opened.
    opened = Dispute.objects.get(state=Dispute.State.OPEN)
    client.post(reverse("labeling:dispute", args=[opened.pk]), decide_form())
    client.post(reverse("labeling:dispute-reopen", args=[opened.pk]), {"reason": " "})
    assert not Dispute.objects.filter(state=Dispute.State.OPEN).exists()


def test_the_list_leads_to_the_next_dispute(
    dispute: Dispute, client: Client, carol: User, project: Project
) -> None:
    client.force_login(carol)
    page = client.get(reverse("labeling:disputes", args=[project.slug]))
    assert reverse("labeling:dispute", args=[dispute.pk]).encode() in page.content
    empty = client.get(reverse("labeling:disputes", args=[project.slug]), {"state": "decided"})
    assert b"There is none in this state" in empty.content
