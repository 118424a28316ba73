"""Equalities: what is selected, asking, and the answers that come in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.browser

# A step with mathematics, and the place beside it; `asked` has every request, answered from `said`.
DESK = """
const asked = [];
const said = [];
globalThis.fetch = async (url, options) => {
  asked.push([options.method ?? "GET", String(url), String(options.body ?? "")]);
  const [status, html] = said.length > 1 ? said.shift() : said[0];
  return new Response(html, { status, headers: { "Content-Type": "text/html" } });
};
document.body.append(new DOMParser().parseFromString(`
  <form id="work"><main id="main"><ol class="steps">
    <li aria-current="step" data-position="3" tabindex="0">
      <p data-math id="text">So $(a+b)^2=a^2+b^2$, hence $x=1$.</p></li>
  </ol></main>
  <section data-equality="/equalities/" data-failed="No server" data-sent="Sent">
    <details data-equality-place><summary>Is it true?</summary>
    <input type="text" form="" data-equality-text>
    <button type="button" data-equality-ask>Check</button>
    <div data-equality-refusal></div><div data-equality-answers></div></details></section></form>
  <div data-announcer></div>`, "text/html").body);
const life = new AbortController();
document.getElementById("work").addEventListener("submit", (event) => {
  event.preventDefault();
  asked.push(["SUBMITTED"]);
});
const { startEquality, askEquality, readSelection } = await load("equality");
const { renderMath, stripMarks } = await load("math");
renderMath(document);
const select = (first, last = first) => {
  const range = document.createRange();
  range.setStartBefore(first);
  range.setEndAfter(last);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
};
const formulas = [...document.querySelectorAll("#text .tex")];
const part = (more, inner) =>
  `<div data-equalities data-live="/equalities/?fragment=list"${more}>${inner}</div>`;
const waiting = part("", '<article data-check="1">Queued</article>');
const settled = (inner) =>
  part(" data-live-done", `<article data-check="1" data-check-says="Not all">${inner}</article>`);
const done = settled("No");
const until = async (test) => { while (!test()) await new Promise((r) => setTimeout(r, 20)); };
const q = (name) => document.querySelector(`[data-equality-${name}]`);
"""


def test_within_a_formula_its_source_is_taken(run: Callable[..., Any]) -> None:
    body = (
        DESK
        + """
    const range = document.createRange();
    range.selectNodeContents(formulas[0].querySelector("mi"));
    getSelection().addRange(range);
    return readSelection();
    """
    )
    assert run(body) == "(a+b)^2=a^2+b^2"


def test_across_words_formulas_stand_in_dollars(run: Callable[..., Any]) -> None:
    body = DESK + "select(document.getElementById('text')); return readSelection();"
    assert run(body) == "So $(a+b)^2=a^2+b^2$, hence $x=1$."


def test_part_of_the_words(run: Callable[..., Any]) -> None:
    body = (
        DESK
        + """
    const text = document.getElementById("text").firstChild;
    const range = document.createRange();
    range.setStart(text, 1);
    range.setEnd(text, 2);
    getSelection().addRange(range);
    return readSelection();
    """
    )
    assert run(body) == "o"


def test_nothing_selected_is_nothing(run: Callable[..., Any]) -> None:
    assert run(DESK + "return readSelection();") == ""


def test_marks_of_a_difference_are_left_out(run: Callable[..., Any]) -> None:
    body = (
        DESK
        + """
    const p = document.createElement("p");
    p.dataset.math = "segments";
    const span = document.createElement("span");
    span.dataset.tex = "diff";
    span.textContent = "$2+\\\\prmis{3}=5$";
    p.append(span);
    document.getElementById("main").append(p);
    renderMath(p);
    select(p.querySelector(".tex math"));
    return readSelection();
    """
    )
    assert run(body) == "2+{3}=5"


def test_the_key_asks_of_what_is_selected(run: Callable[..., Any]) -> None:
    body = (
        DESK
        + """
    said.push([200, waiting], [200, done]);
    startEquality({ signal: life.signal });
    select(formulas[0].querySelector("math"));
    const took = askEquality();
    await until(() => document.querySelector("[data-check-says]"));
    await until(() => document.querySelector("[data-announcer]").textContent === "Not all");
    return [took, q("place").open, q("text").value, asked[0], asked[1][0], asked.length];
    """
    )
    took, is_open, value, first, second, n = run(body)
    assert (took, is_open, value) == (True, True, "(a+b)^2=a^2+b^2")
    assert first[:2] == ["POST", "/equalities/?fragment=list"]
    # The step that the cursor is at goes with it.
    assert first[2] == "text=%28a%2Bb%29%5E2%3Da%5E2%2Bb%5E2&position=3"
    # It is asked for again until all is answered, and then no more.
    assert (second, n) == ("GET", 2)


def test_without_a_selection_the_key_opens_the_field(run: Callable[..., Any]) -> None:
    body = (
        DESK
        + """
    said.push([200, done]);
    startEquality({ signal: life.signal });
    askEquality();
    const focused = document.activeElement === q("text");
    await until(() => q("answers").hasChildNodes());
    return [focused, asked.map((one) => one[0])];
    """
    )
    # What was asked before is shown.
    assert run(body) == [True, ["GET"]]


def test_enter_in_the_field_asks_and_submits_nothing(run: Callable[..., Any]) -> None:
    body = (
        DESK
        + """
    said.push([200, done]);
    startEquality({ signal: life.signal });
    q("place").open = true;
    await until(() => q("answers").hasChildNodes());
    q("text").focus();
    globalThis.seen = asked;
    """
    )
    page = run.page  # type: ignore[attr-defined]
    run(body + "globalThis.check = () => asked.length;")
    page.keyboard.type("1+1=2")
    page.keyboard.press("Enter")
    page.wait_for_function("globalThis.seen.length === 2")
    assert page.evaluate("globalThis.seen[1]") == [
        "POST",
        "/equalities/?fragment=list",
        "text=1%2B1%3D2&position=3",
    ]


def test_a_refusal_stands_in_its_place_and_the_text_stays(run: Callable[..., Any]) -> None:
    body = (
        DESK
        + """
    said.push([409, '<p role="alert" data-refusal>Rate this step first.</p>']);
    startEquality({ signal: life.signal });
    q("text").value = "1=1";
    q("ask").click();
    await until(() => q("refusal").hasChildNodes());
    return [q("refusal").textContent, q("text").value];
    """
    )
    assert run(body) == ["Rate this step first.", "1=1"]


def test_without_a_server_it_says_so(run: Callable[..., Any]) -> None:
    body = (
        DESK
        + """
    said.push([500, "<p>oops</p>"]);
    startEquality({ signal: life.signal });
    q("text").value = "1=1";
    q("ask").click();
    await until(() => q("refusal").hasChildNodes());
    return q("refusal").textContent;
    """
    )
    assert run(body) == "No server"


def test_what_was_asked_before_never_replaces_what_came_since(run: Callable[..., Any]) -> None:
    body = (
        DESK
        + """
    let release;
    const late = new Promise((resolve) => { release = resolve; });
    const fetch = async (url, options) => {
      if (options.method === "GET") await late;
      return new Response(options.method === "GET" ? settled("Old") : settled("New"));
    };
    startEquality({ signal: life.signal, fetch });
    q("place").open = true;
    await new Promise((resolve) => setTimeout(resolve));
    q("text").value = "1=1";
    q("ask").click();
    await until(() => q("answers").textContent.includes("New"));
    release();
    await new Promise((resolve) => setTimeout(resolve));
    await new Promise((resolve) => requestAnimationFrame(resolve));
    return q("answers").textContent;
    """
    )
    assert run(body) == "New"


def test_started_twice_it_asks_once(run: Callable[..., Any]) -> None:
    body = (
        DESK
        + """
    said.push([200, done]);
    startEquality({ signal: life.signal });
    startEquality({ signal: life.signal });
    q("text").value = "1=1";
    q("ask").click();
    await until(() => q("answers").hasChildNodes());
    return asked.length;
    """
    )
    assert run(body) == 1


def test_a_press_on_the_place_keeps_what_was_selected(run: Callable[..., Any]) -> None:
    body = (
        DESK
        + """
    said.push([200, done]);
    startEquality({ signal: life.signal });
    select(formulas[1].querySelector("math"));
    """
    )
    page = run.page  # type: ignore[attr-defined]
    run(body)
    page.locator("summary").click()
    assert page.locator("[data-equality-text]").input_value() == "x=1"


def test_where_there_is_no_place_the_key_says_so(run: Callable[..., Any]) -> None:
    body = (
        DESK
        + """
    document.querySelector("[data-equality]").remove();
    startEquality({ signal: life.signal });
    return [askEquality(), document.querySelector("[data-announcer]").textContent, asked.length];
    """
    )
    assert run(body) == [False, "equalityAbsent", 0]


def test_a_script_in_an_answer_does_not_run(run: Callable[..., Any]) -> None:
    body = (
        DESK
        + """
    const attack = "<script>globalThis.ran = 1</" + "script>";
    said.push([200, settled(attack)]);
    startEquality({ signal: life.signal });
    q("text").value = "1=1";
    q("ask").click();
    await until(() => q("answers").hasChildNodes());
    return globalThis.ran ?? 0;
    """
    )
    assert run(body) == 0


def test_it_ends_with_the_item(run: Callable[..., Any]) -> None:
    body = (
        DESK
        + """
    said.push([200, waiting]);
    startEquality({ signal: life.signal });
    q("text").value = "1=1";
    q("ask").click();
    await until(() => q("answers").hasChildNodes());
    life.abort();
    q("ask").click();
    await new Promise((resolve) => requestAnimationFrame(resolve));
    return asked.length;
    """
    )
    assert run(body) == 1
