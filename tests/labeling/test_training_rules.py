"""Comparing answers with what is expected, the pass mark, and a balanced choice."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from labeling.content import Content, parse_content
from labeling.training_rules import (
    Asked,
    Candidate,
    choose_balanced,
    compare,
    compare_steps,
    count_confusions,
    count_needed,
    describe_candidate,
    explain_indefinite,
    has_passed,
    pack_finding,
)

N = 4
ASKED = Asked(n_steps=N)


def rated(marks: str, **more: Any) -> Content:
    """One character a step: + 0 - for ratings, ? for unsure, . for not judged."""
    values = {"+": {"rating": 1, "validity": "correct"}, "0": {"rating": 0, "validity": "correct"}}
    values |= {"-": {"rating": -1, "validity": "wrong"}, "?": {"unsure": True}}
    types = more.pop("types", {})
    steps = [
        {
            "position": position,
            **values[mark],
            **({"error_types": types[position]} if position in types else {}),
        }
        for position, mark in enumerate(marks)
        if mark != "."
    ]
    return parse_content({"task": "rate_steps", "steps": steps, **more}, n_steps=N)


def verified(verdict: str = "accept", errors: tuple[int, ...] = (1,), **more: Any) -> Content:
    return parse_content(
        {
            "task": "verify_injection",
            "verdict": verdict,
            "error_positions": list(errors),
            "error_type": more.pop("error_type", "deception"),
            **more,
        },
        n_steps=N,
    )


def kinds(answer: Content, expected: Content, asked: Asked = ASKED) -> dict[str, bool]:
    return {found.kind: found.is_right for found in compare(answer, expected, asked).findings}


@pytest.mark.parametrize(
    ("given", "expected", "kind", "is_right"),
    [
        ("++-+", "++--", "found", True),
        ("++++", "+0++", "clean", True),
        ("++++", "++-+", "missed", False),
        ("++-+", "++++", "invented", False),
        ("+-++", "++-+", "too_early", False),
        ("+++-", "++-+", "too_late", False),
        ("+?++", "++-+", "not_found", False),
    ],
)
def test_the_first_error_decides(given: str, expected: str, kind: str, is_right: bool) -> None:
    compared = compare(rated(given), rated(expected), ASKED)
    assert compared.findings[0].kind == kind
    assert compared.is_right is is_right


def test_other_ratings_are_said_and_do_not_count() -> None:
    compared = compare(rated("+0-+"), rated("++--"), ASKED)
    assert compared.is_right
    wrong = [found.values for found in compared.findings if found.kind == "rating"]
    assert wrong == [
        {"position": 1, "expected": "1", "given": "0"},
        {"position": 3, "expected": "-1", "given": "1"},
    ]
    total = next(found for found in compared.findings if found.kind == "ratings")
    assert (total.is_right, dict(total.values)) == (False, {"same": 2, "of": 4})


def test_where_only_right_and_wrong_are_asked_neutral_is_right() -> None:
    binary = Asked(n_steps=N, binary=True)
    assert kinds(rated("+0++"), rated("++++"), binary) == {"clean": True, "ratings": True}


def test_steps_that_one_of_them_did_not_judge_are_not_compared() -> None:
    steps = compare_steps(rated("-..."), rated("++-."), ASKED)
    assert [step.agrees for step in steps] == [False, None, None, None]
    assert [step.expected for step in steps] == ["1", "1", "-1", "skip"]


def test_types_are_compared_on_steps_that_both_call_wrong() -> None:
    given = rated("+---", types={1: ["circular"], 2: ["deception"], 3: ["deception"]})
    expected = rated("+-+-", types={1: ["deception"], 3: ["deception"]})
    compared = compare(given, expected, ASKED)
    assert compared.is_right
    wrong = [dict(found.values) for found in compared.findings if found.kind == "type"]
    assert wrong == [{"position": 1, "expected": "deception", "given": "circular"}]
    assert "type" not in kinds(given, expected, Asked(n_steps=N, error_types=False))


@pytest.mark.parametrize(
    ("given", "expected", "kind", "is_right"),
    [
        (
            rated("", outcome="bad_problem", note="x"),
            rated("", outcome="bad_problem"),
            "bad_problem",
            True,
        ),
        (rated("++++"), rated("", outcome="bad_problem"), "missed_bad_problem", False),
        (rated("", outcome="bad_problem", note="x"), rated("++++"), "no_bad_problem", False),
        (rated("", outcome="gave_up", note="x"), rated("++++"), "gave_up", False),
        (verified("bad_problem"), verified("bad_problem"), "bad_problem", True),
        (verified("unsure"), verified(), "verdict_unsure", False),
    ],
)
def test_an_item_that_ends_early_has_one_finding(
    given: Content, expected: Content, kind: str, is_right: bool
) -> None:
    assert kinds(given, expected) == {kind: is_right}


def test_a_verdict_and_its_first_error_decide() -> None:
    assert compare(verified(), verified(), ASKED).is_right
    # Accepted as it stands where it had to be moved: the labels would be wrong.
    assert not compare(verified(errors=(1,)), verified("accept_with_edits", (2,)), ASKED).is_right
    assert compare(verified("accept_with_edits", (2,)), verified(errors=(2,)), ASKED).is_right
    later = compare(verified(errors=(1,)), verified(errors=(1, 2)), ASKED)
    assert later.is_right
    assert not next(found for found in later.findings if found.kind == "positions").is_right


def test_the_wrong_verdict_says_which_way_it_is_wrong() -> None:
    reject = verified("reject", (), reject_code="not_an_error")
    assert kinds(verified(), reject)["accepted"] is False
    assert kinds(reject, verified())["rejected"] is False
    other = verified("reject", (), reject_code="wrong_type")
    found = compare(other, reject, ASKED)
    assert found.is_right
    assert kinds(other, reject) == {"verdict": True, "reason": False}


def test_type_repair_and_blind_judgement_are_said_and_do_not_count() -> None:
    edits = [{"op": "replace", "position": 1, "text": "So 4."}]
    answer = verified("accept_with_edits", error_type="circular", edits=edits)
    blind = verified(error_type="circular", blind_first_error={"at": 2})
    assert kinds(answer, verified()) == {
        **{"verdict": True, "found": True, "positions": True},
        **{"claim_type": False, "repair_added": False},
    }
    assert compare(answer, verified(), ASKED).is_right
    assert kinds(verified(), verified("accept_with_edits", edits=edits))["repair_missing"] is False
    assert kinds(blind, verified())["blind"] is False
    assert "blind" not in kinds(verified(), verified())


def test_a_second_solution_is_asked_two_questions() -> None:
    expected = verified("accept", (), error_type="multi_solutions", correct="yes", different="yes")
    given = verified("accept", (), error_type="multi_solutions", correct="yes", different="no")
    assert kinds(given, expected)["is_correct"] is True
    assert kinds(given, expected)["is_different"] is False


def test_two_tasks_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        compare(rated("++++"), verified(), ASKED)


@pytest.mark.parametrize(
    ("size", "percent", "needed"), [(30, 75, 23), (4, 75, 3), (1, 75, 1), (0, 75, 0), (3, 100, 3)]
)
def test_the_pass_mark_is_rounded_up(size: int, percent: int, needed: int) -> None:
    assert count_needed(size, percent) == needed
    assert has_passed(needed, size=size, pass_percent=percent)
    assert needed == 0 or not has_passed(needed - 1, size=size, pass_percent=percent)


def test_confusions_are_counted_once_an_answer_whatever_the_step() -> None:
    def pack(given: str, expected: str) -> list[dict[str, Any]]:
        compared = compare(rated(given), rated(expected), ASKED)
        return [pack_finding(found) for found in compared.findings]

    counted = count_confusions(
        [pack("00++", "++++"), pack("+++0", "++++"), pack("++++", "++-+"), pack("++++", "++++")]
    )
    assert counted == [
        ({"kind": "rating", "values": {"expected": "1", "given": "0"}}, 2),
        ({"kind": "missed", "values": {"expected": "", "given": ""}}, 1),
        ({"kind": "rating", "values": {"expected": "-1", "given": "1"}}, 1),
    ]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (rated("++-."), ""),
        (rated("++++"), ""),
        (rated("+.++"), "no_first_error"),
        (rated("+?-+"), "no_first_error"),
        (rated("", outcome="gave_up"), "gave_up"),
        (rated("", outcome="bad_problem"), ""),
        (verified("unsure"), "unsure"),
        (verified("reject", (), reject_code="other"), ""),
    ],
)
def test_only_a_definite_answer_can_be_expected(content: Content, why: str) -> None:
    assert explain_indefinite(content, n_steps=N) == why


def test_what_kind_of_item_a_content_makes() -> None:
    def describe(content: Content) -> tuple[str, str]:
        one = describe_candidate(content, item_id=1, family_id=1, n_steps=N)
        return one.side, one.error_type

    assert describe(rated("++-+", types={2: ["circular"]})) == ("error", "circular")
    assert describe(rated("++++")) == ("no_error", "")
    assert describe(verified()) == ("accept", "deception")
    assert describe(verified("reject", (), error_type="")) == ("reject", "")


def make_candidates() -> list[Candidate]:
    """Many clean solutions of few problems, few errors, and injections of two types."""
    found = [Candidate(n, n % 5, "rate_steps", "no_error") for n in range(50)]
    found += [Candidate(100 + n, 100 + n, "rate_steps", "error", "circular") for n in range(6)]
    for kind in ("deception", "redundency"):
        start = 200 + len(found)
        found += [
            Candidate(start + n, start + n, "verify_injection", "accept", kind) for n in range(10)
        ]
    return found + [Candidate(900 + n, 900 + n, "verify_injection", "reject") for n in range(10)]


def test_a_choice_is_balanced_at_every_level() -> None:
    chosen = choose_balanced(make_candidates(), 20, seed=3)
    assert Counter(one.task for one in chosen) == {"rate_steps": 10, "verify_injection": 10}
    assert Counter(one.side for one in chosen) == {
        **{"no_error": 5, "error": 5, "accept": 5, "reject": 5}
    }
    types = Counter(one.error_type for one in chosen if one.side == "accept")
    assert sorted(types.values()) == [2, 3]
    clean = [one.family_id for one in chosen if one.side == "no_error"]
    assert len(set(clean)) == 5


def test_a_choice_is_repeated_by_its_seed() -> None:
    candidates = make_candidates()
    first = choose_balanced(candidates, 12, seed=7)
    assert choose_balanced(candidates, 12, seed=7) == first
    assert choose_balanced(candidates, 12, seed=8) != first
    assert len(set(first)) == 12


def test_what_is_there_already_counts_for_the_balance() -> None:
    candidates = make_candidates()
    present = [one for one in candidates if one.task == "rate_steps"][:4]
    chosen = choose_balanced(
        [one for one in candidates if one not in present], 4, seed=1, present=present
    )
    assert {one.task for one in chosen} == {"verify_injection"}


def test_a_choice_ends_where_there_is_nothing_left() -> None:
    assert len(choose_balanced(make_candidates()[:3], 30, seed=1)) == 3
    assert choose_balanced(make_candidates(), 0, seed=1) == []
