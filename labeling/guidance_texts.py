"""One text in several languages, and which of them a reader gets. PURE.

What a lead writes first is in the installation's own language; translations stand beside it, by
the codes of the interface's languages ("zh-hans"). A reader without a text in theirs gets the one
there is, and is told so.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from labeling.mathtext import split_math

# Of one language's guidelines, and of a ruling's two parts.
MAX_GUIDELINES: Final = 200_000
MAX_QUESTION: Final = 300
MAX_ANSWER: Final = 10_000


@dataclass(frozen=True, slots=True)
class Told:
    """A text as one reader gets it. `language` is the one it is in, "" where there is no text.

    `is_fallback`: it is not in the language that was asked for.
    """

    text: str
    language: str = ""
    is_fallback: bool = False


def choose_language(known: Mapping[str, object], wanted: str, own: str) -> str | None:
    """Which of the languages a reader gets: theirs, one near it, the installation's own, or any.

    Near is what shares the first part of the tag: "zh-hans" for "zh-hant". None where there is no
    text at all.
    """
    if wanted in known:
        return wanted
    base = wanted.split("-")[0]
    near = (tag for tag in known if tag.split("-")[0] == base)
    return next(near, own if own in known else next(iter(known), None))


def tell(texts: Mapping[str, str], wanted: str, own: str) -> Told:
    """The text in the language that was asked for, or the nearest there is; empty ones are none."""
    known = {tag: text for tag, text in texts.items() if text.strip()}
    found = choose_language(known, wanted, own)
    if found is None:
        return Told("")
    is_fallback = found.split("-")[0] != wanted.split("-")[0]
    return Told(known[found], found, is_fallback)


# --- Paragraphs, to be compared -------------------------------------------------------------------

# As the pages draw them (templatetags/prose.py).
_HEADING: Final = re.compile(r"#{1,3}\s+(?=\S)")
_BULLET: Final = re.compile(r"[-*]\s+(?=\S)")
_NUMBER: Final = re.compile(r"\d{1,3}[.)]\s+(?=\S)")
_EMPHASIS: Final = re.compile(r"\*\*([^*\n]+)\*\*|\*([^*\n]+)\*|`([^`\n]+)`")
# A formula stands as one of these while emphasis is looked for, so that its stars mean nothing.
_PLACE: Final = "\ue000"


def split_blocks(text: str) -> list[str]:
    """The paragraphs, headings and items of a text, each in one line and without its marks."""
    clean = text.replace("\r\n", "\n").replace(_PLACE, "")
    paragraphs = re.split(r"\n\s*\n", clean.strip())
    return [block for raw in paragraphs for block in _split_paragraph(raw) if block]


def _split_paragraph(raw: str) -> Iterator[str]:
    # An indented line goes on with the item above it.
    joined = re.sub(r"\n[ \t]+(?![-*]\s|\d{1,3}[.)]\s)", " ", raw)
    lines = (line.strip() for line in joined.split("\n"))
    for stands_alone, group in groupby(lines, key=_stands_alone):
        if stands_alone:
            for line in group:
                yield _take_marks(_BULLET.sub("• ", _HEADING.sub("", line, count=1), count=1))
        else:
            yield _take_marks(" ".join(group))


def _stands_alone(line: str) -> bool:
    return any(mark.match(line) for mark in (_HEADING, _BULLET, _NUMBER))


def _take_marks(text: str) -> str:
    """The words without what makes them bold or slanted; formulas as they are."""
    formulas: list[str] = []
    cleared = ""
    for run in split_math(text):
        if run.kind == "text":
            cleared += run.source
        else:
            cleared += _PLACE
            formulas.append(run.source)
    plain = _EMPHASIS.sub(lambda found: found[found.lastindex or 0], cleared)
    remaining = iter(formulas)
    return "".join(next(remaining) if sign == _PLACE else sign for sign in plain)


# --- Searching ------------------------------------------------------------------------------------


def fold(text: str) -> str:
    """The text as searches compare it: width and case say nothing."""
    return unicodedata.normalize("NFKC", text).lower()


def matches(text: str, query: str) -> bool:
    """Does the text hold every word of the query?"""
    folded = fold(text)
    return all(word in folded for word in fold(query).split())
