"""Fenced code in what a model is writing: where a block begins and ends, and whether it has ended.

A fence ends at a line of three backticks, unless that line stands inside a string of the code.
GenPRM's reference looks for the shortest text between two fences in everything written so far: a
block that breaks off makes it run the one before, and backticks in a string cut a block in two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

PYTHON = ("python", "python3", "py")

# In a line of code outside a long string: a comment, the beginning of a long string, or a short
# one, which may lack its end.
_OUTSIDE = re.compile(
    r"""\#.*
    |(?P<long>\"{3}|'{3})
    |"(?:[^"\\]|\\.)*"?
    |'(?:[^'\\]|\\.)*'?
    """,
    re.VERBOSE | re.DOTALL,
)
# In a line within a long string: up to its end.
_INSIDE = {quote: re.compile(rf"(?:[^\\]|\\.)*?{quote}", re.DOTALL) for quote in ('"""', "'''")}


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block. `body` is what stands between its fences, or from the first one to the end of
    the text. `is_in_string` is true of an open block whose text ends inside a string of its code.
    """

    info: str
    body: str
    is_closed: bool
    is_in_string: bool = False

    @property
    def is_python(self) -> bool:
        return self.info in PYTHON

    @property
    def code(self) -> str:
        return self.body.strip("\n").rstrip()


def find_fences(text: str) -> list[Fence]:
    """The blocks of a text in their order; only the last one can be open."""
    fences: list[Fence] = []
    position = 0
    while (opening := _find_opening(text, position)) is not None:
        info, start = opening
        end, position, is_in_string = _find_end(text, start, is_python=info in PYTHON)
        is_closed = end is not None
        fences.append(Fence(info, text[start:end], is_closed, is_in_string))
        if not is_closed:
            break
    return fences


def find_open_fence(text: str) -> Fence | None:
    """The block that the text ends in, if it ends in one."""
    fences = find_fences(text)
    return fences[-1] if fences and not fences[-1].is_closed else None


def find_last_code(text: str) -> str | None:
    """The code of the last Python block that is closed; None where there is none."""
    for fence in reversed(find_fences(text)):
        if fence.is_python and fence.is_closed:
            return fence.code
    return None


def _find_opening(text: str, position: int) -> tuple[str, int] | None:
    """The info string of the next opening fence, and where its block begins."""
    for start, end in _iterate_lines(text, position):
        line = text[start:end].strip()
        # Backticks after the info string: code within a line, and no fence.
        if line.startswith("```") and "`" not in line[3:]:
            return line[3:].strip().lower(), min(end + 1, len(text))
    return None


def _find_end(text: str, start: int, *, is_python: bool) -> tuple[int | None, int, bool]:
    """Where the block that begins at `start` ends, where to read on, and, for one without an end,
    whether the text ends inside a string.
    """
    quote = ""
    for line_start, line_end in _iterate_lines(text, start):
        line = text[line_start:line_end]
        if not quote and line.strip() == "```":
            return line_start, min(line_end + 1, len(text)), False
        if is_python:
            quote = _follow_strings(line, quote)
    return None, len(text), bool(quote)


def _follow_strings(line: str, quote: str) -> str:
    """The quotation marks of the long string that is open behind the line, "" for none, given what
    was open before it.
    """
    position = 0
    while position < len(line):
        if quote:
            match = _INSIDE[quote].match(line, position)
            if match is None:
                return quote
            quote = ""
        else:
            match = _OUTSIDE.search(line, position)
            if match is None:
                return ""
            quote = match["long"] or ""
        position = match.end()
    return quote


def _iterate_lines(text: str, position: int) -> Iterator[tuple[int, int]]:
    """Start and end of each line from a position on, without the line breaks."""
    while position < len(text):
        end = text.find("\n", position)
        if end < 0:
            end = len(text)
        yield position, end
        position = end + 1
