"""TRL stepwise supervision: `prompt`, `completions` (the steps) and `labels` (one per step).

Source: the dataset formats of huggingface/trl. Labels are booleans, or numbers for soft labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from math import isfinite
from typing import Any

from labeling.formats.base import (
    BuildContext,
    FieldDoc,
    FormatInfo,
    FormatOption,
    ParseContext,
    RowFormat,
)
from labeling.formats.fields import (
    FieldError,
    Row,
    is_number,
    show_value,
    take_list,
    take_others,
    take_problem_text,
    take_steps,
)
from labeling.formats.selection import (
    AUTHOR,
    NEUTRAL,
    UNJUDGED,
    choose_label_set,
    judge_step,
)
from labeling.records import (
    EMPTY,
    Author,
    FirstError,
    LabelSet,
    Problem,
    Score,
    Solution,
    Step,
    StepLabel,
    Unknown,
    Validity,
    find_first_error,
)

OTHER = "trl.other"
# How the hard labels of a row were spelled: absent for true/false, "int" for 1/0.
SPELLING = "trl.labels"

LABELS = FormatOption(
    "labels",
    "hard: true or false. soft: the raw number where there is one. as_given: soft for a solution "
    "of which every label is a bare number, else hard.",
    ("as_given", "hard", "soft"),
)
ALTERNATIVES = FormatOption(
    "alternatives",
    "branches: each labelled alternative of a step becomes a row of its own, the steps before it "
    "and then the alternative (TRL's conversion of PRM800K).",
    ("drop", "branches"),
)

ReadLabel = Callable[[StepLabel | None], bool | float | None]

_KNOWN = frozenset({"prompt", "completions", "labels"})
# Records never change, so that all steps with the same hard label can share one.
_HARD = {
    True: StepLabel(validity=Validity.CORRECT),
    False: StepLabel(validity=Validity.WRONG),
}


def parse_row(row: Row, context: ParseContext) -> list[Solution]:
    prompt = take_problem_text(row, "prompt")
    texts = take_steps(row, "completions", limit=context.max_steps)
    values = take_list(row, "labels")
    if len(values) != len(texts):
        raise FieldError(
            "labels",
            f"'labels' has {len(values)} entries for {len(texts)} completions; "
            "there should be one for each.",
        )
    extra: dict[str, Any] = {}
    labels: tuple[StepLabel, ...]
    first_error: FirstError
    if all(value is True or value is False for value in values):
        labels = tuple([_HARD[value] for value in values])
        first_error = find_first_error(labels)
    elif all(value.__class__ is int and value in (0, 1) for value in values):
        labels = tuple([_HARD[value == 1] for value in values])
        first_error = find_first_error(labels)
        extra[SPELLING] = "int"
    else:
        labels = tuple([_soft_label(value, index) for index, value in enumerate(values)])
        first_error = Unknown("the labels are numbers without a threshold")
    others = take_others(row, _KNOWN)
    if others:
        extra[OTHER] = others
    author = Author(context.options["author"])
    return [
        Solution(
            problem=Problem(prompt),
            steps=tuple([Step(text) for text in texts]),
            label_sets=(LabelSet(author, labels, first_error),),
            extra=extra or EMPTY,
        )
    ]


def _soft_label(value: object, index: int) -> StepLabel:
    if isinstance(value, int | float) and is_number(value):
        return StepLabel(score=Score(float(value), "label"))
    raise FieldError(
        f"labels[{index}]",
        f"'labels[{index}]' is {show_value(value)}; the labels of a row are all true or false, "
        "or all numbers.",
    )


def build_rows(solutions: Iterable[Solution], context: BuildContext) -> Iterator[Mapping[str, Any]]:
    options, log = context.options, context.log
    neutral_is_good = options["neutral"] == "good"
    for solution in solutions:
        label_set = choose_label_set(solution)
        if label_set is None or not solution.steps:
            log.skip(solution, "It has no labels." if solution.steps else "It has no steps.")
            continue
        soft = _are_soft(label_set.labels, options["labels"])
        as_int = solution.extra.get(SPELLING) == "int" and not soft
        read = partial(_read_label, soft=soft, as_int=as_int, neutral_is_good=neutral_is_good)
        values, reason = _read_labels(label_set.labels, len(solution.steps), read)
        if reason and (options["unjudged"] == "skip" or not values):
            log.skip(solution, reason)
        else:
            if reason:
                log.shorten(solution, reason)
            texts = [step.text for step in solution.steps[: len(values)]]
            yield {
                "prompt": solution.problem.text,
                "completions": texts,
                "labels": values,
                **solution.extra.get(OTHER, EMPTY),
            }
        if options["alternatives"] == "branches":
            yield from _branches(solution, values, read)


def _are_soft(labels: Sequence[StepLabel | None], choice: str) -> bool:
    if choice != "as_given":
        return choice == "soft"
    judged = [label for label in labels if label is not None]
    return bool(judged) and all(
        label.score is not None and label.validity is None and label.rating is None
        for label in judged
    )


def _read_label(
    label: StepLabel | None, *, soft: bool, as_int: bool, neutral_is_good: bool
) -> bool | float | None:
    """What stands in `labels` for this step, or None where nothing can be said of it.

    Among soft labels a step that has a judgement only is 1.0 or 0.0.
    """
    if soft and label is not None and label.score is not None and isfinite(label.score.raw):
        return label.score.raw
    judgement = judge_step(label, neutral_is_good=neutral_is_good)
    if judgement is None:
        return None
    return float(judgement) if soft else int(judgement) if as_int else judgement


def _read_labels(
    labels: Sequence[StepLabel | None], n_steps: int, read: ReadLabel
) -> tuple[list[bool | float], str]:
    """The values up to the first step without one, and why they end there."""
    values: list[bool | float] = []
    for position in range(n_steps):
        value = read(labels[position] if position < len(labels) else None)
        if value is None:
            return values, f"Step {position + 1} of {n_steps} was not judged."
        values.append(value)
    return values, ""


def _branches(
    solution: Solution, values: list[bool | float], read: ReadLabel
) -> Iterator[Mapping[str, Any]]:
    """One row per labelled alternative whose steps before it were all judged."""
    texts = [step.text for step in solution.steps]
    for position, step in enumerate(solution.steps[: len(values) + 1]):
        for alternative in step.alternatives:
            value = read(alternative.label)
            if value is not None:
                yield {
                    "prompt": solution.problem.text,
                    "completions": [*texts[:position], alternative.text],
                    "labels": [*values[:position], value],
                }


FORMAT = RowFormat(
    info=FormatInfo(
        name="trl",
        title="TRL stepwise supervision",
        description="Prompt, steps and one label per step, as PRM trainers read them.",
        suffixes=(".jsonl",),
        index_convention="No indices: labels stand in the order of the steps.",
        fields=(
            FieldDoc("prompt", "text", "the problem"),
            FieldDoc("completions", "list of texts", "the steps"),
            FieldDoc("labels", "list of true/false or numbers", "one per step"),
        ),
        read_options=(AUTHOR,),
        write_options=(LABELS, NEUTRAL, UNJUDGED, ALTERNATIVES),
    ),
    parse=parse_row,
    build=build_rows,
)
