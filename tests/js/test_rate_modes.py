"""What each protocol asks for, what is rated in bulk, and a button for whatever a key does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.js.conftest import Site
from tests.js.pages import STEPS, rate_context
from tests.js.test_rate_page import PUT, SUBMIT, TEMPLATE, Show, marks, press, wait_until_saved

pytestmark = pytest.mark.browser

# What the server makes of Project.Mode.PRM800K.
PRM800K = {
    "mode": "prm800k",
    "stop_at_first_error": True,
    "asks_contribution": False,
    "asks_origin": False,
    "asks_error_types": False,
}
PROPOSED = [1] * len(STEPS)
WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
TARGET = 44
# Where the button of an action is, if it is not the one that `data-do` names.
PLACES = {
    "good": ".rating__option:has([value='1'])",
    "neutral": ".rating__option:has([value='0'])",
    "wrong": ".rating__option:has([value='-1'])",
    "inherited": "[data-current] .choice__option:has([value='inherited'])",
    "unsure": "[data-current] .check:has([name^='unsure-'])",
    "note": "[data-current] textarea",
    "skip": "[popovertarget='skip']",
    "help": "[popovertarget='help']",
    "submit": "[data-submit]",
    "close": "#help [popovertargetaction='hide']",
}


@pytest.fixture
def saving(site: Site) -> Site:
    """A server that saves drafts and takes submissions."""
    site.answers[PUT] = lambda body: (200, {"version": body["version"] + 1, "saved_at": "now"})
    site.answers[SUBMIT] = lambda _body: (201, {"annotation_id": 1, "next_url": "/next"})
    return site


def last_content(saving: Site, page: Any) -> Any:
    wait_until_saved(page)
    return saving.bodies(PUT)[-1]["content"]


# --- PRM800K --------------------------------------------------------------------------------------


def test_prm800k_asks_for_a_rating_and_nothing_else(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, rate_context(protocol=PRM800K))
    press(page, "1", "2", "3")
    assert marks(page) == ["1", "0", "-1", "skip", "skip", "skip"]
    assert page.locator("[data-inspector='2'] fieldset, [data-do='type']").count() == 0
    assert "Substance, not nitpicks" in page.inner_text(".workspace__aside")
    content = last_content(saving, page)
    assert content["outcome"] == "first_error"
    # Whose error it is was not asked, so nobody said it.
    assert content["steps"][2] == {"position": 2, "validity": "wrong", "rating": -1}


@pytest.mark.parametrize(
    ("button", "outcome", "help_text"),
    [("Give up", "gave_up", "two or three minutes"), ("Bad problem", "bad_problem", "figure")],
)
def test_prm800k_is_left_with_a_reason_by_a_button_in_sight(
    show: Show, saving: Site, button: str, outcome: str, help_text: str
) -> None:
    page = show(TEMPLATE, rate_context(protocol=PRM800K), viewport=WIDE)
    press(page, "1")
    page.click(f".dock button:text('{button}')")
    dialog = page.locator("#outcome")
    assert help_text in dialog.inner_text()
    # Without a reason nothing is sent: the field is required, and spaces are no reason.
    dialog.locator("[value='yes']").click()
    assert dialog.is_visible()
    page.fill("#outcome-note", "   ")
    dialog.locator("[value='yes']").click()
    assert saving.bodies(SUBMIT) == []
    page.click(f".dock button:text('{button}')")
    page.fill("#outcome-note", "the figure is missing")
    dialog.locator("[value='yes']").click()
    page.wait_for_url("**/next")
    [body] = saving.bodies(SUBMIT)
    assert (body["content"]["outcome"], body["content"]["note"]) == (
        outcome,
        "the figure is missing",
    )


def test_prm800k_on_a_phone_has_both_buttons_too(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, rate_context(protocol=PRM800K), viewport=PHONE, has_touch=True)
    for name in ("give-up", "bad-problem"):
        box = page.locator(f"[data-item-note] [data-do='{name}']").bounding_box()
        assert min(box["width"], box["height"]) >= TARGET
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


# --- In bulk --------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["key", "button"])
def test_the_rest_is_correct_and_says_that_it_was_rated_in_bulk(
    show: Show, saving: Site, how: str
) -> None:
    page = show(TEMPLATE, rate_context(), viewport=WIDE)
    press(page, "1", "3")
    if how == "key":
        press(page, "a")
    else:
        page.click(".dock [data-do='rest-correct']")
    assert marks(page) == ["1", "-1", "1", "1", "1", "1"]
    assert page.inner_text("#step-4 [data-tags]") == "in bulk"
    assert last_content(saving, page)["bulk"] == [2, 3, 4, 5]
    # A word of its own takes a step out of it, also the same word.
    press(page, "j", "1")
    assert last_content(saving, page)["bulk"] == [2, 4, 5]
    assert page.inner_text("#step-4 [data-tags]") == ""
    press(page, "z", "z")
    assert marks(page) == ["1", "-1", "none", "none", "none", "none"]


def test_the_rest_without_script_is_a_box(show: Show, site: Site) -> None:
    page = show(TEMPLATE, rate_context(), java_script_enabled=False)
    page.check("[name='rating-0'][value='-1']", force=True)
    page.get_by_label("All steps that are left are correct").check()
    page.click("[data-submit]")
    [body] = site.bodies("POST /form")
    assert "rest=1" in body.split("&")


# --- Four things that are not the same ------------------------------------------------------------


def test_unmarked_not_judged_unsure_and_neutral_look_and_read_different(
    show: Show, saving: Site
) -> None:
    page = show(TEMPLATE, rate_context(protocol={"stop_at_first_error": True}), viewport=PHONE)
    # Step 1 neutral, step 2 unsure, step 3 unmarked, step 4 the first error, step 5 not judged.
    press(page, "2", "u", "j", "j", "3")
    read = page.eval_on_selector_all(
        ".step__mark .mark",
        "all => all.map((mark) => [mark.dataset.v, mark.getAttribute('aria-label'),"
        " mark.querySelector('use').getAttribute('href').split('#')[1]])",
    )
    assert [tuple(one) for one in (read[0], read[1], read[2], read[4])] == [
        ("0", "0, neutral", "m-0"),
        ("unsure", "unsure", "m-unsure"),
        ("none", "not judged yet", "m-none"),
        ("skip", "not judged", "m-skip"),
    ]
    # On a wide page the same is said by the rating's place and by words in the row.
    page.set_viewport_size(WIDE)
    rows = [page.locator(f"#step-{number}") for number in (1, 2, 3, 5)]
    assert [row.locator("input:checked").count() for row in rows] == [1, 0, 0, 0]
    words = [row.locator("[data-tags]").inner_text() for row in rows]
    assert words == ["", "Unsure", "", "not judged"]
    assert [row.locator(".rating").is_visible() for row in rows] == [True, True, True, False]


# --- Buttons --------------------------------------------------------------------------------------

MEASURE = """async ([places, target]) => {
  const { currentKeyboard } = await import("/static/labeling/js/keyboard.js");
  const lacking = [];
  const isBigEnough = (element) => {
    const box = element.getBoundingClientRect();
    return box.width >= target && box.height >= target && !element.closest("[hidden]");
  };
  for (const { id } of currentKeyboard().bindings) {
    const name = id.startsWith("why_")
      ? `[data-why] .choice__option:has([value='${id.slice(4)}'])`
      : places[id] ?? `[data-do='${id.replaceAll("_", "-")}']`;
    const buttons = [...document.querySelectorAll(name)];
    // What is in a menu, a dialog or a panel is measured where it is shown.
    const found = buttons.some((button) => {
      const shelter = button.closest("[popover]");
      const opens = shelter && !shelter.matches(":popover-open");
      if (opens) shelter.showPopover();
      const fits = isBigEnough(button);
      if (opens) shelter.hidePopover();
      return fits;
    });
    if (!found) lacking.push(id);
  }
  return lacking;
}"""


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("protocol", [{}, PRM800K], ids=["all steps", "prm800k"])
def test_whatever_a_key_does_a_button_of_44_px_does(
    show: Show, saving: Site, size: dict[str, int], protocol: dict[str, Any]
) -> None:
    context = rate_context(protocol=protocol, proposed=PROPOSED)
    panel = {"title": "GenPRM", "url": "/evidence/"}
    context["evidence"] = {
        "note": "",
        "panels": [panel],
        "url": "/evidence/",
        "equality": {"url": "/equalities/"},
    }
    page = show(TEMPLATE, context, viewport=size)
    # The current step is wrong and not as proposed: all that can be asked of it is asked.
    press(page, "3")
    assert page.evaluate(MEASURE, [PLACES, TARGET]) == []


def test_the_buttons_do_what_the_keys_do(show: Show, saving: Site) -> None:
    page = show(TEMPLATE, rate_context(proposed=PROPOSED), viewport=WIDE)
    page.click(".dock [data-do='take-proposal']")
    assert marks(page)[0] == "1"
    page.click("[popovertarget='more']")
    page.click("#more [data-do='previous']")
    page.click(".dock [data-do='first-error']")
    page.click("[data-why] .choice__option:has([value='missed_error'])")
    assert last_content(saving, page)["overrides"] == [{"position": 0, "reason": "missed_error"}]
    page.click("[popovertarget='more']")
    page.click("#more [data-do='problem']")
    assert not page.locator(".problem .read").is_visible()
