"""Math-Shepherd: question and steps as one text, a tag after each step.

`input` ends each step with the tag `ки`; `label` is the same text with `+` or `-` in the place of
each tag. Source: Wang et al. 2024 (Math-Shepherd); the labels are hard Monte-Carlo estimates, so
they are a machine's.

The question may hold `ки` itself. Both texts are therefore walked side by side: only where `label`
has a sign instead of the tag does a step end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from labeling.formats.affixes import affix_after, affix_before, note_affixes, strip_around
from labeling.formats.base import BuildContext, FieldDoc, FormatInfo, ParseContext, RowFormat
from labeling.formats.fields import (
    FieldError,
    Row,
    take_optional_text,
    take_others,
    take_text,
    too_many,
)
from labeling.formats.selection import NEUTRAL, UNJUDGED, choose_label_set, judge_steps
from labeling.records import (
    EMPTY,
    Author,
    LabelSet,
    Problem,
    Solution,
    Step,
    StepLabel,
    Validity,
    find_first_error,
)

NAME = "math_shepherd"
TAG = "ки"
OTHER = f"{NAME}.other"
TASK = f"{NAME}.task"
TAIL = f"{NAME}.tail"
# On a step: its text has no "Step k:" of its own, or no tag follows it.
BARE = f"{NAME}.bare"
UNTAGGED = f"{NAME}.untagged"

METHOD = "math_shepherd"

_KNOWN = frozenset({"input", "label", "task"})
FIRST_STEP = "Step 1:"
ANSWER = "The answer is:"
_STEP = re.compile(r"Step \d+:")
_SIGNS = {
    "+": StepLabel(validity=Validity.CORRECT),
    "-": StepLabel(validity=Validity.WRONG),
}


class _Tagged(NamedTuple):
    """A stretch of text that ends at a tag, with the sign that `label` has there."""

    text: str
    sign: str


def parse_row(row: Row, context: ParseContext) -> list[Solution]:
    marked = take_text(row, "input")
    signed = take_text(row, "label")
    task = take_optional_text(row, "task")
    stretches, tail = _align(marked, signed)
    if len(stretches) > context.max_steps:
        raise too_many("input", len(stretches), context.max_steps)
    if not stretches:
        raise FieldError("input", "'input' holds no step that ends with the tag 'ки'.")

    question, first = _cut_question(stretches[0].text)
    steps: list[Step] = []
    labels: list[StepLabel | None] = []
    for text, sign in ((first, stretches[0].sign), *stretches[1:]):
        steps.append(_make_step(text, first=not steps, tagged=True))
        labels.append(_SIGNS[sign])
    extra: dict[str, Any] = {}
    if tail.strip():
        # The last step has no tag: nobody judged it.
        steps.append(_make_step(tail, first=False, tagged=False))
        labels.append(None)
    elif tail:
        extra[TAIL] = tail
    others = take_others(row, _KNOWN)
    if others:
        extra[OTHER] = others
    _, found, answer = steps[-1].text.rpartition(ANSWER)
    return [
        Solution(
            problem=Problem(question, extra=EMPTY if task is None else {TASK: task}),
            steps=tuple(steps),
            final_answer=answer.strip() if found else None,
            label_sets=(
                LabelSet(Author.MACHINE, tuple(labels), find_first_error(labels), method=METHOD),
            ),
            extra=extra or EMPTY,
        )
    ]


def _align(marked: str, signed: str) -> tuple[list[_Tagged], str]:
    """The stretches of `input` that end at a judged tag, and what follows the last of them."""
    stretches: list[_Tagged] = []
    start = at = 0  # in `input`: where the stretch began, where comparing stands
    there = 0  # in `label`
    while (tag := marked.find(TAG, at)) >= 0:
        _check_same(marked[at:tag], signed, there, at)
        there += tag - at
        at = tag + len(TAG)
        if signed.startswith(TAG, there):
            there += len(TAG)  # the two letters are part of the text here
        elif signed[there : there + 1] in ("+", "-"):
            stretches.append(_Tagged(marked[start:tag], signed[there]))
            there += 1
            start = at
        else:
            raise FieldError(
                "label",
                f"'label' has neither + nor - for tag {len(stretches) + 1} of 'input' "
                f"(character {there + 1}).",
            )
    _check_same(marked[at:], signed, there, at)
    if len(signed) - there != len(marked) - at:
        raise FieldError(
            "label", f"'label' goes on after the end of 'input' (character {there + 1})."
        )
    return stretches, marked[start:]


def _check_same(stretch: str, signed: str, there: int, at: int) -> None:
    if not signed.startswith(stretch, there):
        raise FieldError(
            "label",
            f"'label' should be the text of 'input' with signs for tags, but it differs in the "
            f"stretch that begins at character {at + 1}.",
        )


def _cut_question(opening: str) -> tuple[str, str]:
    """The question, and the first step with the white space before it."""
    # A question may speak of a "Step 1:" of its own: the last one begins the solution.
    cut = opening.rfind(FIRST_STEP)
    if cut < 0:
        raise FieldError(
            "input",
            "'input' has no 'Step 1:' before the first tag, so the question cannot be told from "
            "the first step.",
        )
    question = opening[:cut].rstrip()
    if not question:
        raise FieldError("input", "'input' has no question before 'Step 1:'.")
    return question, opening[len(question) :]


def _make_step(raw: str, *, first: bool, tagged: bool) -> Step:
    stripped = strip_around(raw)
    extra = note_affixes(
        stripped,
        format_name=NAME,
        before=" " if first else "\n",
        after=" " if tagged else "",
    )
    if not _STEP.match(stripped.text):
        extra[BARE] = True
    if not tagged:
        extra[UNTAGGED] = True
    return Step(stripped.text, extra=extra or EMPTY)


def build_rows(solutions: Iterable[Solution], context: BuildContext) -> Iterator[Mapping[str, Any]]:
    log = context.log
    neutral_is_good = context.options["neutral"] == "good"
    for solution in solutions:
        label_set = choose_label_set(solution)
        if label_set is None or not solution.steps:
            log.skip(solution, "It has no labels." if solution.steps else "It has no steps.")
            continue
        judged = judge_steps(label_set.labels, len(solution.steps), neutral_is_good=neutral_is_good)
        open_ended = (
            len(judged.values) == len(solution.steps) - 1
            and solution.steps[-1].extra.get(UNTAGGED) is True
        )
        if not judged.complete and not open_ended:
            if context.options["unjudged"] == "skip" or not judged.values:
                log.skip(solution, judged.reason)
                continue
            log.shorten(solution, judged.reason)
        count = len(solution.steps) if open_ended else len(judged.values)
        yield _build_row(solution, judged.values, solution.steps[:count])


def _build_row(
    solution: Solution, values: list[bool], steps: tuple[Step, ...]
) -> Mapping[str, Any]:
    marked = [solution.problem.text]
    signed = [solution.problem.text]
    for position, step in enumerate(steps):
        before = affix_before(step.extra, NAME, "\n" if position else " ")
        text = step.text
        # The reader tells the question from the steps by the first of these headings.
        headed = _STEP.match(text) if position else text.startswith(FIRST_STEP)
        if not step.extra.get(BARE) and not headed:
            text = f"Step {position + 1}: {text}"
        judged = position < len(values)
        after = affix_after(step.extra, NAME, " " if judged else "")
        marked += (before, text, after, TAG if judged else "")
        signed += (before, text, after, ("+" if values[position] else "-") if judged else "")
    tail = str(solution.extra.get(TAIL, "")) if len(steps) == len(solution.steps) else ""
    row: dict[str, Any] = {"input": "".join(marked) + tail, "label": "".join(signed) + tail}
    if TASK in solution.problem.extra:
        row["task"] = solution.problem.extra[TASK]
    return {**row, **solution.extra.get(OTHER, EMPTY)}


FORMAT = RowFormat(
    info=FormatInfo(
        name=NAME,
        title="Math-Shepherd",
        description="Question and steps as one text, with the tag ки (or a sign) after each step.",
        suffixes=(".jsonl",),
        index_convention="No indices: steps are numbered in the text, from Step 1.",
        fields=(
            FieldDoc("input", "text", "question, then each step followed by ки"),
            FieldDoc("label", "text", "the same with + or - in the place of ки"),
            FieldDoc("task", "text", "where the question is from: GSM8K or MATH"),
        ),
        write_options=(NEUTRAL, UNJUDGED),
    ),
    parse=parse_row,
    build=build_rows,
)
