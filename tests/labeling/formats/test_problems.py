"""Problems with answers, and graded model solutions."""

from __future__ import annotations

import pytest

from labeling.records import Problem, Solution, Step
from tests.labeling.formats.helpers import (
    Row,
    assert_round_trip,
    read_issue,
    read_solution,
    write_rows,
)

GSM: Row = {
    "question": "A pen costs $1.24 and a book $1.82. How much together?",
    "answer": "1.24 + 1.82 = <<1.24+1.82=3.06>>3.06\nTogether $3.06.\n#### 3.06",
}


def test_it_works() -> None:
    solution = read_solution("problems", GSM)
    assert solution.is_problem
    assert solution.problem == Problem(
        "A pen costs $1.24 and a book $1.82. How much together?",
        reference_answer="3.06",
        reference_solution="1.24 + 1.82 = <<1.24+1.82=3.06>>3.06\nTogether $3.06.",
    )


@pytest.mark.parametrize(
    ("answer", "solution", "final"),
    [
        ("worked\n#### 18", "worked", "18"),
        ("18", None, "18"),
        ("", None, ""),
        ("#### 18", "", "18"),
        ("a #### b\n#### 18", "a #### b", "18"),
        ("worked ####18 \n", "worked", "18"),
        ("worked\n\n####\n18\n", "worked", "18"),
        ("worked\n####", "worked", ""),
    ],
)
def test_answers_round_trip(answer: str, solution: str | None, final: str) -> None:
    (read,) = assert_round_trip("problems", {**GSM, "answer": answer})
    assert read.problem.reference_solution == solution
    assert read.problem.reference_answer == final


@pytest.mark.parametrize(
    "row",
    [
        {"problem": "P", "solution": "s #### s", "answer": "3"},
        {"problem": "P", "answer": "3"},
        {"problem": "P", "solution": "s", "answer": None},
        {"problem": "P", "solution": "s", "answer": "1", "level": 5, "unique_id": "test/1"},
        {"problem": "P", "answer": 204, "id": 60},
        {"question": "Q", "answer": 0.5},
    ],
)
def test_rows_with_the_parts_apart_round_trip(row: Row) -> None:
    assert_round_trip("problems", row)


def test_the_rows_own_id_is_the_problems() -> None:
    assert read_solution("problems", {**GSM, "id": 7}).problem.source_id == "7"
    assert read_solution("problems", {**GSM, "unique_id": "a/1"}).problem.source_id == "a/1"
    assert read_solution("problems", GSM).problem.source_id == ""


@pytest.mark.parametrize(
    ("row", "field", "said"),
    [
        ({"answer": "1"}, "question", "is missing"),
        ({"question": "Q"}, "answer", "is missing"),
        ({"question": " ", "answer": "1"}, "question", "is blank"),
        ({"question": 4, "answer": "1"}, "question", "should be a text"),
        ({"question": "Q", "answer": ["1"]}, "answer", "a text or a number"),
        ({"question": "Q", "answer": True}, "answer", "a text or a number"),
        ({"problem": "P", "solution": 3}, "solution", "should be a text or null"),
    ],
)
def test_a_wrong_value_is_explained(row: Row, field: str, said: str) -> None:
    issue = read_issue("problems", row)
    assert issue.field == field
    assert said in issue.message


def test_solutions_of_one_problem_share_its_row() -> None:
    problem = Problem("P", source_id="p1", reference_answer="3", reference_solution="1 + 2")
    solutions = [Solution(problem, (Step("a"),)), Solution(problem, (Step("b"),))]
    other = Solution(Problem("Q", reference_answer="4"), (Step("c"),))
    assert write_rows("problems", [*solutions, other]) == [
        {"question": "P", "answer": "1 + 2\n#### 3", "id": "p1"},
        {"question": "Q", "answer": "4"},
    ]
