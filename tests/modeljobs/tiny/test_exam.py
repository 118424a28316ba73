from __future__ import annotations

import asyncio

import pytest

from modeljobs.engines.tiny import TinyEngine, TinySettings
from modeljobs.tiny.exam import (
    Mode,
    ReviewScore,
    draw_held_out,
    find_equations,
    read_answer,
    review_attempt,
    run_arithmetic,
    score_reviews,
)
from modeljobs.tiny.problems import Equation

SEED = 33


@pytest.mark.parametrize(
    ("code", "output"),
    [
        ("x = 12 * 3\nprint(x, x == 36)", "36 True"),
        ("x = 7 - 9\nprint(x, x == 2)", "-2 False"),
        ("print(1 + 1)\nprint(5)", "2\n5"),
        ("print(y)", "Code execute Error: NameError: name 'y' is not defined"),
        ("import os", "Code execute Error: SyntaxError: only sums are run here"),
        ("print(2 ** 99)", "Code execute Error: SyntaxError: only sums are run here"),
        ("x = 4 4", "Code execute Error: SyntaxError: invalid syntax (<unknown>, line 1)"),
    ],
)
def test_sums_are_run(code: str, output: str) -> None:
    assert run_arithmetic(code) == output


def test_f1_is_the_harmonic_mean() -> None:
    # 2 * 0.5 * 0.75 / (0.5 + 0.75) = 0.6
    assert ReviewScore(0.5, 0.75, 8).f1 == pytest.approx(0.6)
    assert ReviewScore(0.0, 0.0, 8).f1 == 0.0


def test_answers_and_equations_are_read() -> None:
    text = "At first it has 3 * 4 = 12 pens. The answer is \\boxed{12}."
    assert read_answer(text) == 12
    assert find_equations(text) == [Equation(3, "*", 4, 12)]
    assert read_answer("no box") is None


def test_held_out_solutions_are_held_out_and_half_of_them_wrong() -> None:
    attempts = draw_held_out(1, 20, "large")
    assert all(attempt.problem.is_held_out for attempt in attempts)
    assert sum(attempt.first_error is not None for attempt in attempts) == 10


def test_a_review_plays_the_protocol_with_code_that_is_run() -> None:
    attempt = draw_held_out(SEED, 1, "large")[0]

    async def review() -> list[str]:
        engine = TinyEngine(TinySettings("better"))
        made = await review_attempt(
            engine, attempt, mode="code", key="one", seed=1, temperature=0.0
        )
        await engine.aclose()
        return [step.turn for step in made]

    turns = asyncio.run(review())
    assert turns[0].startswith("<analyze>\nLet's analyze the Paragraph 1 step by step: ")
    code = turns[0].partition("```python\n")[2].partition("\n```\n")[0]
    assert f"[Code Output]\n\n```\n{run_arithmetic(code)}\n```\n" in turns[0]
    assert turns[0].endswith("</output>\n")


@pytest.fixture(scope="module")
def scores() -> dict[tuple[str, Mode], ReviewScore]:
    """Small examinations, by checkpoint and mode."""
    attempts = draw_held_out(SEED, 16, "large")

    async def score(checkpoint: str, mode: Mode) -> ReviewScore:
        engine = TinyEngine(TinySettings(checkpoint, max_concurrency=16))
        made, _ = await score_reviews(engine, attempts, mode=mode, seed=SEED)
        await engine.aclose()
        return made

    asked: tuple[tuple[str, Mode], ...] = (
        ("better", "code"),
        ("worse", "code"),
        ("better", "code_imagined"),
    )
    return {(name, mode): asyncio.run(score(name, mode)) for name, mode in asked}


def test_the_better_model_finds_first_errors(
    scores: dict[tuple[str, Mode], ReviewScore],
) -> None:
    assert scores["better", "code"].f1 >= 0.75


def test_the_worse_model_finds_fewer(scores: dict[tuple[str, Mode], ReviewScore]) -> None:
    assert scores["worse", "code"].f1 < scores["better", "code"].f1


def test_the_better_model_needs_its_code_to_be_run(
    scores: dict[tuple[str, Mode], ReviewScore],
) -> None:
    assert scores["better", "code_imagined"].f1 < scores["better", "code"].f1
