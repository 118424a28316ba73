"""Verifying an injection in the browser: blind first, then the claim, then the fewest keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from tests.js.conftest import Answer, Site
from tests.js.pages import API, CLAIM, MODIFIED, ORIGINAL, verify_context

pytestmark = pytest.mark.browser

TEMPLATE = "labeling/verify.html"
PUT = f"PUT {API}/draft/"
REVEAL = f"POST {API}/reveal/"
SUBMIT = "POST /assignments/7/submit/"
Show = Callable[..., Any]


@pytest.fixture
def saving(site: Site) -> Site:
    """A server that opens claims, saves drafts and takes submissions."""
    site.answers[PUT] = lambda body: (200, {"version": body["version"] + 1})
    site.answers[REVEAL] = lambda _body: (200, {"claim": asdict(CLAIM)})
    site.answers[SUBMIT] = lambda _body: (201, {"annotation_id": 1, "next_url": "/next"})
    return site


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def judge_and_open(page: Any) -> None:
    press(page, "e")
    page.wait_for_selector("text=The secret reason")


def flagged(page: Any) -> list[int]:
    found: list[int] = page.eval_on_selector_all(
        ".flag__box:checked", "all => all.map((box) => Number(box.value))"
    )
    return found


def submitted(page: Any, site: Site) -> dict[str, Any]:
    page.wait_for_url("**/next")
    [body] = site.bodies(SUBMIT)
    content: dict[str, Any] = body["content"]
    return content


# --- Blind, then open -----------------------------------------------------------------------------


def test_what_is_sealed_is_not_in_the_page(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, verify_context())
    html = page.content()
    for secret in ("The secret reason", "Counted before step 3", '"error_positions"'):
        assert secret not in html
    assert page.is_disabled("[name='verdict'][value='accept']")


def test_a_right_claim_takes_three_keys(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, verify_context())
    judge_and_open(page)
    press(page, "1", "Enter")
    content = submitted(page, saving)
    assert saving.bodies(REVEAL) == [
        {"lease_token": "the-token", "blind_first_error": {"at": 1}},
    ]
    assert content["verdict"] == "accept"
    assert content["error_positions"] == [1, 2]
    assert content["blind_first_error"] == {"at": 1}
    assert content["edits"] == []


def test_an_off_by_one_takes_five_keys_at_most(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, verify_context())
    judge_and_open(page)
    press(page, "2", "]", "Enter")
    content = submitted(page, saving)
    assert content["verdict"] == "accept_with_edits"
    assert content["error_positions"] == [2, 3]
    assert content["edits"] == [{"op": "shift", "by": 1}]


@pytest.mark.parametrize(
    ("key", "judgement"), [("0", {"none": True}), ("u", {"unknown": "cannot tell"})]
)
def test_other_blind_judgements(
    show: Show, saving: Site, key: str, judgement: dict[str, Any]
) -> None:
    page = show(TEMPLATE, verify_context())
    press(page, key)
    page.wait_for_selector("text=The secret reason")
    assert saving.bodies(REVEAL)[0]["blind_first_error"] == judgement


def test_the_first_judgement_stays(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, verify_context())
    judge_and_open(page)
    press(page, "j", "e", "z", "z")
    assert page.text_content("[data-blind]") == "first judgement: error at step 2"
    assert len(saving.bodies(REVEAL)) == 1


def test_no_verdict_before_the_judgement(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, verify_context())
    press(page, "1", "]", "Enter")
    assert page.text_content("[data-missing]") == "Judge before the claim opens"
    assert saving.calls == []


def test_a_claim_that_could_not_be_opened_can_be_asked_for_again(show: Show, saving: Site) -> None:
    answers: list[Answer] = [
        (200, {"claim": asdict(CLAIM)}),
        (503, {"error": {"code": "busy", "message": "The queue is busy."}}),
    ]
    saving.answers[REVEAL] = lambda _body: answers.pop()
    page = show(TEMPLATE, verify_context())
    press(page, "w")
    page.wait_for_selector("text=The queue is busy.")
    assert flagged(page) == []
    judge_and_open(page)
    assert flagged(page) == [1, 2]


# --- The mouse ------------------------------------------------------------------------------------


def test_the_mouse_alone(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, verify_context())
    page.click("#step-2 .flag")
    page.wait_for_selector("text=The secret reason")
    page.click("#step-3 .flag")
    page.click("text=Accept with edits")
    page.click("[data-submit]")
    content = submitted(page, saving)
    assert content["error_positions"] == [1]
    assert content["edits"] == [{"op": "unflag", "position": 2}]


# --- Verdicts and repairs -------------------------------------------------------------------------


def test_rejecting_asks_why(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, verify_context(is_sealed=False))
    assert page.is_hidden("[data-part='reject']")
    press(page, "3", "Enter")
    assert saving.bodies(SUBMIT) == []
    page.check("[name='reject_code'][value='not_an_error']", force=True)
    page.click("[data-submit]")
    assert submitted(page, saving)["reject_code"] == "not_an_error"


def test_a_bad_problem_needs_a_note(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, verify_context(is_sealed=False))
    press(page, "5", "Enter")
    # The field that is needed has the focus.
    page.keyboard.type("1 figure is missing")
    press(page, "Escape", "Enter")
    content = submitted(page, saving)
    assert (content["verdict"], content["note"]) == ("bad_problem", "1 figure is missing")


def test_replacing_a_step(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, verify_context(is_sealed=False))
    press(page, "o")
    assert page.input_value("#edit-text") == MODIFIED[1]
    page.fill("#edit-text", "Better: $x > 1$.")
    assert page.locator("[data-editor-preview] math").count() == 1
    press(page, "Control+Enter")
    assert page.text_content("#step-2 .edit .is").startswith("Better:")
    press(page, "2", "Enter")
    content = submitted(page, saving)
    assert content["edits"] == [{"op": "replace", "position": 1, "text": "Better: $x > 1$."}]


def test_inserting_and_deleting(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, verify_context(is_sealed=False))
    press(page, "a")
    page.keyboard.type("An added step")
    page.check("[data-editor-error] input")
    page.click("text=Keep the edit")
    press(page, "j", "d", "2", "Enter")
    assert submitted(page, saving)["edits"] == [
        {"op": "insert_after", "position": 1, "text": "An added step"},
        {"op": "flag", "position": 1, "text": "inserted"},
        {"op": "delete", "position": 2},
    ]


def test_the_type(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, verify_context(is_sealed=False))
    press(page, "t")
    page.keyboard.type("count")
    press(page, "Enter", "2", "Enter")
    content = submitted(page, saving)
    assert content["error_type"] == "counting"
    assert content["edits"] == [{"op": "set_type", "text": "counting"}]


def test_hints_stand_at_their_step_and_mend_it(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, verify_context(is_sealed=False))
    assert page.locator("#step-5 [data-modified] .lint").count() == 1
    assert page.locator("[data-hints] .lint").count() == 1
    press(page, "l")
    page.wait_for_selector("#step-5 .lint:focus")
    press(page, "Shift+L")
    assert flagged(page) == [1, 2, 4]


def test_undo_takes_back_each_repair(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, verify_context(is_sealed=False))
    press(page, "2", "]", "w")
    assert flagged(page) == [1, 2, 3]
    press(page, "z")
    assert flagged(page) == [2, 3]
    press(page, "z")
    assert flagged(page) == [1, 2]
    press(page, "Shift+z", "Shift+z")
    assert flagged(page) == [1, 2, 3]


# --- Differences ----------------------------------------------------------------------------------


def test_differences_are_del_and_ins(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, verify_context())
    assert page.text_content("#step-2 del") == "removed: all positive"
    assert page.text_content("#step-2 ins") == "inserted: nonzero"
    assert page.locator("#step-2 .m-was").count() == 1
    assert page.locator("#step-2 .m-is").count() == 1
    # What both share is shown once.
    assert page.locator("#step-1 .fork__text").count() == 1
    assert "nothing here in the original" in page.text_content("#step-3")


def test_moving_goes_from_change_to_change(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, verify_context())
    visited = [page.get_attribute("[aria-current='step']", "id")]
    for key in ("j", "j", "k", "Shift+K", "Shift+K"):
        press(page, key)
        visited.append(page.get_attribute("[aria-current='step']", "id"))
    # Step 4 is the same in both; shift reaches those too.
    assert visited == ["step-2", "step-3", "step-5", "step-3", "step-2", "step-1"]


def test_a_step_that_is_gone_cannot_be_judged(show: Show, saving: Site) -> None:
    modified = [ORIGINAL[0], "Nothing like it stands here.", *ORIGINAL[2:]]
    page = show(TEMPLATE, verify_context(modified=modified))
    # The original's second step is gone; the cursor begins at the one that is there instead.
    assert page.locator(".fork[data-kind='gone']").count() == 1
    assert page.get_attribute("[aria-current='step']", "id") == "step-2"
    press(page, "k", "e")
    page.wait_for_selector("text=This step is not in the modified solution")
    assert saving.bodies(REVEAL) == []
    press(page, "j")
    judge_and_open(page)
    assert saving.bodies(REVEAL)[0]["blind_first_error"] == {"at": 1}


def test_columns_and_modified_only(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, verify_context())
    page.click("text=Columns")
    assert page.locator("#step-1 .fork__text").count() == 2
    page.click("text=Modified only")
    assert page.locator("#step-1 .fork__text").count() == 1
    assert page.is_hidden("#step-2 del")
    page.reload()
    page.wait_for_selector("[aria-current='step']")
    assert page.get_attribute(".forks", "data-view") == "modified"


def test_the_form_works_without_script(show: Show, site: Site) -> None:
    page = show(TEMPLATE, verify_context(), java_script_enabled=False)
    page.select_option("[name='blind']", "1")
    page.click("text=Open the claim")
    [body] = site.bodies("POST /form")
    assert "blind=1" in body
    assert "action=reveal" in body
