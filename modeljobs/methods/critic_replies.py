"""What a judge's reply says: the first error, or two numbers for each step. Never a guess.

A reply that cannot be read is `Unparsed`, which is neither "no error" nor 0.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labeling.records import At, NoError
from modeljobs.methods.parsing import Unparsed

THOUGHTS_END = "</think>"
THOUGHTS_BEGIN = "<think>"
KEYS = ("validity", "redundancy")
REPLY_LIMIT = 1_000_000
CANDIDATE_LIMIT = 100
# Ratings of thousands of steps are shorter.
OBJECT_LIMIT = 50_000
SHOWN_CHARACTERS = 60

NOTE_CLAMPED = "Some ratings lay outside of [-1, 1] and were moved to its edge."
NOTE_COMMENTS = "The JSON held comments, which were passed over."

_BOXED = re.compile(r"\\boxed\s*\{")
# \text{-1}, paragraph_2, $3$; a minus as LaTeX or a typographer writes it.
_INDEX = re.compile(r"(?:<?paragraph_?)?([-−]?\d{1,9})>?", re.IGNORECASE)
_DRESS = re.compile(r"\\(?:text|mathrm|mathbf|textbf)\s*|[{}$\s]")
# Where an object with names may begin.
_OBJECT = re.compile(r"\{(?=\s*(?:\"|//|#))")
# A string that never ends goes to the end of the text, so that no text is looked through twice.
_PART = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|//[^\n]*|#[^\n]*|[{}]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class StepScores:
    """Two numbers in [-1, 1] for each step (Song et al. 2025, PRMBench's critics).

    `validity`: 1 right, 0 partly right, -1 wrong. `redundancy`: -1 indispensable, 1 superfluous.
    """

    validity: tuple[float, ...]
    redundancy: tuple[float, ...]
    notes: tuple[str, ...] = ()


def cut_thoughts(text: str) -> str | Unparsed:
    """What a reasoning model says after its thoughts, which may hold anything."""
    if THOUGHTS_END in text:
        text = text.rpartition(THOUGHTS_END)[2]
    elif text.lstrip().startswith(THOUGHTS_BEGIN):
        return Unparsed("only_thoughts", "The reply ends within its thoughts.")
    if not text.strip():
        return Unparsed("empty", "The reply is empty.")
    return text


def read_first_error(text: str, *, steps: int) -> At | NoError | Unparsed:
    """The index in the last box of the reply, 0-based, or NoError for -1 (ProcessBench's form)."""
    said = cut_thoughts(text)
    if isinstance(said, Unparsed):
        return said
    boxes = list(_BOXED.finditer(said))
    if not boxes:
        return Unparsed("no_verdict", "The reply holds no \\boxed{} with a paragraph's number.")
    content = _read_braces(said, boxes[-1].end())
    if content is None:
        return Unparsed("truncated", "The last \\boxed{} of the reply breaks off before its end.")
    match = _INDEX.fullmatch(_DRESS.sub("", content))
    if match is None:
        shown = content.strip()[:SHOWN_CHARACTERS]
        return Unparsed("bad_index", f"The last \\boxed{{}} holds {shown!r}, which is no number.")
    index = int(match[1].replace("−", "-"))
    if index == -1:
        return NoError()
    if not 0 <= index < steps:
        return Unparsed(
            "out_of_range",
            f"The reply names paragraph {index}; the paragraphs go from 0 to {steps - 1}.",
        )
    return At(index)


def read_scores(text: str, *, steps: int) -> StepScores | Unparsed:
    """The ratings in the first JSON object of the reply that has both lists.

    Comments outside of strings are passed over, as PRMBench's parser does. Unlike it, this one
    wants a finite number for each step; what lies outside of [-1, 1] is moved to its edge.
    """
    said = cut_thoughts(text)
    if isinstance(said, Unparsed):
        return said
    if len(said) > REPLY_LIMIT:
        return Unparsed("too_long", f"The reply is longer than {REPLY_LIMIT:,} characters.")
    seen: set[str] = set()
    for found, had_comments in _scan_objects(said):
        seen |= found.keys()
        if all(key in found for key in KEYS):
            return _build_scores(found, steps, had_comments=had_comments)
    lacking = [key for key in KEYS if key not in seen]
    if not seen:
        return Unparsed("no_json", "The reply holds no JSON object that can be read.")
    if lacking:
        return Unparsed("missing_field", f"The JSON object has no {' and no '.join(lacking)}.")
    return Unparsed("missing_field", "No JSON object of the reply has both lists.")


def _read_braces(text: str, start: int) -> str | None:
    """What stands between a brace before `start` and the one that closes it."""
    depth = 1
    for place in range(start, len(text)):
        if text[place] == "{":
            depth += 1
        elif text[place] == "}":
            depth -= 1
            if depth == 0:
                return text[start:place]
    return None


def _scan_objects(text: str) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Each balanced object that parses, and whether it held comments."""
    for count, match in enumerate(_OBJECT.finditer(text)):
        if count == CANDIDATE_LIMIT:
            return
        taken = _take_object(text, match.start())
        if taken is None:
            continue
        try:
            found = json.loads(taken[0])
        except (ValueError, RecursionError):
            continue
        yield found, taken[1]


def _take_object(text: str, start: int) -> tuple[str, bool] | None:
    """The object that begins there, without its comments, and whether it had any; None where its
    braces do not balance.
    """
    kept: list[str] = []
    depth, done, had_comments = 0, start, False
    for part in _PART.finditer(text, start, start + OBJECT_LIMIT):
        mark = part.group()
        if mark[0] in "/#":
            kept.append(text[done : part.start()])
            done, had_comments = part.end(), True
        elif mark == "{":
            depth += 1
        elif mark == "}":
            depth -= 1
            if depth == 0:
                kept.append(text[done : part.end()])
                return "".join(kept), had_comments
    return None


def _build_scores(
    found: Mapping[str, Any], steps: int, *, had_comments: bool
) -> StepScores | Unparsed:
    lists: dict[str, tuple[float, ...]] = {}
    is_clamped = False
    for key in KEYS:
        numbers = _read_numbers(key, found[key], steps)
        if isinstance(numbers, Unparsed):
            return numbers
        lists[key] = tuple(min(1.0, max(-1.0, number)) for number in numbers)
        is_clamped |= lists[key] != tuple(numbers)
    notes = [NOTE_CLAMPED] if is_clamped else []
    notes += [NOTE_COMMENTS] if had_comments else []
    return StepScores(lists["validity"], lists["redundancy"], tuple(notes))


def _read_numbers(key: str, value: Any, steps: int) -> Sequence[float] | Unparsed:
    if not isinstance(value, list):
        return Unparsed("bad_field", f"The field {key!r} is not a list.")
    if len(value) != steps:
        return Unparsed(
            "wrong_length", f"The list {key!r} has {len(value)} numbers for {steps} steps."
        )
    numbers = []
    for place, one in enumerate(value, start=1):
        number = _read_number(one)
        if number is None:
            shown = repr(one)[:SHOWN_CHARACTERS]
            return Unparsed(
                "bad_number", f"The list {key!r} has {shown} at place {place}, which is no number."
            )
        numbers.append(number)
    return numbers


def _read_number(value: Any) -> float | None:
    # True is an int to Python.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
