"""PRMBench's pilot: eleven kinds of injections, waiting for annotators."""

from __future__ import annotations

from typing import Any

import pytest

from labeling.formats import WriteLog
from labeling.records import Injection, Problem, Solution, Step
from tests.labeling.formats.helpers import (
    Row,
    assert_round_trip,
    read_issue,
    read_solution,
    without,
    write_rows,
)

CUSTOM: Row = {
    "origin_process": ["6 * 7 = 42."],
    "modified_process": ["6 * 7 = 42.", "So 43."],
    "modified_steps": [2],
    "hallucination_steps": [2, 9],
    "hallucination_types": [4, 8],
    "reason": "Step 2 contradicts step 1.",
    "idx": 12,
    "question": "What is 6 * 7?",
}
TEXTS = (
    "What is 6 * 7?",
    "## Modified Steps \n\n[2]\n\n## Hallucination Steps \n\n[2, 9]\n\n"
    "## Hallucination Types \n\n[4, 8]\n\n## Reason \n\nStep 2 contradicts step 1.",
    "## Origin Process \n\n1. 6 * 7 = 42.",
    "## Modified Process \n\n1. 6 * 7 = 42.\n\n2. So 43.",
)


def row_of(**custom: Any) -> Row:
    return {
        "prompt": "Please judge.",
        "conversation": [
            {"message_id": f"m{number}", "content": text, "message_type": "receive"}
            for number, text in enumerate(TEXTS)
        ],
        "custom": {**CUSTOM, **custom},
    }


def test_it_works() -> None:
    solution = read_solution("prmbench_pilot", row_of())
    assert solution.problem == Problem("What is 6 * 7?", source_id="12", family="12")
    assert [step.text for step in solution.steps] == ["6 * 7 = 42.", "So 43."]
    assert solution.injection == Injection(
        error_type="pilot_4",
        original_problem="What is 6 * 7?",
        original_steps=("6 * 7 = 42.",),
        # Step 9 is past the end: kept for a person to repair.
        claimed_error_positions=(1, 8),
        claimed_changed_positions=(1,),
        reason="Step 2 contradicts step 1.",
        extra={"prmbench_pilot.types": [4, 8]},
    )


def test_round_trip() -> None:
    assert_round_trip(
        "prmbench_pilot",
        row_of(),
        row_of(hallucination_types=[], hallucination_steps=[]),
        row_of(idx="a-1"),
        row_of(hallucination_types=[12], model="m"),
        without(row_of(), "prompt") | {"conversation": []},
    )


def test_texts_that_follow_from_the_record_are_not_kept_twice() -> None:
    solution = read_solution("prmbench_pilot", row_of())
    kept = solution.extra["prmbench_pilot.conversation"]
    assert [message["content"] for message in kept] == [True] * 4


@pytest.mark.parametrize(
    ("custom", "field", "said"),
    [
        ({"idx": True}, "custom.idx", "a whole number or a text, but it is true"),
        ({"idx": None}, "custom.idx", "a whole number or a text, but it is null"),
        ({"hallucination_types": ["4"]}, "custom.hallucination_types[0]", "a whole number"),
        ({"hallucination_steps": None}, "custom.hallucination_steps", "should be a list"),
        ({"modified_process": []}, "custom.modified_process", "is empty"),
        ({"question": ""}, "custom.question", "is blank"),
    ],
)
def test_a_wrong_value_is_explained(custom: Row, field: str, said: str) -> None:
    issue = read_issue("prmbench_pilot", row_of(**custom))
    assert issue.field == field
    assert said in issue.message


def test_a_row_without_its_record_is_refused() -> None:
    assert read_issue("prmbench_pilot", without(row_of(), "custom")).field == "custom"


def injected(error_type: str, **extra: Any) -> Solution:
    return Solution(
        Problem("p", source_id="7"),
        (Step("a"),),
        injection=Injection(error_type, "p", ("b",), (0,), (0,), extra=extra),
    )


def test_only_the_pilots_own_kinds_are_written() -> None:
    log = WriteLog()
    solutions = [injected("circular"), injected("pilot_6"), injected("pilot_12")]
    (row,) = write_rows("prmbench_pilot", solutions, log=log)
    assert row["custom"]["hallucination_types"] == [6]
    assert row["custom"]["idx"] == "7"
    assert [skip.reason for skip in log.skips] == [
        "Its error type 'circular' is none of the pilot's kinds (pilot_1 to pilot_11).",
        "Its error type 'pilot_12' is none of the pilot's kinds (pilot_1 to pilot_11).",
    ]


def test_a_changed_type_comes_first_and_the_others_stay() -> None:
    solution = injected("pilot_6", **{"prmbench_pilot.types": [4, 6, 8]})
    (row,) = write_rows("prmbench_pilot", [solution])
    assert row["custom"]["hallucination_types"] == [6, 4, 8]
