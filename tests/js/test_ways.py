"""Revising and training in the browser: no lease, no draft on the server, a reason if asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.js.conftest import Site
from tests.js.pages import API, rate_context

pytestmark = pytest.mark.browser

TEMPLATE = "labeling/rate.html"
ANSWER = "POST /training/5/answer/"
REVISE = "POST /revise/7/"
TEXTS = ["First, $1$.", "Then, $2$."]
NONE = dict.fromkeys(
    ("draft", "heartbeat", "skip", "skip_next", "again", "submit", "submit_next", "comments"), ""
)
Show = Callable[..., Any]


def away_context(way: dict[str, Any], address: str) -> dict[str, Any]:
    """A page that nobody holds a lease of."""
    context = rate_context(texts=TEXTS)
    context["assignment"] = {"id": 0, "lease_token": "", "lease_expires_at": ""}
    context["draft"] = {"version": 0, "content": {}, "key": "training-1-1", "activity": None}
    context["urls"] |= NONE | {"submit": address, "submit_next": address}
    context["way"] = {"asks_reason": False, "extra": {}, **way}
    return context


@pytest.fixture
def training(site: Site) -> dict[str, Any]:
    site.answers[ANSWER] = lambda _body: (200, {"next_url": "/next"})
    return away_context({"kind": "training"}, "/training/5/answer/")


@pytest.fixture
def revising(site: Site) -> dict[str, Any]:
    site.answers[REVISE] = lambda _body: (201, {"next_url": "/next"})
    way = {"kind": "revise", "asks_reason": True, "extra": {"number": 2}}
    return away_context(way, "/revise/7/")


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def read_ratings(body: dict[str, Any]) -> list[int]:
    return [step["rating"] for step in body["content"]["steps"]]


def test_an_answer_is_all_that_training_sends(
    show: Show, site: Site, training: dict[str, Any]
) -> None:
    page = show(TEMPLATE, training)
    press(page, "1", "3")
    # Where there is a server for drafts and leases, both would have been asked by now.
    page.clock.fast_forward(120_000)
    expect(page.locator("[data-save-status]")).to_have_text("Saved on this device")
    press(page, "Enter")
    page.wait_for_url("**/next")
    assert [name for name, _body in site.calls] == [ANSWER]
    [body] = site.bodies(ANSWER)
    assert read_ratings(body) == [1, -1]
    assert set(body) == {"content", "idempotency_key", "active_ms", "step_ms"}


def test_a_reload_brings_back_what_only_this_browser_keeps(
    show: Show, site: Site, training: dict[str, Any]
) -> None:
    page = show(TEMPLATE, training)
    press(page, "3")
    page.reload()
    expect(page.locator("[name=rating-0][value='-1']")).to_be_checked()
    page.clock.fast_forward(300)
    page.locator("[name=rating-1][value='1']").check(force=True)
    page.locator("[data-submit]").click()
    page.wait_for_url("**/next")
    page.go_back()
    # What was handed in is kept no longer.
    expect(page.locator("[name^=rating-]:checked")).to_have_count(0)


def test_nothing_is_skipped_in_training(show: Show, training: dict[str, Any]) -> None:
    page = show(TEMPLATE, training)
    expect(page.locator("[popovertarget='skip']")).to_be_hidden()
    press(page, "x")
    assert page.locator(":popover-open").count() == 0


def test_a_change_is_sent_with_its_reason(show: Show, site: Site, revising: dict[str, Any]) -> None:
    page = show(TEMPLATE, revising)
    press(page, "1", "1", "Enter")
    dialog = page.get_by_role("dialog", name="Why do you change your judgement?")
    expect(dialog).to_be_visible()
    field = dialog.get_by_label("What is the reason?")
    expect(field).to_be_focused()
    button = dialog.get_by_role("button", name="Submit the change")
    # Without a reason the browser says what is missing, and nothing is sent; blanks are none.
    button.click()
    expect(dialog).to_be_visible()
    field.fill("  ")
    button.click()
    expect(dialog).to_be_visible()
    field.fill(" I misread step 2. ")
    button.click()
    page.wait_for_url("**/next")
    [body] = site.bodies(REVISE)
    assert read_ratings(body) == [1, 1]
    assert (body["number"], body["reason"]) == (2, "I misread step 2.")
    assert "lease_token" not in body


def test_going_on_instead_sends_nothing_and_keeps_the_words(
    show: Show, site: Site, revising: dict[str, Any]
) -> None:
    page = show(TEMPLATE, revising)
    press(page, "1", "1", "Enter")
    page.locator("#way-reason textarea").fill("half a reason")
    page.get_by_role("button", name="Go on with it").click()
    expect(page.locator("#way-reason")).to_be_hidden()
    page.locator("#main").focus()
    press(page, "Enter")
    expect(page.locator("#way-reason textarea")).to_have_value("half a reason")
    assert site.bodies(REVISE) == []


def test_a_reason_is_asked_once_also_without_a_network(
    show: Show, site: Site, revising: dict[str, Any]
) -> None:
    page = show(TEMPLATE, revising)
    press(page, "1", "1", "Enter")
    page.context.set_offline(True)
    page.locator("#way-reason textarea").fill("Because.")
    page.get_by_role("button", name="Submit the change").click()
    expect(page.locator("[data-banner=submit]")).to_be_visible()
    page.context.set_offline(False)
    page.wait_for_url("**/next")
    assert [body["reason"] for body in site.bodies(REVISE)] == ["Because."]


def test_work_sends_its_lease_and_its_active_time(show: Show, site: Site) -> None:
    site.answers["POST /assignments/7/submit/"] = lambda _body: (201, {"next_url": "/next"})
    site.answers[f"PUT {API}/draft/"] = lambda _body: (200, {"version": 1})
    page = show(TEMPLATE, rate_context(texts=TEXTS))
    press(page, "1")
    page.clock.fast_forward(500)
    expect(page.locator("[data-save-status]")).to_have_text("Saved")
    [draft] = site.bodies(f"PUT {API}/draft/")
    assert set(draft["activity"]) == {"total", "steps"}
    page.clock.fast_forward(4_000)
    press(page, "1", "Enter")
    page.wait_for_url("**/next")
    [body] = site.bodies("POST /assignments/7/submit/")
    assert body["lease_token"] == "the-token"
    assert "reason" not in body
    # The second step was the current one for those four and a half seconds.
    assert body["step_ms"]["1"] >= 4_500
    rounding = len(body["step_ms"])
    assert body["active_ms"] + rounding >= sum(body["step_ms"].values())
