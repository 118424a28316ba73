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


def test_a_claim_without_errors_is_accepted_without_any(run: Callable[..., Any]) -> None:
    # Another correct solution of the same problem: there is no step to point at.
    body = (
        MISSING
        + """
    const content = { ...emptyVerdict(), verdict: "accept" };
    return whatIsMissing(content, { claim: { error_positions: [] } });
    """
    )
    assert run(body) == []
