"""Deciding disputes in the browser: over ratings, and over verdicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labeling.content import RatingContent, parse_content
from tests.js.conftest import Site
from tests.js.pages import STEPS, adjudicate_ratings_context, adjudicate_verdicts_context

pytestmark = pytest.mark.browser

TEMPLATE = "labeling/adjudicate.html"
DECIDE = "POST /api/v1/disputes/3/decide/"
Show = Callable[..., Any]


@pytest.fixture
def deciding(site: Site) -> Site:
    """A server that takes decisions."""
    site.answers[DECIDE] = lambda _body: (201, {"next_url": "/next"})
    return site


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def give_reason(page: Any) -> None:
    press(page, "n")
    page.keyboard.type("Guidelines 3, section 2.")
    press(page, "Escape", "Enter")
    page.wait_for_url("**/next")


def test_only_open_steps_are_decided(show: Show, deciding: Site) -> None:
    page = show(TEMPLATE, adjudicate_ratings_context())
    assert page.get_attribute("[aria-current='step']", "id") == "step-3"
    assert page.text_content("[data-missing]") == "2 steps open"
    press(page, "3")
    # The next open step is the fifth; those between are agreed.
    assert page.get_attribute("[aria-current='step']", "id") == "step-5"
    press(page, "1")
    give_reason(page)
    [body] = deciding.bodies(DECIDE)
    assert body["version"] == 4
    assert body["reason"] == "Guidelines 3, section 2."
    content = parse_content(body["content"], n_steps=len(STEPS))
    assert isinstance(content, RatingContent)
    assert [step.label.rating for step in content.steps] == [1, 1, -1, 1, 1, 1]


def test_the_majority_in_one_key(show: Show, deciding: Site) -> None:
    page = show(TEMPLATE, adjudicate_ratings_context())
    press(page, "v", "j", "v")
    give_reason(page)
    [body] = deciding.bodies(DECIDE)
    # Two of three said -1 on step 3, two of three +1 on step 5.
    assert [step["rating"] for step in body["content"]["steps"]] == [1, 1, -1, 1, 1, 1]


def test_one_persons_word_on_all_open_steps(show: Show, deciding: Site) -> None:
    page = show(TEMPLATE, adjudicate_ratings_context())
    page.click("[data-do='take'][data-person='0']")
    give_reason(page)
    [body] = deciding.bodies(DECIDE)
    assert [step["rating"] for step in body["content"]["steps"]] == [1, 1, 0, 1, 1, 1]


def test_a_decision_needs_every_step_and_a_reason(show: Show, deciding: Site) -> None:
    page = show(TEMPLATE, adjudicate_ratings_context())
    press(page, "3", "k", "Enter")
    assert page.get_attribute("[aria-current='step']", "id") == "step-5"
    press(page, "1", "Enter")
    assert page.evaluate("document.activeElement.id") == "reason"
    assert deciding.bodies(DECIDE) == []


def test_what_was_begun_is_there_after_a_reload(show: Show, deciding: Site) -> None:
    page = show(TEMPLATE, adjudicate_ratings_context())
    press(page, "3", "n")
    page.keyboard.type("half a reason")
    page.reload()
    page.wait_for_selector("[aria-current='step']")
    assert page.input_value("#reason") == "half a reason"
    assert page.is_checked("[name='rating-2'][value='-1']")


def test_ones_own_work_is_not_decided(show: Show, deciding: Site) -> None:
    page = show(TEMPLATE, adjudicate_ratings_context() | {"is_own_work": True})
    page.wait_for_selector("text=somebody else decides on it")
    assert page.is_disabled("[data-submit]")
    press(page, "3", "1", "n")
    page.keyboard.type("mine")
    press(page, "Escape", "Enter")
    assert deciding.bodies(DECIDE) == []


def test_a_dispute_over_verdicts(show: Show, deciding: Site) -> None:
    page = show(TEMPLATE, adjudicate_verdicts_context())
    press(page, "1")
    give_reason(page)
    [body] = deciding.bodies(DECIDE)
    assert body["content"]["verdict"] == "accept"
    assert body["content"]["error_positions"] == [1, 2]


def test_starting_from_one_reviewers_verdict(show: Show, deciding: Site) -> None:
    page = show(TEMPLATE, adjudicate_verdicts_context())
    page.click("text=Start from what Heron said")
    give_reason(page)
    [body] = deciding.bodies(DECIDE)
    assert body["content"]["verdict"] == "accept_with_edits"
    assert body["content"]["error_positions"] == [2, 3]
    # Their note and their first judgement stay theirs.
    assert body["content"]["note"] == ""
    assert body["content"]["blind_first_error"] is None


def test_no_majority_among_two(show: Show, deciding: Site) -> None:
    page = show(TEMPLATE, adjudicate_verdicts_context())
    press(page, "v")
    page.wait_for_selector("text=There is no majority on this step")
