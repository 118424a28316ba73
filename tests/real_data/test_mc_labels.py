"""The Monte-Carlo values of MATH-APS give the labels that the rules say.

Each path of a tree is a solution; the root's value is the problem's own. The expected labels are
worked out here with exact fractions, path by path, apart from the arrays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from labeling.formats.math_aps_writing import ROOT
from labeling.records import Solution
from modeljobs.methods.rpe_labels import CORRECT, WRONG, Kind, LabelRule, label_shares
from tests.labeling.formats.helpers import read_bytes

pytestmark = pytest.mark.real_data

FILES = ("math_aps/samples_3.jsonl", "math_aps/samples_tree_3.jsonl")


class Values(NamedTuple):
    """The value of each path's problem, and those of all steps one behind the other."""

    starts: list[float]
    paths: list[list[float]]

    def label(self, rule: LabelRule) -> list[int]:
        offsets = np.cumsum([0, *map(len, self.paths)])
        shares = np.array([value for path in self.paths for value in path])
        verdicts = label_shares(shares, np.array(self.starts), offsets, rule).verdicts
        return [int(verdict) for verdict in verdicts]

    def label_exactly(self, rule: LabelRule) -> list[int]:
        return [
            label
            for start, path in zip(self.starts, self.paths, strict=True)
            for label in label_path(start, path, rule)
        ]


def read_values(folder: Path, path: str) -> Values:
    values = Values([], [])
    for item in read_bytes("math_aps", (folder / path).read_bytes()):
        assert isinstance(item, Solution)
        labels = item.label_sets[0].labels
        values.starts.append(item.extra[ROOT]["mc"])
        values.paths.append([label.score.raw for label in labels if label and label.score])
        assert len(values.paths[-1]) == len(item.steps)
    return values


def label_path(start: float, path: Sequence[float], rule: LabelRule) -> list[int]:
    """The spec's words: MC(s1) is the problem's; after an MC of 0 all is 0; 0/0 is 0."""
    before, labels = Fraction(start), []
    for value in map(Fraction, path):
        now = Fraction(0) if before == 0 else value
        if rule.kind == "hard":
            labels.append(CORRECT if now > 0 else WRONG)
        elif rule.kind == "difference":
            passes = now - before >= Fraction(str(rule.threshold))
            labels.append(CORRECT if passes else WRONG)
        else:
            progress = now / before if before else Fraction(0)
            labels.append(CORRECT if progress >= Fraction(str(rule.epsilon)) else WRONG)
        before = now
    return labels


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize(
    "rule",
    [
        LabelRule(),
        LabelRule(epsilon=0.1),
        LabelRule(epsilon=0.5),
        LabelRule(epsilon=1.0),
        LabelRule(kind="hard"),
        LabelRule(kind="difference"),
        LabelRule(kind="difference", threshold=-0.1),
        LabelRule(kind="difference", threshold=-0.5),
    ],
    ids=lambda rule: rule.sentence,
)
def test_labels_are_those_of_exact_fractions(path: str, rule: LabelRule, real_data: Path) -> None:
    values = read_values(real_data, path)
    assert values.label(rule) == values.label_exactly(rule)


def test_a_known_path_gives_the_labels_of_the_formula(real_data: Path) -> None:
    values = read_values(real_data, FILES[0])
    at = values.paths.index([0.9375, 0.53125, 0.0])
    one = Values([values.starts[at]], [values.paths[at]])
    # 0.9375 / 0.75 = 1.25, 0.53125 / 0.9375 = 0.567, 0 / 0.53125 = 0
    assert one.starts == [0.75]
    assert one.label(LabelRule()) == [CORRECT, WRONG, WRONG]
    assert one.label(LabelRule(epsilon=0.5)) == [CORRECT, CORRECT, WRONG]
    assert one.label(LabelRule(kind="hard")) == [CORRECT, CORRECT, WRONG]
    # 0.1875, -0.40625, -0.53125
    assert one.label(LabelRule(kind="difference")) == [CORRECT, WRONG, WRONG]
    assert one.label(LabelRule(kind="difference", threshold=-0.5)) == [CORRECT, CORRECT, WRONG]


@pytest.mark.parametrize(
    ("path", "steps", "hard", "ratio"), [(FILES[0], 314, 16, 100), (FILES[1], 624, 8, 83)]
)
def test_the_ratio_rule_finds_more_wrong_steps_than_the_hard_one(
    path: str, steps: int, hard: int, ratio: int, real_data: Path
) -> None:
    values = read_values(real_data, path)
    by_kind: tuple[tuple[Kind, int], ...] = (("hard", hard), ("ratio", ratio))
    for kind, wrong in by_kind:
        found = Counter(values.label(LabelRule(kind=kind)))
        assert found == {WRONG: wrong, CORRECT: steps - wrong}
