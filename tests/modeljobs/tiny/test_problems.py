from __future__ import annotations

import random

import pytest

from modeljobs.tiny.problems import (
    STEP_SEPARATOR,
    Attempt,
    Change,
    Equation,
    Problem,
    Size,
    compute,
    draw_problem,
    plant_error,
)

PROBLEM = Problem(
    subject="A shop",
    container="boxes",
    item="pens",
    start=12,
    changes=(
        Change("", "", "*", 10),
        Change("Monday", "sells", "-", 20),
        Change("Tuesday", "multiplies its stock by", "*", 3),
    ),
)


def test_it_works() -> None:
    assert PROBLEM.text == (
        "A shop has 12 boxes with 10 pens each. On Monday it sells 20 pens. On Tuesday it "
        "multiplies its stock by 3. How many pens does it have in the end?"
    )
    assert STEP_SEPARATOR.join(PROBLEM.steps) == (
        "At first it has 12 * 10 = 120 pens.\n\n"
        "Then on Monday it sells 20, so it has 120 - 20 = 100 pens.\n\n"
        "Then on Tuesday it multiplies its stock by 3, so it has 100 * 3 = 300 pens. "
        "The answer is \\boxed{300}."
    )
    assert PROBLEM.answer == 300


@pytest.mark.parametrize("size", ["small", "large"])
def test_problems_keep_within_their_numbers(size: Size) -> None:
    limit = {"small": 108, "large": 9_999}[size]
    rng = random.Random(1)
    for _ in range(300):
        problem = draw_problem(rng, split="train", size=size)
        assert 3 <= len(problem.equations) <= 6
        assert all(0 < equation.result <= limit for equation in problem.equations)


def test_a_problem_is_on_one_side_of_the_split_only() -> None:
    # One generator in the same state, asked for either side: no text comes from both.
    train = {draw_problem(random.Random(i), split="train", size="small").text for i in range(200)}
    held = {draw_problem(random.Random(i), split="held_out", size="small").text for i in range(200)}
    assert not train & held


def test_the_same_seed_gives_the_same_problem() -> None:
    drawn = [draw_problem(random.Random(5), split="train", size="large") for _ in range(2)]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("size", ["small", "large"])
def test_a_planted_error_is_the_only_one(size: Size) -> None:
    rng = random.Random(2)
    for _ in range(300):
        attempt = plant_error(draw_problem(rng, split="train", size=size), rng)
        assert find_wrong_steps(attempt) == [attempt.first_error]
        assert attempt.answer != attempt.problem.answer


def test_all_kinds_of_error_come_up() -> None:
    rng = random.Random(3)
    kinds = {
        plant_error(draw_problem(rng, split="train", size="large"), rng).kind for _ in range(200)
    }
    assert kinds == {"result", "operand", "carried", "operator"}


@pytest.mark.parametrize(("is_wrong_in_words", "said"), [(False, 20), (True, 30)])
def test_a_miscopied_operand_may_stand_in_the_words_too(is_wrong_in_words: bool, said: int) -> None:
    equations = (PROBLEM.equations[0], Equation(120, "-", 30, 90), Equation(90, "*", 3, 270))
    attempt = Attempt(PROBLEM, equations, 1, is_wrong_in_words=is_wrong_in_words)
    assert attempt.steps[1] == f"Then on Monday it sells {said}, so it has 120 - 30 = 90 pens."


def find_wrong_steps(attempt: Attempt) -> list[int]:
    """Steps that do not follow from the problem and the step before, computed apart."""
    wrong = []
    value = attempt.problem.start
    for index, (change, equation) in enumerate(
        zip(attempt.problem.changes, attempt.equations, strict=True)
    ):
        if equation.result != compute(value, change.operator, change.number):
            wrong.append(index)
        value = equation.result
    return wrong
