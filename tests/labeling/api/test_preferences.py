"""One's own keys, and how one likes to work, by REST."""

from __future__ import annotations

from typing import Any

import pytest

from labeling.models import User
from labeling.preferences import ACTIONS
from tests.labeling.api.helpers import API, read_error, sign_in
from tests.labeling.factories import make_user

KEYS = f"{API}/me/keys/"
PREFERENCES = f"{API}/me/preferences/"


@pytest.fixture
def mei(db: None) -> User:
    return make_user("mei")


def test_it_works(mei: User):
    client = sign_in(mei)
    changed = client.put(KEYS, {"keys": {"problem": ["Q"], "note": []}}).json()
    assert changed["keys"] == {"problem": ["q"], "note": []}
    assert client.get(KEYS).json() == changed
    [problem] = [action for action in changed["actions"] if action["id"] == "problem"]
    assert problem == {
        "id": "problem",
        "name": "Problem",
        "group": "move",
        "pages": ["rate", "verify", "decide_ratings", "decide_verdicts"],
        "first": ["p"],
        "keys": ["q"],
        "fixed": [],
    }
    assert len(changed["actions"]) == len(ACTIONS)


def test_what_is_read_can_be_sent_back(mei: User):
    client = sign_in(mei)
    client.put(KEYS, {"keys": {"first_error": ["1"], "good": [], "accept": []}})
    read = client.get(KEYS).json()
    assert client.put(KEYS, {"keys": read["keys"]}).json() == read


def test_a_clash_is_refused_by_name(mei: User):
    client = sign_in(mei)
    answer = client.put(KEYS, {"keys": {"next": ["e"]}})
    error = read_error(answer, 400, "key_taken")
    assert error["message"] == "'e' is 'First error here' on the same page."
    assert error["detail"]["taken_by"] == "first_error"
    assert client.get(KEYS).json()["keys"] == {}


@pytest.mark.parametrize(
    ("keys", "status", "code"),
    [
        ({"next": ["ctrl+j"]}, 400, "unusable_key"),
        ({"next": ["q", "h", "i", "s"]}, 400, "unusable_key"),
        ({"close": ["q"]}, 400, "unusable_key"),
        ({"fly": ["q"]}, 404, "not_found"),
        ({"next": "q"}, 400, "invalid_input"),
        ({"next": [["q"]]}, 400, "invalid_input"),
        ({"next": ["q" * 41]}, 400, "invalid_input"),
        ([], 400, "invalid_input"),
        ({f"a{n}": [] for n in range(100)}, 400, "invalid_input"),
    ],
)
def test_what_is_no_map_of_keys(mei: User, keys: Any, status: int, code: str):
    read_error(sign_in(mei).put(KEYS, {"keys": keys}), status, code)


def test_preferences(mei: User):
    client = sign_in(mei)
    assert client.get(PREFERENCES).json() == {"single_keys": True, "view": "fork"}
    client.patch(PREFERENCES, {"single_keys": False})
    assert client.patch(PREFERENCES, {"view": "modified"}).json() == {
        "single_keys": False,
        "view": "modified",
    }
    read_error(client.patch(PREFERENCES, {"view": "sideways"}), 400, "invalid_input")
    read_error(client.patch(PREFERENCES, {"keys": {}}), 400, "invalid_input")
