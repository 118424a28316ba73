"""Keys act once, on one thing, and rest while somebody types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.browser

# A page with something of everything, and a keyboard that notes what it did.
PAGE = """
document.body.innerHTML = "";
const make = (tag, attributes = {}) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  document.body.append(node);
  return node;
};
make("div", { id: "free", tabindex: "0" });
make("textarea", { id: "textarea" });
make("input", { id: "text", type: "text" });
make("input", { id: "radio", type: "radio" });
make("input", { id: "check", type: "checkbox" });
make("select", { id: "select" });
make("button", { id: "button" });
make("a", { id: "link", href: "#x" });
make("div", { id: "editable", contenteditable: "true" });
make("dialog", { id: "dialog" });
make("div", { id: "palette", popover: "", role: "dialog" });
const { createKeyboard } = await load("keyboard");
window.done = [];
let time = 1000;
window.advance = (ms) => { time += ms; };
const run = (id) => () => window.done.push(id);
const binding = (id, ...keys) => ({ id, keys, group: "g", label: id, run: run(id) });
window.keyboard = createKeyboard(
  [
    binding("next", "j", "ArrowDown"),
    binding("good", "1"),
    binding("redo", "Shift+z", "Mod+Shift+z"),
    binding("undo", "z", "Mod+z"),
    binding("shift", "["),
    binding("help", "?"),
    binding("submit", "Enter"),
    binding("close", "Escape"),
  ],
  { now: () => time },
);
"""


@pytest.fixture
def keys(run: Callable[..., Any]) -> Callable[..., list[str]]:
    """Presses keys with the focus on an element; what was done."""
    run(PAGE)
    page = run.page  # type: ignore[attr-defined]

    def press(target: str, *names: str) -> list[str]:
        page.evaluate("(id) => { window.done = []; document.getElementById(id).focus(); }", target)
        for name in names:
            page.keyboard.press(name)
        done: list[str] = page.evaluate("window.done")
        return done

    press.page = page  # type: ignore[attr-defined]
    return press


def test_it_works(keys: Callable[..., list[str]]) -> None:
    assert keys("free", "j", "ArrowDown", "1", "[", "?", "Enter") == [
        "next",
        "next",
        "good",
        "shift",
        "help",
        "submit",
    ]


def test_shift_is_another_key(keys: Callable[..., list[str]]) -> None:
    assert keys("free", "z", "Shift+z", "Shift+j") == ["undo", "redo"]


def test_capitals_are_not_another_key(keys: Callable[..., list[str]]) -> None:
    # Caps lock sends a capital without shift.
    page = keys.page  # type: ignore[attr-defined]
    page.evaluate(
        "document.dispatchEvent(new KeyboardEvent('keydown', { key: 'J', code: 'KeyJ' }))"
    )
    assert page.evaluate("window.done") == ["next"]


@pytest.mark.parametrize("target", ["textarea", "text", "select", "editable"])
def test_keys_rest_while_one_types(keys: Callable[..., list[str]], target: str) -> None:
    assert keys(target, "j", "1", "z") == []


@pytest.mark.parametrize("target", ["textarea", "text", "button", "radio"])
def test_escape_works_everywhere(keys: Callable[..., list[str]], target: str) -> None:
    assert keys(target, "Escape") == ["close"]


def test_a_button_and_a_link_keep_their_own_enter(keys: Callable[..., list[str]]) -> None:
    assert keys("button", "Enter", "j") == ["next"]
    assert keys("link", "Enter", "1") == ["good"]


def test_a_radio_keeps_its_arrows_and_takes_digits(keys: Callable[..., list[str]]) -> None:
    assert keys("radio", "ArrowDown", "1", "Enter") == ["good", "submit"]


def test_with_control_or_alt_only_undo_acts(keys: Callable[..., list[str]]) -> None:
    assert keys("free", "Control+j", "Alt+j", "Meta+1") == []
    assert keys("free", "Control+z", "Control+Shift+z") == ["undo", "redo"]


def test_keys_rest_while_a_dialog_is_open(keys: Callable[..., list[str]]) -> None:
    page = keys.page  # type: ignore[attr-defined]
    page.evaluate("document.getElementById('dialog').show()")
    assert keys("free", "j") == []
    page.evaluate("document.getElementById('dialog').close()")
    page.evaluate("document.getElementById('palette').showPopover()")
    assert keys("free", "j") == []


@pytest.mark.parametrize(
    "event",
    [
        {"key": "j", "repeat": True},
        {"key": "j", "isComposing": True},
        {"key": "Process", "keyCode": 229, "code": "KeyJ"},
    ],
)
def test_repeats_and_compositions_do_nothing(
    keys: Callable[..., list[str]], event: dict[str, Any]
) -> None:
    page = keys.page  # type: ignore[attr-defined]
    page.evaluate("(init) => document.dispatchEvent(new KeyboardEvent('keydown', init))", event)
    assert page.evaluate("window.done") == []


def test_keys_rest_at_the_start_of_an_item(keys: Callable[..., list[str]]) -> None:
    page = keys.page  # type: ignore[attr-defined]
    page.evaluate("window.keyboard.itemShown(); window.advance(249)")
    assert keys("free", "1") == []
    page.evaluate("window.advance(1)")
    assert keys("free", "1") == ["good"]


def test_letters_by_their_place_on_other_keyboards(keys: Callable[..., list[str]]) -> None:
    # The J key of a Russian keyboard types о.
    page = keys.page  # type: ignore[attr-defined]
    page.evaluate(
        "document.dispatchEvent(new KeyboardEvent('keydown', { key: 'о', code: 'KeyJ' }))"
    )
    assert page.evaluate("window.done") == ["next"]


def test_a_key_that_is_taken_is_refused_with_its_owner(keys: Callable[..., list[str]]) -> None:
    page = keys.page  # type: ignore[attr-defined]
    answer = page.evaluate(
        "(() => { const a = window.keyboard.remap('next', ['1']); return [a.ok, a.takenBy.id]; })()"
    )
    assert answer == [False, "good"]
    assert keys("free", "1") == ["good"]


def test_a_key_of_ones_own(keys: Callable[..., list[str]]) -> None:
    page = keys.page  # type: ignore[attr-defined]
    assert page.evaluate("window.keyboard.remap('next', ['m']).ok") is True
    assert keys("free", "j", "m") == ["next"]


def test_single_keys_can_be_turned_off(keys: Callable[..., list[str]]) -> None:
    page = keys.page  # type: ignore[attr-defined]
    page.evaluate("localStorage.setItem('keys:off', '1')")
    # Letters and digits rest; Enter, arrows and combinations go on.
    assert keys("free", "j", "1", "ArrowDown", "Enter", "Control+z") == ["next", "submit", "undo"]


def test_two_actions_never_share_a_key(run: Callable[..., Any]) -> None:
    body = """
    const { createKeyboard } = await load("keyboard");
    const binding = (id, key) => ({ id, keys: [key], run() {} });
    try {
      createKeyboard([binding("a", "j"), binding("b", "J")]);
    } catch (error) {
      return error.message;
    }
    """
    assert run(body) == '"J" is both a and b.'
