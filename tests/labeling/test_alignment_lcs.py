"""Longest common subsequences and pairs of what is alike, against slower ways to find them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from labeling.alignment.lcs import (
    LONGEST_MIDDLE,
    MOST_CELLS,
    Match,
    drop_confetti,
    find_matches,
    list_gaps,
    pair_alike,
)


def count_common(one: Sequence[Any], other: Sequence[Any]) -> int:
    """The length of a longest common subsequence, by the textbook table."""
    row = [0] * (len(other) + 1)
    for item in one:
        above = row
        row = [0]
        for index, candidate in enumerate(other):
            best = above[index] + 1 if item == candidate else max(above[index + 1], row[index])
            row.append(best)
    return row[-1]


def test_matches_are_a_longest_common_subsequence() -> None:
    chance = random.Random(7)
    for _ in range(500):
        one = chance.choices("abc", k=chance.randrange(12))
        other = chance.choices("abc", k=chance.randrange(12))
        matches = find_matches(one, other)
        assert all(one[match.original] == other[match.modified] for match in matches)
        for before, after in pairwise(matches):
            assert before.original < after.original
            assert before.modified < after.modified
        assert len(matches) == count_common(one, other)


def test_a_middle_that_is_too_long_has_no_matches() -> None:
    one = ["start", *map(str, range(LONGEST_MIDDLE + 1)), "end"]
    other = ["start", "x", "5", "y", "end"]
    assert find_matches(one, other) == [Match(0, 0), Match(len(one) - 1, 4)]


def test_gaps_stand_around_matches() -> None:
    assert list_gaps([Match(1, 0)], 2, 3) == [(0, 1, 0, 0), (2, 2, 1, 3)]


def test_confetti_is_dropped_only_between_longer_changes() -> None:
    # One match between a change of one token and a change of two: 1 <= min(1, 2), so it goes.
    assert drop_confetti([Match(1, 1)], 4, 3, may_go=lambda match: True) == []
    assert drop_confetti([Match(1, 1)], 4, 3, may_go=lambda match: False) == [Match(1, 1)]
    # A match at the end has no change after it: 1 > min(1, 0), so it stays.
    assert drop_confetti([Match(1, 1)], 2, 2, may_go=lambda match: True) == [Match(1, 1)]


def test_pairs_have_the_greatest_sum() -> None:
    # 10-9 (0.9) and 20-19 (0.9) beat 10-19 and everything that would cross.
    def near(one: int, other: int) -> float:
        return 1 - abs(one - other) / 10 if abs(one - other) < 10 else 0.0

    assert pair_alike([10, 20], [9, 15, 19], similarity=near, least=0.4) == [
        Match(0, 0),
        Match(1, 2),
    ]


def test_pairs_below_the_least_similarity_are_none() -> None:
    assert pair_alike([1], [2], similarity=lambda one, other: 0.3, least=0.4) == []


def test_a_large_table_costs_a_bounded_number_of_comparisons() -> None:
    compared = []

    def alike(one: int, other: int) -> float:
        compared.append((one, other))
        return 1.0 if one == other else 0.0

    items = list(range(1_000))
    pairs = pair_alike(items, items, similarity=alike, least=0.5)
    # 1,000 x 1,000 cells are cut into 25 parts of 40 x 40.
    assert len(compared) == 25 * 40 * 40 == MOST_CELLS
    assert len(pairs) == 1_000
