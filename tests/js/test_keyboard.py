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
window.start = (options = {}) => {
  window.keyboard?.stop();
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
    { now: () => time, ...options },
  );
};
window.start();
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


def test_keys_rest_while_one_types(keys: Callable[..., list[str]]) -> None:
    for target in ("textarea", "text", "select", "editable"):
        assert keys(target, "j", "1", "z") == []


def test_escape_works_everywhere(keys: Callable[..., list[str]]) -> None:
    for target in ("textarea", "text", "button", "radio"):
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


def test_repeats_and_compositions_do_nothing(keys: Callable[..., list[str]]) -> None:
    assert send(keys, key="j", repeat=True) == []
    assert send(keys, key="j", isComposing=True) == []
    assert send(keys, key="Process", keyCode=229, code="KeyJ") == []
    assert send(keys, key="j") == ["next"]


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


def send(keys: Callable[..., list[str]], **event: Any) -> list[str]:
    """What an event does that no keyboard here can make; `altGraph` is a modifier of it."""
    page = keys.page  # type: ignore[attr-defined]
    done: list[str] = page.evaluate(
        """(init) => {
          window.done = [];
          const { altGraph: modifierAltGraph = false, ...rest } = init;
          document.dispatchEvent(new KeyboardEvent("keydown", { modifierAltGraph, ...rest }));
          return window.done;
        }""",
        event,
    )
    return done


def restart(keys: Callable[..., list[str]], **options: Any) -> None:
    keys.page.evaluate("(options) => window.start(options)", options)  # type: ignore[attr-defined]


# --- Keyboards of other countries ---------------------------------------------------------------


def test_a_sign_that_needs_alt_graph(keys: Callable[..., list[str]]) -> None:
    # German: AltGr 8, which Windows reports as Ctrl and Alt, and Linux as AltGraph alone.
    assert send(keys, key="[", code="Digit8", altGraph=True, ctrlKey=True, altKey=True) == ["shift"]
    assert send(keys, key="[", code="Digit8", altGraph=True) == ["shift"]


def test_a_letter_with_alt_graph_is_no_key(keys: Callable[..., list[str]]) -> None:
    # German: AltGr E is €; AltGr J is nothing of ours either.
    assert send(keys, key="€", code="KeyE", altGraph=True) == []
    assert send(keys, key="j", code="KeyJ", altGraph=True) == []


def test_alt_with_a_sign_is_the_browsers(keys: Callable[..., list[str]]) -> None:
    assert send(keys, key="[", code="BracketLeft", altKey=True) == []
    assert send(keys, key="z", code="KeyZ", ctrlKey=True, altKey=True) == []


def test_option_makes_signs_on_an_apple_keyboard(keys: Callable[..., list[str]]) -> None:
    page = keys.page  # type: ignore[attr-defined]
    page.evaluate("Object.defineProperty(navigator, 'platform', { value: 'MacIntel' })")
    assert send(keys, key="[", code="Digit5", altKey=True) == ["shift"]
    assert send(keys, key="[", code="Digit5", altKey=True, metaKey=True) == []


def test_digits_by_their_place_where_they_need_shift(keys: Callable[..., list[str]]) -> None:
    # French: the key of the 1 types &, and 1 with Shift.
    assert send(keys, key="&", code="Digit1") == ["good"]
    assert send(keys, key="1", code="Digit1", shiftKey=True) == ["good"]
    # On an American one, Shift 1 is an exclamation mark and nothing of ours.
    assert send(keys, key="!", code="Digit1", shiftKey=True) == []


def test_what_a_key_types_comes_before_its_place(keys: Callable[..., list[str]]) -> None:
    restart(keys, map={"next": ["&"]})
    assert send(keys, key="&", code="Digit1") == ["next"]


def test_signs_by_their_place_on_other_keyboards(keys: Callable[..., list[str]]) -> None:
    # Where the bracket is, a Russian keyboard types х.
    assert send(keys, key="х", code="BracketLeft") == ["shift"]


def test_names_of_keys(run: Callable[..., Any]) -> None:
    names = {
        "shift+j": {"key": "J", "shiftKey": True},
        "?": {"key": "?", "shiftKey": True},
        "shift+enter": {"key": "Enter", "shiftKey": True},
        "mod+z": {"key": "z", "metaKey": True},
        "é": {"key": "é", "code": "Digit2"},
        "shift+k": {"key": "Л", "code": "KeyK", "shiftKey": True},
        "ж": {"key": "ж", "code": "Semicolon"},
    }
    body = """
    const { keyOf } = await load("keyboard");
    return args.map((init) => keyOf(new KeyboardEvent("keydown", init)));
    """
    assert run(body, list(names.values())) == list(names)


# --- Keys of one's own --------------------------------------------------------------------------


def test_a_key_of_ones_own(keys: Callable[..., list[str]]) -> None:
    restart(keys, map={"next": ["m", "arrowdown"], "good": []})
    assert keys("free", "j", "1", "m", "ArrowDown") == ["next", "next"]


def test_a_map_that_clashes_is_left_aside(keys: Callable[..., list[str]]) -> None:
    restart(keys, map={"next": ["1"]})
    assert keys("free", "1", "j") == ["good", "next"]


def test_the_map_comes_with_the_page(run: Callable[..., Any]) -> None:
    body = """
    const data = document.createElement("script");
    Object.assign(data, { type: "application/json", id: "page" });
    data.textContent = JSON.stringify({ keys: { next: ["m"] }, single_keys: false });
    document.body.append(data);
    const { createKeyboard } = await load("keyboard");
    const keyboard = createKeyboard([{ id: "next", keys: ["j"], run() {} }]);
    return [keyboard.bindings[0].keys, keyboard.singleKeysOff];
    """
    assert run(body) == [["m"], True]


def test_what_the_browser_kept_before_there_were_accounts_counts_no_more(
    keys: Callable[..., list[str]],
) -> None:
    page = keys.page  # type: ignore[attr-defined]
    page.evaluate("localStorage.setItem('keys:map', JSON.stringify({ next: ['m'] }))")
    page.evaluate("localStorage.setItem('keys:off', '1')")
    restart(keys)
    assert keys("free", "m", "j") == ["next"]


def test_single_keys_can_be_turned_off(keys: Callable[..., list[str]]) -> None:
    restart(keys, singleKeysOff=True)
    # Letters of both cases, digits and signs rest; Enter, arrows and combinations go on.
    assert keys("free", "j", "1", "[", "Shift+z", "ArrowDown", "Enter", "Control+z") == [
        "next",
        "submit",
        "undo",
    ]


def test_which_keys_act(keys: Callable[..., list[str]]) -> None:
    page = keys.page  # type: ignore[attr-defined]
    ask = "['next', 'redo', 'nothing'].map((id) => window.keyboard.keysFor(id))"
    assert page.evaluate(ask) == [["j", "arrowdown"], ["shift+z", "mod+shift+z"], None]
    page.evaluate("window.keyboard.singleKeysOff = true")
    assert page.evaluate(ask) == [["arrowdown"], ["mod+shift+z"], None]


def test_a_stopped_keyboard_is_silent(keys: Callable[..., list[str]]) -> None:
    page = keys.page  # type: ignore[attr-defined]
    page.evaluate("window.keyboard.stop()")
    assert keys("free", "j", "Escape") == []


def test_a_panel_beside_the_work_leaves_it_its_keys(keys: Callable[..., list[str]]) -> None:
    page = keys.page  # type: ignore[attr-defined]
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('aside'),"
        " { popover: 'manual', id: 'panel' })); document.getElementById('panel').showPopover()"
    )
    assert keys("free", "j") == ["next"]


def test_keys_rest_while_a_menu_is_open(keys: Callable[..., list[str]]) -> None:
    page = keys.page  # type: ignore[attr-defined]
    page.evaluate("document.getElementById('palette').setAttribute('role', 'menu')")
    page.evaluate("document.getElementById('palette').showPopover()")
    assert keys("free", "j", "1") == []


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
