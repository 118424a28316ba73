"""Machine evidence beside the steps: the key, both ways of opening, and people's words on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.browser

# Two steps with a place each; `asked` has every request, answered from `said`.
DESK = """
const asked = [];
const said = [];
globalThis.fetch = async (url, options) => {
  asked.push([options.method ?? "GET", String(url), String(options.body ?? "")]);
  const [status, html] = said.length > 1 ? said.shift() : said[0];
  return new Response(html, { status, headers: { "Content-Type": "text/html" } });
};
const place = (at) => `<div class="evidence-place" data-evidence-of="${at}"><details
  data-evidence-url="/evidence/?fragment=step" data-evidence-position="${at}" data-failed="Failed">
  <summary>Step ${at}</summary><div data-evidence-body></div></details></div>`;
document.body.append(new DOMParser().parseFromString(`
  <main id="main"><ol class="steps"><li aria-current="step" data-position="0" tabindex="0">One</li>
    <li data-position="1" tabindex="-1">Two</li></ol></main>
  <section data-evidence-section><div class="sealed">It opens later.</div>
  <div data-evidence-places>${place(0)}${place(1)}</div></section>
  <div data-announcer></div>`, "text/html").body);
const opened = [];
document.addEventListener("workbench:evidence-opened", (event) => {
  opened.push(event.detail.position);
});
const { toggleEvidence } = await load("evidence");
const row = (at) => document.querySelector(`[data-position='${at}']`);
const details = (at) => document.querySelector(`[data-evidence-of='${at}'] details`);
const until = async (test) => { while (!test()) await new Promise((r) => setTimeout(r, 20)); };
"""


def test_the_key_opens_the_current_steps_evidence_and_takes_the_focus(
    run: Callable[..., Any],
) -> None:
    body = (
        DESK
        + """
    said.push([200, "<p>Found</p>"]);
    row(0).focus();
    const first = toggleEvidence();
    const there = document.activeElement === details(0).querySelector("summary");
    await until(() => details(0).textContent.includes("Found"));
    await until(() => opened.length);
    toggleEvidence();
    return [first, there, details(0).open, document.activeElement === row(0), asked, opened];
    """
    )
    assert run(body) == [
        True,
        True,
        False,
        True,
        [["POST", "/evidence/?fragment=step", "position=0"]],
        [0],
    ]


def test_it_follows_the_cursor(run: Callable[..., Any]) -> None:
    body = (
        DESK
        + """
    row(0).removeAttribute("aria-current");
    row(1).setAttribute("aria-current", "step");
    await until(() => document.querySelector("[data-evidence-of='1'][data-current]"));
    return document.querySelectorAll(".evidence-place[data-current]").length;
    """
    )
    assert run(body) == 1


def test_what_is_sealed_is_said_and_not_opened(run: Callable[..., Any]) -> None:
    body = (
        DESK
        + """
    document.querySelector("[data-evidence-places]").hidden = true;
    return [toggleEvidence(), document.querySelector("[data-announcer]").textContent, asked.length];
    """
    )
    assert run(body) == [False, "It opens later.", 0]


def test_a_refusal_can_be_tried_again_and_is_no_opening(run: Callable[..., Any]) -> None:
    body = (
        DESK
        + """
    said.push([409, "<p role=alert data-refusal>Not yet.</p>"], [200, "<p>Found</p>"]);
    details(0).open = true;
    await until(() => details(0).textContent.includes("Not yet."));
    const before = opened.length;
    details(0).open = false;
    details(0).open = true;
    await until(() => details(0).textContent.includes("Found"));
    await until(() => opened.length);
    return [before, opened];
    """
    )
    assert run(body) == [0, [0]]


def test_what_one_has_just_judged_is_asked_for_once_more(run: Callable[..., Any]) -> None:
    """The judgement may be on its way to the server still."""
    body = (
        DESK
        + """
    const radio = document.createElement("input");
    radio.type = "radio";
    radio.checked = true;
    row(0).append(radio);
    said.push([409, "<p role=alert data-refusal>Not yet.</p>"], [200, "<p>Found</p>"]);
    details(0).open = true;
    await until(() => details(0).textContent.includes("Found"));
    return asked.length;
    """
    )
    assert run(body) == 2


def test_without_a_position_it_is_read_and_nothing_is_logged(run: Callable[..., Any]) -> None:
    body = (
        DESK
        + """
    said.push([200, "<p>Found</p>"]);
    delete details(0).dataset.evidencePosition;
    details(0).dataset.evidenceUrl = "/solutions/4/evidence/?fragment=step&position=0";
    details(0).open = true;
    await until(() => details(0).textContent.includes("Found"));
    return asked;
    """
    )
    assert run(body) == [["GET", "/solutions/4/evidence/?fragment=step&position=0", ""]]


RATING = (
    DESK
    + """
const box = (said) => `<div data-rationale="/rationales/" data-position="2" data-sample="1"
  data-sent="Kept" data-offline="No server">
  <input type="radio" name="r" value="sound" data-rationale-value>
  <input type="radio" name="r" value="wrong" data-rationale-value>
  <textarea data-rationale-note></textarea>
  <button type="button" data-rationale-keep>Keep</button>
  <div data-rationale-said>${said}</div><div data-rationale-refusal></div></div>`;
document.body.append(new DOMParser().parseFromString(box(""), "text/html").body.firstChild);
const [sound, wrong] = document.querySelectorAll("[data-rationale-value]");
const choose = (radio) => { radio.focus(); radio.click(); };
const shown = () => document.querySelector("[data-rationale-said]").textContent;
"""
)


def test_a_rating_is_sent_once_it_is_settled_and_keeps_the_focus(run: Callable[..., Any]) -> None:
    body = (
        RATING
        + """
    said.push([200, box("Your rating: Wrong")]);
    // As arrow keys pass over it.
    choose(sound);
    choose(wrong);
    await until(() => shown());
    return [asked, shown(), document.activeElement === wrong,
      document.querySelector("[data-announcer]").textContent];
    """
    )
    assert run(body) == [
        [["POST", "/rationales/", "position=2&sample=1&value=wrong&note="]],
        "Your rating: Wrong",
        True,
        "Kept",
    ]


def test_a_note_is_sent_with_the_rating(run: Callable[..., Any]) -> None:
    body = (
        RATING
        + """
    said.push([200, box("Your rating: Wrong")]);
    wrong.checked = true;
    document.querySelector("[data-rationale-note]").value = "No step follows.";
    document.querySelector("[data-rationale-keep]").click();
    await until(() => shown());
    return asked[0][2];
    """
    )
    assert run(body) == "position=2&sample=1&value=wrong&note=No+step+follows."


def test_a_rating_that_is_refused_says_why(run: Callable[..., Any]) -> None:
    body = (
        RATING
        + """
    said.push([400, "<p role=alert data-refusal>Choose one.</p>"]);
    document.querySelector("[data-rationale-keep]").click();
    const refusal = document.querySelector("[data-rationale-refusal]");
    await until(() => refusal.textContent);
    return refusal.textContent;
    """
    )
    assert run(body) == "Choose one."


TRIAL = (
    DESK
    + """
const trials = (word) => `<div data-trials data-live="/trials/" data-live-done>${word}</div>`;
document.body.append(new DOMParser().parseFromString(`<div>${trials("")}
  <details open><summary>Edit</summary><div data-trial="/trials/?fragment=trials" data-position="0"
    data-sample="1" data-block="2" data-sent="Sent" data-kept="Kept" data-offline="No server">
  <textarea data-trial-analysis>It is 4.</textarea>
  <textarea data-trial-code>print(1)</textarea><button type="button" data-trial-run>Run</button>
  <button type="button" data-trial-keep>Keep</button><div data-trial-refusal></div>
  </div></details></div>`, "text/html").body.firstChild);
const press = (name) => document.querySelector(`[data-trial-${name}]`).click();
"""
)


def test_code_and_analysis_are_sent_together(run: Callable[..., Any]) -> None:
    body = (
        TRIAL
        + """
    said.push([200, trials("Queued")]);
    press("run");
    await until(() => document.querySelector("[data-trials]").textContent === "Queued");
    return asked[0][2];
    """
    )
    assert run(body) == "position=0&sample=1&block=2&code=print%281%29&analysis=It+is+4."


def test_an_analysis_alone_is_kept(run: Callable[..., Any]) -> None:
    body = (
        TRIAL
        + """
    said.push([200, trials("Changed")]);
    press("keep");
    await until(() => document.querySelector("[data-announcer]").textContent === "Kept");
    return asked[0][2];
    """
    )
    assert run(body).endswith("&analysis=It+is+4.&action=keep")
