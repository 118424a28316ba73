"""The store of a workspace: changes, the way back, and two versions kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.browser

STORE = """
const { createStore, sameContent } = await load("workspace");
const store = createStore({ n: 0 });
const add = (by) => (content) => ({ n: content.n + by });
"""


def test_undo_and_redo(run: Callable[..., Any]) -> None:
    body = (
        STORE
        + """
    store.update(add(1)); store.update(add(10));
    const seen = [store.content.n];
    store.undo(); seen.push(store.content.n);
    store.undo(); seen.push(store.content.n);
    store.redo(); seen.push(store.content.n);
    return [seen, store.canUndo, store.canRedo];
    """
    )
    assert run(body) == [[11, 1, 0, 1], True, True]


def test_a_change_that_changes_nothing_is_no_step_back(run: Callable[..., Any]) -> None:
    body = STORE + "return [store.update((content) => content), store.canUndo];"
    assert run(body) == [False, False]


def test_typing_is_one_step_back(run: Callable[..., Any]) -> None:
    body = (
        STORE
        + """
    store.update(add(1));
    for (let i = 0; i < 5; i += 1) store.update(add(10), { merge: "note-3" });
    store.undo();
    return store.content.n;
    """
    )
    assert run(body) == 1


def test_leaving_the_field_ends_a_run_of_typing(run: Callable[..., Any]) -> None:
    body = (
        STORE
        + """
    store.update(add(1), { merge: "note-3" });
    store.seal();
    store.update(add(10), { merge: "note-3" });
    store.undo();
    return store.content.n;
    """
    )
    assert run(body) == 1


def test_a_new_change_ends_the_way_forward(run: Callable[..., Any]) -> None:
    body = STORE + "store.update(add(1)); store.undo(); store.update(add(5)); return store.canRedo;"
    assert run(body) is False


def test_adopting_one_version_keeps_the_other_one_undo_away(run: Callable[..., Any]) -> None:
    body = (
        STORE
        + """
    store.adopt({ n: 7 }, { n: 99 });
    const seen = [store.content.n];
    store.undo(); seen.push(store.content.n);
    return seen;
    """
    )
    assert run(body) == [7, 99]


def test_what_the_server_recorded_cannot_be_taken_back(run: Callable[..., Any]) -> None:
    body = (
        STORE
        + "store.update(add(1)); store.commit(add(1)); return [store.content.n, store.canUndo];"
    )
    assert run(body) == [2, False]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}, True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ([1], {"0": 1}, False),
        (None, {}, False),
    ],
)
def test_same_content(run: Callable[..., Any], one: Any, other: Any, same: bool) -> None:
    body = STORE + "return sameContent(args[0], args[1]);"
    assert run(body, [one, other]) is same
