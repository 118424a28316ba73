from __future__ import annotations

import re
from fractions import Fraction

import pytest

from labeling.formats.lint import lint_injection
from labeling.records import Injection, Problem, Solution, Step
from modeljobs.methods.arithmetic import EQUALITY, OPERATORS, compute
from modeljobs.methods.rule_injection import (
    INJECTED_CLASSES,
    MULTI_SOLUTIONS,
    RuleInjection,
    inject_by_rule,
)
from modeljobs.methods.rules import FALSE_FACTS, MISAPPLIED_RULES, NEAR_TRUTHS, RULES, Source
from modeljobs.methods.rules.base import cut_sentences

QUESTION = (
    "Two positive integers have the sum $12$. If one is twice the other, find the larger one."
)
STEPS = (
    "Let the smaller integer be $a$; the larger one is $2a$.",
    "Their sum is $3a = 12$.",
    "Dividing gives $12 / 3 = 4$, so $a = 4$.",
    r"The larger integer is $2 \cdot 4 = 8$, and $8$ is at most $12$.",
    "The answer is $8$.",
)
PLAIN = ("Think.", "Answer.")


def inject(error_type: str, seed: int = 0) -> RuleInjection:
    made = inject_by_rule(QUESTION, STEPS, error_type=error_type, seed=seed)
    assert made is not None
    return made


def find_made_by(
    rule: str, *, question: str = QUESTION, steps: tuple[str, ...] = STEPS
) -> RuleInjection | None:
    """What the rule makes of the solution under the first seed that comes to it."""
    (error_type,) = [name for name, rules in RULES.items() if rule in rules]
    for seed in range(200):
        made = inject_by_rule(question, steps, error_type=error_type, seed=seed)
        if made is not None and made.rule == rule:
            return made
    return None


def test_there_are_eight_injected_classes() -> None:
    assert INJECTED_CLASSES == (
        "redundency",
        "circular",
        "counterfactual",
        "step_contradiction",
        "domain_inconsistency",
        "confidence",
        "missing_condition",
        "deception",
    )


@pytest.mark.parametrize("error_type", INJECTED_CLASSES)
def test_it_works(error_type: str) -> None:
    for seed in range(50):
        made = inject(error_type, seed)
        assert made.error_type == error_type
        assert made.error_positions
        assert set(made.error_positions) <= set(made.changed_positions)
        assert max(made.changed_positions) < len(made.modified_steps)
        # What is not declared as changed is a step of the original, in its order.
        kept = [
            step
            for position, step in enumerate(made.modified_steps)
            if position not in made.changed_positions
        ]
        remaining = iter(STEPS)
        assert all(step in remaining for step in kept)
        # And what is declared is new.
        assert all(made.modified_steps[position] not in STEPS for position in made.error_positions)
        # The reason names each flagged step, counted from 1.
        assert all(f"tep {position + 1}" in made.reason for position in made.error_positions), (
            made.reason
        )
        assert "$" * 3 not in "".join(made.modified_steps)
        assert all(step.count("$") % 2 == 0 for step in made.modified_steps)


@pytest.mark.parametrize("error_type", INJECTED_CLASSES)
def test_the_truth_of_a_rule_passes_every_lint(error_type: str) -> None:
    for seed in range(50):
        made = inject(error_type, seed)
        solution = Solution(
            Problem(made.modified_question),
            tuple(Step(text) for text in made.modified_steps),
            injection=Injection(
                error_type=error_type,
                original_problem=QUESTION,
                original_steps=STEPS,
                claimed_error_positions=made.error_positions,
                claimed_changed_positions=made.changed_positions,
                reason=made.reason,
            ),
        )
        found = {lint.code for lint in lint_injection(solution)}
        # A dropped condition is a changed question, and is said to be one.
        dropped = made.rule in ("drop_condition", "drop_sentence")
        assert found == ({"W17"} if dropped else set()), made


@pytest.mark.parametrize("error_type", INJECTED_CLASSES)
def test_some_rule_fits_any_solution(error_type: str) -> None:
    for steps in (PLAIN, ("One step.",), ("$x$",)):
        for seed in range(20):
            made = inject_by_rule("Why?", steps, error_type=error_type, seed=seed)
            assert made is not None
            assert made.modified_steps != steps


def test_the_same_seed_gives_the_same_injection() -> None:
    assert inject("deception", 5) == inject("deception", 5)
    assert len({inject("deception", seed).modified_steps for seed in range(30)}) > 5


def test_an_unknown_class_is_named() -> None:
    with pytest.raises(ValueError, match="no error class 'typo'"):
        inject_by_rule(QUESTION, STEPS, error_type="typo", seed=0)


def test_no_steps_give_no_injection() -> None:
    assert inject_by_rule(QUESTION, (), error_type="circular", seed=0) is None


# Single rules


@pytest.mark.parametrize("rule", ["flip_operator", "nudge_result", "changed_result"])
def test_a_changed_equality_is_false(rule: str) -> None:
    made = find_made_by(rule)
    assert made is not None
    assert made.is_certain
    (position,) = made.error_positions
    original = STEPS[position]
    assert any(not _holds(match) for match in EQUALITY.finditer(made.modified_steps[position]))
    assert all(_holds(match) for match in EQUALITY.finditer(original))


def _holds(match: re.Match[str]) -> bool:
    left, sign, right, result = (match[name] for name in ("left", "sign", "right", "result"))
    return compute(Fraction(left), OPERATORS[sign], Fraction(right)) == Fraction(result)


def test_a_flipped_operator_that_changes_nothing_is_not_used() -> None:
    # 2 + 2 = 2 · 2: the edit would leave the step true.
    steps = (r"$2 \cdot 2 = 4$", "Done.")
    assert find_made_by("flip_operator", steps=steps) is None


def test_decimals_stay_decimals() -> None:
    made = find_made_by("nudge_result", steps=("$1.82 - 1.24 = 0.58$", "So it is."))
    assert made is not None
    assert made.modified_steps[0] in {
        "$1.82 - 1.24 = 1.58$",
        "$1.82 - 1.24 = 2.58$",
        "$1.82 - 1.24 = 10.58$",
    }


def test_a_restated_step_is_flagged_and_not_the_first_statement() -> None:
    made = find_made_by("restate_step")
    assert made is not None
    (position,) = made.error_positions
    assert made.modified_steps[position].endswith(made.modified_steps[position - 1])


def test_a_circle_assumes_and_obtains_the_same_statement() -> None:
    made = find_made_by("assume_and_confirm")
    assert made is not None
    first, second = made.error_positions
    assert second == first + 1
    claim = STEPS[first]
    assert claim in made.modified_steps[first]
    assert claim in made.modified_steps[second]
    assert len(made.modified_steps) == len(STEPS) + 1


def test_a_circle_may_begin_with_the_end() -> None:
    made = find_made_by("start_from_end")
    assert made is not None
    assert made.error_positions == (0, len(STEPS))
    assert all(text.endswith(STEPS[-1]) for text in made.modified_steps[:: len(STEPS)])


def test_a_contradiction_comes_after_what_it_contradicts() -> None:
    made = find_made_by("contradict_value")
    assert made is not None
    (position,) = made.error_positions
    # Step 3 says that a = 4.
    assert position > 2
    assert made.modified_steps[position] in {
        f"Keep in mind that $a = {value}$ here." for value in (5, 6, 7)
    }


def test_a_letter_that_stands_for_two_values_is_not_certain() -> None:
    steps = ("In one case $x = 2$.", "In the other $x = 5$.", "Done.")
    made = find_made_by("contradict_value", steps=steps)
    assert made is not None
    assert not made.is_certain


@pytest.mark.parametrize(
    ("question", "shorter", "used"),
    [
        (
            "What is $x$, given that $y = 2$?",
            "What is $x$?",
            "We use this here: $y = 2$.",
        ),
        (
            "If $x + y = 5$, what is $2x + 2y$?",
            "What is $2x + 2y$?",
            "We use this here: $x + y = 5$.",
        ),
        (
            "How many positive integers divide $12$?",
            "How many integers divide $12$?",
            "We use here that the question is about positive integers.",
        ),
    ],
)
def test_a_dropped_condition_is_used_all_the_same(question: str, shorter: str, used: str) -> None:
    made = find_made_by("drop_condition", question=question)
    assert made is not None
    assert made.modified_question == shorter
    assert made.modified_steps[made.error_positions[0]] == used


def test_half_a_formula_is_not_dropped() -> None:
    question = "Find $f(2) where it is.$ defined?"
    made = find_made_by("drop_condition", question=question)
    assert made is None or made.modified_question.count("$") % 2 == 0


def test_a_swapped_step_uses_what_is_not_there_yet() -> None:
    steps = ("Multiply: we have $70$.", "Half of $70$ is what we want.", "Done.")
    made = find_made_by("swap_order", question="Find it.", steps=steps)
    assert made is not None
    assert made.modified_steps == (
        "To begin with: Half of $70$ is what we want.",
        "Multiply: we have $70$.",
        "Done.",
    )
    assert (made.error_positions, made.is_certain) == ((0,), False)


def test_the_number_of_a_step_is_not_a_number_in_it() -> None:
    steps = ("Step 1. Think.", "2. Answer.")
    assert find_made_by("nudge_number", steps=steps) is None


def test_statements_have_whole_formulas() -> None:
    for text in (*FALSE_FACTS, *NEAR_TRUTHS, *(r.format(a=3, b=5) for r in MISAPPLIED_RULES)):
        assert text.count("$") % 2 == 0
        assert text.count("{") == text.count("}")
        assert text.endswith(".")


# Certainty


def test_only_certain_ones_on_demand() -> None:
    for error_type in INJECTED_CLASSES:
        for seed in range(30):
            made = inject_by_rule(
                QUESTION, STEPS, error_type=error_type, seed=seed, certain_only=True
            )
            assert made is None or made.is_certain


def test_no_certain_one_may_be_none() -> None:
    assert (
        inject_by_rule("Why?", PLAIN, error_type="missing_condition", seed=0, certain_only=True)
        is None
    )


# The ninth class


def test_another_solution_has_no_errors() -> None:
    other = ("Try $a = 4$: then $4 + 8 = 12$.", STEPS[-1])
    made = inject_by_rule(QUESTION, STEPS, error_type=MULTI_SOLUTIONS, seed=0, other_solution=other)
    assert made is not None
    assert made.modified_steps == other
    assert (made.error_positions, made.changed_positions, made.reason) == ((), (0,), "")


def test_without_another_solution_the_calculations_are_done_in_another_way() -> None:
    steps = ("She has $45 + 37 = 82$ pens.", "Of $12 \\cdot 14 = 168$ she has none.", "Done.")
    made = [
        inject_by_rule("Q?", steps, error_type=MULTI_SOLUTIONS, seed=seed) for seed in range(20)
    ]
    assert {one.modified_steps for one in made if one} == {
        (
            "First we have $45 + 30 = 75$.",
            "She has $75 + 7 = 82$ pens.",
            r"First we have $12 \cdot 10 = 120$.",
            r"Also $12 \cdot 4 = 48$.",
            "Of $120 + 48 = 168$ she has none.",
            "Done.",
        ),
        (
            "First we have $45 + 40 = 85$.",
            "She has $85 - 3 = 82$ pens.",
            steps[1],
            "Done.",
        ),
    }


def test_where_there_is_no_other_way_there_is_none() -> None:
    assert inject_by_rule(QUESTION, STEPS, error_type=MULTI_SOLUTIONS, seed=0) is None
    assert (
        inject_by_rule(QUESTION, STEPS, error_type=MULTI_SOLUTIONS, seed=0, other_solution=STEPS)
        is None
    )


# Formulas


@pytest.mark.parametrize(
    ("steps", "formula"),
    [
        (("We have $x = 3$.",), "$5 + 0 = 5$"),
        ((r"We have \(x = 3\).",), r"\(5 + 0 = 5\)"),
        (("We have 5 * 3 = 15 pens for $5.",), "5 + 0 = 5"),
    ],
)
def test_formulas_are_written_as_the_solution_writes_them(
    steps: tuple[str, ...], formula: str
) -> None:
    assert Source("Why?", steps).write("5 + 0 = 5") == formula


def test_a_calculators_note_is_changed_with_the_result() -> None:
    steps = ("So 48/2 = <<48/2=24>>24 clips.", "Done.")
    made = find_made_by("nudge_result", steps=steps)
    assert made is not None
    found = re.search(r"= <<48/2=(\d+)>>(\d+)", made.modified_steps[0])
    assert found is not None
    assert found[1] == found[2] != "24"


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("He has 3.5 kg. She has 2. How many?", ["He has 3.5 kg.", "She has 2.", "How many?"]),
        ("One sentence", ["One sentence"]),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert cut_sentences(text) == sentences


def test_what_is_asked_is_no_condition() -> None:
    question = "Find the sum of $3$ and $4$. Give it in digits."
    assert find_made_by("drop_sentence", question=question, steps=("$3 + 4 = 7$.",)) is None
