"""Testing an engine on its page."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from modeljobs.engines.catalog import KINDS
from modeljobs.models import Engine, EngineTest
from modeljobs.services import engine_tests
from modeljobs.services.workers import record_beat
from tests.labeling.web.helpers import ATTACK, check_html, count_queries, words_of
from tests.modeljobs.web.conftest import ROLES
from tests.modeljobs.worlds import World

State = EngineTest.State
DONE: dict[str, Any] = {
    "answered": True,
    "doors": [
        {"name": "completions", "answers": True, "code": "", "error": ""},
        {"name": "chat", "answers": False, "code": "not_found", "error": "There is no such door."},
    ],
    "error": "",
    "code": "",
    "model": "m-2",
    "models": ["m-2", "m-3"],
    "text": "4",
    "latency_ms": 1234,
    "context_length": 4096,
    "logprobs": True,
    "several": False,
    "token_ids": None,
}


@pytest.fixture(autouse=True)
def messages(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The tests that a worker would have been told of."""
    sent: list[int] = []
    monkeypatch.setattr(engine_tests, "_send", sent.append)
    return sent


@pytest.fixture
def address(world: World) -> str:
    return reverse("modeljobs:engine", args=[world.engine.pk])


def make_test(world: World, state: State = State.DONE, **result: Any) -> EngineTest:
    now = timezone.now()
    return EngineTest.objects.create(
        engine=world.engine,
        state=state,
        result=result,
        requested_by=world.alice,
        created_at=now,
        started_at=now,
    )


def read_part(client: Client, address: str) -> str:
    answer = client.get(address + "?fragment=tests")
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_it_works(lead: Client, world: World, address: str) -> None:
    answer = lead.post(address, {"test": "1"})
    assert answer.headers["Location"] == address
    test = EngineTest.objects.get()
    assert (test.engine, test.requested_by, test.state) == (
        world.engine,
        world.alice,
        State.QUEUED,
    )
    html = lead.get(address).content.decode()
    check_html(html)
    # The part asks for itself again until there is a result.
    assert "data-live=" in html
    assert "data-live-done" not in html
    assert "Waiting for a worker." in html


def test_a_test_changes_no_setting(lead: Client, world: World, address: str) -> None:
    lead.post(address, {"test": "1", "name": ""})
    world.engine.refresh_from_db()
    assert world.engine.name == "Scripted"


def test_pressing_twice_makes_one_test(lead: Client, address: str) -> None:
    lead.post(address, {"test": "1"})
    answer = lead.post(address, {"test": "1"}, follow=True)
    assert EngineTest.objects.count() == 1
    assert "under way already" in words_of(answer)


def test_before_any_test(lead: Client, address: str) -> None:
    html = lead.get(address).content.decode()
    check_html(html)
    assert "It was never tested" in html
    assert "data-live-done" in html


def test_who_may(everyone: dict[str, Client], address: str) -> None:
    statuses = tuple(everyone[role].post(address, {"test": "1"}).status_code for role in ROLES)
    assert statuses == (302, 403, 403, 403, 403, 302)
    assert EngineTest.objects.count() == 1


def test_what_the_engine_can_do_is_said(lead: Client, world: World, address: str) -> None:
    make_test(world, **DONE)
    html = read_part(lead, address)
    check_html(html)
    text = words_of(lead.get(address + "?fragment=tests"))
    for words in ("answers", "m-2", "1,234 ms", "4,096 tokens", "Raw prompts", "Chats"):
        assert words in text
    assert "There is no such door." in text
    assert "data-live-done" in html


def test_a_failure_is_a_sentence(lead: Client, world: World, address: str) -> None:
    make_test(world, State.FAILED, answered=False, code="timeout", error="It did not answer.")
    text = words_of(lead.get(address))
    assert "does not answer" in text
    assert "The engine did not answer in time. It did not answer." in text


def test_earlier_tests_stay_to_be_seen(lead: Client, world: World, address: str) -> None:
    make_test(world, State.FAILED, answered=False, code="timeout", error="Too slow.")
    make_test(world, **DONE)
    html = read_part(lead, address)
    check_html(html)
    assert html.index("m-2") < html.index("Earlier tests") < html.index("Too slow.")


def test_without_a_worker_the_page_says_how_to_start_one(
    lead: Client, world: World, address: str
) -> None:
    make_test(world, State.QUEUED)
    assert "No worker is running" in read_part(lead, address)
    now = timezone.now()
    record_beat(name="w", queues=["models"], pid=1, started_at=now, now=now)
    assert "No worker is running" not in read_part(lead, address)


def test_the_banner_stands_only_where_something_waits(
    lead: Client, world: World, address: str
) -> None:
    make_test(world, **DONE)
    assert "No worker is running" not in read_part(lead, address)


def test_while_one_is_under_way_there_is_nothing_to_press(
    lead: Client, world: World, address: str
) -> None:
    make_test(world, State.RUNNING)
    html = read_part(lead, address)
    assert 'id="test-engine" name="test" value="1" disabled' in html
    assert "A worker asks it now." in html


def test_a_new_engine_has_nothing_to_test(lead: Client) -> None:
    html = lead.get(reverse("modeljobs:engine-new") + "?kind=scripted").content.decode()
    assert "test-engine" not in html


def test_what_an_engine_says_is_text(lead: Client, world: World, address: str) -> None:
    doors = [{"name": "chat", "answers": False, "code": ATTACK, "error": ATTACK}]
    make_test(world, **(DONE | {"text": ATTACK, "model": ATTACK, "models": [ATTACK]}))
    make_test(world, State.FAILED, answered=False, code=ATTACK, error=ATTACK, doors=doors)
    html = lead.get(address).content.decode()
    check_html(html)
    assert ATTACK not in html


def test_the_list_says_how_the_last_test_went(lead: Client, world: World) -> None:
    page = reverse("modeljobs:engines")
    assert "never" in words_of(lead.get(page))
    make_test(world, **DONE)
    make_test(world, State.FAILED, answered=False, code="timeout", error="Too slow.")
    html = lead.get(page).content.decode()
    check_html(html)
    assert "does not answer" in html


def test_the_list_costs_the_same_for_many_tests(lead: Client, world: World) -> None:
    page = reverse("modeljobs:engines")
    make_test(world, **DONE)
    few = count_queries(lead, page)
    for index in range(5):
        engine = Engine.objects.create(name=f"e{index}", kind="scripted")
        EngineTest.objects.create(
            engine=engine, requested_by=world.alice, created_at=timezone.now()
        )
    assert count_queries(lead, page) == few


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_has_a_form_that_makes_an_engine(lead: Client, kind: str) -> None:
    new = reverse("modeljobs:engine-new") + f"?kind={kind}"
    html = lead.get(new).content.decode()
    check_html(html)
    values = {"base_url": "http://127.0.0.1:8000/v1", "model": "/models/some"}
    needed = {
        f"option-{option.name}": values[option.name]
        for option in KINDS[kind].options
        if option.required
    }
    choices = {
        f"option-{option.name}": option.default
        for option in KINDS[kind].options
        if option.type == "choice"
    }
    assert lead.post(new, {"name": kind, **needed, **choices}).status_code == 302
    engine = Engine.objects.get(name=kind)
    assert engine.kind == kind
    html = lead.get(reverse("modeljobs:engine", args=[engine.pk])).content.decode()
    check_html(html)
    assert ("Problems and solutions are sent to this server." in html) == (
        KINDS[kind].sends_data_away
    )


def test_prices_without_a_currency_are_refused_at_their_field(lead: Client) -> None:
    new = reverse("modeljobs:engine-new") + "?kind=vllm"
    form = {
        "name": "v",
        "option-base_url": "http://127.0.0.1:8000",
        "option-model": "m",
        "option-price_prompt": "0.5",
    }
    answer = lead.post(new, form)
    assert answer.status_code == 400
    assert "option-currency" in answer.context["form"].errors
    assert lead.post(new, form | {"option-currency": "USD"}).status_code == 302
    assert Engine.objects.get(name="v").options["price_prompt"] == 0.5
