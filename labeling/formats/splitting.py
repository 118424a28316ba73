"""Splitting a solution's text into steps, never inside mathematics or code.

Protected are fenced code, display mathematics ($$…$$, \\[…\\], environments) and inline mathematics
($…$, \\(…\\)). A dollar sign is a currency sign as often: as in Pandoc, a pair is mathematics only
if the first has no white space after it, the second none before it and no digit after it; and as in
TeX, inline mathematics does not run over a blank line.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from enum import StrEnum


class SplitRule(StrEnum):
    """Where a step ends. AUTO: at step headings if there are several, else at blank lines, else
    at line breaks."""

    AUTO = "auto"
    STEP_PREFIX = "step_prefix"
    PARAGRAPH = "paragraph"
    NEWLINE = "newline"


_STEP_HEADING = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]*)?(?:\*\*)?(?:Step[ \t]+\d+|第[ \t]*\d+[ \t]*步)[ \t]*(?:\*\*)?[.:：)]",
    re.IGNORECASE | re.MULTILINE,
)
_BLANK_LINE = re.compile(r"\n[ \t\r\f\v]*\n\s*")
_LINE_BREAK = re.compile(r"\n")

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})", re.MULTILINE)
# Signs that open or close mathematics; any other backslash takes its character with it.
_SIGN = re.compile(
    r"\\begin\{(?P<begin>[A-Za-z*]{1,40})\}|\\end\{[A-Za-z*]{1,40}\}|\\.|\$\$|\$", re.DOTALL
)


def split_steps(text: str, rule: SplitRule = SplitRule.AUTO) -> list[str]:
    """The steps of the text, stripped; blank ones are left out. Nothing else is lost."""
    protected = _Protected(text)
    if rule is SplitRule.AUTO:
        rule = _choose_rule(text, protected)
    if rule is SplitRule.STEP_PREFIX:
        cuts = [
            (found.start(), found.start())
            for found in _STEP_HEADING.finditer(text)
            if not protected.covers(found.start())
        ]
    else:
        pattern = _BLANK_LINE if rule is SplitRule.PARAGRAPH else _LINE_BREAK
        cuts = [
            found.span() for found in pattern.finditer(text) if not protected.covers(found.start())
        ]
    pieces = []
    start = 0
    for end, following in cuts:
        pieces.append(text[start:end])
        start = following
    pieces.append(text[start:])
    return [stripped for piece in pieces if (stripped := piece.strip())]


def _choose_rule(text: str, protected: _Protected) -> SplitRule:
    headings = [
        found for found in _STEP_HEADING.finditer(text) if not protected.covers(found.start())
    ]
    if len(headings) >= 2:
        return SplitRule.STEP_PREFIX
    paragraphs = any(
        not protected.covers(found.start()) for found in _BLANK_LINE.finditer(text.rstrip())
    )
    return SplitRule.PARAGRAPH if paragraphs else SplitRule.NEWLINE


class _Protected:
    """The stretches of a text in which no step may end."""

    def __init__(self, text: str) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in _find_protected(text):
            self._starts.append(start)
            self._ends.append(end)

    def covers(self, position: int) -> bool:
        """Whether the position lies inside a stretch; its very start does not."""
        index = bisect_right(self._starts, position) - 1
        return index >= 0 and self._starts[index] < position < self._ends[index]


def _find_protected(text: str) -> Iterator[tuple[int, int]]:
    """The protected stretches in order: code first, then mathematics between the code."""
    at = 0
    for start, end in _find_code(text):
        yield from _find_mathematics(text, at, start)
        yield start, end
        at = end
    yield from _find_mathematics(text, at, len(text))


def _find_code(text: str) -> Iterator[tuple[int, int]]:
    """Fenced blocks; a fence that is never closed protects nothing."""
    fences = list(_FENCE.finditer(text))
    index = 0
    while index < len(fences):
        opening = fences[index]
        closing = next(
            (
                number
                for number in range(index + 1, len(fences))
                if fences[number].group(1).startswith(opening.group(1))
            ),
            None,
        )
        if closing is None:
            index += 1
            continue
        yield opening.start(), fences[closing].end()
        index = closing + 1


def _find_mathematics(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Mathematics in text[start:end]; what is opened and never closed protects nothing."""
    closers = _Closers(text, start, end)
    at = start
    while (found := _SIGN.search(text, at, end)) is not None:
        at = found.end()
        closed = closers.find(found)
        if closed is not None:
            yield found.start(), closed
            at = closed


class _Closers:
    """Where mathematics may end, collected in one pass so that no text makes the search long."""

    def __init__(self, text: str, start: int, end: int) -> None:
        self._text = text
        self._end = end
        self._places: dict[str, list[int]] = {}
        for found in _SIGN.finditer(text, start, end):
            sign = found.group()
            if sign == "$$":
                self._note(sign, found.start())
                self._note_dollar(found.start())
                self._note_dollar(found.start() + 1)
            elif sign == "$":
                self._note_dollar(found.start())
            else:
                self._note(sign, found.start())
        self._blank_lines = [found.start() for found in _BLANK_LINE.finditer(text, start, end)]

    def _note(self, sign: str, place: int) -> None:
        self._places.setdefault(sign, []).append(place)

    def _note_dollar(self, place: int) -> None:
        if place > 0 and not self._text[place - 1].isspace():
            self._note("$", place)

    def find(self, opener: re.Match[str]) -> int | None:
        """The end of what this sign opens, or None where it opens nothing."""
        sign, at = opener.group(), opener.end()
        if sign == "$":
            if self._text[at : at + 1].isspace():
                return None
            close = self._next("$", at + 1)
            followed_by_digit = close is not None and self._text[close : close + 1].isdigit()
            return None if followed_by_digit else self._within_paragraph(at, close)
        if sign == "$$":
            return self._next("$$", at)
        if sign == "\\[":
            return self._next("\\]", at)
        if sign == "\\(":
            return self._within_paragraph(at, self._next("\\)", at))
        name = opener.group("begin")
        return self._next(f"\\end{{{name}}}", at) if name else None

    def _next(self, sign: str, at: int) -> int | None:
        """The end of the next such sign from `at` on."""
        places = self._places.get(sign, [])
        index = bisect_left(places, at)
        return places[index] + len(sign) if index < len(places) else None

    def _within_paragraph(self, at: int, close: int | None) -> int | None:
        """The same end, if no blank line lies before it."""
        if close is None:
            return None
        index = bisect_left(self._blank_lines, at)
        blank = index < len(self._blank_lines) and self._blank_lines[index] < close
        return None if blank else close
