"""Mathematics on the page: rendered, marked, harmless, and shown as source where it cannot be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.browser

# Renders one element with this text and says what became of it.
RENDER = """
const { renderMath } = await load("math");
const element = document.createElement("div");
element.dataset.math = "";
element.textContent = args;
document.body.append(element);
renderMath(document.body);
"""
SEGMENTS = """
const { renderMath } = await load("math");
const element = document.createElement("div");
element.dataset.math = "segments";
for (const [kind, text] of args) {
  const node = document.createElement("span");
  if (kind) node.dataset.tex = kind === "plain" ? "" : kind;
  node.textContent = text;
  element.append(kind ? node : text);
}
document.body.append(element);
renderMath(document.body);
"""


def test_it_works(run: Callable[..., Any]) -> None:
    body = RENDER + "return [element.querySelectorAll('math').length, element.textContent];"
    count, text = run(body, "So $x = 3$ and it costs $5.")
    assert count == 1
    # The source is kept as an annotation, for whoever copies or listens.
    assert text.startswith("So ")
    assert text.endswith(" and it costs $5.")


def test_a_formula_keeps_its_full_stop(run: Callable[..., Any]) -> None:
    body = RENDER + "return element.querySelector('.glue').lastChild.data;"
    assert run(body, "Hence $x = 3$. Then") == "."


def test_display_formulas_stand_alone(run: Callable[..., Any]) -> None:
    body = RENDER + "return element.querySelector('math').getAttribute('display');"
    assert run(body, r"\[x^2\]") == "block"


@pytest.mark.parametrize(
    ("text", "column"),
    [
        (r"$\frac{1$ is broken", "Column 9"),  # the end of \frac{1: eight characters of $\frac{1
        (r"see $x + \nosuch$", "Column 6"),  # $x + \nosuch: the command is its sixth character
    ],
)
def test_broken_source_is_shown_in_place(run: Callable[..., Any], text: str, column: str) -> None:
    body = (
        """
    document.body.insertAdjacentText("beforeend", "");
    const strings = document.createElement("script");
    strings.type = "application/json";
    strings.id = "strings";
    strings.textContent = JSON.stringify({ mathBroken: "Column {column}: {message}" });
    document.body.append(strings);
    """
        + RENDER
        + """
    const box = element.querySelector(".tex-broken");
    return [box.textContent, box.title, element.textContent];
    """
    )
    source, title, whole = run(body, text)
    assert source.startswith("$")
    assert source.endswith("$")
    assert title.startswith(f"{column}:")
    assert whole == text


@pytest.mark.parametrize(
    "text",
    [
        r"$\href{javascript:alert(1)}{x}$",
        r"$\htmlStyle{color:red}{x}$",
        r"$\includegraphics{https://example.org/a.png}$",
        r"$\def\a{\a\a}\a$",
        r"<img src=x onerror=alert(1)> <script>alert(1)</script>",
        "$" + "{" * 3000 + "x" + "}" * 3000 + "$",
        "$" + "x" * 20_000 + "$",
    ],
)
def test_hostile_text_stays_text(run: Callable[..., Any], text: str) -> None:
    body = (
        RENDER
        + """
    const bad = element.querySelectorAll("a, img, script, [style], [href], [onerror]").length;
    return [bad, element.textContent];
    """
    )
    bad, shown = run(body, text)
    assert bad == 0
    assert shown == text


def test_no_style_attribute_is_ever_set(run: Callable[..., Any]) -> None:
    # The page's policy would stop each of them, and the fixture fails on what it stops.
    text = r"$\fcolorbox{red}{blue}{x} \pmb{y} \colorbox{red}{z} \color{white} w \rule{2em}{1em}$"
    body = (
        RENDER
        + """
    const count = (selector) => element.querySelectorAll(selector).length;
    const dressed = "[style], [mathcolor], [mathbackground]";
    return [count(dressed), count(".tex-broken"), count(".m-rule")];
    """
    )
    assert run(body, text) == [0, 0, 1]


def test_a_command_defined_in_one_formula_is_unknown_in_the_next(run: Callable[..., Any]) -> None:
    body = RENDER + "return element.querySelectorAll('.tex-broken').length;"
    assert run(body, r"$\gdef\mine{x} \mine$ then $\mine$") == 1


@pytest.mark.parametrize(
    ("tex", "letters"),
    [
        (r"\mathbb{R}", "ℝ"),
        (r"\mathbb{A}", "𝔸"),
        (r"\mathbf{v}", "𝐯"),
        (r"\mathcal{L}", "ℒ"),
        (r"\mathfrak{g}", "𝔤"),
        (r"\boldsymbol{\alpha}", "𝜶"),
        (r"\mathsf{x}", "𝗑"),
        (r"\mathtt{9}", "𝟿"),
    ],
)
def test_letters_of_mathematical_alphabets(run: Callable[..., Any], tex: str, letters: str) -> None:
    body = RENDER + "return element.querySelector('mi, mn').textContent;"
    assert run(body, f"${tex}$") == letters


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        (r"90\pi", 1),
        ("40", 1),
        ("3/4", 1),
        ("x+1", 1),
        ("$40$", 1),
        (r"\text{odd}", 1),
        ("five apples", 0),
        ("2 apples", 0),
        ("$5 and more", 0),
        ("四", 0),
        (r"\frac{1", 0),
    ],
)
def test_answers_without_dollars(run: Callable[..., Any], text: str, formulas: int) -> None:
    body = """
    const { renderMath } = await load("math");
    const element = document.createElement("span");
    element.dataset.math = "answer";
    element.textContent = args;
    document.body.append(element);
    renderMath(document.body);
    const count = element.querySelectorAll("math").length;
    return [count, count ? args : element.textContent];
    """
    assert run(body, text) == [formulas, text]


def test_aligned_equations_are_aligned(run: Callable[..., Any]) -> None:
    body = RENDER + "return [...element.querySelectorAll('mtd')].map((cell) => cell.className);"
    text = r"\begin{aligned}a&=b\\c&=d\end{aligned}"
    assert run(body, text) == ["m-right m-tight", "m-left m-tight"] * 2


# --- Differences --------------------------------------------------------------------------------


def test_marks_inside_a_formula(run: Callable[..., Any]) -> None:
    body = (
        SEGMENTS
        + """
    const marks = [...element.querySelectorAll(".m-was, .m-is")];
    return marks.map((mark) => [mark.localName, mark.className, mark.textContent]);
    """
    )
    segments = [
        ["", "because "],
        ["diff", r"$x\mathrel{\prmwas{>}}0$"],
        ["", " and "],
        ["diff", r"$\frac{\prmis{3}}{2}$"],
        ["diff", r"$x^{\prmis{2}}$"],
    ]
    assert run(body, segments) == [
        ["mrow", "m-was", ">"],
        ["mrow", "m-is", "3"],
        ["mrow", "m-is", "2"],
    ]


def test_marks_are_not_read_where_the_server_made_none(run: Callable[..., Any]) -> None:
    # A text that writes the macro itself forges nothing: it is an unknown command.
    body = SEGMENTS + "return element.querySelectorAll('.m-was, .tex-broken').length;"
    assert run(body, [["plain", r"$\prmwas{x}$"]]) == 1
    body = SEGMENTS + "return element.querySelectorAll('.m-was').length;"
    assert run(body, [["plain", r"$\prmwas{x}$"]]) == 0


def test_a_mark_that_cuts_a_formula_badly_marks_all_of_it(run: Callable[..., Any]) -> None:
    body = SEGMENTS + "return element.querySelector('.m-is').textContent;"
    assert run(body, [["diff", r"$\left(\prmis{x\right)}$"]]) == "(x)"


def test_dollars_in_prose_of_segments_are_money(run: Callable[..., Any]) -> None:
    body = SEGMENTS + "return [element.querySelectorAll('math').length, element.textContent];"
    assert run(body, [["", "from $a$ to $b$"]]) == [0, "from $a$ to $b$"]


# --- Source -------------------------------------------------------------------------------------


def test_raw_and_back(run: Callable[..., Any]) -> None:
    body = (
        SEGMENTS
        + """
    const { setRaw } = await load("math");
    const rendered = element.innerText;
    setRaw(true);
    const source = element.textContent;
    setRaw(false);
    return [source, element.innerText === rendered, element.querySelectorAll("math").length];
    """
    )
    segments = [["", "so "], ["diff", r"$x\prmis{+1}$"], ["", "."]]
    assert run(body, segments) == ["so $x+1$.", True, 1]


def test_copy_is_what_was_written(run: Callable[..., Any]) -> None:
    text = r"It costs \$5, so $x = 5$ and $\frac{1"
    body = RENDER + "const { sourceOf } = await load('math'); return sourceOf(element);"
    assert run(body, text) == text


def test_far_formulas_wait_until_they_come_near(run: Callable[..., Any]) -> None:
    body = """
    const { renderMath } = await load("math");
    for (let i = 0; i < 60; i += 1) {
      const element = document.createElement("p");
      element.dataset.math = "";
      element.textContent = `Step ${i}: $x_{${i}}$`;
      document.body.append(element, document.createElement("hr"));
    }
    const rule = new CSSStyleSheet();
    rule.replaceSync("p { height: 100px }");
    document.adoptedStyleSheets = [rule];
    renderMath(document.body);
    const before = document.querySelectorAll("math").length;
    window.scrollTo(0, document.body.scrollHeight);
    const last = document.querySelector("p:last-of-type");
    for (let tries = 0; tries < 100 && !last.querySelector("math"); tries += 1) {
      await new Promise(requestAnimationFrame);
    }
    return [before < 60, last.querySelectorAll("math").length];
    """
    assert run(body) == [True, 1]


def test_what_is_rendered_ahead_is_measured_when_it_has_a_place(run: Callable[..., Any]) -> None:
    """A formula wider than its line scrolls there: nobody knows before there is a line."""
    body = """
    const { renderAhead, renderMath } = await load("math");
    const page = document.createElement("section");
    const long = document.createElement("p");
    long.dataset.math = "";
    long.textContent = `$${"x + ".repeat(200)}x$`;
    page.append(long);
    renderAhead(page, new AbortController().signal);
    while (long.dataset.mathDone === undefined) await new Promise(requestAnimationFrame);
    const before = long.querySelectorAll("math").length;
    document.body.append(page);
    renderMath(document);
    const count = (name) => long.querySelectorAll(name).length;
    return [before, count("math"), count(".tex--long")];
    """
    assert run(body) == [1, 1, 1]


def test_nothing_more_is_rendered_of_a_page_that_is_over(run: Callable[..., Any]) -> None:
    body = """
    const { renderAhead } = await load("math");
    const page = document.createElement("section");
    const text = document.createElement("p");
    text.dataset.math = "";
    text.textContent = "$x$";
    page.append(text);
    renderAhead(page, AbortSignal.abort());
    for (let frame = 0; frame < 5; frame += 1) await new Promise(requestAnimationFrame);
    return page.querySelectorAll("math").length;
    """
    assert run(body) == 0


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        # A comment in TeX; nobody who writes of shares means one.
        ("$50% of x$", "50%ofx"),
        (r"\(2000 + 1 = $2001\)", "2000+1=$2001"),
        (r"spent \boxed{$72}", "spent $72"),
        (r"so \boxed{4 blue and 6 red boxes}", "so 4 blue and 6 red boxes"),
    ],
)
def test_what_tex_would_drop_or_refuse_is_shown_as_meant(
    run: Callable[..., Any], text: str, seen: str
) -> None:
    body = """
    for (const note of element.querySelectorAll("annotation")) note.remove();
    const shown = element.textContent.replaceAll("\\u00a0", " ");
    return [shown, element.querySelector(".tex-broken") !== null];
    """
    shown, is_broken = run(RENDER + body, text)
    assert not is_broken
    assert shown == seen
