"""One pair of sides by arithmetic: numbers exactly, letters at points that people can check.

1. Numbers are compared exactly, or to fifty digits. 2. With letters a counter-example is looked
for. What agrees without being the same is left `Open` for a proof.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Final

import mpmath  # type: ignore[import-untyped]  # it has no annotations

from modeljobs.methods.equalities.showing import show, show_both, show_node
from modeljobs.methods.equalities.trees import (
    Negative,
    Node,
    Number,
    Percent,
    Power,
    Product,
    Sum,
    Unit,
    Word,
)
from modeljobs.methods.equalities.values import (
    Meaning,
    NotNumeric,
    TooLarge,
    Undefined,
    Value,
    evaluate,
    to_float,
)

TRUE, FALSE, UNKNOWN = "true", "false", "unknown"
DIGITS: Final = 50
MORE_DIGITS: Final = 110
MOST_POINTS: Final = 30
# Values that differ by more, of the larger one or of 1, are different; else they may be the same.
_APART: Final = mpmath.mpf(10) ** -20
# Small numbers first: a counter-example is for people to check.
_REALS: Final = (
    *(Fraction(2), Fraction(3), Fraction(-1), Fraction(5), Fraction(1, 2), Fraction(-2)),
    *(Fraction(7), Fraction(1), Fraction(-3, 2), Fraction(4), Fraction(10), Fraction(1, 3)),
    *(Fraction(-5), Fraction(0), Fraction(11, 7)),
)
_WHOLES: Final = tuple(Fraction(number) for number in (2, 3, 1, 4, 5, 7, 10, 6, 12, 0, -1, -2))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of one pair of sides; `code` and `values` say why, `notes` how it was read."""

    answer: str
    code: str
    values: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One pair under one meaning of its signs.

    `letters` are the names that stand for any number: symbols, units ("u:m") and words ("w:eggs");
    those in `whole` for whole numbers. Of the points that were `tried` both sides have a value at
    those in `valid`.
    """

    left: Node
    right: Node
    relation: str
    meaning: Meaning
    letters: tuple[str, ...] = ()
    whole: frozenset[str] = frozenset()
    valid: tuple[Mapping[str, Fraction], ...] = ()
    tried: tuple[Mapping[str, Fraction], ...] = ()

    @property
    def symbols(self) -> list[str]:
        """The letters that are neither units nor words."""
        return [name for name in self.letters if not is_unit(name)]

    def at(self, point: Mapping[str, Fraction]) -> Case:
        """The same with values for letters."""
        letters = {**self.meaning.letters, **point}
        return replace(self, meaning=replace(self.meaning, letters=letters))

    def evaluate(self) -> tuple[Value, Value]:
        return evaluate(self.left, self.meaning), evaluate(self.right, self.meaning)


@dataclass(frozen=True, slots=True)
class Open:
    """No verdict yet: `so_far` stands where nothing is proved of the case."""

    case: Case
    so_far: Verdict


Found = Verdict | Open


def is_unit(name: str) -> bool:
    """Is the letter that of a unit or a word?"""
    return name[1:2] == ":"


def add_notes(found: Found, *notes: str) -> Found:
    """The same with notes on how it was read."""
    if isinstance(found, Open):
        return replace(found, so_far=replace(found.so_far, notes=(*found.so_far.notes, *notes)))
    return replace(found, notes=(*found.notes, *notes))


def compare(case: Case) -> Found:
    """What arithmetic says of the case."""
    try:
        with mpmath.workdps(DIGITS):
            if not case.letters:
                return _compare_numbers(case)
            if case.relation == "~":
                return Verdict(UNKNOWN, "approximately")
            if not case.symbols:
                return _compare_amounts(case)
            return _try_points(case)
    except NotNumeric:
        return Open(case, Verdict(UNKNOWN, "symbolic"))
    except TooLarge:
        return Verdict(UNKNOWN, "too_large")


# --- Numbers --------------------------------------------------------------------------------------


def order(left: Value, right: Value) -> int | None:
    """-1, 0 or 1; 2 for complex numbers that differ; None where the digits do not tell."""
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return (left > right) - (left < right)
    one, other = to_float(left), to_float(right)
    difference = one - other
    if abs(difference) <= _APART * max(mpmath.mpf(1), abs(one), abs(other)):
        return None
    if _is_complex(one, other):
        return 2
    return 1 if mpmath.re(difference) > 0 else -1


def _is_complex(left: Value, right: Value) -> bool:
    return any(isinstance(one, mpmath.mpc) and one.imag != 0 for one in (left, right))


def _compare_numbers(case: Case) -> Found:
    values = []
    for side in (case.left, case.right):
        try:
            values.append(evaluate(side, case.meaning))
        except Undefined:
            return Verdict(UNKNOWN, "undefined", {"side": show_node(side)})
    left, right = values
    if case.relation == "~":
        return _compare_roughly(case, left, right)
    if _is_complex(left, right) and case.relation not in ("=", "!="):
        return Verdict(UNKNOWN, "not_real")
    ordered = order(left, right)
    if ordered is None:
        # So near that only a proof tells them apart.
        return Open(case, Verdict(UNKNOWN, "digits", {"digits": str(DIGITS)}))
    if ordered != 0 and not _is_steady(case, left, right):
        return Verdict(UNKNOWN, "unsteady")
    return _judge(case, ordered, left, right)


def _judge(case: Case, ordered: int, left: Value, right: Value) -> Verdict:
    shown = show_both(left, right, are_apart=ordered != 0)
    if holds(case.relation, ordered):
        code = "exact" if ordered == 0 and case.relation == "=" else "compared"
        return Verdict(TRUE, code, shown)
    notes = _find_rounding(case, left, right) if case.relation == "=" else ()
    return Verdict(FALSE, "numbers", shown, notes)


def holds(relation: str, ordered: int) -> bool:
    """Does the relation hold between two values that are ordered so?"""
    return {
        "=": ordered == 0,
        "!=": ordered != 0,
        "<": ordered == -1,
        "<=": ordered in (-1, 0),
        ">": ordered == 1,
        ">=": ordered in (1, 0),
    }[relation]


def _is_steady(case: Case, left: Value, right: Value) -> bool:
    """Do the values stay as they are with more digits? Those of a cancellation do not."""
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return True
    with mpmath.workdps(MORE_DIGITS):
        again = [to_float(value) for value in case.evaluate()]
        scale = max(mpmath.mpf(1), *map(abs, again))
        return all(
            abs(to_float(one) - other) <= _APART * scale / 100
            for one, other in zip((left, right), again, strict=True)
        )


def _compare_roughly(case: Case, left: Value, right: Value) -> Verdict:
    """An approximation is the other side, rounded or cut off at its own last digit."""
    if _is_complex(left, right):
        return Verdict(UNKNOWN, "not_real")
    shown = show_both(left, right, are_apart=order(left, right) not in (0, None))
    if order(left, right) in (0, None):
        return Verdict(TRUE, "compared", shown)
    for literal, value, own in ((case.right, left, right), (case.left, right, left)):
        digits = _count_decimals(literal)
        if digits is not None and _is_rounded(value, own, digits):
            return Verdict(TRUE, "rounded", {**shown, "digits": str(digits)})
    one, other = to_float(left), to_float(right)
    if abs(one - other) > max(abs(one), abs(other)) / 20:
        return Verdict(FALSE, "numbers", shown)
    return Verdict(UNKNOWN, "roughly", shown)


def _count_decimals(node: Node) -> int | None:
    """The digits after the point of a numeral, with whatever unit; None for what is no numeral."""
    match node:
        case Number(_, _, decimals):
            return decimals
        case Negative(of):
            return _count_decimals(of)
        case Percent(of):
            found = _count_decimals(of)
            return None if found is None else found + 2
        case Product(factors):
            numerals = [one for one in factors if not isinstance(one, Unit | Word)]
            return _count_decimals(numerals[0]) if len(numerals) == 1 else None
        case _:
            return None


def _is_rounded(value: Value, literal: Value, digits: int) -> bool:
    unit = mpmath.mpf(10) ** -digits
    one, other = abs(to_float(value)), abs(to_float(literal))
    difference = abs(to_float(value) - to_float(literal))
    is_cut = one >= other and difference < unit
    return bool(difference <= unit / 2 * (1 + _APART) or is_cut)


def _find_rounding(case: Case, left: Value, right: Value) -> tuple[str, ...]:
    """Is one side a decimal numeral that the other one rounds to?"""
    if _is_complex(left, right):
        return ()
    for literal, value, own in ((case.right, left, right), (case.left, right, left)):
        digits = _count_decimals(literal)
        if digits and _is_rounded(value, own, digits):
            return (f"rounded:{digits}",)
    return ()


# --- Amounts --------------------------------------------------------------------------------------


def find_measures(node: Node, units: frozenset[str], meaning: Meaning) -> frozenset[str]:
    """The units that a side without symbols depends on: in 60 km/h times 2 h the hours cancel."""
    ones = dict.fromkeys(units, Fraction(1))
    found = set()
    with mpmath.workdps(DIGITS):
        for name in units:
            values = []
            for size in (Fraction(1), Fraction(3)):
                letters = {**meaning.letters, **ones, name: size}
                try:
                    values.append(evaluate(node, replace(meaning, letters=letters)))
                except (Undefined, NotNumeric, TooLarge, KeyError):
                    return units
            if order(*values) not in (0, None):
                found.add(name)
    return frozenset(found)


def _compare_amounts(case: Case) -> Found:
    """Both sides have the same units: they are equal whatever a metre is, or in some ratio."""
    ratios: list[Any] = []
    orders: list[int | None] = []
    shown: dict[str, str] = {}
    for size in (1, 2, 3):
        point = {name: Fraction(size**place) for place, name in enumerate(case.letters, 1)}
        try:
            left, right = case.at(point).evaluate()
        except Undefined:
            return Verdict(UNKNOWN, "undefined", {"side": ""})
        orders.append(order(left, right))
        ratios.append(None if right == 0 else to_float(left) / to_float(right))
        shown = shown or show_both(left, right, are_apart=orders[0] != 0)
    units = ", ".join(name[2:] for name in case.letters)
    # Words and amounts of money are not converted.
    is_converted = any(name[:2] == "u:" and name != "u:$" for name in case.letters)
    notes = (f"units:{units}",) if is_converted else ()
    if None in orders:
        return Open(case, Verdict(UNKNOWN, "digits", {"digits": str(DIGITS)}, notes))
    first = ratios[0]
    if any(one is None or abs(one - first) > _APART for one in ratios):
        return Verdict(UNKNOWN, "units_differ", {"units": units})
    ordered = orders[0] or 0
    if holds(case.relation, ordered):
        code = "exact" if ordered == 0 and case.relation == "=" else "compared"
        return Verdict(TRUE, code, shown, notes)
    return Verdict(FALSE, "numbers", shown, notes)


# --- Remainders -----------------------------------------------------------------------------------


def compare_remainders(left: Node, right: Node, modulus: Node) -> Verdict:
    """A congruence of whole numbers."""
    with mpmath.workdps(DIGITS):
        try:
            number = evaluate(modulus, Meaning({}))
            if not isinstance(number, Fraction) or number.denominator != 1 or number < 1:
                return Verdict(UNKNOWN, "congruence")
            divisor = number.numerator
            rests = [_find_rest(side, divisor) for side in (left, right)]
        except (Undefined, NotNumeric, KeyError):
            return Verdict(UNKNOWN, "congruence")
        except TooLarge:
            return Verdict(UNKNOWN, "too_large")
    values = {"left": str(rests[0]), "right": str(rests[1]), "modulus": str(divisor)}
    if rests[0] == rests[1]:
        return Verdict(TRUE, "same_rest", values)
    return Verdict(FALSE, "other_rest", values)


def _find_rest(node: Node, divisor: int) -> int:
    """The remainder of a whole number, without computing the number where it is a power."""
    match node:
        case Negative(of):
            return -_find_rest(of, divisor) % divisor
        case Sum(terms):
            return sum(_find_rest(one, divisor) for one in terms) % divisor
        case Product(factors):
            found = 1
            for one in factors:
                found = found * _find_rest(one, divisor) % divisor
            return found
        case Power(base, exponent):
            number = evaluate(exponent, Meaning({}))
            if isinstance(number, Fraction) and number.denominator == 1 and number >= 0:
                return pow(_find_rest(base, divisor), number.numerator, divisor)
    value = evaluate(node, Meaning({}))
    if not isinstance(value, Fraction) or value.denominator != 1:
        raise Undefined
    return value.numerator % divisor


# --- Letters --------------------------------------------------------------------------------------


def _try_points(case: Case) -> Found:
    """Look for a point at which it does not hold."""
    valid: list[Mapping[str, Fraction]] = []
    tried: list[Mapping[str, Fraction]] = []
    is_too_large = False
    for point in itertools.islice(list_points(case), MOST_POINTS):
        tried.append(point)
        here = case.at(point)
        try:
            left, right = here.evaluate()
        except Undefined:
            continue
        except TooLarge:
            is_too_large = True
            continue
        valid.append(point)
        ordered = order(left, right)
        if ordered is None or (ordered == 2 and case.relation not in ("=", "!=")):
            continue
        if holds(case.relation, ordered):
            continue
        if ordered == 0 or _is_steady(here, left, right):
            shown = show_both(left, right, are_apart=ordered != 0)
            return Verdict(FALSE, "counterexample", {"at": show_point(point), **shown})
    if not valid:
        return Verdict(UNKNOWN, "too_large" if is_too_large else "no_point")
    opened = replace(case, valid=tuple(valid), tried=tuple(tried))
    return Open(opened, Verdict(UNKNOWN, "points", {"points": str(len(valid))}))


def show_point(point: Mapping[str, Fraction]) -> list[list[str]]:
    """The letters with their values; units are no letters to people."""
    return [[name, show(value)] for name, value in point.items() if not is_unit(name)]


def list_points(case: Case) -> Iterator[Mapping[str, Fraction]]:
    """Values for all letters, without end. Units are positive."""
    for number in itertools.count():
        point: dict[str, Fraction] = {}
        for place, name in enumerate(case.letters):
            if is_unit(name):
                point[name] = Fraction(number % 5 + 2, place + 1)
                continue
            values = _WHOLES if name in case.whole else _REALS
            # Another stride for each letter: they are equal at no more than some points.
            point[name] = values[(number * (place + 1) + place) % len(values)]
        yield point
