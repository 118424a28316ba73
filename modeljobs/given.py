"""Values out of JSON that somebody else wrote: of the wanted kind, or not known.

What a method or a model wrote is taken as it comes; a fact that is missing or of another kind is
None or empty, and never an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

EMPTY: Mapping[str, Any] = {}


def list_of(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def mapping_of(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else EMPTY


def number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None


def whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def count(value: Any) -> int:
    return whole(value) or 0


def flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def text(value: Any) -> str:
    return value if isinstance(value, str) else ""
