from __future__ import annotations

import json

import pytest

from labeling.records import At, NoError
from modeljobs.methods.critic_replies import (
    NOTE_CLAMPED,
    NOTE_COMMENTS,
    StepScores,
    cut_thoughts,
    read_first_error,
    read_scores,
)
from modeljobs.methods.parsing import Unparsed

# --- The first error --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Paragraph 1 adds wrongly. \\boxed{1}", At(1)),
        ("All is well. \\boxed{-1}", NoError()),
        ("\\boxed{0}", At(0)),
        ("The last is off: $\\boxed{2}$.", At(2)),
        ("\\boxed{\\text{-1}}", NoError()),
        ("\\boxed{ −1 }", NoError()),
        ("\\boxed {paragraph_2}", At(2)),
        ("\\boxed{\\text{Paragraph 2}}", At(2)),
        # The solution's own answer is quoted; the verdict comes last.
        ("It claims \\boxed{10}, which is 9. \\boxed{1}", At(1)),
        ("<think>Is it \\boxed{0}?</think>No: \\boxed{1}", At(1)),
    ],
)
def test_an_index_is_read(text: str, expected: At | NoError) -> None:
    assert read_first_error(text, steps=3) == expected


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("", "empty", "is empty"),
        ("<think>Let me see.</think>  ", "empty", "is empty"),
        ("<think>\\boxed{1}", "only_thoughts", "within its thoughts"),
        ("Paragraph 1 is wrong.", "no_verdict", "no \\boxed{}"),
        ("\\boxed{1", "truncated", "breaks off"),
        ("\\boxed{none}", "bad_index", "'none', which is no number"),
        ("\\boxed{1, 2}", "bad_index", "'1, 2'"),
        ("\\boxed{1.5}", "bad_index", "'1.5'"),
        ("\\boxed{}", "bad_index", "''"),
        ("\\boxed{3}", "out_of_range", "paragraph 3; the paragraphs go from 0 to 2"),
        ("\\boxed{-2}", "out_of_range", "paragraph -2"),
        # The thoughts do not count where they are over.
        ("<think>\\boxed{1}</think>I cannot say.", "no_verdict", "no \\boxed{}"),
    ],
)
def test_an_unreadable_verdict_says_why(text: str, code: str, says: str) -> None:
    found = read_first_error(text, steps=3)

    assert isinstance(found, Unparsed)
    assert found.code == code
    assert says in found.reason


def test_thoughts_end_at_their_last_mark() -> None:
    assert cut_thoughts("a</think>b</think>c") == "c"
    # Some servers leave out the mark that begins them.
    assert cut_thoughts("a</think>b") == "b"
    assert cut_thoughts("no thoughts") == "no thoughts"


# --- Ratings ----------------------------------------------------------------------------------

GOOD = {"validity": [1, -0.5, 0], "redundancy": [-1, 0.25, 1]}
SCORES = StepScores((1.0, -0.5, 0.0), (-1.0, 0.25, 1.0))


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(GOOD),
        f"```json\n{json.dumps(GOOD, indent=2)}\n```",
        f"With $\\frac{{1}}{{2}}$ in mind: {json.dumps(GOOD)} That is {{all}}.",
        # The first that has both lists.
        f'{{"validity": "see below"}} {json.dumps(GOOD)}',
        f"{json.dumps(GOOD)} {json.dumps(GOOD | {'validity': [0, 0, 0]})}",
        f'<think>{{"validity": [], "redundancy": []}}</think>{json.dumps(GOOD)}',
        json.dumps({"note": 'a "} brace" // and no comment', **GOOD}),
    ],
)
def test_ratings_are_read(text: str) -> None:
    assert read_scores(text, steps=3) == SCORES


@pytest.mark.parametrize(
    "text",
    [
        '{"validity": [1, -0.5, 0], // the second } is off\n"redundancy": [-1, 0.25, 1]}',
        '{ # a "comment\n"validity": [1, -0.5, 0], "redundancy": [-1, 0.25, 1]}',
        '{"validity": [1, # fine\n-0.5, 0], "redundancy": [-1, 0.25, 1] // {\n}',
    ],
)
def test_comments_are_passed_over_and_said(text: str) -> None:
    found = read_scores(text, steps=3)

    assert found == StepScores(SCORES.validity, SCORES.redundancy, (NOTE_COMMENTS,))


def test_ratings_beyond_the_scale_are_moved_to_its_edge_with_a_note() -> None:
    found = read_scores('{"validity": [2, -7.5], "redundancy": [-1, 1]}', steps=2)

    assert found == StepScores((1.0, -1.0), (-1.0, 1.0), (NOTE_CLAMPED,))


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("  ", "empty", "is empty"),
        ("Step 2 is wrong.", "no_json", "no JSON object"),
        ('{"validity": [1, 1, 1], "redundancy": [1,', "no_json", "no JSON object"),
        ('{"validity": [1, 1, 1]}', "missing_field", "no redundancy"),
        ('{"verdict": 1}', "missing_field", "no validity and no redundancy"),
        ('{"validity": [1, 1, 1]} {"redundancy": [0, 0, 0]}', "missing_field", "both lists"),
        ('{"validity": 1, "redundancy": [0, 0, 0]}', "bad_field", "'validity' is not a list"),
        (
            '{"validity": [1, 1], "redundancy": [0, 0, 0]}',
            "wrong_length",
            "'validity' has 2 numbers for 3 steps",
        ),
        (
            '{"validity": [1, 1, 1], "redundancy": [0, 0, 0, 0]}',
            "wrong_length",
            "'redundancy' has 4 numbers",
        ),
        ('{"validity": [1, "1", 1], "redundancy": [0, 0, 0]}', "bad_number", "'1' at place 2"),
        ('{"validity": [1, 1, null], "redundancy": [0, 0, 0]}', "bad_number", "None at place 3"),
        ('{"validity": [true, 1, 1], "redundancy": [0, 0, 0]}', "bad_number", "True at place 1"),
        ('{"validity": [NaN, 1, 1], "redundancy": [0, 0, 0]}', "bad_number", "nan at place 1"),
        ('{"validity": [1, 1, 1], "redundancy": [0, 1e999, 0]}', "bad_number", "inf at place 2"),
        (f'{{"validity": [1{"0" * 400}, 1, 1], "redundancy": [0, 0, 0]}}', "bad_number", "place 1"),
    ],
)
def test_unreadable_ratings_say_why(text: str, code: str, says: str) -> None:
    found = read_scores(text, steps=3)

    assert isinstance(found, Unparsed)
    assert found.code == code
    assert says in found.reason


@pytest.mark.parametrize("text", ['{"' * 100_000, '{"' + '\\"' * 100_000, '{"\\'])
def test_a_reply_of_braces_or_quotes_alone_is_given_up(text: str) -> None:
    found = read_scores(text, steps=3)

    assert isinstance(found, Unparsed)
    assert found.code == "no_json"
