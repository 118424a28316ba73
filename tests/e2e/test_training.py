"""Learning the job: a newcomer fails, sees why, tries again, passes, and gets the first item."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import find_barriers, find_overflow, sign_in
from tests.e2e.conftest import Demo
from tests.e2e.people import Office, await_item, leaving, open_claim
from tests.e2e.system import PATIENCE, ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

NEWCOMER = "newcomer"


@pytest.fixture
def slug(demo: Demo) -> str:
    """A project that asks for its training first."""
    made = subprocess.run(
        [sys.executable, "-m", "tests.e2e.training_staging", NEWCOMER],
        cwd=ROOT,
        env=demo.system.env,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    name: str = json.loads(made.stdout)["slug"]
    return name


@pytest.fixture
def page(browser: Browser, demo: Demo, slug: str) -> Iterator[Page]:
    """The newcomer's browser; it has nothing to complain of when the test is over."""
    office = Office(browser, demo.system.url)
    person = office.seat(NEWCOMER)
    sign_in(person.page, demo.system.url, NEWCOMER, NEWCOMER)
    yield person.page
    complaints = office.list_complaints()
    office.close()
    assert complaints == {}


def press_on(page: Page) -> None:
    """Enter, and the page after this one is there."""
    # The key is heard once the page's script runs.
    page.wait_for_load_state("load")
    with page.expect_navigation(url=leaving(page)):
        page.keyboard.press("Enter")


def answer(page: Page, *, first_error: int | None) -> None:
    """Judge the item by key, and come to its explanation."""
    await_item(page)
    if page.locator("[data-sealed]").count():
        open_claim(page, first_error=first_error)
        page.keyboard.press("1" if first_error else "3")
        if first_error is None:
            page.locator("[name=reject_code][value=not_an_error]").check()
    else:
        # After each rating the cursor goes on by itself.
        for number in range(1, page.locator(".step[data-position]").count() + 1):
            page.keyboard.press("3" if number == first_error else "1")
    page.keyboard.press("Enter")
    # It stands at the address of the item, which is answered now.
    expect(page.get_by_role("heading", name="Step by step")).to_be_visible()


def know_answer(page: Page) -> int | None:
    """Where the first error of this item is, as somebody knows who has read the explanation."""
    return 2 if page.locator("#main", has_text="Two and two are five").count() else None


def test_a_newcomer_fails_tries_again_passes_and_gets_the_first_item(page: Page, slug: str) -> None:
    # The queue is shut, and says what opens it.
    page.goto(f"/projects/{slug}/work/")
    expect(page.get_by_role("button", name="Take the next item")).to_have_count(0)
    page.get_by_role("link", name="To the training").click()
    expect(page.get_by_text("With 3 of 3 right you have passed")).to_be_visible()
    assert find_barriers(page) == []

    press_on(page)
    # The first item has an error in step 2; nothing of it is seen.
    answer(page, first_error=None)
    expect(page.get_by_text("The first error is at step 2; you saw none.")).to_be_visible()
    expect(page.get_by_text("Step 2 adds wrongly")).to_be_visible()
    expect(page.locator("tr.differs")).to_have_count(1)
    press_on(page)
    answer(page, first_error=2)
    expect(page.get_by_text("The claim is to be accepted, as you said.")).to_be_visible()
    press_on(page)
    answer(page, first_error=None)
    expect(page.get_by_text("There is no error, as you said.")).to_be_visible()
    press_on(page)
    expect(page.get_by_text("2 of 3 right (67 %)")).to_be_visible()
    expect(page.get_by_text("Not passed yet: 3 of 3 are needed")).to_be_visible()
    assert find_barriers(page) == []

    # Another round, in whatever order it comes: by now the answers are known.
    press_on(page)
    for _item in range(3):
        await_item(page)
        answer(page, first_error=know_answer(page))
        press_on(page)
    expect(page.get_by_text("You have passed.")).to_be_visible()
    assert find_barriers(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert find_overflow(page) == []

    press_on(page)
    await_item(page)
    assert "/assignments/" in page.url
