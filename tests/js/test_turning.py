"""The next item takes the place of the last one, without a navigation; the last one is over."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.js.conftest import Site
from tests.js.pages import API, rate_context

pytestmark = pytest.mark.browser

TEMPLATE = "labeling/rate.html"
SUBMIT = "POST /assignments/7/submit/"
NEXT_SUBMIT = "POST /assignments/8/submit/"
PUT = f"PUT {API}/draft/"
Show = Callable[..., Any]
TEXTS = ["First, $1$.", "Then, $2$."]
NEXT_TEXTS = ["Another $x$.", "And $y$.", "So $z$."]


@pytest.fixture
def render() -> Callable[..., str]:
    """The page of the assignment with the number 8, as the server renders it."""
    from django.contrib.auth import get_user_model
    from django.template.loader import render_to_string
    from django.test import RequestFactory

    def render(template: str = TEMPLATE, language: str = "en") -> str:
        context = rate_context(texts=NEXT_TEXTS)
        context["assignment"] = {**context["assignment"], "id": 8, "lease_token": "token-8"}
        context["draft"] = {"version": 0, "content": {}, "key": "8-1"}
        context["urls"] = {
            name: url.replace("/assignments/7/", "/assignments/8/")
            for name, url in context["urls"].items()
        }
        context["progress"] = {"done": 39, "total": 60}
        request = RequestFactory().get("/assignments/8/")
        request.user = get_user_model()(username="mei", display_name="Mei Lin")
        page: str = render_to_string(template, context, request)
        return page.replace('<html lang="en"', f'<html lang="{language}"')

    return render


@pytest.fixture
def queue(site: Site, render: Callable[..., str]) -> Site:
    """A server with one more item, which comes with the answer to the first submission."""
    site.answers[SUBMIT] = lambda _body: (
        201,
        {"annotation_id": 1, "next_url": "/assignments/8/", "page": render()},
    )
    site.answers[NEXT_SUBMIT] = lambda _body: (
        201,
        {"annotation_id": 2, "next_url": "/next", "page": None},
    )
    site.answers[PUT] = lambda body: (200, {"version": body["version"] + 1, "saved_at": "now"})
    return site


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def turn(show: Show) -> Any:
    """Rate and submit the first item; the page that then shows the second one."""
    page = show(TEMPLATE, rate_context(texts=TEXTS))
    page.evaluate("window.mine = 'not loaded again'")
    press(page, "1", "1", "Enter")
    page.wait_for_url("**/assignments/8/")
    page.clock.fast_forward(1_000)
    return page


def test_the_next_item_is_there_without_a_navigation(show: Show, queue: Site) -> None:
    page = turn(show)
    assert page.evaluate("window.mine") == "not loaded again"
    assert page.locator(".step[data-position]").count() == 3
    assert page.locator("[aria-current=step]").get_attribute("id") == "step-1"
    assert page.evaluate("document.activeElement.id") == "step-1"
    assert page.locator("[data-math]:not([data-math-done])").count() == 0
    assert page.locator("math").count() >= 3


def test_one_request_a_submission(show: Show, queue: Site) -> None:
    page = turn(show)
    press(page, "1", "1", "1", "Enter")
    page.wait_for_url("**/next")
    # The last judgements went with the submission; no draft was sent before it.
    assert [name for name, _body in queue.calls] == [SUBMIT, NEXT_SUBMIT]
    assert [body["lease_token"] for _name, body in queue.calls] == ["the-token", "token-8"]
    [first, second] = [body["content"]["steps"] for _name, body in queue.calls]
    assert [step["rating"] for step in first] == [1, 1]
    assert [step["rating"] for step in second] == [1, 1, 1]


def test_a_key_acts_once_in_the_next_item(show: Show, queue: Site) -> None:
    """The keys of the last item rest with it: one press moves one row."""
    page = turn(show)
    press(page, "j")
    assert page.locator("[aria-current=step]").get_attribute("id") == "step-2"
    press(page, "3", "z")
    assert page.locator("[name=rating-1]:checked").count() == 0


def test_buttons_act_once_in_the_next_item(show: Show, queue: Site) -> None:
    page = turn(show)
    press(page, "1", "1")
    page.click("[data-do='undo']")
    assert page.locator("[name=rating-0]:checked").count() == 1
    assert page.locator("[name=rating-1]:checked").count() == 0


def test_its_draft_is_its_own(show: Show, queue: Site) -> None:
    put = "PUT /api/v1/assignments/8/draft/"
    queue.answers[put] = lambda body: (200, {"version": 1, "saved_at": "now"})
    page = turn(show)
    press(page, "3")
    page.clock.fast_forward(500)
    page.wait_for_selector("[data-save-status]:text-is('Saved')")
    [body] = queue.bodies(put)
    assert body["lease_token"] == "token-8"
    assert [step["rating"] for step in body["content"]["steps"]] == [-1]
    assert queue.bodies(PUT) == []


def test_the_second_half_of_a_double_click_is_not_for_the_next_item(
    show: Show, queue: Site
) -> None:
    page = show(TEMPLATE, rate_context(texts=TEXTS, protocol={"allow_partial": True}))
    press(page, "1", "1", "Enter")
    page.wait_for_url("**/assignments/8/")
    # The page's clock stands: no time has passed since the item came.
    page.clock.pause_at(page.evaluate("Date.now()") + 1)
    page.evaluate("document.getElementById('work').requestSubmit()")
    assert queue.bodies(NEXT_SUBMIT) == []


def test_going_back_loads_the_page_of_the_item_that_is_done(show: Show, queue: Site) -> None:
    page = turn(show)
    queue.pages["/page"] = "<!doctype html><title>You have submitted this item</title>"
    page.go_back()
    expect(page).to_have_title("You have submitted this item")


def test_a_place_within_the_page_is_no_way_back(show: Show, queue: Site) -> None:
    page = turn(show)
    page.evaluate("location.hash = 'step-2'")
    page.go_back()
    page.wait_for_url(re.compile("8/$"))
    assert page.evaluate("window.mine") == "not loaded again"


def test_a_page_in_other_words_is_navigated_to(
    show: Show, queue: Site, render: Callable[..., str]
) -> None:
    """The language was changed in another window: scripts keep the words they started with."""
    queue.pages["/assignments/8/"] = "<!doctype html><title>loaded</title>"
    other = render(language="de")
    queue.answers[SUBMIT] = lambda _body: (201, {"next_url": "/assignments/8/", "page": other})
    page = show(TEMPLATE, rate_context(texts=TEXTS))
    press(page, "1", "1", "Enter")
    expect(page).to_have_title("loaded")


def test_a_page_with_other_scripts_is_navigated_to(
    show: Show, queue: Site, render: Callable[..., str]
) -> None:
    queue.pages["/assignments/8/"] = "<!doctype html><title>loaded</title>"
    other = render().replace("rate.js", "verify.js")
    queue.answers[SUBMIT] = lambda _body: (201, {"next_url": "/assignments/8/", "page": other})
    page = show(TEMPLATE, rate_context(texts=TEXTS))
    press(page, "1", "1", "Enter")
    expect(page).to_have_title("loaded")


def test_a_page_that_needs_less_is_turned_to(
    show: Show, queue: Site, render: Callable[..., str]
) -> None:
    """What the last item needed besides, machine evidence say, stays loaded and does nothing."""
    page = show(TEMPLATE, rate_context(texts=TEXTS))
    page.evaluate("window.mine = 'not loaded again'")
    page.evaluate(
        """() => {
          const link = document.createElement("link");
          link.rel = "modulepreload";
          link.href = "/static/labeling/js/text.js";
          document.head.append(link);
        }"""
    )
    press(page, "1", "1", "Enter")
    page.wait_for_url("**/assignments/8/")
    assert page.evaluate("window.mine") == "not loaded again"
