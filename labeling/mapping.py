"""Rows to records and back: what an importer stores is what an exporter reads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import orjson

from labeling import records
from labeling.content import (
    Outcome,
    RatingContent,
    StepJudgement,
    Task,
    VerdictContent,
    VerdictValue,
    pack_content,
    pack_first_error,
    pack_label,
    parse_first_error,
    parse_label,
)
from labeling.records import EMPTY

_OUTCOMES = {
    "give_up": Outcome.GAVE_UP,
    "gave_up": Outcome.GAVE_UP,
    "bad_problem": Outcome.BAD_PROBLEM,
    "found_error": Outcome.FIRST_ERROR,
    "first_error": Outcome.FIRST_ERROR,
}
_KINDS = {kind.value: kind for kind in records.ContentKind}


def freeze(data: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """JSON data as a record's `extra`."""
    return MappingProxyType(dict(data)) if data else EMPTY


def hash_texts(*parts: str | None) -> str:
    """A short content hash over texts; None and "" differ, and so do other splits of one text."""
    pieces = []
    for part in parts:
        if part is None:
            pieces.append(b"\x00-")
        else:
            encoded = part.encode("utf-8", "surrogatepass")
            pieces.append(b"\x00%d:" % len(encoded))
            pieces.append(encoded)
    return hashlib.blake2b(b"".join(pieces), digest_size=16).hexdigest()


def hash_problem(problem: records.Problem) -> str:
    return hash_texts(problem.text, problem.reference_answer, problem.reference_solution)


def hash_solution(record: records.Solution) -> str:
    """Identity of a solution's content: question, steps and claim. Labels are not part of it."""
    injection = record.injection
    if injection is None:
        return hash_texts(record.problem.text, record.generator, *[s.text for s in record.steps])
    return hash_texts(
        record.problem.text,
        record.generator,
        *[step.text for step in record.steps],
        injection.error_type,
        orjson.dumps(
            [injection.claimed_error_positions, injection.claimed_changed_positions]
        ).decode(),
        injection.original_problem,
        *injection.original_steps,
    )


def pack_labels(labels: Sequence[records.StepLabel | None]) -> list[dict[str, Any] | None]:
    return [None if label is None else pack_label(label) for label in labels]


def parse_labels(data: Iterable[object]) -> tuple[records.StepLabel | None, ...]:
    return tuple(None if entry is None else parse_label(entry) for entry in data)


def pack_imported(label_set: records.LabelSet) -> dict[str, Any]:
    """A person's label set from a file as packed content, with what the file said besides."""
    content = RatingContent(
        steps=tuple(
            StepJudgement(position, label)
            for position, label in enumerate(label_set.labels)
            if label is not None
        ),
        outcome=_OUTCOMES.get(label_set.outcome, Outcome.COMPLETE),
    )
    return {
        **pack_content(content),
        "source": {
            "first_error": pack_first_error(label_set.first_error),
            "labels": pack_labels(label_set.labels),
            "method": label_set.method,
            "created_at": label_set.created_at,
            "total_ms": label_set.total_ms,
            "outcome": label_set.outcome,
            "extra": dict(label_set.extra),
        },
    }


def unpack_imported(content: Mapping[str, Any], *, rater: str) -> records.LabelSet:
    """The inverse of `pack_imported`."""
    source = content["source"]
    return records.LabelSet(
        author=records.Author.HUMAN,
        labels=parse_labels(source["labels"]),
        first_error=parse_first_error(source["first_error"]),
        rater=rater,
        method=source["method"],
        created_at=source["created_at"],
        total_ms=source["total_ms"],
        outcome=source["outcome"],
        extra=freeze(source["extra"]),
    )


def pack_imported_verdict(
    verdict: records.Verdict, injection: records.Injection, *, n_steps: int
) -> dict[str, Any]:
    """A verdict from another tool's export as packed content; a foreign value is kept beside."""
    known = {str(value) for value in VerdictValue}
    value = VerdictValue(verdict.value) if verdict.value in known else VerdictValue.UNSURE
    accepted = value in (VerdictValue.ACCEPT, VerdictValue.ACCEPT_WITH_EDITS)
    inside = {p for p in injection.claimed_error_positions if 0 <= p < n_steps}
    content = VerdictContent(
        verdict=value,
        error_positions=tuple(sorted(inside)) if accepted else (),
        error_type=injection.error_type if accepted else "",
        note=verdict.note,
    )
    return {
        **pack_content(content),
        "source": {"value": verdict.value, "answers": dict(verdict.answers)},
    }


def unpack_imported_verdict(content: Mapping[str, Any], *, rater: str) -> records.Verdict:
    source = content["source"]
    return records.Verdict(
        value=source["value"], rater=rater, answers=freeze(source["answers"]), note=content["note"]
    )


def is_verdict(content: Mapping[str, Any]) -> bool:
    return content.get("task") == Task.VERIFY_INJECTION


def pack_suggestion(label_set: records.LabelSet) -> dict[str, Any]:
    """The columns of a Suggestion that hold a machine's label set."""
    return {
        "method": label_set.method or "imported",
        "producer": label_set.rater,
        "labels": pack_labels(label_set.labels),
        "first_error": pack_first_error(label_set.first_error),
        "payload": {
            "method": label_set.method,
            "outcome": label_set.outcome,
            "total_ms": label_set.total_ms,
            "created_at": label_set.created_at,
            "extra": dict(label_set.extra),
        },
    }


def unpack_suggestion(
    *,
    producer: str,
    labels: Sequence[object],
    first_error: Mapping[str, Any],
    payload: Mapping[str, Any],
) -> records.LabelSet:
    return records.LabelSet(
        author=records.Author.MACHINE,
        labels=parse_labels(labels),
        first_error=parse_first_error(first_error),
        rater=producer,
        method=payload.get("method", ""),
        created_at=payload.get("created_at", ""),
        total_ms=payload.get("total_ms"),
        outcome=payload.get("outcome", ""),
        extra=freeze(payload.get("extra")),
    )


def pack_step_extra(step: records.Step) -> dict[str, Any] | None:
    """What a step has beyond its text, or None for the common case."""
    if not step.alternatives and not step.extra:
        return None
    packed: dict[str, Any] = {}
    if step.alternatives:
        packed["alternatives"] = [
            {
                "text": alternative.text,
                "label": None if alternative.label is None else pack_label(alternative.label),
                "source": alternative.source,
                "extra": dict(alternative.extra),
            }
            for alternative in step.alternatives
        ]
    if step.extra:
        packed["extra"] = dict(step.extra)
    return packed


def unpack_step(text: str, kind: str, extra: Mapping[str, Any] | None) -> records.Step:
    if not extra:
        # Nearly every step: a release reads all of them, and an enumeration is slow to ask.
        return records.Step(text) if kind == "text" else records.Step(text, _KINDS[kind])
    return records.Step(
        text=text,
        kind=_KINDS[kind],
        alternatives=tuple(
            records.Alternative(
                text=entry["text"],
                label=None if entry["label"] is None else parse_label(entry["label"]),
                source=entry["source"],
                extra=freeze(entry["extra"]),
            )
            for entry in extra.get("alternatives", ())
        ),
        extra=freeze(extra.get("extra")),
    )
