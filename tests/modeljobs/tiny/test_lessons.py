from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from modeljobs.tiny.dialogues import REVIEW_SYSTEM, find_needed
from modeljobs.tiny.exam import run_arithmetic
from modeljobs.tiny.lessons import (
    Mix,
    Part,
    draw_drill,
    draw_refine_lesson,
    draw_solve_lesson,
    draw_verify_lesson,
)
from modeljobs.tiny.problems import draw_problem, plant_error

PLAIN = Mix(contradicted=0, failed_run=0)


def join(parts: tuple[Part, ...], *, learnt: bool | None = None) -> str:
    return "".join(p.text for p in parts if learnt is None or (p.weight == 1) == learnt)


def test_a_review_is_written_as_the_protocol_has_it() -> None:
    # Of many lessons the first in which every step is reviewed in the usual way.
    texts = [join(draw_verify_lesson(random.Random(seed), PLAIN)) for seed in range(50)]
    usual = next(
        text
        for text in texts
        if f"sentence｜>{REVIEW_SYSTEM}" in text
        and text.count("<｜User｜>") == text.count("<｜Assistant｜><analyze>")
        and text.count("<｜User｜>") == text.count("</analyze>\n<verify>")
    )
    marks = (
        "<｜begin▁of▁sentence｜>You are a math teacher.",
        "<｜User｜>",
        "<｜Assistant｜><analyze>\nLet's analyze the Paragraph 1 step by step: ",
        ".\n</analyze>\n<verify>\nLet's use python code to find any potential error:\n```python\nx",
        ")\n```\n[Code Output]\n\n```\n",
        "\n```\n</verify>\n<output>\n**Judgement**: $\\boxed{",
        "}$\n</output>\n<｜end▁of▁sentence｜>",
    )
    places = [usual.index(mark) for mark in marks]
    assert places == sorted(places)


def test_what_is_given_is_not_learnt() -> None:
    for seed in range(50):
        learnt = join(draw_verify_lesson(random.Random(seed), Mix()), learnt=True)
        assert "How many" not in learnt
        assert "[Code Output]" not in learnt
        assert "<verify>" not in learnt


def test_a_verdict_agrees_with_what_the_code_prints() -> None:
    for seed in range(50):
        text = join(draw_verify_lesson(random.Random(seed), PLAIN))
        for block in text.split("```python\n")[1:]:
            code, _, rest = block.partition("\n```\n[Code Output]\n\n```\n")
            output, _, verdict = rest.partition("\n```\n")
            assert run_arithmetic(code) == output
            assert ("{Yes}" in verdict.split("</output>")[0]) == output.endswith("True")


def test_a_verdict_follows_an_output_that_contradicts_the_code() -> None:
    contradicted = 0
    for seed in range(50):
        text = join(draw_verify_lesson(random.Random(seed), Mix(contradicted=1, failed_run=0)))
        for block in text.split("```python\n")[1:]:
            code, _, rest = block.partition("\n```\n[Code Output]\n\n```\n")
            output, _, verdict = rest.partition("\n```\n")
            assert ("{Yes}" in verdict.split("</output>")[0]) == output.endswith("True")
            contradicted += run_arithmetic(code).split()[1] != output.split()[1]
    assert contradicted > 0


def test_what_is_needed_follows_from_the_step_before() -> None:
    rng = random.Random(6)
    attempt = plant_error(draw_problem(rng, split="train", size="large"), rng)
    assert attempt.first_error is not None
    needed = [find_needed(attempt, index) for index in range(len(attempt.equations))]
    wrong = [
        index for index, one in enumerate(needed) if one.value != attempt.equations[index].result
    ]
    assert wrong == [attempt.first_error]


def test_a_refinement_ends_with_the_true_answer() -> None:
    for seed in range(20):
        parts = draw_refine_lesson(random.Random(seed), Mix())
        learnt = join(parts, learnt=True)
        for line in learnt.split("\n\n"):
            equation = line.partition(" has ")[2].split(" ")
            assert run_arithmetic(f"print({' '.join(equation[:3])})") == equation[4]


@pytest.mark.parametrize(
    "draw", [draw_verify_lesson, draw_solve_lesson, draw_drill, draw_refine_lesson]
)
def test_lessons_follow_from_their_seed(
    draw: Callable[[random.Random, Mix], tuple[Part, ...]],
) -> None:
    assert draw(random.Random(9), Mix()) == draw(random.Random(9), Mix())
