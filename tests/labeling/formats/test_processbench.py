"""ProcessBench: the first error counts from 0, and -1 says there is none."""

from __future__ import annotations

import pytest

from labeling.formats import WriteLog
from labeling.records import (
    At,
    Author,
    FirstError,
    LabelSet,
    NoError,
    Problem,
    Solution,
    Step,
    StepLabel,
    Unknown,
    Validity,
)
from tests.labeling.formats.helpers import (
    Row,
    assert_round_trip,
    read_issue,
    read_solution,
    without,
    write_bytes,
    write_rows,
)

ROW: Row = {
    "id": "own-0",
    "generator": "model-a",
    "problem": "What is 2 + 3 * 4?",
    "steps": ["3 * 4 = 12.", "2 + 12 = 15.", "The answer is 15."],
    "final_answer_correct": False,
    "label": 1,
}
CORRECT = StepLabel(validity=Validity.CORRECT)
WRONG = StepLabel(validity=Validity.WRONG)


def with_labels(first_error: FirstError, *labels: StepLabel | None) -> Solution:
    steps = tuple(Step("s") for _ in labels)
    return Solution(Problem("p"), steps, label_sets=(LabelSet(Author.HUMAN, labels, first_error),))


def test_it_works() -> None:
    solution = read_solution("processbench", ROW)
    assert solution.source_id == "own-0"
    assert solution.generator == "model-a"
    assert solution.final_answer_correct is False
    (label_set,) = solution.label_sets
    assert label_set.author is Author.HUMAN
    # Before the error correct, the error wrong, after it nobody looked.
    assert label_set.labels == (CORRECT, WRONG, None)
    assert label_set.first_error == At(1)


def test_minus_one_is_no_error() -> None:
    (label_set,) = read_solution("processbench", {**ROW, "label": -1}).label_sets
    assert label_set.labels == (CORRECT,) * 3
    assert label_set.first_error == NoError()


def test_zero_is_the_first_step() -> None:
    (label_set,) = read_solution("processbench", {**ROW, "label": 0}).label_sets
    assert label_set.labels == (WRONG, None, None)
    assert label_set.first_error == At(0)


def test_round_trip() -> None:
    rows = [
        ROW,
        {**ROW, "label": -1, "final_answer_correct": True},
        {**ROW, "label": 2, "final_answer_correct": None},
        {**ROW, "extra": [1]},
    ]
    assert_round_trip("processbench", *rows)


def test_an_array_is_written() -> None:
    data = write_bytes("processbench", [read_solution("processbench", ROW)] * 2)
    assert data.startswith(b"[\n{")
    assert data.endswith(b"}\n]\n")
    assert data.count(b'"id":"own-0"') == 2


@pytest.mark.parametrize("name", ["problem", "steps", "label"])
def test_a_missing_field_is_named(name: str) -> None:
    assert read_issue("processbench", without(ROW, name)).field == name


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("label", 3, "'label' is 3; with 3 steps it is -1 (no error) or 0 to 2."),
        ("label", -2, "'label' is -2; with 3 steps"),
        ("label", True, "should be a whole number, but it is true."),
        ("label", 1.5, "should be a whole number, but it is the number 1.5."),
        ("label", "1", "should be a whole number, but it is the text '1'."),
        ("final_answer_correct", 1, "should be true, false or null, but it is the number 1."),
        ("steps", [], "is empty: the solution has no steps."),
        ("id", 7, "should be a text, but it is the number 7."),
        ("problem", "", "is blank"),
    ],
)
def test_a_wrong_value_is_explained(name: str, value: object, said: str) -> None:
    issue = read_issue("processbench", {**ROW, name: value})
    assert issue.field == name
    assert said in issue.message


def test_the_first_error_is_written_as_it_was_said() -> None:
    said = with_labels(At(1), CORRECT, WRONG, WRONG)
    none = with_labels(NoError(), CORRECT, CORRECT)
    assert [row["label"] for row in write_rows("processbench", [said, none])] == [1, -1]


def test_an_unsaid_first_error_is_told_by_the_labels() -> None:
    found = with_labels(Unknown("not given"), CORRECT, WRONG, None)
    clean = with_labels(Unknown("not given"), CORRECT, CORRECT)
    assert [row["label"] for row in write_rows("processbench", [found, clean])] == [1, -1]


def test_an_unknown_first_error_is_never_minus_one() -> None:
    log = WriteLog()
    solutions = [
        with_labels(Unknown("x"), CORRECT, None, WRONG),
        with_labels(Unknown("x"), CORRECT, None),
        with_labels(At(5), CORRECT),
    ]
    assert write_rows("processbench", solutions, log=log) == []
    assert [skip.reason for skip in log.skips] == [
        "The first error is not known: step 2 was not judged.",
        "The first error is not known: step 2 was not judged.",
        "The first error is said to be at step 6, past the end.",
    ]


def test_a_solution_without_an_id_gets_its_number() -> None:
    rows = write_rows("processbench", [with_labels(At(0), WRONG)] * 2)
    assert [row["id"] for row in rows] == ["row-0", "row-1"]
