from __future__ import annotations

from typing import Any

import pytest

from labeling.content import (
    ContentError,
    RatingContent,
    Reply,
    VerdictContent,
    pack_content,
    parse_content,
)
from labeling.states import SubmissionRules, find_gaps

RULES = SubmissionRules(
    stop_at_first_error=False,
    allow_partial=False,
    asks_error_types=False,
    error_codes=frozenset(),
)
FULL_RATING: dict[str, Any] = {
    "schema": 1,
    "task": "rate_steps",
    "steps": [
        {"position": 0, "validity": "correct", "rating": 1},
        {"position": 1, "validity": "wrong", "rating": -1},
    ],
    "outcome": "complete",
    "note": "n",
    "bulk": [0],
    "overrides": [{"position": 1, "reason": "missed_error"}],
    "proposal": {"suggestion": 7, "ratings": [1, 1]},
    "before_reveal": [{"position": 1, "validity": "correct"}],
}
FULL_VERDICT: dict[str, Any] = {
    "schema": 1,
    "task": "verify_injection",
    "verdict": "accept",
    "error_positions": [],
    "error_type": "",
    "reject_code": "",
    "edits": [],
    "steps": [],
    "blind_first_error": {"none": True},
    "note": "",
    "correct": "yes",
    "different": "unsure",
    "before_reveal": [{"position": 0, "unsure": True}],
}


@pytest.mark.parametrize("document", [FULL_RATING, FULL_VERDICT], ids=["rating", "verdict"])
def test_a_document_comes_back_as_it_was(document: dict[str, Any]) -> None:
    assert pack_content(parse_content(document, n_steps=2)) == document


@pytest.mark.parametrize("name", ["bulk", "overrides", "proposal", "before_reveal"])
def test_an_earlier_document_is_stored_as_it_was(name: str) -> None:
    document = {key: value for key, value in FULL_RATING.items() if key != name}
    assert pack_content(parse_content(document, n_steps=2)) == document


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("bulk", [2]),
        ("bulk", "0"),
        ("overrides", [{"position": 0, "reason": "whim"}]),
        ("overrides", [{"position": 0}]),
        ("overrides", [{"position": 1, "reason": "other"}, {"position": 1, "reason": "other"}]),
        ("proposal", {"suggestion": 7, "ratings": [1]}),
        ("proposal", {"suggestion": 7, "ratings": [1, 2]}),
        ("proposal", {"suggestion": 7, "ratings": [1, True]}),
        ("proposal", {"suggestion": "7", "ratings": [1, 1]}),
        ("before_reveal", {}),
    ],
)
def test_what_makes_no_sense_is_named(field: str, value: object) -> None:
    with pytest.raises(ContentError) as refused:
        parse_content(FULL_RATING | {field: value}, n_steps=2)
    assert refused.value.field.startswith(field)


def replies(verdict: str, correct: str | None, different: str | None) -> list[str]:
    data = FULL_VERDICT | {
        "verdict": verdict,
        "correct": correct,
        "different": different,
        "reject_code": "not_different" if verdict == "reject" else "",
        "note": "why",
    }
    content = parse_content(data, n_steps=2)
    rules = SubmissionRules(
        stop_at_first_error=False,
        allow_partial=False,
        asks_error_types=False,
        error_codes=frozenset(),
        asks_replies=True,
    )
    return [gap.field for gap in find_gaps(content, n_steps=2, rules=rules)]


@pytest.mark.parametrize(
    ("verdict", "correct", "different", "gaps"),
    [
        ("accept", "yes", "yes", []),
        ("accept", None, "yes", ["correct"]),
        ("reject", "no", None, ["different"]),
        ("reject", "no", "yes", []),
        ("accept", "yes", "no", ["verdict"]),
        ("accept", "unsure", "yes", ["verdict"]),
        ("unsure", None, None, []),
        ("bad_problem", None, None, []),
    ],
)
def test_a_second_solution_is_accepted_when_both_answers_are_yes(
    verdict: str, correct: str | None, different: str | None, gaps: list[str]
) -> None:
    assert replies(verdict, correct, different) == gaps


def test_other_claims_are_not_asked_the_two_questions() -> None:
    content = parse_content(FULL_VERDICT | {"correct": None, "different": None}, n_steps=2)
    assert isinstance(content, VerdictContent)
    assert (content.correct, content.different) == (None, None)
    assert find_gaps(content, n_steps=2, rules=RULES) == []
    assert parse_content(FULL_VERDICT, n_steps=2) != content
    assert Reply("yes") is Reply.YES


def test_bulk_is_told_apart_from_one_by_one() -> None:
    content = parse_content(FULL_RATING, n_steps=2)
    assert isinstance(content, RatingContent)
    assert content.bulk == (0,)
