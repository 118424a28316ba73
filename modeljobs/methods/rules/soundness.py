"""False steps: by fact, by the steps before, by a rule out of place, and with full certainty."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import isqrt

from modeljobs.methods.arithmetic import compute
from modeljobs.methods.rules.base import (
    Edit,
    Rule,
    Source,
    choose_after,
    choose_claim,
    choose_gap,
    insert_step,
    put_sign,
    replace_step,
    write_equality,
    write_number,
)
from modeljobs.methods.rules.sensitivity import nudge_result
from modeljobs.methods.rules.statements import CANCEL_RULES, FALSE_FACTS, ORDER_RULES, SUM_RULES

SWAPS = {"+": "-", "-": "+", "*": "+", "/": "+"}
VALUE = re.compile(
    r"(?<![\w\\}.^])(?P<name>[A-Za-z])\s*=\s*(?P<value>\d{1,6})(?![\w^_{!%/]|[.,]\d|\s*[-+*/=\\<>])"
)
CLOCKS = ((7, "as the days of a week do"), (12, "as on a clock"), (24, "as the hours of a day do"))


# Against known fact


def flip_operator(source: Source, rng: random.Random) -> Edit | None:
    found = source.list_equalities()
    rng.shuffle(found)
    for k, equality in found:
        sign = SWAPS[equality.sign]
        if compute(equality.left, sign, equality.right) != equality.result:
            return replace_step(
                source,
                k,
                put_sign(source.steps[k], equality, sign),
                f"Step {k + 1} uses the wrong operation: its left side is not "
                f"{write_number(equality.result)}.",
            )
    return None


def state_false_fact(source: Source, rng: random.Random) -> Edit:
    position = choose_gap(source, rng)
    return insert_step(
        source,
        position,
        source.say(FALSE_FACTS, rng),
        f"Step {position + 1} states as a known fact something that is not true.",
    )


def state_false_property(source: Source, rng: random.Random) -> Edit:
    """A property that a number of the solution does not have."""
    number, _ = source.find_pair(rng)
    false = [
        f"{'odd' if number % 2 == 0 else 'even'}",
        f"{'a composite number' if _is_prime(number) else 'a prime number'}",
        f"{'no multiple' if number % 3 == 0 else 'a multiple'} of {source.write('3')}",
    ]
    position = choose_gap(source, rng)
    lead = rng.choice(["Recall that", "It is well known that", "As is easily seen,"])
    return insert_step(
        source,
        position,
        f"{lead} {source.write(str(number))} is {rng.choice(false)}.",
        f"Step {position + 1} says of {number} what is not so.",
    )


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % d for d in range(2, isqrt(number) + 1))


def misremember_square(source: Source, rng: random.Random) -> Edit:
    number, _ = source.find_pair(rng)
    shown = number**2 + rng.choice([-1, 1, 2, 10])
    position = choose_gap(source, rng)
    return insert_step(
        source,
        position,
        f"From the table of squares we know that {source.write(f'{number}^2 = {shown}')}.",
        f"Step {position + 1} gives a square that is not right: it is {number**2}.",
    )


# Against the steps before


def contradict_value(source: Source, rng: random.Random) -> Edit | None:
    found = [(k, m) for k, step in enumerate(source.steps) for m in VALUE.finditer(step)]
    if not found:
        return None
    k, match = rng.choice(found)
    other = int(match["value"]) + rng.choice([1, 2, 3])
    position = choose_after(source, k, rng)
    formula = source.write(f"{match['name']} = {other}")
    return insert_step(
        source,
        position,
        f"Keep in mind that {formula} here.",
        f"Step {position + 1} gives {match['name']} another value than step {k + 1}; the two "
        "cannot both hold.",
        # A letter may stand for two things in one solution.
        is_certain=_list_values(source, match["name"]) == {match["value"]},
    )


def _list_values(source: Source, name: str) -> set[str]:
    """Every number that is said to be the letter's value, in whatever company."""
    said = re.compile(rf"(?<![A-Za-z\\]){name}\s*=\s*(-?\d+)")
    return {value for text in (source.question, *source.steps) for value in said.findall(text)}


def contradict_result(source: Source, rng: random.Random) -> Edit | None:
    found = source.list_equalities()
    if not found:
        return None
    k, equality = rng.choice(found)
    position = choose_after(source, k, rng)
    result = equality.result + rng.choice([1, 2, 3, 10])
    formula = write_equality(equality.left, equality.sign, equality.right, result)
    return insert_step(
        source,
        position,
        f"We have seen above that {source.write(formula)}.",
        f"Step {position + 1} gives another result than step {k + 1} for the same calculation; the "
        "two cannot both hold.",
    )


def deny_step(source: Source, rng: random.Random) -> Edit:
    k = choose_claim(source, rng)
    position = choose_after(source, k, rng)
    lead = rng.choice(
        [
            "Note that the following does not hold:",
            "It is not the case that we have this:",
            "We can rule the following out:",
        ]
    )
    return insert_step(
        source,
        position,
        f"{lead} {source.steps[k]}",
        f"Step {position + 1} denies what step {k + 1} states; the two cannot both hold.",
    )


# Rules out of place


def split_over_sum(source: Source, rng: random.Random) -> Edit:
    return _misapply(source, SUM_RULES, rng)


def change_order(source: Source, rng: random.Random) -> Edit:
    return _misapply(source, ORDER_RULES, rng)


def cancel_in_sum(source: Source, rng: random.Random) -> Edit:
    return _misapply(source, CANCEL_RULES, rng)


def _misapply(source: Source, rules: Sequence[str], rng: random.Random) -> Edit:
    a, b = source.find_pair(rng)
    return _insert_misapplied(
        source, source.say([rule.format(a=a, b=b) for rule in rules], rng), rng
    )


def count_round_a_clock(source: Source, rng: random.Random) -> Edit | None:
    a, b = source.find_pair(rng)
    fitting = [(size, words) for size, words in CLOCKS if a + b > size]
    if not fitting:
        return None
    size, words = rng.choice(fitting)
    shown = (a + b - 1) % size + 1
    text = f"Counting begins anew after {size}, {words}, so {source.write(f'{a} + {b} = {shown}')}."
    return _insert_misapplied(source, text, rng)


def _insert_misapplied(source: Source, text: str, rng: random.Random) -> Edit:
    position = choose_gap(source, rng)
    return insert_step(
        source,
        position,
        text,
        f"Step {position + 1} applies a rule outside the domain in which it is valid.",
    )


# With full certainty


def assert_changed_result(source: Source, rng: random.Random) -> Edit | None:
    edit = nudge_result(source, rng)
    if edit is None:
        return None
    (k,) = edit.positions
    lead = rng.choice(["It is beyond doubt that this holds:", "Without any need to check:"])
    steps = (*edit.steps[:k], f"{lead} {edit.steps[k]}", *edit.steps[k + 1 :])
    reason = f"Step {k + 1} states a result that does not hold, and with full certainty."
    return replace(edit, steps=steps, reason=reason)


def assert_product(source: Source, rng: random.Random) -> Edit:
    a, b = source.find_pair(rng)
    shown = a * b + rng.choice([1, 2, 10])
    formula = write_equality(Fraction(a), "*", Fraction(b), Fraction(shown))
    position = choose_gap(source, rng)
    return insert_step(
        source,
        position,
        f"There is no doubt at all, and nothing to check: {source.write(formula)}.",
        f"Step {position + 1} states a product that does not hold, and with full certainty.",
    )


def assert_order(source: Source, rng: random.Random) -> Edit:
    small, large = sorted(source.find_pair(rng))
    position = choose_gap(source, rng)
    return insert_step(
        source,
        position,
        f"Any reader will be absolutely sure that {source.write(f'{small} > {large}')}.",
        f"Step {position + 1} compares two numbers the wrong way round, and with full certainty.",
    )


def assert_false_fact(source: Source, rng: random.Random) -> Edit:
    position = choose_gap(source, rng)
    lead = rng.choice(["Nobody can doubt the following.", "Here we can be entirely certain."])
    return insert_step(
        source,
        position,
        f"{lead} {source.say(FALSE_FACTS, rng)}",
        f"Step {position + 1} states something that is not true, and with full certainty.",
    )


FACTS: Mapping[str, Rule] = {
    "flip_operator": flip_operator,
    "false_fact": state_false_fact,
    "false_property": state_false_property,
    "wrong_square": misremember_square,
}
CONTRADICTIONS: Mapping[str, Rule] = {
    "contradict_value": contradict_value,
    "contradict_result": contradict_result,
    "deny_step": deny_step,
}
DOMAINS: Mapping[str, Rule] = {
    "split_over_sum": split_over_sum,
    "change_order": change_order,
    "cancel_in_sum": cancel_in_sum,
    "count_round_a_clock": count_round_a_clock,
}
CERTAINTIES: Mapping[str, Rule] = {
    "changed_result": assert_changed_result,
    "wrong_product": assert_product,
    "wrong_order": assert_order,
    "certain_falsehood": assert_false_fact,
}
