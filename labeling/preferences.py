"""How a person likes to work: keys of their own, whether single keys act, how solutions stand.

PURE. The catalogue of everything that a key does on the pages of work, and the rules by which it is
changed; `services.preferences` writes, `User.preferences` keeps. A key is written as the script
names it (`keyOf` in keyboard.js): "j", "shift+j", "[", "enter", "arrowdown", "mod+z".
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final, Literal, Protocol, TypeAlias, get_args

from workbench.errors import InvalidInput, NotFound

# A dispute over ratings and one over verdicts have the same page and other things to do.
Page: TypeAlias = Literal["rate", "verify", "decide_ratings", "decide_verdicts"]
Group: TypeAlias = Literal["move", "judge", "repair", "say", "show", "finish"]
View: TypeAlias = Literal["fork", "columns", "modified"]

PAGES: Final[tuple[Page, ...]] = get_args(Page)
GROUPS: Final[tuple[Group, ...]] = get_args(Group)
VIEWS: Final[tuple[View, ...]] = get_args(View)

RATE: Final[tuple[Page, ...]] = ("rate",)
VERDICTS: Final[tuple[Page, ...]] = ("verify", "decide_verdicts")
DISPUTES: Final[tuple[Page, ...]] = ("decide_ratings", "decide_verdicts")
RATINGS: Final[tuple[Page, ...]] = ("rate", "decide_ratings")
QUEUE: Final[tuple[Page, ...]] = ("rate", "verify")
# Where only some of the steps are stopped at, and others can be.
FORKS: Final[tuple[Page, ...]] = ("verify", "decide_ratings", "decide_verdicts")

MAX_KEYS: Final = 3
NAMED: Final = frozenset({"enter", "delete", "arrowup", "arrowdown", "arrowleft", "arrowright"})
# What people write in a text field, and what stands on a keyboard, by the key's own name.
SPOKEN: Final[Mapping[str, str]] = {
    "↵": "enter",
    "return": "enter",
    "del": "delete",
    "↑": "arrowup",
    "up": "arrowup",
    "↓": "arrowdown",
    "down": "arrowdown",
    "←": "arrowleft",
    "left": "arrowleft",
    "→": "arrowright",
    "right": "arrowright",
    "esc": "escape",
    "strg": "ctrl",
    "control": "ctrl",
    "command": "meta",
    "cmd": "meta",
    "⌘": "meta",
    "option": "alt",
    "altgr": "alt",
    "⇧": "shift",
}
MODIFIERS: Final = frozenset({"ctrl", "alt", "meta", "mod"})
READERS: Final = frozenset({"insert", "capslock", "numlock", "scrolllock"})
SCROLLERS: Final = frozenset({"space", "spacebar", "pageup", "pagedown", "home", "end"})


@dataclass(frozen=True, slots=True)
class KeyAction:
    """Something that a key does: where, in words, and by which key unless somebody chose another.

    `fixed` keys act whatever was chosen. `label` is English; `word` names the same text in the
    catalogue of the scripts, which is translated.
    """

    id: str
    label: str
    group: Group
    pages: tuple[Page, ...]
    key: str = ""
    fixed: tuple[str, ...] = ()
    word: str = ""

    @property
    def default(self) -> tuple[str, ...]:
        """The keys that may be changed, as they are at first."""
        return (self.key,) if self.key else ()

    def shares_page(self, other: KeyAction) -> bool:
        """Is there a page on which both are?"""
        return bool(set(self.pages) & set(other.pages))


def _action(
    id: str,
    key: str,
    group: Group,
    pages: tuple[Page, ...],
    label: str,
    *fixed: str,
    word: str = "",
) -> KeyAction:
    return KeyAction(id, label, group, pages, key, fixed, word or f"key_{id}")


# In the order in which they are shown.
ACTIONS: Final[tuple[KeyAction, ...]] = (
    _action("next", "j", "move", RATE, "Next step", "arrowdown"),
    _action("previous", "k", "move", RATE, "Previous step", "arrowup"),
    _action("next_changed", "j", "move", VERDICTS, "Next changed step", "arrowdown"),
    _action("previous_changed", "k", "move", VERDICTS, "Previous changed step", "arrowup"),
    _action("next_open", "j", "move", ("decide_ratings",), "Next open step", "arrowdown"),
    _action("previous_open", "k", "move", ("decide_ratings",), "Previous open step", "arrowup"),
    _action("next_any", "shift+j", "move", FORKS, "Next step of any kind", "shift+arrowdown"),
    _action("previous_any", "shift+k", "move", FORKS, "Previous step of any kind", "shift+arrowup"),
    _action("problem", "p", "move", PAGES, "Problem"),
    _action("good", "1", "judge", RATINGS, "+1, correct", word="rating_1"),
    _action("neutral", "2", "judge", RATINGS, "0, neutral", word="rating_0"),
    _action("wrong", "3", "judge", RATINGS, "−1, wrong", word="rating_-1"),
    _action("accept", "1", "judge", VERDICTS, "Accept", word="accept"),
    _action(
        "accept_with_edits", "2", "judge", VERDICTS, "Accept with edits", word="accept_with_edits"
    ),
    _action("reject", "3", "judge", VERDICTS, "Reject", word="reject"),
    _action("verdict_unsure", "4", "judge", VERDICTS, "Unsure", word="verdict_unsure"),
    _action("verdict_bad_problem", "5", "judge", VERDICTS, "Bad problem", word="bad_problem"),
    _action("first_error", "e", "judge", PAGES, "First error here"),
    _action("inherited", "f", "judge", PAGES, "Follows from an earlier error"),
    _action("rest_correct", "a", "judge", RATE, "All steps that are left are correct"),
    _action("take_proposal", "v", "judge", RATE, "Take what the machine proposes for this step"),
    _action("why_missed_error", "4", "judge", RATE, "Not as proposed: it missed an error"),
    _action(
        *("why_false_alarm", "5", "judge", RATE),
        "Not as proposed: it sees an error where there is none",
    ),
    _action(
        *("why_misread", "6", "judge", RATE), "Not as proposed: it misread the step or the problem"
    ),
    _action("why_inherited", "7", "judge", RATE, "Not as proposed: the error was made earlier"),
    _action(
        *("why_contribution", "8", "judge", RATE),
        "Not as proposed: it adds more or less than said",
    ),
    _action(
        *("why_guidelines", "9", "judge", RATE), "Not as proposed: our guidelines judge otherwise"
    ),
    _action("why_other", "0", "judge", RATE, "Not as proposed: another reason"),
    _action("unsure", "u", "judge", RATE, "Unsure, on or off"),
    _action("no_error", "0", "judge", ("verify",), "No error (first judgement)"),
    _action("cannot_tell", "u", "judge", ("verify",), "Cannot tell (first judgement)"),
    _action("flag", "w", "judge", VERDICTS, "Flag this step, on or off"),
    _action("majority", "v", "judge", DISPUTES, "Take the majority"),
    _action("type", "t", "judge", PAGES, "Error type"),
    _action("shift_back", "[", "repair", VERDICTS, "All error steps one back"),
    _action("shift_on", "]", "repair", VERDICTS, "All error steps one on"),
    _action("replace", "o", "repair", VERDICTS, "Replace the step"),
    _action("insert", "a", "repair", VERDICTS, "Insert a step after"),
    _action("delete", "d", "repair", VERDICTS, "Delete the step"),
    _action("hint", "l", "repair", VERDICTS, "Next hint"),
    _action("fix", "shift+l", "repair", VERDICTS, "Apply the hint's fix"),
    _action("note", "n", "say", QUEUE, "Note"),
    _action("reason", "n", "say", DISPUTES, "Reason"),
    _action("comment", "c", "say", PAGES, "Comment on this step"),
    _action("bad_problem", "b", "say", RATE, "The problem is bad"),
    _action("evidence", "m", "show", PAGES, "Machine evidence"),
    _action("guidelines", "g", "show", PAGES, "Guidelines"),
    _action("equality", "=", "show", PAGES, "Is this equality true?"),
    _action("raw", "r", "show", PAGES, "Source or rendered"),
    _action("copy", "y", "show", PAGES, "Copy the step as source"),
    _action("help", "?", "show", PAGES, "All keys"),
    _action("close", "", "show", PAGES, "Close, or leave a text field", "escape"),
    _action("undo", "z", "finish", PAGES, "Undo", "mod+z"),
    _action("redo", "shift+z", "finish", PAGES, "Redo", "mod+shift+z"),
    _action("skip", "x", "finish", QUEUE, "Skip, with a reason"),
    _action("submit", "enter", "finish", QUEUE, "Submit"),
    _action("decide", "enter", "finish", DISPUTES, "Decide"),
    _action("send_back", "s", "finish", DISPUTES, "Send back"),
)
BY_ID: Final[Mapping[str, KeyAction]] = {action.id: action for action in ACTIONS}


class UnusableKey(InvalidInput):
    """A key that no action may have; the sentence says why."""

    code = "unusable_key"


class KeyTaken(InvalidInput):
    """A key that another action of the same page has; `extra` names both."""

    code = "key_taken"


class HasPreferences(Protocol):
    """A person, as far as this module is concerned."""

    preferences: Any


# The changeable keys of the actions that are not as they are at first.
KeyMap: TypeAlias = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Preferences:
    """How somebody likes to work.

    `keys` holds the actions whose keys differ from the first ones, without those that are fixed;
    an empty tuple is an action that no key does.
    """

    keys: KeyMap = field(default_factory=dict)
    single_keys: bool = True
    view: View = "fork"

    def keys_of(self, action: KeyAction) -> tuple[str, ...]:
        """The keys that do it for this person: their own or the first ones, then the fixed."""
        return (*self.keys.get(action.id, action.default), *action.fixed)


# --- Reading --------------------------------------------------------------------------------------


def read_preferences(user: HasPreferences) -> Preferences:
    """What is kept on the account; what is missing or cannot be read any more is as at first.

    Keys that somebody chose outlive this program's versions: where a new action's first key is one
    of them, the person's own word counts and the new action has no key until they give it one.
    """
    stored = user.preferences if isinstance(user.preferences, Mapping) else {}
    view = stored.get("view")
    return Preferences(
        keys=settle_keys(_read_stored(stored.get("keys"))),
        single_keys=stored.get("single_keys") is not False,
        view=view if view in VIEWS else "fork",
    )


def _read_stored(stored: object) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, keys in stored.items() if isinstance(stored, Mapping) else ():
        action = BY_ID.get(name)
        if action is None or not action.key or not isinstance(keys, list | tuple):
            continue
        try:
            chosen = parse_keys([str(key) for key in keys])
        except InvalidInput:
            continue
        if find_taken(action, chosen, found, over_defaults=True) is None:
            found[name] = chosen
    return found


def settle_keys(own: KeyMap) -> dict[str, tuple[str, ...]]:
    """The whole map that follows from the person's own keys: others lose what these take.

    What is as at first is left out.
    """
    settled = {}
    for action in ACTIONS:
        keys = own.get(action.id)
        if keys is None:
            taken = _keys_of_others(action, own)
            keys = tuple(key for key in action.default if key not in taken)
        if keys != action.default:
            settled[action.id] = keys
    return settled


def _keys_of_others(action: KeyAction, own: KeyMap) -> set[str]:
    others = (BY_ID[name] for name in own if name != action.id)
    return set(chain.from_iterable(own[one.id] for one in others if one.shares_page(action)))


def pack_preferences(user: HasPreferences) -> dict[str, Any]:
    """What a page of work hands to its script: `keys`, `single_keys` and `view`."""
    read = read_preferences(user)
    return {"keys": _pack_keys(read), "single_keys": read.single_keys, "view": read.view}


def pack_keys(user: HasPreferences) -> dict[str, list[str]]:
    """The actions whose keys are not as at first, with all keys that do them, fixed ones too."""
    return _pack_keys(read_preferences(user))


def _pack_keys(read: Preferences) -> dict[str, list[str]]:
    return {name: list(read.keys_of(BY_ID[name])) for name in read.keys}


# --- Keys in words and as they are kept -----------------------------------------------------------


def find_action(name: str) -> KeyAction:
    """The action of that id. Raises NotFound where there is none."""
    action = BY_ID.get(name)
    if action is None:
        raise NotFound(f"There is no action {name[:60]!r} that a key could do.")
    return action


def parse_keys(texts: Iterable[str]) -> tuple[str, ...]:
    """Keys as they are kept, each once, from what was written: "Shift+J", "⇧j", "↓", "Enter".

    Raises UnusableKey with the reason where one of them is not for an action to have.
    """
    keys = tuple(dict.fromkeys(parse_key(text) for text in texts))
    if len(keys) > MAX_KEYS:
        raise UnusableKey(f"An action has at most {MAX_KEYS} keys.", field="keys")
    return keys


def parse_key(text: str) -> str:
    """One key as it is kept. Raises UnusableKey with the reason why no action may have it."""
    parts = _split_parts(text)
    *modifiers, key = [SPOKEN.get(part, part) for part in parts]
    reason = _find_reason(set(modifiers), key)
    if reason is not None:
        raise reason
    return f"shift+{key}" if modifiers else key


def _split_parts(text: str) -> list[str]:
    """ "⇧J", "Shift+J" and "shift + j" are ["shift", "j"]; a lone "+" is that key."""
    plain = text.strip().lower()
    if plain.startswith("⇧") and len(plain) > 1:
        plain = f"shift+{plain.removeprefix('⇧').removeprefix('+')}"
    if plain == "+" or not plain:
        return [plain]
    if plain.endswith("++"):
        return [*_split_parts(plain[:-2]), "+"]
    return [part.strip() for part in plain.split("+")]


def _find_reason(modifiers: set[str], key: str) -> UnusableKey | None:
    """Why no action may have the key; None where one may."""
    if not key:
        return UnusableKey("Give a key.", field="keys")
    if key == "tab":
        return UnusableKey(
            "Tab leads from one part of the page to the next, so it stays as it is.", field="keys"
        )
    if key == "escape":
        return UnusableKey(
            "Escape closes what is open and leaves a field, so it stays as it is.", field="keys"
        )
    if modifiers & MODIFIERS or key in MODIFIERS:
        return UnusableKey(
            "Keys with Ctrl, Alt or ⌘ belong to the browser and to assistive technology.",
            field="keys",
        )
    if len(key) > 1 and key.startswith("f") and key[1:].isdigit():
        return UnusableKey("Function keys belong to the browser and the system.", field="keys")
    if key in READERS:
        return UnusableKey("Screen readers use this key for themselves.", field="keys")
    if key in SCROLLERS or key.isspace():
        return UnusableKey(
            "The page scrolls, and buttons are pressed, with this key.", field="keys"
        )
    if modifiers - {"shift"}:
        return _say_unknown("+".join([*sorted(modifiers), key]))
    if key in NAMED:
        return None
    if len(key) != 1 or not key.isprintable() or unicodedata.combining(key):
        return _say_unknown(key)
    return _find_sign_reason(key, shifted=bool(modifiers))


def _find_sign_reason(key: str, *, shifted: bool) -> UnusableKey | None:
    kind = unicodedata.category(key)
    if kind.startswith("L"):
        if not unicodedata.name(key, "").startswith("LATIN"):
            return UnusableKey(
                "On a keyboard of another script the keys go by their place: give the Latin letter "
                "or sign that is printed there.",
                field="keys",
            )
        return None
    if kind.startswith("N") and not key.isascii():
        return _say_unknown(key)
    if shifted:
        return UnusableKey(
            "Shift with a digit or a sign makes another sign: give that sign.", field="keys"
        )
    return None


def _say_unknown(text: str) -> UnusableKey:
    return UnusableKey(
        f"{text[:20]!r} is no key that a page could use: give a letter, a digit, a sign, Enter or "
        "an arrow, with Shift or without.",
        field="keys",
    )


# --- Changing -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Taken:
    """A key that is not free, and what has it."""

    key: str
    by: KeyAction


def find_taken(
    action: KeyAction, keys: Iterable[str], own: KeyMap, *, over_defaults: bool = False
) -> Taken | None:
    """The first of the keys that another action of one of its pages has; None where all are free.

    With `over_defaults` only what the person chose themselves, and what is fixed, is in the way.
    """
    wanted = list(keys)
    for other in ACTIONS:
        if other.id == action.id or not other.shares_page(action):
            continue
        chosen = own.get(other.id, () if over_defaults else other.default)
        for key in wanted:
            if key in chosen or key in other.fixed:
                return Taken(key, other)
    return None


def refuse_taken(action: KeyAction, taken: Taken) -> KeyTaken:
    """The refusal of a key that another action has, for programs and for people."""
    return KeyTaken(
        f"{taken.key!r} is {taken.by.label!r} on the same page.",
        field="keys",
        action=action.id,
        key=taken.key,
        taken_by=taken.by.id,
    )


def change_keys(own: KeyMap, action: KeyAction, keys: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The map with other keys for an action. Raises UnusableKey or KeyTaken."""
    if not action.key:
        raise UnusableKey(
            "Escape closes what is open and leaves a field, so it stays as it is.", field="keys"
        )
    chosen = parse_keys(keys)
    own = settle_keys(own)
    taken = find_taken(action, (key for key in chosen if key not in action.fixed), own)
    if taken is not None:
        raise refuse_taken(action, taken)
    kept = tuple(key for key in chosen if key not in action.fixed)
    return settle_keys({**own, action.id: kept})


def swap_keys(own: KeyMap, action: KeyAction, key: str) -> dict[str, tuple[str, ...]]:
    """The map in which the action has this key alone, and whoever had it has the action's old ones.

    Raises UnusableKey, or KeyTaken where that would only move the clash to another page.
    """
    wanted = parse_key(key)
    own = settle_keys(own)
    before = own.get(action.id, action.default)
    taken = find_taken(action, [wanted], own)
    if taken is None:
        return change_keys(own, action, [wanted])
    if wanted in taken.by.fixed:
        raise refuse_taken(action, taken)
    left = tuple(one for one in own.get(taken.by.id, taken.by.default) if one != wanted)
    swapped = {**own, action.id: (wanted,), taken.by.id: (*before, *left)[:MAX_KEYS]}
    for one in (action, taken.by):
        clash = find_taken(one, swapped[one.id], swapped)
        if clash is not None:
            raise refuse_taken(one, clash)
    return settle_keys(swapped)


def find_owners(action: KeyAction, key: str, own: KeyMap) -> list[KeyAction]:
    """The other actions of its pages that have the key, so that each of them could lose it."""
    return [
        other
        for other in ACTIONS
        if other.id != action.id
        and other.shares_page(action)
        and key in own.get(other.id, other.default)
    ]


def take_keys(own: KeyMap, action: KeyAction, key: str) -> dict[str, tuple[str, ...]]:
    """The map in which the action has this key alone, and nobody else on its pages has it.

    Raises UnusableKey, or KeyTaken where the key is fixed.
    """
    wanted = parse_key(key)
    own = settle_keys(own)
    losers = {
        other.id: tuple(one for one in own.get(other.id, other.default) if one != wanted)
        for other in find_owners(action, wanted, own)
    }
    return change_keys({**own, **losers}, action, [wanted])


def reset_keys(own: KeyMap, action: KeyAction) -> dict[str, tuple[str, ...]]:
    """The map in which the action is as at first. Raises KeyTaken where its key was given away."""
    rest = {name: keys for name, keys in settle_keys(own).items() if name != action.id}
    taken = find_taken(action, action.default, rest)
    if taken is not None:
        raise refuse_taken(action, taken)
    return settle_keys(rest)


def check_keys(given: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """A whole map, as a program sends it. Raises NotFound, UnusableKey or KeyTaken."""
    own: dict[str, tuple[str, ...]] = {}
    for name, keys in given.items():
        action = find_action(name)
        chosen = tuple(key for key in parse_keys(keys) if key not in action.fixed)
        if chosen and not action.key:
            raise UnusableKey(
                "Escape closes what is open and leaves a field, so it stays as it is.",
                field="keys",
            )
        own[name] = chosen
    for name, chosen in own.items():
        taken = find_taken(BY_ID[name], chosen, own)
        if taken is not None:
            raise refuse_taken(BY_ID[name], taken)
    return settle_keys(own)
