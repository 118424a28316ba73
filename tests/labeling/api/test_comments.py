"""Comments over REST: said, answered, settled, withdrawn; each sees what the pages show them."""

from __future__ import annotations

import pytest

from labeling.models import Comment
from labeling.services.assignments import claim_item
from tests.labeling.api.helpers import API, new_key, read_error, sign_in
from tests.labeling.factories import enqueue, make_project, make_solution


@pytest.fixture
def item(project, bob, erin):
    """An item in the hands of both reviewers."""
    item = enqueue(make_solution(project))
    for person in (bob, erin):
        claim_item(user=person, item=item)
    return item


@pytest.fixture
def url(project):
    return f"{API}/projects/{project.slug}/comments/"


def words(item, text="Is it rounded?", **more):
    return {"item": item.pk, "text": text, "idempotency_key": new_key(), **more}


def answer(text="It is.", **more):
    return {"text": text, "idempotency_key": new_key(), **more}


def test_it_works(item, url, bob, alice):
    reviewer, lead = sign_in(bob), sign_in(alice)
    sent = words(item, position=1, reason="guidelines", names=[alice.pk])
    made = reviewer.post(url, sent)
    assert made.status_code == 201
    comment = made.json()
    assert (comment["kind"], comment["position"], comment["is_own"]) == ("flag", 1, True)
    assert reviewer.post(url, sent).json()["id"] == comment["id"]
    [row] = lead.get(url, {"kind": "flag", "state": "open"}).json()["results"]
    assert row["text"] == "Is it rounded?"
    assert row["author"] not in ("bob", "")
    one = f"{API}/comments/{comment['id']}/"
    assert lead.post(f"{one}reply/", answer()).json()["thread"] == comment["id"]
    assert lead.post(f"{one}resolve/").json()["resolved_by"] == "alice"
    assert reviewer.get(url, {"state": "open"}).json()["results"] == []
    assert lead.post(f"{one}reopen/").json()["resolved_at"] is None
    assert reviewer.post(f"{one}withdraw/").json()["text"] == "Is it rounded?"
    assert lead.get(one).json()["text"] == ""


def test_a_reviewer_learns_nothing_from_another(item, url, bob, erin):
    made = sign_in(bob).post(url, words(item, "Step 2 is wrong.")).json()
    client = sign_in(erin)
    assert client.get(url).json()["results"] == []
    one = f"{API}/comments/{made['id']}/"
    read_error(client.get(one), 404, "not_found")
    for action, body in (("reply", answer()), ("resolve", {}), ("withdraw", {})):
        read_error(client.post(f"{one}{action}/", body), 404, "not_found")


def test_comments_to_oneself(item, url, bob, alice):
    sign_in(alice).post(url, words(item, names=[bob.pk]))
    client = sign_in(bob)
    [mention] = client.get(f"{API}/mentions/", {"unseen": True}).json()["results"]
    assert mention["comment"]["named"] == ["bob"]
    seen = f"{API}/mentions/{mention['id']}/seen/"
    assert [client.post(seen).json()["marked"] for _ in range(2)] == [1, 0]
    assert client.get(f"{API}/mentions/", {"unseen": True}).json()["results"] == []
    assert len(client.get(f"{API}/mentions/").json()["results"]) == 1


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"text": ""}, 400),
        ({"text": "x" * 4001}, 400),
        ({"text": "a\x00b"}, 400),
        ({"position": 3}, 400),
        ({"reason": "boredom"}, 400),
        ({"names": [1, "x"]}, 400),
        ({"names": list(range(1, 30))}, 400),
        ({"idempotency_key": "again"}, 400),
        ({"audience": "everyone"}, 403),
        ({"item": 10**18}, 404),
        ({"colour": "red"}, 400),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_what_is_refused(item, url, bob, wrong, status):
    assert sign_in(bob).post(url, words(item) | wrong).status_code == status
    assert not Comment.objects.exists()


def test_an_item_of_another_project(item, url, alice):
    other = enqueue(make_solution(make_project(alice, "other")))
    read_error(sign_in(alice).post(url, words(other)), 404, "not_found")


def test_an_item_that_one_never_had(project, url, bob):
    read_error(sign_in(bob).post(url, words(enqueue(make_solution(project)))), 404, "not_found")
