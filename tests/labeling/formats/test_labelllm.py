"""The annotation exports of PRMBench: human verdicts, and the pilot that waits for them."""

from __future__ import annotations

from typing import Any

import pytest

from labeling.formats import WriteLog
from labeling.records import Injection, Problem, Solution, Step, Verdict
from tests.labeling.formats.helpers import (
    Row,
    assert_round_trip,
    read_issue,
    read_solution,
    without,
    write_rows,
)
from tests.labeling.formats.test_prmbench import MULTI

CUSTOM: Row = {**MULTI, "classification": "one_question_multi_answers"}


def message(text: str, number: int) -> Row:
    return {
        "message_id": f"m{number}",
        "parent_id": None,
        "message_type": "receive",
        "content": text,
        "user_id": "",
    }


def row_of(evaluation: Any, *texts: str) -> Row:
    shown = texts or (
        "###Question:\n\nDouble $21$.",
        "###Ground Truth:\n\n42",
        "## Origin Process \n\n1. 2 * 21 = 42.",
        "## Modified Process \n\n1. Step 1. 21 + 21 = 42.",
    )
    return {
        "questionnaire_id": "q1",
        "data_id": "d1",
        "source_data_id": None,
        "result_id": "r1",
        "status": "completed",
        "prompt": "Is it correct? Is it the same?",
        "conversation_id": "c1",
        "conversation": [message(text, number) for number, text in enumerate(shown)],
        "reference_evaluation": None,
        "evaluation": evaluation,
        "custom": CUSTOM,
    }


def answered(correct: str, same: str, *, invalid: bool = False) -> Row:
    return {
        "message_evaluation": None,
        "conversation_evaluation": {"correct": correct, "same": same},
        "questionnaire_evaluation": {"is_invalid_questionnaire": invalid},
    }


def verdicts_of(solution: Solution) -> tuple[Verdict, ...]:
    assert solution.injection is not None
    return solution.injection.verdicts


def test_it_works() -> None:
    solution = read_solution("labelllm", row_of(answered("true", "false")))
    assert solution.source_id == "d1"
    assert solution.problem.source_id == "prm_train_p1_901"
    assert solution.problem.reference_answer == "42"
    assert [step.text for step in solution.steps] == ["Step 1. 21 + 21 = 42."]
    # Whoever answered is not in the export.
    assert verdicts_of(solution) == (
        Verdict("accept", rater="", answers={"correct": "true", "same": "false"}),
    )


@pytest.mark.parametrize(
    ("evaluation", "value"),
    [
        (answered("true", "false"), "accept"),
        (answered("false", "false"), "reject"),
        (answered("true", "true"), "reject"),
        (answered("true", "false", invalid=True), "bad_problem"),
        ({"conversation_evaluation": {"correct": "true"}}, "unsure"),
        ({"conversation_evaluation": {}}, "unsure"),
    ],
)
def test_answers_are_verdicts(evaluation: Row, value: str) -> None:
    solution = read_solution("labelllm", row_of(evaluation))
    assert [verdict.value for verdict in verdicts_of(solution)] == [value]


@pytest.mark.parametrize("evaluation", [None, {"conversation_evaluation": None}])
def test_without_answers_there_is_no_verdict(evaluation: Row | None) -> None:
    assert verdicts_of(read_solution("labelllm", row_of(evaluation))) == ()


def test_round_trip() -> None:
    assert_round_trip(
        "labelllm",
        row_of(answered("true", "false")),
        row_of(answered("false", "true")),
        row_of(None),
    )


def test_texts_that_follow_from_the_record_are_not_kept_twice() -> None:
    solution = read_solution("labelllm", row_of(answered("true", "false")))
    kept = solution.extra["labelllm.conversation"]
    assert [entry["content"] for entry in kept] == [True] * 4


def test_other_texts_are_kept() -> None:
    row = row_of(
        answered("true", "false"), "Something else", "###Ground Truth:\n\n42", "", "z", "5"
    )
    (solution,) = assert_round_trip("labelllm", row)
    kept = solution.extra["labelllm.conversation"]
    assert [entry["content"] for entry in kept] == ["Something else", True, "", "z", "5"]


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"custom": None}, "custom", "should be an object, but it is null."),
        ({"custom": without(CUSTOM, "idx")}, "custom.idx", "is missing"),
        ({"custom": {**CUSTOM, "error_steps": ["1"]}}, "custom.error_steps[0]", "a whole number"),
        ({"evaluation": "good"}, "evaluation", "should be an object"),
        ({"evaluation": {"conversation_evaluation": 1}}, "evaluation.conversation_evaluation", ""),
        ({"conversation": {}}, "conversation", "should be a list of messages"),
        ({"conversation": ["x"]}, "conversation[0]", "should be an object"),
        ({"data_id": 5}, "data_id", "should be a text"),
    ],
)
def test_a_wrong_value_is_explained(change: Row, field: str, said: str) -> None:
    issue = read_issue("labelllm", {**row_of(answered("true", "false")), **change})
    assert issue.field == field
    assert said in issue.message


def injected(*verdicts: Verdict) -> Solution:
    return Solution(
        Problem("Double 21.", source_id="p9", reference_answer="42"),
        (Step("21 + 21 = 42."),),
        source_id="s9",
        injection=Injection(
            "multi_solutions", "Double 21.", ("2 * 21 = 42.",), (), (), "", verdicts
        ),
    )


def test_each_verdict_made_here_is_a_row() -> None:
    rows = write_rows(
        "labelllm", [injected(Verdict("accept"), Verdict("reject"), Verdict("unsure"))]
    )
    assert [row["evaluation"]["conversation_evaluation"] for row in rows] == [
        {"correct": "true", "same": "false"},
        {"correct": "false", "same": "false"},
        {},
    ]
    assert [row["status"] for row in rows] == ["completed"] * 3
    again = [read_solution("labelllm", row) for row in rows]
    assert [verdicts_of(solution)[0].value for solution in again] == ["accept", "reject", "unsure"]
    assert rows[0]["conversation"][0]["content"] == "###Question:\n\nDouble 21."


def test_a_solution_without_a_verdict_waits() -> None:
    (row,) = write_rows("labelllm", [injected()])
    assert row["status"] == "waiting"
    assert row["evaluation"] is None


def test_a_solution_without_an_injection_is_skipped() -> None:
    log = WriteLog()
    assert write_rows("labelllm", [Solution(Problem("p"), (Step("s"),))], log=log) == []
    assert log.skips[0].reason == "It has no injection, so no verdict on one."
