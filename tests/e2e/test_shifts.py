"""Whole shifts: from signing in to an empty queue, with one means alone, in both languages."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import find_barriers, find_overflow, sign_in
from tests.e2e.conftest import Demo
from tests.e2e.people import Office, Person, await_item, go_to_step, leaving
from tests.e2e.system import PATIENCE, ROOT, SystemFailed

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

NUMBERS = count(1)
# English by day, Chinese by night: every shift is worked in both.
SETTINGS = (
    pytest.param({"locale": "en-GB", "color_scheme": "light"}, id="english-light"),
    pytest.param({"locale": "zh-CN", "color_scheme": "dark"}, id="chinese-dark"),
)
# More presses of Tab than any page has stops.
MOST_STOPS = 120
SHIFT_STEPS = 3
LONG_STEPS = 107


@pytest.fixture
def office(browser: Any, demo: Demo) -> Iterator[Office]:
    office = Office(browser, demo.system.url)
    yield office
    complaints = office.list_complaints()
    office.close()
    assert not complaints, complaints


@pytest.fixture
def hire(office: Office, demo: Demo) -> Callable[..., tuple[Person, str]]:
    """A new person with a queue of their own: (person, the way into it)."""

    def hire(kind: str, **options: Any) -> tuple[Person, str]:
        name = f"shift-{kind}-{next(NUMBERS)}"
        done = subprocess.run(
            [sys.executable, "-m", "tests.e2e.shift_staging", name, kind],
            cwd=ROOT,
            env=demo.system.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        if done.returncode != 0:
            raise SystemFailed(f"The shift {kind} was not made: {done.stderr}")
        path: str = json.loads(done.stdout)["path"]
        return office.seat(name, **options), path

    return hire


def begin(person: Person, path: str, demo: Demo) -> Page:
    """Sign in, and take the first item."""
    page = person.page
    sign_in(page, demo.system.url, person.name, person.name)
    page.goto(path)
    page.locator("main form[method=post] button.btn--primary").first.click()
    await_item(page)
    return page


def is_sealed(page: Page) -> bool:
    return page.locator("[data-sealed]").count() > 0


def expect_empty_queue(page: Page) -> None:
    """The queue's page, with nothing to take."""
    expect(page).to_have_url(lambda url: url.rstrip("/").endswith("/work"))  # type: ignore[arg-type]


def count_submitted(page: Page, path: str) -> int:
    """How many items the person finds among their own."""
    page.goto(path.replace("/work/", "/submitted/"))
    return page.locator("main a[href^='/assignments/']").count()


# --- By keyboard ----------------------------------------------------------------------------------


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until the element has the focus."""
    for _stop in range(MOST_STOPS):
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"{target} was not reached by {MOST_STOPS} presses of Tab")


def press_enter_and_wait(page: Page) -> None:
    with page.expect_navigation(url=leaving(page)):
        page.keyboard.press("Enter")


@pytest.mark.parametrize("options", SETTINGS)
def test_a_shift_by_keyboard_alone(hire, demo, options):
    person, path = hire("mixed", **options)
    page = person.page
    page.goto(f"{demo.system.url}/accounts/login/?next={path}")
    tab_to(page, page.locator("#id_username"))
    page.keyboard.type(person.name)
    page.keyboard.press("Tab")
    page.keyboard.type(person.name)
    press_enter_and_wait(page)
    tab_to(page, page.locator("main form[method=post] button.btn--primary").first)
    press_enter_and_wait(page)
    await_item(page)

    # A right solution: a step a key.
    for _step in range(SHIFT_STEPS):
        page.keyboard.press("1")
    submit_by_key(page)
    # A right claim.
    expect(page.locator("[data-sealed]")).to_be_visible()
    go_to_step(page, 2)
    page.keyboard.press("e")
    expect(page.locator("[data-claim]")).to_be_visible()
    page.keyboard.press("1")
    submit_by_key(page)
    # A wrong step, with its type and a note.
    page.keyboard.press("1")
    page.keyboard.press("e")
    page.keyboard.press("t")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.press("n")
    page.keyboard.type("2+2")
    page.keyboard.press("Escape")
    expect(page.locator("[aria-current=step]")).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("1")
    submit_by_key(page)
    # A claim that is off by one.
    expect(page.locator("[data-sealed]")).to_be_visible()
    go_to_step(page, 2)
    page.keyboard.press("e")
    expect(page.locator("[data-claim]")).to_be_visible()
    page.keyboard.press("2")
    page.keyboard.press("]")
    press_enter_and_wait(page)
    assert page.url.endswith(path)
    assert count_submitted(page, path) == 4


def submit_by_key(page: Page) -> None:
    press_enter_and_wait(page)
    await_item(page)


# --- By mouse -------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", SETTINGS)
def test_a_shift_by_mouse_alone(hire, demo, options):
    person, path = hire("mixed", **options)
    page = begin(person, path, demo)

    for step in range(SHIFT_STEPS):
        rate_by_mouse(page, step, "1")
    submit_by_mouse(page)

    flag_by_mouse(page, 2)
    choose_verdict(page, "accept")
    submit_by_mouse(page)

    rate_by_mouse(page, 0, "1")
    rate_by_mouse(page, 1, "-1")
    inspector = page.locator("[data-inspector='1']")
    page.locator("#step-2 .step__n").click()
    inspector.locator("[data-do=type]").click()
    page.locator("#types [role=option]").first.click()
    rate_by_mouse(page, 2, "1")
    submit_by_mouse(page)

    flag_by_mouse(page, 2)
    choose_verdict(page, "accept_with_edits")
    page.locator("[data-do=shift-on]").click()
    with page.expect_navigation(url=leaving(page)):
        page.locator("[data-submit]").click()
    assert page.url.endswith(path)
    assert count_submitted(page, path) == 4


def rate_by_mouse(page: Page, step: int, rating: str) -> None:
    page.locator(f"label:has([name=rating-{step}][value='{rating}'])").click()
    expect(page.locator(f"[name=rating-{step}][value='{rating}']")).to_be_checked()


def flag_by_mouse(page: Page, number: int) -> None:
    """The blind judgement: the flag of the first wrong step."""
    expect(page.locator("[data-sealed]")).to_be_visible()
    page.locator(f"#step-{number} label.flag").click()
    expect(page.locator("[data-claim]")).to_be_visible()


def choose_verdict(page: Page, verdict: str) -> None:
    page.locator(f"label:has([name=verdict][value={verdict}])").click()
    expect(page.locator(f"[name=verdict][value={verdict}]")).to_be_checked()


def submit_by_mouse(page: Page) -> None:
    # A second press so soon after a new item is taken for a double click.
    page.wait_for_timeout(600)
    with page.expect_navigation(url=leaving(page)):
        page.locator("[data-submit]").click()
    await_item(page)


# --- Long and hostile -----------------------------------------------------------------------------


def test_a_hundred_and_seven_steps_by_key(hire, demo):
    person, path = hire("long")
    page = begin(person, path, demo)
    expect(page.locator(".step[data-position]")).to_have_count(LONG_STEPS)
    for step in range(LONG_STEPS):
        page.keyboard.press("1" if step % 2 else "2")
        if step % 20 == 0:
            expect(page.locator("[aria-current=step]")).to_be_in_viewport()
    expect(page.locator("[name^=rating-]:checked")).to_have_count(LONG_STEPS)
    assert find_overflow(page) == []
    assert find_barriers(page) == []
    press_enter_and_wait(page)
    assert count_submitted(page, path) == 1


@pytest.mark.parametrize("options", SETTINGS)
def test_hostile_text_is_only_read(hire, demo, options):
    person, path = hire("hostile", **options)
    page = begin(person, path, demo)
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog came up: {dialog.message}"))
    assert page.title() != "taken"
    assert find_overflow(page) == []
    assert find_barriers(page) == []
    steps = page.locator(".step[data-position]").count()
    page.keyboard.press("r")
    page.keyboard.press("r")
    for _step in range(steps):
        page.keyboard.press("1")
    submit_by_key(page)
    page.keyboard.press("e")
    expect(page.locator("[data-claim]")).to_be_visible()
    assert find_overflow(page) == []
    assert find_barriers(page) == []
    page.keyboard.press("4")
    press_enter_and_wait(page)
    assert page.title() != "taken"
    assert count_submitted(page, path) == 2
