"""Ratings of reasoning over REST."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from labeling.models import Membership, Project, User
from labeling.services.assignments import claim_item
from modeljobs.models import JobItem, RationaleRating
from modeljobs.services.reveals import open_evidence
from tests.labeling.api.helpers import API, read_error, sign_in
from tests.labeling.factories import enqueue, join, make_user
from tests.modeljobs.web.rows import add_evidence, add_rating, make_job, make_sample
from tests.modeljobs.worlds import World


@pytest.fixture
def item(world: World) -> JobItem:
    found = make_job(world.project, world.alice, world.solutions[:1]).items.get()
    for position in (0, 1):
        add_evidence(found, position, [make_sample(0), make_sample(1)])
    return found


@pytest.fixture
def lead(world: World) -> APIClient:
    return sign_in(world.alice)


@pytest.fixture
def bob(world: World) -> User:
    user = make_user("bob")
    join(world.project, user, Membership.Role.ANNOTATOR)
    return user


def url(item: JobItem) -> str:
    return f"{API}/job-items/{item.pk}/rationales/"


def test_it_works(lead: APIClient, item: JobItem):
    answer = lead.post(url(item), {"position": 0, "sample": 1, "value": "wrong", "note": "No."})
    assert answer.status_code == 201
    said = answer.json()
    assert (said["person"], said["value"], said["note"], said["sample"]) == (
        "alice",
        "wrong",
        "No.",
        1,
    )
    # Said again, it counts once.
    again = lead.post(url(item), {"position": 0, "sample": 1, "value": "wrong", "note": "No."})
    assert again.json()["id"] == said["id"]


def test_one_reads_ones_own(lead: APIClient, item: JobItem, world: World, bob: User):
    add_rating(item, bob)
    add_rating(item, world.alice, value="wrong")
    add_rating(item, world.alice, position=1)
    rows = lead.get(url(item)).json()["results"]
    assert [(row["position"], row["value"]) for row in rows] == [(1, "sound"), (0, "wrong")]
    assert len(lead.get(url(item), {"position": 0}).json()["results"]) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"position": 0, "value": "good"},
        {"position": 0},
        {"value": "sound"},
        {"position": 5, "value": "sound"},
        {"position": 0, "sample": 9, "value": "sound"},
    ],
)
def test_what_is_not_there(lead: APIClient, item: JobItem, body: dict[str, object]):
    answer = lead.post(url(item), body)
    assert answer.status_code == 400
    assert not RationaleRating.objects.exists()


def test_a_reviewer_rates_what_was_opened_to_them(item: JobItem, bob: User, world: World):
    Project.objects.filter(pk=world.project.pk).update(machine_evidence="always")
    held = claim_item(user=bob, item=enqueue(item.solution))
    client = sign_in(bob)
    assert client.post(url(item), {"position": 0, "value": "sound"}).status_code == 403
    open_evidence(assignment=held, position=0)
    assert client.post(url(item), {"position": 0, "value": "sound"}).status_code == 201
    refused = client.post(url(item), {"position": 1, "value": "sound"})
    read_error(refused, 403, "not_allowed")


def test_a_jobs_ratings_and_their_history(lead: APIClient, item: JobItem, world: World, bob: User):
    add_rating(item, bob, value="wrong")
    add_rating(item, bob, value="sound")
    add_rating(item, world.alice, value="wrong_reason")
    address = f"{API}/jobs/{item.job_id}/rationales/"
    rows = lead.get(address).json()["results"]
    assert [(row["person"], row["value"]) for row in rows] == [
        ("alice", "wrong_reason"),
        ("bob", "sound"),
    ]
    assert len(lead.get(address, {"history": True}).json()["results"]) == 3
    assert [row["person"] for row in lead.get(address, {"value": "sound"}).json()["results"]] == [
        "bob"
    ]
    assert lead.get(address, {"value": "good"}).status_code == 400


def test_a_jobs_ratings_together(lead: APIClient, item: JobItem, world: World, bob: User):
    address = f"{API}/jobs/{item.job_id}/rationales/tally/"
    nothing = lead.get(address).json()
    assert (nothing["ratings"], nothing["sound_low"]) == (0, None)
    add_rating(item, bob)
    add_rating(item, world.alice, value="wrong")
    said = lead.get(address).json()
    assert said["counts"] == {"sound": 1, "wrong_reason": 0, "wrong": 1}
    assert (said["ratings"], said["samples"], said["people"]) == (2, 1, 2)
    # Wilson's interval of 1 of 2.
    assert (said["sound_low"], said["sound_high"]) == pytest.approx((0.0945, 0.9055), abs=1e-4)
