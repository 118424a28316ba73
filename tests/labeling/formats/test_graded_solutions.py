"""Graded model solutions: one row, one solution per model."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.formats import WriteLog
from labeling.records import Problem, ReadIssue, Solution, Step
from tests.labeling.formats.helpers import (
    Row,
    assert_round_trip,
    read_issue,
    read_rows,
    read_solution,
    read_solutions,
    write_rows,
)

ROW: Row = {
    "question": "Ben reads 3 pages a day for 5 days. How many pages?",
    "ground_truth": "3 * 5 = <<3*5=15>>15\nA: 15",
    "small": {"is_correct": False, "solution": "Ben reads 3 + 5 = 8 pages\nSo 8\nA: 8"},
    "large": {"is_correct": True, "solution": "3 * 5 = 15 pages\nA: 15"},
}


def solution_of(text: str, model: str = "small") -> Row:
    return {**ROW, model: {"is_correct": False, "solution": text}}


def test_it_works() -> None:
    small, large = read_solutions("graded_solutions", ROW)
    assert small.problem == large.problem
    assert small.problem.reference_answer == "15"
    assert small.problem.reference_solution == "3 * 5 = <<3*5=15>>15"
    assert [step.text for step in small.steps] == ["Ben reads 3 + 5 = 8 pages", "So 8"]
    assert (small.generator, small.final_answer, small.final_answer_correct) == (
        "small",
        "8",
        False,
    )
    assert (large.generator, large.final_answer, large.final_answer_correct) == (
        "large",
        "15",
        True,
    )


def test_round_trip() -> None:
    assert_round_trip("graded_solutions", ROW, {**ROW, "question": "Another?"})


@pytest.mark.parametrize(
    ("text", "steps", "answer"),
    [
        ("a\nb\nA: 8", ["a", "b"], "8"),
        ("a\nb\n#### 8", ["a", "b"], "8"),
        ("a\nb\n####8", ["a", "b"], "8"),
        ("a\nA: 1\nb", ["a", "A: 1", "b"], None),
        ("a\nb", ["a", "b"], None),
        ("A: 8", ["A: 8"], None),
        ("a\n\n\nb\n\nA: 8", ["a", "b"], "8"),
        ("\n\na\nA:", ["a"], ""),
        ("a\nb\n\n", ["a", "b"], None),
        ("  a\n \n b \nA: 8 ", ["  a", " b"], "8 "),
    ],
)
def test_texts_are_cut_and_joined_again(text: str, steps: list[str], answer: str | None) -> None:
    small, _ = assert_round_trip("graded_solutions", solution_of(text))
    assert [step.text for step in small.steps] == steps
    assert small.final_answer == answer


@settings(deadline=None)
@given(text=st.text("ab \n#A: 1", min_size=1, max_size=30).filter(str.strip))
def test_any_text_round_trips(text: str) -> None:
    assert_round_trip("graded_solutions", solution_of(text))


@pytest.mark.parametrize("truth", ["worked\nA: 1", "A: 1", "worked only", "\n#### 2", "", "x\n"])
def test_any_ground_truth_round_trips(truth: str) -> None:
    assert_round_trip("graded_solutions", {**ROW, "ground_truth": truth})


def test_a_row_without_ground_truth_round_trips() -> None:
    row = {name: value for name, value in ROW.items() if name != "ground_truth"}
    assert read_solutions("graded_solutions", row)[0].problem.reference_answer is None
    assert_round_trip("graded_solutions", row)


def test_unknown_fields_survive() -> None:
    row = {**ROW, "split": "test"}
    row["large"] = {**ROW["large"], "tokens": 17}
    solutions = read_solutions("graded_solutions", row)
    assert write_rows("graded_solutions", solutions) == [row]


@pytest.mark.parametrize(
    ("given_row", "field", "said"),
    [
        ({"is_correct": "no", "solution": "a"}, "small.is_correct", "true or false"),
        ({"solution": "a"}, "small.is_correct", "true or false, but it is null"),
        ({"is_correct": True}, "small.solution", "a text with steps, not null"),
        ({"is_correct": True, "solution": " \n"}, "small.solution", "a text with steps"),
        ({"is_correct": True, "solution": 8}, "small.solution", "not the number 8"),
    ],
)
def test_one_bad_solution_leaves_the_others(given_row: Row, field: str, said: str) -> None:
    issue, large = read_rows("graded_solutions", {**ROW, "small": given_row})
    assert isinstance(issue, ReadIssue)
    assert isinstance(large, Solution)
    assert (issue.field, issue.fatal) == (field, False)
    assert said in issue.message
    assert large.generator == "large"


@pytest.mark.parametrize(
    ("row", "field", "said"),
    [
        ({"question": "Q", "ground_truth": "A: 1"}, "", "no model's solution"),
        ({**ROW, "question": None}, "question", "should be a text"),
        ({**ROW, "ground_truth": 15}, "ground_truth", "a text or null"),
        ({"question": "Q", "m": {"is_correct": True}}, "m.solution", "a text with steps"),
    ],
)
def test_a_wrong_row_is_explained(row: Row, field: str, said: str) -> None:
    issue = read_issue("graded_solutions", row)
    assert issue.fatal
    assert issue.field == field
    assert said in issue.message


def test_ungraded_solutions_are_skipped() -> None:
    log = WriteLog()
    ungraded = Solution(Problem("p"), (Step("s"),))
    assert write_rows("graded_solutions", [ungraded, Solution(Problem("p"))], log=log) == []
    assert [skip.reason for skip in log.skips] == [
        "Nobody knows whether its final answer is right.",
        "It has no steps.",
    ]


def test_a_generator_that_comes_again_begins_a_new_row() -> None:
    one = read_solution("graded_solutions", {"question": "Q", "m": ROW["large"]})
    assert write_rows("graded_solutions", [one, one]) == [
        {"question": "Q", "m": ROW["large"]},
        {"question": "Q", "m": ROW["large"]},
    ]
