"""White space around a step, kept where it is not what the format writes by itself.

Some formats hold a solution as one text. A step's text is stripped of the white space around it;
where that differs from the separator that a writer puts there, it is remembered in `Step.extra`,
so that the text is written again as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Stripped(NamedTuple):
    before: str
    text: str
    after: str


def strip_around(text: str) -> Stripped:
    """The text and the white space around it; a blank text stays whole, as its own content."""
    inner = text.strip()
    if not inner:
        return Stripped("", text, "")
    start = text.index(inner)
    return Stripped(text[:start], inner, text[start + len(inner) :])


def note_affixes(
    stripped: Stripped, *, format_name: str, before: str, after: str = ""
) -> dict[str, Any]:
    """The entries for `Step.extra`: nothing where the white space is the writer's own."""
    noted = {}
    if stripped.before != before:
        noted[f"{format_name}.before"] = stripped.before
    if stripped.after != after:
        noted[f"{format_name}.after"] = stripped.after
    return noted


def affix_before(extra: Mapping[str, Any], format_name: str, default: str) -> str:
    return str(extra.get(f"{format_name}.before", default))


def affix_after(extra: Mapping[str, Any], format_name: str, default: str = "") -> str:
    return str(extra.get(f"{format_name}.after", default))
