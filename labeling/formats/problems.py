"""Problems with reference answers and no solution: GSM8K-like and MATH-like rows.

GSM8K: `question`, and `answer` = worked solution, then "#### " and the answer. MATH: `problem`,
`solution`, `answer`. Sources: Cobbe et al. 2021 (GSM8K), Hendrycks et al. 2021 (MATH).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from labeling.formats.base import BuildContext, FieldDoc, FormatInfo, ParseContext, RowFormat
from labeling.formats.fields import (
    FieldError,
    Row,
    is_number,
    take_optional_text,
    take_others,
    take_problem_text,
    wrong_type,
)
from labeling.records import EMPTY, Problem, Solution

NAME = "problems"
OTHER = f"{NAME}.other"
# "math" for rows with problem, solution and answer apart; absent for question and answer.
STYLE = f"{NAME}.style"
# Whether the answer was a bare number, and what stood between solution and answer if not "\n#### ".
NUMBER = f"{NAME}.answer_is_number"
SEPARATOR = f"{NAME}.separator"

MARK = "####"
DEFAULT_SEPARATOR = "\n#### "
ID_FIELDS = ("id", "unique_id")


def parse_row(row: Row, context: ParseContext) -> list[Solution]:
    math_style = "question" not in row and "problem" in row
    known = {"problem", "solution", "answer"} if math_style else {"question", "answer"}
    text = take_problem_text(row, "problem" if math_style else "question")
    extra: dict[str, Any] = {}
    answer = _read_answer(row, extra)
    solution: str | None
    if math_style:
        extra[STYLE] = "math"
        solution = take_optional_text(row, "solution")
    else:
        if answer is None:
            raise FieldError("answer", "'answer' is missing; it should be a text.")
        solution, answer = _cut_answer(answer, extra)
    others = take_others(row, known)
    if others:
        extra[OTHER] = others
    problem = Problem(
        text,
        source_id=_find_id(row),
        reference_answer=answer,
        reference_solution=solution,
        extra=extra or EMPTY,
    )
    return [Solution(problem=problem)]


def _read_answer(row: Row, extra: dict[str, Any]) -> str | None:
    value = row.get("answer")
    if is_number(value):
        extra[NUMBER] = True
        return str(value)
    if value is None or isinstance(value, str):
        return value
    raise wrong_type("answer", "a text or a number", value)


def _cut_answer(answer: str, extra: dict[str, Any]) -> tuple[str | None, str]:
    """The worked solution before the last "####" (None without one), and the answer after it."""
    worked, mark, final = answer.rpartition(MARK)
    if not mark:
        return None, answer
    solution, short = worked.rstrip(), final.strip()
    separator = answer[len(solution) : len(answer) - len(final.lstrip())]
    if separator != DEFAULT_SEPARATOR or final.lstrip() != short:
        # White space at either end that the writer would not put there.
        extra[SEPARATOR] = [separator, final.lstrip()[len(short) :]]
    return solution, short


def _find_id(row: Row) -> str:
    for name in ID_FIELDS:
        value = row.get(name)
        if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
            return str(value)
    return ""


def build_rows(solutions: Iterable[Solution], context: BuildContext) -> Iterator[Mapping[str, Any]]:
    """One row per problem: solutions of the same problem that follow each other share it."""
    previous: Problem | None = None
    for solution in solutions:
        if solution.steps and solution.problem == previous:
            continue
        previous = solution.problem
        yield _build_row(solution.problem)


def _build_row(problem: Problem) -> Mapping[str, Any]:
    extra = problem.extra
    row: dict[str, Any]
    if extra.get(STYLE) == "math":
        row = {"problem": problem.text}
        if problem.reference_solution is not None:
            row["solution"] = problem.reference_solution
        row["answer"] = _write_answer(problem.reference_answer, extra)
    else:
        row = {"question": problem.text, "answer": _join_answer(problem)}
    others = extra.get(OTHER, EMPTY)
    if problem.source_id and not any(name in others for name in ID_FIELDS):
        row["id"] = problem.source_id
    return {**row, **others}


def _join_answer(problem: Problem) -> object:
    if problem.reference_solution is None:
        return _write_answer(problem.reference_answer or "", problem.extra)
    separator, end = problem.extra.get(SEPARATOR, (DEFAULT_SEPARATOR, ""))
    return f"{problem.reference_solution}{separator}{problem.reference_answer or ''}{end}"


def _write_answer(answer: str | None, extra: Mapping[str, Any]) -> object:
    if answer is not None and extra.get(NUMBER):
        try:
            return int(answer)
        except ValueError:
            return float(answer)
    return answer


FORMAT = RowFormat(
    info=FormatInfo(
        name=NAME,
        title="Problems with answers",
        description="Questions with their answers (GSM8K, MATH), for models to solve.",
        suffixes=(".jsonl", ".json"),
        index_convention="No indices.",
        fields=(
            FieldDoc("question (or problem)", "text", "the problem"),
            FieldDoc("answer", "text", "worked solution, then #### and the answer; or the answer"),
            FieldDoc("solution", "text", "the worked solution, where it stands apart"),
            FieldDoc("id (or unique_id)", "text", "name of the problem"),
        ),
    ),
    parse=parse_row,
    build=build_rows,
)
