"""Agreement on the first error, solution by solution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.metrics.coefficients import Reason
from labeling.metrics.first_error import (
    Disagreement,
    DisagreementCounts,
    classify_disagreement,
    first_error_intervals,
    pack_first_errors,
    summarise_first_errors,
)
from labeling.metrics.ratings import Ratings
from labeling.records import FirstError, FirstErrorAt, NoError, UnknownFirstError

NONE = NoError()
UNSURE = UnknownFirstError("the annotator was unsure")


def at(position: int) -> FirstErrorAt:
    return FirstErrorAt(position)


def pack(answers: Mapping[str, Sequence[FirstError | None]]) -> Ratings:
    """For each solution the answers of raters 0, 1, 2, ...; None where a rater did not see it."""
    rows = [
        (solution, rater, answer)
        for solution, given_answers in answers.items()
        for rater, answer in enumerate(given_answers)
        if answer is not None
    ]
    solutions, raters, errors = zip(*rows, strict=True) if rows else ((), (), ())
    return pack_first_errors(solution=solutions, rater=raters, first_error=errors)


# Three annotators, five solutions; counted from 1 their first errors are
# s1 3,3,3 / s2 none / s3 5,4,5 / s4 none, and c did not see it / s5 1,2,1.
STEPS = pack(
    {
        "s1": [at(2), at(2), at(2)],
        "s2": [NONE, NONE, NONE],
        "s3": [at(4), at(3), at(4)],
        "s4": [NONE, NONE, None],
        "s5": [at(0), at(1), at(0)],
    }
)


def test_exact_match_of_pairs() -> None:
    # 3 + 3 + 1 + 1 + 1 of 13 pairs.
    exact = summarise_first_errors(STEPS).exact

    assert exact.value == pytest.approx(9 / 13)
    assert exact.value == pytest.approx(0.692308, abs=1e-6)
    assert (exact.n_units, exact.n_ratings, exact.n_raters) == (5, 14, 3)


def test_within_one_step() -> None:
    assert summarise_first_errors(STEPS).within_one.value == 1.0


def test_nominal_alpha_on_the_index() -> None:
    # Checked with krippendorff 0.9.0.
    assert summarise_first_errors(STEPS).index_alpha.value == pytest.approx(0.657895, abs=1e-6)


def test_mean_distance_among_located_pairs() -> None:
    # s1: 0 0 0, s3: 1 0 1, s5: 1 0 1, over 9 pairs.
    assert summarise_first_errors(STEPS).mean_distance.value == pytest.approx(4 / 9)


def test_all_agree_on_which_solutions_are_wrong() -> None:
    found = summarise_first_errors(STEPS)

    assert found.verdict_alpha.value == 1.0
    assert found.disagreements == DisagreementCounts(none=9, existence=0, location=4)
    assert found.disagreements.n_pairs == 13


def test_no_error_is_never_within_one_of_the_first_step() -> None:
    found = summarise_first_errors(pack({"s1": [NONE, at(0)], "s2": [at(0), at(1)]}))

    # Of two pairs only s2's lies within one.
    assert found.within_one.value == 0.5
    assert found.exact.value == 0.0
    assert found.disagreements == DisagreementCounts(none=0, existence=1, location=1)


def test_no_error_is_within_one_of_no_error() -> None:
    found = summarise_first_errors(pack({"s1": [NONE, NONE]}))

    assert (found.exact.value, found.within_one.value) == (1.0, 1.0)


def test_two_steps_apart_is_not_within_one() -> None:
    found = summarise_first_errors(pack({"s1": [at(3), at(5)]}))

    assert (found.within_one.value, found.mean_distance.value) == (0.0, 2.0)


def test_nobody_located_an_error_together() -> None:
    found = summarise_first_errors(pack({"s1": [NONE, at(4)], "s2": [NONE, NONE]}))

    assert (found.mean_distance.value, found.mean_distance.reason) == (
        None,
        Reason.NO_LOCATED_PAIR,
    )
    assert found.exact.value == 0.5


def test_unknown_is_left_out_and_counted() -> None:
    with_unknown = pack(
        {"s1": [at(1), at(1), UNSURE], "s2": [NONE, UNSURE, at(0)], "s3": [UNSURE, UNSURE, NONE]}
    )
    without = pack({"s1": [at(1), at(1)], "s2": [NONE, None, at(0)], "s3": [None, None, NONE]})

    found, plain = summarise_first_errors(with_unknown), summarise_first_errors(without)

    assert (found.n_unknown, plain.n_unknown) == (4, 0)
    assert (found.exact, found.index_alpha) == (plain.exact, plain.index_alpha)
    assert found.exact.value == 0.5
    assert found.n_ratings == 5


def test_a_latest_word_of_unknown_takes_the_earlier_answer_back() -> None:
    ratings = pack_first_errors(
        solution=["s1", "s1", "s1"],
        rater=["alice", "bob", "alice"],
        first_error=[at(1), at(1), UNSURE],
    )
    found = summarise_first_errors(ratings)

    assert (found.exact.reason, found.n_unknown) == (Reason.ONE_RATER, 1)


def test_nobody_answered() -> None:
    found = summarise_first_errors(pack({}))

    for coefficient in (found.exact, found.within_one, found.mean_distance, found.index_alpha):
        assert coefficient.reason == Reason.NO_RATINGS


def test_no_solution_was_seen_by_two() -> None:
    found = summarise_first_errors(pack({"s1": [at(1), None], "s2": [None, NONE]}))

    assert {found.exact.reason, found.mean_distance.reason, found.verdict_alpha.reason} == {
        Reason.NO_OVERLAP
    }


def test_all_solutions_clean_by_all() -> None:
    found = summarise_first_errors(pack({"s1": [NONE, NONE], "s2": [NONE, NONE]}))

    assert found.exact.value == 1.0
    assert found.verdict_alpha.reason == Reason.NO_VARIATION
    assert found.mean_distance.reason == Reason.NO_LOCATED_PAIR


def test_verdict_alpha_is_alpha_of_two_categories() -> None:
    # Verdicts e=error, c=clean: ee, cc, ec. Coincidences: o_ec = o_ce = 1, n_e = n_c = 3, n = 6;
    # alpha = 1 - 5 * 2 / (2 * 9) = 4/9.
    found = summarise_first_errors(
        pack({"s1": [at(0), at(7)], "s2": [NONE, NONE], "s3": [at(2), NONE]})
    )

    assert found.verdict_alpha.value == pytest.approx(4 / 9)


def test_an_error_at_a_far_step_needs_no_table_of_a_million_columns() -> None:
    ratings = pack({"s1": [at(999_999), at(999_998)], "s2": [NONE, NONE]})

    assert ratings.categories == (-1, 999_998, 999_999)
    assert summarise_first_errors(ratings).within_one.value == 1.0


def test_a_negative_position_is_refused() -> None:
    with pytest.raises(ValueError, match="counts from 0; -1 is below"):
        pack({"s1": [at(-1)]})


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        (NONE, NONE, Disagreement.NONE),
        (at(2), at(2), Disagreement.NONE),
        (at(2), at(3), Disagreement.LOCATION),
        (NONE, at(0), Disagreement.EXISTENCE),
        (at(0), NONE, Disagreement.EXISTENCE),
        (UNSURE, at(0), None),
        (NONE, UNSURE, None),
    ],
)
def test_kinds_of_disagreement(
    first: FirstError, second: FirstError, kind: Disagreement | None
) -> None:
    assert classify_disagreement(first, second) is kind


answers = st.one_of(st.just(NONE), st.just(UNSURE), st.integers(0, 4).map(at), st.none())


@given(st.lists(st.lists(answers, min_size=3, max_size=3), min_size=1, max_size=6))
def test_the_counts_equal_those_of_one_pair_at_a_time(
    table: list[list[FirstError | None]],
) -> None:
    kinds = [
        classify_disagreement(first, second)
        for row in table
        for i, first in enumerate(row)
        for second in row[i + 1 :]
        if first is not None and second is not None
    ]

    found = summarise_first_errors(pack({str(i): row for i, row in enumerate(table)}))

    assert found.disagreements == DisagreementCounts(
        none=kinds.count(Disagreement.NONE),
        existence=kinds.count(Disagreement.EXISTENCE),
        location=kinds.count(Disagreement.LOCATION),
    )


def test_intervals_over_families() -> None:
    rng = np.random.default_rng(1)
    n = 80
    truth = rng.integers(-1, 6, n)
    other = np.where(rng.random(n) < 0.7, truth, rng.integers(-1, 6, n))
    errors: list[FirstError] = [
        NONE if position < 0 else at(int(position)) for position in (*truth, *other)
    ]
    solution, rater = np.tile(np.arange(n), 2), np.repeat([0, 1], n)
    by_family = pack_first_errors(
        solution=solution, rater=rater, first_error=errors, family=solution // 2
    )
    by_solution = pack_first_errors(solution=solution, rater=rater, first_error=errors)

    found = summarise_first_errors(by_family)
    intervals = first_error_intervals(by_family, seed=4)

    for name in ("exact", "within_one", "index_alpha", "verdict_alpha"):
        interval, value = getattr(intervals, name), getattr(found, name).value
        assert interval.low < value < interval.high, name
        assert (interval.n_clusters, interval.seed, interval.draws) == (40, 4, 2000)
    assert first_error_intervals(by_solution, seed=4).exact.n_clusters == 80
    assert first_error_intervals(by_family, seed=4) == intervals
