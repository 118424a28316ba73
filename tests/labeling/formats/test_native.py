"""The native format: every record whole, with a version."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings

from labeling.formats.native import pack_solution, pack_step_label
from labeling.formats.native_reading import parse_step_label
from labeling.records import (
    Alternative,
    At,
    Author,
    ContentKind,
    Contribution,
    Injection,
    LabelSet,
    NoError,
    Origin,
    Problem,
    Score,
    Solution,
    Step,
    StepLabel,
    Unknown,
    Validity,
    Verdict,
)
from tests.labeling.formats import strategies
from tests.labeling.formats.helpers import (
    Row,
    read_bytes,
    read_issue,
    read_solution,
    write_bytes,
    write_rows,
)

ROW: Row = {"schema": "prm-workbench/1", "problem": {"text": "1 + 1?"}}

WHOLE = Solution(
    problem=Problem("p", "id", "2", "1 + 1 = 2", "fam", "algebra", "zh", {"a": [1]}),
    steps=(
        Step(
            "s", ContentKind.CODE, (Alternative("t", StepLabel(), "model", {"b": None}),), {"c": {}}
        ),
    ),
    source_id="s1",
    generator="g",
    final_answer="2",
    final_answer_correct=False,
    label_sets=(
        LabelSet(
            Author.HUMAN,
            (
                StepLabel(
                    Validity.PARTLY,
                    Contribution.CIRCULAR,
                    Origin.INHERITED,
                    ("deception", "circular"),
                    True,
                    "note",
                    -1,
                    Score(0.5, "probability", ">=0.5"),
                    "minor",
                    "low",
                ),
            ),
            At(0),
            "alice",
            "by hand",
            "2024-01-02",
            17,
            "complete",
            {"d": 1.5},
        ),
        LabelSet(Author.MACHINE, (None,), NoError()),
        LabelSet(Author.MACHINE, (StepLabel(),), Unknown("why")),
    ),
    injection=Injection(
        "deception",
        "p0",
        ("a", "b"),
        (5, -1, 5),
        (0,),
        "r",
        (Verdict("accept", "bob", {"q": 1}, "n"),),
        {"e": 2},
    ),
    extra={"prmbench.question": "q"},
)


def test_it_works() -> None:
    assert read_solution("native", pack_solution(WHOLE)) == WHOLE


def test_a_plain_line_is_short() -> None:
    assert write_rows("native", [Solution(Problem("1 + 1?"))]) == [ROW]
    assert read_solution("native", ROW) == Solution(Problem("1 + 1?"))


def test_no_label_and_a_label_that_says_nothing_are_two_things() -> None:
    solution = Solution(
        Problem("p"),
        (Step("a"), Step("b")),
        label_sets=(LabelSet(Author.HUMAN, (None, StepLabel())),),
    )
    (row,) = write_rows("native", [solution])
    assert row["label_sets"][0]["labels"] == [None, {}]
    assert read_solution("native", row) == solution


@settings(deadline=None, max_examples=300)
@given(solution=strategies.solutions())
def test_any_record_round_trips(solution: Solution) -> None:
    data = write_bytes("native", [solution])
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1
    assert read_bytes("native", data) == [solution]


@pytest.mark.parametrize("raw", [math.inf, -math.inf, math.nan])
def test_numbers_that_json_does_not_know_survive(raw: float) -> None:
    label = StepLabel(score=Score(raw, "logit"))
    (row,) = write_rows(
        "native",
        [Solution(Problem("p"), (Step("s"),), label_sets=(LabelSet(Author.MACHINE, (label,)),))],
    )
    again = read_solution("native", row).label_sets[0].labels[0]
    assert again is not None
    assert again.score is not None
    assert str(again.score.raw) == str(raw)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (None, "'schema' should be 'prm-workbench/1' in every line"),
        (1, "but it is the number 1."),
        ("other/1", "but it is the text 'other/1'."),
        ("prm-workbench/x", "but it is the text 'prm-workbench/x'."),
        ("prm-workbench/2", "has version 2 of the native format, and this reader knows version 1."),
    ],
)
def test_another_version_is_refused_with_a_sentence(schema: object, said: str) -> None:
    issue = read_issue("native", {**ROW, "schema": schema})
    assert issue.field == "schema"
    assert said in issue.message


def test_an_unknown_field_is_refused_not_lost() -> None:
    issue = read_issue("native", {**ROW, "mood": "good"})
    assert issue.message == "Version 1 of the native format has no field 'mood'."


def step_row(**step: Any) -> Row:
    return {**ROW, "steps": [{"text": "s", **step}]}


def label_row(label: Any, **label_set: Any) -> Row:
    given_set = {"author": "human", "labels": [label], "first_error": {"none": True}, **label_set}
    return {**step_row(), "label_sets": [given_set]}


@pytest.mark.parametrize(
    ("row", "field", "said"),
    [
        ({"schema": ROW["schema"]}, "problem", "is missing; it should be an object."),
        ({**ROW, "problem": {"text": 1}}, "problem.text", "should be a text"),
        ({**ROW, "problem": {"text": "p", "extra": 1}}, "problem.extra", "should be an object"),
        ({**ROW, "steps": {}}, "steps", "should be a list, but it is an object."),
        ({**ROW, "steps": ["a"]}, "steps[0]", "should be an object"),
        ({**ROW, "steps": [{}]}, "steps[0].text", "is missing"),
        (step_row(kind="song"), "steps[0].kind", "is one of text, code, tool_call, tool_result"),
        (step_row(kind=1), "steps[0].kind", "it is the number 1"),
        (step_row(alternatives=[1]), "steps[0].alternatives[0]", "should be an object"),
        ({**ROW, "final_answer_correct": 1}, "final_answer_correct", "true, false or null"),
        (label_row(1), "label_sets[0].labels[0]", "should be an object"),
        (label_row({"validity": "maybe"}), "label_sets[0].labels[0].validity", "correct, partly"),
        (label_row({"rating": 2}), "label_sets[0].labels[0].rating", "is -1, 0 or 1, not 2."),
        (label_row({"rating": True}), "label_sets[0].labels[0].rating", "a whole number"),
        (
            label_row({"score": {"raw": "big", "scale": "x"}}),
            "label_sets[0].labels[0].score.raw",
            "",
        ),
        (label_row({"score": {"scale": "x"}}), "label_sets[0].labels[0].score.raw", "a number"),
        (label_row({"score": {"raw": 1}}), "label_sets[0].labels[0].score.scale", "is missing"),
        (label_row({"error_types": [1]}), "label_sets[0].labels[0].error_types[0]", "a text"),
        (label_row(None, labels=[None, None]), "label_sets[0].labels", "has 2 entries for 1 steps"),
        (label_row(None, author="cat"), "label_sets[0].author", "is one of human, machine"),
        (label_row(None, author=None), "label_sets[0].author", "it is 'human' or 'machine'"),
        (label_row(None, first_error={"at": "1"}), "label_sets[0].first_error.at", "whole number"),
        (label_row(None, first_error={}), "label_sets[0].first_error.unknown", "is missing"),
        (label_row(None, total_ms=1.5), "label_sets[0].total_ms", "a whole number"),
        ({**ROW, "injection": []}, "injection", "should be an object"),
        ({**ROW, "injection": {}}, "injection.error_type", "is missing"),
    ],
)
def test_a_wrong_value_is_explained(row: Row, field: str, said: str) -> None:
    issue = read_issue("native", row)
    assert issue.field == field
    assert said in issue.message


def test_labels_that_say_one_thing_share_a_record() -> None:
    packed = pack_step_label(StepLabel(validity=Validity.CORRECT))
    assert packed == {"validity": "correct"}
    assert parse_step_label(packed, "x") is parse_step_label(dict(packed), "y")
