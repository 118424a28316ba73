"""The workspace as people use it for hours: by key, without a network, in two windows, too late.

Nothing that was judged is lost, and nothing counts twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import sign_in
from tests.e2e.conftest import Demo
from tests.e2e.people import (
    Office,
    Person,
    accept_claim,
    await_item,
    find_item,
    leaving,
    open_claim,
    submit_item,
)
from tests.e2e.system import stage

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.browser

NUMBERS = count(1)


@dataclass(frozen=True, slots=True)
class Held:
    """Somebody with an item that is theirs alone."""

    person: Person
    path: str
    assignment: str
    steps: int

    @property
    def page(self) -> Page:
        return self.person.page

    def open(self) -> Page:
        self.page.goto(self.path)
        await_item(self.page)
        return self.page


@pytest.fixture
def office(browser: Browser, demo: Demo) -> Iterator[Office]:
    office = Office(browser, demo.system.url)
    yield office
    complaints = office.list_complaints()
    office.close()
    # A request that fails while there is no network, or that is refused on purpose, says so.
    expected = re.compile(r"ERR_INTERNET_DISCONNECTED|status of 40[09]")
    unexpected = {
        name: [problem for problem in problems if not expected.search(problem)]
        for name, problems in complaints.items()
    }
    assert not any(unexpected.values()), unexpected


@pytest.fixture
def give(office: Office, demo: Demo) -> Callable[..., Held]:
    """Give an item to a new person, who is signed in."""

    def give(task: str, *, action: str = "give", **options: Any) -> Held:
        name = f"reviewer-{next(NUMBERS)}"
        given = stage(demo.system, action, name, task)
        person = office.seat(name, **options)
        sign_in(person.page, demo.system.url, name, name)
        return Held(person, given["path"], given["assignment"], int(given["steps"]))

    return give


def expect_rating(page: Page, step: int, rating: int) -> None:
    expect(page.locator(f"[name=rating-{step}][value='{rating}']")).to_be_checked()


def expect_no_rating(page: Page, step: int) -> None:
    expect(page.locator(f"[name=rating-{step}]:checked")).to_have_count(0)


def expect_saved(page: Page) -> None:
    expect(page.locator("[data-save-status]")).to_have_text(re.compile(r"^(Saved$|Back online)"))


def count_revisions(demo: Demo, held: Held) -> int:
    counted: int = stage(demo.system, "count", held.assignment)
    return counted


def test_rating_and_submitting_by_key_alone(give, demo):
    held = give("rate_steps")
    page = held.open()
    page.keyboard.press("1")
    expect_rating(page, 0, 1)
    # The cursor went on by itself; back up, another word, and that one is taken back.
    page.keyboard.press("k")
    page.keyboard.press("3")
    expect_rating(page, 0, -1)
    page.keyboard.press("z")
    expect_rating(page, 0, 1)
    page.keyboard.press("2")
    for _step in range(held.steps):
        page.keyboard.press("1")
    expect(page.locator("[data-steps-left]")).not_to_contain_text("left")
    submit_item(page)
    assert count_revisions(demo, held) == 1


def test_a_double_click_submits_once(give, demo):
    held = give("rate_steps")
    page = held.open()
    for _step in range(held.steps):
        page.keyboard.press("1")
    with page.expect_navigation(url=leaving(page)):
        page.locator("[data-submit]").dblclick()
    assert count_revisions(demo, held) == 1


def test_a_shift_by_key_alone_sends_one_request_an_item(give, demo):
    """Each submission also takes the next item, whichever task the queue has next."""
    held = give("verify_injection")
    page = held.open()
    sent: list[str] = []
    page.on(
        "request",
        lambda request: sent.append(request.url) if request.method != "GET" else None,
    )
    numbers = [held.assignment]
    for _item in range(3):
        if page.locator("[data-sealed]").count():
            open_claim(page, first_error=None)
            accept_claim(page)
        else:
            for _step in range(page.locator(".step[data-position]").count()):
                page.keyboard.press("1")
        expect_saved(page)
        sent.clear()
        submit_item(page)
        # With the name of what is ready of the next item, where something is.
        addresses = [address.partition("?")[0] for address in sent]
        assert addresses == [f"{demo.system.url}/assignments/{numbers[-1]}/submit/"]
        numbers.append(str(find_item(page)))
    assert len(set(numbers)) == 4
    assert [stage(demo.system, "count", number) for number in numbers] == [1, 1, 1, 0]


# Nothing of it shows, so that the page has to be asked.
LOOKED = """addEventListener("workbench:looked-ahead", () => {
  document.documentElement.dataset.looked = "ahead";
});"""


def open_and_look_ahead(held: Held) -> Page:
    """Open the item; the next one is ready by then."""
    held.page.add_init_script(LOOKED)
    page = held.open()
    expect(page.locator("html[data-looked=ahead]")).to_be_attached()
    return page


def rate_and_submit(page: Page, steps: int) -> dict[str, Any]:
    """Rate all steps as correct and submit; what the server answered."""
    said: dict[str, Any] = {}

    def read(route: Route) -> None:
        answer = route.fetch()
        said.update(answer.json())
        route.fulfill(response=answer)

    page.route("**/submit/**", read)
    for _step in range(steps):
        page.keyboard.press("1")
    submit_item(page)
    page.unroute("**/submit/**")
    return said


def test_the_next_item_is_ready_and_is_the_very_page(give, demo):
    held = give("3", action="queue")
    page = open_and_look_ahead(held)
    said = rate_and_submit(page, held.steps)
    assert said["page"] is None
    assert said["values"]["assignment"]["id"] == find_item(page)
    shown = page.locator("#work").inner_text()
    page.reload()
    await_item(page)
    assert page.locator("#work").inner_text() == shown
    assert count_revisions(demo, held) == 1


def test_an_item_that_was_ready_is_saved_and_submitted_like_any_other(give, demo):
    held = give("3", action="queue")
    page = open_and_look_ahead(held)
    rate_and_submit(page, held.steps)
    following = find_item(page)
    page.keyboard.press("3")
    expect_saved(page)
    page.reload()
    await_item(page)
    expect_rating(page, 0, -1)
    for _step in range(held.steps - 1):
        page.keyboard.press("1")
    submit_item(page)
    assert stage(demo.system, "count", str(following)) == 1


def test_another_item_is_shown_where_the_one_that_was_ready_is_taken(give, demo):
    """Others were faster: what they got is nobody else's."""
    held = give("3", action="queue")
    page = open_and_look_ahead(held)
    stage(demo.system, "take_ahead", held.assignment)
    said = rate_and_submit(page, held.steps)
    assert "values" not in said
    assert said["page"]
    assert stage(demo.system, "count", str(find_item(page))) == 0


def test_a_submission_with_gaps_goes_to_the_first_of_them(give, demo):
    held = give("rate_steps")
    page = held.open()
    page.keyboard.press("1")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.locator("[aria-current=step]")).to_have_id("step-2")
    assert count_revisions(demo, held) == 0


def test_a_reload_brings_the_draft_back(give):
    held = give("rate_steps")
    page = held.open()
    page.keyboard.press("1")
    page.keyboard.press("3")
    expect_saved(page)
    held.open()
    expect_rating(page, 0, 1)
    expect_rating(page, 1, -1)
    expect_no_rating(page, 2)


def test_work_without_a_network_is_kept_and_sent(give):
    held = give("rate_steps")
    page = held.open()
    page.keyboard.press("1")
    expect_saved(page)
    page.context.set_offline(True)
    page.keyboard.press("3")
    expect(page.locator("[data-save-status]")).to_have_text("Saved on this device")
    expect(page.locator("[data-banner=offline]")).to_be_visible()
    page.context.set_offline(False)
    expect_saved(page)
    expect(page.locator("[data-banner=offline]")).to_have_count(0)
    held.open()
    expect_rating(page, 0, 1)
    expect_rating(page, 1, -1)


def test_a_submission_without_a_network_goes_out_later_and_once(give, demo):
    held = give("rate_steps")
    page = held.open()
    for _step in range(held.steps):
        page.keyboard.press("1")
    expect_saved(page)
    page.context.set_offline(True)
    page.keyboard.press("Enter")
    expect(page.locator("[data-banner=submit]")).to_be_visible()
    assert count_revisions(demo, held) == 0
    with page.expect_navigation(url=leaving(page)):
        page.context.set_offline(False)
    assert count_revisions(demo, held) == 1


def test_a_second_tab_takes_over_and_says_so(give):
    held = give("rate_steps")
    first = held.open()
    first.keyboard.press("1")
    expect_saved(first)
    second = first.context.new_page()
    second.goto(held.path)
    await_item(second)
    expect_rating(second, 0, 1)
    expect(first.locator("[data-banner=tab]")).to_be_visible()
    second.keyboard.press("3")
    expect_saved(second)
    first.bring_to_front()
    first.locator("[data-banner=tab] button").click()
    await_item(first)
    expect_rating(first, 1, -1)


def test_two_browsers_with_different_words_keep_both(give, office, demo):
    """The version that comes second asks which one to go on with; undo brings the other back."""
    held = give("rate_steps")
    one = held.open()
    name = held.person.name
    elsewhere = office.seat(f"{name} elsewhere")
    sign_in(elsewhere.page, demo.system.url, name, name)
    other = elsewhere.page
    other.goto(held.path)
    await_item(other)
    one.keyboard.press("1")
    expect_saved(one)
    other.keyboard.press("3")
    dialog = other.get_by_role("dialog", name="This item was changed in another window")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Take the other version").click()
    expect_rating(other, 0, 1)
    other.locator("#main").focus()
    other.keyboard.press("z")
    expect_rating(other, 0, -1)


def test_a_draft_outlives_its_lease(give, demo):
    held = give("rate_steps")
    page = held.open()
    page.keyboard.press("1")
    expect_saved(page)
    stage(demo.system, "expire", held.assignment)
    # Nobody has told the page yet: the next judgement meets a lease that is over.
    page.keyboard.press("3")
    banner = page.locator("[data-banner=lease]")
    expect(banner).to_be_visible()
    with page.expect_navigation(url=leaving(page)):
        banner.get_by_role("button").click()
    await_item(page)
    expect_rating(page, 0, 1)
    # Also what came after the lease had ended.
    expect_rating(page, 1, -1)


def test_verifying_without_scripts(give, demo):
    held = give("verify_injection", java_script_enabled=False)
    page = held.page
    page.goto(held.path)
    # Nothing is rendered, but everything can be read and answered.
    page.get_by_label("First error").select_option(label="Step 1")
    page.get_by_role("button", name="Open the claim").click()
    expect(page.get_by_role("heading", name="The claim")).to_be_visible()
    page.get_by_role("radio", name="Reject").check()
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_text("Choose why the injection is rejected")).to_be_visible()
    assert count_revisions(demo, held) == 0
    page.get_by_role("radio", name="Reject").check()
    page.locator("[name=reject_code][value=wrong_type]").check()
    page.get_by_role("button", name="Submit").click()
    assert count_revisions(demo, held) == 1
    assert page.url != f"{demo.system.url}{held.path}"


def test_rating_without_scripts(give, demo):
    held = give("rate_steps", java_script_enabled=False)
    page = held.page
    page.goto(held.path)
    for step in range(held.steps):
        page.locator(f"[name=rating-{step}][value='1']").check()
    page.get_by_role("button", name="Submit").click()
    assert count_revisions(demo, held) == 1
