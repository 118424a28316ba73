"""GenPRM conversations: a turn per step, a verdict per turn."""

from __future__ import annotations

import pytest

from labeling.formats import WriteLog
from labeling.formats.genprm import SYSTEM_TEXT, read_decision
from labeling.records import (
    Author,
    LabelSet,
    Problem,
    ReadIssue,
    Solution,
    Step,
    StepLabel,
    Validity,
    label_from_rating,
)
from tests.labeling.formats.helpers import (
    Row,
    assert_round_trip,
    read_issue,
    read_rows,
    read_solution,
    write_rows,
)

CORRECT = StepLabel(validity=Validity.CORRECT)
WRONG = StepLabel(validity=Validity.WRONG)


def verdict(answer: str, analysis: str = "I add the numbers.") -> str:
    return (
        f"<analyze>\n{analysis}\n</analyze>\n<output>\n"
        f"**Judgement**: $\\boxed{{{answer}}}$\n</output>\n"
    )


def row_of(*turns: str, system: str | None = SYSTEM_TEXT, **fields: object) -> Row:
    roles = ("user", "assistant")
    conversations = [
        {"role": roles[index % 2], "content": turn} for index, turn in enumerate(turns)
    ]
    if system is not None:
        conversations.insert(0, {"role": "system", "content": system})
    return {"conversations": conversations, **fields}


ROW = row_of("Add 2 and 3.\nThe sum is 5.", verdict("Yes"), "So it is 6.", verdict("No"))


def test_it_works() -> None:
    solution = read_solution("genprm", ROW)
    assert solution.problem.text == "Add 2 and 3."
    assert [step.text for step in solution.steps] == ["The sum is 5.", "So it is 6."]
    (label_set,) = solution.label_sets
    assert label_set.author is Author.MACHINE
    assert label_set.labels == (CORRECT, WRONG)
    assert label_set.extra["genprm.critiques"] == [verdict("Yes"), verdict("No")]


def test_round_trip() -> None:
    assert_round_trip(
        "genprm",
        ROW,
        row_of("P\nStep 1: s", verdict("No"), system="Be strict."),
        row_of("P\nStep 1: s", verdict("No"), system=None, id=3),
    )


@pytest.mark.parametrize(
    ("opening", "template", "problem", "first"),
    [
        ("P\ns1", "newline", "P", "s1"),
        ("P\ns1\nmore", "newline", "P", "s1\nmore"),
        ("P, line 1\nline 2\nStep 1: s", "newline", "P, line 1\nline 2", "Step 1: s"),
        ("Question: P\nline 2\n\ns1", "question", "P\nline 2", "s1"),
        ("Question: P\n\npart b\n\nStep 1: s", "question", "P\n\npart b", "Step 1: s"),
    ],
)
def test_problem_and_first_step_are_told_apart(
    opening: str, template: str, problem: str, first: str
) -> None:
    row = row_of(opening, verdict("Yes"))
    solution = read_solution("genprm", row, template=template)
    assert solution.problem.text == problem
    assert solution.steps[0].text == first
    assert write_rows("genprm", [solution], template=template) == [row]


@pytest.mark.parametrize("template", ["newline", "question"])
def test_a_problem_beside_the_turns_is_certain(template: str) -> None:
    solution = Solution(
        Problem("Two\n\nparagraphs\nand Step 1: too."),
        (Step("\nStep 1: first\n\nstep"), Step("b")),
        label_sets=(LabelSet(Author.MACHINE, (CORRECT, WRONG)),),
    )
    rows = write_rows("genprm", [solution], template=template, problem="beside")
    again = read_solution("genprm", rows[0], template=template)
    assert again.problem == solution.problem
    assert again.steps == solution.steps
    assert again.label_sets[0].labels == (CORRECT, WRONG)


@pytest.mark.parametrize(
    ("critique", "decision"),
    [
        (verdict("Yes"), True),
        (verdict("No"), False),
        ("\\boxed{\\text{Yes}}", True),
        ("\\boxed { no }", False),
        # The analysis quotes the opposite of what it concludes.
        (verdict("Yes", analysis="It would be \\boxed{No} if 2 > 3."), True),
        # Words that only look like a decision.
        ("\\text{casino}", None),
        ("print(f'{ok and yes}')", None),
        ("\\boxed{Nothing}", None),
        ("\\boxed{42}", None),
        ("I think Yes.", None),
        ("", None),
        ("<output>\n**Judgement**: ", None),
        ("\\boxed{Yes}\n<output>\nnothing here", None),
    ],
)
def test_the_decision_is_read_at_the_end(critique: str, decision: bool | None) -> None:
    assert read_decision(critique) is decision


def test_a_turn_without_a_decision_is_reported_and_not_judged() -> None:
    row = row_of("P\ns1", verdict("Yes"), "s2", "Hm.", "s3", verdict("No"))
    issue, solution = read_rows("genprm", row)
    assert isinstance(issue, ReadIssue)
    assert isinstance(solution, Solution)
    assert not issue.fatal
    assert issue.field == "conversations[4].content"
    assert "The verdict on step 2 holds no \\boxed{Yes} or \\boxed{No}" in issue.message
    assert solution.label_sets[0].labels == (CORRECT, None, WRONG)


def test_a_last_step_without_a_verdict_is_not_judged() -> None:
    solution = read_solution("genprm", row_of("P\ns1", verdict("Yes"), "s2"))
    assert solution.label_sets[0].labels == (CORRECT, None)


@pytest.mark.parametrize(
    ("row", "field", "said"),
    [
        ({}, "conversations", "is missing; it should be a list."),
        ({"conversations": []}, "conversations", "has no user turn"),
        ({"conversations": [{"role": "system", "content": "x"}]}, "conversations", "no user turn"),
        ({"conversations": ["P\ns"]}, "conversations[0]", "should be an object"),
        ({"conversations": [{"role": "user"}]}, "conversations[0].content", "is missing"),
        ({"conversations": [{"from": "human", "value": "P"}]}, "conversations[0].role", "missing"),
        (
            {"conversations": [{"role": "assistant", "content": "x"}]},
            "conversations[0].role",
            "should be 'user'",
        ),
        (
            {"conversations": [{"role": "user", "content": "P\ns"}] * 2},
            "conversations[1].role",
            "should be 'assistant'",
        ),
        (row_of("no separator", verdict("Yes")), "conversations[0].content", "cannot be told"),
        (row_of("\ns1", verdict("Yes")), "conversations[0].content", "cannot be told"),
        (row_of("P\ns1", verdict("Yes"), problem="Q"), "problem", "should be the beginning"),
        (row_of("P\ns1", verdict("Yes"), problem=3), "problem", "should be a text or null"),
    ],
)
def test_a_wrong_value_is_explained(row: Row, field: str, said: str) -> None:
    issue = read_issue("genprm", row)
    assert issue.field == field
    assert said in issue.message


def test_an_overruled_critique_is_not_written() -> None:
    solution = read_solution("genprm", ROW)
    human = LabelSet(Author.HUMAN, (CORRECT, CORRECT), extra=solution.label_sets[0].extra)
    overruled = Solution(solution.problem, solution.steps, label_sets=(human,))
    turns = [turn["content"] for turn in write_rows("genprm", [overruled])[0]["conversations"]]
    assert turns[2] == verdict("Yes")
    assert turns[4] == "<output>\n**Judgement**: $\\boxed{Yes}$\n</output>\n"


def test_a_note_becomes_the_analysis() -> None:
    noted = StepLabel(validity=Validity.WRONG, note="5 + 1 is 6.")
    solution = Solution(Problem("P"), (Step("s"),), label_sets=(LabelSet(Author.HUMAN, (noted,)),))
    (row,) = write_rows("genprm", [solution])
    assert row["conversations"][-1]["content"] == verdict("No", analysis="5 + 1 is 6.")


def test_neutral_and_unjudged_steps_follow_the_options() -> None:
    labels = (label_from_rating(1), label_from_rating(0), None)
    solution = Solution(
        Problem("P"),
        (Step("a"), Step("b"), Step("c")),
        label_sets=(LabelSet(Author.HUMAN, labels),),
    )
    log = WriteLog()
    (row,) = write_rows("genprm", [solution], log=log, neutral="bad")
    assert [turn["role"] for turn in row["conversations"]] == [
        "system",
        "user",
        "assistant",
        "user",
        "assistant",
    ]
    assert "\\boxed{No}" in row["conversations"][4]["content"]
    assert log.shortened == 1
    assert write_rows("genprm", [solution], unjudged="skip") == []
