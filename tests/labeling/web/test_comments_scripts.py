"""What the script adds to comments, in a real browser, under the policy that is in force."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.test import Client

from labeling.models import Comment, Dispute, Project, ReviewItem, User
from labeling.services.assignments import claim_item
from labeling.services.comments import add_comment
from tests.labeling.factories import enqueue, make_solution
from tests.labeling.web.helpers import ATTACK, make_rated

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PATIENCE_MS = 10_000


@pytest.fixture
def window(open_page: Callable[..., Page], live_server: Any) -> Callable[..., Page]:
    """Opens a window in which this person is signed in."""

    def make(person: User, **options: Any) -> Page:
        client = Client()
        client.force_login(person)
        page = open_page(base_url=live_server.url, **options)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
        page.context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}]
        )
        page.set_default_timeout(PATIENCE_MS)
        return page

    return make


@pytest.fixture
def item(project: Project, bob: User) -> ReviewItem:
    item = enqueue(make_solution(project))
    claim_item(user=bob, item=item)
    return item


def say(item: ReviewItem, by: User, text: str = "Is it rounded?", **more: Any) -> Comment:
    return add_comment(item=item, by=by, text=text, idempotency_key=uuid.uuid4(), **more)


def test_a_thread_goes_on_without_leaving_the_page(window, item, bob, alice):
    say(item, bob, f"Is $\\frac{{1}}{{3}}$ {ATTACK}?")
    page = window(alice)
    page.goto(f"/solutions/{item.solution_id}/")
    page.evaluate("window.stays = true")
    page.locator("summary", has_text="Answer").click()
    page.get_by_label("Your answer").fill("It is, $x<y$.")
    page.get_by_role("button", name="Send the answer").click()
    page.locator(".thread .comment", has_text="It is,").wait_for()
    # It came with its mathematics, and without any element of theirs.
    page.locator(".thread .comment__text math").first.wait_for()
    assert page.locator(".comment__text img, .comment__text script").count() == 0
    page.get_by_role("button", name="Resolve").click()
    page.get_by_text("Resolved by alice.").wait_for()
    page.get_by_role("button", name="Open it again").click()
    page.get_by_role("button", name="Resolve").wait_for()
    assert page.evaluate("window.stays")


def test_a_click_twice_is_one_comment(window, item, alice):
    page = window(alice)
    page.goto(f"/items/{item.pk}/comments/")
    page.get_by_label("Your words").fill("Once.")
    page.get_by_role("button", name="Send", exact=True).dblclick()
    page.locator(".thread", has_text="Once.").wait_for()
    page.reload()
    assert page.locator(".thread").count() == 1


def test_offline_the_words_stay_and_are_sent_later(window, item, alice):
    page = window(alice)
    page.goto(f"/items/{item.pk}/comments/")
    page.get_by_label("Your words").fill("Not lost.")
    page.context.set_offline(True)
    page.get_by_role("button", name="Send", exact=True).click()
    page.get_by_text("It could not be sent.").wait_for()
    assert page.get_by_label("Your words").input_value() == "Not lost."
    page.context.set_offline(False)
    page.get_by_role("button", name="Send", exact=True).click()
    page.locator(".thread", has_text="Not lost.").wait_for()
    assert Comment.objects.count() == 1


def test_what_is_being_written_elsewhere_outlives_an_answer(window, item, bob, alice):
    say(item, bob)
    page = window(alice)
    page.goto(f"/items/{item.pk}/comments/")
    page.get_by_label("Your words").fill("Half a thought")
    page.get_by_role("button", name="Resolve").click()
    page.get_by_text("Resolved by alice.").wait_for()
    assert page.get_by_label("Your words").input_value() == "Half a thought"


def test_the_panel_opens_beside_a_decision(window, project, bob, erin, carol):
    solution = make_rated(project, [bob, erin])
    dispute = Dispute.objects.get(item__solution=solution)
    say(dispute.item, bob, "About step 3.")
    page = window(carol)
    page.goto(f"/disputes/{dispute.pk}/")
    page.get_by_role("button", name="Comments").click()
    panel = page.locator("#comments-panel")
    panel.get_by_text("About step 3.").wait_for()
    # It is about the step that one is at.
    current = page.locator("[aria-current=step]").get_attribute("data-position")
    assert panel.get_by_label("About").input_value() == current
    panel.get_by_label("Your words").fill("e 1 2 3: all keys are words here")
    panel.get_by_role("button", name="Send", exact=True).click()
    panel.locator(".thread", has_text="all keys are words").wait_for()
    page.keyboard.press("Escape")
    panel.wait_for(state="hidden")


def test_without_script_everything_is_a_form(window, item, bob, alice):
    say(item, bob, names=[alice.pk])
    page = window(alice, java_script_enabled=False)
    page.goto("/comments/")
    page.get_by_role("button", name="Open and answer").click()
    page.locator("summary", has_text="Answer").click()
    page.get_by_label("Your answer").fill("It is.")
    page.get_by_role("button", name="Send the answer").click()
    page.locator(".comment", has_text="It is.").wait_for()
    assert page.url.endswith(f"#comment-{Comment.objects.latest('pk').pk}")
