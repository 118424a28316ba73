"""A difference as one text: everything common once, what was before what is."""

from __future__ import annotations

import pytest

from labeling.alignment import DiffKind, MathSegment, diff_text
from labeling.templatetags.unified_diff import unify


def shown(original: str, modified: str) -> list[tuple[str, str]]:
    segments = unify(diff_text(original, modified))
    assert segments is not None
    return [
        (str(segment.kind), segment.latex if isinstance(segment, MathSegment) else segment.text)
        for segment in segments
    ]


def test_it_works() -> None:
    assert shown("Let $x>0$. Find $f$.", "Let $x$ be a real number. Find $f$.") == [
        ("same", "Let "),
        ("removed", "x>0"),
        ("added", "x"),
        ("same", " "),
        ("added", "be a real number"),
        ("same", ". Find "),
        ("same", "f"),
        ("same", "."),
    ]


def test_a_formula_that_changed_inside_stands_whole_twice() -> None:
    assert shown("so $x^2+1$ holds", "so $x^3+1$ holds") == [
        ("same", "so "),
        ("removed", "x^2+1"),
        ("added", "x^3+1"),
        ("same", " holds"),
    ]


def test_words_that_were_taken_out_before_a_full_stop_keep_their_space() -> None:
    assert shown("of the faulty and good parts.", "of the faulty.") == [
        ("same", "of the faulty"),
        ("removed", " and good parts"),
        ("same", "."),
    ]


def test_a_formula_that_was_taken_out_before_a_full_stop_keeps_its_space() -> None:
    assert shown("We have $x$.", "We have.") == [
        ("same", "We have"),
        ("removed", " "),
        ("removed", "x"),
        ("same", "."),
    ]


@pytest.mark.parametrize(
    ("original", "modified"),
    [
        ("", "new"),
        ("old", ""),
        ("same", "same"),
        ("one two three", "three two one"),
        ("a  b\nc", "a b c d"),
        ("What is the remainder when 54 is divided by 6?", "Is 54 prime?"),
        ("$a$ and $b$", "$a$ or $c$"),
    ],
)
def test_nothing_of_the_modified_text_is_lost(original: str, modified: str) -> None:
    diff = diff_text(original, modified)
    segments = unify(diff)
    assert segments is not None
    now = [segment for segment in segments if segment.kind is not DiffKind.REMOVED]
    texts = [s.latex if isinstance(s, MathSegment) else s.text for s in now]
    wanted = [s.latex if isinstance(s, MathSegment) else s.text for s in diff.modified]
    assert "".join("".join(texts).split()) == "".join("".join(wanted).split())
    gone = [s for s in segments if s.kind is DiffKind.REMOVED]
    assert len(gone) >= sum(s.kind is DiffKind.REMOVED for s in diff.original)
