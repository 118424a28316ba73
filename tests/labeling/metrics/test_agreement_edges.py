"""Where agreement has no value, or a value that is easy to get wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from labeling.metrics.agreement import (
    brennan_prediger,
    fleiss_kappa,
    fleiss_kappa_generalised,
    gwet_ac1,
    gwet_ac2,
    krippendorff_alpha,
    percent_agreement,
    summarise_nominal,
    summarise_ranked,
)
from labeling.metrics.coefficients import SENTENCES, Coefficient, Reason
from labeling.metrics.pairs import (
    build_pairwise_table,
    category_agreement,
    cohen_kappa,
    negative_agreement,
    positive_agreement,
    read_pair_table,
    tabulate_pair,
)
from labeling.metrics.ratings import (
    MISSING,
    Ratings,
    encode_labels,
    find_latest,
    number_step_units,
    order_labels,
    pack_ratings,
    read_count_table,
)

RATING = (-1, 0, 1)


def pack(rows: Sequence[tuple[Any, Any, int]], **options: Any) -> Ratings:
    """Rows of (unit, rater, rating)."""
    units, raters, labels = zip(*rows, strict=True) if rows else ((), (), ())
    return pack_ratings(
        unit=units,
        rater=raters,
        value=encode_labels(labels, categories=RATING),
        categories=RATING,
        **options,
    )


def all_coefficients(ratings: Ratings) -> dict[str, Coefficient]:
    nominal, ranked = summarise_nominal(ratings), summarise_ranked(ratings)
    return {
        "percent_agreement": nominal.percent_agreement,
        "alpha": nominal.alpha,
        "ac1": nominal.ac1,
        "fleiss": nominal.fleiss,
        "fleiss_generalised": nominal.fleiss_generalised,
        "conger": nominal.conger,
        "brennan_prediger": nominal.brennan_prediger,
        "alpha_ordinal": ranked.alpha_ordinal,
        "alpha_interval": ranked.alpha_interval,
        "ac2_linear": ranked.ac2_linear,
        "ac2_quadratic": ranked.ac2_quadratic,
    }


def test_no_ratings_at_all() -> None:
    reasons = {c.reason for c in all_coefficients(pack([])).values()}

    assert reasons == {Reason.NO_RATINGS}


def test_one_rater() -> None:
    ratings = pack([(1, "alice", 1), (2, "alice", -1)])

    assert {c.reason for c in all_coefficients(ratings).values()} == {Reason.ONE_RATER}
    assert build_pairwise_table(ratings).pairs == ()
    assert build_pairwise_table(ratings).mean_kappa is None


def test_no_pairable_unit() -> None:
    ratings = pack([(1, "alice", 1), (2, "bob", -1)])

    alpha = krippendorff_alpha(ratings, level="ordinal")

    assert (alpha.value, alpha.reason) == (None, Reason.NO_OVERLAP)
    assert alpha.explanation == "No unit was rated by two people."
    assert {c.reason for c in all_coefficients(ratings).values()} == {Reason.NO_OVERLAP}
    assert build_pairwise_table(ratings).n_pairs_without_overlap == 1


def test_all_raters_one_category() -> None:
    ratings = pack([(unit, rater, 1) for unit in (1, 2, 3) for rater in ("alice", "bob")])
    found = all_coefficients(ratings)

    for name in ("alpha", "alpha_ordinal", "alpha_interval", "fleiss", "conger"):
        assert (found[name].value, found[name].reason) == (None, Reason.NO_VARIATION), name
    # What can be said is shown beside it.
    assert found["alpha"].observed == 1.0
    for name in ("percent_agreement", "ac1", "ac2_linear", "ac2_quadratic", "brennan_prediger"):
        assert found[name].value == 1.0, name
    pair = build_pairwise_table(ratings).pairs[0]
    assert (pair.kappa.reason, pair.alpha.reason) == (Reason.NO_VARIATION, Reason.NO_VARIATION)
    assert pair.percent_agreement.value == 1.0


def test_one_unit_in_disagreement() -> None:
    # D_o = D_e on a single unit: alpha is 0 by construction, for any ratings that differ.
    found = all_coefficients(pack([(1, "alice", 1), (1, "bob", -1), (1, "carol", 1)]))

    for name in ("alpha", "alpha_ordinal", "alpha_interval", "fleiss", "conger"):
        assert (found[name].value, found[name].reason) == (None, Reason.ONE_UNIT), name
    # One of the three pairs agrees. AC1: pi = (1/3, 0, 2/3), p_e = (2/9 + 2/9) / 2 = 2/9,
    # (1/3 - 2/9) / (1 - 2/9) = 1/7.
    assert found["percent_agreement"].value == pytest.approx(1 / 3)
    assert found["ac1"].value == pytest.approx(1 / 7)


def test_one_unit_in_agreement_has_no_variation() -> None:
    found = all_coefficients(pack([(1, "alice", 1), (1, "bob", 1)]))

    assert found["alpha"].reason == Reason.NO_VARIATION
    assert found["ac1"].value == 1.0


def test_one_category_in_the_list() -> None:
    ratings = pack_ratings(
        unit=[1, 1, 2, 2], rater=[1, 2, 1, 2], value=[0, 0, 0, 0], categories=["seen"]
    )

    assert percent_agreement(ratings).value == 1.0
    for coefficient in (gwet_ac1(ratings), brennan_prediger(ratings)):
        assert coefficient.reason == Reason.ONE_CATEGORY


def test_a_rater_who_only_ever_says_one_thing() -> None:
    # alice calls all of it right, bob three of four: p_o = 3/4 = p_e, so kappa is 0, and known.
    table = tabulate_pair([2, 2, 2, 2], [2, 1, 2, 2], categories=RATING)

    kappa = cohen_kappa(table)

    assert (kappa.observed, kappa.expected, kappa.value) == (0.75, 0.75, 0.0)


def test_two_raters_who_always_say_opposite_things() -> None:
    kappa = cohen_kappa(tabulate_pair([0, 0], [2, 2], categories=RATING))

    assert (kappa.observed, kappa.value) == (0.0, 0.0)


def test_a_rater_with_a_single_rating() -> None:
    rows = [(unit, rater, sign) for unit, sign in ((1, 1), (2, -1)) for rater in ("alice", "bob")]
    ratings = pack([*rows, (1, "carol", -1)])

    pairs = {(pair.first, pair.second): pair for pair in build_pairwise_table(ratings).pairs}

    assert pairs["alice", "bob"].kappa.value == 1.0
    assert pairs["alice", "carol"].kappa.reason == Reason.ONE_UNIT
    assert pairs["alice", "carol"].percent_agreement.value == 0.0
    # Only alice and bob have a kappa, and the mean is over those who have one.
    assert build_pairwise_table(ratings).mean_kappa == 1.0


def test_a_category_that_nobody_used_still_counts() -> None:
    first, second = [0, 0, 0, 1, 1], [0, 0, 1, 1, 1]

    def ac1(q: int) -> Coefficient:
        unit = np.tile(np.arange(5), 2)
        return gwet_ac1(
            pack_ratings(
                unit=unit, rater=np.repeat([1, 2], 5), value=first + second, categories=range(q)
            )
        )

    # pi = (1/2, 1/2, 0 ...), so p_e = (1/4 + 1/4) / (q - 1): 1/2 for two categories, 1/4 for three.
    assert ac1(2).value == pytest.approx((0.8 - 0.5) / 0.5)
    assert ac1(3).value == pytest.approx((0.8 - 0.25) / 0.75)


def test_a_category_that_nobody_used_does_not_move_alpha() -> None:
    narrow = read_count_table([[2, 0], [1, 1], [0, 2]], categories=(-1, 1))
    wide = read_count_table([[2, 0, 0], [1, 0, 1], [0, 0, 2]], categories=RATING)

    for level in ("nominal", "ordinal", "interval"):
        assert krippendorff_alpha(wide, level=level).value == pytest.approx(
            krippendorff_alpha(narrow, level=level).value
        )


def test_two_solutions_sharing_step_indices() -> None:
    # Steps 0 and 1 of two solutions. Taken by index alone each "unit" would mix the solutions,
    # and people who agree perfectly would seem to differ.
    solution = ["s1", "s1", "s2", "s2"] * 2
    position = [0, 1, 0, 1] * 2
    labels = [1, -1, -1, 1] * 2
    unit = number_step_units(solution, position)

    ratings = pack_ratings(
        unit=unit,
        rater=["alice"] * 4 + ["bob"] * 4,
        value=encode_labels(labels, categories=RATING),
        categories=RATING,
        cluster=solution,
    )

    assert ratings.n_units == 4
    assert krippendorff_alpha(ratings, level="nominal").value == 1.0
    assert ratings.cluster is not None
    assert ratings.cluster.tolist() == [0, 0, 1, 1]


def test_a_unit_in_two_clusters_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unit np\.int64\(7\)|unit 7"):
        pack_ratings(
            unit=[7, 7], rater=[1, 2], value=[0, 0], categories=RATING, cluster=["s1", "s2"]
        )


def test_labels_that_are_numbers_are_ordered_as_numbers() -> None:
    assert order_labels(["1", "-1", "0", "-2", "10", "2"]) == ("-2", "-1", "0", "1", "2", "10")


def test_labels_that_are_words_are_ordered_as_words() -> None:
    assert order_labels(["nan", "correct", "1"]) == ("1", "correct", "nan")


def test_categories_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="do not ascend; order_labels"):
        pack_ratings(unit=[1], rater=[1], value=[0], categories=("1", "0", "-1"))


def test_a_category_listed_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="listed twice"):
        pack_ratings(unit=[1], rater=[1], value=[0], categories=("a", "a"))


def test_a_label_outside_the_list_is_refused() -> None:
    with pytest.raises(ValueError, match="The label 2 is not among the categories"):
        encode_labels([1, 2], categories=RATING)


def test_a_value_outside_the_list_is_refused() -> None:
    with pytest.raises(ValueError, match="The value 3 is not the position"):
        pack_ratings(unit=[1], rater=[1], value=[3], categories=RATING)


def test_duplicated_rows_keep_the_latest_revision() -> None:
    ratings = pack([(1, "alice", -1), (1, "bob", 1), (1, "alice", 0), (2, "bob", 1)])

    assert len(ratings) == 3
    assert ratings.n_superseded == 1
    assert [RATING[code] for code in ratings.value[ratings.unit == 0]] == [0, 1]


def test_duplicated_rows_follow_a_given_order() -> None:
    # The revision numbers say that the row given first is the later one.
    ratings = pack([(1, "alice", -1), (1, "alice", 0), (1, "bob", 1)], order=[2, 1, 1])

    assert [RATING[code] for code in ratings.value] == [-1, 1]


def test_finding_the_latest_is_the_same_by_table_and_by_sorting() -> None:
    rng = np.random.default_rng(5)
    # 3000 x 2000 cells for 4000 rows are too many for the table of cells.
    unit, rater = rng.integers(0, 3000, 4000), rng.integers(0, 2000, 4000)
    unit[2000:], rater[2000:] = unit[:2000], rater[:2000]
    order = rng.integers(0, 50, 4000)
    cell = {}
    for row in np.argsort(order, kind="stable").tolist():
        cell[int(unit[row]), int(rater[row])] = row

    latest = find_latest(unit, rater, order=order)

    assert latest.tolist() == [cell[key] for key in sorted(cell)]


def test_a_mark_taken_back_leaves_no_rating() -> None:
    ratings = pack_ratings(
        unit=[1, 1, 1],
        rater=["alice", "bob", "alice"],
        value=[2, 2, MISSING],
        categories=RATING,
    )

    assert (len(ratings), ratings.n_missing, ratings.n_superseded) == (1, 1, 1)
    assert percent_agreement(ratings).reason == Reason.ONE_RATER


ROWS = [
    (1, "alice", 1),
    (1, "bob", 1),
    (2, "alice", -1),
    (2, "bob", -1),
    (3, "alice", 1),
    (3, "bob", -1),
]


def test_deactivated_annotators_are_left_out() -> None:
    with_dave = [*ROWS, (1, "dave", -1), (2, "dave", 1)]

    ratings = pack(with_dave, eligible=[rater != "dave" for _, rater, _ in with_dave])

    assert all_coefficients(ratings) == all_coefficients(pack(ROWS))
    assert (ratings.n_raters, ratings.n_excluded) == (2, 2)


def test_gold_items_are_left_out() -> None:
    gold_unit = 99
    with_gold = [*ROWS, (gold_unit, "alice", 1), (gold_unit, "bob", 1)]

    ratings = pack(with_gold, eligible=[unit != gold_unit for unit, _, _ in with_gold])

    assert all_coefficients(ratings) == all_coefficients(pack(ROWS))
    assert ratings.n_units == 3


def test_edits_after_the_reveal_are_left_out() -> None:
    # bob gave way on unit 3 once the machine's suggestion was shown: his blind word stands.
    with_edit = [*ROWS, (3, "bob", 1)]
    blind = [True] * len(ROWS) + [False]

    ratings = pack(with_edit, eligible=blind)

    assert all_coefficients(ratings) == all_coefficients(pack(ROWS))
    assert ratings.n_superseded == 0
    assert percent_agreement(pack(with_edit)).value == 1.0


def test_fleiss_refuses_units_with_different_numbers_of_ratings() -> None:
    table = read_count_table([[2, 1], [1, 1], [3, 0]])

    kappa = fleiss_kappa(table)

    assert (kappa.value, kappa.reason) == (None, Reason.UNEQUAL_RATERS)
    assert "between 2 and 3" in kappa.explanation
    assert fleiss_kappa_generalised(table).value is not None


def test_fleiss_counts_units_with_one_rating_as_different() -> None:
    ratings = pack([*ROWS, (4, "alice", 1)])

    assert fleiss_kappa(ratings).reason == Reason.UNEQUAL_RATERS


def test_units_that_nobody_rated_change_nothing() -> None:
    with_gap = read_count_table([[2, 0], [0, 0], [1, 1], [0, 2]])
    without = read_count_table([[2, 0], [1, 1], [0, 2]])

    assert fleiss_kappa(with_gap) == fleiss_kappa(without)
    assert gwet_ac1(with_gap) == gwet_ac1(without)


def test_a_unit_with_one_rating_counts_for_gwets_chance_agreement_only() -> None:
    more = pack([*ROWS, (4, "alice", -1)])

    # pi of "-1" rises from 1/2 to (1/2 + 1 + 0 + 1) / 4; p_a stays 2/3.
    assert percent_agreement(more).value == pytest.approx(2 / 3)
    share = 2.5 / 4
    expected = 2 * share * (1 - share) / 2
    assert gwet_ac1(more).expected == pytest.approx(expected)
    assert gwet_ac1(more).value == pytest.approx((2 / 3 - expected) / (1 - expected))
    assert gwet_ac1(more).n_units == 3


def test_ratio_alpha_refuses_a_scale_below_zero() -> None:
    with pytest.raises(ValueError, match="from zero up"):
        krippendorff_alpha(pack(ROWS), level="ratio")


def test_an_uneven_scale_is_used_as_given() -> None:
    table = [[1, 1, 0], [1, 1, 0], [1, 0, 1], [0, 0, 2]]
    even = read_count_table(table, categories=(0, 1, 2))
    uneven = read_count_table(table, categories=(0, 1, 10))

    assert krippendorff_alpha(even, level="ordinal") == krippendorff_alpha(uneven, level="ordinal")
    assert krippendorff_alpha(even, level="interval") != krippendorff_alpha(
        uneven, level="interval"
    )
    # 0 against 1 is half way on the even scale, and a tenth on the uneven one.
    assert gwet_ac2(even, weighting="linear").observed == pytest.approx((0.5 + 0.5 + 0 + 1) / 4)
    assert gwet_ac2(uneven, weighting="linear").observed == pytest.approx((0.9 + 0.9 + 0 + 1) / 4)


def test_missing_values_leave_a_pair_out() -> None:
    table = tabulate_pair([0, 1, MISSING, 2], [0, 1, 1, MISSING], categories=RATING)

    assert table.n_units == 2


def test_two_raters_who_never_met() -> None:
    table = tabulate_pair([0, MISSING], [MISSING, 1], categories=RATING)

    assert cohen_kappa(table).reason == Reason.NO_OVERLAP
    assert positive_agreement(table, positive=1).reason == Reason.NO_OVERLAP
    assert cohen_kappa(table).n_units == 0


def test_arrays_of_two_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        tabulate_pair([0, 1], [0], categories=RATING)


def test_agreement_on_a_category_that_neither_used() -> None:
    table = read_pair_table([[5, 0, 1], [0, 0, 0], [1, 0, 3]], categories=RATING)

    assert category_agreement(table, category=0).reason == Reason.CATEGORY_UNUSED
    # 2 * 5 / (6 + 6); "not -1" is 2 * 3 / (4 + 4).
    assert category_agreement(table, category=-1).value == pytest.approx(10 / 12)
    assert negative_agreement(table, positive=-1).value == pytest.approx(6 / 8)


def test_agreement_on_an_unknown_category_is_refused() -> None:
    with pytest.raises(ValueError, match="'maybe' is not among"):
        positive_agreement(read_pair_table([[1, 0], [0, 1]]), positive="maybe")


def test_marginals_of_each_rater() -> None:
    summary = summarise_nominal(pack(ROWS))

    assert [(m.rater, m.counts) for m in summary.marginals] == [
        ("alice", (1, 0, 2)),
        ("bob", (2, 0, 1)),
    ]
    assert summary.marginals[0].shares == pytest.approx((1 / 3, 0, 2 / 3))


def test_many_raters_are_tallied_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    ratings = pack_ratings(
        unit=rng.integers(0, 40, 300),
        rater=rng.integers(0, 9, 300),
        value=rng.integers(0, 3, 300),
        categories=RATING,
    )
    whole = build_pairwise_table(ratings)

    monkeypatch.setattr("labeling.metrics.pairs._DENSE_TALLY", 0)

    assert build_pairwise_table(ratings) == whole
    assert len(whole.pairs) == 36


def test_every_reason_has_a_sentence() -> None:
    assert SENTENCES.keys() == set(Reason)
    assert all(sentence.endswith(".") for sentence in SENTENCES.values())


def test_a_coefficient_is_never_both_and_never_neither() -> None:
    with pytest.raises(ValueError, match="either a value or a reason"):
        Coefficient(value=None, reason=None, n_units=0, n_ratings=0, n_raters=0)
    with pytest.raises(ValueError, match="either a value or a reason"):
        Coefficient(value=0.5, reason=Reason.NO_OVERLAP, n_units=0, n_ratings=0, n_raters=0)


def test_a_coefficient_is_never_nan() -> None:
    with pytest.raises(ValueError, match="must be finite"):
        Coefficient(value=float("nan"), reason=None, n_units=1, n_ratings=2, n_raters=2)
