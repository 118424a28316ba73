"""What the lints read off a single text by rule."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from labeling.formats.lint.texts import (
    Fault,
    contains_answer,
    find_announcement,
    find_faults,
    find_final_answer,
    find_named_steps,
    find_residue,
    is_blank,
    list_results,
    speaks_of_money,
)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Step 5 is wrong.", {5}),
        ("Steps 5 and 6 are wrong.", {5, 6}),
        ("Steps 3, 4, and 7 are wrong.", {3, 4, 7}),
        ("steps 11-13", {11, 12, 13}),
        ("Steps 2 through 4", {2, 3, 4}),
        ("Steps 2 to 4, then step 9", {2, 3, 4, 9}),
        ("step 1 and step 3", {1, 3}),
        ("第3步和步骤 7、8", {3, 7, 8}),
        ("Steps 3-900 is a slip", {3, 900}),
        ("Step no. 4, step number 5 and step (6)", {4, 5, 6}),
        ("In the second step, and again in the 12th step", {2, 12}),
        ("Step three is new.", {3}),
        ("The 5 steps are fine.", set()),
        ("The second root of the step is fine.", set()),
        ("No number here.", set()),
    ],
)
def test_named_steps(text: str, named: set[int]) -> None:
    assert find_named_steps(text) == named


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("# Answer\n\n5", "5"),
        ("# Answer\\n\\n5", "5"),
        ("So it is.\n# Answer\n\n5", "So it is.\n5"),
        ("# Answer\\n\\neq 3", "\\neq 3"),
        ("## Final answer: 5", "5"),
        ("# Answer", ""),
    ],
)
def test_residue(text: str, rest: str) -> None:
    found = find_residue(text)
    assert found is not None
    assert found.rest == rest


@pytest.mark.parametrize("text", ["The answer is 5.", "Answer: 5", "item #4", "#answered"])
def test_no_residue(text: str) -> None:
    assert find_residue(text) is None


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("So $x = 3$.", []),
        ("It costs $5.", []),
        ("from $1.24 to $1.82", []),
        ("It costs \\$5 and $x$.", []),
        ("So $x = 3.", [Fault.DOLLAR]),
        ("So $4s = 98.", [Fault.DOLLAR]),
        ("makes 3 * $4 = 12 in all", []),
        ("about $1,250.50 a year, 5$ a day", []),
        ("$p = 10+ only, of $098$", [Fault.DOLLAR]),
        ("$\\frac{1}{2$", [Fault.BRACE]),
        ("$\\{ x \\}$ and {y}", []),
        ("}{", [Fault.BRACE]),
        ("$\\left( x )$", [Fault.PAIR]),
        ("\\begin{cases} x", [Fault.PAIR]),
        ("$x \\rightarrow \\left(1\\right)$", []),
        ("$\frac{1}{2}$", [Fault.BACKSLASH]),
        ("$2 \times 3$", [Fault.BACKSLASH]),
        ("a\ttab", []),
        ("$sqrt{2}$", [Fault.BACKSLASH]),
        ("$\\sqrt{2}$", []),
        ("the sqrt of 2", []),
        (r"so \(x = 3.", [Fault.BRACKET]),
        (r"so x = 3\) and \(y = 2\).", [Fault.BRACKET]),
        (r"a \\(x\\) b", []),
        ("$$x = 3", [Fault.DOLLAR]),
        ("$2 cdot 3$", [Fault.BACKSLASH]),
        ("$2acdot 3$", [Fault.BACKSLASH]),
        (r"$\picdot 3$", [Fault.BACKSLASH]),
        ("$a \neq 3$", [Fault.BACKSLASH]),
        (r"$\text{three times}$", []),
        ("three times $x$", []),
        ("9 * 2 = $<<9*2=18>>18 a day", []),
        ("gumballs at $.05 each", []),
        (r"So \frac{1}{2} = 3$.", [Fault.DOLLAR]),
    ],
)
def test_faults(text: str, faults: list[Fault]) -> None:
    assert [found.fault for found in find_faults(text)] == faults


def test_where_nothing_is_money_a_dollar_beside_a_number_is_half_a_formula() -> None:
    # "3x = 12$" could end with an amount; among formulas between dollars it does not.
    assert find_faults("Their sum is 3x = 12$.") == []
    assert [found.fault for found in find_faults("3x = 12$.", speaks_of_money=False)] == [
        Fault.DOLLAR
    ]


@pytest.mark.parametrize(
    ("texts", "money"),
    [
        (["Let $x = 3$.", "No dollar."], False),
        (["It costs $5.", "Let $x = 3$."], True),
        (["No dollar."], True),
        ([r"It costs \$5. Let $x = 3$."], False),
    ],
)
def test_whether_texts_speak_of_money(texts: list[str], money: bool) -> None:
    assert speaks_of_money(texts) is money


@pytest.mark.parametrize(
    ("text", "blank"),
    [
        ("", True),
        (" \u00a0\u200b\ufeff", True),
        ("**", True),
        ("$$", True),
        ("Step 3.", True),
        ("第3步", True),
        ("3.", False),
        ("Step 3. x", False),
        ("=", False),
    ],
)
def test_blank_steps(text: str, blank: bool) -> None:
    assert is_blank(text) is blank


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("We incorrectly assume that.", "incorrectly"),
        ("This contradicts step 2.", "contradicts"),
        ("Here is the error.", "the error"),
        ("我们错误地认为", "错误地"),
        ("The margin of measurement error is small.", None),
        ("All is well.", None),
    ],
)
def test_announcements(text: str, word: str | None) -> None:
    assert find_announcement(text) == word


@pytest.mark.parametrize(
    ("steps", "answer"),
    [
        (["So \\boxed{16}."], "16"),
        (["So $\\boxed{\\frac{1}{2}}$.", "We are done."], "\\frac 1 2"),
        (["# Answer\n\n$x = 5$"], "5"),
        (["The sum is $a + b = 17$."], "17"),
        (["So the range is $[0, 1)$."], "[ 0 , 1 )"),
        (["There are 3 or 4, so 12 in all."], "12"),
        (["So the degree of $f(x)$ is 3."], "3"),
        ([r"So it is \( 0 \)."], "0"),
        (["We are done."], None),
        ([], None),
    ],
)
def test_final_answer(steps: list[str], answer: str | None) -> None:
    assert find_final_answer(steps) == answer


def test_an_answer_is_contained_as_whole_tokens() -> None:
    assert contains_answer("So $x = 12$.", "12")
    assert not contains_answer("So $x = 312$.", "12")
    assert contains_answer("which is $\\dfrac12$ of it", "\\frac 1 2")


def test_results_are_numbers_and_equations() -> None:
    assert list_results("So $x = 12$ and 3.5 of 2 are left.") == {"12", "3.5", "x = 12"}


@pytest.mark.parametrize(
    "find_anything",
    [find_named_steps, find_residue, find_faults, find_announcement, list_results],
)
@pytest.mark.parametrize(
    "text",
    ["step 1" + " , " * 5_000, "steps 1 " + "to " * 5_000, "# answer" * 5_000, "$" * 20_001],
    ids=lambda text: repr(text[:10]),
)
def test_hostile_text_is_read_in_bounded_time(
    find_anything: Callable[[str], object], text: str
) -> None:
    started = time.process_time()
    find_anything(text)
    assert time.process_time() - started < 5
