"""PRM800K: chosen, written and first completions; phases, screening, and giving up."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from labeling.formats import WriteLog
from labeling.records import (
    Alternative,
    At,
    Author,
    LabelSet,
    NoError,
    Problem,
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
    write_rows,
)

PLUS, ZERO, MINUS = (label_from_rating(rating) for rating in (1, 0, -1))


def completion(text: str, rating: int | None, flagged: bool | None = False) -> Row:
    return {"text": text, "rating": rating, "flagged": flagged}


def position(
    completions: list[Row] | None, chosen: int | None = None, human: Row | None = None
) -> Row:
    return {
        "completions": completions,
        "human_completion": human,
        "chosen_completion": chosen,
    }


def row_of(*positions: Row, reason: str | None = "solution", **fields: Any) -> Row:
    return {
        "labeler": "l-1",
        "timestamp": "2022-07-30T23:23:32.118856",
        "generation": None,
        "is_quality_control_question": False,
        "is_initial_screening_question": False,
        "question": {"problem": "What is 3 * 14?", "ground_truth_answer": "42"},
        "label": {"steps": list(positions), "total_time": 65_432, "finish_reason": reason},
        **fields,
    }


HUMAN = {"text": "3 * 14 = 42.", "rating": None, "source": "human", "flagged": False}
PHASE_1 = row_of(
    position([completion("It is a product.", 1)], chosen=0),
    position([completion("30 + 14", -1), completion("3 * 14 = 44", -1)], human=HUMAN),
    position(
        [completion("Right.", 0), completion("# Answer\n\n42", 1), completion("So 42.", 1)],
        chosen=1,
    ),
)
PHASE_2 = row_of(
    position([completion("3 * 10 = 30.", 1, None)], chosen=0),
    position([completion("3 * 4 = 7.", -1, None), completion("3 * 4 = 12.", 1, False)]),
    reason="found_error",
    generation=6,
    question={
        "problem": "What is 3 * 14?",
        "ground_truth_solution": "3 * 14 = 42.",
        "ground_truth_answer": "42",
        "pre_generated_steps": ["3 * 10 = 30.", "3 * 4 = 7.", "# Answer\n\n37"],
        "pre_generated_answer": "37",
        "pre_generated_verifier_score": 0.25,
    },
)
SCREENING = row_of(
    position([completion("a", 1, None)], chosen=0),
    generation=-1,
    is_quality_control_question=True,
    is_initial_screening_question=True,
    question={
        "problem": "What is 3 * 14?",
        "ground_truth_solution": None,
        "ground_truth_answer": None,
        "pre_generated_steps": ["a"],
    },
)
GIVE_UP = row_of(
    position([completion("a", 1)], chosen=0),
    position([completion("b", -1), completion("c", None)]),
    position(None),
    reason="give_up",
)


def test_it_works() -> None:
    solution = read_solution("prm800k", PHASE_1)
    assert solution.problem == Problem("What is 3 * 14?", reference_answer="42")
    assert [step.text for step in solution.steps] == [
        "It is a product.",
        "3 * 14 = 42.",
        "# Answer\n\n42",
    ]
    assert solution.final_answer == "42"
    (label_set,) = solution.label_sets
    assert label_set.author is Author.HUMAN
    assert label_set.rater == "l-1"
    assert label_set.created_at == "2022-07-30T23:23:32.118856"
    assert label_set.total_ms == 65_432
    assert label_set.outcome == "complete"
    # The step that the labeller wrote has no rating: nobody judged it.
    assert label_set.labels == (PLUS, None, PLUS)
    assert label_set.first_error == Unknown("step 2 was not judged")


def test_what_was_not_chosen_is_an_alternative_with_its_rating() -> None:
    first, second, third = read_solution("prm800k", PHASE_1).steps
    assert first.alternatives == ()
    assert second.alternatives == (
        Alternative("30 + 14", MINUS),
        Alternative("3 * 14 = 44", MINUS),
    )
    assert third.alternatives == (Alternative("Right.", ZERO), Alternative("So 42.", PLUS))


def test_round_trip() -> None:
    assert_round_trip("prm800k", PHASE_1, PHASE_2, SCREENING, GIVE_UP)


def test_phase_2_ends_with_the_first_error() -> None:
    solution = read_solution("prm800k", PHASE_2)
    assert [step.text for step in solution.steps] == ["3 * 10 = 30.", "3 * 4 = 7."]
    assert solution.steps[1].alternatives[0].text == "3 * 4 = 12."
    assert solution.problem.reference_solution == "3 * 14 = 42."
    (label_set,) = solution.label_sets
    assert label_set.labels == (PLUS, MINUS)
    assert label_set.first_error == At(1)
    assert label_set.outcome == "first_error"
    assert label_set.extra == {"prm800k.generation": 6}


def test_screening_is_noted() -> None:
    (label_set,) = read_solution("prm800k", SCREENING).label_sets
    assert label_set.first_error == NoError()
    assert label_set.extra == {
        "prm800k.generation": -1,
        "prm800k.is_quality_control_question": True,
        "prm800k.is_initial_screening_question": True,
    }


def test_giving_up_leaves_the_first_error_unknown() -> None:
    solution = read_solution("prm800k", GIVE_UP)
    # The last position has no text at all: it is no step.
    assert [step.text for step in solution.steps] == ["a", "b"]
    assert solution.steps[1].alternatives == (Alternative("c", None),)
    assert solution.label_sets[0].first_error == Unknown("the outcome is gave_up")


def test_a_bad_problem_leaves_the_first_error_unknown() -> None:
    row = row_of(position([completion("a", 1)], chosen=0), reason="bad_problem")
    (solution,) = assert_round_trip("prm800k", row)
    assert solution.label_sets[0].outcome == "bad_problem"
    assert isinstance(solution.label_sets[0].first_error, Unknown)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(
            position([completion("a", 1), completion("b", 1)], chosen=1, human=HUMAN),
            id="chosen and written",
        ),
        pytest.param(position(None, human=HUMAN), id="written, completions null"),
        pytest.param(position([], human=HUMAN), id="written, completions empty"),
        pytest.param(
            position([completion("a", 1), completion("b", -1), completion("c", 0)], chosen=2),
            id="the last chosen",
        ),
        pytest.param(position([completion("a", 1, True)], chosen=0), id="flagged"),
        pytest.param(position([completion("a", None, True)], chosen=0), id="flagged, no rating"),
        pytest.param(position([{**completion("a", 1), "model": "m"}], chosen=0), id="more fields"),
        pytest.param({**position([completion("a", 1)], chosen=0), "seconds": 3}, id="more beside"),
    ],
)
def test_every_shape_of_a_position_survives(given: Row) -> None:
    others = position([completion("z", 1)], chosen=0)
    assert_round_trip("prm800k", row_of(others, given, others))


@pytest.mark.parametrize("empty", [position(None), position([])])
def test_empty_positions_anywhere_survive(empty: Row) -> None:
    step = position([completion("a", 1)], chosen=0)
    (solution,) = assert_round_trip("prm800k", row_of(empty, step, empty, step, empty))
    assert len(solution.steps) == 2


def test_a_flag_is_unsure() -> None:
    (label_set,) = read_solution(
        "prm800k", row_of(position([completion("a", 1, True)], chosen=0))
    ).label_sets
    assert label_set.labels == (StepLabel(*PLUS_AXES, unsure=True, rating=1),)
    assert label_set.first_error == Unknown("step 1 is marked unsure")


PLUS_AXES = (PLUS.validity, PLUS.contribution)


def test_unknown_fields_survive() -> None:
    row = row_of(position([completion("a", 1)], chosen=0), batch=3)
    row["label"]["comment"] = "short"
    assert_round_trip("prm800k", row)


def test_missing_small_things_are_tolerated() -> None:
    row = row_of(position([{"text": "a"}], chosen=0))
    for name in ("labeler", "timestamp", "generation"):
        del row[name]
    del row["label"]["total_time"]
    del row["label"]["finish_reason"]
    solution = read_solution("prm800k", row)
    assert solution.label_sets[0].rater == ""
    assert solution.label_sets[0].total_ms is None
    assert solution.label_sets[0].labels == (None,)


def test_a_reason_that_was_not_given_is_not_made_up() -> None:
    """Every step is right, and still nobody said that the solution is done."""
    row = row_of(position([completion("It is a product.", 1)], chosen=0), reason=None)
    assert_round_trip("prm800k", row)


def _set(*path: str | int, value: object) -> Callable[[Row], None]:
    def change(row: Any) -> None:
        for key in path[:-1]:
            row = row[key]
        row[path[-1]] = value

    return change


STEP = ("label", "steps", 0)


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        (_set("question", value="q"), "question", "should be an object"),
        (_set("question", "problem", value=3), "question.problem", "should be a text"),
        (_set("question", "problem", value=""), "question.problem", "is blank"),
        (
            _set("question", "ground_truth_answer", value=42),
            "question.ground_truth_answer",
            "should be a text or null, but it is the number 42.",
        ),
        (_set("label", value=None), "label", "should be an object, but it is null."),
        (_set("label", "steps", value={}), "label.steps", "should be a list"),
        (_set("label", "steps", value=[]), "label.steps", "holds no step with a text"),
        (_set("label", "steps", value=[7]), "label.steps[0]", "should be an object"),
        (
            _set("label", "finish_reason", value="bored"),
            "label.finish_reason",
            "is one of solution, found_error, give_up, bad_problem, not 'bored'.",
        ),
        (_set("label", "total_time", value="1"), "label.total_time", "a whole number"),
        (_set(*STEP, "completions", value="a"), "label.steps[0].completions", "a list or null"),
        (_set(*STEP, "completions", 0, value=1), "label.steps[0].completions[0]", "an object"),
        (
            _set(*STEP, "completions", 0, "rating", value=2),
            "label.steps[0].completions.rating",
            "is -1, 0, 1 or null, not the number 2.",
        ),
        (
            _set(*STEP, "completions", 0, "rating", value=True),
            "label.steps[0].completions.rating",
            "is -1, 0, 1 or null, not true.",
        ),
        (
            _set(*STEP, "completions", 0, "text", value=None),
            "label.steps[0].completions.text",
            "should be a text, but it is null.",
        ),
        (
            _set(*STEP, "completions", 0, "flagged", value="no"),
            "label.steps[0].completions.flagged",
            "should be true, false or null",
        ),
        (
            _set(*STEP, "chosen_completion", value=1),
            "label.steps[0].chosen_completion",
            "is 1, but there are 1 completions, counted from 0.",
        ),
        (
            _set(*STEP, "chosen_completion", value=True),
            "label.steps[0].chosen_completion",
            "should be a whole number, but it is true.",
        ),
        (_set(*STEP, "human_completion", value="x"), "label.steps[0].human_completion", "object"),
        (_set("labeler", value=7), "labeler", "should be a text"),
        (_set("generation", value="6"), "generation", "a whole number"),
        (_set("is_quality_control_question", value=0), "is_quality_control_question", "true"),
    ],
)
def test_a_wrong_value_is_explained(change: Callable[[Row], None], field: str, said: str) -> None:
    row = copy.deepcopy(PHASE_1)
    change(row)
    issue = read_issue("prm800k", row)
    assert issue.field == field
    assert said in issue.message


def labelled(*labels: StepLabel | None, outcome: str = "") -> Solution:
    steps = tuple(Step(f"s{index}") for index in range(len(labels)))
    return Solution(
        Problem("p"), steps, label_sets=(LabelSet(Author.HUMAN, labels, outcome=outcome),)
    )


@pytest.mark.parametrize(
    ("solution", "ratings", "reason"),
    [
        (labelled(PLUS, ZERO), [1, 0], "solution"),
        (labelled(PLUS, MINUS, None), [1, -1, None], "found_error"),
        (labelled(PLUS, None), [1, None], None),
        (labelled(PLUS, None, outcome="gave_up"), [1, None], "give_up"),
        (labelled(StepLabel(validity=Validity.PARTLY)), [-1], "found_error"),
    ],
)
def test_labels_made_here_are_written(
    solution: Solution, ratings: list[int | None], reason: str | None
) -> None:
    (row,) = write_rows("prm800k", [solution])
    steps = row["label"]["steps"]
    assert [step["completions"][0]["rating"] for step in steps] == ratings
    assert [step["chosen_completion"] for step in steps] == [0] * len(ratings)
    assert row["label"]["finish_reason"] == reason
    assert row["question"] == {"problem": "p", "ground_truth_answer": None}
    assert read_solution("prm800k", row).steps == solution.steps


def test_alternatives_made_here_follow_the_step() -> None:
    solution = Solution(
        Problem("p"),
        (Step("a", alternatives=(Alternative("b", MINUS),)),),
        label_sets=(LabelSet(Author.HUMAN, (PLUS,)),),
    )
    (row,) = write_rows("prm800k", [solution])
    (step,) = row["label"]["steps"]
    assert [(item["text"], item["rating"]) for item in step["completions"]] == [("a", 1), ("b", -1)]


def test_a_solution_without_labels_is_skipped() -> None:
    log = WriteLog()
    assert write_rows("prm800k", [Solution(Problem("p"), (Step("s"),))], log=log) == []
    assert log.skips[0].reason == "It has no labels."
