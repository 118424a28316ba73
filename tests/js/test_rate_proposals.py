"""A machine's ratings beside the steps: nobody's word until a person says the same, or why not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.js.conftest import Site
from tests.js.pages import STEPS, rate_context
from tests.js.test_rate_page import PUT, SUBMIT, TEMPLATE, Show, marks, press, wait_until_saved

pytestmark = pytest.mark.browser

PROPOSED = [1, 1, 0, None, -1, 1]


@pytest.fixture
def saving(site: Site) -> Site:
    """A server that saves drafts and takes submissions."""
    site.answers[PUT] = lambda body: (200, {"version": body["version"] + 1, "saved_at": "now"})
    site.answers[SUBMIT] = lambda _body: (201, {"annotation_id": 1, "next_url": "/next"})
    return site


def tags(page: Any, number: int) -> list[str]:
    return page.locator(f"#step-{number} [data-tags] .badge").all_inner_texts()  # type: ignore[no-any-return]


def current(page: Any) -> str:
    return page.get_attribute("[aria-current='step']", "id")  # type: ignore[no-any-return]


def test_a_proposal_is_drawn_and_chosen_by_nobody(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, rate_context(proposed=PROPOSED))
    assert page.locator("main input:checked").count() == 0
    machine = page.locator("#step-5 .mark--machine[data-v='-1']")
    assert machine.first.is_visible()
    assert tags(page, 5) == ["unconfirmed"]
    # Where the machine said nothing, there is nothing to confirm.
    assert page.locator("#step-4 .mark--machine").count() == 0
    assert tags(page, 4) == []
    head = page.inner_text(".steps__head")
    assert "Proposed by GenPRM-7B" in head
    assert "scripted" in head
    assert page.text_content("[data-steps-left]") == "6 steps left"
    assert page.inner_text("[data-inspector-mark]:visible") == "+1 proposed, unconfirmed"


def test_confirming_takes_one_key_a_step(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, rate_context(proposed=PROPOSED))
    press(page, "v", "1", "2", "1", "v", "v", "Enter")
    page.wait_for_url("**/next")
    [body] = saving.bodies(SUBMIT)
    assert [step["rating"] for step in body["content"]["steps"]] == [1, 1, 0, 1, -1, 1]
    assert "overrides" not in body["content"]
    assert "bulk" not in body["content"]


def test_another_rating_asks_why_and_one_key_answers(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, rate_context(proposed=PROPOSED))
    why = page.locator("[data-why]")
    assert not why.is_visible()
    press(page, "3")
    # The question is open beside the step, and the step is still the current one.
    assert current(page) == "step-1"
    assert "Step 1: why not +1, as proposed?" in why.inner_text()
    assert tags(page, 1) == ["Say why", "First error"]
    press(page, "4")
    assert current(page) == "step-2"
    assert not why.is_visible()
    assert tags(page, 1) == ["Overridden", "First error"]
    wait_until_saved(page)
    [override] = saving.bodies(PUT)[-1]["content"]["overrides"]
    assert override == {"position": 0, "reason": "missed_error"}


def test_enter_goes_to_the_step_that_lacks_a_reason(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, rate_context(proposed=PROPOSED))
    press(page, "v", "v", "1", "j", *"1vv")
    assert page.text_content("[data-steps-left]") == "Say why at step 3"
    press(page, "Enter")
    assert current(page) == "step-3"
    assert saving.bodies(SUBMIT) == []
    page.check("[data-why] [value='contribution']", force=True)
    assert page.text_content("[data-steps-left]") == "All steps judged"
    press(page, "Enter")
    page.wait_for_url("**/next")
    [body] = saving.bodies(SUBMIT)
    assert body["content"]["overrides"] == [{"position": 2, "reason": "contribution"}]


def test_the_proposal_can_be_taken_after_all(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, rate_context(proposed=PROPOSED))
    press(page, "3", "4", "k", "v")
    wait_until_saved(page)
    content = saving.bodies(PUT)[-1]["content"]
    assert [step["rating"] for step in content["steps"]] == [1]
    assert "overrides" not in content


def test_the_rest_is_confirmed_as_bulk_and_undone_at_once(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, rate_context(proposed=PROPOSED))
    press(page, "1", "a")
    assert "4 steps confirmed as proposed" in page.inner_text("[data-toasts]")
    assert marks(page)[:3] == ["1", "1", "0"]
    # What was not proposed is not confirmed either.
    assert page.text_content("[data-steps-left]") == "1 step left"
    assert tags(page, 5) == ["First error", "in bulk"]
    wait_until_saved(page)
    assert saving.bodies(PUT)[-1]["content"]["bulk"] == [1, 2, 4, 5]
    press(page, "z")
    assert tags(page, 5) == ["unconfirmed"]


def test_with_the_thumb_a_reason_is_two_taps_away(show: Show, saving: Site) -> None:
    page = show(
        TEMPLATE,
        rate_context(proposed=PROPOSED),
        viewport={"width": 390, "height": 844},
        has_touch=True,
    )
    assert page.get_attribute("#step-1 .step__mark .mark", "aria-label") == (
        "+1 proposed, unconfirmed"
    )
    page.tap(".dock__rate .rating__option:has([value='-1'])")
    page.tap("[data-do='say-why']")
    page.tap("[data-why] .choice__option:has([value='misread'])")
    assert not page.locator("[data-do='say-why']").is_visible()
    wait_until_saved(page)
    assert saving.bodies(PUT)[-1]["content"]["overrides"] == [{"position": 0, "reason": "misread"}]


def test_rows_keep_their_place_under_a_proposal(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, rate_context(proposed=PROPOSED))
    places = "all => all.map((row) => [row.offsetTop, row.offsetHeight])"
    before = page.eval_on_selector_all(".step", places)
    press(page, "3", "u", "4", "v", "a", "n")
    page.keyboard.type("a note")
    assert page.eval_on_selector_all(".step", places) == before


def test_a_proposal_without_script_takes_reasons_from_a_list(show: Show, site: Site) -> None:
    page = show(TEMPLATE, rate_context(proposed=PROPOSED), java_script_enabled=False)
    page.check("[name='rating-0'][value='-1']", force=True)
    page.select_option("[name='override-0']", "missed_error")
    page.check("[name='rest']")
    page.click("[data-submit]")
    [body] = site.bodies("POST /form")
    for pair in ("rating-0=-1", "proposed-0=1", "override-0=missed_error", "rest=1"):
        assert pair in body.split("&")
    assert "proposed-3" not in body


def test_a_page_without_a_proposal_says_nothing_of_one(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, rate_context())
    assert page.locator(".mark--machine, [data-why], [data-do='take-proposal']").count() == 0
    press(page, "v", "4")
    assert marks(page) == ["none"] * len(STEPS)


def test_the_first_word_stays_in_sight_when_the_evidence_changed_it(
    show: Show, saving: Site
) -> None:
    page = show(TEMPLATE, rate_context())
    rate = "#step-1 [value='{}']".format
    page.check(rate(1), force=True)
    opened = "new CustomEvent('workbench:evidence-opened', {detail: {position: 0}})"
    page.evaluate(f"document.dispatchEvent({opened})")
    assert tags(page, 1) == []
    page.check(rate(-1), force=True)
    assert tags(page, 1) == ["First: +1", "First error"]
    assert page.inner_text("[data-first-words]") == (
        "First judgement, before the evidence: +1, correct"
    )
    # A second opening is no first judgement, and the first word may be the last one too.
    page.evaluate(f"document.dispatchEvent({opened})")
    page.check(rate(1), force=True)
    assert tags(page, 1) == []
    assert page.locator("[data-first-words]").count() == 0
