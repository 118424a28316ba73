"""Rating as people do it for hours: few keys, the step in sight, and a machine's word beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import sign_in
from tests.e2e.conftest import Demo
from tests.e2e.people import Office, await_item, leaving, submit_item
from tests.e2e.system import stage

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

NUMBERS = count(1)
PHONE = {"width": 390, "height": 844}
# Kept where the page that follows can be asked for it.
COUNT_KEYS = """addEventListener("keydown", () => {
  sessionStorage.keys = Number(sessionStorage.keys ?? 0) + 1;
}, true);"""
# The current row's name where something stands over its first or last line. Asked after two frames:
# rows that come into sight get their true height then.
SEE_CURRENT = """async () => {
  for (const _frame of [1, 2]) await new Promise((done) => requestAnimationFrame(done));
  const row = document.querySelector("[aria-current='step']");
  const box = row.getBoundingClientRect();
  const shows = (y) => row.contains(document.elementFromPoint(box.left + 20, y));
  return shows(box.top + 4) && shows(box.bottom - 4) ? null : row.id;
}"""


@pytest.fixture
def office(browser: Any, demo: Demo) -> Iterator[Office]:
    office = Office(browser, demo.system.url)
    yield office
    complaints = office.list_complaints()
    office.close()
    assert not complaints


@pytest.fixture
def give(office: Office, demo: Demo) -> Callable[..., tuple[Page, str]]:
    """Give an item of so many steps to a new person; their page, open at it, and its assignment."""

    def give(steps: int, *proposed: int, mode: str = "all_steps", **options: Any) -> Any:
        name = f"rater-{next(NUMBERS)}"
        given = stage(demo.system, "rate", name, str(steps), mode, *map(str, proposed))
        page = office.seat(name, **options).page
        page.add_init_script(COUNT_KEYS)
        sign_in(page, demo.system.url, name, name)
        page.goto(given["path"])
        await_item(page)
        page.evaluate("sessionStorage.removeItem('keys')")
        return page, given["assignment"]

    return give


def count_keys(page: Page) -> int:
    return int(page.evaluate("sessionStorage.keys"))


def count_revisions(demo: Demo, assignment: str) -> int:
    counted: int = stage(demo.system, "count", assignment)
    return counted


def test_a_correct_solution_of_13_steps_takes_at_most_fifteen_keys(give, demo):
    page, assignment = give(13)
    for _step in range(13):
        page.keyboard.press("1")
    submit_item(page)
    assert count_keys(page) <= 15
    assert count_revisions(demo, assignment) == 1


def test_107_steps_by_key_with_the_current_one_always_in_sight(give, demo):
    page, assignment = give(107)
    unseen = []
    for number in range(107):
        unseen.append(page.evaluate(SEE_CURRENT))
        page.keyboard.press("2" if number % 10 == 9 else "1")
    assert [row for row in unseen if row] == []
    checked = page.locator(".step input:checked")
    said = checked.evaluate_all("all => all.map((radio) => [radio.name, radio.value])")
    assert said == [[f"rating-{number}", "0" if number % 10 == 9 else "1"] for number in range(107)]
    submit_item(page)
    assert count_revisions(demo, assignment) == 1


def test_on_a_phone_nothing_stands_over_the_current_step(give):
    page, _assignment = give(12, viewport=PHONE, has_touch=True)
    unseen = []
    for move in [*"j" * 11, *"k" * 11]:
        page.keyboard.press(move)
        unseen.append(page.evaluate(SEE_CURRENT))
    assert [row for row in unseen if row] == []


def test_proposals_are_confirmed_or_overridden_by_key(give, demo):
    page, assignment = give(4, 1, 1, -1, 1)
    expect(page.locator("[data-unconfirmed].step")).to_have_count(4)
    # The first as proposed, the second wrong by an error that the machine missed.
    page.keyboard.press("v")
    page.keyboard.press("3")
    page.keyboard.press("4")
    # The third is right; the reason comes last, where Enter leads to it.
    page.keyboard.press("1")
    page.keyboard.press("j")
    page.keyboard.press("v")
    expect(page.locator("[data-steps-left]")).to_have_text("Say why at step 3")
    page.keyboard.press("Enter")
    expect(page.locator("[aria-current=step]")).to_have_id("step-3")
    assert count_revisions(demo, assignment) == 0
    page.keyboard.press("5")
    submit_item(page)
    assert count_keys(page) == 9
    assert count_revisions(demo, assignment) == 1


def test_giving_up_by_mouse_takes_a_reason(give, demo):
    page, assignment = give(3, mode="prm800k")
    page.get_by_role("button", name=re.compile("^Give up")).click()
    dialog = page.get_by_role("dialog", name="Give up on this item")
    dialog.get_by_label("What is the reason?").fill("I cannot see how step 2 follows.")
    with page.expect_navigation(url=leaving(page)):
        dialog.get_by_role("button", name="Submit: given up").click()
    assert count_revisions(demo, assignment) == 1
