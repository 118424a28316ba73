from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Adjudication, Dispute, Injection, Project, ReviewItem, User
from labeling.selectors.comments import list_mentions
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


# --- Another solution -----------------------------------------------------------------------------


@pytest.fixture
def offer(project: Project, bob: User, erin: User) -> Dispute:
    """Another solution: bob accepts it, and erin finds that it does not really differ."""
    item = make_injection_item(project)
    Injection.objects.filter(modified=item.solution).update(
        error_type="multi_solutions", claimed_error_positions=[]
    )
    said: dict[str, Any] = {"error_positions": [], "error_type": "multi_solutions"}
    hand_in(take(bob, project), verdict(correct="yes", different="yes", **said))
    same = {"reject_code": "not_different", "correct": "yes", "different": "no"}
    hand_in(take(erin, project), verdict("reject", **same, **said))
    return Dispute.objects.get()


def decide_offer(**changes: Any) -> dict[str, Any]:
    return {
        "version": "1",
        "idempotency_key": str(uuid.uuid4()),
        "reason": "It groups the terms otherwise.",
        **changes,
    }


def test_the_answers_of_all_reviewers_are_shown(
    offer: Dispute, client: Client, carol: User
) -> None:
    client.force_login(carol)
    page = client.get(reverse("labeling:dispute", args=[offer.pk])).content.decode()
    assert page.count("really differs: yes") == 1
    assert page.count("really differs: no") == 1
    assert page.count("correct: yes") == 2


@pytest.mark.parametrize(
    ("replies", "decided", "code"),
    [
        ({"correct": "yes", "different": "yes"}, "accept", ""),
        ({"correct": "no", "different": "yes"}, "reject", "wrong_type"),
        ({"correct": "yes", "different": "no"}, "reject", "not_different"),
        ({"correct": "unsure", "different": "yes"}, "unsure", ""),
        # A verdict that was chosen stands over the one that would follow.
        (
            {"correct": "yes", "different": "yes", "verdict": "bad_problem", "note": "No figure."},
            "bad_problem",
            "",
        ),
    ],
)
def test_the_decision_follows_from_the_answers(
    offer: Dispute,
    client: Client,
    carol: User,
    replies: dict[str, str],
    decided: str,
    code: str,
) -> None:
    client.force_login(carol)
    address = reverse("labeling:dispute", args=[offer.pk])
    assert client.post(address, decide_offer(**replies)).status_code == 302
    content = Adjudication.objects.get().content
    assert (content["verdict"], content["reject_code"]) == (decided, code)
    assert (content["correct"], content["different"]) == (replies["correct"], replies["different"])


def test_both_questions_are_answered_before_one_accepts(
    offer: Dispute, client: Client, carol: User
) -> None:
    client.force_login(carol)
    address = reverse("labeling:dispute", args=[offer.pk])
    refused = client.post(address, decide_offer(verdict="accept", correct="yes"))
    assert refused.status_code == 400
    assert b"Say whether it really differs from the original" in refused.content
    # What was answered is still there.
    assert b'name="correct" value="yes" checked' in refused.content
    against = client.post(address, decide_offer(verdict="accept", correct="no", different="yes"))
    assert b"accepted when it is correct and really differs" in against.content


def test_a_closed_dispute_says_what_was_answered(
    offer: Dispute, client: Client, carol: User
) -> None:
    client.force_login(carol)
    address = reverse("labeling:dispute", args=[offer.pk])
    client.post(address, decide_offer(correct="yes", different="no"))
    assert "really differs: no" in client.get(address).content.decode()


def test_the_pages_of_an_injection_show_the_answers(
    offer: Dispute, client: Client, carol: User
) -> None:
    client.force_login(carol)
    injection = Injection.objects.get()
    client.post(
        reverse("labeling:dispute", args=[offer.pk]), decide_offer(correct="no", different="yes")
    )
    page = client.get(reverse("labeling:injection", args=[injection.pk])).content.decode()
    assert "really differs: no" in page
    assert "correct: no" in page


# --- Sending back ---------------------------------------------------------------------------------


def test_sending_back_asks_the_reviewers_and_goes_on(
    dispute: Dispute, client: Client, carol: User, project: Project, bob: User
) -> None:
    client.force_login(carol)
    form = {"reason": "Look at step 2 again.", "idempotency_key": str(uuid.uuid4())}
    answer = client.post(reverse("labeling:dispute-send-back", args=[dispute.pk]), form)
    # There is no other dispute: the list says that it is still open.
    assert answer.headers["Location"] == reverse("labeling:disputes", args=[project.slug])
    assert list_mentions(bob).count() == 1
    page = client.get(answer.headers["Location"]).content
    assert b"The reviewers are asked to look again." in page


def test_sending_back_needs_words(dispute: Dispute, client: Client, carol: User) -> None:
    client.force_login(carol)
    form = {"reason": " ", "idempotency_key": str(uuid.uuid4())}
    answer = client.post(reverse("labeling:dispute-send-back", args=[dispute.pk]), form)
    page = client.get(answer.headers["Location"])
    assert b"Say what the reviewers should look at again." in page.content


def test_only_who_adjudicates_sends_back(
    dispute: Dispute, client: Client, bob: User, dave: User
) -> None:
    address = reverse("labeling:dispute-send-back", args=[dispute.pk])
    form = {"reason": "x", "idempotency_key": str(uuid.uuid4())}
    for person, status in ((bob, 403), (dave, 404)):
        client.force_login(person)
        assert client.post(address, form).status_code == status
    assert client.get(address).status_code == 405
