"""Verifying injections and deciding on them in a running system: keys counted, nothing left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import find_barriers, sign_in
from tests.e2e.conftest import Demo
from tests.e2e.people import Office, await_item
from tests.e2e.system import stage

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

QUEUE = re.compile(r"/projects/[^/]+/work/")
TOP = "element => element.getBoundingClientRect().top"


@dataclass
class Keys:
    """A keyboard that counts what is pressed on it."""

    page: Page
    pressed: list[str] = field(default_factory=list)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.pressed.append(key)


@pytest.fixture
def office(browser: Browser, demo: Demo) -> Iterator[Office]:
    office = Office(browser, demo.system.url)
    yield office
    complaints = office.list_complaints()
    office.close()
    # What is refused on purpose says so.
    expected = re.compile(r"status of 40[09]")
    unexpected = {
        name: [problem for problem in problems if not expected.search(problem)]
        for name, problems in complaints.items()
    }
    assert not any(unexpected.values()), unexpected


@pytest.fixture(scope="module")
def given(demo: Demo) -> dict[str, dict[str, str]]:
    """What each person of `tests.e2e.claims` has to do."""
    staged: dict[str, dict[str, str]] = stage(demo.system, "verifying")
    return staged


@pytest.fixture
def seat(
    office: Office, demo: Demo, given: dict[str, dict[str, str]]
) -> Callable[..., tuple[Page, dict[str, str]]]:
    """Sign somebody in: their page, and what they have to do."""

    def seat(name: str, **options: object) -> tuple[Page, dict[str, str]]:
        page = office.seat(name, **options).page
        sign_in(page, demo.system.url, name, name)
        return page, given[name]

    return seat


def open_item(page: Page, path: str) -> Keys:
    page.goto(path)
    await_item(page)
    return Keys(page)


def open_claim(keys: Keys, key: str) -> None:
    """The judgement before the claim; what it opens needs no key."""
    expect(keys.page.locator("[data-claim]")).to_be_hidden()
    keys.press(key)
    expect(keys.page.locator("[data-claim]")).to_be_visible()


def finish(keys: Keys, button: str) -> None:
    """Enter does what the button says, and the item is over: nothing else waits for this person."""
    expect(keys.page.locator("[data-submit]")).to_contain_text(button)
    with keys.page.expect_navigation(url=QUEUE):
        keys.press("Enter")


@pytest.mark.parametrize(
    ("name", "blind", "presses", "button", "budget"),
    [
        ("right-one", "e", ["1"], "Accept", 3),
        ("right-two", "w", ["1"], "Accept", 3),
        ("near", "e", ["2", "]"], "Accept with edits", 5),
        ("another", "0", ["1", "1"], "Accept", 5),
    ],
)
def test_the_keys_that_an_injection_takes(seat, name, blind, presses, button, budget):
    page, made = seat(name)
    keys = open_item(page, made["path"])
    open_claim(keys, blind)
    keys.press(*presses)
    finish(keys, button)
    assert len(keys.pressed) <= budget


def test_the_question_stays_above_107_steps(seat):
    page, made = seat("long")
    keys = open_item(page, made["path"])
    question = page.locator("#question")
    before = question.evaluate(TOP)
    expect(question.locator("ins, .m-is").first).to_be_visible()
    # The changed step is the first that one comes to; then on to the last.
    expect(page.locator("[aria-current=step]")).to_have_id("step-60")
    page.locator("#step-107").scroll_into_view_if_needed()
    keys.press(*["Shift+J"] * 47)
    expect(page.locator("[aria-current=step]")).to_have_id("step-107")
    expect(page.locator("[aria-current=step]")).to_be_in_viewport()
    assert question.evaluate(TOP) == before
    expect(question).to_be_in_viewport(ratio=1)


def test_another_solution_without_scripts(seat):
    page, made = seat("another-plain", java_script_enabled=False)
    page.goto(made["path"])
    expect(page.get_by_role("group", name="Is this solution correct?")).to_be_hidden()
    page.get_by_label("First error").select_option(label="No error")
    page.get_by_role("button", name="Open the claim").click()
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("Choose a verdict.")).to_be_visible()
    page.locator("[name=correct][value=yes]").check(force=True)
    page.locator("[name=different][value=yes]").check(force=True)
    # The verdict follows from the answers.
    page.get_by_role("button", name="Submit").click()
    expect(page).to_have_url(QUEUE)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_state_of_a_verdict_has_barriers(seat, scheme):
    page, made = seat(f"another-{scheme}", color_scheme=scheme)
    keys = open_item(page, made["path"])
    open_claim(keys, "0")
    barriers = {"asked": find_barriers(page)}
    keys.press("1", "3")
    barriers["rejected"] = find_barriers(page)
    keys.press("2", "o")
    barriers["repairing"] = find_barriers(page)
    assert not any(barriers.values()), barriers


def test_adjudicating_by_key_alone(seat):
    page, made = seat("deciding")
    keys = open_item(page, made["rating"])
    # Two of three say so; then the reason, out of the field, and on to the next dispute.
    keys.press("v", "n")
    page.keyboard.type("The sum is not what it says.")
    keys.press("Escape")
    with page.expect_navigation(url=re.compile(made["solution"])):
        keys.press("Enter")
    await_item(page)
    expect(page.locator("[data-replies]")).to_have_count(2)
    keys.press("1", "3", "n")
    page.keyboard.type("It renames the numbers.")
    keys.press("Escape")
    with page.expect_navigation(url=re.compile(f"/projects/{made['slug']}/disputes/")):
        keys.press("Enter")
    expect(page.get_by_text("No dispute is open")).to_be_visible()


def test_a_dispute_is_sent_back_by_key_alone(seat):
    page, made = seat("asking")
    keys = open_item(page, made["rating"])
    keys.press("s")
    expect(page.get_by_role("dialog", name="Send it back to its reviewers?")).to_be_visible()
    page.keyboard.type("Look at step 2 again.")
    keys.press("Tab", "Tab")
    # It stays open, and the next one comes.
    with page.expect_navigation(url=re.compile(made["solution"])):
        keys.press("Enter")
    expect(page.get_by_text("The reviewers are asked to look again.")).to_be_visible()
    page.goto(made["rating"])
    expect(page.locator("[data-submit]")).to_be_enabled()
