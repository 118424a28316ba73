"""Agreement on sets: which steps are wrong, which error types apply."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.metrics.agreement import krippendorff_alpha
from labeling.metrics.coefficients import Reason
from labeling.metrics.ratings import pack_ratings
from labeling.metrics.step_sets import (
    SetDistance,
    SetSimilarity,
    compare_sets,
    compare_step_sets,
    set_alpha,
)

small_sets = st.frozensets(st.integers(0, 4), max_size=4)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        # Equal; nested: 1/2 * 2/3; overlapping: 1/3 * 1/3; disjoint; one empty.
        ({1, 2}, {1, 2}, (1.0, 1.0, 1.0)),
        ({1}, {1, 2}, (2 / 3, 1 / 2, 1 / 3)),
        ({1, 2}, {2, 3}, (1 / 2, 1 / 3, 1 / 9)),
        ({1}, {2}, (0.0, 0.0, 0.0)),
        (set(), {2}, (0.0, 0.0, 0.0)),
    ],
)
def test_similarity_of_two_sets(
    first: set[int], second: set[int], expected: tuple[float, float, float]
) -> None:
    assert compare_sets(first, second) == pytest.approx(SetSimilarity(*expected))
    assert compare_sets(second, first) == pytest.approx(SetSimilarity(*expected))


def test_two_empty_sets_locate_nothing() -> None:
    assert compare_sets(set(), set()) is None


def test_pairs_of_raters_and_all_together() -> None:
    table = compare_step_sets(
        solution=["s1", "s1", "s1", "s2", "s2", "s3", "s3"],
        rater=["alice", "bob", "carol", "alice", "bob", "alice", "bob"],
        steps=[{3, 4}, {3, 4}, {4}, {0}, {1}, set(), set()],
    )

    by_raters = {(pair.first, pair.second): pair for pair in table.pairs}
    alice_bob = by_raters["alice", "bob"]
    # s1 agrees, s2 does not, and s3 is clean for both.
    assert alice_bob.jaccard.value == pytest.approx((1 + 0) / 2)
    assert (alice_bob.n_pairs, alice_bob.n_both_empty) == (2, 1)
    assert by_raters["alice", "carol"].f1.value == pytest.approx(2 / 3)
    assert by_raters["bob", "carol"].masi.value == pytest.approx(1 / 2 * 2 / 3)
    # Pairs: s1 1, 1/2, 1/2; s2 0.
    assert table.overall.jaccard.value == pytest.approx((1 + 1 / 2 + 1 / 2 + 0) / 4)
    assert (table.overall.n_pairs, table.overall.n_both_empty) == (4, 1)
    assert table.overall.f1.n_units == 2


def test_the_latest_set_counts() -> None:
    table = compare_step_sets(
        solution=[1, 1, 1], rater=["alice", "bob", "alice"], steps=[{0}, {2}, {2}]
    )

    assert table.overall.f1.value == 1.0


def test_no_wrong_step_marked_by_anybody() -> None:
    overall = compare_step_sets(solution=[1, 1], rater=[1, 2], steps=[set(), set()]).overall

    assert (overall.f1.value, overall.f1.reason) == (None, Reason.NO_ERROR_MARKED)
    assert overall.n_both_empty == 1


@pytest.mark.parametrize("rows", [0, 1])
def test_no_pair_of_sets(rows: int) -> None:
    table = compare_step_sets(solution=[1] * rows, rater=[1] * rows, steps=[{1}] * rows)

    assert table.overall.jaccard.reason == Reason.NO_OVERLAP
    assert table.pairs == ()


def test_set_alpha_known_value() -> None:
    # Units {a}{a}, {a}{a,b}, {b}{b}; Jaccard distances a-ab = b-ab = 1/2, a-b = 1.
    # Marginals a 3, ab 1, b 2, n = 6. sum o delta = 2 * 1/2 = 1.
    # sum n n delta = 2 (3 * 1 * 1/2 + 3 * 2 * 1 + 1 * 2 * 1/2) = 17; alpha = 1 - 5 * 1 / 17.
    alpha = set_alpha(
        unit=[1, 1, 2, 2, 3, 3],
        rater=[1, 2] * 3,
        sets=[{"a"}, {"a"}, {"a"}, {"a", "b"}, {"b"}, {"b"}],
        distance="jaccard",
    )

    assert alpha.value == pytest.approx(1 - 5 / 17)
    assert (alpha.n_units, alpha.n_ratings, alpha.n_raters) == (3, 6, 2)


def test_masi_is_stricter_on_nested_sets() -> None:
    # As above with distance 2/3 for a-ab and b-ab: sum o delta = 4/3,
    # sum n n delta = 2 (3 * 2/3 + 6 + 2 * 2/3) = 56/3; alpha = 1 - 5 * (4/3) / (56/3).
    alpha = set_alpha(
        unit=[1, 1, 2, 2, 3, 3],
        rater=[1, 2] * 3,
        sets=[{"a"}, {"a"}, {"a"}, {"a", "b"}, {"b"}, {"b"}],
        distance="masi",
    )

    assert alpha.value == pytest.approx(1 - 5 * 4 / 56)


@pytest.mark.parametrize("distance", ["jaccard", "masi"])
def test_with_single_elements_set_alpha_is_nominal_alpha(distance: SetDistance) -> None:
    rng = np.random.default_rng(2)
    unit, rater = rng.integers(0, 30, 100), rng.integers(0, 4, 100)
    value = rng.integers(0, 5, 100)
    nominal = krippendorff_alpha(
        pack_ratings(unit=unit, rater=rater, value=value, categories=range(5)), level="nominal"
    )

    alpha = set_alpha(
        unit=unit, rater=rater, sets=[{code} for code in value.tolist()], distance=distance
    )

    assert alpha.value == pytest.approx(nominal.value)
    assert (alpha.n_units, alpha.n_ratings) == (nominal.n_units, nominal.n_ratings)


@given(st.lists(st.lists(small_sets, min_size=2, max_size=2), min_size=2, max_size=8))
def test_set_alpha_equals_the_definition_by_pairs(table: list[list[frozenset[int]]]) -> None:
    def gap(first: frozenset[int], second: frozenset[int]) -> float:
        similarity = compare_sets(first, second)
        return 0.0 if similarity is None else 1.0 - similarity.masi

    pooled = [each for row in table for each in row]
    n = len(pooled)
    expected = sum(gap(a, b) for a in pooled for b in pooled) / (n * (n - 1))
    observed = sum(2 * gap(*row) for row in table) / n

    alpha = set_alpha(
        unit=np.repeat(np.arange(len(table)), 2),
        rater=[0, 1] * len(table),
        sets=pooled,
        distance="masi",
    )

    if expected == 0:
        assert alpha.reason == Reason.NO_VARIATION
    else:
        assert alpha.value == pytest.approx(1 - observed / expected)


def test_set_alpha_without_pairs() -> None:
    def reason_of(unit: list[int], rater: list[int]) -> Reason | None:
        return set_alpha(
            unit=unit, rater=rater, sets=[{n} for n in range(len(unit))], distance="masi"
        ).reason

    assert reason_of([], []) == Reason.NO_RATINGS
    assert reason_of([1, 2], [1, 1]) == Reason.ONE_RATER
    assert reason_of([1, 2], [1, 2]) == Reason.NO_OVERLAP
    assert reason_of([1, 1], [1, 2]) == Reason.ONE_UNIT
