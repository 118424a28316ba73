"""PRMBench's pilot: injections of eleven kinds, laid out for annotators who never answered.

`custom` holds the record; `hallucination_steps` and `modified_steps` count from 1,
`hallucination_types` are numbers of the pilot's own list. A record may have several kinds: the
first is the error type, all of them stay in `extra`. Source: Song et al. 2025, annotation tasks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from labeling.formats.base import BuildContext, FieldDoc, FormatInfo, ParseContext, RowFormat
from labeling.formats.fields import (
    Row,
    as_object,
    take_ints,
    take_object,
    take_others,
    take_problem_text,
    take_steps,
    take_text,
    take_texts,
    wrong_type,
)
from labeling.formats.messages import forget_texts, make_messages, number_steps, restore_texts
from labeling.records import EMPTY, Injection, Problem, Solution, Step

NAME = "prmbench_pilot"
TYPES = f"{NAME}.types"
INDEX_IS_NUMBER = f"{NAME}.idx_is_number"
CONVERSATION = f"{NAME}.conversation"
OTHER = f"{NAME}.other"
CUSTOM = f"{NAME}.custom"

TYPE_PREFIX = "pilot_"
# The pilot's kinds in a word each; `pilot_4` is the error type of a record whose first kind is 4.
KINDS = {
    1: "redundant",
    2: "deceptive",
    3: "against common knowledge",
    4: "contradicts an earlier step",
    5: "information lost",
    6: "circular",
    7: "false assumption",
    8: "broken chain of reasoning",
    9: "other domain or context",
    10: "overconfident",
    11: "harmful",
}

_KNOWN = frozenset({"conversation", "custom"})
_KNOWN_CUSTOM = frozenset(
    {
        "origin_process",
        "modified_process",
        "modified_steps",
        "hallucination_steps",
        "hallucination_types",
        "reason",
        "idx",
        "question",
    }
)


def parse_row(row: Row, context: ParseContext) -> list[Solution]:
    limit = context.max_steps
    custom = as_object(take_object(row, "custom"), "custom")
    types = take_ints(custom, "hallucination_types", at="custom.", limit=limit)
    idx = custom.get("idx")
    if isinstance(idx, bool) or not isinstance(idx, int | str):
        raise wrong_type("custom.idx", "a whole number or a text", idx)
    changed = take_ints(custom, "modified_steps", at="custom.", limit=limit)
    wrong = take_ints(custom, "hallucination_steps", at="custom.", limit=limit)
    injection = Injection(
        error_type=_name_type(types),
        original_problem=take_problem_text(custom, "question", at="custom."),
        original_steps=tuple(take_texts(custom, "origin_process", at="custom.", limit=limit)),
        claimed_error_positions=tuple([index - 1 for index in wrong]),
        claimed_changed_positions=tuple([index - 1 for index in changed]),
        reason=take_text(custom, "reason", "", at="custom."),
        extra={TYPES: types},
    )
    steps = take_steps(custom, "modified_process", at="custom.", limit=limit)
    extra: dict[str, Any] = {OTHER: take_others(row, _KNOWN)}
    if isinstance(idx, int):
        extra[INDEX_IS_NUMBER] = True
    if "conversation" in row:
        texts = _texts(injection.original_problem, injection, types, steps)
        extra[CONVERSATION] = forget_texts(row["conversation"], "conversation", texts)
    more = take_others(custom, _KNOWN_CUSTOM)
    if more:
        extra[CUSTOM] = more
    return [
        Solution(
            problem=Problem(injection.original_problem, source_id=str(idx), family=str(idx)),
            steps=tuple([Step(text) for text in steps]),
            source_id=str(idx),
            injection=injection,
            extra=extra,
        )
    ]


def _texts(
    question: str, injection: Injection, types: Sequence[int], steps: Sequence[str]
) -> list[str]:
    """What the tool showed: question, claim, original and modified process."""
    claim = (
        ("Modified Steps", [position + 1 for position in injection.claimed_changed_positions]),
        ("Hallucination Steps", [position + 1 for position in injection.claimed_error_positions]),
        ("Hallucination Types", list(types)),
        ("Reason", injection.reason),
    )
    return [
        question,
        "\n\n".join(f"## {title} \n\n{value}" for title, value in claim),
        number_steps("Origin Process", injection.original_steps),
        number_steps("Modified Process", steps),
    ]


def build_rows(solutions: Iterable[Solution], context: BuildContext) -> Iterator[Mapping[str, Any]]:
    log = context.log
    for solution in solutions:
        injection = solution.injection
        if injection is None or not solution.steps:
            log.skip(solution, "It has no steps." if injection else "It has no injection.")
            continue
        types = _name_types(injection)
        if types is None:
            log.skip(
                solution,
                f"Its error type {injection.error_type!r} is none of the pilot's kinds "
                f"({TYPE_PREFIX}1 to {TYPE_PREFIX}{len(KINDS)}).",
            )
            continue
        yield _build_row(solution, injection, types, log.solutions - 1)


def _name_types(injection: Injection) -> list[int] | None:
    """The numbers of the kinds, the error type first; None where it is no kind of the pilot."""
    kept = list(injection.extra.get(TYPES, ()))
    if injection.error_type == _name_type(kept):
        return kept
    for number in KINDS:
        if injection.error_type == _name_type([number]):
            return [number, *(other for other in kept if other != number)]
    return None


def _name_type(types: Sequence[int]) -> str:
    """The error type of a record with these kinds: its first one."""
    return f"{TYPE_PREFIX}{types[0]}" if types else ""


def _build_row(
    solution: Solution, injection: Injection, types: list[int], ordinal: int
) -> Mapping[str, Any]:
    extra = solution.extra
    question = solution.problem.text
    steps = [step.text for step in solution.steps]
    texts = _texts(question, injection, types, steps)
    idx: str | int = solution.problem.source_id or solution.source_id or str(ordinal)
    if extra.get(INDEX_IS_NUMBER) and str(idx).lstrip("-").isdecimal():
        idx = int(idx)
    row: dict[str, Any] = dict(extra.get(OTHER, EMPTY))
    if CONVERSATION in extra:
        row["conversation"] = restore_texts(extra[CONVERSATION], texts)
    elif OTHER not in extra:
        # Not from such a file: laid out as the tool shows it.
        row["conversation"] = make_messages(texts)
    return {
        **row,
        "custom": {
            "origin_process": list(injection.original_steps),
            "modified_process": steps,
            "modified_steps": [index + 1 for index in injection.claimed_changed_positions],
            "hallucination_steps": [index + 1 for index in injection.claimed_error_positions],
            "hallucination_types": types,
            "reason": injection.reason,
            "idx": idx,
            "question": question,
            **extra.get(CUSTOM, EMPTY),
        },
    }


FORMAT = RowFormat(
    info=FormatInfo(
        name=NAME,
        title="PRMBench pilot",
        description="The pilot's injections of eleven kinds, waiting for annotators.",
        suffixes=(".jsonl",),
        index_convention="modified_steps and hallucination_steps count from 1.",
        fields=(
            FieldDoc("prompt", "text", "the task as the annotators read it"),
            FieldDoc("conversation", "list of objects", "the four messages that were shown"),
            FieldDoc("custom.question", "text", "the problem"),
            FieldDoc("custom.origin_process", "list of texts", "the correct solution"),
            FieldDoc("custom.modified_process", "list of texts", "the steps under question"),
            FieldDoc("custom.modified_steps", "list of whole numbers", "changed steps, from 1"),
            FieldDoc("custom.hallucination_steps", "list of whole numbers", "wrong ones, from 1"),
            FieldDoc("custom.hallucination_types", "list of whole numbers", "kinds, 1 to 11"),
        ),
    ),
    parse=parse_row,
    build=build_rows,
)
