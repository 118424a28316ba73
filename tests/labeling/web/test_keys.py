"""The page of one's own keys, without a script."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import User
from labeling.preferences import read_preferences
from tests.labeling.factories import make_user
from tests.labeling.web.helpers import ATTACK, check_html, sign_in, words_of

URL = reverse("labeling:account-keys")


@pytest.fixture
def mei(db: None) -> User:
    return make_user("mei")


@pytest.fixture
def window(mei: User) -> Client:
    return sign_in(mei)


def keys_of(user: User) -> dict[str, tuple[str, ...]]:
    user.refresh_from_db()
    return dict(read_preferences(user).keys)


def send(client: Client, do: str, **fields: str) -> Any:
    return client.post(URL, {"do": do, **fields})


def test_it_works(window: Client, mei: User):
    text = words_of(window.get(URL))
    assert "First error here" in text
    assert "All keys as at first" not in text
    answer = send(window, "change", action="problem", keys="Q")
    assert answer.url == f"{URL}#key-problem"
    assert keys_of(mei) == {"problem": ("q",)}
    shown = words_of(window.get(URL))
    assert "“Problem” is Q now." in shown
    assert "Back to P" in shown


def test_several_keys_and_none(window: Client, mei: User):
    send(window, "change", action="problem", keys="q ⇧Q")
    assert keys_of(mei) == {"problem": ("q", "shift+q")}
    send(window, "change", action="problem", keys="  ")
    assert keys_of(mei) == {"problem": ()}
    assert "“Problem” has no key now." in words_of(window.get(URL))


def test_a_key_that_is_taken_says_by_what_and_offers_a_swap(window: Client, mei: User):
    answer = send(window, "change", action="note", keys="x")
    assert answer.status_code == 400
    text = check_html(answer.content.decode())
    assert "X is “Skip, with a reason”." in text
    assert "Swap the keys with “Skip, with a reason”" in text
    assert keys_of(mei) == {}
    send(window, "swap", action="note", key="x")
    assert keys_of(mei) == {"note": ("x",), "skip": ("n",)}


def test_where_no_swap_is_possible_it_can_be_taken_away(window: Client, mei: User):
    answer = send(window, "change", action="first_error", keys="1")
    text = check_html(answer.content.decode())
    assert "1 is “+1, correct”." in text
    assert "Take it away from “+1, correct”, “Accept”" in text
    send(window, "take", action="first_error", key="1")
    assert keys_of(mei) == {"first_error": ("1",), "good": (), "accept": ()}


def test_a_fixed_key_is_neither_swapped_nor_taken(window: Client):
    text = check_html(send(window, "change", action="problem", keys="↓").content.decode())
    assert "↓ is “Next step”." in text
    assert "Take it away" not in text
    assert "Swap" not in text.replace("swap the two", "")


def test_a_key_that_no_action_may_have_says_why(window: Client, mei: User):
    answer = send(window, "change", action="problem", keys="Ctrl+K")
    assert answer.status_code == 400
    assert "belong to the browser and to assistive technology" in answer.content.decode()
    assert 'value="Ctrl+K"' in answer.content.decode()
    assert keys_of(mei) == {}


def test_back_to_the_first_key(window: Client, mei: User):
    send(window, "change", action="problem", keys="q")
    send(window, "reset", action="problem")
    assert keys_of(mei) == {}


def test_back_to_a_key_that_is_gone(window: Client):
    send(window, "take", action="problem", key="n")
    answer = send(window, "reset", action="note")
    assert answer.status_code == 400
    assert "N is “Problem”." in check_html(answer.content.decode())


def test_all_back_at_once(window: Client, mei: User):
    send(window, "change", action="problem", keys="q")
    send(window, "change", action="note", keys="h")
    assert "Take back your keys for 2 actions?" in words_of(window.get(URL))
    send(window, "reset-all")
    assert keys_of(mei) == {}


def test_single_keys_and_view(window: Client, mei: User):
    send(window, "single")
    mei.refresh_from_db()
    assert read_preferences(mei).single_keys is False
    send(window, "single", single_keys="on")
    send(window, "view", view="columns")
    mei.refresh_from_db()
    assert (read_preferences(mei).single_keys, read_preferences(mei).view) == (True, "columns")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"do": "fly"}, 200),
        ({"do": "view", "view": "sideways"}, 200),
        ({"do": "change", "action": "fly", "keys": "q"}, 404),
        ({"do": "reset", "action": ""}, 404),
        ({"do": "change", "action": "close", "keys": "q"}, 400),
        ({"do": "change", "action": "problem", "keys": ATTACK}, 400),
        ({"do": "swap", "action": "problem", "key": ""}, 400),
    ],
)
def test_what_cannot_be_done_changes_nothing(window: Client, mei: User, fields, status):
    answer = window.post(URL, fields)
    assert answer.status_code == status
    check_html(answer.content.decode())
    assert keys_of(mei) == {}


def test_ones_own_keys_are_nobody_elses(window: Client, mei: User):
    send(window, "change", action="problem", keys="q")
    assert keys_of(make_user("erik")) == {}


def test_it_costs_no_query_for_each_action(window: Client, django_assert_max_num_queries):
    with django_assert_max_num_queries(6):
        window.get(URL)


def test_it_is_for_whoever_is_signed_in(everyone: dict[str, Client]):
    statuses = {role: client.get(URL).status_code for role, client in everyone.items()}
    assert statuses == dict.fromkeys(everyone, 200) | {"nobody": 302}
