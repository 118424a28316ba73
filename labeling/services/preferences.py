"""How a person likes to work, written: keys of their own, single keys, how two solutions stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from django.db import transaction

from labeling import preferences as rules
from labeling.models import User
from labeling.preferences import KeyMap, Preferences, View, read_preferences
from workbench.errors import InvalidInput


def change_keys(*, user: User, action: str, keys: Iterable[str]) -> Preferences:
    """Give an action other keys, none at all if there are none.

    Raises NotFound, UnusableKey with the reason, or KeyTaken with what has the key already.
    """
    found, chosen = rules.find_action(action), list(keys)
    return _change(user, lambda own: rules.change_keys(own, found, chosen))


def swap_keys(*, user: User, action: str, key: str) -> Preferences:
    """Give an action a key that another one has, and the other one this action's keys.

    Raises what `change_keys` raises, where that would only move the clash to another page.
    """
    found = rules.find_action(action)
    return _change(user, lambda own: rules.swap_keys(own, found, key))


def take_keys(*, user: User, action: str, key: str) -> Preferences:
    """Give an action a key, which nothing else on its pages then has.

    Raises NotFound, UnusableKey, or KeyTaken where the key is fixed.
    """
    found = rules.find_action(action)
    return _change(user, lambda own: rules.take_keys(own, found, key))


def reset_keys(*, user: User, action: str = "") -> Preferences:
    """One action, or all of them, as at first. Raises KeyTaken where its key was given away."""
    if not action:
        return _change(user, lambda _own: {})
    found = rules.find_action(action)
    return _change(user, lambda own: rules.reset_keys(own, found))


def replace_keys(*, user: User, keys: Mapping[str, Sequence[str]]) -> Preferences:
    """Keys for exactly these actions, all others as at first. Raises what `change_keys` raises."""
    checked = rules.check_keys(keys)
    return _change(user, lambda _own: checked)


def set_preferences(
    *, user: User, single_keys: bool | None = None, view: View | None = None
) -> Preferences:
    """Whether letters, digits and signs act by themselves, and how two solutions stand."""
    if view is not None and view not in rules.VIEWS:
        raise InvalidInput(
            f"There is no view {view!r}; there are {', '.join(rules.VIEWS)}.", field="view"
        )

    def change(read: Preferences) -> Preferences:
        return replace(
            read,
            single_keys=read.single_keys if single_keys is None else single_keys,
            view=view or read.view,
        )

    return _write(user, change)


def _change(user: User, change: Callable[[KeyMap], dict[str, tuple[str, ...]]]) -> Preferences:
    return _write(user, lambda read: replace(read, keys=change(read.keys)))


@transaction.atomic
def _write(user: User, change: Callable[[Preferences], Preferences]) -> Preferences:
    # Two windows of one person change different things: neither takes back the other's.
    row = User.objects.select_for_update().only("preferences").get(pk=user.pk)
    changed = change(read_preferences(row))
    kept = row.preferences if isinstance(row.preferences, dict) else {}
    row.preferences = kept | {
        "keys": {name: list(keys) for name, keys in changed.keys.items()},
        "single_keys": changed.single_keys,
        "view": changed.view,
    }
    row.save(update_fields=["preferences"])
    user.preferences = row.preferences
    return changed
