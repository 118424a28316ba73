"""The workbench's own format: every record whole, one JSON object a line, with a version.

A line is a Solution. Fields that have their default are left out, so that lines stay short; fields
keep the names of `labeling.records`. `schema` says which version of this layout a line has: a
reader refuses a version that it does not know instead of guessing.

JSON has no infinite numbers: a score of that kind is written as the text "inf", "-inf" or "nan".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from typing import Any

from labeling.content import pack_first_error
from labeling.formats.base import BuildContext, FieldDoc, FormatInfo, RowFormat
from labeling.formats.native_reading import SCHEMA, parse_row
from labeling.records import (
    Alternative,
    ContentKind,
    Injection,
    LabelSet,
    Problem,
    Score,
    Solution,
    Step,
    StepLabel,
    Verdict,
)


def build_rows(solutions: Iterable[Solution], context: BuildContext) -> Iterator[Mapping[str, Any]]:
    for solution in solutions:
        yield pack_solution(solution)


def pack_solution(solution: Solution) -> dict[str, Any]:
    """The record as JSON data with its schema version."""
    packed: dict[str, Any] = {"schema": SCHEMA, "problem": _pack_problem(solution.problem)}
    if solution.source_id:
        packed["source_id"] = solution.source_id
    if solution.generator:
        packed["generator"] = solution.generator
    if solution.steps:
        packed["steps"] = [_pack_step(step) for step in solution.steps]
    if solution.final_answer is not None:
        packed["final_answer"] = solution.final_answer
    if solution.final_answer_correct is not None:
        packed["final_answer_correct"] = solution.final_answer_correct
    if solution.label_sets:
        packed["label_sets"] = [_pack_label_set(labels) for labels in solution.label_sets]
    if solution.injection is not None:
        packed["injection"] = _pack_injection(solution.injection)
    if solution.extra:
        packed["extra"] = solution.extra
    return packed


def _pack_problem(problem: Problem) -> dict[str, Any]:
    packed: dict[str, Any] = {"text": problem.text}
    for name in ("source_id", "family", "domain"):
        value = getattr(problem, name)
        if value:
            packed[name] = value
    for name in ("reference_answer", "reference_solution"):
        value = getattr(problem, name)
        if value is not None:
            packed[name] = value
    if problem.language != "en":
        packed["language"] = problem.language
    if problem.extra:
        packed["extra"] = problem.extra
    return packed


def _pack_step(step: Step) -> dict[str, Any]:
    packed: dict[str, Any] = {"text": step.text}
    if step.kind is not ContentKind.TEXT:
        packed["kind"] = str(step.kind)
    if step.alternatives:
        packed["alternatives"] = [_pack_alternative(item) for item in step.alternatives]
    if step.extra:
        packed["extra"] = step.extra
    return packed


def _pack_alternative(alternative: Alternative) -> dict[str, Any]:
    packed: dict[str, Any] = {"text": alternative.text}
    if alternative.label is not None:
        packed["label"] = pack_step_label(alternative.label)
    if alternative.source:
        packed["source"] = alternative.source
    if alternative.extra:
        packed["extra"] = alternative.extra
    return packed


def _pack_label_set(label_set: LabelSet) -> dict[str, Any]:
    # The same judgement stands many times in a set: packed once, written as often.
    packed_once: dict[int, dict[str, Any]] = {}
    labels: list[dict[str, Any] | None] = []
    for label in label_set.labels:
        if label is None:
            labels.append(None)
            continue
        known = packed_once.get(id(label))
        if known is None:
            known = packed_once[id(label)] = pack_step_label(label)
        labels.append(known)
    packed: dict[str, Any] = {
        "author": str(label_set.author),
        "labels": labels,
        "first_error": pack_first_error(label_set.first_error),
    }
    for name in ("rater", "method", "created_at", "outcome"):
        value = getattr(label_set, name)
        if value:
            packed[name] = value
    if label_set.total_ms is not None:
        packed["total_ms"] = label_set.total_ms
    if label_set.extra:
        packed["extra"] = label_set.extra
    return packed


def pack_step_label(label: StepLabel) -> dict[str, Any]:
    """What the label says; an empty object where it says nothing (which is not "no label")."""
    packed: dict[str, Any] = {}
    # Spelled out instead of a loop over names: exports write millions of these. The members of
    # the enumerations are texts, which orjson writes by their value.
    if label.validity is not None:
        packed["validity"] = label.validity.value
    if label.contribution is not None:
        packed["contribution"] = label.contribution.value
    if label.origin is not None:
        packed["origin"] = label.origin.value
    if label.error_types:
        packed["error_types"] = label.error_types
    if label.unsure:
        packed["unsure"] = True
    if label.note:
        packed["note"] = label.note
    if label.rating is not None:
        packed["rating"] = label.rating
    if label.score is not None:
        packed["score"] = _pack_score(label.score)
    if label.redundancy is not None:
        packed["redundancy"] = _pack_score(label.redundancy)
    if label.severity:
        packed["severity"] = label.severity
    if label.confidence:
        packed["confidence"] = label.confidence
    return packed


def _pack_score(score: Score) -> dict[str, Any]:
    packed: dict[str, Any] = {
        "raw": score.raw if isfinite(score.raw) else str(score.raw),
        "scale": score.scale,
    }
    if score.rule:
        packed["rule"] = score.rule
    return packed


def _pack_injection(injection: Injection) -> dict[str, Any]:
    packed: dict[str, Any] = {
        "error_type": injection.error_type,
        "original_problem": injection.original_problem,
        "original_steps": injection.original_steps,
        "claimed_error_positions": injection.claimed_error_positions,
        "claimed_changed_positions": injection.claimed_changed_positions,
    }
    if injection.reason:
        packed["reason"] = injection.reason
    if injection.verdicts:
        packed["verdicts"] = [_pack_verdict(verdict) for verdict in injection.verdicts]
    if injection.extra:
        packed["extra"] = injection.extra
    return packed


def _pack_verdict(verdict: Verdict) -> dict[str, Any]:
    packed: dict[str, Any] = {"value": verdict.value}
    if verdict.rater:
        packed["rater"] = verdict.rater
    if verdict.answers:
        packed["answers"] = verdict.answers
    if verdict.note:
        packed["note"] = verdict.note
    return packed


FORMAT = RowFormat(
    info=FormatInfo(
        name="native",
        title="PRM Workbench",
        description="Everything there is about each solution, without loss; with a version.",
        suffixes=(".jsonl",),
        index_convention="Positions count from 0.",
        fields=(
            FieldDoc("schema", "text", "name and version of this layout"),
            FieldDoc("problem", "object", "text, answers, family, domain, language"),
            FieldDoc("steps", "list of objects", "text, kind, alternatives"),
            FieldDoc(
                "label_sets", "list of objects", "author, labels (null: not judged), first_error"
            ),
            FieldDoc("injection", "object", "original, claim, verdicts"),
            FieldDoc("extra", "object", "what another format needs to write its row again"),
        ),
    ),
    parse=parse_row,
    build=build_rows,
)
