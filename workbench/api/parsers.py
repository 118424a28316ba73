"""JSON bodies: bounded, and free of what no database could store."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import IO, Any, NoReturn

from django.conf import settings
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

# Deeper than any document of ours; the parser's own recursion ends a little below 1,000.
MAX_DEPTH = 100


class BodyTooLarge(APIException):
    """The body is larger than what is read into memory at once."""

    status_code = 413
    default_code = "too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body of this request may have at most {limit:,} bytes.")


class JSONParser(BaseParser):
    """A JSON document, read once and whole.

    Refused, with the reason: more bytes than DATA_UPLOAD_MAX_MEMORY_SIZE, text that is not UTF-8,
    documents nested too deep, numbers without an end, and texts with NUL or lone surrogates.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        raw: bytes = stream.read(limit + 1)
        if len(raw) > limit:
            raise BodyTooLarge(limit)
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ParseError(f"The body is not UTF-8: byte {error.start} cannot be read.") from None
        try:
            data = json.loads(text, parse_constant=_refuse_constant, parse_float=_read_float)
        except RecursionError:
            raise ParseError(_too_deep()) from None
        except ValueError as error:
            raise ParseError(f"The body is not JSON: {error}.") from None
        _check_depth(data)
        # Only an escape can bring in a NUL or half a surrogate pair: most bodies have none.
        if "\\u" in text:
            for string in _iterate_texts(data):
                _check_text(string)
        return data


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _read_float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:40]} is too large for a number")
    return number


def _too_deep() -> str:
    return f"The document is nested deeper than {MAX_DEPTH} levels."


def _check_depth(data: Any) -> None:
    """Level by level: a document that could be parsed may still be too deep to walk by calls."""
    level = [data]
    for _depth in range(MAX_DEPTH):
        level = [
            child
            for value in level
            if isinstance(value, dict | list)
            for child in (value.values() if isinstance(value, dict) else value)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise ParseError(_too_deep())


def _iterate_texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield key
            yield from _iterate_texts(value)
    elif isinstance(data, list):
        for value in data:
            yield from _iterate_texts(value)


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise ParseError("The document holds a NUL character, which cannot be stored.")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ParseError("The document holds half of a surrogate pair, which is no character.")
