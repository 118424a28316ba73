"""What each rule claims, checked again from the texts alone, without the code that made them."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache

from modeljobs.methods.rule_injection import MULTI_SOLUTIONS, RuleInjection
from modeljobs.methods.rules import FALSE_FACTS, MISAPPLIED_RULES, NEAR_TRUTHS

SIGNS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    r"\cdot": operator.mul,
    r"\times": operator.mul,
    "\u00d7": operator.mul,
    "/": operator.truediv,
    r"\div": operator.truediv,
    "\u00f7": operator.truediv,
}
NUMBER = r"\d+(?:\.\d+)?"
# Not a piece of a longer one: 10 + 2 = 12 is none of 8 - 10 + 2 = 0.
CALCULATION = re.compile(
    rf"(?<![\w.+*/^-])(?<![+*/=^-]\s)({NUMBER})\s*"
    rf"(\+|-|\*|/|\\cdot|\\times|\\div|[\u00d7\u00f7])\s*({NUMBER})\s*=\s*"
    rf"(?:\$?<<[^<>]*>>)?(?:\\boxed\{{)?({NUMBER})"
)


def list_calculations(text: str) -> list[tuple[Fraction, str, Fraction, Fraction]]:
    return [
        (Fraction(left), sign, Fraction(right), Fraction(result))
        for left, sign, right, result in CALCULATION.findall(text)
    ]


def count_false(text: str) -> int:
    return sum(not holds(*found) for found in list_calculations(text))


def holds(left: Fraction, sign: str, right: Fraction, result: Fraction) -> bool:
    return bool((sign != "/" or right) and SIGNS[sign](left, right) == result)


def strip_delimiters(text: str) -> str:
    return re.sub(r"\\[()]|\$", "", text)


def check_form(made: RuleInjection, question: str, steps: Sequence[str]) -> None:
    """What holds of every injection: positions that exist, new steps where it says so, and the
    rest of the solution untouched and in order.
    """
    new = made.modified_steps
    errors, changed = made.error_positions, made.changed_positions
    assert tuple(sorted(set(errors))) == errors
    assert tuple(sorted(set(changed))) == changed
    assert set(errors) <= set(changed) <= set(range(len(new)))
    assert tuple(new) != tuple(steps)
    kept = iter(steps)
    for position, text in enumerate(new):
        assert text.strip()
        if position in changed:
            assert text not in steps
        else:
            assert text in kept, "an unflagged step was altered"
    if made.error_type == MULTI_SOLUTIONS:
        assert (errors, made.reason, made.modified_question) == ((), "", question)
    else:
        assert errors
        assert made.reason.endswith(".")
        assert all(f"tep {position + 1}" in made.reason for position in errors)
    changes_question = made.rule in ("drop_condition", "drop_sentence")
    assert (made.modified_question != question) == changes_question


# What holds of each rule. `new` are the steps after it, `old` those before.

Check = Callable[[RuleInjection, str, tuple[str, ...]], None]


def flagged(made: RuleInjection) -> list[str]:
    return [made.modified_steps[position] for position in made.error_positions]


def find_original(made: RuleInjection, old: tuple[str, ...]) -> str:
    """The step that stood where one was edited: nothing before it was put in or taken out."""
    (position,) = made.error_positions
    assert len(made.modified_steps) == len(old)
    return old[position]


def check_restated(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    (position,) = made.error_positions
    assert made.modified_steps[position].endswith(f": {made.modified_steps[position - 1]}")


def check_trivial(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    ((left, sign, right, result),) = list_calculations(flagged(made)[0])
    assert holds(left, sign, right, result)
    assert {left, right} & {Fraction(0), Fraction(1)}


def check_inverse(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    (position,) = made.error_positions
    (found,) = list_calculations(made.modified_steps[position])
    assert holds(*found)
    left, _sign, right, result = found
    before = list_calculations(made.modified_steps[position - 1])
    assert sorted((left, right, result)) in [sorted((a, b, c)) for a, _, b, c in before]


def check_recalled(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    sentence = flagged(made)[0].partition(": ")[2]
    assert sentence.rstrip(".") in question


def check_assumed(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    first, second = made.error_positions
    assert second == first + 1
    claim = old[first].rstrip()
    assert claim in made.modified_steps[first]
    assert claim in made.modified_steps[second]


def check_begun_from_end(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    assert made.error_positions == (0, len(made.modified_steps) - 1)
    assert all(text.endswith(f": {old[-1]}") for text in flagged(made))
    assert made.modified_steps[1:-1] == old[:-1]


def check_circle(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    first, second = made.error_positions
    assert made.modified_steps[first].endswith(f": {made.modified_steps[first - 2]}")
    assert made.modified_steps[second].endswith(f": {made.modified_steps[first - 1]}")


def check_now_false(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    """A calculation that held holds no more, and all others are as they were."""
    original, text = find_original(made, old), flagged(made)[0]
    before, after = list_calculations(original), list_calculations(text)
    assert len(before) == len(after)
    pairs = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
    ((was, became),) = pairs
    assert holds(*was)
    assert not holds(*became)


def check_false_fact(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    said = strip_delimiters(flagged(made)[0])
    assert any(said.endswith(strip_delimiters(fact)) for fact in FALSE_FACTS)


def check_false_property(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    found = re.search(r"(\d+) is (.*)\.$", strip_delimiters(flagged(made)[0]))
    assert found is not None
    number, said = int(found[1]), found[2]
    divisors = [d for d in range(1, number + 1) if number % d == 0]
    truths = {
        "odd": number % 2 == 1,
        "even": number % 2 == 0,
        "a prime number": len(divisors) == 2,
        "a composite number": len(divisors) > 2,
        "a multiple of 3": 3 in divisors,
        "no multiple of 3": 3 not in divisors,
    }
    assert truths[said] is False


def check_false_square(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    found = re.search(r"(\d+)\^2 = (\d+)", flagged(made)[0])
    assert found is not None
    assert int(found[1]) ** 2 != int(found[2])


def check_other_value(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    (position,) = made.error_positions
    found = re.search(r"([A-Za-z]) = (\d+)", flagged(made)[0])
    assert found is not None
    name, value = found[1], int(found[2])
    earlier = re.findall(
        rf"(?<!\w){name}\s*=\s*(\d+)(?!\d)", " ".join(made.modified_steps[:position])
    )
    assert any(int(other) != value for other in earlier)
    if made.is_certain:
        assert value not in map(int, earlier)


def check_other_result(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    (position,) = made.error_positions
    ((left, sign, right, result),) = list_calculations(flagged(made)[0])
    assert not holds(left, sign, right, result)
    before = [one for text in made.modified_steps[:position] for one in list_calculations(text)]
    assert any((a, b) == (left, right) and c != result for a, _, b, c in before)


def check_denied(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    (position,) = made.error_positions
    denied = flagged(made)[0].partition(": ")[2]
    assert denied in made.modified_steps[:position]


def check_misapplied(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    """One of the rules that do not hold of two different numbers, said of two of them."""
    said = strip_delimiters(flagged(made)[0])
    for rule in MISAPPLIED_RULES:
        found = re.fullmatch(compile_rule(rule), said)
        if found is not None:
            assert int(found["a"]) != int(found["b"])
            assert min(int(found["a"]), int(found["b"])) >= 2
            return
    raise AssertionError(said)


@cache
def compile_rule(rule: str) -> re.Pattern[str]:
    """The rule with a number for each of its two names, the same wherever a name stands."""
    pattern = re.escape(strip_delimiters(rule.format(a="AAA", b="BBB")))
    for placeholder, name in (("AAA", "a"), ("BBB", "b")):
        pattern = pattern.replace(placeholder, rf"(?P<{name}>\d+)", 1)
        pattern = pattern.replace(placeholder, f"(?P={name})")
    return re.compile(pattern)


def check_clock(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    (found,) = list_calculations(flagged(made)[0])
    assert not holds(*found)


def check_product(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    check_clock(made, question, old)


def check_order(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    found = re.search(r"(\d+) > (\d+)", flagged(made)[0])
    assert found is not None
    assert int(found[1]) < int(found[2])


def check_sure_of_changed(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    assert count_false(flagged(made)[0]) == count_false(find_original(made, old)) + 1


def check_dropped_condition(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    assert len(made.modified_question) < len(question)
    found = re.search(r"no longer says “(.*)”, and", made.reason, re.DOTALL)
    assert found is not None
    assert question.count(found[1]) == made.modified_question.count(found[1]) + 1
    assert found[1] in flagged(made)[0]


def check_dropped_sentence(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    found = re.search(r"no longer says “(.*)”, and", made.reason, re.DOTALL)
    assert found is not None
    assert found[1] in question
    assert found[1] not in made.modified_question
    whole = re.compile(r"(?<![\d.,])\d+(?![\d.,]\d)")
    gone = set(whole.findall(question)) - set(whole.findall(made.modified_question))
    assert gone & set(re.findall(r"\d+", flagged(made)[0]))
    assert flagged(made)[0].endswith(f": {find_original(made, old)}")


def check_swapped(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    (position,) = made.error_positions
    assert made.modified_steps[position].endswith(f": {old[position + 1]}")
    assert made.modified_steps[position + 1] == old[position]


def check_skipped(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    (position,) = made.error_positions
    assert made.modified_steps[position].endswith(f": {old[position + 1]}")
    assert len(made.modified_steps) == len(old) - 1
    assert old[position] not in made.modified_steps or old.count(old[position]) > 1


def check_inserted(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    assert len(made.modified_steps) == len(old) + 1


def check_edited(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    assert find_original(made, old) != flagged(made)[0]


def check_near_truth(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    assert strip_delimiters(flagged(made)[0]) in map(strip_delimiters, NEAR_TRUTHS)


def check_another_way(made: RuleInjection, question: str, old: tuple[str, ...]) -> None:
    """Nothing became false, and the end is the one there was."""
    assert count_false(" ".join(made.modified_steps)) <= count_false(" ".join(old))
    ends = [re.findall(NUMBER, steps[-1])[-1:] for steps in (made.modified_steps, old)]
    assert ends[0] == ends[1]


TRUTHS: dict[str, Check] = {
    "restate_step": check_restated,
    "add_nothing": check_trivial,
    "check_by_inverse": check_inverse,
    "recall_question": check_recalled,
    "assume_and_confirm": check_assumed,
    "start_from_end": check_begun_from_end,
    "go_back_and_forth": check_circle,
    "flip_operator": check_now_false,
    "false_fact": check_false_fact,
    "false_property": check_false_property,
    "wrong_square": check_false_square,
    "contradict_value": check_other_value,
    "contradict_result": check_other_result,
    "deny_step": check_denied,
    "split_over_sum": check_misapplied,
    "change_order": check_misapplied,
    "cancel_in_sum": check_misapplied,
    "count_round_a_clock": check_clock,
    "changed_result": check_sure_of_changed,
    "wrong_product": check_product,
    "wrong_order": check_order,
    "certain_falsehood": check_false_fact,
    "drop_condition": check_dropped_condition,
    "drop_sentence": check_dropped_sentence,
    "swap_order": check_swapped,
    "skip_step": check_skipped,
    "skip_cases": check_inserted,
    "nudge_result": check_now_false,
    "swap_digits": check_now_false,
    "nudge_operand": check_now_false,
    "tighten_bound": check_edited,
    "swap_word": check_edited,
    "nudge_number": check_edited,
    "near_truth": check_near_truth,
    "other_solution": check_another_way,
    "split_operations": check_another_way,
    "round_and_correct": check_another_way,
}


def check_truth(made: RuleInjection, question: str, steps: Sequence[str]) -> None:
    check_form(made, question, steps)
    TRUTHS[made.rule](made, question, tuple(steps))
