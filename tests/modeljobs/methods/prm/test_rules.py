from __future__ import annotations

from modeljobs.methods.prm.rules import Rule


def test_above_the_threshold_is_right_and_on_it_is_not() -> None:
    judged = Rule("threshold", 0.5).judge([0.6, 0.5, 0.4])
    assert [one.verdict for one in judged] == [True, False, False]


def test_a_difference_is_to_the_step_before_and_the_first_step_stands_for_itself() -> None:
    judged = Rule("difference", -0.05).judge([0.2, 0.9, 0.88, 0.5])
    assert [one.verdict for one in judged] == [True, True, True, False]
    assert [round(one.compared or 0, 2) for one in judged] == [0.2, 0.7, -0.02, -0.38]


def test_a_step_without_a_score_leaves_it_and_the_next_without_a_difference() -> None:
    judged = Rule("difference", -0.05).judge([0.5, None, 0.5, 0.5])
    assert [one.verdict for one in judged] == [True, None, None, True]


def test_a_threshold_needs_no_step_before() -> None:
    judged = Rule("threshold", 0.5).judge([None, 0.6])
    assert [one.verdict for one in judged] == [None, True]


def test_a_rule_is_named() -> None:
    assert Rule("threshold", 0.5).text == ">0.5"
    assert Rule("difference", -0.05).text == "difference>-0.05"
