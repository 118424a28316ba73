"""What is said of equalities whose truth is known, and how it is shown."""

from __future__ import annotations

from typing import Any

import pytest

from modeljobs.methods.equalities.deciding import Desk
from modeljobs.methods.math_verify import find_version
from tests.modeljobs.methods.equalities.truths import KNOWN


def check(text: str) -> dict[str, Any]:
    desk = Desk(text)
    report = desk.begin()
    return desk.finish() if report["open"] else report


def first(text: str) -> dict[str, Any]:
    """What is said of the first pair of sides."""
    pair: dict[str, Any] = check(text)["pairs"][0]
    return pair


@pytest.mark.parametrize(("text", "answer", "code"), KNOWN, ids=[pair[0][:40] for pair in KNOWN])
def test_known_truth(text: str, answer: str, code: str):
    if code == "math_verify" and find_version() is None:
        pytest.skip("math-verify is not installed")
    report = check(text)
    found = report["code"] or report["pairs"][0]["code"]
    assert (report["answer"], found) == (answer, code)


def test_there_are_enough_of_each_kind():
    answers = [answer for _text, answer, _code in KNOWN]
    assert min(answers.count(one) for one in ("true", "false", "unknown")) >= 25
    assert len(KNOWN) >= 150


# --- How it is shown ------------------------------------------------------------------------------


def test_a_counter_example_can_be_checked_in_the_head():
    pair = first("(a+b)^2=a^2+b^2")
    assert pair["values"] == {"at": [["a", "2"], ["b", "3"]], "left": "25", "right": "13"}


def test_values_have_digits_enough_to_differ():
    values = first(r"\sqrt{10000000001}=100000.00001")["values"]
    assert values["left"] != values["right"]


def test_an_exact_value_is_a_fraction_or_a_short_decimal():
    assert first(r"\frac{1}{3}+\frac12=1")["values"]["left"] == r"\frac{5}{6}"
    assert first(r"\frac{1}{4}=1")["values"]["left"] == "0.25"
    assert first(r"-\frac{1}{8}=1")["values"]["left"] == "-0.125"


def test_a_rounded_side_says_so():
    pair = first("1/3=0.333")
    assert pair["notes"] == ["rounded:3"]
    assert first("1/3=0.34")["notes"] == []


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (r"\sqrt{ab}=\sqrt{a}\sqrt{b}", "not_negative:a, b"),
        ("(-1)^{2n}=1", "whole:n"),
        (r"\log 100=2", "log_10"),
        (r"\log e=1", "log_e"),
        (r"3\times\$4=12", "money"),
        (r"180^\circ=\pi", "degrees"),
        (r"5\text{ km}=5000\text{ m}", "units:m"),
    ],
)
def test_how_it_was_read_is_noted(text: str, note: str):
    assert note in first(text)["notes"]


def test_a_capital_is_another_letter():
    assert first("A+a=2a")["code"] == "counterexample"


def test_each_link_of_a_chain_is_checked():
    report = check("1+1=2=4/2=3")
    assert [pair["answer"] for pair in report["pairs"]] == ["true", "true", "false"]
    assert report["answer"] == "false"


def test_a_letter_that_gets_its_value_is_no_link():
    report = check("x = 2+3 = 5")
    assert [pair["code"] for pair in report["pairs"]] == ["names", "exact"]
    assert report["answer"] == "true"


def test_both_readings_are_shown():
    readings = first("1/2x=1/(2x)")["values"]["readings"]
    assert [one[3] for one in readings] == ["true", "false"]
    assert readings[0][0] != readings[1][0]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("1/2*x=x", r"\frac{1}{2} x"),
        ("(x+1)(x-1)=x", r"\left(x+1\right) \left(x-1\right)"),
        ("2*3=6", r"2 \cdot 3"),
        (r"\$5=5", r"\$5"),
        (r"\sin^2 x=x", r"{\left(\sin\left(x\right)\right)}^{2}"),
        (r"\sqrt[3]{x}=x", r"\sqrt[3]{x}"),
        ("2½=3", r"2\frac{1}{2}"),
        (r"\sum_{k=1}^{n}k=n", r"\sum_{k=1}^{n} k"),
        (r"\int_0^1 x\,dx=1", r"\int_{0}^{1} x\,dx"),
        (r"-(x-1)=x", r"-\left(x-1\right)"),
        (r"\text{km}=1", r"\text{km}"),
    ],
)
def test_a_side_is_written_so_that_it_says_one_thing(text: str, left: str):
    assert first(text)["left"] == left


def test_what_is_left_open_is_said_before_the_proof():
    report = Desk("x^2-1=(x-1)(x+1)").begin()
    assert (report["open"], report["answer"], report["pairs"][0]["code"]) == (
        True,
        "unknown",
        "points",
    )


def test_a_cancellation_is_not_taken_for_a_difference():
    # With fifty digits the left side is 0, and with more it is nearly 50,000.
    report = check(r"10^{45}\cdot(\sqrt{10^{80}+1}-10^{40})=0")
    assert report["answer"] != "true"
