"""The lints: a clean injection has none, and each way of spoiling it is found."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from labeling.content import EDIT_OPS, Edit, parse_content
from labeling.formats.lint import (
    LINTS,
    Lint,
    LintContext,
    Severity,
    has_blocking,
    lint_injection,
)
from labeling.records import Injection, Problem, Solution, Step
from labeling.taxonomies.loader import load_builtin

ORIGINAL = (
    "Let $s$ be the side of the square, so that its area is $s^2$.",
    "The area is $49$, so $s^2 = 49$.",
    "A side is positive, hence $s = 7$.",
    "The perimeter is $4s = 28$.",
)
# Step 3 is edited and flagged; step 4 follows from it and is flagged as well.
MODIFIED = (
    ORIGINAL[0],
    ORIGINAL[1],
    "A side is positive, hence $s = 24.5$, half of the area.",
    "The perimeter is $4s = 98$.",
)
QUESTION = "A square has area $49$. Find its perimeter."


def make_injection(**changes: Any) -> Solution:
    """A clean injection, with some parts of the claim or of the solution exchanged."""
    steps = changes.pop("steps", MODIFIED)
    question = changes.pop("question", QUESTION)
    name = changes.pop("name", "square")
    family = changes.pop("family", name)
    claim = {
        "error_type": "counterfactual",
        "original_problem": QUESTION,
        "original_steps": ORIGINAL,
        "claimed_error_positions": (2, 3),
        "claimed_changed_positions": (2, 3),
        "reason": "Step 3 halves the area instead of taking its root, and step 4 goes on with it.",
        **changes,
    }
    return Solution(
        problem=Problem(question, source_id=name, family=family),
        steps=tuple(Step(text) for text in steps),
        source_id=f"{claim['error_type']}_{name}",
        injection=Injection(**claim),
    )


def codes(lints: tuple[Lint, ...]) -> list[str]:
    return [lint.code for lint in lints]


def find(solution: Solution, code: str, context: LintContext | None = None) -> list[Lint]:
    return [lint for lint in lint_injection(solution, context=context) if lint.code == code]


def edit_step(position: int, text: str) -> tuple[str, ...]:
    return (*MODIFIED[:position], text, *MODIFIED[position + 1 :])


def test_a_clean_injection_has_no_lint() -> None:
    solution = make_injection()
    assert lint_injection(solution) == ()
    assert lint_injection(solution, context=LintContext.build([solution])) == ()


# Each case spoils the clean injection in one way: the code, the spoiled injection, and where the
# spoiling cannot help setting off others, those too.
SPOILED: dict[str, tuple[Solution, set[str]]] = {
    "E01": (make_injection(error_type=" "), set()),
    "E02": (make_injection(claimed_error_positions=(2, 3, "4")), set()),
    "E03a": (make_injection(claimed_error_positions=(2, 4)), {"W11", "W23"}),
    "E03b": (make_injection(claimed_changed_positions=(2, 3, 4)), set()),
    "E04": (make_injection(claimed_error_positions=()), set()),
    "E05": (make_injection(steps=ORIGINAL), {"W12"}),
    "E06": (make_injection(steps=(*MODIFIED, " ")), {"W12"}),
    "E08": (make_injection(error_type="multi_solutions"), {"W22"}),
    "W11": (make_injection(claimed_changed_positions=(2,)), {"W12"}),
    "W12": (make_injection(claimed_changed_positions=(1, 2, 3)), set()),
    "W13": (
        make_injection(claimed_error_positions=(0, 2, 3), claimed_changed_positions=(0, 2, 3)),
        {"W12"},
    ),
    "W14": (
        make_injection(claimed_error_positions=(1, 2), claimed_changed_positions=(1, 2)),
        {"W12", "W13", "W23"},
    ),
    "W15": (make_injection(reason="Step 1 is the error."), set()),
    "W16": (
        make_injection(
            claimed_error_positions=(0, 1, 2, 3), claimed_changed_positions=(0, 1, 2, 3)
        ),
        {"W12", "W13"},
    ),
    "W17": (make_injection(question="A square has area $36$. Find its perimeter."), set()),
    "W19": (make_injection(steps=edit_step(3, "# Answer\n\n$4s = 98$ is the perimeter.")), set()),
    "W20": (make_injection(steps=edit_step(3, "The perimeter is $4s = 98.")), set()),
    "W21": (
        make_injection(steps=edit_step(2, "A side is positive, hence wrongly $s = 24.5$.")),
        set(),
    ),
    "W22": (make_injection(error_type="redundency"), set()),
    "W23": (
        make_injection(
            steps=(*MODIFIED, "So a fence of length $98$ is needed."),
            claimed_changed_positions=(2, 3, 4),
        ),
        set(),
    ),
}
# These compare injections with one another.
IN_CONTEXT = {"E07", "W18", "W24"}


def test_every_lint_is_tried() -> None:
    assert SPOILED.keys() | IN_CONTEXT == LINTS.keys()


@pytest.mark.parametrize("code", SPOILED)
def test_spoiling_is_found(code: str) -> None:
    solution, bystanders = SPOILED[code]
    found = set(codes(lint_injection(solution)))
    assert code in found
    assert found <= {code} | bystanders


@pytest.mark.parametrize("code", SPOILED)
def test_what_is_found_is_in_the_catalogue_and_can_be_stored(code: str) -> None:
    for lint in lint_injection(SPOILED[code][0]):
        rule = LINTS[lint.code]
        assert lint.template in rule.messages
        assert lint.severity is rule.severity
        assert "%(" not in lint.message
        packed = lint.pack()
        assert json.loads(json.dumps(packed)) == packed
        assert packed["severity"] in ("block", "warn")


@pytest.mark.parametrize("code", SPOILED)
def test_every_fix_is_an_edit_that_a_verdict_may_hold(code: str) -> None:
    solution = SPOILED[code][0]
    fixes = [lint.pack()["fix"] for lint in lint_injection(solution) if lint.fix is not None]
    assert all(fix["op"] in EDIT_OPS for fix in fixes)
    document = {"task": "verify_injection", "verdict": "accept_with_edits", "edits": fixes}
    parse_content(document, n_steps=len(solution.steps))


def test_errors_block_and_hints_warn() -> None:
    for code, rule in LINTS.items():
        assert rule.severity is (Severity.BLOCK if code.startswith("E") else Severity.WARN)
        assert rule.title
        assert rule.description.endswith(".")
        assert all(message.endswith((".", "”.")) for message in rule.messages)


def test_lints_come_in_the_order_of_the_catalogue() -> None:
    solution = make_injection(claimed_error_positions=(1, 9), claimed_changed_positions=(9,))
    found = codes(lint_injection(solution))
    assert found == sorted(found, key=list(LINTS).index)
    assert has_blocking(lint_injection(solution))
    assert not has_blocking(lint_injection(SPOILED["W11"][0]))


# -- Each lint -------------------------------------------------------------------------------------


def test_a_solution_without_an_injection_has_no_claim() -> None:
    (lint,) = lint_injection(Solution(Problem("Find $x$."), (Step("$x = 1$."),)))
    assert (lint.code, lint.field) == ("E01", "injection")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"error_type": ""}, "injection.error_type"),
        ({"question": " "}, "problem.text"),
        ({"steps": ()}, "steps"),
        ({"original_steps": ()}, "injection.original_steps"),
    ],
)
def test_missing_parts(changes: dict[str, Any], field: str) -> None:
    assert [lint.field for lint in find(make_injection(**changes), "E01")] == [field]


@pytest.mark.parametrize("value", ["3", 2.0, True, None])
def test_a_step_number_is_a_whole_number(value: object) -> None:
    (lint,) = find(make_injection(claimed_changed_positions=(2, value)), "E02")
    assert lint.params == {"values": repr(value)}
    assert lint.field == "injection.claimed_changed_positions"


def test_error_and_modified_steps_out_of_range_are_told_apart() -> None:
    # Positions 4 and -1 are steps 5 and 0 to a reader; the solution ends with step 4.
    only_error = make_injection(claimed_error_positions=(2, 3, 4))
    (lint,) = find(only_error, "E03a")
    assert lint.params == {"steps": "5", "last": 4}
    assert find(only_error, "E03b") == []

    only_modified = make_injection(claimed_changed_positions=(-1, 2, 3))
    (lint,) = find(only_modified, "E03b")
    assert lint.params == {"steps": "0", "last": 4}
    assert find(only_modified, "E03a") == []


def test_the_last_step_is_in_range() -> None:
    assert find(make_injection(claimed_error_positions=(3,)), "E03a") == []


def test_flags_past_the_end_that_a_shift_brings_back_carry_it() -> None:
    # Steps 4 and 5 of 4 are flagged; one lower are 3 and 4, which are the changed ones.
    solution = make_injection(claimed_error_positions=(3, 4))
    (lint,) = find(solution, "E03a")
    assert lint.fix == Edit(op="shift", by=-1)


def test_a_second_solution_needs_no_error_step() -> None:
    solution = make_injection(
        error_type="multi_solutions",
        steps=("Two sides make $14$.", "All four make $28$."),
        claimed_error_positions=(),
        claimed_changed_positions=(),
    )
    assert lint_injection(solution) == ()


def test_the_unverified_class_of_second_solutions_has_no_error_either() -> None:
    solution = make_injection(error_type="one_question_multi_answers", claimed_error_positions=())
    assert find(solution, "E04") == []


def test_identical_means_word_for_word() -> None:
    assert len(find(make_injection(steps=ORIGINAL), "E05")) == 1
    respaced = (ORIGINAL[0] + " ", *ORIGINAL[1:])
    assert find(make_injection(steps=respaced), "E05") == []


def test_a_blank_step_can_be_deleted_and_a_lonely_one_not() -> None:
    (lint,) = find(make_injection(steps=(*MODIFIED, "\n")), "E06")
    assert (lint.step, lint.fix) == (4, Edit(op="delete", position=4))
    (lint,) = find(make_injection(steps=(" ",)), "E06")
    assert lint.fix is None


def test_a_blank_original_step_is_no_step_of_the_modified_solution() -> None:
    (lint,) = find(make_injection(original_steps=(*ORIGINAL, "")), "E06")
    assert (lint.step, lint.field) == (None, "injection.original_steps")
    assert lint.message == "Original step 5 is blank."


def test_the_same_problem_and_type_twice() -> None:
    twice = [make_injection(), make_injection(steps=edit_step(2, "So $s = 12$, a quarter."))]
    other_type = make_injection(error_type="deception")
    context = LintContext.build([*twice, other_type])
    (lint,) = find(twice[0], "E07", context)
    assert lint.params == {"count": 2, "type": "counterfactual", "problem": "square"}
    assert find(other_type, "E07", context) == []


def test_problems_without_an_id_are_not_the_same_problem() -> None:
    nameless = replace(make_injection(), problem=Problem(QUESTION), source_id="")
    assert find(nameless, "E07", LintContext.build([nameless, nameless])) == []


def test_the_declared_list_against_what_changed() -> None:
    # Steps 3 and 4 differ. Declared are 1 and 3: 4 is missing, 1 is too many.
    (lint,) = find(make_injection(claimed_changed_positions=(0, 2)), "W12")
    assert lint.params == {"unlisted": "4", "unchanged": "1"}
    assert lint.message == "Changed but not listed: steps 4. Listed but unchanged: steps 1."


def test_an_unchanged_flag_can_be_taken_away() -> None:
    (lint,) = find(SPOILED["W13"][0], "W13")
    assert (lint.step, lint.params) == (0, {"step": 1, "original": 1})
    assert lint.fix == Edit(op="unflag", position=0)


@pytest.mark.parametrize(
    "changes",
    [
        {"error_type": "step_contradiction"},
        {"question": "A square has area $36$. Find its perimeter."},
    ],
)
def test_an_unchanged_flag_may_be_right(changes: dict[str, Any]) -> None:
    solution = make_injection(claimed_error_positions=(0, 2, 3), **changes)
    assert find(solution, "W13") == []


def test_a_repeated_step_is_not_called_unchanged() -> None:
    # Redundant: step 2 once more. Which of the two copies is the new one, nobody can say.
    steps = (ORIGINAL[0], ORIGINAL[1], ORIGINAL[1], *ORIGINAL[2:])
    for flagged in (1, 2):
        solution = make_injection(
            steps=steps, error_type="redundency", claimed_error_positions=(flagged,)
        )
        assert find(solution, "W13") == []


def test_a_shift_is_suggested_when_it_alone_explains_the_flags() -> None:
    # New is step 3 of 5; flagged is step 2: counted before the insertion.
    steps = (*ORIGINAL[:2], "The number $49$ is prime, as one knows.", *ORIGINAL[2:])
    claim = {"claimed_error_positions": (1,), "claimed_changed_positions": (1,)}
    (lint,) = find(make_injection(steps=steps, **claim), "W14")
    assert lint.fix == Edit(op="shift", by=1)
    assert lint.params == {"by": "+1", "steps": "3"}
    (unchanged,) = find(make_injection(steps=steps, **claim), "W13")
    assert unchanged.fix is None


def test_a_shift_in_either_direction_has_no_fix() -> None:
    # New are steps 2 and 4, flagged is step 3.
    steps = (ORIGINAL[0], "Nothing is known.", ORIGINAL[1], "All is known.", *ORIGINAL[2:])
    (lint,) = find(make_injection(steps=steps, claimed_error_positions=(2,)), "W14")
    assert (lint.params, lint.fix) == ({"steps": "3"}, None)


def test_flags_on_changed_steps_need_no_shift() -> None:
    assert find(make_injection(claimed_error_positions=(3,)), "W14") == []


def test_a_reason_may_name_one_flagged_step_among_others() -> None:
    reason = "Steps 1 and 3 do not go together."
    assert find(make_injection(reason=reason), "W15") == []
    (lint,) = find(make_injection(reason="Steps 1-2 do not go together."), "W15")
    assert lint.params == {"named": "1, 2", "steps": "3, 4"}


def test_one_step_that_is_all_there_is_may_be_flagged() -> None:
    solution = make_injection(
        steps=("So the perimeter is $98$.",),
        claimed_error_positions=(0,),
        claimed_changed_positions=(0,),
    )
    assert find(solution, "W16") == []


def test_a_question_written_otherwise_is_the_same_question() -> None:
    assert (
        find(make_injection(question="A square has area  \\(49\\). Find its perimeter."), "W17")
        == []
    )


def test_an_original_that_differs_from_its_source() -> None:
    context = LintContext.build(sources={"square": (*ORIGINAL[:3], "So it is $28$.")})
    (lint,) = find(make_injection(), "W18", context)
    assert lint.message == "The original steps differ from their source, first at step 4."
    assert find(make_injection(), "W18", LintContext.build(sources={"square": ORIGINAL})) == []


def test_an_original_that_differs_from_most_others() -> None:
    faithful = [
        make_injection(error_type=kind) for kind in ("counterfactual", "deception", "circular")
    ]
    drifted = make_injection(
        error_type="confidence", original_steps=(*ORIGINAL[:3], "So it is $28$.")
    )
    context = LintContext.build([*faithful, drifted])
    (lint,) = find(drifted, "W18", context)
    assert lint.params == {"count": 3}
    assert all(find(solution, "W18", context) == [] for solution in faithful)


def test_two_against_two_is_no_drift() -> None:
    ours = [make_injection(error_type=kind) for kind in ("counterfactual", "deception")]
    theirs = [
        make_injection(error_type=kind, original_steps=ORIGINAL[:3])
        for kind in ("circular", "confidence")
    ]
    context = LintContext.build([*ours, *theirs])
    assert all(find(solution, "W18", context) == [] for solution in [*ours, *theirs])


def test_a_heading_can_be_taken_out_of_its_step() -> None:
    (lint,) = find(SPOILED["W19"][0], "W19")
    assert lint.fix == Edit(op="replace", position=3, text="$4s = 98$ is the perimeter.")
    (lint,) = find(make_injection(steps=(*MODIFIED, "# Answer")), "W19")
    assert lint.fix == Edit(op="delete", position=4)


def test_a_lost_backslash_can_be_put_back() -> None:
    steps = edit_step(3, "The perimeter is $\frac{196}{2} = 98$.")
    (lint,) = find(make_injection(steps=steps), "W20")
    assert lint.params == {"step": 4, "found": "frac"}
    assert lint.fix is not None
    assert lint.fix.text == "The perimeter is $\\frac{196}{2} = 98$."


def test_a_broken_question_is_named() -> None:
    solution = make_injection(
        question="A square has area $49$. Find $\\frac{1}{2$ of it.", original_problem="…"
    )
    (lint,) = find(solution, "W20")
    assert (lint.field, lint.message) == (
        "problem.text",
        "The question has a brace without a partner.",
    )


def test_a_word_of_the_original_announces_nothing() -> None:
    solution = make_injection(
        steps=edit_step(2, "That is a contradiction, hence $s = 24.5$."),
        original_steps=(*ORIGINAL, "Otherwise we had a contradiction."),
    )
    assert find(solution, "W21") == []


def test_an_unchanged_step_that_is_not_flagged_announces_nothing() -> None:
    original = ("Clearly $x$ is not false.", *ORIGINAL)
    solution = make_injection(
        original_steps=original, steps=("Clearly $x$ is not false.", *MODIFIED)
    )
    assert find(solution, "W21") == []


@pytest.mark.parametrize(
    ("last", "found"),
    [
        ("So it is $4s = 28$ again.", 0),
        ("So it is \\(28\\).", 0),
        ("So it is 28.", 0),
        ("So it is $4s = 280$.", 1),
        ("So it is done.", 1),
    ],
)
def test_a_redundant_step_keeps_the_answer(last: str, found: int) -> None:
    steps = (*ORIGINAL[:3], "Two sides make $14$.", "Three make $21$.", last)
    solution = make_injection(steps=steps, error_type="redundency", claimed_error_positions=(3,))
    assert len(find(solution, "W22")) == found


def test_no_answer_found_is_no_other_answer() -> None:
    solution = make_injection(
        error_type="redundency", original_steps=("We are done.",), steps=("We are done now.",)
    )
    assert find(solution, "W22") == []


def test_a_later_step_that_inherits_can_be_flagged() -> None:
    (lint,) = find(SPOILED["W23"][0], "W23")
    assert lint.params == {"step": 5, "result": "98", "source": 4}
    assert lint.fix == Edit(op="flag", position=4)


def test_a_result_that_the_original_knows_is_no_sign() -> None:
    # 28 is the right answer; that the flagged step 4 says it too proves nothing about step 5.
    solution = make_injection(
        steps=(*ORIGINAL[:3], "The perimeter is surely $4s = 28$.", "So $28$ it is."),
        claimed_error_positions=(3,),
    )
    assert find(solution, "W23") == []


def test_a_result_of_a_step_before_the_error_is_no_sign() -> None:
    # 196 stands in step 3, which is new and not flagged, before the flagged step 4 has it too.
    solution = make_injection(
        steps=(*ORIGINAL[:2], "Note that $196 = 4 \\cdot 49$.", "It is $196$.", "So $196$ it is."),
        claimed_error_positions=(3,),
    )
    assert find(solution, "W23") == []


def test_redundant_steps_pass_nothing_on() -> None:
    solution = make_injection(
        error_type="redundency",
        steps=(*ORIGINAL[:3], "Three sides make $21$.", "With $21$ and $7$ we have $28$."),
        claimed_error_positions=(3,),
    )
    assert find(solution, "W23") == []


# -- Near-duplicates -------------------------------------------------------------------------------

LONG = (
    "A side is positive, hence $s = 24.5$, which is half of the area, since a square is made of "
    "two equal halves and each of its sides stands for one of them, as everybody knows well."
)


NUMBERS = [
    *("one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
]


def test_a_near_duplicate_names_the_other() -> None:
    one = make_injection(steps=edit_step(2, LONG))
    other = make_injection(
        steps=edit_step(2, LONG.replace("well", "today")), error_type="deception"
    )
    context = LintContext.build([one, other, make_injection(error_type="confidence")])
    (lint,) = find(one, "W24", context)
    assert lint.params["other"] == "deception_square"
    assert 80 <= lint.params["percent"] < 100
    (lint,) = find(other, "W24", context)
    assert lint.params["other"] == "counterfactual_square"


def test_the_percentage_is_jaccard_over_runs_of_three_tokens() -> None:
    # Changed text: 12 tokens, 10 runs of three; the last token of the other differs, and with it
    # one run. 9 runs are common to both, 11 there are in all: 9 / 11 = 81.8 %.
    words = NUMBERS
    one = make_injection(steps=(*ORIGINAL, " ".join(words)))
    other = make_injection(steps=(*ORIGINAL, " ".join([*words[:-1], "dozen"])), name="twin")
    (lint,) = find(one, "W24", LintContext.build([one, other]))
    assert lint.params == {"percent": 82, "other": "counterfactual_twin"}


def test_less_than_four_fifths_is_no_duplicate() -> None:
    # 11 tokens, 9 runs; 8 common of 10: exactly 0.8. With 10 tokens: 7 of 9, below it.
    words = NUMBERS[:11]
    for count, found in ((11, 1), (10, 0)):
        one = make_injection(steps=(*ORIGINAL, " ".join(words[:count])))
        changed = " ".join([*words[: count - 1], "other"])
        other = make_injection(steps=(*ORIGINAL, changed), name="twin")
        assert len(find(one, "W24", LintContext.build([one, other]))) == found


def test_the_same_change_to_another_problem_is_no_duplicate() -> None:
    one = make_injection(steps=edit_step(2, LONG))
    other = make_injection(
        steps=edit_step(2, LONG),
        name="circle",
        question="How long is the way around a circle that has the area of such a square?",
    )
    assert find(one, "W24", LintContext.build([one, other])) == []


def test_one_injection_is_not_its_own_duplicate_and_two_copies_are() -> None:
    solution = make_injection()
    assert find(solution, "W24", LintContext.build([solution])) == []
    (lint,) = find(solution, "W24", LintContext.build([solution, make_injection()]))
    assert lint.params["percent"] == 100


def test_common_text_is_not_what_counts() -> None:
    # All steps but the changed ones are the same, as in every family of injections.
    one = make_injection()
    other = make_injection(
        steps=edit_step(2, "We take the cube root and find $s = 3$ or so."), error_type="deception"
    )
    assert find(one, "W24", LintContext.build([one, other])) == []


def test_ten_thousand_injections_are_compared_in_bounded_time() -> None:
    # All changes alike in most of their words: a quadratic comparison would take an hour.
    steps = ("Let us start.", "We divide by {0} and get {1}, then multiply by {2} and add {0}.")
    solutions = [
        Solution(
            problem=Problem(f"Find number {n}.", source_id=f"p{n}", family=f"p{n}"),
            steps=(Step(steps[0]), Step(steps[1].format(n * 7, n * 11, n * 13))),
            source_id=f"s{n}",
            injection=Injection("deception", "", (steps[0],), (1,), (1,)),
        )
        for n in range(10_000)
    ]
    started = time.process_time()
    context = LintContext.build(solutions)
    assert not any(find(solution, "W24", context) for solution in solutions[::20])
    assert time.process_time() - started < 60


# -- The types that a project has ------------------------------------------------------------------


def test_what_types_imply_comes_from_the_taxonomy() -> None:
    context = LintContext.build(taxonomy=load_builtin("basic"))
    # To the basic taxonomy "multi_solutions" is an unknown type, so it needs an error step.
    solution = make_injection(error_type="multi_solutions", claimed_error_positions=())
    assert len(find(solution, "E04", context)) == 1
    assert find(solution, "E04") == []
