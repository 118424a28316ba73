"""Testing an engine over REST."""

from __future__ import annotations

import pytest

from labeling.models import Membership
from modeljobs.models import EngineTest
from modeljobs.services import engine_tests
from tests.labeling.api.helpers import API, read_error, sign_in
from tests.labeling.factories import join, make_user


@pytest.fixture(autouse=True)
def messages(monkeypatch):
    sent: list[int] = []
    monkeypatch.setattr(engine_tests, "_send", sent.append)
    return sent


@pytest.fixture
def url(world):
    return f"{API}/engines/{world.engine.pk}"


@pytest.fixture
def lead(world):
    return sign_in(world.alice)


def test_it_works(world, lead, url):
    answer = lead.post(f"{url}/test/")
    assert answer.status_code == 202, answer.content
    asked = answer.json()
    assert (asked["state"], asked["result"], asked["engine"]) == ("queued", None, world.engine.pk)
    assert engine_tests.run_test(asked["id"])
    [row] = lead.get(f"{url}/tests/").json()["results"]
    assert (row["id"], row["state"]) == (asked["id"], "done")
    assert row["result"]["answered"] is True
    assert [door["name"] for door in row["result"]["doors"]] == ["completions", "chat"]


def test_while_one_is_under_way_that_one_is_answered(lead, url):
    first, second = (lead.post(f"{url}/test/").json()["id"] for _ in range(2))
    assert first == second
    assert EngineTest.objects.count() == 1


def test_who_sees_engines_sees_their_tests_and_asks_for_none(world, url):
    frank = make_user("frank")
    join(world.project, frank, Membership.Role.ENGINEER)
    client = sign_in(frank)
    assert client.get(f"{url}/tests/").json() == {"results": []}
    read_error(client.post(f"{url}/test/"), 403, "not_allowed")


def test_annotators_see_nothing_of_it(world, url):
    bob = make_user("bob")
    join(world.project, bob, Membership.Role.ANNOTATOR)
    client = sign_in(bob)
    read_error(client.get(f"{url}/tests/"), 403, "not_allowed")
    read_error(client.post(f"{url}/test/"), 403, "not_allowed")


def test_an_engine_that_is_not_there(lead):
    read_error(lead.post(f"{API}/engines/1000000/test/"), 404, "not_found")
    read_error(lead.get(f"{API}/engines/1000000/tests/"), 404, "not_found")


def test_a_field_that_nobody_knows(lead, url):
    read_error(lead.post(f"{url}/test/", {"hurry": True}), 400, "invalid_input")
