"""Differences of two solutions: which step stands for which, and what changed inside."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from itertools import pairwise

import pytest

from labeling.alignment import (
    DiffKind,
    MathSegment,
    PairKind,
    Segment,
    StepPair,
    TextDiff,
    TextSegment,
    align_steps,
    changed_positions,
    diff_text,
    measure_similarity,
    normalise_text,
)
from labeling.alignment.latex import parse_formula
from labeling.mathtext import split_math


def same(original: int, modified: int) -> StepPair:
    return StepPair(PairKind.SAME, original, modified)


def edited(original: int, modified: int) -> StepPair:
    return StepPair(PairKind.EDITED, original, modified)


def inserted(modified: int) -> StepPair:
    return StepPair(PairKind.INSERTED, None, modified)


def deleted(original: int) -> StepPair:
    return StepPair(PairKind.DELETED, original, None)


def show(segments: Sequence[Segment]) -> str:
    """Segments in one line: -[removed], +[added], formulas between bars."""
    pieces = []
    for segment in segments:
        text = f"|{segment.marked}|" if isinstance(segment, MathSegment) else segment.text
        sign = {DiffKind.REMOVED: "-", DiffKind.ADDED: "+"}.get(segment.kind)
        pieces.append(f"{sign}[{text}]" if sign else text)
    return "".join(pieces)


def show_diff(original: str, modified: str) -> tuple[str, str]:
    diff = diff_text(original, modified)
    return show(diff.original), show(diff.modified)


def formulas(segments: Sequence[Segment]) -> list[MathSegment]:
    return [segment for segment in segments if isinstance(segment, MathSegment)]


# -- normalise_text --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("So  $x = 3$ .", "So $x=3$."),
        ("a\nb", "a b"),
        ("costs \\$5", "costs $5"),
        ("costs \\\\$5", "costs $5"),
        ("a\\ b", "a b"),
        ("$\\left( x \\right)$", "$(x)$"),
        ("$\\bigl(x\\bigr)^2$", "$\\left(x\\right)^{2}$"),
        ("$\\dfrac{1}{2}$", "$\\frac{1}{2}$"),
        ("$\\tfrac12$", "$\\frac{1}{2}$"),
        ("$\\\\frac{1}{2}$", "$\\frac{1}{2}$"),
        ("$x^{2}_1$", "$x_{1}^2$"),
        ("$a\\,b\\!$", "$ab$"),
        ("$1 0 0 = a b c$", "$100=abc$"),
        ("$x\\le 3$", "$x \\leq 3$"),
        ("$x$ is odd", "\\(x\\) is odd"),
        ("$$x$$", "\\[x\\]"),
        ("it's", "it’s"),
        ("50\\%", "50%"),
        ("Step 3. Then x.", "Then x."),
        ("step 12: Then x.", "Then x."),
        ("3. Then x.", "Then x."),
        ("**Step 3.** Then x.", "Then x."),
        ("第3步：于是$x=2$。", "于是$x=2$。"),
        ("bare \\dfrac{x+6}{2} here", "bare $\\frac{x+6}{2}$ here"),
        ("$10{,}000$", "$10,000$"),
        ("# Answer\\n\\n5", "# Answer\n\n5"),
    ],
)
def test_what_never_counts(one: str, other: str) -> None:
    assert normalise_text(one) == normalise_text(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("$x=3$", "$x=4$"),
        ("$x$", "$X$"),
        ("a nice one", "an ice one"),
        ("costs $5", "costs 5"),
        ("$\\frac{12}{5}$", "$\\frac{1}{25}$"),
        ("$\\frac12$", "$\\frac{12}{}$"),
        ("$x^{12}$", "$x^12$"),
        ("$x>0$", "$x\\geq 0$"),
        ("$\\begin{pmatrix}1 \\\\ 2\\end{pmatrix}$", "$\\begin{pmatrix}12\\end{pmatrix}$"),
        ("3.5 apples", "5 apples"),
        ("Step 3 is wrong.", "is wrong."),
        ("12.", "13."),
        ("Then.", "Then!"),
    ],
)
def test_what_counts(one: str, other: str) -> None:
    assert normalise_text(one) != normalise_text(other)


def test_a_text_of_space_is_empty() -> None:
    assert normalise_text(" \n\t ") == ""


# -- align_steps -----------------------------------------------------------------------------------


def test_it_works() -> None:
    # The second step has one word of seven changed, the third is new, the last one moves by one.
    original = ["We add the two equations.", "This gives $2p = 0.58$ for p.", "So $p = 0.29$."]
    modified = [
        "We add the two equations.",
        "This gives $2p = 0.85$ for p.",
        "Rounding is always allowed here, as everybody knows.",
        "So $p = 0.29$.",
    ]
    assert align_steps(original, modified) == [same(0, 0), edited(1, 1), inserted(2), same(2, 3)]
    assert changed_positions(original, modified) == (1, 2)


def test_identical_solutions_are_the_same_throughout() -> None:
    steps = ["one", "two", "three"]
    assert align_steps(steps, steps) == [same(0, 0), same(1, 1), same(2, 2)]
    assert changed_positions(steps, steps) == ()


def test_deletion() -> None:
    assert align_steps(["one", "two", "three"], ["one", "three"]) == [
        same(0, 0),
        deleted(1),
        same(2, 1),
    ]


def test_an_unlike_step_is_a_deletion_and_an_insertion() -> None:
    assert align_steps(["Let $x=1$."], ["Suppose we know nothing whatever."]) == [
        deleted(0),
        inserted(0),
    ]


def test_no_steps() -> None:
    assert align_steps([], []) == []
    assert align_steps(["one"], []) == [deleted(0)]
    assert align_steps([], ["one"]) == [inserted(0)]


def test_blank_steps_match_each_other() -> None:
    assert align_steps(["", "one"], ["one", "  "]) == [deleted(0), same(1, 0), inserted(1)]


def test_a_repeated_step_is_an_insertion() -> None:
    pairs = align_steps(["one", "two"], ["one", "one", "two"])
    assert sorted(pair.kind for pair in pairs) == ["inserted", "same", "same"]


def test_numbered_steps_match_under_other_numbers() -> None:
    original = ["Step 1. Add both sides.", "Step 2. Divide by $3$."]
    modified = ["Step 1. Add both sides.", "Step 2. Think of a colour.", "Step 3. Divide by $3$."]
    assert align_steps(original, modified) == [same(0, 0), inserted(1), same(1, 2)]


def test_edits_pair_the_most_similar() -> None:
    # Tokens of "The sum is 12 now" against "The sum is 13 now": 4 of 5 common, Dice 8/10; against
    # the filler: 0. So the filler is the insertion although it stands first.
    original = ["The sum is 12 now"]
    modified = ["Cats purr whenever dogs sleep", "The sum is 13 now"]
    assert align_steps(original, modified) == [inserted(0), edited(0, 1)]


def test_similarity_is_dice_over_tokens() -> None:
    # {So, x, =, 3, .} and {So, x, =, 4, .}: 4 common of 5 + 5.
    assert measure_similarity("So $x=3$.", "So $x=4$.") == pytest.approx(2 * 4 / 10)
    assert measure_similarity("", " ") == 1.0
    assert measure_similarity("one", "") == 0.0


def test_every_step_stands_once_and_in_order() -> None:
    chance = random.Random(5)
    words = ["add", "divide", "so", "then", "$x=1$", "$y^2$"]
    for _ in range(200):
        original = [" ".join(chance.choices(words, k=3)) for _ in range(chance.randrange(8))]
        modified = [" ".join(chance.choices(words, k=3)) for _ in range(chance.randrange(8))]
        pairs = align_steps(original, modified)
        assert [p.original for p in pairs if p.original is not None] == list(range(len(original)))
        assert [p.modified for p in pairs if p.modified is not None] == list(range(len(modified)))
        for pair in pairs:
            assert (pair.original is None) == (pair.kind is PairKind.INSERTED)
            assert (pair.modified is None) == (pair.kind is PairKind.DELETED)


def test_2000_steps_without_one_in_common_are_aligned_in_bounded_time() -> None:
    # Every step half like every other: the worst case for pairing. About a second on a slow core.
    original = [f"We find that the value number {n} is equal to $a_{{{n}}}$" for n in range(2_000)]
    modified = [f"We find that the value number {n} is equal to $b_{{{n}}}$" for n in range(2_000)]
    started = time.process_time()
    pairs = align_steps(original, modified)
    assert time.process_time() - started < 20
    assert sum(pair.kind is PairKind.EDITED for pair in pairs) > 1_500


def test_107_steps_are_quick() -> None:
    original = [
        f"Step {n}. So $x_{{{n}}} = {n} + \\frac{{{n}}}{{2}}$ by addition" for n in range(107)
    ]
    modified = [text.replace("addition", "magic") for text in original]
    started = time.process_time()
    align_steps(original, modified)
    assert time.process_time() - started < 2


# -- diff_text: prose ------------------------------------------------------------------------------


def test_a_changed_word() -> None:
    assert show_diff("They are all positive here.", "They are nonzero here.") == (
        "They are -[all positive] here.",
        "They are +[nonzero] here.",
    )


def test_the_same_text_has_no_difference() -> None:
    diff = diff_text("So  $x = 3$.", "So $x=3$.")
    assert diff.is_same
    assert show(diff.original) == "So  |x = 3|."
    assert show(diff.modified) == "So |x=3|."


def test_one_side_empty() -> None:
    assert show_diff("", "New words here.") == ("", "+[New words here.]")
    assert show_diff("Old words.", "") == ("-[Old words.]", "")
    assert diff_text("", "") == TextDiff((), ())


def test_escaping_does_not_count() -> None:
    assert diff_text("It costs \\$5 each.", "It costs $5 each.").is_same


def test_the_number_before_a_step_does_not_count() -> None:
    assert diff_text("Step 3. We add.", "Step 4. We add.").is_same


def test_money_is_prose() -> None:
    assert show_diff("from $1.24 to $1.82 now", "from $1.24 to $1.28 now") == (
        "from $1.24 to $-[1.82] now",
        "from $1.24 to $+[1.28] now",
    )


def test_a_slight_word_between_two_changes_changes_with_them() -> None:
    # "is" (one token) between changes of two tokens each on a side says nothing by itself.
    assert show_diff("old grey cat is very slow today", "young brown dog is rather fast today") == (
        "-[old grey cat is very slow] today",
        "+[young brown dog is rather fast] today",
    )


def test_a_long_word_between_two_changes_stays() -> None:
    original, modified = show_diff("old remainder slow", "new remainder fast")
    assert original == "-[old] remainder -[slow]"
    assert modified == "+[new] remainder +[fast]"


def test_chinese_is_compared_by_characters() -> None:
    original, modified = show_diff("所以面积是十二平方米。", "所以周长是十四平方米。")
    assert original == "所以-[面积]是十-[二]平方米。"
    assert modified == "所以+[周长]是十+[四]平方米。"


def test_hostile_text_is_text() -> None:
    hostile = "<script>alert(1)</script>"
    assert show_diff("", hostile) == ("", f"+[{hostile}]")


# -- diff_text: formulas ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("original", "modified", "was", "now"),
    [
        pytest.param(
            "f(x) = \\dfrac{16}{x}",
            "f(x) = \\frac{8}{x}",
            "f(x) = \\dfrac{\\prmwas{16}}{x}",
            "f(x) = \\frac{\\prmis{8}}{x}",
            id="numerator",
        ),
        pytest.param(
            "x^2 + 1 = y",
            "x^3 + 1 = y",
            "x^{\\prmwas{2}} + 1 = y",
            "x^{\\prmis{3}} + 1 = y",
            id="exponent, gets braces",
        ),
        pytest.param(
            "x^{2} + 1 = y",
            "x^{12} + 1 = y",
            "x^{\\prmwas{2}} + 1 = y",
            "x^{\\prmis{12}} + 1 = y",
            id="exponent, has braces",
        ),
        pytest.param(
            "12^2 = 144",
            "13^2 = 144",
            "{\\prmwas{12}}^2 = 144",
            "{\\prmis{13}}^2 = 144",
            id="base",
        ),
        pytest.param(
            "a + b > 0",
            "a + b \\ne 0",
            "a + b \\mathrel{\\prmwas{>}} 0",
            "a + b \\mathrel{\\prmis{\\ne}} 0",
            id="relation",
        ),
        pytest.param(
            "a + b = c",
            "a - b = c",
            "a \\mathbin{\\prmwas{+}} b = c",
            "a \\mathbin{\\prmis{-}} b = c",
            id="sign",
        ),
        pytest.param(
            "x + 1",
            "x + 1 = 2",
            "x + 1",
            "x + 1 \\prmis{{}= 2}",
            id="something more",
        ),
        pytest.param(
            "\\sqrt{ab} \\le \\frac{a+b}{2}",
            "\\sqrt{ac} \\le \\frac{a+c}{2}",
            "\\sqrt{a\\prmwas{b}} \\le \\frac{a+\\prmwas{b}}{2}",
            "\\sqrt{a\\prmis{c}} \\le \\frac{a+\\prmis{c}}{2}",
            id="two places",
        ),
        pytest.param(
            "\\left(x+1\\right)^2 y",
            "(x+2)^2 y",
            "\\left(x+\\prmwas{1}\\right)^2 y",
            "(x+\\prmis{2})^2 y",
            id="in brackets of any size",
        ),
        pytest.param(
            "\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}",
            "\\begin{pmatrix} 1 & 5 \\\\ 3 & 4 \\end{pmatrix}",
            "\\begin{pmatrix} 1 & \\prmwas{2} \\\\ 3 & 4 \\end{pmatrix}",
            "\\begin{pmatrix} 1 & \\prmis{5} \\\\ 3 & 4 \\end{pmatrix}",
            id="cell of a matrix",
        ),
        pytest.param(
            "\\begin{pmatrix} 1 & 2 \\end{pmatrix}",
            "\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}",
            "\\begin{pmatrix} 1 & 2 \\end{pmatrix}",
            "\\begin{pmatrix} 1 & 2 \\\\ \\prmis{3} & \\prmis{4} \\end{pmatrix}",
            id="row of a matrix, cell by cell",
        ),
        pytest.param(
            "x + y = \\text{the sum} + z",
            "x + y = \\text{the product} + z",
            "x + y = \\prmwas{\\text{the sum}} + z",
            "x + y = \\prmis{\\text{the product}} + z",
            id="words in a formula, as one",
        ),
        pytest.param(
            "x = 3.14 r",
            "x = 3.41 r",
            "x = \\prmwas{3.14} r",
            "x = \\prmis{3.41} r",
            id="a number is one thing",
        ),
        pytest.param(
            "n = (width - 2) k",
            "n = (width - 1) k",
            "n = (width - \\prmwas{2}) k",
            "n = (width - \\prmis{1}) k",
            id="a word is one thing",
        ),
    ],
)
def test_the_smallest_subtree_is_marked(original: str, modified: str, was: str, now: str) -> None:
    diff = diff_text(f"${original}$", f"${modified}$")
    assert [segment.marked for segment in formulas(diff.original)] == [was]
    assert [segment.marked for segment in formulas(diff.modified)] == [now]


def test_a_formula_that_only_grew_is_unmarked_where_nothing_was_removed() -> None:
    diff = diff_text("$x + 1$", "$x + 1 = 2$")
    assert [segment.kind for segment in formulas(diff.original)] == [DiffKind.SAME]
    assert [segment.kind for segment in formulas(diff.modified)] == [DiffKind.CHANGED]


def test_parts_joined_are_the_formula() -> None:
    (segment,) = formulas(diff_text("$x^2+1=y$", "$x^3+1=y$").modified)
    assert [(part.kind, part.latex) for part in segment.parts] == [
        (DiffKind.SAME, "x^"),
        (DiffKind.ADDED, "3"),
        (DiffKind.SAME, "+1=y"),
    ]
    assert segment.latex == "x^3+1=y"


def test_three_fifths_changed_are_marked_inside() -> None:
    # a+b=c to a+d=e: `=` stands alone between two changes and goes with them, so 3 of 5 tokens
    # differ on each side: 6/10, which is not more than 60 %.
    assert show_diff("$a+b=c$", "$a+d=e$") == ("|a+\\prmwas{b=c}|", "|a+\\prmis{d=e}|")


def test_more_than_three_fifths_changed_mark_the_whole() -> None:
    # p=0.29 to q=0.58: every token differs or is a sign between two that do.
    assert show_diff("$p=0.29$", "$q=0.58$") == ("-[|p=0.29|]", "+[|q=0.58|]")


def test_a_whole_formula_is_marked_from_outside() -> None:
    (segment,) = formulas(diff_text("$p=1$", "no formula").original)
    assert segment.kind is DiffKind.REMOVED
    assert segment.marked == segment.latex == "p=1"
    assert [(part.kind, part.latex) for part in segment.parts] == [(DiffKind.REMOVED, "p=1")]


@pytest.mark.parametrize(
    ("original", "modified"),
    [
        pytest.param("x + \\frac{1}{", "x + \\frac{2}{", id="unbalanced"),
        pytest.param("a + b + c \\over 2", "a + b + d \\over 2", id="infix fraction"),
        pytest.param("x + y + \\\\frac{1}{2}", "x + y + \\\\frac{1}{3}", id="escaped twice"),
        pytest.param("x^2^3 + \\right)", "x^2^4 + \\right)", id="stray delimiter"),
        pytest.param("a + b & c", "a + b \\\\ c", id="separators only"),
        pytest.param("x + y + \\prmis{3}", "x + y + \\prmis{4}", id="forged marks"),
    ],
)
def test_what_cannot_be_marked_inside_is_marked_as_a_whole(original: str, modified: str) -> None:
    diff = diff_text(f"$${original}$$", f"$${modified}$$")
    assert [(s.kind, s.marked) for s in formulas(diff.original)] == [(DiffKind.REMOVED, original)]
    assert [(s.kind, s.marked) for s in formulas(diff.modified)] == [(DiffKind.ADDED, modified)]


def test_display_is_kept() -> None:
    diff = diff_text("so $$x^2 + y + z$$", "so $$x^3 + y + z$$")
    assert [segment.display for segment in formulas(diff.modified)] == [True]


def test_formulas_pair_with_the_most_similar_in_their_place() -> None:
    original, modified = show_diff("so $x^2+y=1$ holds", "so $a$ and $x^3+y=1$ holds")
    assert original == "so |x^{\\prmwas{2}}+y=1| holds"
    assert modified == "so +[|a| and] |x^{\\prmis{3}}+y=1| holds".replace(
        "[|a| and]", "[|a|]+[ and]"
    )


def test_a_formula_without_its_dollars_is_the_same() -> None:
    assert diff_text("so $x$ is 5", "so x is $5$").is_same


def random_formula(chance: random.Random, depth: int = 3) -> str:
    if depth == 0 or chance.random() < 0.3:
        return chance.choice(["x", "y", "12", "3.5", "\\pi", "width", "n'", "\\text{if $x$}"])
    inner = [random_formula(chance, depth - 1) for _ in range(2)]
    pattern = chance.choice(
        [
            "{0}+{1}",
            "{0} \\le {1}",
            "\\frac{{{0}}}{{{1}}}",
            "({0},{1})",
            "\\left[{0}\\right) {1}",
            "\\sqrt[3]{{{0}}} - {1}",
            "x_{{{0}}}^{{{1}}}",
            "\\begin{{pmatrix}} {0} & 1 \\\\ {1} & 2 \\end{{pmatrix}}",
            "\\sum\\limits_{{i={0}}} {1}",
            "\\foo{{{0}}} {1}",
        ]
    )
    return pattern.format(*inner)


def test_marks_never_break_a_formula() -> None:
    # Braces stay balanced, the plain formula is what is left when the marks are taken away, and no
    # mark encloses a separator of cells.
    chance = random.Random(11)
    marked = 0
    for _ in range(500):
        original = random_formula(chance)
        modified = original.replace(chance.choice(["y", "12", "3.5", "width"]), "7", 1)
        diff = diff_text(f"$${original}$$", f"$${modified}$$")
        for segments, source in ((diff.original, original), (diff.modified, modified)):
            for segment in formulas(segments):
                assert segment.latex == source
                assert "".join(part.latex for part in segment.parts) == source
                assert parse_formula(segment.marked).nodes is not None
                for part in segment.parts:
                    if part.kind is not DiffKind.SAME:
                        marked += 1
                        assert part.latex.count("{") == part.latex.count("}")
                        if "\\begin" not in part.latex:
                            assert "&" not in part.latex
                            assert "\\\\" not in part.latex
    assert marked > 300


def test_nothing_is_lost_of_either_text() -> None:
    chance = random.Random(3)
    pieces = [
        "So ",
        "$x=3$",
        " is \\$5",
        ", ",
        "\\(y\\)",
        "。",
        "\\frac{1}{2}",
        "$",
        " \n",
        "{",
        "\\",
    ]
    for _ in range(300):
        texts = ["".join(chance.choices(pieces, k=chance.randrange(9))) for _ in range(2)]
        diff = diff_text(*texts)
        for segments, text in zip((diff.original, diff.modified), texts, strict=True):
            shown = "".join(run.text for run in split_math(text))
            got = "".join(s.latex if isinstance(s, MathSegment) else s.text for s in segments)
            assert got == shown
            for before, after in pairwise(segments):
                both = isinstance(before, TextSegment) and isinstance(after, TextSegment)
                assert not both or before.kind is not after.kind


@pytest.mark.parametrize(
    "text",
    [
        "word " * 20_000,
        "$" + "{" * 5_000 + "}" * 5_000 + "$",
        "$" + "\\sqrt" * 5_000 + "2$",
        "$" + "(" * 2_000 + ")" * 2_000 + "$",
        "$" + "\\frac{x+1}{y}+" * 400 + "1$",
        "\\frac" * 5_000,
        "$x^" * 5_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_hostile_text_takes_bounded_time(text: str) -> None:
    started = time.process_time()
    diff_text(text, "z" + text.replace("x", "w").replace("word", "other"))
    assert time.process_time() - started < 20
