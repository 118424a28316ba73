"""TRL stepwise supervision."""

from __future__ import annotations

import pytest

from labeling.formats import WriteLog
from labeling.records import (
    Alternative,
    At,
    Author,
    Contribution,
    LabelSet,
    NoError,
    Problem,
    Score,
    Solution,
    Step,
    StepLabel,
    Unknown,
    Validity,
    label_from_rating,
)
from tests.labeling.formats.helpers import (
    Row,
    assert_round_trip,
    read_issue,
    read_solution,
    without,
    write_rows,
)

ROW: Row = {
    "prompt": "Ana has 3 boxes of 4 pens. How many pens?",
    "completions": ["There are 3 boxes.", "3 * 4 = 13.", "So 13 pens."],
    "labels": [True, False, False],
}
CORRECT = StepLabel(validity=Validity.CORRECT)
WRONG = StepLabel(validity=Validity.WRONG)


def labelled(*labels: StepLabel | None, author: Author = Author.HUMAN) -> Solution:
    steps = tuple(Step(f"s{position}") for position in range(len(labels)))
    return Solution(Problem("p"), steps, label_sets=(LabelSet(author, labels),))


def test_it_works() -> None:
    solution = read_solution("trl", ROW)
    assert solution.problem.text == "Ana has 3 boxes of 4 pens. How many pens?"
    assert [step.text for step in solution.steps] == ROW["completions"]
    (label_set,) = solution.label_sets
    assert label_set.author is Author.MACHINE
    assert label_set.labels == (CORRECT, WRONG, WRONG)
    assert label_set.first_error == At(1)


def test_round_trip() -> None:
    assert_round_trip("trl", ROW, {**ROW, "labels": [True, True, True]})


def test_no_wrong_step_is_no_error() -> None:
    row = {**ROW, "labels": [True] * 3}
    assert read_solution("trl", row).label_sets[0].first_error == NoError()


def test_labels_can_be_a_persons() -> None:
    assert read_solution("trl", ROW, author="human").label_sets[0].author is Author.HUMAN


def test_numbers_are_raw_scores_without_a_threshold() -> None:
    row = {**ROW, "labels": [0.9, 0.25, 0]}
    (solution,) = assert_round_trip("trl", {**row, "labels": [0.9, 0.25, 0.0]})
    assert read_solution("trl", row) == solution
    (label_set,) = solution.label_sets
    assert label_set.labels == tuple(
        StepLabel(score=Score(raw, "label")) for raw in (0.9, 0.25, 0.0)
    )
    assert isinstance(label_set.first_error, Unknown)


def test_ones_and_zeros_are_hard_labels_and_stay_numbers() -> None:
    (solution,) = assert_round_trip("trl", {**ROW, "labels": [1, 0, 0]})
    assert solution.label_sets[0].labels == (CORRECT, WRONG, WRONG)


def test_unknown_fields_survive() -> None:
    assert_round_trip("trl", {**ROW, "source": {"id": [1, None]}, "split": "train"})


def test_a_blank_step_loads() -> None:
    assert read_solution("trl", {**ROW, "completions": ["a", " ", ""]}).steps[2].text == ""


@pytest.mark.parametrize("name", ["prompt", "completions", "labels"])
def test_a_missing_field_is_named(name: str) -> None:
    issue = read_issue("trl", without(ROW, name))
    assert issue.field == name
    assert issue.message.startswith(f"{name!r} is missing; it should be a ")


@pytest.mark.parametrize(
    ("name", "value", "field", "said"),
    [
        ("prompt", 3, "prompt", "should be a text, but it is the number 3."),
        ("prompt", None, "prompt", "should be a text, but it is null."),
        ("prompt", [{"role": "user"}], "prompt", "should be a text, but it is a list of 1."),
        ("prompt", " \n", "prompt", "is blank, so there is no problem to solve."),
        ("completions", "s1", "completions", "should be a list, but it is the text 's1'."),
        ("completions", [], "completions", "is empty: the solution has no steps."),
        (
            "completions",
            ["a", 2, "c"],
            "completions[1]",
            "should be a text, but it is the number 2",
        ),
        ("labels", {}, "labels", "should be a list, but it is an object."),
        ("labels", [True], "labels", "has 1 entries for 3 completions"),
        ("labels", [True, None, True], "labels[0]", "are all true or false, or all numbers"),
        ("labels", [0.5, True, 0.5], "labels[1]", "'labels[1]' is true;"),
        ("labels", ["+", "-", "-"], "labels[0]", "'labels[0]' is the text '+';"),
    ],
)
def test_a_wrong_value_is_explained(name: str, value: object, field: str, said: str) -> None:
    issue = read_issue("trl", {**ROW, name: value})
    assert issue.line == 1
    assert issue.field == field
    assert said in issue.message


def test_neutral_steps_are_good_unless_the_writer_is_told_otherwise() -> None:
    solution = labelled(label_from_rating(1), label_from_rating(0), label_from_rating(-1))
    assert write_rows("trl", [solution])[0]["labels"] == [True, True, False]
    assert write_rows("trl", [solution], neutral="bad")[0]["labels"] == [True, False, False]


def test_a_redundant_step_counts_as_neutral() -> None:
    solution = labelled(StepLabel(Validity.CORRECT, Contribution.REDUNDANT))
    assert write_rows("trl", [solution], neutral="bad")[0]["labels"] == [False]


def test_unjudged_steps_cut_the_solution_or_skip_it() -> None:
    solution = labelled(CORRECT, WRONG, None, CORRECT)
    log = WriteLog()
    (row,) = write_rows("trl", [solution], log=log)
    assert row == {"prompt": "p", "completions": ["s0", "s1"], "labels": [True, False]}
    assert (log.shortened, log.skipped) == (1, 0)
    assert log.skips[0].reason == "Step 3 of 4 was not judged."

    log = WriteLog()
    assert write_rows("trl", [solution], log=log, unjudged="skip") == []
    assert (log.shortened, log.skipped) == (0, 1)


def test_a_solution_whose_first_step_was_not_judged_is_skipped() -> None:
    log = WriteLog()
    assert write_rows("trl", [labelled(None, WRONG)], log=log) == []
    assert log.skips[0].reason == "Step 1 of 2 was not judged."


def test_an_unsure_step_without_a_word_is_not_judged() -> None:
    assert write_rows("trl", [labelled(CORRECT, StepLabel(unsure=True))])[0]["labels"] == [True]


def test_a_persons_labels_go_before_a_machines() -> None:
    machine = LabelSet(Author.MACHINE, (WRONG,))
    human = LabelSet(Author.HUMAN, (CORRECT,))
    solution = Solution(Problem("p"), (Step("s"),), label_sets=(machine, human))
    assert write_rows("trl", [solution])[0]["labels"] == [True]


def test_soft_labels_by_choice() -> None:
    scored = StepLabel(validity=Validity.CORRECT, score=Score(0.75, "probability"))
    solution = labelled(scored, WRONG)
    assert write_rows("trl", [solution])[0]["labels"] == [True, False]
    assert write_rows("trl", [solution], labels="soft")[0]["labels"] == [0.75, 0.0]


def test_a_bare_number_is_no_hard_label() -> None:
    bare = StepLabel(score=Score(0.75, "probability"))
    assert write_rows("trl", [labelled(bare)], labels="as_given")[0]["labels"] == [0.75]
    assert write_rows("trl", [labelled(bare)], labels="hard") == []


def test_an_infinite_score_is_no_soft_label() -> None:
    bare = StepLabel(score=Score(0.75, "logit"))
    endless = StepLabel(score=Score(float("-inf"), "logit"))
    assert write_rows("trl", [labelled(bare, endless)])[0]["labels"] == [0.75]


def test_alternatives_become_branches_by_choice() -> None:
    # Position 1 was chosen among three; the unlabelled one says nothing.
    alternatives = (
        Alternative("b1", WRONG),
        Alternative("b2", CORRECT),
        Alternative("b3"),
    )
    solution = Solution(
        Problem("p"),
        (Step("a"), Step("b", alternatives=alternatives), Step("c")),
        label_sets=(LabelSet(Author.HUMAN, (CORRECT, CORRECT, CORRECT)),),
    )
    assert len(write_rows("trl", [solution])) == 1
    rows = write_rows("trl", [solution], alternatives="branches")
    assert [(row["completions"], row["labels"]) for row in rows] == [
        (["a", "b", "c"], [True, True, True]),
        (["a", "b1"], [True, False]),
        (["a", "b2"], [True, True]),
    ]


def test_branches_of_soft_rows_are_soft() -> None:
    scored = StepLabel(score=Score(0.5, "mc_estimate"))
    solution = Solution(
        Problem("p"),
        (Step("a", alternatives=(Alternative("a1", WRONG),)),),
        label_sets=(LabelSet(Author.MACHINE, (scored,)),),
    )
    rows = write_rows("trl", [solution], alternatives="branches")
    assert [row["labels"] for row in rows] == [[0.5], [0.0]]


def test_branches_past_an_unjudged_step_are_left_out() -> None:
    solution = Solution(
        Problem("p"),
        (Step("a"), Step("b"), Step("c", alternatives=(Alternative("c1", WRONG),))),
        label_sets=(LabelSet(Author.HUMAN, (CORRECT, None, CORRECT)),),
    )
    rows = write_rows("trl", [solution], alternatives="branches")
    assert [row["completions"] for row in rows] == [["a"]]
