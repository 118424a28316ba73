"""GenPRM conversations: one user turn per step, one verdict of the assistant per turn.

Each assistant turn ends in `\\boxed{Yes}` or `\\boxed{No}`: the step is right, or not. The first
user turn is the problem and the first step together. Source: Zhao et al. 2025 (GenPRM); the strings
of the protocol are those that the published checkpoints were trained on.

Where the problem ends and the first step begins is not marked in such a file. It is cut before
"Step 1:" where that stands at the head of a line, else at the first separator of the template.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from labeling.formats.base import (
    BuildContext,
    Defect,
    FieldDoc,
    FormatInfo,
    FormatOption,
    ParseContext,
    RowFormat,
)
from labeling.formats.fields import (
    FieldError,
    Row,
    as_object,
    show_value,
    take_list,
    take_optional_text,
    take_others,
    take_text,
    too_many,
)
from labeling.formats.selection import (
    AUTHOR,
    NEUTRAL,
    UNJUDGED,
    Judged,
    choose_label_set,
    judge_steps,
)
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

NAME = "genprm"
OTHER = f"{NAME}.other"
SYSTEM = f"{NAME}.system"
# On a set of labels: the whole text of each assistant turn.
CRITIQUES = f"{NAME}.critiques"

METHOD = "genprm"
# The system line of the published checkpoints.
SYSTEM_TEXT = (
    "You are a math teacher. Your task is to review and critique the paragraphs in solution "
    "step by step."
)

TEMPLATE = FormatOption(
    "template",
    "How problem and first step share the first turn: a line break between them (evaluation code "
    "of GenPRM), or 'Question: ' before the problem and a blank line after it (its read-me file).",
    ("newline", "question"),
)
PROBLEM = FormatOption(
    "problem",
    "Whether a row also has a field 'problem', by which problem and first step can be told apart "
    "for certain when the file is read again.",
    ("within", "beside"),
)

_KNOWN = frozenset({"conversations", "problem"})
_DECISION = re.compile(r"\\boxed\s*\{\s*(?:\\text\s*\{\s*)?(yes|no)\b", re.IGNORECASE)
_LABELS = {
    True: StepLabel(validity=Validity.CORRECT),
    False: StepLabel(validity=Validity.WRONG),
}


class _Template(NamedTuple):
    opening: str
    separator: str


_TEMPLATES = {"newline": _Template("", "\n"), "question": _Template("Question: ", "\n\n")}


class _Turn(NamedTuple):
    role: str
    content: str


def parse_row(row: Row, context: ParseContext) -> Iterator[Solution | Defect]:
    turns = _read_turns(take_list(row, "conversations"))
    system = turns.pop(0).content if turns and turns[0].role == "system" else None
    users, critiques = _split_roles(turns, offset=0 if system is None else 1)
    if len(users) > context.max_steps:
        raise too_many("conversations", len(users), context.max_steps)
    question, first = _cut_problem(
        users[0], take_optional_text(row, "problem"), _TEMPLATES[context.options["template"]]
    )
    labels: list[StepLabel | None] = []
    for index, critique in enumerate(critiques):
        decision = read_decision(critique)
        labels.append(None if decision is None else _LABELS[decision])
        if decision is None:
            yield Defect(
                f"conversations[{2 * index + (1 if system is None else 2)}].content",
                f"The verdict on step {index + 1} holds no \\boxed{{Yes}} or \\boxed{{No}} at its "
                "end: the step counts as not judged.",
            )
    labels += [None] * (len(users) - len(labels))
    others = take_others(row, _KNOWN)
    extra: dict[str, Any] = {}
    if system is not None and system != SYSTEM_TEXT:
        extra[SYSTEM] = system
    elif system is None:
        extra[SYSTEM] = None
    if others:
        extra[OTHER] = others
    yield Solution(
        problem=Problem(question),
        steps=tuple([Step(text) for text in (first, *users[1:])]),
        label_sets=(
            LabelSet(
                Author(context.options["author"]),
                tuple(labels),
                find_first_error(labels),
                method=METHOD,
                extra={CRITIQUES: critiques} if critiques else EMPTY,
            ),
        ),
        extra=extra or EMPTY,
    )


def _read_turns(items: list[Any]) -> list[_Turn]:
    turns = []
    for index, item in enumerate(items):
        field = f"conversations[{index}]"
        turn = as_object(item, field)
        turns.append(
            _Turn(
                take_text(turn, "role", at=f"{field}."), take_text(turn, "content", at=f"{field}.")
            )
        )
    return turns


def _split_roles(turns: list[_Turn], *, offset: int) -> tuple[list[str], list[str]]:
    """The user turns and the assistant turns, which alternate strictly, a user first."""
    for index, turn in enumerate(turns):
        expected = ("user", "assistant")[index % 2]
        if turn.role != expected:
            field = f"conversations[{index + offset}].role"
            raise FieldError(
                field,
                f"'{field}' should be {expected!r} (one user turn per step, one assistant turn "
                f"per verdict), but it is {show_value(turn.role)}.",
            )
    if not turns:
        raise FieldError("conversations", "'conversations' has no user turn, so no step.")
    return [turn.content for turn in turns[::2]], [turn.content for turn in turns[1::2]]


def _cut_problem(opening: str, known: str | None, template: _Template) -> tuple[str, str]:
    """The problem and the first step out of the first user turn."""
    text = opening.removeprefix(template.opening)
    if known is not None:
        if not known.strip() or not text.startswith(known):
            raise FieldError(
                "problem", "'problem' should be the beginning of the first user turn, and is not."
            )
        return known, text[len(known) :].removeprefix(template.separator)
    cut = text.find(f"{template.separator}Step 1:")
    if cut < 0:
        cut = text.find(template.separator)
    problem = text[: max(cut, 0)]
    if not problem.strip():
        raise FieldError(
            "conversations[0].content",
            "The problem cannot be told from the first step in the first user turn: the template "
            "chosen puts a separator between them.",
        )
    return problem, text[cut + len(template.separator) :]


def read_decision(critique: str) -> bool | None:
    """The verdict in the last part of the text: True for Yes, None where there is none.

    Only what follows the last `<output>` counts where there is one: an analysis may well quote
    `\\boxed{No}` on its way to the opposite.
    """
    tail = critique[critique.rfind("<output>") :] if "<output>" in critique else critique
    found = _DECISION.findall(tail)
    return found[-1].lower() == "yes" if found else None


def build_rows(solutions: Iterable[Solution], context: BuildContext) -> Iterator[Mapping[str, Any]]:
    options, log = context.options, context.log
    template = _TEMPLATES[options["template"]]
    for solution in solutions:
        label_set = choose_label_set(solution)
        if label_set is None or not solution.steps:
            log.skip(solution, "It has no labels." if solution.steps else "It has no steps.")
            continue
        judged = judge_steps(
            label_set.labels,
            len(solution.steps),
            neutral_is_good=options["neutral"] == "good",
        )
        if not judged.complete:
            if options["unjudged"] == "skip" or not judged.values:
                log.skip(solution, judged.reason)
                continue
            log.shorten(solution, judged.reason)
        row: dict[str, Any] = {"conversations": _build_turns(solution, label_set, judged, template)}
        if options["problem"] == "beside":
            row["problem"] = solution.problem.text
        yield {**row, **solution.extra.get(OTHER, EMPTY)}


def _build_turns(
    solution: Solution, label_set: LabelSet, judged: Judged, template: _Template
) -> list[dict[str, str]]:
    critiques = label_set.extra.get(CRITIQUES, ())
    system = solution.extra.get(SYSTEM, SYSTEM_TEXT)
    turns = [] if system is None else [{"role": "system", "content": system}]
    for position, value in enumerate(judged.values):
        text = solution.steps[position].text
        if position == 0:
            text = template.opening + solution.problem.text + template.separator + text
        critique = critiques[position] if position < len(critiques) else ""
        if read_decision(critique) is not value:
            # Nothing was written, or somebody overruled it: the critique no longer fits.
            critique = _write_critique(value, label_set.labels[position])
        turns.append({"role": "user", "content": text})
        turns.append({"role": "assistant", "content": critique})
    return turns


def _write_critique(value: bool, label: StepLabel | None) -> str:
    note = label.note.strip() if label is not None else ""
    analysis = f"<analyze>\n{note}\n</analyze>\n" if note else ""
    answer = "Yes" if value else "No"
    return f"{analysis}<output>\n**Judgement**: $\\boxed{{{answer}}}$\n</output>\n"


FORMAT = RowFormat(
    info=FormatInfo(
        name=NAME,
        title="GenPRM conversations",
        description="A chat per solution: a user turn per step, the verdict as \\boxed{Yes|No}.",
        suffixes=(".jsonl",),
        index_convention="No indices: turn k of the user is step k.",
        fields=(
            FieldDoc("conversations", "list of objects", "turns with role and content"),
            FieldDoc("problem", "text", "the problem alone (not upstream; by option)"),
        ),
        read_options=(AUTHOR, TEMPLATE),
        write_options=(NEUTRAL, UNJUDGED, TEMPLATE, PROBLEM),
    ),
    parse=parse_row,
    build=build_rows,
)
