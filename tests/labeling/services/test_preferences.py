from __future__ import annotations

import pytest

from labeling.models import User
from labeling.preferences import KeyTaken, Preferences, read_preferences
from labeling.services.preferences import (
    change_keys,
    replace_keys,
    reset_keys,
    set_preferences,
    swap_keys,
    take_keys,
)
from tests.labeling.factories import make_user
from workbench.errors import InvalidInput, NotFound


@pytest.fixture
def mei(db: None) -> User:
    return make_user("mei")


def kept(user: User) -> Preferences:
    """What a later request would find."""
    return read_preferences(User.objects.get(pk=user.pk))


def test_it_works(mei: User):
    assert change_keys(user=mei, action="problem", keys=["Q"]).keys == {"problem": ("q",)}
    assert kept(mei).keys == {"problem": ("q",)}
    assert mei.preferences["keys"] == {"problem": ["q"]}


def test_a_refusal_changes_nothing(mei: User):
    change_keys(user=mei, action="problem", keys=["q"])
    with pytest.raises(KeyTaken):
        change_keys(user=mei, action="problem", keys=["e"])
    assert kept(mei).keys == {"problem": ("q",)}


def test_two_windows_change_two_actions(mei: User):
    elsewhere = User.objects.get(pk=mei.pk)
    change_keys(user=mei, action="problem", keys=["q"])
    change_keys(user=elsewhere, action="note", keys=["h"])
    assert kept(mei).keys == {"problem": ("q",), "note": ("h",)}


def test_a_swap_and_back(mei: User):
    assert swap_keys(user=mei, action="note", key="x").keys == {"note": ("x",), "skip": ("n",)}
    assert swap_keys(user=mei, action="note", key="n").keys == {}


def test_taken_away(mei: User):
    take_keys(user=mei, action="first_error", key="1")
    assert kept(mei).keys == {"first_error": ("1",), "good": (), "accept": ()}


def test_as_at_first(mei: User):
    replace_keys(user=mei, keys={"problem": ["q"], "note": ["h"]})
    assert reset_keys(user=mei, action="problem").keys == {"note": ("h",)}
    assert reset_keys(user=mei).keys == {}


def test_a_whole_map_replaces_what_was_there(mei: User):
    change_keys(user=mei, action="problem", keys=["q"])
    replace_keys(user=mei, keys={"note": ["h"]})
    assert kept(mei).keys == {"note": ("h",)}


def test_single_keys_and_view_stand_apart(mei: User):
    set_preferences(user=mei, single_keys=False)
    set_preferences(user=mei, view="columns")
    change_keys(user=mei, action="note", keys=["h"])
    assert kept(mei) == Preferences({"note": ("h",)}, single_keys=False, view="columns")


def test_what_others_keep_there_stays(mei: User):
    mei.preferences = {"seen": ["welcome"]}
    mei.save()
    set_preferences(user=mei, single_keys=False)
    assert kept(mei).single_keys is False
    assert User.objects.get(pk=mei.pk).preferences["seen"] == ["welcome"]


def test_no_such_action_or_view(mei: User):
    with pytest.raises(NotFound):
        change_keys(user=mei, action="fly", keys=["q"])
    with pytest.raises(InvalidInput, match="'sideways'"):
        set_preferences(user=mei, view="sideways")  # type: ignore[arg-type]
