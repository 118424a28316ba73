"""Equality checks over REST."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from labeling.models import Assignment, Membership, Project, ReviewItem, User
from labeling.services.assignments import claim_item
from modeljobs.models import EqualityCheck
from modeljobs.services import equalities as service
from tests.labeling.api.helpers import API, read_error, sign_in
from tests.labeling.factories import enqueue, join, make_user
from tests.modeljobs.web.rows import add_check
from tests.modeljobs.worlds import World


@pytest.fixture(autouse=True)
def posted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sent: list[int] = []
    monkeypatch.setattr(service, "_send", sent.append)
    return sent


@pytest.fixture
def item(world: World) -> ReviewItem:
    return enqueue(world.solutions[0])


@pytest.fixture
def lead(world: World) -> APIClient:
    return sign_in(world.alice)


@pytest.fixture
def bob(world: World) -> User:
    user = make_user("bob")
    join(world.project, user, Membership.Role.ANNOTATOR)
    return user


@pytest.fixture
def held(item: ReviewItem, bob: User) -> Assignment:
    return claim_item(user=bob, item=item)


def test_it_works(lead: APIClient, item: ReviewItem, world: World):
    answer = lead.post(f"{API}/items/{item.pk}/equalities/", {"text": "1+1=3", "position": 0})
    assert answer.status_code == 201
    said = answer.json()
    assert (said["state"], said["answer"], said["item"], said["pairs"]) == (
        "queued",
        "",
        item.pk,
        [],
    )
    EqualityCheck.objects.all().delete()
    check = add_check(item, world.alice)
    said = lead.get(f"{API}/equality-checks/{check.pk}/").json()
    assert (said["answer"], said["headline"], said["left"], said["right"]) == (
        "false",
        "False",
        "1+1",
        "3",
    )
    [pair] = said["pairs"]
    assert pair["statement"] == "$1+1 = 3$"
    assert pair["sentences"] == ["The left side is $2$ and the right side $3$."]


def test_in_ones_own_item(held: Assignment, bob: User, world: World):
    client = sign_in(bob)
    address = f"{API}/assignments/{held.pk}/equalities/"
    refused = client.post(address, {"text": "1+1=2", "position": 0})
    read_error(refused, 409, "sealed")
    Project.objects.filter(pk=world.project.pk).update(equality_checks="always")
    said = client.post(address, {"text": "1+1=2"})
    assert (said.status_code, said.json()["position"]) == (201, None)
    # One at a time.
    refused = client.post(address, {"text": "1+1=2"})
    read_error(refused, 429, "too_many_checks")
    assert refused.headers["Retry-After"] == "5"


def test_one_reads_ones_own_check_and_no_other_reviewers(held: Assignment, bob: User, world: World):
    own, other = add_check(held.item, bob), add_check(held.item, world.alice)
    client = sign_in(bob)
    assert client.get(f"{API}/equality-checks/{own.pk}/").status_code == 200
    assert client.get(f"{API}/equality-checks/{other.pk}/").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"text": ""},
        {"text": "x" * 2_001},
        {"position": 0},
        {"text": "1=1", "position": 99},
        {"text": "1=1", "position": -1},
    ],
)
def test_what_cannot_be_asked(lead: APIClient, item: ReviewItem, body: dict[str, object]):
    assert lead.post(f"{API}/items/{item.pk}/equalities/", body).status_code == 400
    assert not EqualityCheck.objects.exists()


def test_everybodys_checks_of_an_item(lead: APIClient, item: ReviewItem, bob: User, world: World):
    add_check(item, bob)
    add_check(item, world.alice)
    rows = lead.get(f"{API}/items/{item.pk}/equalities/").json()["results"]
    assert [row["author"] for row in rows] == ["alice", "bob"]
