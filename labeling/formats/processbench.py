"""ProcessBench: problem, steps and the index of the first wrong one.

`label` counts from 0; -1 says that no step is wrong. Steps before the first error were found
correct, steps after it were not judged. Source: Zheng et al. 2024 (ProcessBench).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from labeling.formats.base import BuildContext, FieldDoc, FormatInfo, ParseContext, RowFormat
from labeling.formats.fields import (
    FieldError,
    Row,
    take_int,
    take_optional_bool,
    take_others,
    take_problem_text,
    take_steps,
    take_text,
)
from labeling.formats.selection import choose_label_set, state_first_error
from labeling.records import (
    EMPTY,
    At,
    Author,
    FirstError,
    LabelSet,
    NoError,
    Problem,
    Solution,
    Step,
    StepLabel,
    Validity,
)

OTHER = "processbench.other"
NO_ERROR = -1

_KNOWN = frozenset({"id", "generator", "problem", "steps", "final_answer_correct", "label"})
_CORRECT = StepLabel(validity=Validity.CORRECT)
_WRONG = StepLabel(validity=Validity.WRONG)


def parse_row(row: Row, context: ParseContext) -> list[Solution]:
    source_id = take_text(row, "id", "")
    texts = take_steps(row, "steps", limit=context.max_steps)
    label = take_int(row, "label")
    if not NO_ERROR <= label < len(texts):
        raise FieldError(
            "label",
            f"'label' is {label}; with {len(texts)} steps it is -1 (no error) or 0 to "
            f"{len(texts) - 1}.",
        )
    labels: tuple[StepLabel | None, ...]
    first_error: FirstError
    if label == NO_ERROR:
        labels, first_error = (_CORRECT,) * len(texts), NoError()
    else:
        unjudged = len(texts) - label - 1
        labels = (*((_CORRECT,) * label), _WRONG, *((None,) * unjudged))
        first_error = At(label)
    others = take_others(row, _KNOWN)
    return [
        Solution(
            problem=Problem(take_problem_text(row, "problem")),
            steps=tuple([Step(text) for text in texts]),
            source_id=source_id,
            generator=take_text(row, "generator", ""),
            final_answer_correct=take_optional_bool(row, "final_answer_correct"),
            label_sets=(LabelSet(Author.HUMAN, labels, first_error),),
            extra={OTHER: others} if others else EMPTY,
        )
    ]


def build_rows(solutions: Iterable[Solution], context: BuildContext) -> Iterator[Mapping[str, Any]]:
    log = context.log
    for solution in solutions:
        label_set = choose_label_set(solution)
        if label_set is None or not solution.steps:
            log.skip(solution, "It has no labels." if solution.steps else "It has no steps.")
            continue
        first_error = state_first_error(label_set)
        if isinstance(first_error, At):
            label = first_error.position
        elif isinstance(first_error, NoError):
            label = NO_ERROR
        else:
            log.skip(solution, f"The first error is not known: {first_error.reason}.")
            continue
        if label >= len(solution.steps):
            log.skip(solution, f"The first error is said to be at step {label + 1}, past the end.")
            continue
        yield {
            "id": solution.source_id or f"row-{log.solutions - 1}",
            "generator": solution.generator,
            "problem": solution.problem.text,
            "steps": [step.text for step in solution.steps],
            "final_answer_correct": solution.final_answer_correct,
            "label": label,
            **solution.extra.get(OTHER, EMPTY),
        }


FORMAT = RowFormat(
    info=FormatInfo(
        name="processbench",
        title="ProcessBench",
        description="Problem, steps and the index of the first wrong step, as found by people.",
        suffixes=(".json", ".jsonl"),
        index_convention="label counts from 0; -1 says that no step is wrong.",
        fields=(
            FieldDoc("id", "text", "name of the row, such as gsm8k-0"),
            FieldDoc("generator", "text", "the model that wrote the solution"),
            FieldDoc("problem", "text", "the problem"),
            FieldDoc("steps", "list of texts", "the steps"),
            FieldDoc("final_answer_correct", "true, false or null", "whether the answer is right"),
            FieldDoc("label", "whole number", "the first wrong step from 0, or -1"),
        ),
    ),
    parse=parse_row,
    build=build_rows,
    writes_array=True,
)
