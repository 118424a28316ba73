"""Keys of one's own on the pages of work: the catalogue is what they bind, hints follow them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from labeling.preferences import ACTIONS, Preferences
from labeling.templatetags.keys import key_sign
from tests.js.conftest import Site
from tests.js.pages import (
    STEPS,
    adjudicate_ratings_context,
    adjudicate_verdicts_context,
    rate_context,
    verify_context,
)

pytestmark = pytest.mark.browser

Show = Callable[..., Any]
# Scripts are modules of their own here, so the page's keyboard can be asked for.
BINDINGS = """async () => {
  const { currentKeyboard } = await import("/static/labeling/js/keyboard.js");
  return currentKeyboard().bindings.map(({ id, keys, label }) =>
    ({ id, label, keys: keys.map((key) => key.toLowerCase()).sort() }));
}"""
HINTS = "all => all.filter((node) => !node.hidden).map((node) => node.dataset.key)"
DRAWN = re.compile(r'data-key="(\w+)">([^<]+)<')
PROPOSAL = {
    "suggestion": 1,
    "method": "genprm",
    "producer": "tiny",
    "is_scripted": False,
    "ratings": [1] * len(STEPS),
}
# What a page is drawn from, so that together everything it can do is bound.
STATES: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "rate": ("labeling/rate.html", [rate_context(), rate_context() | {"proposal": PROPOSAL}]),
    "verify": ("labeling/verify.html", [verify_context(is_sealed=False)]),
    "decide_ratings": ("labeling/adjudicate.html", [adjudicate_ratings_context()]),
    "decide_verdicts": ("labeling/adjudicate.html", [adjudicate_verdicts_context()]),
}


@pytest.fixture
def saving(site: Site) -> Site:
    site.answers["PUT /api/v1/assignments/7/draft/"] = lambda _body: (200, {"version": 1})
    site.answers["PATCH /api/v1/me/preferences/"] = lambda body: (200, body)
    return site


@pytest.mark.parametrize("page", STATES)
def test_the_catalogue_is_what_the_page_binds(show: Show, saving: Site, page: str) -> None:
    template, contexts = STATES[page]
    bound: dict[str, list[str]] = {}
    drawn: set[tuple[str, str]] = set()
    for number, context in enumerate(contexts):
        window = show(template, context, path=f"/page-{number}")
        bound |= {one["id"]: one["keys"] for one in window.evaluate(BINDINGS)}
        drawn |= set(DRAWN.findall(saving.pages[f"/page-{number}"]))
        assert set(window.eval_on_selector_all("[data-key]", HINTS)) <= set(bound)
    known = {
        action.id: sorted(Preferences().keys_of(action))
        for action in ACTIONS
        if page in action.pages
    }
    assert bound == known
    # What stands beside buttons and words is right before any script has run.
    first = {action.id: key_sign(Preferences().keys_of(action)[0]) for action in ACTIONS}
    assert drawn
    assert drawn <= set(first.items())


def hints(page: Any, action: str) -> list[str]:
    found: list[str] = page.eval_on_selector_all(
        f"[data-key='{action}']", "all => all.map((node) => node.hidden ? '' : node.textContent)"
    )
    return found


def test_hints_are_the_persons_own_keys(show: Show, saving: Site) -> None:
    page = show("labeling/rate.html", rate_context() | {"keys": {"skip": ["q"], "note": []}})
    assert set(hints(page, "skip")) == {"Q"}
    assert set(hints(page, "note")) == {""}
    page.keyboard.press("?")
    lines = page.locator("#help dt").all_inner_texts()
    assert "Q" in lines
    assert "no key" in lines
    page.keyboard.press("Escape")
    page.keyboard.press("q")
    assert page.locator("#skip").is_visible()


def test_single_keys_rest_from_the_help(show: Show, saving: Site) -> None:
    page = show("labeling/rate.html", rate_context())
    page.keyboard.press("?")
    page.locator("[data-single-keys]").uncheck()
    assert saving.bodies("PATCH /api/v1/me/preferences/") == [{"single_keys": False}]
    # What is listed and what stands beside buttons are the keys that still act.
    assert "Z" not in page.locator("#help dt").all_inner_texts()
    assert set(hints(page, "skip")) == {""}
    assert set(hints(page, "submit")) == {"↵"}
    page.keyboard.press("Escape")
    page.keyboard.press("3")
    assert page.locator(".step [value='-1']:checked").count() == 0


def test_what_could_not_be_kept_is_said(show: Show, saving: Site) -> None:
    page = show("labeling/rate.html", rate_context())
    page.keyboard.press("?")
    page.context.set_offline(True)
    page.locator("[data-single-keys]").uncheck()
    note = page.locator("[data-single-keys-note]")
    note.filter(has_text="there is no network").wait_for()


def test_the_undo_of_a_toast_names_the_key(show: Show, saving: Site) -> None:
    page = show("labeling/rate.html", rate_context() | {"keys": {"undo": ["q", "mod+z"]}})
    page.keyboard.press("a")
    assert page.locator(".toast kbd").inner_text() == "Q"
