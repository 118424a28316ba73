"""Reading a reply that is to hold an injection, and making a solution with a claim of it.

What the model claims about its own work is kept as it claims it, even where it points past the
end: people verify it, and the lints say what looks wrong (Song et al. 2025; claims are unreliable
in half of the published data). The model is not asked to copy the original solution, and a copy
that it sends anyway is not believed: in a third of PRMBench the copy differs from the source.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from labeling.records import Injection, Solution, Step
from modeljobs.methods.parsing import (
    NOTE_BACKSLASHES,
    NOTE_ESCAPES,
    Unparsed,
    drop_thoughts,
    find_object,
)

NOTES = "modeljobs.notes"
REQUIRED_FIELDS = ("modified_process", "modified_steps", "error_steps")
STEPS_LIMIT = 500
STEP_CHARACTERS = 20_000
# Claims may point anywhere, but they have to fit into a column.
POSITION_LIMIT = 1_000_000

NOTE_QUESTION = "The reply gave no question; the source's question was kept."
NOTE_REASON = "The reply gave no reason."
NOTE_NUMBERS = "The reply numbered its steps; the numbers were taken off."
NOTE_TEXT_POSITIONS = "The reply gave positions as text; they were read as numbers."
NOTE_DRIFT = "The reply's copy of the original differs from the source; the source was kept."

STEP_NUMBER = re.compile(r"\s*(?:step\s+)?(\d{1,4})\s*[.:)]\s+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ParsedInjection:
    """A reply as it was read. Positions are 0-based, as claimed, in the order claimed.

    A question of None means that the reply left it out. The original is what the reply repeated of
    it, if anything.
    """

    modified_question: str | None
    modified_steps: tuple[str, ...]
    claimed_changed: tuple[int, ...]
    claimed_errors: tuple[int, ...]
    reason: str
    original_question: str | None = None
    original_steps: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()


def parse_injection_reply(text: str) -> ParsedInjection | Unparsed:
    """What the reply says, or why it cannot be read.

    Thoughts, fences and talk around the JSON are passed over, and lost backslashes mended (see
    `parsing`).
    Types are checked; claims are not: whether a step exists, differs or is wrong is for the lints
    and for people.
    """
    rest = drop_thoughts(text)
    if isinstance(rest, Unparsed):
        return rest
    found = find_object(rest, keys=frozenset(REQUIRED_FIELDS))
    if isinstance(found, Unparsed):
        return found
    notes = list(found.notes)
    try:
        return _read_fields(found.value, notes)
    except _FieldProblem as problem:
        return Unparsed(problem.code, problem.sentence)


def build_solution(source: Solution, parsed: ParsedInjection, *, error_type: str) -> Solution:
    """The modified solution with its claim, for the source's problem family.

    The original comes from the source, whatever the reply repeats of it. Where the question was
    changed, the reference answer is no longer known to be its answer, and is left out.
    """
    original = tuple(step.text for step in source.steps)
    question = parsed.modified_question or source.problem.text
    notes = list(parsed.notes)
    steps = _take_numbers_off(parsed.modified_steps, original)
    if steps != parsed.modified_steps:
        notes.append(NOTE_NUMBERS)
    if NOTE_BACKSLASHES in notes or NOTE_ESCAPES in notes:
        # How many backslashes were meant is a guess there, except in what is a copy.
        known = {_strip_escapes(text): text for text in (*original, source.problem.text)}
        steps = tuple(known.get(_strip_escapes(text), text) for text in steps)
        question = known.get(_strip_escapes(question), question)
    if _has_drifted(parsed, source, original):
        notes.append(NOTE_DRIFT)
    problem = replace(
        source.problem, text=question, family=source.problem.family or source.problem.source_id
    )
    if _squeeze(question) != _squeeze(source.problem.text):
        problem = replace(problem, reference_answer=None, reference_solution=None)
    else:
        # The same question in other white space is the same question.
        problem = replace(problem, text=source.problem.text)
    own_id = source.source_id or source.problem.source_id
    return Solution(
        problem=problem,
        steps=tuple(Step(text) for text in steps),
        # As PRMBench's keys: a source has one modified solution per class.
        source_id=f"{error_type}_{own_id}" if own_id else "",
        injection=Injection(
            error_type=error_type,
            original_problem=source.problem.text,
            original_steps=original,
            claimed_error_positions=parsed.claimed_errors,
            claimed_changed_positions=parsed.claimed_changed,
            reason=parsed.reason,
            extra={NOTES: notes} if notes else {},
        ),
    )


class _FieldProblem(Exception):
    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


def _read_fields(value: Mapping[str, Any], notes: list[str]) -> ParsedInjection:
    for name in REQUIRED_FIELDS:
        if value.get(name) is None:
            raise _FieldProblem("missing_field", f"The field {name!r} is missing.")
    question = value.get("modified_question")
    if not isinstance(question, str | None):
        raise _FieldProblem("wrong_type", "The field 'modified_question' must be a string.")
    if not (question or "").strip():
        question = None
        notes.append(NOTE_QUESTION)
    reason = value.get("reason")
    if not isinstance(reason, str) or not reason.strip():
        reason = ""
        notes.append(NOTE_REASON)
    steps = _read_steps(value["modified_process"])
    changed = _read_positions("modified_steps", value["modified_steps"], notes)
    errors = _read_positions("error_steps", value["error_steps"], notes)
    original = value.get("original_process")
    copied_steps = None
    if isinstance(original, list) and all(isinstance(text, str) for text in original):
        copied_steps = tuple(original)
    copied_question = value.get("original_question")
    return ParsedInjection(
        modified_question=question,
        modified_steps=steps,
        claimed_changed=changed,
        claimed_errors=errors,
        reason=reason.strip()[:STEP_CHARACTERS],
        original_question=copied_question if isinstance(copied_question, str) else None,
        original_steps=copied_steps,
        notes=tuple(notes),
    )


def _read_steps(value: Any) -> tuple[str, ...]:
    name = "modified_process"
    if not isinstance(value, list):
        raise _FieldProblem("wrong_type", f"The field {name!r} must be a list of strings.")
    if not value:
        raise _FieldProblem("no_steps", f"The field {name!r} is an empty list.")
    if len(value) > STEPS_LIMIT:
        raise _FieldProblem(
            "too_long", f"The field {name!r} has {len(value):,} steps; {STEPS_LIMIT} are allowed."
        )
    for number, text in enumerate(value, 1):
        if not isinstance(text, str):
            raise _FieldProblem("wrong_type", f"Step {number} of {name!r} is not a string.")
        if len(text) > STEP_CHARACTERS:
            raise _FieldProblem(
                "too_long", f"Step {number} of {name!r} has more than {STEP_CHARACTERS:,} letters."
            )
    return tuple(value)


def _read_positions(name: str, value: Any, notes: list[str]) -> tuple[int, ...]:
    """Claimed 1-based numbers as 0-based positions; 0 becomes -1 and is for the lints."""
    if not isinstance(value, list) or len(value) > STEPS_LIMIT:
        raise _FieldProblem("wrong_type", f"The field {name!r} must be a list of step numbers.")
    positions = []
    for one in value:
        number = one
        if isinstance(one, str) and re.fullmatch(r"\s*-?[0-9]{1,7}\s*", one):
            number = int(one)
            if NOTE_TEXT_POSITIONS not in notes:
                notes.append(NOTE_TEXT_POSITIONS)
        if isinstance(number, float) and number.is_integer():
            number = int(number)
        if isinstance(number, bool) or not isinstance(number, int):
            shown = repr(one)[:40]
            raise _FieldProblem(
                "bad_position", f"The field {name!r} holds {shown}, which is no step number."
            )
        if abs(number) > POSITION_LIMIT:
            raise _FieldProblem(
                "bad_position", f"The field {name!r} holds a number beyond {POSITION_LIMIT:,}."
            )
        positions.append(number - 1)
    return tuple(positions)


def _take_numbers_off(steps: tuple[str, ...], original: tuple[str, ...]) -> tuple[str, ...]:
    """The steps without "Step n." where all of them are numbered in order and the source is not."""
    matches = [STEP_NUMBER.match(step) for step in steps]
    numbers = [int(match[1]) if match else None for match in matches]
    if numbers != list(range(1, len(steps) + 1)) or any(map(STEP_NUMBER.match, original[:1])):
        return steps
    bare = tuple(
        step[match.end() :] for step, match in zip(steps, matches, strict=True) if match is not None
    )
    return bare if all(bare) else steps


def _has_drifted(parsed: ParsedInjection, source: Solution, original: tuple[str, ...]) -> bool:
    copied = parsed.original_steps
    if copied is not None and [*map(_squeeze, copied)] != [*map(_squeeze, original)]:
        return True
    question = parsed.original_question
    return question is not None and _squeeze(question) != _squeeze(source.problem.text)


def _strip_escapes(text: str) -> str:
    """The text without white space, backslashes and written-out line breaks."""
    return re.sub(r"\\n(?![a-z])|[\\\s]", "", text)


def _squeeze(text: str) -> str:
    return " ".join(text.split())
