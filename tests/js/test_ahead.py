"""The next item is ready before it is asked for; whatever goes wrong with that, work goes on."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.js.conftest import Site
from tests.js.pages import API, rate_context

pytestmark = pytest.mark.browser

TEMPLATE = "labeling/rate.html"
AHEAD = "GET /assignments/7/ahead/?have="
SUBMIT = "POST /assignments/7/submit/"
SUBMIT_AHEAD = f"{SUBMIT}?at_hand=digest-8"
TEXTS = ["First, $1$.", "Then, $2$."]
NEXT_TEXTS = ["Another $x$.", "And $y$, of 482910384756102.", "So $z$."]
STAND_INS = {"id": "482910384756103", "lease_token": "5f6a1b0c-0000-4000-8000-00000000000a"}
VALUES = {
    "assignment": {"id": 8, "lease_token": "token-8", "lease_expires_at": "2031-01-01"},
    "progress": {"done": 39, "total": 61, "words": "39 of 61"},
}
LISTEN = """() => {
  delete document.documentElement.dataset.looked;
  addEventListener("workbench:looked-ahead", () => {
    document.documentElement.dataset.looked = "ahead";
  });
}"""
PATIENCE_S = 30
Show = Callable[..., Any]


def draw(number: str, token: str, texts: list[str] = NEXT_TEXTS) -> str:
    """The page of another assignment, as the server renders it."""
    from django.contrib.auth import get_user_model
    from django.template.loader import render_to_string
    from django.test import RequestFactory

    context = rate_context(texts=texts)
    context["assignment"] = {"id": int(number), "lease_token": token, "lease_expires_at": "2030"}
    context["draft"] = {"version": 0, "content": {}, "key": "8-1"}
    context["urls"] = {
        name: url.replace("/assignments/7/", f"/assignments/{number}/")
        for name, url in context["urls"].items()
    }
    request = RequestFactory().get("/")
    request.user = get_user_model()(username="mei", display_name="Mei Lin")
    html: str = render_to_string(TEMPLATE, context, request)
    return html


@pytest.fixture
def queue(site: Site) -> Site:
    """A server whose next item is the assignment with the number 8, as soon as it is claimed."""
    page = draw(STAND_INS["id"], STAND_INS["lease_token"])
    seen = {"digest": "digest-8", "stand_ins": STAND_INS, "page": page}
    site.answers[AHEAD] = lambda _body: (200, seen)
    site.answers[f"{AHEAD}digest-8"] = lambda _body: (204, None)
    whole = {"next_url": "/assignments/8/", "page": draw("8", "token-8")}
    site.answers[SUBMIT] = lambda _body: (201, whole)
    site.answers[SUBMIT_AHEAD] = lambda _body: (
        201,
        {"next_url": "/assignments/8/", "page": None, "values": VALUES},
    )
    site.answers[f"PUT {API}/draft/"] = lambda body: (200, {"version": body["version"] + 1})
    return site


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def start(show: Show, queue: Site) -> Any:
    """The first item, the page of the second one ready behind it."""
    context = rate_context(texts=TEXTS)
    context["urls"]["ahead"] = "/assignments/7/ahead/"
    # However slow the machine is: nothing is answered before somebody waits for it.
    waited_for, answer = Event(), queue.answers[AHEAD]

    def answer_then(body: Any) -> Any:
        waited_for.wait(PATIENCE_S)
        return answer(body)

    queue.answers[AHEAD] = answer_then
    page = show(TEMPLATE, context)
    page.evaluate("window.mine = 'not loaded again'")
    page.evaluate(LISTEN)
    waited_for.set()
    page.clock.run_for(1_500)
    await_look(page)
    return page


def await_look(page: Any) -> None:
    expect(page.locator("html[data-looked=ahead]")).to_be_attached()
    # It is put together in free moments, which are the clock's to give.
    page.clock.run_for(3_000)


def submit(page: Any) -> None:
    press(page, "1", "1", "Enter")
    page.wait_for_url("**/assignments/8/")
    page.clock.fast_forward(300)


def sent(queue: Site) -> list[str]:
    """What the page asked, drafts left out; a slow machine gives it time to look again."""
    names = [name for name, _body in queue.calls if "draft" not in name]
    return [name for name in dict.fromkeys(names) if name != f"{AHEAD}digest-8"]


def test_the_next_item_is_filled_in_and_shown(show: Show, queue: Site) -> None:
    page = start(show, queue)
    submit(page)
    assert sent(queue) == [AHEAD, SUBMIT_AHEAD]
    assert page.evaluate("window.mine") == "not loaded again"
    assert page.locator(".step[data-position]").count() == 3
    assert page.locator("[data-math]:not([data-math-done])").count() == 0
    assert page.evaluate("document.activeElement.id") == "step-1"
    expect(page.get_by_text("39 of 61")).to_be_visible()
    bar = page.locator("progress")
    assert (bar.get_attribute("value"), bar.get_attribute("max")) == ("39", "61")
    assert "39 of 61" in bar.get_attribute("aria-label")


def test_no_stand_in_is_left_and_no_text_is_touched(show: Show, queue: Site) -> None:
    page = start(show, queue)
    submit(page)
    html = page.content()
    assert STAND_INS["id"] not in html
    assert STAND_INS["lease_token"] not in html
    # A number that only looks like one.
    assert "of 482910384756102" in html
    data = page.evaluate("JSON.parse(document.getElementById('page').textContent)")
    assert data["assignment"] == VALUES["assignment"]
    assert data["urls"]["draft"] == "/api/v1/assignments/8/draft/"
    assert page.locator("#work").get_attribute("action") == "/form"
    assert page.locator("#work [name=lease_token]").input_value() == "token-8"


def test_the_item_works_like_any_other(show: Show, queue: Site) -> None:
    put = "PUT /api/v1/assignments/8/draft/"
    queue.answers[put] = lambda _body: (200, {"version": 1})
    queue.answers["POST /assignments/8/submit/"] = lambda _body: (201, {"next_url": "/next"})
    page = start(show, queue)
    submit(page)
    press(page, "3")
    page.clock.fast_forward(500)
    expect(page.locator("[data-save-status]")).to_have_text("Saved")
    assert [body["lease_token"] for body in queue.bodies(put)] == ["token-8"]
    press(page, "1", "1", "Enter")
    page.wait_for_url("**/next")
    [body] = queue.bodies("POST /assignments/8/submit/")
    assert [step["rating"] for step in body["content"]["steps"]] == [-1, 1, 1]


def test_what_is_only_ready_is_in_no_page(show: Show, queue: Site) -> None:
    page = start(show, queue)
    assert NEXT_TEXTS[0] not in page.content()
    assert STAND_INS["id"] not in page.content()
    assert page.locator(".step[data-position]").count() == 2


def test_another_page_is_shown_where_the_next_item_is_another(show: Show, queue: Site) -> None:
    other = draw("8", "token-8", ["Something else, $w$."])
    queue.answers[SUBMIT_AHEAD] = lambda _body: (
        201,
        {"next_url": "/assignments/8/", "page": other},
    )
    page = start(show, queue)
    submit(page)
    assert page.locator(".step[data-position]").count() == 1
    expect(page.locator("#step-1")).to_contain_text("Something else")
    assert page.locator("#step-1 math").count() == 1


def test_a_page_with_the_same_texts_keeps_what_was_rendered(show: Show, queue: Site) -> None:
    """The lead has changed a setting: the page is drawn anew, its formulas are not."""
    queue.answers[SUBMIT_AHEAD] = queue.answers[SUBMIT]
    page = start(show, queue)
    submit(page)
    assert page.locator("[data-math]:not([data-math-done])").count() == 0
    assert page.locator("#step-1 math").count() == 1
    press(page, "r")
    assert page.locator("#step-1 .step__text").inner_text() == "Another $x$."


def test_source_is_shown_where_source_was_asked_for_meanwhile(show: Show, queue: Site) -> None:
    page = start(show, queue)
    press(page, "r")
    submit(page)
    assert page.locator("#step-1 .step__text").inner_text() == "Another $x$."
    press(page, "r")
    assert page.locator("#step-1 math").count() == 1


def test_without_it_the_page_comes_with_the_answer(show: Show, queue: Site) -> None:
    queue.answers[AHEAD] = lambda _body: (500, {})
    page = start(show, queue)
    submit(page)
    assert sent(queue) == [AHEAD, SUBMIT]
    assert page.locator("#step-1 math").count() == 1


def test_nothing_waits_and_nothing_is_named(show: Show, queue: Site) -> None:
    queue.answers[AHEAD] = lambda _body: (204, None)
    page = start(show, queue)
    submit(page)
    assert sent(queue) == [AHEAD, SUBMIT]


def test_a_page_in_other_words_is_no_next_page(show: Show, queue: Site) -> None:
    """The language was changed in another window."""
    seen = queue.answers[AHEAD](None)[1]
    other = {**seen, "page": seen["page"].replace('<html lang="en"', '<html lang="de"')}
    queue.answers[AHEAD] = lambda _body: (200, other)
    page = start(show, queue)
    submit(page)
    assert sent(queue) == [AHEAD, SUBMIT]


def test_it_is_looked_for_again_while_somebody_works(show: Show, queue: Site) -> None:
    page = start(show, queue)
    page.clock.fast_forward(20_000)
    page.evaluate(LISTEN)
    press(page, "1")
    page.clock.run_for(1_000)
    await_look(page)
    assert f"{AHEAD}digest-8" in [name for name, _body in queue.calls]
    # The one that is there stays.
    press(page, "1", "Enter")
    page.wait_for_url("**/assignments/8/")
    assert sent(queue)[-1] == SUBMIT_AHEAD


def test_a_refused_submission_keeps_it(show: Show, queue: Site) -> None:
    refusal = {"error": {"code": "incomplete", "message": "A step is missing.", "detail": {}}}
    filled = queue.answers[SUBMIT_AHEAD]
    queue.answers[SUBMIT_AHEAD] = lambda _body: (400, refusal)
    page = start(show, queue)
    press(page, "1", "1", "Enter")
    expect(page.locator("[data-toasts]")).to_contain_text("A step is missing.")
    assert page.locator(".workspace[data-leaving]").count() == 0
    queue.answers[SUBMIT_AHEAD] = filled
    press(page, "Enter")
    page.wait_for_url("**/assignments/8/")
    expect(page.locator("#step-1")).to_contain_text("Another")


def test_skipping_leads_to_it_as_well(show: Show, queue: Site) -> None:
    queue.answers["POST /assignments/7/skip/?at_hand=digest-8"] = lambda _body: (
        200,
        {"next_url": "/assignments/8/", "page": None, "values": VALUES},
    )
    page = start(show, queue)
    press(page, "x")
    page.get_by_label("The problem or a step cannot be read").check()
    page.get_by_role("button", name="Skip this item").click()
    page.wait_for_url("**/assignments/8/")
    expect(page.locator("#step-1")).to_contain_text("Another")


def test_a_submission_that_waits_for_the_network_names_nothing(show: Show, queue: Site) -> None:
    """What is kept to be sent later may be sent by any page, and by then to the API alone."""
    page = start(show, queue)
    page.context.set_offline(True)
    press(page, "1", "1", "Enter")
    expect(page.locator("[data-banner=submit]")).to_be_visible()
    kept = page.evaluate("Object.entries(localStorage).find(([key]) => key.startsWith('outbox:'))")
    assert "at_hand" not in kept[1]
    page.context.set_offline(False)
    page.wait_for_url("**/assignments/8/")


def test_what_takes_long_says_that_it_comes(show: Show, queue: Site) -> None:
    page = start(show, queue)
    press(page, "1", "1")
    held: list[Any] = []
    page.route("**/submit/**", lambda route: held.append(route))
    # The page's time stands, whatever the machine takes.
    page.clock.pause_at(page.evaluate("Date.now()") + 1)
    with page.expect_request("**/submit/**"):
        press(page, "Enter")
    assert page.locator(".workspace[data-leaving]").count() == 0
    page.clock.fast_forward(200)
    expect(page.locator(".workspace[data-leaving]")).to_be_visible()
    expect(page.locator("[data-toasts]")).to_have_text("Next item…")
    # The old item is there until the new one is.
    expect(page.locator("#step-1")).to_contain_text("First")
    held[0].continue_()
    page.wait_for_url("**/assignments/8/")
    assert page.locator(".workspace[data-leaving]").count() == 0


def test_a_newer_token_outlives_the_next_page(show: Show, queue: Site) -> None:
    """Somebody signed in again since it was drawn."""
    page = start(show, queue)
    page.evaluate("document.querySelector('meta[name=csrf-token]').content = 'newer'")
    submit(page)
    assert page.locator("meta[name=csrf-token]").get_attribute("content") == "newer"
    assert page.locator("#work [name=csrfmiddlewaretoken]").first.input_value() == "newer"


def test_a_long_solution_is_turned_to(show: Show, queue: Site) -> None:
    texts = [f"Step {n}: $\\frac{{{n}}}{{2}}$ and $x_{{{n}}}$" for n in range(107)]
    seen = queue.answers[AHEAD](None)[1]
    long = {**seen, "page": draw(STAND_INS["id"], STAND_INS["lease_token"], texts)}
    queue.answers[AHEAD] = lambda _body: (200, long)
    page = start(show, queue)
    # It turns to what there is of it; the rest is rendered there.
    submit(page)
    assert page.locator(".step[data-position]").count() == 107
    expect(page.locator("#step-1 math")).to_have_count(2)
    page.locator("#step-107").scroll_into_view_if_needed()
    expect(page.locator("#step-107 math")).to_have_count(2)
