"""Disputes: everyone's word side by side, and the decision."""

from __future__ import annotations

import uuid

import pytest

from labeling.models import Adjudication, Annotation, Dispute, Exposure, ReviewItem
from labeling.services.annotations import revise
from tests.labeling.api.helpers import (
    API,
    RIGHT,
    make_dispute,
    new_key,
    read_error,
    sign_in,
    submit_as,
)
from tests.labeling.factories import make_injection_item, rating, verdict


@pytest.fixture
def dispute(project, bob, erin) -> Dispute:
    return make_dispute(project, bob, erin)


@pytest.fixture
def url(dispute):
    return f"{API}/disputes/{dispute.pk}/"


def decision(version=1, content=None, reason="Every step follows.", **more):
    return {
        "version": version,
        "idempotency_key": new_key(),
        "content": rating(*RIGHT) if content is None else content,
        "reason": reason,
        **more,
    }


def test_open_disputes_are_listed(project, dispute, carol):
    client = sign_in(carol)
    [row] = client.get(f"{API}/projects/{project.slug}/disputes/").json()["results"]
    assert row["id"] == dispute.pk
    assert row["question"] == "What is $2+2$?"
    assert row["kinds"] == ["existence"]
    decided = client.get(f"{API}/projects/{project.slug}/disputes/", {"state": "decided"})
    assert decided.json()["results"] == []


def test_a_dispute_shows_everyones_word(url, carol, bob):
    answer = sign_in(carol).get(url).json()
    assert len(answer["people"]) == 2
    assert bob.username not in {person["name"] for person in answer["people"]}
    assert [row["agreed"] for row in answer["rows"]] == [True, False, False]
    assert [cell["rating"] for cell in answer["rows"][1]["cells"]] == [1, -1]
    assert answer["reference_answer"] == "4"
    assert answer["claim"] is None
    assert answer["alignment"] == []
    assert answer["is_own_work"] is False
    assert answer["n_open"] == 1
    # Reading is not writing: the log has what the POST says.
    assert not Exposure.objects.filter(what=Exposure.What.OTHERS).exists()


def test_opening_one_is_logged(url, carol):
    answer = sign_in(carol).post(f"{url}open/")
    assert answer.status_code == 200
    assert answer.json()["dispute"]["version"] == 1
    assert Exposure.objects.get(what=Exposure.What.OTHERS).person == carol


def test_a_disputed_injection_shows_the_claim(project, bob, erin, carol):
    item = make_injection_item(project)
    submit_as(bob, project, verdict("accept"))
    submit_as(erin, project, verdict("reject", reject_code="not_an_error", error_positions=[]))
    dispute = Dispute.objects.get(item=item)
    answer = sign_in(carol).get(f"{API}/disputes/{dispute.pk}/").json()
    assert answer["claim"]["reason"] == "Step 2 adds wrongly."
    assert [row["kind"] for row in answer["alignment"]] == ["same", "edited", "same"]
    assert {person["verdict"] for person in answer["people"]} == {"accept", "reject"}


def test_a_decision(url, dispute, carol):
    answer = sign_in(carol).post(f"{url}decide/", decision())
    assert answer.status_code == 201
    adjudication = Adjudication.objects.get()
    assert answer.json() == {
        "adjudication_id": adjudication.pk,
        "number": 1,
        "next_url": "/projects/algebra/disputes/",
    }
    assert adjudication.reason == "Every step follows."
    dispute.item.refresh_from_db()
    assert dispute.item.state == ReviewItem.State.DECIDED


def test_after_a_decision_comes_the_next_dispute(url, project, bob, erin, carol):
    other = make_dispute(project, bob, erin, key="second")
    answer = sign_in(carol).post(f"{url}decide/", decision())
    assert answer.json()["next_url"] == f"/disputes/{other.pk}/"


def test_a_retry_is_one_decision(url, carol):
    body = decision()
    answers = [sign_in(carol).post(f"{url}decide/", body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["adjudication_id"] == answers[1].json()["adjudication_id"]
    assert Adjudication.objects.count() == 1


def test_a_decision_on_words_that_changed(url, dispute, bob, carol):
    own = Annotation.objects.get(annotator=bob)
    revise(
        annotation=own,
        by=bob,
        data=rating("correct", "correct", "wrong"),
        reason="I looked again.",
        seen_number=1,
        idempotency_key=uuid.uuid4(),
    )
    error = read_error(sign_in(carol).post(f"{url}decide/", decision()), 409, "conflict")
    assert error["detail"]["version"] == 2
    assert not Adjudication.objects.exists()


def test_a_closed_dispute_is_not_decided_again(url, carol, alice):
    assert sign_in(carol).post(f"{url}decide/", decision()).status_code == 201
    error = read_error(sign_in(alice).post(f"{url}decide/", decision()), 409, "conflict")
    assert error["detail"]["state"] == "decided"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (decision(reason=" "), "invalid_input"),
        (decision(content={}), "invalid_input"),
        (decision(content=verdict()), "invalid_input"),
        (decision(content=rating("correct", None, None)), "incomplete"),
        (decision(version=None), "invalid_input"),
        (decision(idempotency_key="x"), "invalid_input"),
    ],
)
def test_decisions_that_are_refused(url, carol, body, code):
    read_error(sign_in(carol).post(f"{url}decide/", body), 400, code)
    assert not Adjudication.objects.exists()


def test_nobody_decides_on_their_own_work(project, alice, bob, erin):
    dispute = make_dispute(project, alice, bob)
    answer = sign_in(alice).get(f"{API}/disputes/{dispute.pk}/").json()
    assert answer["is_own_work"] is True
    refused = sign_in(alice).post(f"{API}/disputes/{dispute.pk}/decide/", decision())
    read_error(refused, 403, "not_allowed")
