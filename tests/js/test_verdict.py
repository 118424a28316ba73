"""Verdicts as pure functions: the edits always lead from the claim to the error steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labeling.content import VerdictContent, parse_content
from labeling.edits import apply_edits

pytestmark = pytest.mark.browser

CLAIM = {"error_type": "domain", "error_positions": [1, 2], "lints": []}
# Applies [[function, ...arguments], ...] to an empty verdict; claim and number of steps come last.
APPLY = """
const verdict = await load("verdict");
const [claim, steps] = args;
let content = verdict.settle(verdict.emptyVerdict(), claim, 8);
const bare = ["chooseVerdict", "chooseRejectCode", "judgeBlind", "setVerdictNote"];
for (const [name, ...given] of steps) {
  content = bare.includes(name)
    ? verdict[name](content, ...given)
    : verdict[name](content, ...given, claim, 8);
}
return content;
"""


def read(document: dict[str, Any]) -> VerdictContent:
    content = parse_content(document, n_steps=8)
    assert isinstance(content, VerdictContent)
    return content


def test_accepting_takes_the_claim_over(run: Callable[..., Any]) -> None:
    content = read(run(APPLY, [CLAIM, [["chooseVerdict", "accept"]]]))
    assert content.error_positions == (1, 2)
    assert content.error_type == "domain"
    assert content.edits == ()


def test_an_off_by_one_claim(run: Callable[..., Any]) -> None:
    steps = [["chooseVerdict", "accept_with_edits"], ["shiftErrors", 1]]
    content = read(run(APPLY, [CLAIM, steps]))
    assert content.error_positions == (2, 3)
    assert [(edit.op, edit.by) for edit in content.edits] == [("shift", 1)]


def test_shifts_add_up_and_a_shift_back_is_no_edit(run: Callable[..., Any]) -> None:
    shifts = [["shiftErrors", 1], ["shiftErrors", 1], ["shiftErrors", -1]]
    assert run(APPLY, [CLAIM, shifts])["edits"] == [{"op": "shift", "by": 1}]
    assert run(APPLY, [CLAIM, [*shifts, ["shiftErrors", -1]]])["edits"] == []


def test_a_claim_past_the_end_comes_back_by_a_shift(run: Callable[..., Any]) -> None:
    past = CLAIM | {"error_positions": [7, 8]}
    assert run(APPLY, [past, []])["error_positions"] == [7]
    assert run(APPLY, [past, [["shiftErrors", -1]]])["error_positions"] == [6, 7]


def test_flags_are_edits_and_a_flag_twice_is_none(run: Callable[..., Any]) -> None:
    once = run(APPLY, [CLAIM, [["toggleFlag", 5]]])
    assert (once["error_positions"], once["edits"]) == ([1, 2, 5], [{"op": "flag", "position": 5}])
    assert run(APPLY, [CLAIM, [["toggleFlag", 5], ["toggleFlag", 5]]])["edits"] == []


def test_unflagging_what_was_claimed(run: Callable[..., Any]) -> None:
    content = run(APPLY, [CLAIM, [["toggleFlag", 1]]])
    assert content["error_positions"] == [2]
    assert content["edits"] == [{"op": "unflag", "position": 1}]


def test_edits_make_accept_an_accept_with_edits(run: Callable[..., Any]) -> None:
    after = run(APPLY, [CLAIM, [["chooseVerdict", "accept"], ["toggleFlag", 5]]])
    assert after["verdict"] == "accept_with_edits"
    before = run(APPLY, [CLAIM, [["toggleFlag", 5], ["chooseVerdict", "accept"]]])
    assert before["verdict"] == "accept_with_edits"
    assert len(before["edits"]) == 1


def test_a_flag_is_no_verdict(run: Callable[..., Any]) -> None:
    assert run(APPLY, [CLAIM, [["toggleFlag", 5]]])["verdict"] is None


def test_text_edits_as_the_server_applies_them(run: Callable[..., Any]) -> None:
    steps = [
        ["chooseVerdict", "accept_with_edits"],
        ["editText", {"op": "replace", "position": 0, "text": "new first"}],
        ["editText", {"op": "insert_after", "position": 3, "text": "added", "isError": True}],
        ["editText", {"op": "delete", "position": 7}],
    ]
    content = read(run(APPLY, [CLAIM, steps]))
    shown = [f"s{position}" for position in range(8)]
    repaired = apply_edits(shown, content.error_positions, content.edits)
    assert repaired.steps == ("new first", "s1", "s2", "s3", "added", "s4", "s5", "s6")
    # Steps 2 and 3 are claimed; the inserted one is the fifth.
    assert repaired.error_positions == (1, 2, 4)


def test_an_inserted_step_takes_its_flag_along(run: Callable[..., Any]) -> None:
    insert = ["editText", {"op": "insert_after", "position": 3, "text": "x", "isError": True}]
    again = ["editText", {"op": "insert_after", "position": 3, "text": "y"}]
    content = run(APPLY, [CLAIM, [insert, again]])
    assert content["edits"] == [{"op": "insert_after", "position": 3, "text": "y"}]
    assert run(APPLY, [CLAIM, [insert, ["removeEdit", 0]]])["edits"] == []
    # Flagging the step before it is another thing.
    flagged = run(APPLY, [CLAIM, [insert, ["toggleFlag", 3]]])
    assert flagged["error_positions"] == [1, 2, 3]


def test_replacing_what_was_deleted(run: Callable[..., Any]) -> None:
    steps = [
        ["editText", {"op": "delete", "position": 2}],
        ["editText", {"op": "replace", "position": 2, "text": "x"}],
    ]
    assert [edit["op"] for edit in run(APPLY, [CLAIM, steps])["edits"]] == ["replace"]


def test_the_type_is_an_edit_only_where_it_differs(run: Callable[..., Any]) -> None:
    other = run(APPLY, [CLAIM, [["setErrorType", "counting"]]])
    assert other["error_type"] == "counting"
    assert other["edits"] == [{"op": "set_type", "text": "counting"}]
    back = run(APPLY, [CLAIM, [["setErrorType", "counting"], ["setErrorType", "domain"]]])
    assert (back["error_type"], back["edits"]) == ("domain", [])


@pytest.mark.parametrize(
    ("fix", "errors"),
    [
        ({"op": "shift", "by": 1}, [2, 3]),
        ({"op": "flag", "position": 7}, [1, 2, 7]),
        ({"op": "flag", "position": 1}, [1, 2]),
        ({"op": "unflag", "position": 1}, [2]),
    ],
)
def test_fixes_of_hints(run: Callable[..., Any], fix: dict[str, Any], errors: list[int]) -> None:
    assert run(APPLY, [CLAIM, [["applyFix", fix]]])["error_positions"] == errors


def test_inherited_flags_the_step(run: Callable[..., Any]) -> None:
    content = read(run(APPLY, [CLAIM, [["chooseVerdict", "unsure"], ["toggleInherited", 5]]]))
    assert content.error_positions == (1, 2, 5)
    assert content.steps[0].label.origin == "inherited"


MISSING = "const { whatIsMissing, emptyVerdict } = await load('verdict');"


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ({}, ["verdict"]),
        ({"verdict": "reject"}, ["reject_code"]),
        ({"verdict": "reject", "reject_code": "other"}, ["note"]),
        ({"verdict": "reject", "reject_code": "not_an_error"}, []),
        ({"verdict": "bad_problem"}, ["note"]),
        ({"verdict": "bad_problem", "note": "no figure"}, []),
        ({"verdict": "accept_with_edits", "error_positions": [1]}, ["edits"]),
        ({"verdict": "accept"}, ["errors"]),
        ({"verdict": "accept", "error_positions": [1]}, []),
        ({"verdict": "unsure"}, []),
    ],
)
def test_what_is_missing(run: Callable[..., Any], said: dict[str, Any], missing: list[str]) -> None:
    body = MISSING + "return whatIsMissing({ ...emptyVerdict(), ...args[0] }, { claim: args[1] });"
    assert run(body, [said, CLAIM]) == missing


def test_nothing_is_asked_before_the_blind_judgement(run: Callable[..., Any]) -> None:
    body = MISSING + "return whatIsMissing(emptyVerdict(), { sealed: true });"
    assert run(body) == ["blind"]


# --- Another solution -----------------------------------------------------------------------------

OFFER = {"error_type": "multi_solutions", "error_positions": [], "lints": []}
ANSWER = """
const { answerQuestion, chooseVerdict, emptyVerdict, settle } = await load("verdict");
let content = settle(emptyVerdict(), args[0], 8);
for (const [question, reply] of args[1]) {
  if (question === "verdict") content = chooseVerdict(content, reply);
  else content = answerQuestion(content, question, reply);
}
return [content.verdict, content.reject_code];
"""


@pytest.mark.parametrize(
    ("correct", "different", "follows"),
    [
        ("yes", "yes", ["accept", ""]),
        ("no", "yes", ["reject", "wrong_type"]),
        ("yes", "no", ["reject", "not_different"]),
        ("no", "no", ["reject", "not_different"]),
        ("unsure", "yes", ["unsure", ""]),
        ("yes", "unsure", ["unsure", ""]),
        # One no is enough, whatever cannot be told of the other.
        ("no", "unsure", ["reject", "wrong_type"]),
    ],
)
def test_the_verdict_follows_from_both_answers(
    run: Callable[..., Any], correct: str, different: str, follows: list[str]
) -> None:
    answers = [["correct", correct], ["different", different]]
    assert run(ANSWER, [OFFER, answers]) == follows
    assert run(ANSWER, [OFFER, answers[::-1]]) == follows


def test_one_answer_alone_is_no_verdict_unless_it_is_no(run: Callable[..., Any]) -> None:
    assert run(ANSWER, [OFFER, [["correct", "yes"]]]) == [None, ""]
    assert run(ANSWER, [OFFER, [["different", "no"]]]) == ["reject", "not_different"]


def test_another_answer_brings_another_verdict(run: Callable[..., Any]) -> None:
    answers = [["correct", "no"], ["different", "yes"], ["correct", "yes"]]
    assert run(ANSWER, [OFFER, answers]) == ["accept", ""]
    answers = [["correct", "no"], ["different", "no"], ["different", "yes"]]
    assert run(ANSWER, [OFFER, answers]) == ["reject", "wrong_type"]


def test_a_verdict_that_was_chosen_stays(run: Callable[..., Any]) -> None:
    answers = [["verdict", "bad_problem"], ["correct", "yes"], ["different", "yes"]]
    assert run(ANSWER, [OFFER, answers]) == ["bad_problem", ""]


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ({}, ["correct", "different", "verdict"]),
        ({"correct": "yes"}, ["different", "verdict"]),
        ({"correct": "yes", "different": "yes", "verdict": "accept"}, []),
        ({"correct": "no", "different": "yes", "verdict": "accept"}, ["against"]),
        ({"correct": "no", "verdict": "reject", "reject_code": "wrong_type"}, ["different"]),
        ({"verdict": "unsure"}, []),
        ({"verdict": "bad_problem", "note": "no figure"}, []),
        (
            {"correct": "yes", "different": "yes", "verdict": "accept", "error_positions": [1]},
            ["flagged"],
        ),
    ],
)
def test_what_is_missing_of_another_solution(
    run: Callable[..., Any], said: dict[str, Any], missing: list[str]
) -> None:
    body = MISSING + "return whatIsMissing({ ...emptyVerdict(), ...args[0] }, { claim: args[1] });"
    assert run(body, [said, OFFER]) == missing


# --- Fixes ----------------------------------------------------------------------------------------

FIX = """
const verdict = await load("verdict");
const [claim, fixes] = args;
let content = verdict.settle(verdict.emptyVerdict(), claim, 8);
const states = [];
for (const fix of fixes) {
  content = verdict.toggleFix(content, fix, claim, 8);
  states.push([content.edits, verdict.isFixed(content, fix, claim, 8)]);
}
return states;
"""


@pytest.mark.parametrize(
    "fix",
    [
        {"op": "shift", "by": 1},
        {"op": "flag", "position": 5},
        {"op": "unflag", "position": 1},
        {"op": "replace", "position": 3, "text": "x"},
        {"op": "delete", "position": 3},
    ],
)
def test_a_fix_is_made_once_and_taken_back(run: Callable[..., Any], fix: dict[str, Any]) -> None:
    assert run(FIX, [CLAIM, [fix, fix]]) == [[[fix], True], [[], False]]


def test_a_fix_is_taken_back_from_among_other_edits(run: Callable[..., Any]) -> None:
    shift, flag = {"op": "shift", "by": 1}, {"op": "flag", "position": 5}
    assert run(FIX, [CLAIM, [shift, flag, shift]])[-1] == [[flag], False]
