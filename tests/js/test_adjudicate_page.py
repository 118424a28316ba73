"""Deciding disputes in the browser: over ratings, and over verdicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from labeling.content import RatingContent, parse_content
from tests.js.conftest import Site
from tests.js.pages import (
    STEPS,
    adjudicate_offer_context,
    adjudicate_ratings_context,
    adjudicate_verdicts_context,
    step_views,
)
from tests.js.test_verify_page import BUTTONS, NO_BUTTON, list_actions, measure

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


def test_a_majority_of_verdicts_is_of_the_whole_word(show: Show, deciding: Site) -> None:
    context = adjudicate_verdicts_context()
    first, second = context["people"]
    # Two accept with edits, and name other steps: nothing of that is said by most.
    other = dict(first.content, error_positions=[3], edits=[{"op": "shift", "by": 2}])
    context["people"] = [first, replace(first, name="Finch", content=other), second]
    page = show(TEMPLATE, context)
    press(page, "v")
    page.wait_for_selector("text=There is no majority on this step")
    assert page.locator("[name='verdict']:checked").count() == 0


def test_the_majority_of_three_by_one_key(show: Show, deciding: Site) -> None:
    context = adjudicate_verdicts_context()
    first, second = context["people"]
    context["people"] = [first, replace(first, name="Finch"), second]
    page = show(TEMPLATE, context)
    press(page, "v")
    give_reason(page)
    [body] = deciding.bodies(DECIDE)
    assert body["content"]["error_positions"] == [2, 3]
    assert body["content"]["verdict"] == "accept_with_edits"


def test_no_majority_among_two(show: Show, deciding: Site) -> None:
    page = show(TEMPLATE, adjudicate_verdicts_context())
    press(page, "v")
    page.wait_for_selector("text=There is no majority on this step")


# --- Another solution -----------------------------------------------------------------------------


def test_the_answers_stand_side_by_side(show: Show, deciding: Site) -> None:
    page = show(TEMPLATE, adjudicate_offer_context())
    said = page.locator("[data-replies]").all_inner_texts()
    assert [text.split("\n") for text in said] == [
        ["correct: yes", "really differs: yes"],
        ["correct: yes", "really differs: no"],
    ]
    # What each said before the claim was open stays beside it.
    voices = page.locator(".voice")
    assert "before the claim: no error" in voices.nth(0).inner_text()
    assert "before the claim: cannot tell" in voices.nth(1).inner_text()


def test_another_solution_is_decided_by_key_alone(show: Show, deciding: Site) -> None:
    page = show(TEMPLATE, adjudicate_offer_context())
    press(page, "1", "3")
    give_reason(page)
    [body] = deciding.bodies(DECIDE)
    said = {name: body["content"][name] for name in ("correct", "different", "verdict")}
    assert said == {"correct": "yes", "different": "no", "verdict": "reject"}
    assert body["content"]["reject_code"] == "not_different"


# --- Sending back ---------------------------------------------------------------------------------


def test_sending_back_by_key(show: Show, deciding: Site) -> None:
    page = show(TEMPLATE, adjudicate_ratings_context())
    page.fill("#reason", "Look at step 3 again")
    press(page, "Escape", "s")
    # What was written as the reason is what they are asked.
    assert page.evaluate("document.activeElement.value") == "Look at step 3 again"
    press(page, "Tab", "Tab")
    with page.expect_response("**/disputes/3/send-back/"):
        press(page, "Enter")
    [body] = deciding.bodies("POST /disputes/3/send-back/")
    assert "reason=Look+at+step+3+again" in body
    assert "idempotency_key=" in body


def test_sending_back_without_script(show: Show, site: Site) -> None:
    page = show(TEMPLATE, adjudicate_ratings_context(), java_script_enabled=False)
    page.click("text=Send back")
    page.fill("#send-back-reason", "Again")
    page.click("#send-back .btn--primary")
    assert "reason=Again" in site.bodies("POST /disputes/3/send-back/")[0]


def test_ones_own_work_is_not_sent_back(show: Show, deciding: Site) -> None:
    page = show(TEMPLATE, adjudicate_ratings_context() | {"is_own_work": True})
    press(page, "s")
    assert page.is_hidden("#send-back")
    assert page.is_disabled(".dock [popovertarget='send-back']")


# --- Beside the steps -----------------------------------------------------------------------------

DECIDING = {
    "majority": "[data-do='majority']",
    "reason": "#reason",
    "decide": "[data-submit]",
    "send_back": "[data-do='send-back']",
}
OF_STEPS = {
    **dict.fromkeys(("next_open", "previous_open", "next_any", "previous_any"), "#step-3"),
    "type": ".menu [data-do='type']",
    "good": "#step-3 .rating__option:nth-of-type(1)",
    "neutral": "#step-3 .rating__option:nth-of-type(2)",
    "wrong": "#step-3 .rating__option:nth-of-type(3)",
}


@pytest.mark.parametrize(
    ("context", "buttons"),
    [
        (adjudicate_ratings_context, BUTTONS | OF_STEPS | DECIDING),
        (adjudicate_verdicts_context, BUTTONS | DECIDING),
    ],
)
def test_every_action_has_a_button_of_44_px(
    show: Show, deciding: Site, context: Callable[[], Any], buttons: dict[str, str]
) -> None:
    page = show(TEMPLATE, context())
    press(page, "2")
    actions = [action for action in list_actions(page) if action not in NO_BUTTON]
    heights = measure(page, buttons, actions)
    assert sorted(heights) == sorted(actions)
    assert {action: height for action, height in heights.items() if height < 44} == {}


def test_the_problem_stays_while_the_steps_scroll(show: Show, deciding: Site) -> None:
    page = show(TEMPLATE, adjudicate_ratings_context(), viewport={"width": 1280, "height": 360})
    page.locator("#step-6").scroll_into_view_if_needed()
    box = page.locator("#question").bounding_box()
    assert 0 < box["y"] < 60
    assert box["y"] + box["height"] <= page.locator("#step-6").bounding_box()["y"]


def test_evidence_stands_beside_the_step_that_is_decided(show: Show, deciding: Site) -> None:
    places = {
        "note": "",
        "panels": [{"title": "Found", "url": "/solutions/1/evidence/"}],
        "url": "/solutions/1/evidence/",
        "is_logged": False,
        "equality": None,
        "steps": step_views(STEPS),
    }
    page = show(TEMPLATE, adjudicate_ratings_context() | {"evidence": places})
    deciding.pages["/solutions/1/evidence/"] = "<p>Found on this step.</p>"
    shown = page.locator("[data-evidence-of]:visible")
    assert shown.get_attribute("data-evidence-of") == "2"
    press(page, "j", "m")
    assert shown.get_attribute("data-evidence-of") == "4"
    page.wait_for_selector("text=Found on this step.")
