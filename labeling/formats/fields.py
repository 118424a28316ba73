"""Reading typed values out of a parsed JSON row: every check explicit, every refusal a sentence.

`bool` is an `int` in Python and a label is not an index, so nothing here accepts one for the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from labeling.records import ReadIssue

Row = Mapping[str, Any]

SHOWN_CHARACTERS = 60
ISSUE_FIELD = 200
ISSUE_MESSAGE = 1_000


class FieldError(ValueError):
    """A value that cannot be taken as it is: which field, and a sentence about it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


class _Missing:
    """The type of `MISSING`: no default was given, so the field must be there."""


MISSING = _Missing()


def show_value(value: object) -> str:
    """The value in the words of JSON, short enough for a message."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, str):
        shown = value if len(value) <= SHOWN_CHARACTERS else value[:SHOWN_CHARACTERS] + "…"
        return f"the text {shown!r}"
    return f"the number {value}"


def make_issue(line: int, field: str, message: str, *, fatal: bool = True) -> ReadIssue:
    """The issue with texts of bounded length: field names and values come from the file."""
    return ReadIssue(line, _clip(field, ISSUE_FIELD), _clip(message, ISSUE_MESSAGE), fatal)


def _clip(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 2] + "…."


def wrong_type(field: str, expected: str, value: object) -> FieldError:
    return FieldError(field, f"{field!r} should be {expected}, but it is {show_value(value)}.")


def take_text(row: Row, name: str, default: str | _Missing = MISSING, *, at: str = "") -> str:
    """The text of a field; null counts as missing where a default is given."""
    value = row.get(name)
    if isinstance(value, str):
        return value
    if value is None and isinstance(default, str):
        return default
    raise _missing_or_wrong(row, name, "a text", at=at)


def take_problem_text(row: Row, name: str, *, at: str = "") -> str:
    """The text of a question, which may not be blank: there would be nothing to solve."""
    text = take_text(row, name, at=at)
    if not text.strip():
        raise FieldError(at + name, f"{at + name!r} is blank, so there is no problem to solve.")
    return text


def take_optional_text(row: Row, name: str, *, at: str = "") -> str | None:
    value = row.get(name)
    if value is None or isinstance(value, str):
        return value
    raise wrong_type(at + name, "a text or null", value)


def take_bool(row: Row, name: str, *, at: str = "") -> bool:
    value = row.get(name)
    if isinstance(value, bool):
        return value
    raise _missing_or_wrong(row, name, "true or false", at=at)


def take_optional_bool(row: Row, name: str, *, at: str = "") -> bool | None:
    value = row.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise wrong_type(at + name, "true, false or null", value)


def take_int(row: Row, name: str, *, at: str = "") -> int:
    value = row.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _missing_or_wrong(row, name, "a whole number", at=at)


def take_optional_int(row: Row, name: str, *, at: str = "") -> int | None:
    return None if row.get(name) is None else take_int(row, name, at=at)


def take_number(row: Row, name: str, *, at: str = "") -> float:
    value = row.get(name)
    if isinstance(value, int | float) and is_number(value):
        return float(value)
    raise _missing_or_wrong(row, name, "a number", at=at)


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(float(value))


def take_list(row: Row, name: str, *, at: str = "", limit: int | None = None) -> list[Any]:
    """The list of a field, of at most `limit` entries."""
    value = row.get(name)
    if not isinstance(value, list):
        raise _missing_or_wrong(row, name, "a list", at=at)
    if limit is not None and len(value) > limit:
        raise too_many(at + name, len(value), limit)
    return value


def too_many(field: str, count: int, limit: int) -> FieldError:
    return FieldError(
        field,
        f"{field!r} has {count:,} entries; at most {limit:,} steps are read for one solution.",
    )


def take_texts(row: Row, name: str, *, at: str = "", limit: int | None = None) -> list[str]:
    values = take_list(row, name, at=at, limit=limit)
    for index, value in enumerate(values):
        if not isinstance(value, str):
            raise wrong_type(f"{at}{name}[{index}]", "a text", value)
    return values


def take_steps(row: Row, name: str, *, at: str = "", limit: int) -> list[str]:
    """The step texts of a solution: at least one. A blank step loads, for a lint to report."""
    texts = take_texts(row, name, at=at, limit=limit)
    if not texts:
        raise FieldError(at + name, f"{at + name!r} is empty: the solution has no steps.")
    return texts


def take_ints(row: Row, name: str, *, at: str = "", limit: int | None = None) -> list[int]:
    values = take_list(row, name, at=at, limit=limit)
    for index, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong_type(f"{at}{name}[{index}]", "a whole number", value)
    return values


def take_object(row: Row, name: str, *, at: str = "") -> dict[str, Any]:
    value = row.get(name)
    if isinstance(value, dict):
        return value
    raise _missing_or_wrong(row, name, "an object", at=at)


def as_object(value: object, field: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise wrong_type(field, "an object", value)


def take_others(row: Row, known: frozenset[str] | set[str]) -> dict[str, Any]:
    """The fields that the format does not know, kept so that a round trip loses nothing."""
    if row.keys() <= known:
        return {}
    others = {name: value for name, value in row.items() if name not in known}
    for name, value in others.items():
        check_depth(value, name)
    return others


def check_depth(value: object, field: str, *, limit: int = 100) -> None:
    """Refuse data nested deeper than any writer can write again."""
    layer: list[Any] = [value]
    for _ in range(limit):
        inner: list[Any] = []
        for item in layer:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        if not inner:
            return
        layer = inner
    raise FieldError(field, f"{field!r} is nested more than {limit} levels deep.")


def _missing_or_wrong(row: Row, name: str, expected: str, *, at: str) -> FieldError:
    field = at + name
    if name not in row:
        return FieldError(field, f"{field!r} is missing; it should be {expected}.")
    return wrong_type(field, expected, row[name])
