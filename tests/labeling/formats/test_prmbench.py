"""PRMBench: claims counted from 1, stored from 0 as they were given."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labeling.formats import WriteLog
from labeling.records import Injection, Problem, Solution, Step
from tests.labeling.formats.helpers import (
    Row,
    assert_round_trip,
    read_issue,
    read_solution,
    read_solutions,
    without,
    write_rows,
)

ROW: Row = {
    "original_question": "A rope of 12 m is cut into 4 equal parts. How long is one?",
    "modified_question": "A rope of 12 m is cut into 4 equal parts. How long is a part?",
    "original_process": ["12 / 4 = 3.", "One part is 3 m."],
    "modified_process": ["12 / 4 = 3.", "Ropes stretch by half.", "One part is 4.5 m."],
    "modified_steps": [2, 3],
    "error_steps": [2, 3],
    "reason": "Steps 2 and 3 assume a stretching that nobody mentioned.",
    "idx": "prm_test_p1_900",
    "question": "A rope of $12$ m is cut into $4$ equal parts. How long is one?",
    "classification": "counterfactual",
}
MULTI: Row = {
    "original_question": "Double 21.",
    "modified_question": "Double 21.",
    "original_process": ["2 * 21 = 42."],
    "modified_process": ["Step 1. 21 + 21 = 42."],
    "modified_steps": [],
    "error_steps": [],
    "reason": "",
    "ground_truth": "42",
    "idx": "prm_train_p1_901",
    "question": "Double $21$.",
    "classification": "multi_solutions",
    "original_response": "Step 1. 21 + 21 = 42.\n",
}


def injection_of(solution: Solution) -> Injection:
    assert solution.injection is not None
    return solution.injection


def test_it_works() -> None:
    solution = read_solution("prmbench", ROW)
    assert solution.problem == Problem(
        "A rope of 12 m is cut into 4 equal parts. How long is a part?",
        source_id="prm_test_p1_900",
        family="prm_test_p1_900",
    )
    assert [step.text for step in solution.steps] == ROW["modified_process"]
    assert solution.source_id == "counterfactual_prm_test_p1_900"
    # A claim is not a label: nobody has judged a step yet.
    assert solution.label_sets == ()
    assert solution.injection == Injection(
        error_type="counterfactual",
        original_problem="A rope of 12 m is cut into 4 equal parts. How long is one?",
        original_steps=("12 / 4 = 3.", "One part is 3 m."),
        claimed_error_positions=(1, 2),
        claimed_changed_positions=(1, 2),
        reason="Steps 2 and 3 assume a stretching that nobody mentioned.",
    )
    assert solution.extra == {"prmbench.question": ROW["question"]}


def test_round_trip_in_the_field_order_of_the_files() -> None:
    injected, multi = assert_round_trip("prmbench", ROW, MULTI)
    assert multi.problem.reference_answer == "42"
    assert injected.problem.reference_answer is None


@pytest.mark.parametrize(
    ("steps", "positions"),
    [
        ([9], (8,)),
        ([3, 1, 3], (2, 0, 2)),
        ([0, -1], (-1, -2)),
        ([], ()),
    ],
)
def test_claims_are_kept_as_given(steps: list[int], positions: tuple[int, ...]) -> None:
    """Past the end, out of order, twice, below one, empty: for people to repair."""
    row = {**ROW, "error_steps": steps, "modified_steps": steps[::-1]}
    (solution,) = assert_round_trip("prmbench", row)
    assert injection_of(solution).claimed_error_positions == positions
    assert injection_of(solution).claimed_changed_positions == positions[::-1]


@pytest.mark.parametrize("prefix", ["counterfactual", "circular", "correct"])
def test_a_prefixed_idx_is_stripped_remembered_and_written_bare(prefix: str) -> None:
    row = {**ROW, "idx": f"{prefix}_prm_test_p1_900"}
    solution = read_solution("prmbench", row)
    assert solution.problem.source_id == "prm_test_p1_900"
    assert solution.problem.family == "prm_test_p1_900"
    assert solution.extra["prmbench.idx_prefix"] == prefix
    assert write_rows("prmbench", [solution]) == [ROW]


def test_an_idx_of_a_class_of_its_own_is_stripped_too() -> None:
    row = {**ROW, "classification": "unit_error", "idx": "unit_error_7"}
    assert read_solution("prmbench", row).problem.source_id == "7"


def test_an_idx_that_is_nothing_but_a_prefix_stays() -> None:
    assert read_solution("prmbench", {**ROW, "idx": "circular_"}).problem.source_id == "circular_"


def test_the_same_idx_in_two_classes_is_two_solutions_of_one_family() -> None:
    one, other = read_solutions("prmbench", ROW, {**ROW, "classification": "deception"})
    assert one.problem.family == other.problem.family
    assert one.source_id != other.source_id


def test_a_question_equal_to_the_original_is_not_kept_twice() -> None:
    same = {**ROW, "question": ROW["original_question"]}
    (solution,) = assert_round_trip("prmbench", same)
    assert solution.extra == {}
    assert read_solution("prmbench", without(ROW, "question")) == solution


def test_a_ground_truth_in_another_class_survives() -> None:
    row = {**MULTI, "classification": "deception"}
    assert_round_trip("prmbench", row)


def test_unknown_fields_survive() -> None:
    assert_round_trip("prmbench", {**ROW, "model": "m", "cost": 0.5})


def test_a_missing_reason_is_an_empty_one() -> None:
    assert injection_of(read_solution("prmbench", without(ROW, "reason"))).reason == ""


@pytest.mark.parametrize(
    "name",
    [
        "original_question",
        "modified_question",
        "original_process",
        "modified_process",
        "modified_steps",
        "error_steps",
        "idx",
        "classification",
    ],
)
def test_a_missing_field_is_named(name: str) -> None:
    issue = read_issue("prmbench", without(ROW, name))
    assert issue.field == name
    assert "is missing" in issue.message


@pytest.mark.parametrize(
    ("name", "value", "field", "said"),
    [
        ("error_steps", [True], "error_steps[0]", "should be a whole number, but it is true."),
        ("error_steps", [2, "3"], "error_steps[1]", "a whole number, but it is the text '3'."),
        ("error_steps", [2.0], "error_steps[0]", "a whole number, but it is the number 2.0."),
        ("error_steps", "2", "error_steps", "should be a list, but it is the text '2'."),
        ("modified_steps", None, "modified_steps", "should be a list, but it is null."),
        ("modified_process", [], "modified_process", "is empty: the solution has no steps."),
        ("modified_process", ["a", {}], "modified_process[1]", "a text, but it is an object."),
        ("idx", 12, "idx", "should be a text, but it is the number 12."),
        ("modified_question", "", "modified_question", "is blank"),
    ],
)
def test_a_wrong_value_is_explained(name: str, value: object, field: str, said: str) -> None:
    issue = read_issue("prmbench", {**ROW, name: value})
    assert issue.field == field
    assert said in issue.message


def test_a_solution_without_an_injection_is_skipped() -> None:
    log = WriteLog()
    assert write_rows("prmbench", [Solution(Problem("p"), (Step("s"),))], log=log) == []
    assert log.skips[0].reason == "It has no injection, so there is no original beside it."


def test_a_record_made_here_is_written_whole() -> None:
    solution = Solution(
        Problem("p", family="fam"),
        (Step("a"), Step("b")),
        injection=Injection("deception", "p0", ("a",), (1,), (1,), "why"),
    )
    assert write_rows("prmbench", [solution]) == [
        {
            "original_question": "p0",
            "modified_question": "p",
            "original_process": ["a"],
            "modified_process": ["a", "b"],
            "modified_steps": [2],
            "error_steps": [2],
            "reason": "why",
            "idx": "fam",
            "question": "p0",
            "classification": "deception",
        }
    ]


def test_a_problem_without_an_id_gets_one_that_survives_reading() -> None:
    solution = read_solution("prmbench", ROW)
    nameless = replace(
        solution,
        problem=replace(solution.problem, source_id="", family=""),
        source_id="counterfactual_#1",
    )
    [row] = write_rows("prmbench", [nameless])
    assert row["idx"] == "#1"
    again = read_solution("prmbench", row)
    assert write_rows("prmbench", [again]) == [row]
