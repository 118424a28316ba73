"""What people said: read by those who may, changed by its author alone."""

from __future__ import annotations

import pytest

from labeling.models import Annotation, Dispute
from tests.labeling.api.helpers import (
    API,
    RIGHT,
    WRONG,
    make_dispute,
    new_key,
    read_error,
    sign_in,
    submit_as,
)
from tests.labeling.factories import enqueue, make_solution, rating


@pytest.fixture
def url(project):
    return f"{API}/projects/{project.slug}/annotations/"


@pytest.fixture
def annotation(project, bob) -> Annotation:
    enqueue(make_solution(project))
    return submit_as(bob, project, rating(*RIGHT))[1]


def change(content=None, number=1, reason="I looked again.", **more):
    return {
        "number": number,
        "idempotency_key": new_key(),
        "content": rating(*WRONG) if content is None else content,
        "reason": reason,
        **more,
    }


def test_annotators_see_their_own(url, project, bob, erin, annotation):
    [row] = sign_in(bob).get(url).json()["results"]
    assert row["id"] == annotation.pk
    assert row["is_own"]
    assert row["reviewer"] == "bob"
    assert row["current"]["number"] == 1
    assert row["current"]["first_error_state"] == "none"
    assert sign_in(erin).get(url).json()["results"] == []


def test_leads_and_adjudicators_see_everybodys(url, project, alice, carol, bob, erin):
    make_dispute(project, bob, erin)
    for person in (alice, carol):
        rows = sign_in(person).get(url).json()["results"]
        assert len(rows) == 2
        assert {row["reviewer"] for row in rows}.isdisjoint({"bob", "erin"})
        assert not any(row["is_own"] for row in rows)


def test_filters(url, project, bob, annotation):
    client = sign_in(bob)
    assert len(client.get(url, {"solution": annotation.solution_id}).json()["results"]) == 1
    assert client.get(url, {"item": 10**9}).json()["results"] == []
    assert client.get(url, {"kind": "imported"}).json()["results"] == []


def test_a_revision_stands_beside_the_first(bob, annotation):
    client = sign_in(bob)
    url = f"{API}/annotations/{annotation.pk}/"
    answer = client.post(f"{url}revise/", change())
    assert answer.status_code == 201
    assert answer.json()["revision"] == 2
    history = client.get(url).json()
    assert [entry["number"] for entry in history["revisions"]] == [1, 2]
    assert history["current"]["reason"] == "I looked again."
    assert history["current"]["first_error_position"] == 1


def test_a_retry_adds_no_revision(bob, annotation):
    body = change()
    url = f"{API}/annotations/{annotation.pk}/revise/"
    answers = [sign_in(bob).post(url, body).json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert annotation.revisions.count() == 2


def test_a_revision_of_an_older_one(bob, annotation):
    url = f"{API}/annotations/{annotation.pk}/revise/"
    assert sign_in(bob).post(url, change()).status_code == 201
    error = read_error(sign_in(bob).post(url, change()), 409, "conflict")
    assert error["detail"]["number"] == 2


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (change(reason=" "), "invalid_input"),
        (change(content={}), "invalid_input"),
        (change(content=rating("correct", None, None)), "incomplete"),
        (change(number="x"), "invalid_input"),
    ],
)
def test_revisions_that_are_refused(bob, annotation, body, code):
    url = f"{API}/annotations/{annotation.pk}/revise/"
    read_error(sign_in(bob).post(url, body), 400, code)
    assert annotation.revisions.count() == 1


def test_nobody_reads_or_changes_anothers_by_this_address(annotation, alice, erin, dave):
    for person in (alice, erin, dave):
        url = f"{API}/annotations/{annotation.pk}/"
        read_error(sign_in(person).get(url), 404, "not_found")
        read_error(sign_in(person).post(f"{url}revise/", change()), 404, "not_found")


def test_a_change_of_mind_ends_a_dispute(project, bob, erin):
    dispute = make_dispute(project, bob, erin)
    own = Annotation.objects.get(annotator=bob)
    answer = sign_in(bob).post(f"{API}/annotations/{own.pk}/revise/", change())
    assert answer.status_code == 201
    dispute.refresh_from_db()
    assert dispute.state == Dispute.State.CLOSED
