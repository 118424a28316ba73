"""Verifying an injection in the browser: blind first, then the claim, then the fewest keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest

from labeling.selectors.originals import AboutOriginal
from tests.js.conftest import Answer, Site
from tests.js.pages import API, CLAIM, MODIFIED, OFFER, ORIGINAL, verify_context

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


def test_a_claim_that_was_never_sealed_has_no_first_judgement(show: Show, saving: Site) -> None:
    context = verify_context(is_sealed=False)
    context["blind_first_error"] = {"unknown": "the claim was shown from the start"}
    page = show(TEMPLATE, context)
    assert page.text_content("[data-blind]") == ""
    context["blind_first_error"] = {"unknown": "cannot tell"}
    page = show(TEMPLATE, context)
    assert page.text_content("[data-blind]") == "first judgement: cannot tell"


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


def test_a_hints_button_takes_its_fix_back(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, verify_context(is_sealed=False))
    button = page.locator("[data-hints] [data-fix]")
    assert button.text_content() == "Shift by +1"
    button.click()
    assert flagged(page) == [2, 3]
    assert button.text_content() == "Undo"
    button.click()
    assert flagged(page) == [1, 2]


def test_one_key_does_what_the_hints_say_one_after_the_other(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, verify_context(is_sealed=False))
    # What speaks of the whole claim is first: a shift would move what was flagged before.
    press(page, "Shift+L")
    assert flagged(page) == [2, 3]
    press(page, "Shift+L")
    assert flagged(page) == [2, 3, 4]
    # Both are done: there is nothing left to do, and nothing is undone.
    press(page, "Shift+L")
    assert flagged(page) == [2, 3, 4]


def test_going_through_the_verdicts_by_arrow_leaves_the_focus_there(
    show: Show, saving: Site
) -> None:
    page = show(TEMPLATE, verify_context(is_sealed=False))
    page.focus("[name='verdict'][value='accept']")
    press(page, "Space", "ArrowDown", "ArrowDown", "ArrowDown")
    assert page.evaluate("document.activeElement.value") == "unsure"
    assert page.is_hidden("[data-part='reject']")


def test_only_what_the_verdict_needs_is_open(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, verify_context(is_sealed=False))
    parts = ("[data-part='reject']", "[data-part='edits']", "[data-question='correct']")
    opened = []
    for key in ("1", "2", "3", "4", "5"):
        press(page, key)
        opened.append([part for part in parts if page.is_visible(part)])
    assert opened == [[], [parts[1]], [parts[0]], [], []]


def test_what_rejecting_for_the_original_does_is_said(show: Show, saving: Site) -> None:
    about = AboutOriginal(report=None, n_others=7)
    page = show(TEMPLATE, verify_context(is_sealed=False, about_original=about))
    press(page, "3")
    assert page.is_hidden("[data-consequence]")
    page.check("[value='original_wrong']", force=True)
    said = "All 7 other items made from this original are marked; a lead will look."
    assert page.text_content("[data-consequence]") == said
    page.check("[value='not_different']", force=True)
    assert page.is_hidden("[data-consequence]")


def test_a_report_on_the_original_comes_with_the_claim(show: Show, saving: Site) -> None:
    report = {"state": "open", "reason": "", "at": "2030-11-21T12:00:00Z"}
    original = {"report": report, "n_others": 1}
    saving.answers[REVEAL] = lambda _body: (200, {"claim": asdict(CLAIM), "original": original})
    page = show(TEMPLATE, verify_context())
    assert page.is_hidden("[data-report]")
    judge_and_open(page)
    said = "A reviewer reported the original as wrong on November 21; a lead will look."
    assert page.text_content("[data-report]").strip() == said
    press(page, "3")
    page.check("[value='original_wrong']", force=True)
    assert page.text_content("[data-consequence]").startswith("1 other item")


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


# --- Another solution ----------------------------------------------------------------------------


def offered(page: Any) -> None:
    press(page, "0")
    page.wait_for_selector("text=Offered as another correct solution")


@pytest.fixture
def offering(saving: Site) -> Site:
    """The claim that opens offers another correct solution."""
    saving.answers[REVEAL] = lambda _body: (200, {"claim": asdict(OFFER)})
    return saving


def test_what_the_claim_offers_shows_after_the_judgement_alone(show: Show, offering: Site) -> None:
    page = show(TEMPLATE, verify_context())
    asked = page.locator("[data-question]")
    assert [asked.nth(0).is_visible(), asked.nth(1).is_visible()] == [False, False]
    # The pages of both kinds of claim are the same until then.
    assert page.get_attribute("[data-claim-kind]", "data-claim-kind") == ""
    offered(page)
    assert [asked.nth(0).is_visible(), asked.nth(1).is_visible()] == [True, True]
    assert page.is_hidden("[data-fact='changed']")
    press(page, "3")
    # What speaks of an error step is no reason here.
    assert page.is_hidden("[name='reject_code'][value='not_an_error']")
    assert page.is_visible("text=It holds an error")


def test_another_solution_takes_four_keys(show: Show, offering: Site) -> None:
    page = show(TEMPLATE, verify_context())
    offered(page)
    press(page, "1", "1", "Enter")
    content = submitted(page, offering)
    assert (content["correct"], content["different"]) == ("yes", "yes")
    assert (content["verdict"], content["error_positions"]) == ("accept", [])
    assert content["blind_first_error"] == {"none": True}


def test_one_that_is_the_same_again_is_rejected(show: Show, offering: Site) -> None:
    page = show(TEMPLATE, verify_context())
    offered(page)
    press(page, "1", "3")
    assert page.is_checked("[name='verdict'][value='reject']")
    assert page.is_checked("[name='reject_code'][value='not_different']")
    press(page, "Enter")
    assert submitted(page, offering)["reject_code"] == "not_different"


def test_the_digits_choose_the_verdict_once_both_are_answered(show: Show, offering: Site) -> None:
    page = show(TEMPLATE, verify_context())
    offered(page)
    asked = []
    for key in ("1", "4", "3"):
        asked.append(page.locator("[data-asked]").get_attribute("data-question"))
        press(page, key)
        if page.locator("[data-asked]").count() == 0:
            break
    assert asked == ["correct", "different"]
    assert page.is_checked("[name='verdict'][value='unsure']")
    press(page, "3")
    assert page.is_checked("[name='verdict'][value='reject']")
    # Undo goes back to the question.
    press(page, "z", "z")
    assert page.locator("[data-asked]").get_attribute("data-question") == "different"


def test_another_solution_by_the_mouse_alone(show: Show, offering: Site) -> None:
    page = show(TEMPLATE, verify_context())
    page.click("[data-do='no-error']")
    page.wait_for_selector("text=Offered as another correct solution")
    page.click("[data-submit]")
    assert page.evaluate("document.activeElement.name") == "correct"
    for question in ("correct", "different"):
        page.locator(f"[data-question='{question}'] label", has_text="Yes").click()
    page.click("[data-submit]")
    assert submitted(page, offering)["verdict"] == "accept"


def test_an_accepted_solution_has_no_error_step(show: Show, offering: Site) -> None:
    page = show(TEMPLATE, verify_context())
    offered(page)
    press(page, "1", "1", "w", "Enter")
    assert offering.bodies(SUBMIT) == []
    assert "unflag" in page.text_content("[data-missing]")
    press(page, "z", "Enter")
    assert submitted(page, offering)["error_positions"] == []


def test_the_questions_without_script(show: Show, site: Site) -> None:
    context = verify_context(is_sealed=False, claim=OFFER)
    page = show(TEMPLATE, context, java_script_enabled=False)
    page.check("[name='correct'][value='yes']", force=True)
    page.check("[name='different'][value='no']", force=True)
    page.click("[data-submit]")
    [body] = site.bodies("POST /form")
    assert "correct=yes&different=no" in body
    assert "verdict" not in body


# --- The look of it -------------------------------------------------------------------------------

LONG = [f"Step {number} says that ${number}+1={number + 1}$." for number in range(1, 108)]
PLACE = "element => element.getBoundingClientRect().top"
# What a key does can be pressed too: every action with the button or row that does the same.
BUTTONS = {
    **dict.fromkeys(("next_changed", "previous_changed", "next_any", "previous_any"), "#step-2"),
    "problem": "[data-do='problem']",
    "first_error": "[data-do='first-error']",
    "flag": "#step-2 .flag",
    "inherited": "[data-do='inherited']",
    "accept": "[data-verdicts] label:nth-of-type(1)",
    "accept_with_edits": "[data-verdicts] label:nth-of-type(2)",
    "reject": "[data-verdicts] label:nth-of-type(3)",
    "verdict_unsure": "[data-verdicts] label:nth-of-type(4)",
    "verdict_bad_problem": "[data-verdicts] label:nth-of-type(5)",
    "no_error": "[data-do='no-error']",
    "cannot_tell": "[data-do='cannot-tell']",
    "shift_back": "[data-do='shift-back']",
    "shift_on": "[data-do='shift-on']",
    "replace": "[data-do='replace']",
    "insert": "[data-do='insert']",
    "delete": "[data-do='delete']",
    "type": "[data-do='type']",
    "hint": "[data-do='hint']",
    "fix": "#step-5 [data-fix]",
    "note": "[name='note']",
    "comment": "[data-do='comment']",
    "evidence": "[data-do='evidence']",
    "equality": "[data-do='equality']",
    "guidelines": "[data-do='guidelines']",
    "raw": "[data-do='raw']",
    "copy": "[data-do='copy']",
    "help": "[data-do='help']",
    "undo": "[data-do='undo']",
    "redo": "[data-do='redo']",
    "skip": "[popovertarget='skip']:not([popovertargetaction])",
    "submit": "[data-submit]",
}
# Of the page itself: what closes it is what it closes.
NO_BUTTON = {"close"}


def list_actions(page: Any) -> list[str]:
    """Every action of the page that a key does."""
    found: list[str] = page.evaluate(
        """async () => {
          const { currentKeyboard } = await import("/static/labeling/js/keyboard.js");
          return currentKeyboard().bindings.map((binding) => binding.id);
        }"""
    )
    return found


def measure(page: Any, buttons: dict[str, str], actions: list[str]) -> dict[str, float]:
    """The height of what is shown of these buttons, by action."""
    page.evaluate("document.getElementById('more').showPopover()")
    shown = {}
    for action in actions:
        button = page.locator(buttons[action]).first
        if button.is_visible():
            shown[action] = button.bounding_box()["height"]
    return shown


def test_every_action_has_a_button_of_44_px(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, verify_context())
    actions = [action for action in list_actions(page) if action not in NO_BUTTON]
    heights = measure(page, BUTTONS, actions)
    page = show(TEMPLATE, verify_context(is_sealed=False))
    press(page, "2")
    heights |= measure(page, BUTTONS, actions)
    assert sorted(heights) == sorted(actions)
    assert {action: height for action, height in heights.items() if height < 44} == {}


def test_the_answers_have_room_for_a_thumb(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, verify_context(is_sealed=False, claim=OFFER))
    options = page.locator("[data-question] label")
    heights = [options.nth(index).bounding_box()["height"] for index in range(options.count())]
    assert len(heights) == 6
    assert min(heights) >= 44


@pytest.mark.parametrize("width", [1280, 390])
def test_the_changed_question_stays_while_the_steps_scroll(
    show: Show, saving: Site, width: int
) -> None:
    context = verify_context(modified=LONG)
    page = show(TEMPLATE, context, viewport={"width": width, "height": 800})
    question = page.locator("#question")
    page.locator("#step-107").scroll_into_view_if_needed()
    assert page.locator("#step-107").evaluate(PLACE) < 800
    place = question.evaluate(PLACE)
    # Under the bar, with what was taken out and put in.
    assert 0 <= place < 60
    assert question.locator("del").is_visible()
    top = question.evaluate("element => element.getBoundingClientRect().bottom")
    press(page, "Shift+K", "Shift+K")
    assert page.locator("[aria-current='step']").evaluate(PLACE) >= top


def test_a_long_solution_is_drawn_where_one_looks(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, verify_context(modified=LONG))
    far = page.locator("#step-100")
    assert far.evaluate("row => getComputedStyle(row).contentVisibility") == "auto"
    for _step in range(106):
        press(page, "j")
    assert page.get_attribute("[aria-current='step']", "id") == "step-107"
    judge_and_open(page)
    press(page, "w")
    assert 106 in flagged(page)
    assert page.locator("#step-107 .flag__box").is_checked()


def test_what_opens_does_not_move_the_step_that_is_read(show: Show, saving: Site) -> None:
    lints = [
        {"code": "W23", "severity": "warn", "message": f"Step {at + 1}?", "step": at, "fix": None}
        for at in range(0, 60, 3)
    ]
    claim = replace(CLAIM, lints=lints)
    saving.answers[REVEAL] = lambda _body: (200, {"claim": asdict(claim)})
    page = show(TEMPLATE, verify_context(modified=LONG))
    for _step in range(50):
        press(page, "j")
    row = page.locator("[aria-current='step']")
    before = row.evaluate(PLACE)
    judge_and_open(page)
    assert page.locator("#step-1 .lint").count() == 1
    assert abs(row.evaluate(PLACE) - before) < 1


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
    with page.expect_request(lambda request: request.method == "PATCH") as asked:
        page.click("text=Modified only")
    assert asked.value.post_data_json == {"view": "modified"}
    assert page.locator("#step-1 .fork__text").count() == 1
    assert page.is_hidden("#step-2 del")


def test_the_chosen_view_is_there_from_the_start(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, verify_context(view="columns"))
    assert page.get_attribute(".forks", "data-view") == "columns"
    assert page.is_checked("[name='view'][value='columns']")


def test_the_form_works_without_script(show: Show, site: Site) -> None:
    page = show(TEMPLATE, verify_context(), java_script_enabled=False)
    page.select_option("[name='blind']", "1")
    page.click("text=Open the claim")
    [body] = site.bodies("POST /form")
    assert "blind=1" in body
    assert "action=reveal" in body
