from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from modeljobs.models import Engine
from tests.labeling.factories import make_project
from tests.labeling.web.helpers import check_html, count_queries, words_of
from tests.modeljobs.web.conftest import ROLES
from tests.modeljobs.worlds import World

LIST = reverse("modeljobs:engines")
NEW = reverse("modeljobs:engine-new") + "?kind=openai_compatible"
FORM = {
    "name": "node 3",
    "option-base_url": "http://127.0.0.1:8000/v1",
    "option-model": "qwen-7b",
    "option-key_name": "",
    "option-extra_body": '{"top_k": 20}',
    "output_may_train": "yes",
    "output_terms": "Apache-2.0 weights.",
}


@pytest.mark.parametrize(
    ("address", "expected"),
    [(LIST, (200, 403, 403, 200, 403, 302)), (NEW, (200, 403, 403, 403, 403, 302))],
)
def test_who_may_open(address, expected, everyone: dict[str, Client]):
    assert tuple(everyone[role].get(address).status_code for role in ROLES) == expected


def test_it_works(lead: Client):
    assert lead.post(NEW, FORM).headers["Location"] == LIST
    engine = Engine.objects.get(name="node 3")
    assert (engine.kind, engine.base_url, engine.model) == (
        "openai_compatible",
        "http://127.0.0.1:8000/v1",
        "qwen-7b",
    )
    assert engine.options["extra_body"] == {"top_k": 20}
    # What was left empty has its default.
    assert engine.options["max_attempts"] == 5
    assert (engine.output_may_train, engine.output_terms) == (True, "Apache-2.0 weights.")
    text = words_of(lead.get(LIST))
    assert "qwen-7b" in text
    assert "The engine node 3 is there for all projects." in text


def test_editing(lead: Client):
    lead.post(NEW, FORM)
    engine = Engine.objects.get(name="node 3")
    address = reverse("modeljobs:engine", args=[engine.pk])
    html = lead.get(address).content.decode()
    check_html(html)
    assert 'value="qwen-7b"' in html
    lead.post(address, FORM | {"option-model": "qwen-32b"})
    engine.refresh_from_db()
    # The box was not ticked: new jobs may not use it.
    assert (engine.model, engine.is_active) == ("qwen-32b", False)
    assert "switched off" in words_of(lead.get(LIST))


def test_keys_are_names_and_never_values(lead: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WORKBENCH_ENGINE_KEY_NODE3", "sk-very-secret")
    monkeypatch.setenv("WORKBENCH_ENGINE_HOSTS_NODE3", "api.example.org")
    for address in (LIST, NEW):
        html = lead.get(address).content.decode()
        assert "sk-very-secret" not in html
        assert "api.example.org" not in html
    assert '<option value="NODE3">NODE3</option>' in lead.get(NEW).content.decode()
    lead.post(NEW, FORM | {"option-key_name": "NODE3"})
    assert Engine.objects.get(name="node 3").key_name == "NODE3"
    assert "sk-very-secret" not in lead.get(LIST).content.decode()


def test_a_key_that_is_not_set_says_so(lead: Client, world: World):
    Engine.objects.create(
        name="old", kind="openai_compatible", base_url="http://h", model="m", key_name="GONE"
    )
    assert "not set" in words_of(lead.get(LIST))


def test_a_key_cannot_be_typed_in(lead: Client):
    response = lead.post(NEW, FORM | {"option-key_name": "sk-my-own-secret"})
    assert response.status_code == 400
    assert "option-key_name" in response.context["form"].errors
    assert not Engine.objects.filter(name="node 3").exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"option-base_url": ""}, "option-base_url"),
        ({"option-model": ""}, "option-model"),
        ({"option-timeout_s": "-1"}, "option-timeout_s"),
        ({"option-extra_body": "{"}, "option-extra_body"),
        ({"option-extra_body": "[1]"}, "option-extra_body"),
        ({"option-extra_body": '{"messages": []}'}, "option-extra_body"),
    ],
)
def test_what_is_wrong_stands_at_its_field(changes, field, lead: Client):
    response = lead.post(NEW, FORM | changes)
    assert response.status_code == 400
    assert field in response.context["form"].errors
    check_html(response.content.decode())


def test_a_name_that_is_taken(lead: Client):
    lead.post(NEW, FORM)
    response = lead.post(NEW, FORM)
    assert response.status_code == 400
    assert "There is an engine named" in response.content.decode()


def test_a_kind_that_is_none(lead: Client):
    assert lead.get(reverse("modeljobs:engine-new") + "?kind=psychic").status_code == 404
    assert lead.get(reverse("modeljobs:engine-new")).status_code == 404


def test_a_scripted_engine_says_that_it_is_one(lead: Client):
    text = words_of(lead.get(reverse("modeljobs:engine-new") + "?kind=scripted"))
    assert "holds no model" in text
    lead.post(
        reverse("modeljobs:engine-new") + "?kind=scripted",
        {"name": "careless", "option-malformed_rate": "0.5"},
    )
    assert Engine.objects.get(name="careless").options["malformed_rate"] == 0.5
    assert words_of(lead.get(LIST)).count("scripted") >= 2


def test_an_engineer_looks_and_does_not_change(engineer: Client, world: World):
    address = reverse("modeljobs:engine", args=[world.engine.pk])
    assert engineer.get(address).status_code == 403
    assert address not in engineer.get(LIST).content.decode()


def test_hostile_text(lead: Client, world: World):
    attack = "<script>alert(1)</script>"
    Engine.objects.create(
        name=attack,
        kind="openai_compatible",
        base_url=f"http://h/{attack}",
        model=attack,
        key_name=attack,
    )
    html = lead.get(LIST).content.decode()
    check_html(html)
    assert attack not in html


def test_the_list_costs_the_same_for_many(lead: Client, world: World):
    few = count_queries(lead, LIST)
    for index in range(10):
        Engine.objects.create(name=f"e{index}", kind="scripted")
    assert count_queries(lead, LIST) == few


def test_nobody_manages_who_leads_nothing(everyone: dict[str, Any]):
    dave = everyone["outsider"]
    from labeling.models import User

    make_project(User.objects.get(username="dave"), "mine")
    # Now dave leads a project of his own.
    assert dave.get(LIST).status_code == 200
