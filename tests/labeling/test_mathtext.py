"""Where formulas begin and end, against vectors that the pages' JavaScript is tested with too."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from labeling.mathtext import MathRun, TextRun, match_braces, split_math

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "data" / "math_segments.json").read_text(encoding="utf-8")
)


def test_it_works() -> None:
    assert split_math(r"So $x$ costs \$5.") == [
        TextRun("So ", "So "),
        MathRun("x", "$x$", display=False),
        TextRun(" costs $5.", r" costs \$5."),
    ]


def test_there_are_enough_vectors_and_each_has_its_own_name() -> None:
    assert len(VECTORS) >= 60
    assert len({vector["name"] for vector in VECTORS}) == len(VECTORS)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_vector(vector: dict[str, Any]) -> None:
    runs = split_math(vector["text"])
    assert [{"kind": run.kind, "text": run.text} for run in runs] == vector["runs"]


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_the_sources_joined_are_the_text(vector: dict[str, Any]) -> None:
    assert "".join(run.source for run in split_math(vector["text"])) == vector["text"]


@pytest.mark.parametrize(
    "text",
    [
        "$a " * 50_000,
        "\\(" * 50_000,
        "\\[\\(" * 50_000,
        "\\begin{align}" * 20_000,
        "\\(\\text{" * 30_000,
        "$$a\n\n" * 30_000,
        "\\text{$" * 30_000,
        "\\" * 100_001,
    ],
    ids=lambda text: repr(text[:10]),
)
def test_hostile_text_takes_linear_time(text: str) -> None:
    # About 0.1 s each on a slow core; a quadratic reader needs minutes.
    started = time.process_time()
    runs = split_math(text)
    assert "".join(run.source for run in runs) == text
    assert time.process_time() - started < 5


def test_braces_are_matched_and_escaped_ones_are_not() -> None:
    # Positions: 0 {, 1 a, 2 {, 3 }, 4 \, 5 }, 6 }
    assert match_braces(r"{a{}\}}") == {0: 7, 2: 4}


def test_braces_that_do_not_match_are_left_out() -> None:
    assert match_braces("}{a") == {}
