"""Splitting texts into steps, with mathematics and money in them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.formats.splitting import SplitRule, split_steps


def test_it_works() -> None:
    assert split_steps("First.\n\nSecond\nline.\n\n\n  Third.") == [
        "First.",
        "Second\nline.",
        "Third.",
    ]


@pytest.mark.parametrize("text", ["", " \n\n "])
def test_nothing_has_no_steps(text: str) -> None:
    for rule in SplitRule:
        assert split_steps(text, rule) == []


@pytest.mark.parametrize(
    "heading",
    [
        "Step {}:",
        "Step {}.",
        "**Step {}:**",
        "### Step {}:",
        "step {})",
        "**Step {}**:",
        "第{}步：",
    ],
)
def test_step_headings_begin_steps(heading: str) -> None:
    first, second = heading.format(1), heading.format(2)
    text = f"Let us see.\n{first} a\n\nb\n{second} c"
    assert split_steps(text) == ["Let us see.", f"{first} a\n\nb", f"{second} c"]


def test_one_heading_alone_is_no_rule() -> None:
    assert split_steps("Step 1: a\n\nb") == ["Step 1: a", "b"]
    assert split_steps("x\nStep 1: a\n\nb", SplitRule.STEP_PREFIX) == ["x", "Step 1: a\n\nb"]


def test_a_step_named_inside_a_sentence_is_no_heading() -> None:
    assert split_steps("a\n\nfrom Step 1: b and Step 2: c\n\nd") == [
        "a",
        "from Step 1: b and Step 2: c",
        "d",
    ]


def test_without_blank_lines_each_line_is_a_step() -> None:
    assert split_steps("a\nb\nc\n\n") == ["a", "b", "c"]
    # A line of white space alone is a blank one.
    assert split_steps("a\nb\n\t\nc") == ["a\nb", "c"]


@pytest.mark.parametrize(
    "block",
    [
        "\\[\nx = 1\n\n+ 2\n\\]",
        "$$\nx = 1\n\n+ 2\n$$",
        "\\begin{align}\na &= b\n\n\\\\ c &= d\n\\end{align}",
        "```python\nprint(1)\n\nprint(2)\n```",
        "~~~\na\n\nb\n~~~",
        "````\n```\n\n```\n````",
    ],
)
def test_blocks_are_never_split(block: str) -> None:
    text = (
        f"before\n\nthus {block} holds\n\nafter"
        if "`" not in block and "~" not in block
        else (f"before\n\nthus\n{block}\nholds\n\nafter")
    )
    pieces = split_steps(text, SplitRule.PARAGRAPH)
    assert len(pieces) == 3
    assert block in pieces[1]
    lines = split_steps(text, SplitRule.NEWLINE)
    assert sum(block in line for line in lines) == 1


@pytest.mark.parametrize("block", ["$a +\nb$", "\\(a\n+ b\\)", "$\\text{5\\$}\n+ 1$"])
def test_inline_mathematics_is_not_split_at_a_line_break(block: str) -> None:
    assert split_steps(f"so {block} holds\nnext", SplitRule.NEWLINE) == [
        f"so {block} holds",
        "next",
    ]


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        # Currency: the second sign has white space before it, or a digit after it.
        ("It costs $5\nand $6 more\n$7 in all", ["It costs $5", "and $6 more", "$7 in all"]),
        ("From $1.24\nto$1.82", ["From $1.24", "to$1.82"]),
        ("Pay $ 5\nor 6$ now", ["Pay $ 5", "or 6$ now"]),
        ("Escaped \\$5\nand \\$6", ["Escaped \\$5", "and \\$6"]),
        # Opened and never closed.
        ("Let $x = 1\nthen y", ["Let $x = 1", "then y"]),
        ("Let \\[ x\nthen y", ["Let \\[ x", "then y"]),
        ("Let \\begin{align} x\nthen y", ["Let \\begin{align} x", "then y"]),
        ("```\nx = 1\ny", ["```", "x = 1", "y"]),
        # An escaped backslash opens nothing.
        ("a \\\\[2pt] b\nc \\] d", ["a \\\\[2pt] b", "c \\] d"]),
    ],
)
def test_what_only_looks_like_mathematics_is_split(text: str, steps: list[str]) -> None:
    assert split_steps(text, SplitRule.NEWLINE) == steps


def test_inline_mathematics_does_not_run_over_a_blank_line() -> None:
    text = "He has $5 and\n\nshe has x$ more\n\nend"
    assert split_steps(text) == ["He has $5 and", "she has x$ more", "end"]
    assert split_steps("a \\(b\n\nc\\) d") == ["a \\(b", "c\\) d"]


def test_headings_inside_code_begin_no_step() -> None:
    text = "Step 1: a\n```\nStep 2: no\n```\nStep 3: b"
    assert split_steps(text) == ["Step 1: a\n```\nStep 2: no\n```", "Step 3: b"]


@settings(deadline=None)
@given(text=st.text("ab \n$\\[]()`~{}Step 1:.") | st.text(), rule=st.sampled_from(SplitRule))
def test_nothing_but_white_space_is_lost(text: str, rule: SplitRule) -> None:
    pieces = split_steps(text, rule)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(piece == piece.strip() != "" for piece in pieces)


@pytest.mark.parametrize(
    "text",
    [
        "$a " * 100_000,
        "\\(" * 100_000 + "\n\n\\)",
        "\\[" * 100_000,
        "".join(f"\\begin{{{'abcdefghij'[i % 10]}{'x' * (i % 30)}}}" for i in range(50_000)),
        "\n" * 300_000 + "x",
        " " * 300_000 + "x",
        "`" * 300_000,
        "```\n~~~\n" * 30_000,
        "Step 1: " * 50_000,
    ],
    ids=[
        "dollars",
        "parentheses",
        "brackets",
        "begins",
        "breaks",
        "blanks",
        "ticks",
        "fences",
        "steps",
    ],
)
def test_long_texts_take_no_longer_than_they_are(text: str) -> None:
    started = time.process_time()
    split_steps(text)
    # Linear is a fraction of a second; quadratic would be minutes.
    assert time.process_time() - started < 10
