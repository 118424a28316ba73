"""PRMBench: a correct solution, a modified one, and the claim which steps are wrong in it.

The record of the workbench is the *modified* question and process; the original ones and the claim
are the injection. Indices in the file count from 1; they are stored from 0 as given, also where
they point past the end, stand twice or out of order: people repair them, an importer does not.
Source: Song et al. 2025 (PRMBench); the spelling of the classes is its join key.

`idx` repeats across classes. The repository's files have it bare, the published example carries the
class before it (`circular_prm_test_p1_0`): both are read, bare is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from labeling.formats.base import BuildContext, FieldDoc, FormatInfo, ParseContext, RowFormat
from labeling.formats.fields import (
    Row,
    take_ints,
    take_optional_text,
    take_others,
    take_problem_text,
    take_steps,
    take_text,
    take_texts,
)
from labeling.records import EMPTY, Injection, Problem, Solution, Step, Verdict

CLASSES = (
    "redundency",
    "circular",
    "counterfactual",
    "step_contradiction",
    "domain_inconsistency",
    "confidence",
    "missing_condition",
    "deception",
    "multi_solutions",
)
# The class of multi_solutions rows before people accepted them.
UNVERIFIED_MULTI = "one_question_multi_answers"
MULTI = (CLASSES[-1], UNVERIFIED_MULTI)
# `correct_` names the control rows that an evaluation makes of original processes.
_PREFIXES = (*CLASSES, UNVERIFIED_MULTI, "correct")

QUESTION = "prmbench.question"
PREFIX = "prmbench.idx_prefix"
RESPONSE = "prmbench.original_response"
# A row of another class than multi_solutions that has a ground truth all the same.
ANSWERED = "prmbench.ground_truth"
OTHER = "prmbench.other"

_KNOWN = frozenset(
    {
        "original_question",
        "modified_question",
        "original_process",
        "modified_process",
        "modified_steps",
        "error_steps",
        "reason",
        "ground_truth",
        "idx",
        "question",
        "classification",
        "original_response",
    }
)


def parse_row(row: Row, context: ParseContext) -> list[Solution]:
    return [parse_injection(row, max_steps=context.max_steps)]


def parse_injection(
    row: Row, *, max_steps: int, at: str = "", verdicts: tuple[Verdict, ...] = ()
) -> Solution:
    """A PRMBench row as a solution with its injection; `at` goes before field names in messages."""
    question = take_problem_text(row, "modified_question", at=at)
    original_question = take_text(row, "original_question", at=at)
    original = take_texts(row, "original_process", at=at, limit=max_steps)
    modified = take_steps(row, "modified_process", at=at, limit=max_steps)
    changed = take_ints(row, "modified_steps", at=at, limit=max_steps)
    wrong = take_ints(row, "error_steps", at=at, limit=max_steps)
    classification = take_text(row, "classification", at=at)
    prefix, idx = _cut_prefix(take_text(row, "idx", at=at), classification)

    raw_question = take_optional_text(row, "question", at=at)
    answer = take_optional_text(row, "ground_truth", at=at)
    noted: dict[str, Any] = {
        PREFIX: prefix,
        # Kept only where it tells more than the original question does.
        QUESTION: raw_question if raw_question != original_question else None,
        RESPONSE: take_optional_text(row, "original_response", at=at),
        ANSWERED: answer is not None and classification not in MULTI,
        OTHER: take_others(row, _KNOWN),
    }
    extra = {name: value for name, value in noted.items() if value}
    return Solution(
        problem=Problem(
            question,
            source_id=idx,
            reference_answer=answer,
            family=idx,
        ),
        steps=tuple([Step(text) for text in modified]),
        source_id=f"{classification}_{idx}",
        injection=Injection(
            error_type=classification,
            original_problem=original_question,
            original_steps=tuple(original),
            claimed_error_positions=tuple([index - 1 for index in wrong]),
            claimed_changed_positions=tuple([index - 1 for index in changed]),
            reason=take_text(row, "reason", "", at=at),
            verdicts=verdicts,
        ),
        extra=extra or EMPTY,
    )


def _cut_prefix(idx: str, classification: str) -> tuple[str, str]:
    """The class that `idx` carries before it (or nothing), and `idx` without it."""
    for prefix in (classification, *_PREFIXES):
        bare = idx.removeprefix(f"{prefix}_")
        if prefix and bare and bare != idx:
            return prefix, bare
    return "", idx


def build_rows(solutions: Iterable[Solution], context: BuildContext) -> Iterator[Mapping[str, Any]]:
    log = context.log
    for solution in solutions:
        if solution.injection is None:
            log.skip(solution, "It has no injection, so there is no original beside it.")
        elif not solution.steps:
            log.skip(solution, "It has no steps.")
        else:
            yield build_injection(name_problem(solution, log.solutions - 1), solution.injection)


def name_problem(solution: Solution, ordinal: int) -> Solution:
    """The solution with an id for its problem: its own, its family, the solution's or a number."""
    problem = solution.problem
    if problem.source_id:
        return solution
    # A name that begins with a class would lose it when the row is read again.
    error_type = solution.injection.error_type if solution.injection else ""
    own = _cut_prefix(solution.source_id, error_type)[1]
    name = problem.family or own or f"row-{ordinal}"
    return replace(solution, problem=replace(problem, source_id=name))


def build_injection(solution: Solution, injection: Injection) -> dict[str, Any]:
    """The row in the field order of the upstream files, indices from 1, `idx` without a prefix."""
    problem, extra = solution.problem, solution.extra
    row: dict[str, Any] = {
        "original_question": injection.original_problem,
        "modified_question": problem.text,
        "original_process": list(injection.original_steps),
        "modified_process": [step.text for step in solution.steps],
        "modified_steps": [position + 1 for position in injection.claimed_changed_positions],
        "error_steps": [position + 1 for position in injection.claimed_error_positions],
        "reason": injection.reason,
    }
    several = injection.error_type in MULTI
    if (several or ANSWERED in extra) and problem.reference_answer is not None:
        row["ground_truth"] = problem.reference_answer
    row["idx"] = problem.source_id
    row["question"] = extra.get(QUESTION, injection.original_problem)
    row["classification"] = injection.error_type
    if several or RESPONSE in extra:
        row["original_response"] = extra.get(RESPONSE, "")
    row.update(extra.get(OTHER, EMPTY))
    return row


FIELDS = (
    FieldDoc("original_question", "text", "the problem as the injecting model copied it"),
    FieldDoc("modified_question", "text", "the problem that the modified process answers"),
    FieldDoc("original_process", "list of texts", "the correct solution"),
    FieldDoc("modified_process", "list of texts", "the steps under question"),
    FieldDoc("modified_steps", "list of whole numbers", "steps changed or inserted, from 1"),
    FieldDoc("error_steps", "list of whole numbers", "steps claimed to be wrong, from 1"),
    FieldDoc("reason", "text", "why, in the words of the injecting model"),
    FieldDoc("idx", "text", "the source problem; repeats across classes"),
    FieldDoc("question", "text", "the problem as its source has it"),
    FieldDoc("classification", "text", "the class of the error"),
    FieldDoc("ground_truth", "text", "the answer (multi_solutions only)"),
    FieldDoc("original_response", "text", "the raw model output (multi_solutions only)"),
)

FORMAT = RowFormat(
    info=FormatInfo(
        name="prmbench",
        title="PRMBench",
        description="A modified solution beside the correct one, with the claimed error steps.",
        suffixes=(".jsonl",),
        index_convention="modified_steps and error_steps count from 1.",
        fields=FIELDS,
    ),
    parse=parse_row,
    build=build_rows,
)
