"""The guidelines beside one's work, in a real browser, under the policy that is in force."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import expect

from labeling.models import GuidelineReading, Project, User
from labeling.selectors.guidance import find_edition
from labeling.services.assignments import claim_item
from labeling.services.guidance import make_ruling, note_reading
from labeling.services.projects import publish_guidelines
from tests.labeling.factories import make_items
from tests.labeling.web.helpers import ATTACK

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PATIENCE_MS = 10_000
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def work(
    open_page: Callable[..., Page], live_server: Any, project: Project, alice: User, bob: User
) -> Callable[..., Page]:
    """Opens an item that bob rates, in a project with guidelines and rulings."""
    publish_guidelines(
        project=project,
        by=alice,
        text=f"Be $\\frac{{1}}{{2}}$ exact.\n\n{ATTACK}",
        seen_version=project.guideline_version,
    )
    rule(project, alice, "Is it rounded?")
    rule(project, alice, "Is a guess a circle?", error_type="circular")
    first, *_rest = make_items(project, 3)

    def make(**options: Any) -> Page:
        client = Client()
        client.force_login(bob)
        page = open_page(base_url=live_server.url, **options)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        page.context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}]
        )
        page.set_default_timeout(PATIENCE_MS)
        page.clock.install()
        page.goto(f"/assignments/{claim_item(user=bob, item=first).pk}/")
        page.locator("[aria-current=step]").wait_for()
        # Keys rest at the start of an item.
        page.clock.fast_forward(300)
        return page

    return make


def rule(project: Project, by: User, question: str, **more: Any) -> None:
    make_ruling(project=project, by=by, question=question, answer="No.", **more)


def find_step(page: Page) -> str | None:
    return page.locator("[aria-current=step]").get_attribute("data-position")


def test_a_key_opens_it_beside_the_work(work: Callable[..., Page]):
    page = work()
    page.keyboard.press("g")
    panel = page.locator("#guidelines-panel")
    # It came with its mathematics, and without any element of theirs.
    panel.locator(".guidance__text math").first.wait_for()
    assert panel.locator("img, script").count() == 0
    expect(panel.locator("h2")).to_be_focused()
    circular = panel.locator("#guidance-type-circular")
    expect(circular.get_by_text("Is a guess a circle?")).to_be_attached()
    # The keys of the work go on.
    before = find_step(page)
    page.keyboard.press("j")
    assert find_step(page) != before
    page.keyboard.press("g")
    panel.wait_for(state="hidden")


def test_the_focus_comes_back(work: Callable[..., Page]):
    page = work()
    step = page.locator("[aria-current=step]")
    step.focus()
    page.keyboard.press("g")
    panel = page.locator("#guidelines-panel")
    panel.get_by_text("Is it rounded?").wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    panel.wait_for(state="hidden")
    expect(step).to_be_focused()


def test_enter_in_it_submits_nothing(work: Callable[..., Page]):
    page = work()
    page.keyboard.press("g")
    page.locator("#guidelines-panel").get_by_text("Is it rounded?").wait_for()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.post_data else None)
    before = find_step(page)
    for key in ("Enter", "ArrowDown", " "):
        page.keyboard.press(key)
    assert find_step(page) == before
    assert not any("submit" in url for url in sent)


def test_it_is_searched_in_place(work: Callable[..., Page]):
    page = work()
    page.keyboard.press("g")
    panel = page.locator("#guidelines-panel")
    panel.get_by_text("Is it rounded?").wait_for()
    search = panel.get_by_role("searchbox")
    before = find_step(page)
    # "j", "e" and "1" are letters here.
    search.press_sequentially("GUESS circle")
    expect(panel.locator("[data-found]")).to_have_text("1 place says that")
    expect(panel.locator("#guidance-type-circular")).to_be_visible()
    expect(panel.get_by_text("Is it rounded?")).to_be_hidden()
    assert find_step(page) == before
    search.press("Enter")
    expect(panel.locator("#guidance-type-circular")).to_be_visible()
    # What is written as a formula is found as it was written.
    search.fill("frac{1}{2} exact")
    expect(panel.locator(".guidance__text > p").first).to_be_visible()
    expect(panel.locator("#guidance-type-circular")).to_be_hidden()
    search.fill("")
    expect(panel.get_by_text("Is it rounded?")).to_be_visible()


def test_it_opens_at_the_card_of_a_type(work: Callable[..., Page]):
    page = work()
    page.evaluate(
        "const link = document.createElement('a'); link.href = '/'; link.textContent = 'To it';"
        "link.dataset.guidelines = 'multi_solutions';"
        "document.querySelector('.topbar').append(link)"
    )
    page.get_by_text("To it").click()
    card = page.locator("#guidance-type-multi_solutions")
    expect(card).to_be_focused()
    expect(card).to_be_in_viewport()


def test_marking_it_as_read(work: Callable[..., Page], bob: User):
    page = work()
    page.locator("[data-guidelines-unread]").first.wait_for()
    page.keyboard.press("g")
    panel = page.locator("#guidelines-panel")
    panel.get_by_role("button", name="I have read this").click()
    panel.get_by_text("You read all of this, version 2").wait_for()
    assert page.locator("[data-guidelines-unread]").count() == 0
    assert GuidelineReading.objects.get().person == bob


def test_what_came_meanwhile_is_shown_first(
    work: Callable[..., Page], project: Project, alice: User, bob: User
):
    note_reading(project=project, person=bob, seen=find_edition(project))
    rule(project, alice, "Fresh?")
    page = work()
    page.keyboard.press("g")
    panel = page.locator("#guidelines-panel")
    panel.get_by_text("What changed since you last read it").wait_for()
    assert panel.get_by_text("Fresh?").count() == 2
    rule(project, alice, "Fresher?")
    panel.get_by_role("button", name="I have read this").click()
    panel.get_by_text("The guidelines changed while you read them.").wait_for()
    expect(panel.get_by_text("Fresher?").first).to_be_visible()
    assert GuidelineReading.objects.count() == 1


def test_without_a_network_it_says_so(work: Callable[..., Page]):
    page = work()
    page.context.set_offline(True)
    page.keyboard.press("g")
    panel = page.locator("#guidelines-panel")
    panel.get_by_text("The guidelines could not be loaded.").wait_for()
    page.keyboard.press("g")
    panel.wait_for(state="hidden")
    page.context.set_offline(False)
    page.keyboard.press("g")
    panel.get_by_text("Is it rounded?").wait_for()


def test_it_stays_open_beside_the_next_item(work: Callable[..., Page]):
    page = work()
    page.keyboard.press("g")
    panel = page.locator("#guidelines-panel")
    panel.get_by_text("Is it rounded?").wait_for()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    before = page.url
    for key in "111":
        page.keyboard.press(key)
    page.locator("[data-submit]").click()
    page.wait_for_function("(before) => location.href !== before", arg=before)
    expect(panel.get_by_text("Is it rounded?")).to_be_visible()
    assert not any("guidelines" in url for url in asked if "fragment" in url)
    page.clock.fast_forward(300)
    page.locator("[aria-current=step]").focus()
    page.keyboard.press("g")
    panel.wait_for(state="hidden")


def test_on_a_phone_it_covers_the_page(work: Callable[..., Page]):
    page = work(viewport=PHONE)
    page.keyboard.press("g")
    panel = page.locator("#guidelines-panel")
    panel.get_by_text("Is it rounded?").wait_for()
    box = panel.bounding_box()
    assert box is not None
    assert (box["x"], box["y"]) == (0, 0)
    assert (box["width"], box["height"]) == (PHONE["width"], PHONE["height"])
    panel.get_by_role("button", name="Close").click()
    panel.wait_for(state="hidden")
