"""The workload: seeded solutions of 9 to 17 steps of about 25 words with LaTeX.

The same number of solutions and the same seed give the same bytes, here and on other machines,
so that figures of different days and machines stand beside each other.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

SEED = 20260101
MODELS = 6

_WORDS = """
the of a to we and is in that for it let with as can be this by on so
value number from equation both sides then since therefore
substitute simplify obtain factor expand polynomial integer positive prime
divisor remainder modulo triangle angle circle radius
tangent chord length area sum product sequence term ratio series limit
function derivative integral matrix vector root real complex
probability expected outcome dice coin choose permutation combination subset
graph vertex edge path even odd divide multiply
subtract add equals gives hence thus because condition constraint maximum
minimum bound inequality case assume suppose consider
note observe recall apply theorem lemma identity symmetry induction base
hypothesis conclude check verify answer
"""
WORDS = tuple(_WORDS.split())
# `<a>` and `<b>` stand for two numbers from 2 to 97.
FORMULAS = (
    r"$x^2+<a>x-<b>=0$",
    r"$\frac{<a>}{<b>}$",
    r"$\sqrt{<a>+<b>}$",
    r"$\sum_{k=1}^{<a>} k^<b>$",
    r"$f(x)=<a>x^3-<b>x+1$",
    r"$\binom{<a>}{<b>}$",
    r"$\int_0^{<a>} e^{-<b>t}\,dt$",
    r"$a_{n+1}=<a>a_n+<b>$",
    r"$\angle ABC=<a>^\circ$",
    r"$<a>\equiv <b> \pmod{7}$",
    r"$\log_{<a>} <b>$",
)


@dataclass(frozen=True, slots=True)
class Sample:
    """One solution of the workload."""

    id: str
    problem: str
    steps: tuple[str, ...]
    gold: str
    model: str


def generate(n: int, *, seed: int = SEED) -> Iterator[Sample]:
    """The first `n` solutions. Each draw depends on those before it, so nothing is skipped."""
    draw = random.Random(seed)
    for index in range(n):
        yield _sample(index, draw)


def _sample(index: int, draw: random.Random) -> Sample:
    n_steps = min(17, max(9, round(draw.gauss(13, 1.8))))
    # Keyword arguments are evaluated in this order: it is part of the format.
    return Sample(
        id=f"sol-{index:07d}",
        problem=_text(draw, words=max(30, round(draw.gauss(56, 9))), formulas=4),
        steps=tuple(
            [
                _text(draw, words=max(8, round(draw.gauss(23, 6))), formulas=2)
                for _ in range(n_steps)
            ]
        ),
        gold=str(draw.randint(-999, 999)),
        model=f"model-{draw.randint(1, MODELS)}",
    )


def _text(draw: random.Random, *, words: int, formulas: int) -> str:
    chosen = [draw.choice(WORDS) for _ in range(words)]
    for _ in range(formulas):
        place = draw.randrange(1, len(chosen))
        formula = draw.choice(FORMULAS)
        a, b = draw.randint(2, 97), draw.randint(2, 97)
        chosen.insert(place, formula.replace("<a>", str(a)).replace("<b>", str(b)))
    chosen[0] = chosen[0].capitalize()
    return " ".join(chosen) + "."


def to_plain_lines(samples: Iterable[Sample]) -> Iterator[bytes]:
    """JSON Lines in the workload's own shape: what its digest is taken over."""
    for sample in samples:
        yield _dump(
            {
                "id": sample.id,
                "problem": sample.problem,
                "steps": list(sample.steps),
                "gold": sample.gold,
                "model": sample.model,
            }
        )


def to_native_lines(samples: Iterable[Sample]) -> Iterator[bytes]:
    """JSON Lines as the workbench's native format has them: solutions without labels."""
    for sample in samples:
        yield _dump(
            {
                "schema": "prm-workbench/1",
                "problem": {"text": sample.problem, "reference_answer": sample.gold},
                "source_id": sample.id,
                "generator": sample.model,
                "steps": [{"text": step} for step in sample.steps],
            }
        )


def to_trl_lines(samples: Iterable[Sample]) -> Iterator[bytes]:
    """JSON Lines as TRL's stepwise supervision has them: the last step is wrong in every third."""
    for index, sample in enumerate(samples):
        labels = [True] * len(sample.steps)
        labels[-1] = index % 3 != 0
        yield _dump({"prompt": sample.problem, "completions": list(sample.steps), "labels": labels})


def _dump(row: object) -> bytes:
    return json.dumps(row, separators=(",", ":")).encode() + b"\n"
