"""What holds for any ratings, and what independent implementations say about random ones."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from labeling.metrics.agreement import (
    conger_kappa,
    fleiss_kappa,
    fleiss_kappa_generalised,
    gwet_ac1,
    gwet_ac2,
    krippendorff_alpha,
    percent_agreement,
)
from labeling.metrics.coefficients import Coefficient
from labeling.metrics.pairs import build_pairwise_table, cohen_kappa, tabulate_pair
from labeling.metrics.ratings import MISSING, Ratings, count_values, pack_ratings
from labeling.metrics.standard_errors import cohen_standard_error
from labeling.metrics.weights import Level, Weighting

LEVELS: tuple[Level, ...] = ("nominal", "ordinal", "interval")


class Rows(NamedTuple):
    unit: list[int]
    rater: list[int]
    value: list[int]


@st.composite
def draw_rows(draw: st.DrawFn, *, q: int = 3) -> Rows:
    """A grid of up to 6 units and 4 raters with gaps, in any order."""
    n_units, n_raters = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    grid = draw(
        st.lists(
            st.integers(MISSING, q - 1), min_size=n_units * n_raters, max_size=n_units * n_raters
        )
    )
    cells = draw(st.permutations(range(len(grid))))
    return Rows(
        [cell // n_raters for cell in cells],
        [cell % n_raters for cell in cells],
        [grid[cell] for cell in cells],
    )


def pack(rows: Rows, *, q: int = 3) -> Ratings:
    return pack_ratings(unit=rows.unit, rater=rows.rater, value=rows.value, categories=range(q))


def figures(ratings: Ratings, *, levels: tuple[Level, ...] = LEVELS) -> dict[str, Coefficient]:
    found = {f"alpha {level}": krippendorff_alpha(ratings, level=level) for level in levels}
    return found | {
        "percent": percent_agreement(ratings),
        "ac1": gwet_ac1(ratings),
        "fleiss": fleiss_kappa_generalised(ratings),
        "conger": conger_kappa(ratings),
    }


def assert_same(ours: dict[str, Coefficient], theirs: dict[str, Coefficient]) -> None:
    assert ours.keys() == theirs.keys()
    for name, coefficient in ours.items():
        assert coefficient.reason == theirs[name].reason, name
        if coefficient.value is not None:
            assert coefficient.value == pytest.approx(theirs[name].value, abs=1e-9), name


@given(draw_rows(), st.randoms(use_true_random=False))
def test_the_order_of_rows_units_and_raters_does_not_matter(rows: Rows, random: Any) -> None:
    cells = list(range(len(rows.unit)))
    random.shuffle(cells)
    units, raters = list(range(6)), list(range(4))
    random.shuffle(units)
    random.shuffle(raters)
    shuffled = Rows(
        [units[rows.unit[cell]] for cell in cells],
        [raters[rows.rater[cell]] for cell in cells],
        [rows.value[cell] for cell in cells],
    )

    assert_same(figures(pack(rows)), figures(pack(shuffled)))


@given(draw_rows(), st.permutations(range(3)))
def test_nominal_figures_do_not_care_what_the_categories_are_called(
    rows: Rows, names: list[int]
) -> None:
    renamed = rows._replace(
        value=[value if value == MISSING else names[value] for value in rows.value]
    )

    assert_same(
        figures(pack(rows), levels=("nominal",)), figures(pack(renamed), levels=("nominal",))
    )


@given(draw_rows())
def test_reversing_the_scale_changes_nothing(rows: Rows) -> None:
    reversed_rows = rows._replace(
        value=[value if value == MISSING else 2 - value for value in rows.value]
    )

    assert_same(figures(pack(rows)), figures(pack(reversed_rows)))


@given(draw_rows(q=2))
def test_with_two_categories_alpha_is_the_same_at_every_level(rows: Rows) -> None:
    nominal, ordinal, interval = (
        krippendorff_alpha(pack(rows, q=2), level=level) for level in LEVELS
    )

    assert_same({"alpha": nominal}, {"alpha": ordinal})
    assert_same({"alpha": nominal}, {"alpha": interval})


@given(draw_rows(), st.integers(0, 2))
def test_a_unit_with_one_rating_leaves_alpha_unchanged(rows: Rows, value: int) -> None:
    # By a rater who is there already, so that the number of people stays the same.
    before = pack(rows)
    assume(before.n_raters >= 2)
    after = pack(
        Rows(
            [*rows.unit, 100],
            [*rows.rater, int(before.rater_ids[0])],
            [*rows.value, value],
        )
    )

    for level in LEVELS:
        assert krippendorff_alpha(after, level=level) == krippendorff_alpha(before, level=level)


@given(draw_rows())
def test_no_figure_exceeds_one(rows: Rows) -> None:
    for name, coefficient in figures(pack(rows)).items():
        assert coefficient.value is None or coefficient.value <= 1 + 1e-12, name


@given(draw_rows())
def test_alpha_equals_the_definition_by_pairs(rows: Rows) -> None:
    # D_o and D_e straight from the definition: loops over pairs, no coincidence matrix.
    ratings = pack(rows)
    alpha = krippendorff_alpha(ratings, level="interval")
    assume(alpha.value is not None)
    by_unit: dict[int, list[int]] = {}
    for unit, value in zip(ratings.unit.tolist(), ratings.value.tolist(), strict=True):
        by_unit.setdefault(unit, []).append(value)
    groups = [values for values in by_unit.values() if len(values) >= 2]
    pooled = [value for values in groups for value in values]
    n = len(pooled)

    observed = (
        sum(
            (a - b) ** 2 / (len(values) - 1)
            for values in groups
            for i, a in enumerate(values)
            for j, b in enumerate(values)
            if i != j
        )
        / n
    )
    expected = sum((a - b) ** 2 for a in pooled for b in pooled) / (n * (n - 1))

    assert alpha.value == pytest.approx(1 - observed / expected, abs=1e-9)


def test_alpha_tends_to_scotts_pi() -> None:
    # They differ by the n - 1 of a finite sample only: (1 - pi) / n, with n = 40,000 ratings.
    rng = np.random.default_rng(1)
    first = rng.choice(3, size=20_000, p=[0.1, 0.2, 0.7])
    second = np.where(rng.random(20_000) < 0.8, first, rng.integers(0, 3, 20_000))
    ratings = pack_ratings(
        unit=np.tile(np.arange(20_000), 2),
        rater=np.repeat([0, 1], 20_000),
        value=np.concatenate([first, second]),
        categories=range(3),
    )

    alpha = krippendorff_alpha(ratings, level="nominal").value
    pi = fleiss_kappa(ratings).value

    assert alpha is not None
    assert pi is not None
    assert alpha - pi == pytest.approx((1 - pi) / 40_000)


def test_quadratic_ac2_and_interval_alpha_see_the_same_distances() -> None:
    # AC2's observed disagreement, 1 - p_a, times the squared range is alpha's D_o.
    rng = np.random.default_rng(3)
    ratings = pack_ratings(
        unit=np.tile(np.arange(200), 2),
        rater=np.repeat([0, 1], 200),
        value=rng.integers(0, 3, 400),
        categories=(-1, 0, 1),
    )
    gaps = np.diff(ratings.value.reshape(200, 2), axis=1)

    observed = gwet_ac2(ratings, weighting="quadratic").observed

    assert observed is not None
    assert (1 - observed) * 4 == pytest.approx((gaps**2).mean())


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=40),
    st.sampled_from(["unweighted", "linear", "quadratic"]),
)
def test_cohen_equals_scikit_learn(pairs: list[tuple[int, int]], weighting: Weighting) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    first, second = zip(*pairs, strict=True)
    kappa = cohen_kappa(tabulate_pair(first, second, categories=range(4)), weighting=weighting)
    # scikit-learn divides by zero where kappa is undefined.
    assume(kappa.value is not None)

    theirs = metrics.cohen_kappa_score(
        first,
        second,
        labels=[0, 1, 2, 3],
        weights=None if weighting == "unweighted" else weighting,
    )

    assert kappa.value == pytest.approx(theirs, abs=1e-9)


def test_cohen_and_its_standard_error_equal_statsmodels() -> None:
    inter_rater = pytest.importorskip("statsmodels.stats.inter_rater")
    rng = np.random.default_rng(4)
    for _ in range(20):
        first = rng.integers(0, 4, 60)
        second = np.where(rng.random(60) < 0.6, first, rng.integers(0, 4, 60))
        table = tabulate_pair(first, second, categories=range(4))

        theirs = inter_rater.cohens_kappa(table.counts)

        assert cohen_kappa(table).value == pytest.approx(theirs.kappa, abs=1e-12)
        assert cohen_standard_error(table) == pytest.approx(theirs.std_kappa, abs=1e-12)


def test_fleiss_equals_statsmodels() -> None:
    inter_rater = pytest.importorskip("statsmodels.stats.inter_rater")
    rng = np.random.default_rng(6)
    for n_raters in (2, 3, 7):
        ratings = pack_ratings(
            unit=np.repeat(np.arange(50), n_raters),
            rater=np.tile(np.arange(n_raters), 50),
            value=rng.integers(0, 4, 50 * n_raters),
            categories=range(4),
        )

        theirs = inter_rater.fleiss_kappa(count_values(ratings).counts, method="fleiss")

        assert fleiss_kappa(ratings).value == pytest.approx(theirs, abs=1e-12)


def test_the_pairwise_table_equals_one_pair_at_a_time() -> None:
    rng = np.random.default_rng(8)
    ratings = pack_ratings(
        unit=rng.integers(0, 60, 200),
        rater=rng.integers(0, 5, 200),
        value=rng.integers(0, 3, 200),
        categories=range(3),
    )

    table = build_pairwise_table(ratings, level="ordinal", weighting="linear")

    assert len(table.pairs) == 10
    for pair in table.pairs:
        chosen = np.isin(ratings.rater, [pair.first, pair.second])
        both = pack_ratings(
            unit=ratings.unit[chosen],
            rater=ratings.rater[chosen],
            value=ratings.value[chosen],
            categories=range(3),
        )
        alpha = krippendorff_alpha(both, level="ordinal")
        assert pair.alpha.value == pytest.approx(alpha.value, abs=1e-12)
        assert pair.n_units == alpha.n_units
        assert pair.percent_agreement.value == pytest.approx(
            percent_agreement(both).value, abs=1e-12
        )
