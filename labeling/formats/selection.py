"""Choosing what a training file says about each step: one set of labels, one number per step.

Most formats hold one judgement per step and know no "not judged". Which set of labels speaks, what
becomes of neutral steps and of steps that nobody judged are choices, made here for all writers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from labeling.formats.base import FormatOption
from labeling.records import (
    At,
    Author,
    FirstError,
    LabelSet,
    NoError,
    Solution,
    StepLabel,
    derive_binary,
    find_first_error,
)

AUTHOR = FormatOption(
    "author",
    "Who made the labels of the file. Labels of a machine become suggestions, never annotations.",
    ("machine", "human"),
)
NEUTRAL = FormatOption(
    "neutral",
    "What a neutral (0) or redundant step becomes where only good and bad exist. TRL's own "
    "conversion of PRM800K says bad, OpenR's says good.",
    ("good", "bad"),
)
UNJUDGED = FormatOption(
    "unjudged",
    "What becomes of a solution with steps that nobody judged: written up to the first such step, "
    "or not at all.",
    ("truncate", "skip"),
)


def choose_label_set(solution: Solution) -> LabelSet | None:
    """The set of labels that a file of one judgement per step shows: a person's before a machine's.

    Of several by the same kind of author the first, so that the caller decides by order.
    """
    for label_set in solution.label_sets:
        if label_set.author is Author.HUMAN:
            return label_set
    return solution.label_sets[0] if solution.label_sets else None


def judge_step(label: StepLabel | None, *, neutral_is_good: bool) -> bool | None:
    """Good, bad, or None where nobody judged the step or the reviewer was unsure of it."""
    if label is None or (label.unsure and label.validity is None and label.rating is None):
        return None
    return derive_binary(label, neutral_is_good=neutral_is_good)


class Judged(NamedTuple):
    """The judgements to write, one per step from the first on, and what was left out."""

    values: list[bool]
    reason: str = ""

    @property
    def complete(self) -> bool:
        return not self.reason


def judge_steps(
    labels: Sequence[StepLabel | None], n_steps: int, *, neutral_is_good: bool
) -> Judged:
    """Good or bad for each step up to the first that was not judged."""
    values: list[bool] = []
    for position in range(n_steps):
        label = labels[position] if position < len(labels) else None
        judgement = judge_step(label, neutral_is_good=neutral_is_good)
        if judgement is None:
            return Judged(values, f"Step {position + 1} of {n_steps} was not judged.")
        values.append(judgement)
    return Judged(values)


def state_first_error(label_set: LabelSet) -> FirstError:
    """The first error as it was said, or as the labels tell where nothing was said."""
    if isinstance(label_set.first_error, At | NoError):
        return label_set.first_error
    return find_first_error(label_set.labels)
