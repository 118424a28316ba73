"""Choosing keys by pressing them, in a real browser, by keyboard alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import expect

from labeling.models import User
from labeling.preferences import read_preferences
from tests.labeling.factories import make_user

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PATIENCE_MS = 10_000


@pytest.fixture
def mei(transactional_db: None) -> User:
    return make_user("mei")


@pytest.fixture
def page(open_page: Callable[..., Page], live_server: Any, mei: User) -> Page:
    client = Client()
    client.force_login(mei)
    page = open_page(base_url=live_server.url)
    page.context.add_cookies(
        [
            {
                "name": settings.SESSION_COOKIE_NAME,
                "value": client.cookies[settings.SESSION_COOKIE_NAME].value,
                "url": live_server.url,
            }
        ]
    )
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    page.goto("/account/keys/")
    page.evaluate("window.stays = true")
    return page


def button(page: Page, action: str) -> Any:
    return page.locator(f"#key-{action} [data-press]")


def field(page: Page, action: str) -> Any:
    return page.locator(f"#key-{action} input[name=keys]")


def keys_of(user: User) -> dict[str, tuple[str, ...]]:
    user.refresh_from_db()
    return dict(read_preferences(user).keys)


def test_a_key_is_pressed_and_saved(page, mei):
    button(page, "problem").focus()
    page.keyboard.press("Enter")
    expect(button(page, "problem")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Shift+q")
    expect(field(page, "problem")).to_have_value("⇧Q")
    expect(button(page, "problem")).to_be_focused()
    expect(page.locator("[data-announcer]")).to_have_text("“Problem” is ⇧Q now.")
    assert keys_of(mei) == {"problem": ("shift+q",)}
    # And back, without the page being loaded again.
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(field(page, "problem")).to_have_value("P")
    assert page.evaluate("window.stays")
    assert keys_of(mei) == {}


def test_a_clash_is_shown_in_place_and_swapped(page, mei):
    button(page, "note").click()
    page.keyboard.press("x")
    row = page.locator("#key-note")
    expect(row.get_by_role("alert")).to_have_text("X is “Skip, with a reason”.")
    swap = row.get_by_role("button", name="Swap the keys")
    expect(swap).to_be_focused()
    page.keyboard.press("Enter")
    expect(field(page, "note")).to_have_value("X")
    expect(field(page, "skip")).to_have_value("N")
    expect(button(page, "note")).to_be_focused()
    assert keys_of(mei) == {"note": ("x",), "skip": ("n",)}


def test_what_belongs_to_others_leaves_everything_as_it_is(page, mei):
    button(page, "problem").click()
    page.keyboard.press("Escape")
    expect(button(page, "problem")).to_have_attribute("aria-pressed", "false")
    # Tab is no key for an action, and no trap either.
    button(page, "problem").click()
    page.keyboard.press("Tab")
    expect(button(page, "problem")).not_to_be_focused()
    expect(button(page, "problem")).to_have_attribute("aria-pressed", "false")
    button(page, "problem").click()
    page.keyboard.press("Control+k")
    alert = page.locator("#key-problem").get_by_role("alert")
    expect(alert).to_contain_text("belong to the browser")
    button(page, "problem").click()
    page.keyboard.press("Space")
    expect(alert).to_contain_text("The page scrolls")
    assert keys_of(mei) == {}


def test_what_is_written_waits_for_its_button(page, mei):
    save = page.locator("#key-problem").get_by_role("button", name="Save")
    expect(save).to_be_hidden()
    field(page, "problem").fill("q h")
    page.context.set_offline(True)
    save.click()
    expect(page.locator("#key-problem").get_by_role("alert")).to_contain_text("no network")
    page.context.set_offline(False)
    save.click()
    expect(field(page, "problem")).to_have_value("Q H")
    assert keys_of(mei) == {"problem": ("q", "h")}
