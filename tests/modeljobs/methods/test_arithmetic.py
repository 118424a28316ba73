from __future__ import annotations

from fractions import Fraction

import pytest

from modeljobs.methods.arithmetic import compute, find_true_equalities, find_whole_numbers


@pytest.mark.parametrize(
    "text",
    [
        "3 + 4 = 7",
        "So $3+4=7$.",
        r"\(3 + 4 = 7\), as wanted",
        "We get 3 + 4 = 7 apples.",
        r"$2 \times 3 = 6$",
        r"$2 \cdot 3 = 6$, hence",
        "6 / 4 = 1.5",
        "$1.82-1.24=0.58$",
        "First, 3 + 4 = 7",
        "12 \u2212 5 = 7",
        r"So $343 - 105 = \boxed{238}$.",
        "48/2 = <<48/2=24>>24 clips",
        "9 * 2 = $<<9*2=18>>18 every day",
    ],
)
def test_a_true_equality_is_found(text: str) -> None:
    (equality,) = find_true_equalities(text)
    assert compute(equality.left, equality.sign, equality.right) == equality.result
    start, end = equality.result_span
    assert Fraction(text[start:end]) == equality.result
    start, end = equality.sign_span
    assert text[start:end].strip("0123456789 ") == text[start:end]


@pytest.mark.parametrize(
    "text",
    [
        "3 + 4 = 8",
        # Pieces of something longer.
        "2 + 3 + 4 = 9 and 1 + 3 + 4 = 7",
        "x + 3 + 4 = 7",
        "x 3 + 4 = 7",
        "2x3 + 4 = 7",
        "3 + 4 = 7x",
        "3 + 4 = 7 x",
        "3 + 4 = 7 + y",
        "3 + 4 = 7^2",
        "3 + 4 = 7!",
        "3 + 4 = 7%",
        "3 + 4 = 7,000",
        "1,003 + 4 = 7",
        r"\frac{1}{2}3 + 4 = 7",
        r"\sin 3 + 4 = 7",
        r"(1 + 2) 3 + 4 = 7",
        # Another arithmetic.
        r"3 + 4 = 7 \pmod{5}",
        "3 + 4 = 7 mod 5",
        "3_8 + 4_8 = 7_8",
        "-3 + 4 = 7",
        "6 / 0 = 6",
        # A note that says something else, and one of more than two numbers.
        "48/2 = <<48/3=16>>24",
        "16 - 3 - 4 = <<16-3-4=9>>9",
        r"3 + 4 = \boxed{8}",
        "",
    ],
)
def test_what_is_false_or_a_piece_of_more_is_left_alone(text: str) -> None:
    assert list(find_true_equalities(text)) == []


def test_whole_numbers_of_a_text() -> None:
    text = r"Of 12 pens, 3.5 and $x_7$ and $2^9$ and 1 and 1,000 and 12 and 40."
    assert find_whole_numbers(text) == [12, 40]


def test_division_by_zero_has_no_value() -> None:
    assert compute(Fraction(1), "/", Fraction(0)) is None


def test_a_calculators_note_is_found_beside_what_is_read() -> None:
    text = "So 48/2 = <<48/2=24>>24 clips."
    (equality,) = find_true_equalities(text)
    assert equality.is_noted
    assert [text[slice(*span)] for span in equality.result_spans] == ["24", "24"]
    assert [text[slice(*span)] for span in equality.sign_spans] == ["/", "/"]
    assert [text[slice(*span)] for span in equality.left_spans] == ["48", "48"]
    assert text[slice(*equality.span)] == "48/2 = <<48/2=24>>24"


def test_a_boxed_result_is_known_as_one() -> None:
    (equality,) = find_true_equalities(r"$343 - 105 = \boxed{238}$")
    assert (equality.is_boxed, equality.is_whole) == (True, True)
