"""Engines and methods over REST: added by leads, seen by those who see jobs, keys by nobody."""

from __future__ import annotations

import pytest

from labeling.models import Membership
from modeljobs.models import Engine
from tests.labeling.api.helpers import API, read_error, sign_in
from tests.labeling.factories import join, make_user

SERVER = {
    "name": "Local server",
    "kind": "openai_compatible",
    "settings": {
        "base_url": "http://127.0.0.1:8000/v1",
        "model": "some-model",
        "key_name": "LOCAL",
    },
    "output_may_train": True,
}


@pytest.fixture
def url():
    return f"{API}/engines/"


@pytest.fixture
def lead(world):
    return sign_in(world.alice)


@pytest.fixture
def engineer(world):
    frank = make_user("frank")
    join(world.project, frank, Membership.Role.ENGINEER)
    return sign_in(frank)


def test_it_works(url, lead, monkeypatch):
    monkeypatch.setenv("WORKBENCH_ENGINE_KEY_LOCAL", "sk-very-secret")
    answer = lead.post(url, SERVER)
    assert answer.status_code == 201, answer.content
    assert answer.json()["sends_data_away"] is True
    assert answer.json()["settings"]["key_name"] == "LOCAL"
    listed = lead.get(url)
    assert "sk-very-secret" not in listed.content.decode()
    assert [row["name"] for row in listed.json()["results"]] == ["Scripted", "Local server"]


def test_who_sees_jobs_sees_engines_without_their_settings(world, url, engineer):
    [row] = engineer.get(url).json()["results"]
    assert row["name"] == "Scripted"
    assert row["is_scripted"] is True
    assert row["settings"] is None
    assert engineer.get(f"{url}{row['id']}/").json() == row


def test_annotators_do_not_see_engines(world, url):
    bob = make_user("bob")
    join(world.project, bob, Membership.Role.ANNOTATOR)
    read_error(sign_in(bob).get(url), 403, "not_allowed")
    read_error(sign_in(bob).get(f"{url}{world.engine.pk}/"), 403, "not_allowed")


@pytest.mark.parametrize(
    ("change", "field"),
    [({"kind": "oracle"}, "kind"), ({"name": ""}, "name"), ({"settings": []}, "settings")],
)
def test_engines_that_are_not_added(url, lead, change, field):
    error = read_error(lead.post(url, {**SERVER, **change}), 400, "invalid_input")
    assert error["detail"]["field"] == field
    assert Engine.objects.count() == 1


def test_settings_with_every_fault_named(url, lead):
    settings = {"base_url": 7, "colour": "red"}
    answer = lead.post(url, {**SERVER, "settings": settings})
    error = read_error(answer, 400, "invalid_input")
    assert {"base_url", "colour", "model"} <= set(error["detail"]["problems"])


def test_a_name_is_taken_once(url, lead):
    assert lead.post(url, SERVER).status_code == 201
    read_error(lead.post(url, SERVER), 409, "conflict")


def test_an_engine_is_switched_off(world, url, lead):
    answer = lead.patch(f"{url}{world.engine.pk}/", {"is_active": False})
    assert answer.json()["is_active"] is False
    assert lead.get(url).json()["results"] == []
    assert len(lead.get(url, {"include_inactive": "true"}).json()["results"]) == 1


def test_an_engine_that_is_not_there(url, lead):
    read_error(lead.get(f"{url}1000000/"), 404, "not_found")


def test_methods_and_kinds_describe_their_settings(world, lead):
    answer = lead.get(f"{API}/methods/").json()
    [method] = [row for row in answer["results"] if row["name"] == "injection"]
    by_name = {option["name"]: option for option in method["parameters"]}
    assert "deception" in by_name["error_types"]["choices"]
    kinds = {kind["name"]: kind for kind in answer["engine_kinds"]}
    assert kinds["openai_compatible"]["sends_data_away"] is True
    assert kinds["scripted"]["is_scripted"] is True
