"""Reading lines of the native format back into the records they were written from."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from labeling.formats.base import ParseContext
from labeling.formats.fields import (
    FieldError,
    Row,
    as_object,
    check_depth,
    is_number,
    show_value,
    take_int,
    take_ints,
    take_list,
    take_object,
    take_optional_bool,
    take_optional_int,
    take_optional_text,
    take_text,
    take_texts,
    wrong_type,
)
from labeling.records import (
    EMPTY,
    Alternative,
    At,
    Author,
    ContentKind,
    Contribution,
    FirstError,
    Injection,
    LabelSet,
    NoError,
    Origin,
    Problem,
    Score,
    Solution,
    Step,
    StepLabel,
    Unknown,
    Validity,
    Verdict,
)

SCHEMA_NAME = "prm-workbench"
VERSION = 1
SCHEMA = f"{SCHEMA_NAME}/{VERSION}"

Kind = TypeVar("Kind", bound=StrEnum)

_NOT_FINITE = ("inf", "-inf", "nan")
_PLAIN_STEP = {"text"}
# Labels that say one thing are most labels; they share their record.
_SHARED: dict[str, StepLabel] = {
    validity.value: StepLabel(validity=validity) for validity in Validity
}
_FIELDS = {
    "schema",
    "problem",
    "source_id",
    "generator",
    "steps",
    "final_answer",
    "final_answer_correct",
    "label_sets",
    "injection",
    "extra",
}


def parse_row(row: Row, context: ParseContext) -> list[Solution]:
    _check_schema(row)
    unknown = row.keys() - _FIELDS
    if unknown:
        name = min(unknown)
        raise FieldError(name, f"Version {VERSION} of the native format has no field {name!r}.")
    steps = _list_or_empty(row, "steps", limit=context.max_steps)
    label_sets = _list_or_empty(row, "label_sets")
    injection = row.get("injection")
    return [
        Solution(
            problem=_parse_problem(take_object(row, "problem")),
            steps=tuple([_parse_step(item, index) for index, item in enumerate(steps)]),
            source_id=take_text(row, "source_id", ""),
            generator=take_text(row, "generator", ""),
            final_answer=take_optional_text(row, "final_answer"),
            final_answer_correct=take_optional_bool(row, "final_answer_correct"),
            label_sets=tuple(
                [
                    _parse_label_set(item, f"label_sets[{index}]", len(steps))
                    for index, item in enumerate(label_sets)
                ]
            ),
            injection=None
            if injection is None
            else _parse_injection(as_object(injection, "injection"), context.max_steps),
            extra=_extra(row),
        )
    ]


def _check_schema(row: Row) -> None:
    schema = row.get("schema")
    if schema == SCHEMA:
        return
    name, _, version = schema.partition("/") if isinstance(schema, str) else ("", "", "")
    if name == SCHEMA_NAME and version.isdecimal():
        raise FieldError(
            "schema",
            f"This line has version {version[:20]} of the native format, and this reader knows "
            f"version {VERSION}. Write it again with a program that both know, or update this one.",
        )
    raise FieldError(
        "schema",
        f"'schema' should be {SCHEMA!r} in every line of the native format, but it is "
        f"{show_value(schema)}.",
    )


def _parse_problem(problem: Row) -> Problem:
    at = "problem."
    return Problem(
        text=take_text(problem, "text", at=at),
        source_id=take_text(problem, "source_id", "", at=at),
        reference_answer=take_optional_text(problem, "reference_answer", at=at),
        reference_solution=take_optional_text(problem, "reference_solution", at=at),
        family=take_text(problem, "family", "", at=at),
        domain=take_text(problem, "domain", "", at=at),
        language=take_text(problem, "language", "en", at=at),
        extra=_extra(problem, at=at),
    )


def _parse_step(item: object, index: int) -> Step:
    if isinstance(item, dict) and item.keys() == _PLAIN_STEP and isinstance(item["text"], str):
        return Step(item["text"])
    at = f"steps[{index}]"
    step = as_object(item, at)
    at += "."
    alternatives = _list_or_empty(step, "alternatives", at=at)
    return Step(
        text=take_text(step, "text", at=at),
        kind=_take_kind(step, "kind", ContentKind, at=at) or ContentKind.TEXT,
        alternatives=tuple(
            [
                _parse_alternative(as_object(given, f"{at}alternatives[{number}]"), at)
                for number, given in enumerate(alternatives)
            ]
        ),
        extra=_extra(step, at=at),
    )


def _parse_alternative(item: Row, at: str) -> Alternative:
    at += "alternatives."
    label = item.get("label")
    return Alternative(
        text=take_text(item, "text", at=at),
        label=None if label is None else parse_step_label(label, f"{at}label"),
        source=take_text(item, "source", "", at=at),
        extra=_extra(item, at=at),
    )


def _parse_label_set(item: object, field: str, n_steps: int) -> LabelSet:
    label_set = as_object(item, field)
    at = f"{field}."
    labels = take_list(label_set, "labels", at=at)
    if len(labels) != n_steps:
        raise FieldError(
            f"{at}labels",
            f"'{at}labels' has {len(labels)} entries for {n_steps} steps; there should be one for "
            "each, null where nobody judged.",
        )
    author = _take_kind(label_set, "author", Author, at=at)
    if author is None:
        raise FieldError(f"{at}author", f"'{at}author' is missing; it is 'human' or 'machine'.")
    return LabelSet(
        author=author,
        labels=tuple(
            [
                None if label is None else parse_step_label(label, f"{at}labels[{index}]")
                for index, label in enumerate(labels)
            ]
        ),
        first_error=_parse_first_error(label_set, at),
        rater=take_text(label_set, "rater", "", at=at),
        method=take_text(label_set, "method", "", at=at),
        created_at=take_text(label_set, "created_at", "", at=at),
        total_ms=take_optional_int(label_set, "total_ms", at=at),
        outcome=take_text(label_set, "outcome", "", at=at),
        extra=_extra(label_set, at=at),
    )


def _parse_first_error(label_set: Row, at: str) -> FirstError:
    given = take_object(label_set, "first_error", at=at)
    at += "first_error."
    if "at" in given:
        return At(take_int(given, "at", at=at))
    if given.get("none") is True:
        return NoError()
    return Unknown(take_text(given, "unknown", at=at))


def parse_step_label(item: object, field: str) -> StepLabel:
    """The label as it was packed, an empty object being a label that says nothing."""
    label = as_object(item, field)
    if len(label) == 1:
        validity = label.get("validity")
        if isinstance(validity, str) and validity in _SHARED:
            return _SHARED[validity]
    at = f"{field}."
    rating = take_optional_int(label, "rating", at=at)
    if rating not in (None, -1, 0, 1):
        raise FieldError(f"{at}rating", f"'{at}rating' is -1, 0 or 1, not {rating}.")
    return StepLabel(
        validity=_take_kind(label, "validity", Validity, at=at),
        contribution=_take_kind(label, "contribution", Contribution, at=at),
        origin=_take_kind(label, "origin", Origin, at=at),
        error_types=tuple(take_texts(label, "error_types", at=at))
        if "error_types" in label
        else (),
        unsure=take_optional_bool(label, "unsure", at=at) or False,
        note=take_text(label, "note", "", at=at),
        rating=rating,
        score=_parse_score(label["score"], f"{at}score") if "score" in label else None,
        redundancy=_parse_score(label["redundancy"], f"{at}redundancy")
        if "redundancy" in label
        else None,
        severity=take_text(label, "severity", "", at=at),
        confidence=take_text(label, "confidence", "", at=at),
    )


def _parse_score(item: object, field: str) -> Score:
    score = as_object(item, field)
    raw = score.get("raw")
    if raw not in _NOT_FINITE and not is_number(raw):
        raise wrong_type(f"{field}.raw", "a number, 'inf', '-inf' or 'nan'", raw)
    return Score(
        raw=float(raw or 0),
        scale=take_text(score, "scale", at=f"{field}."),
        rule=take_text(score, "rule", "", at=f"{field}."),
    )


def _parse_injection(item: Row, limit: int) -> Injection:
    at = "injection."
    verdicts = _list_or_empty(item, "verdicts", at=at)
    return Injection(
        error_type=take_text(item, "error_type", at=at),
        original_problem=take_text(item, "original_problem", at=at),
        original_steps=tuple(take_texts(item, "original_steps", at=at, limit=limit)),
        claimed_error_positions=tuple(take_ints(item, "claimed_error_positions", at=at)),
        claimed_changed_positions=tuple(take_ints(item, "claimed_changed_positions", at=at)),
        reason=take_text(item, "reason", "", at=at),
        verdicts=tuple(
            [
                _parse_verdict(as_object(given, f"{at}verdicts[{index}]"), at)
                for index, given in enumerate(verdicts)
            ]
        ),
        extra=_extra(item, at=at),
    )


def _parse_verdict(item: Row, at: str) -> Verdict:
    at += "verdicts."
    return Verdict(
        value=take_text(item, "value", at=at),
        rater=take_text(item, "rater", "", at=at),
        answers=_extra(item, "answers", at=at),
        note=take_text(item, "note", "", at=at),
    )


def _take_kind(row: Row, name: str, kind: type[Kind], *, at: str) -> Kind | None:
    """The member of the enumeration, or None where the field is not there."""
    value = row.get(name)
    if value is None:
        return None
    if isinstance(value, str):
        try:
            return kind(value)
        except ValueError:
            pass
    known = ", ".join(member.value for member in kind)
    raise FieldError(at + name, f"'{at}{name}' is one of {known}; it is {show_value(value)}.")


def _list_or_empty(row: Row, name: str, *, at: str = "", limit: int | None = None) -> list[Any]:
    return take_list(row, name, at=at, limit=limit) if name in row else []


def _extra(row: Row, name: str = "extra", *, at: str = "") -> Mapping[str, Any]:
    if name not in row:
        return EMPTY
    extra = take_object(row, name, at=at)
    # Above the limit of the other formats, whose data stand in here, below that of the writer.
    check_depth(extra, at + name, limit=200)
    return extra
