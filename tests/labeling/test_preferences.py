"""Keys of one's own: which ones may be had, by what, and what is said where they may not."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import pytest

from labeling.preferences import (
    ACTIONS,
    BY_ID,
    GROUPS,
    PAGES,
    KeyTaken,
    Preferences,
    UnusableKey,
    change_keys,
    check_keys,
    find_action,
    pack_keys,
    pack_preferences,
    parse_key,
    parse_keys,
    read_preferences,
    reset_keys,
    swap_keys,
    take_keys,
)
from labeling.templatetags.script_words import script_words
from workbench.errors import NotFound


@dataclass
class Person:
    """A person, as far as preferences are concerned."""

    preferences: Any = field(default_factory=dict)


def own(**keys: str) -> Person:
    """Somebody with these keys of their own, one each."""
    return Person({"keys": {name: [key] for name, key in keys.items()}})


# --- The catalogue ----------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_no_two_actions_of_a_page_share_a_key_at_first(page):
    here = [action for action in ACTIONS if page in action.pages]
    for one, other in combinations(here, 2):
        assert not set(Preferences().keys_of(one)) & set(Preferences().keys_of(other))


def test_every_first_key_is_one_that_may_be_chosen():
    for action in ACTIONS:
        assert parse_keys(action.default) == action.default


def test_labels_are_the_words_of_the_scripts():
    words = script_words()
    assert {action.id: words[action.word] for action in ACTIONS} == {
        action.id: action.label for action in ACTIONS
    }
    assert all(f"group_{group}" in words for group in GROUPS)


# --- What a key may be ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("J", "j"),
        (" j ", "j"),
        ("Shift+J", "shift+j"),
        ("⇧J", "shift+j"),
        ("shift + enter", "shift+enter"),
        ("Enter", "enter"),
        ("↵", "enter"),
        ("↓", "arrowdown"),
        ("⇧↓", "shift+arrowdown"),
        ("Left", "arrowleft"),
        ("[", "["),
        ("+", "+"),
        ("é", "é"),
        ("Del", "delete"),
    ],
)
def test_a_key_as_people_write_it(written, key):
    assert parse_key(written) == key


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("", "Give a key"),
        ("Tab", "Tab leads"),
        ("Shift+Tab", "Tab leads"),
        ("Esc", "Escape closes"),
        ("F5", "Function keys"),
        ("Ctrl+J", "belong to the browser"),
        ("alt+1", "belong to the browser"),
        ("⌘+k", "belong to the browser"),
        ("Strg+k", "belong to the browser"),
        ("mod+z", "belong to the browser"),
        ("Ctrl++", "belong to the browser"),
        ("Insert", "Screen readers"),
        ("CapsLock", "Screen readers"),
        ("Space", "The page scrolls"),
        ("PageDown", "The page scrolls"),
        ("о", "the Latin letter"),
        ("ж", "the Latin letter"),
        ("中", "the Latin letter"),
        ("Shift+1", "Shift with a digit"),
        ("⇧[", "Shift with a digit"),
        ("Shift", "no key that a page"),
        ("jk", "no key that a page"),
        ("hyper+j", "no key that a page"),
        ("\u0301", "no key that a page"),
        ("x" * 400, "no key that a page"),
    ],
)
def test_a_key_that_no_action_may_have(written, why):
    with pytest.raises(UnusableKey, match=why):
        parse_key(written)


def test_an_action_has_three_keys_at_most():
    assert parse_keys(["a", "A", "b", "c"]) == ("a", "b", "c")
    with pytest.raises(UnusableKey, match="at most 3"):
        parse_keys(["a", "b", "c", "d"])


# --- Changing ---------------------------------------------------------------------------------


def test_it_works():
    changed = change_keys({}, BY_ID["problem"], ["Q"])
    assert changed == {"problem": ("q",)}
    assert pack_keys(Person({"keys": {"problem": ["q"]}})) == {"problem": ["q"]}


def test_fixed_keys_stay_whatever_is_chosen():
    changed = change_keys({}, BY_ID["undo"], ["q"])
    assert pack_keys(Person({"keys": changed})) == {"undo": ["q", "mod+z"]}
    assert change_keys({}, BY_ID["next"], ["q", "↓"]) == {"next": ("q",)}


def test_an_action_may_be_left_without_a_key():
    changed = change_keys({}, BY_ID["bad_problem"], [])
    assert changed == {"bad_problem": ()}
    # What it had is free then.
    assert change_keys(changed, BY_ID["problem"], ["b"])["problem"] == ("b",)


def test_a_key_that_is_taken_is_refused_by_name():
    with pytest.raises(KeyTaken, match="'e' is 'First error here'") as refused:
        change_keys({}, BY_ID["next"], ["E"])
    assert refused.value.extra == {
        "field": "keys",
        "action": "next",
        "key": "e",
        "taken_by": "first_error",
    }


def test_a_fixed_key_of_another_action_is_taken():
    with pytest.raises(KeyTaken, match="'Next step'"):
        change_keys({}, BY_ID["problem"], ["↓"])


def test_actions_of_different_pages_may_share_a_key():
    # Rate: all that is left is correct. Verify: insert a step.
    assert change_keys({}, BY_ID["rest_correct"], ["o"]) == {"rest_correct": ("o",)}


def test_an_action_of_many_pages_collides_on_any_of_them():
    # O is free while rating, and replaces a step while verifying.
    with pytest.raises(KeyTaken, match="'Replace the step'"):
        change_keys({}, BY_ID["comment"], ["o"])


def test_escape_stays():
    with pytest.raises(UnusableKey, match="Escape"):
        change_keys({}, BY_ID["close"], ["q"])


def test_its_own_key_again_is_no_change():
    assert change_keys({}, BY_ID["next"], ["j"]) == {}


def test_a_swap_gives_each_the_others_key():
    assert swap_keys({}, BY_ID["note"], "x") == {"note": ("x",), "skip": ("n",)}


def test_a_swap_that_only_moves_the_clash_is_refused():
    # First error is on every page, and J is taken on each.
    with pytest.raises(KeyTaken, match="'j' is 'Next changed step'"):
        swap_keys({}, BY_ID["next"], "e")


def test_a_swap_with_a_free_key_is_a_change():
    assert swap_keys({}, BY_ID["next"], "q") == {"next": ("q",)}


def test_taking_a_key_leaves_the_others_without():
    taken = take_keys({}, BY_ID["first_error"], "1")
    assert taken == {"first_error": ("1",), "good": (), "accept": ()}


def test_a_fixed_key_cannot_be_taken():
    with pytest.raises(KeyTaken):
        take_keys({}, BY_ID["problem"], "↓")


def test_as_at_first():
    changed = change_keys({}, BY_ID["next"], ["q"])
    assert reset_keys(changed, BY_ID["next"]) == {}


def test_a_key_that_was_given_away_does_not_come_back_by_itself():
    given = take_keys({}, BY_ID["problem"], "n")
    with pytest.raises(KeyTaken, match="'Problem'"):
        reset_keys(given, BY_ID["note"])


def test_no_such_action():
    with pytest.raises(NotFound, match="'fly'"):
        find_action("fly")


# --- A whole map ------------------------------------------------------------------------------


def test_a_whole_map():
    assert check_keys({"next": ["q"], "note": ["x"], "skip": ["n"]}) == {
        "next": ("q",),
        "note": ("x",),
        "skip": ("n",),
    }


def test_a_map_with_a_clash_is_refused():
    with pytest.raises(KeyTaken):
        check_keys({"next": ["q"], "note": ["q"]})
    with pytest.raises(KeyTaken):
        check_keys({"next": ["e"]})


def test_what_is_read_can_be_sent_back():
    taken = take_keys({}, BY_ID["first_error"], "1")
    read = read_preferences(Person({"keys": taken}))
    assert check_keys({name: list(keys) for name, keys in read.keys.items()}) == taken


# --- Reading ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stored",
    [
        None,
        [],
        "x",
        {"keys": None, "single_keys": None, "view": None},
        {"keys": {"fly": ["q"], "close": ["q"], "next": "e", "undo": 7, "copy": ["Tab"]}},
        {"view": "sideways"},
    ],
)
def test_what_cannot_be_read_is_as_at_first(stored):
    assert read_preferences(Person(stored)) == Preferences()


def test_what_is_packed_for_the_script():
    person = Person({"keys": {"undo": ["q"]}, "single_keys": False, "view": "columns"})
    assert pack_preferences(person) == {
        "keys": {"undo": ["q", "mod+z"]},
        "single_keys": False,
        "view": "columns",
    }


def test_ones_own_key_outlives_a_new_action_that_wants_it():
    # As though "v" had been chosen before there was anything to take from a machine.
    read = read_preferences(own(next="v"))
    assert read.keys == {"next": ("v",), "take_proposal": ()}


def test_of_two_kept_actions_with_one_key_the_first_has_it():
    assert read_preferences(own(next="q", problem="q")).keys == {"next": ("q",)}
