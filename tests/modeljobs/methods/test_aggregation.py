from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modeljobs.methods.aggregation import Opinion, aggregate
from modeljobs.methods.probabilities import YesProbability

NOTHING = Opinion(None)


def yes(p: float) -> Opinion:
    return Opinion(True, YesProbability(p))


def no(p: float) -> Opinion:
    return Opinion(False, YesProbability(p))


def test_mean_and_majority_are_kept_apart() -> None:
    # Mean (0.95 + 0.4 + 0.3) / 3 = 0.55, but two of three say No.
    found = aggregate([yes(0.95), no(0.4), no(0.3)], threshold=0.5)
    assert found.mean == pytest.approx(0.55)
    assert (found.verdict, found.majority, found.decision) == (True, False, True)
    assert (found.yes, found.no, found.unparsed) == (1, 2, 0)
    # (0.16 + 0.0225 + 0.0625) / 3
    assert found.variance == pytest.approx(0.245 / 3)
    assert (found.chosen, found.decided_by) == (1, "mean")


def test_the_threshold_itself_is_right() -> None:
    assert aggregate([yes(0.5)], threshold=0.5).verdict is True
    assert aggregate([yes(0.7)], threshold=0.75).verdict is False


def test_what_was_not_read_is_left_out_and_counted() -> None:
    found = aggregate([yes(0.9), NOTHING, NOTHING], threshold=0.5)
    assert (found.mean, found.unparsed, found.majority) == (0.9, 2, True)


def test_nothing_read_is_nothing_known() -> None:
    found = aggregate([NOTHING, NOTHING], threshold=0.5)
    assert (found.mean, found.variance, found.verdict, found.majority) == (None,) * 4
    assert (found.decision, found.decided_by, found.chosen) == (None, None, None)


def test_without_probabilities_the_majority_decides() -> None:
    found = aggregate([Opinion(False), Opinion(True), Opinion(False)], threshold=0.5)
    assert (found.mean, found.verdict, found.majority) == (None, None, False)
    assert (found.decision, found.decided_by, found.chosen) == (False, "majority", 0)


def test_even_votes_without_probabilities_decide_nothing() -> None:
    found = aggregate([Opinion(True), Opinion(False)], threshold=0.5)
    assert (found.majority, found.decision, found.decided_by) == (None, None, None)
    assert found.chosen == 0


def test_a_single_value_has_no_variance() -> None:
    assert aggregate([yes(0.9), Opinion(True)], threshold=0.5).variance is None


def test_of_equally_close_samples_the_first_is_chosen() -> None:
    assert aggregate([NOTHING, yes(0.8), yes(0.8)], threshold=0.5).chosen == 1


@given(st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=9), st.floats(0, 1))
@settings(deadline=None)
def test_bounds(values: list[float | None], threshold: float) -> None:
    opinions = [NOTHING if p is None else Opinion(p >= 0.5, YesProbability(p)) for p in values]
    found = aggregate(opinions, threshold=threshold)
    assert found.yes + found.no + found.unparsed == len(values)
    known = [p for p in values if p is not None]
    assert (found.mean is None) == (not known)
    if found.mean is not None:
        assert min(known) - 1e-9 <= found.mean <= max(known) + 1e-9
        assert found.chosen is not None
        assert opinions[found.chosen].probability is not None
