from __future__ import annotations

import math

import pytest

from modeljobs.engines.base import EnginePermanent
from modeljobs.methods.prm import heads


def test_signs_are_compared_with_each_other_alone() -> None:
    # 1 / (1 + e^-2) for logits 3 and 1.
    assert heads.read_signs((3.0, 1.0)).value == pytest.approx(1 / (1 + math.exp(-2)))


def test_the_second_class_is_right() -> None:
    assert heads.read_classes((1.0, 3.0)).value == pytest.approx(1 / (1 + math.exp(-2)))


def test_probabilities_are_taken_as_they_are() -> None:
    assert heads.read_classes((0.25, 0.75)).value == 0.75


def test_an_exact_zero_is_a_probability() -> None:
    assert heads.read_classes((1.0, 0.0)).value == 0.0
    assert heads.read_margin((1.0, 0.0)).value == -1.0


def test_numbers_between_zero_and_one_that_do_not_add_up_are_logits() -> None:
    assert heads.read_classes((0.0, 0.5)).value == pytest.approx(1 / (1 + math.exp(-0.5)))


def test_a_margin_is_the_difference_of_the_two() -> None:
    assert heads.read_margin((0.25, 0.75)).value == pytest.approx(0.5)


def test_of_three_the_last_two_are_valid_and_the_middle_is_redundant() -> None:
    numbers = heads.read_three((0.5, 0.2, 0.3))
    assert numbers.value == pytest.approx(0.5)
    assert numbers.redundancy == 0.2


def test_a_value_is_squashed_at_any_size() -> None:
    assert heads.read_value((0.0,)).value == 0.5
    assert heads.read_value((-1000.0,)).value == 0.0
    assert heads.read_value((1000.0,)).value == 1.0


def test_a_logit_stays_as_it_is() -> None:
    assert heads.read_logit((-2.5,)).value == -2.5


def test_an_ensemble_has_a_mean_and_a_spread() -> None:
    # Chances 0.5 and 0.75: mean 0.625, deviation sqrt(2 * 0.125^2 / 1).
    numbers = heads.read_ensemble((0.0, math.log(3)))
    assert numbers.value == pytest.approx(0.625)
    assert numbers.uncertainty == pytest.approx(math.sqrt(2) * 0.125)


def test_one_head_has_no_spread() -> None:
    assert heads.read_ensemble((0.0,)).uncertainty is None


@pytest.mark.parametrize(
    ("read", "row"),
    [
        (heads.read_classes, (1.0, 2.0, 3.0)),
        (heads.read_three, (1.0, 2.0)),
        (heads.read_value, (1.0, 2.0)),
    ],
)
def test_a_row_of_another_length_means_another_model(read: object, row: tuple[float, ...]) -> None:
    assert callable(read)
    with pytest.raises(EnginePermanent, match="choose the kind") as caught:
        read(row)
    assert caught.value.code == "unsupported_model"
