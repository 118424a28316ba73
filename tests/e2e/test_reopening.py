"""One's own item, opened again: by keyboard, with a reason, and while the network is away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import sign_in
from tests.e2e.conftest import Demo
from tests.e2e.people import Office, await_item, submit_item
from tests.e2e.system import stage

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

NUMBERS = count(1)


@pytest.fixture
def office(browser: Any, demo: Demo) -> Iterator[Office]:
    office = Office(browser, demo.system.url)
    yield office
    complaints = office.list_complaints()
    office.close()
    assert not complaints


@pytest.fixture
def page(office: Office, demo: Demo) -> Page:
    """A person who has rated three steps right, on the page of what they submitted."""
    name = f"reopener-{next(NUMBERS)}"
    given = stage(demo.system, "rate", name, "3", "all_steps")
    page = office.seat(name).page
    sign_in(page, demo.system.url, name, name)
    page.goto(given["path"])
    await_item(page)
    for _step in range(3):
        page.keyboard.press("1")
    submit_item(page)
    page.goto(given["path"])
    expect(page.locator("h1")).to_have_text("You have submitted this item")
    return page


def open_again(page: Page) -> None:
    page.get_by_role("link", name="Open again").focus()
    page.keyboard.press("Enter")
    await_item(page)


def give_reason(page: Page, words: str) -> None:
    """In the dialog that the submission opens, by keys alone."""
    expect(page.locator("#way-reason")).to_be_visible()
    page.keyboard.type(words)
    # Past the way back, to the submission.
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")


def expect_both(page: Page, reason: str) -> None:
    page.wait_for_url(re.compile(r"/assignments/\d+/$"))
    said = page.locator("section", has=page.get_by_role("heading", name="What you said"))
    expect(said.locator("li")).to_have_count(2)
    expect(said.locator("li").first).to_contain_text("first error at step 1")
    expect(said.locator("li").first).to_contain_text(reason)
    expect(said.locator("li").last).to_contain_text("no error")


def test_a_change_is_made_by_keyboard_and_stands_beside_the_first(page: Page) -> None:
    open_again(page)
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    give_reason(page, "I had misread it.")
    expect_both(page, "I had misread it.")


def test_a_change_that_is_not_submitted_is_there_after_a_reload(page: Page) -> None:
    open_again(page)
    page.keyboard.press("3")
    page.reload()
    await_item(page)
    expect(page.locator("[data-toasts]")).to_contain_text("are back")
    page.keyboard.press("Enter")
    give_reason(page, "It was there.")
    expect_both(page, "It was there.")


def test_a_change_made_without_a_network_arrives_once_there_is_one(
    page: Page, office: Office
) -> None:
    open_again(page)
    page.context.set_offline(True)
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    give_reason(page, "On the train.")
    expect(page.locator("[data-banners]")).not_to_be_empty()
    page.context.set_offline(False)
    expect_both(page, "On the train.")
    [person] = office.people
    # The browser says that it was cut off; nothing else is to be said.
    assert {"ERR_INTERNET_DISCONNECTED" in problem for problem in person.watch.take()} <= {True}
