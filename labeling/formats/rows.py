"""Streaming rows out of JSON Lines or one JSON array, in constant memory.

What a file may hold is unlimited and hostile: lines of gigabytes, invalid UTF-8, arrays that end in
the middle. Each defect becomes a ReadIssue with its line (in an array: the element's number), and
reading goes on with the next row wherever there is one.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

import orjson

from labeling.formats.compressed import CompressedError, name_compression
from labeling.formats.fields import make_issue
from labeling.records import ReadIssue

UTF8_BOM = b"\xef\xbb\xbf"
CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class RowLimits:
    max_line_bytes: int = 16 * 2**20


class NumberedRow(NamedTuple):
    """A row with its line number, or what is wrong there."""

    line: int
    row: dict[str, Any] | ReadIssue


def read_rows(stream: BinaryIO, *, limits: RowLimits) -> Iterator[NumberedRow]:
    """Every row of the file as a JSON object, or as an issue. An array is known by its `[`.

    Never raises for what the stream holds; errors of the stream itself (a disk, a network) pass.
    """
    position = _Position()
    try:
        buffered = io.BufferedReader(_Unclosing(stream), CHUNK)
        opening = _peek_start(buffered)
        refused = _refuse_start(opening)
        if refused is not None:
            yield NumberedRow(1, refused)
        elif opening.lstrip(b" \t\r\n").startswith(b"["):
            yield from _read_array(buffered, limits, position)
        else:
            yield from _read_lines(buffered, limits, position)
    except CompressedError as error:
        yield NumberedRow(position.line, ReadIssue(position.line, "", str(error)))


class _Position:
    """Where reading stands, for an issue that comes from below."""

    __slots__ = ("line",)

    def __init__(self) -> None:
        self.line = 1


class _Unclosing(io.RawIOBase):
    """Any object with `read` as a raw stream that is not closed with its reader."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        # Filled to the end, so that looking at the start sees enough of a slow stream too.
        filled = 0
        while filled < len(buffer) and (data := self._stream.read(len(buffer) - filled)):
            buffer[filled : filled + len(data)] = data
            filled += len(data)
        return filled


def _peek_start(reader: io.BufferedReader[Any]) -> bytes:
    """The first bytes without a byte order mark, left in the reader."""
    if reader.peek(len(UTF8_BOM)).startswith(UTF8_BOM):
        reader.read(len(UTF8_BOM))
    return reader.peek(1024)


def _refuse_start(opening: bytes) -> ReadIssue | None:
    kind = name_compression(opening)
    if kind:
        return ReadIssue(1, "", f"The file is compressed ({kind}); it has to be opened as such.")
    if opening.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ReadIssue(1, "", "The file is in UTF-16; save it as UTF-8.")
    if opening.startswith(b"PAR1"):
        return ReadIssue(1, "", "The file is in Parquet; export it as JSON Lines.")
    return None


# --- JSON Lines -------------------------------------------------------------------------------


def _read_lines(
    reader: io.BufferedReader[Any], limits: RowLimits, position: _Position
) -> Iterator[NumberedRow]:
    limit = limits.max_line_bytes
    number = 0
    while line := reader.readline(limit + 1):
        number += 1
        position.line = number
        if len(line) > limit and not line.endswith(b"\n"):
            yield NumberedRow(number, _too_long(number, "line", limit))
            _skip_line(reader)
            continue
        if line.isspace():
            continue
        if number == 1 and line.strip() == b"{":
            message = (
                "The first object is spread over several lines, so nothing was read. "
                "Write one object per line, or all of them as one JSON array."
            )
            yield NumberedRow(1, ReadIssue(1, "", message))
            return
        yield NumberedRow(number, parse_row(line, number))


def _skip_line(reader: io.BufferedReader[Any]) -> None:
    """Pass over the rest of a line without holding more than a chunk of it."""
    while (rest := reader.readline(CHUNK)) and not rest.endswith(b"\n"):
        pass


def _too_long(number: int, what: str, limit: int) -> ReadIssue:
    return ReadIssue(
        number,
        "",
        f"This {what} is longer than {limit:,} bytes and was not read. "
        "Split it, or raise the limit on the length of a line.",
    )


# --- One JSON array ---------------------------------------------------------------------------

# Inside a string everything up to its closing quote; a backslash takes one more byte with it.
# Possessive, so that no text can make the match backtrack.
_STRING_BODY = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_STRUCTURE = re.compile(rb'["{}\[\],]')
_QUOTE, _BACKSLASH, _COMMA = b'"'[0], b"\\"[0], b","[0]
_OPENING, _CLOSING = b"{[", b"}]"


class _ElementScanner:
    """Cuts a JSON array into the bytes of its elements, chunk by chunk.

    1. A quote switches strings on and off; a backslash inside hides the byte after it.
    2. Outside strings, brackets count the depth; depth 1 is inside the array itself.
    3. A comma at depth 1, or the bracket that ends depth 1, ends an element.
    Element bytes over the limit are dropped while the counting goes on.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self.finished = False
        self.trailing = False
        # Between elements nothing is pending; after a comma an element has to come.
        self.after_comma = False

    @property
    def pending(self) -> bool:
        """Whether an element has begun that has not ended."""
        return (
            self._depth > 1
            or self._in_string
            or self._size > self._limit
            or any(piece.strip(b" \t\r\n") for piece in self._pieces)
        )

    def feed(self, chunk: bytes) -> Iterator[bytes | None]:
        """The elements that end in this chunk; None for one that was too long."""
        at = start = 0
        while at < len(chunk) and not self.finished:
            if self._in_string:
                at = self._pass_string(chunk, at)
                continue
            found = _STRUCTURE.search(chunk, at)
            if found is None:
                break
            at = found.end()
            byte = chunk[found.start()]
            if byte == _QUOTE:
                self._in_string = True
            elif byte in _OPENING:
                self._depth += 1
                if self._depth == 1:
                    # The array itself begins: what stood before it is blank.
                    self._pieces, self._size, start = [], 0, at
            elif byte == _COMMA:
                if self._depth == 1:
                    yield self._end(chunk[start : found.start()])
                    start = at
                    self.after_comma = True
            elif byte in _CLOSING:
                self._depth -= 1
                if self._depth == 0:
                    owed = self.after_comma
                    last = self._end(chunk[start : found.start()])
                    self.finished = True
                    if last is None or last.strip() or owed:
                        yield last
                    start = at
        if self.finished:
            self.trailing = self.trailing or bool(chunk[start:].strip(b" \t\r\n"))
        else:
            self._keep(chunk[start:])

    def _pass_string(self, chunk: bytes, at: int) -> int:
        if self._escaped:
            self._escaped = False
            return at + 1
        body = _STRING_BODY.match(chunk, at)
        at = body.end() if body else at
        if at == len(chunk):
            return at
        if chunk[at] == _BACKSLASH:
            # The last byte of the chunk: what it escapes is the first of the next.
            self._escaped = True
        else:
            self._in_string = False
        return at + 1

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= self._limit:
            self._pieces.append(piece)
        else:
            self._pieces = []

    def _end(self, piece: bytes) -> bytes | None:
        self._keep(piece)
        element = b"".join(self._pieces) if self._size <= self._limit else None
        self._pieces, self._size, self.after_comma = [], 0, False
        return element


def _read_array(
    reader: io.BufferedReader[Any], limits: RowLimits, position: _Position
) -> Iterator[NumberedRow]:
    scanner = _ElementScanner(limits.max_line_bytes)
    number = 0
    while not scanner.trailing and (chunk := reader.read1(CHUNK)):
        for element in scanner.feed(chunk):
            number += 1
            position.line = number
            if element is None:
                yield NumberedRow(number, _too_long(number, "element", limits.max_line_bytes))
            elif not element.strip():
                message = "There is no element here: a comma too many."
                yield NumberedRow(number, ReadIssue(number, "", message))
            else:
                yield NumberedRow(number, parse_row(element.strip(), number, what="element"))
    if scanner.trailing:
        message = "Something follows after the end of the array; it was not read."
        yield NumberedRow(number + 1, ReadIssue(number + 1, "", message))
    elif not scanner.finished:
        message = (
            f"The file ends inside element {number + 1} of the array: it was cut off."
            if scanner.pending
            else "The file ends before the array does: it was cut off."
        )
        yield NumberedRow(number + 1, ReadIssue(number + 1, "", message))


# --- One row ----------------------------------------------------------------------------------

_NOT_A_NUMBER = re.compile(r"\b(?:NaN|Infinity)\b")


def parse_row(data: bytes, line: int, *, what: str = "line") -> dict[str, Any] | ReadIssue:
    """The object that these bytes hold, or an issue that says why there is none."""
    try:
        row = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        return ReadIssue(line, "", _explain(data, error, what))
    if not isinstance(row, dict):
        kind = "a list" if isinstance(row, list) else "a single value"
        return ReadIssue(line, "", f"This {what} holds {kind}; it should be one JSON object.")
    # The escape is rare and cheap to look for; an escaped backslash before `u0000` is no NUL.
    if b"\\u0000" in data and (field := _find_nul(row)) is not None:
        shown = field[:100]
        return make_issue(
            line, field, f"{shown!r} holds a NUL character, which a database cannot store."
        )
    return row


def _explain(data: bytes, error: orjson.JSONDecodeError, what: str) -> str:
    """Why this is not JSON, in the words of somebody who has to repair the file."""
    try:
        text = data.decode()
    except UnicodeDecodeError as bad:
        byte = data[bad.start]
        return f"This {what} is not valid UTF-8 (byte 0x{byte:02x} at position {bad.start + 1})."
    if "surrogate" in error.msg:
        return (
            f"This {what} holds half of a surrogate pair (near character {error.pos + 1}), "
            "which is not a character and cannot be stored."
        )
    if "depth" in error.msg or "ecursion" in error.msg:
        return f"This {what} is nested too deeply to be read."
    if "infinity" in error.msg:
        return f"This {what} holds a number that is too large (near character {error.pos + 1})."
    if _NOT_A_NUMBER.search(text[max(error.pos - 1, 0) : error.pos + 10]):
        return (
            f"This {what} holds NaN or Infinity (near character {error.pos + 1}), "
            "which JSON does not know; write null or leave the value out."
        )
    return f"This {what} is not valid JSON: {error.msg} (near character {error.pos + 1})."


def _find_nul(row: dict[str, Any]) -> str | None:
    """The path of the first text or key that holds a NUL character."""
    waiting: list[tuple[str, Any]] = [("", row)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, str):
            if "\x00" in value:
                return path
        elif isinstance(value, dict):
            for key, inner in value.items():
                if "\x00" in key:
                    return path or "a field name"
                waiting.append((f"{path}.{key}" if path else key, inner))
        elif isinstance(value, list):
            waiting.extend((f"{path}[{index}]", inner) for index, inner in enumerate(value))
    return None
