"""Graded model solutions: a problem and what several models answered, each marked right or wrong.

One row is `question`, `ground_truth` and one object per model with `solution` and `is_correct`
(GSM8K's example_model_solutions). It becomes one solution per model; the model is its generator.
The last line "A: 18" (or "#### 18") is the final answer, the lines before it are the steps.
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
    ParseContext,
    RowFormat,
)
from labeling.formats.fields import (
    FieldError,
    Row,
    show_value,
    take_optional_text,
    take_others,
    take_problem_text,
)
from labeling.records import EMPTY, Problem, Solution, Step

NAME = "graded_solutions"
# On a problem: fields of the row that are no model.
OTHER = f"{NAME}.other"
# On a problem or a solution: what stands between the worked text and the final answer if it is not
# "\nA: ", or after the worked text where there is no answer.
ANSWER_MARK = f"{NAME}.answer_mark"
# On a solution: fields beside solution and is_correct. On a step: what stood before it if not "\n".
MORE = f"{NAME}.more"
BEFORE = f"{NAME}.before"

DEFAULT_MARK = "\nA: "
_KNOWN_GRADED = frozenset({"is_correct", "solution"})
_ANSWER_LINE = re.compile(r"(?:A:|####) ?")


def parse_row(row: Row, context: ParseContext) -> list[Solution | Defect]:
    question = take_problem_text(row, "question")
    truth = take_optional_text(row, "ground_truth")
    graded = {
        name: value
        for name, value in row.items()
        if isinstance(value, dict) and ("solution" in value or "is_correct" in value)
    }
    if not graded:
        raise FieldError(
            "",
            "The row has no model's solution: no field holds an object with 'solution' and "
            "'is_correct'.",
        )
    extra: dict[str, Any] = {}
    others = take_others(row, {"question", "ground_truth", *graded})
    if others:
        extra[OTHER] = others
    worked = None if truth is None else _cut_answer(truth)
    if worked is not None and worked.mark != worked.usual_mark:
        extra[ANSWER_MARK] = worked.mark
    problem = Problem(
        question,
        reference_answer=worked.answer if worked else None,
        reference_solution=worked.text if worked else None,
        extra=extra or EMPTY,
    )
    parsed = [
        _parse_solution(problem, model, given, context.max_steps) for model, given in graded.items()
    ]
    if isinstance(parsed[0], Defect) and all(isinstance(item, Defect) for item in parsed):
        # Nothing of the row can be loaded, so the defect is that of the row.
        raise FieldError(parsed[0].field, parsed[0].message)
    return parsed


def _parse_solution(problem: Problem, model: str, given: Row, max_steps: int) -> Solution | Defect:
    """One model's solution, or what is wrong with it; the others of the row load all the same."""
    text, correct = given.get("solution"), given.get("is_correct")
    if not isinstance(text, str) or not text.strip():
        field = f"{model}.solution"
        return Defect(field, f"{field!r} should be a text with steps, not {show_value(text)}.")
    if not isinstance(correct, bool):
        field = f"{model}.is_correct"
        return Defect(field, f"{field!r} should be true or false, but it is {show_value(correct)}.")
    worked = _cut_answer(text)
    if not worked.text:
        # Nothing but the answer: it is the only step.
        worked = _Worked(text.rstrip(), text[len(text.rstrip()) :], None)
    lines = worked.text.split("\n")
    if len(lines) > max_steps:
        field = f"{model}.solution"
        return Defect(field, f"{field!r} has {len(lines):,} lines; at most {max_steps:,} are read.")
    extra: dict[str, Any] = {}
    if worked.mark != worked.usual_mark:
        extra[ANSWER_MARK] = worked.mark
    more = take_others(given, _KNOWN_GRADED)
    if more:
        extra[MORE] = more
    return Solution(
        problem=problem,
        steps=_make_steps(lines),
        generator=model,
        final_answer=worked.answer,
        final_answer_correct=correct,
        extra=extra or EMPTY,
    )


class _Worked(NamedTuple):
    """A worked text, the final answer (None without a marked one) and what stands between them."""

    text: str
    mark: str
    answer: str | None

    @property
    def usual_mark(self) -> str:
        return _usual_mark(self.answer)


def _usual_mark(answer: str | None) -> str:
    return "" if answer is None else DEFAULT_MARK


def _cut_answer(text: str) -> _Worked:
    """The text cut before the mark of its last line, if that line is a marked answer."""
    start = text.rfind("\n") + 1
    found = _ANSWER_LINE.match(text, start)
    worked = text[:start].rstrip() if found else text.rstrip()
    if not found:
        return _Worked(worked, text[len(worked) :], None)
    return _Worked(worked, text[len(worked) : found.end()], text[found.end() :])


def _make_steps(lines: list[str]) -> tuple[Step, ...]:
    """A step per line that is not blank; blank lines are kept as what stands before a step."""
    steps: list[Step] = []
    before = ""
    for index, line in enumerate(lines):
        separator = "\n" if index else ""
        if not line.strip():
            before += separator + line
            continue
        usual = "\n" if steps else ""
        before += separator
        steps.append(Step(line, extra=EMPTY if before == usual else {BEFORE: before}))
        before = ""
    return tuple(steps)


def build_rows(solutions: Iterable[Solution], context: BuildContext) -> Iterator[Mapping[str, Any]]:
    """One row per run of solutions of the same problem; a generator that comes again begins anew.

    Solutions of one problem must follow each other: only one problem is held in memory.
    """
    log = context.log
    problem: Problem | None = None
    graded: dict[str, Any] = {}
    for solution in solutions:
        if not solution.steps:
            log.skip(solution, "It has no steps.")
            continue
        if solution.final_answer_correct is None:
            log.skip(solution, "Nobody knows whether its final answer is right.")
            continue
        name = solution.generator or "solution"
        if problem is not None and (solution.problem != problem or name in graded):
            yield _build_row(problem, graded)
            graded = {}
        problem = solution.problem
        graded[name] = {
            "is_correct": solution.final_answer_correct,
            "solution": _join_solution(solution),
            **solution.extra.get(MORE, EMPTY),
        }
    if problem is not None:
        yield _build_row(problem, graded)


def _build_row(problem: Problem, graded: Mapping[str, Any]) -> Mapping[str, Any]:
    row: dict[str, Any] = {"question": problem.text}
    truth = _join_truth(problem)
    if truth is not None:
        row["ground_truth"] = truth
    return {**row, **graded, **problem.extra.get(OTHER, EMPTY)}


def _join_truth(problem: Problem) -> str | None:
    worked, answer = problem.reference_solution, problem.reference_answer
    if worked is None and answer is None:
        return None
    return _join_answer(worked or "", answer, problem.extra)


def _join_solution(solution: Solution) -> str:
    pieces: list[str] = []
    for index, step in enumerate(solution.steps):
        pieces += (step.extra.get(BEFORE, "\n" if index else ""), step.text)
    return _join_answer("".join(pieces), solution.final_answer, solution.extra)


def _join_answer(worked: str, answer: str | None, extra: Mapping[str, Any]) -> str:
    mark = str(extra.get(ANSWER_MARK, _usual_mark(answer)))
    return f"{worked}{mark}{answer or ''}"


FORMAT = RowFormat(
    info=FormatInfo(
        name=NAME,
        title="Graded model solutions",
        description="Several models' solutions to a problem, each marked right or wrong (GSM8K).",
        suffixes=(".jsonl",),
        index_convention="No indices: steps are lines.",
        fields=(
            FieldDoc("question", "text", "the problem"),
            FieldDoc("ground_truth", "text", "worked solution and answer"),
            FieldDoc("<model>", "object", "one per model"),
            FieldDoc("<model>.solution", "text", "steps by line; the answer after A:"),
            FieldDoc("<model>.is_correct", "true or false", "whether the final answer is right"),
        ),
    ),
    parse=parse_row,
    build=build_rows,
)
