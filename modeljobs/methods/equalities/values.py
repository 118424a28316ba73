"""What a tree comes to: an exact fraction where it can be one, else a real number with many digits.

Numbers are real, as in school: a square root of -4, a logarithm of -1 and 1/0 are undefined, and so
is whatever they stand in. A statement with the imaginary unit in it is computed with complex ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final, TypeAlias

import mpmath  # type: ignore[import-untyped]  # it has no annotations

from modeljobs.methods.equalities.reading import UNITS
from modeljobs.methods.equalities.trees import (
    Applied,
    Call,
    Constant,
    Infinity,
    Integral,
    Limit,
    Mixed,
    Negative,
    Node,
    Number,
    Percent,
    Power,
    Product,
    Quotient,
    Repeated,
    Sum,
    Symbol,
    Unit,
    Word,
)

Value: TypeAlias = "Fraction | Any"

# An exact power has no more bits than this.
MOST_BITS: Final = 60_000
# Beyond this even the exponent of a floating number is a burden.
MOST_EXPONENT_BITS: Final = 60
MOST_FACTORIAL: Final = 3_000
MOST_TERMS: Final = 2_000
# An angle, a rounding or a remainder this near to a whole number cannot be told from it.
_NEAR: Final = mpmath.mpf(10) ** -20
_DEGREE: Final = Fraction(1, 180)


class Undefined(Exception):
    """It has no real value: a division by zero, the square root of a negative number."""


class NotNumeric(Exception):
    """Its value is not to be had by arithmetic alone: a limit, an integral, an endless sum."""


class TooLarge(Exception):
    """It is a number of more digits than anybody computes."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the signs stand for.

    `letters` are the values of symbols, units ("u:m") and words ("w:apples"). `log_base` is that of
    a bare log, None for e. `percent` is what % multiplies by. `is_complex`: i is about.
    """

    letters: Mapping[str, Value]
    log_base: int | None = 10
    percent: Fraction = Fraction(1, 100)
    is_complex: bool = False
    # Degrees are numbers, 180 of them pi, and no unit.
    in_angle: bool = False
    # A kilometre is a thousand metres; without, every unit is just one.
    converts: bool = True


def evaluate(node: Node, meaning: Meaning) -> Value:
    """The value at mpmath's present precision; Undefined, NotNumeric or TooLarge without one."""
    match node:
        case Number(value, _, _):
            return value
        case Mixed(whole, part):
            return whole.value + evaluate(part, meaning)
        case Symbol(name):
            return meaning.letters[name]
        case Word(text):
            return meaning.letters[f"w:{text}"]
        case Unit(name, _):
            return _evaluate_unit(name, meaning)
        case Constant(name):
            return {"pi": +mpmath.pi, "e": +mpmath.e, "i": mpmath.mpc(0, 1)}[name]
        case Negative(of):
            return -evaluate(of, meaning)
        case Sum(terms):
            return _fold(lambda one, other: one + other, [evaluate(one, meaning) for one in terms])
        case Product(factors):
            return _fold(_times, [evaluate(one, meaning) for one in factors])
        case Quotient(top, bottom):
            return divide(evaluate(top, meaning), evaluate(bottom, meaning))
        case Power(base, exponent):
            return raise_to(evaluate(base, meaning), evaluate(exponent, meaning), meaning)
        case Percent(of):
            return _times(evaluate(of, meaning), meaning.percent)
        case Call(name, arguments):
            return _call(name, arguments, meaning)
        case Repeated(kind, index, low, high, body):
            return _repeat(kind, index, (low, high), body, meaning)
        case Applied() | Infinity() | Integral() | Limit():
            raise NotNumeric


def _evaluate_unit(name: str, meaning: Meaning) -> Value:
    if name == "degree" and meaning.in_angle:
        return _times(_DEGREE, +mpmath.pi)
    base, factor = UNITS[name]
    if not meaning.converts:
        return Fraction(1)
    if base == "m^3":
        return _times(factor, raise_to(meaning.letters["u:m"], Fraction(3), meaning))
    return _times(factor, meaning.letters[f"u:{base}"])


# --- Arithmetic -----------------------------------------------------------------------------------


def _mix(one: Value, other: Value) -> tuple[Value, Value]:
    """Both exact, or both floating."""
    if isinstance(one, Fraction) == isinstance(other, Fraction):
        return one, other
    return to_float(one), to_float(other)


def to_float(value: Value) -> Any:
    if isinstance(value, Fraction):
        return mpmath.mpf(value.numerator) / value.denominator
    return value


def _fold(join: Callable[[Value, Value], Value], values: list[Value]) -> Value:
    found = values[0]
    for value in values[1:]:
        found = join(*_mix(found, value))
    return _check_size(found)


def _check_size(value: Value) -> Value:
    if isinstance(value, Fraction):
        bits = max(value.numerator.bit_length(), value.denominator.bit_length())
        if bits > 4 * MOST_BITS:
            raise TooLarge
    return value


def _times(one: Value, other: Value) -> Value:
    first, second = _mix(one, other)
    return first * second


def divide(one: Value, other: Value) -> Value:
    first, second = _mix(one, other)
    if second == 0:
        raise Undefined
    return first / second


def raise_to(base: Value, exponent: Value, meaning: Meaning) -> Value:
    """The power, in real numbers unless the statement has the imaginary unit."""
    if base == 0:
        if _is_real(exponent) and exponent > 0:
            return Fraction(0)
        # 0^0 is 1 to some and nothing to others.
        raise Undefined
    if isinstance(exponent, Fraction) and exponent.denominator == 1:
        return _raise_to_whole(base, exponent.numerator)
    if _is_real(base) and base < 0 and not meaning.is_complex:
        raise Undefined
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        exact = find_exact_root(base, exponent.denominator)
        if exact is not None:
            return _raise_to_whole(exact, exponent.numerator)
    first, second = to_float(base), to_float(exponent)
    _check_exponent(second)
    return first**second


def _raise_to_whole(base: Value, exponent: int) -> Value:
    if not isinstance(base, Fraction):
        _check_exponent(exponent)
        return base**exponent
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if abs(base) == 1 or bits * abs(exponent) <= MOST_BITS:
        return base ** (exponent if abs(base) != 1 else exponent % 2)
    _check_exponent(exponent)
    return to_float(base) ** exponent


def _check_exponent(exponent: Any) -> None:
    if exponent != 0 and mpmath.mag(exponent) > MOST_EXPONENT_BITS:
        raise TooLarge


def find_exact_root(value: Fraction, degree: int) -> Fraction | None:
    """The root, where it is a fraction; None for one that is none, or a negative number."""
    if value < 0 or not 0 < degree <= 64:
        return None
    top, bottom = (
        _find_whole_root(value.numerator, degree),
        _find_whole_root(value.denominator, degree),
    )
    return None if top is None or bottom is None else Fraction(top, bottom)


def _find_whole_root(value: int, degree: int) -> int | None:
    if degree == 2:
        found = math.isqrt(value)
    else:
        low, high = 0, 1 << (value.bit_length() // degree + 1)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if middle**degree <= value else (low, middle - 1)
        found = low
    return found if found**degree == value else None


def _is_real(value: Value) -> bool:
    return isinstance(value, Fraction | mpmath.mpf)


# --- Functions ------------------------------------------------------------------------------------


def _call(name: str, arguments: tuple[Node, ...], meaning: Meaning) -> Value:
    if name in _ANGLES:
        return _call_angle(name, evaluate(arguments[0], replace(meaning, in_angle=True)), meaning)
    values = [evaluate(one, meaning) for one in arguments]
    match name:
        case "root":
            return _take_root(values[0], values[1], meaning)
        case "abs":
            return abs(values[0])
        case "factorial":
            return _take_factorial(values[0])
        case "binom":
            return _take_binomial(values[0], values[1])
        case "log" | "ln":
            return _take_log(name, values, meaning)
        case "exp":
            return raise_to(+mpmath.e, values[0], meaning)
        case "floor" | "ceil":
            return _round(name, values[0])
        case "min" | "max":
            return _find_extreme(name, values)
    numbers = [_demand_whole(value) for value in values]
    match name:
        case "gcd":
            return Fraction(math.gcd(*numbers))
        case "lcm":
            return Fraction(math.lcm(*numbers))
    if numbers[1] == 0:
        raise Undefined
    return Fraction(numbers[0] % abs(numbers[1]))


_ANGLES: Final[Mapping[str, Callable[[Any], Any]]] = {
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "tan": mpmath.tan,
    "cot": mpmath.cot,
    "sec": mpmath.sec,
    "csc": mpmath.csc,
    "sinh": mpmath.sinh,
    "cosh": mpmath.cosh,
    "tanh": mpmath.tanh,
    "arcsin": mpmath.asin,
    "arccos": mpmath.acos,
    "arctan": mpmath.atan,
}
# Which of two is zero where the function has a pole.
_POLES: Final[Mapping[str, Callable[[Any], Any]]] = {
    "tan": mpmath.cos,
    "sec": mpmath.cos,
    "cot": mpmath.sin,
    "csc": mpmath.sin,
}


def _call_angle(name: str, of: Value, meaning: Meaning) -> Value:
    if of == 0 and name in ("sin", "tan", "sinh", "tanh", "arcsin", "arctan"):
        return Fraction(0)
    angle = to_float(of)
    _check_exponent(angle)
    if name in ("arcsin", "arccos") and _is_real(angle) and abs(angle) > 1:
        raise Undefined
    if name in _POLES and abs(_POLES[name](angle)) < _NEAR:
        raise Undefined
    return _ANGLES[name](angle)


def _take_root(of: Value, degree: Value, meaning: Meaning) -> Value:
    number = _demand_whole(degree)
    if not 0 < number <= 1_000:
        raise Undefined
    if _is_real(of) and of < 0 and not meaning.is_complex:
        if number % 2 == 0:
            raise Undefined
        return -_take_root(-of, degree, meaning)
    if isinstance(of, Fraction):
        exact = find_exact_root(of, number)
        if exact is not None:
            return exact
    return mpmath.root(to_float(of), number)


def _take_factorial(of: Value) -> Value:
    number = _demand_whole(of)
    if number < 0:
        raise Undefined
    if number > MOST_FACTORIAL:
        raise TooLarge
    return Fraction(math.factorial(number))


def _take_binomial(above: Value, below: Value) -> Value:
    n, k = _demand_whole(above), _demand_whole(below)
    if n < 0 or k < 0:
        raise Undefined
    if min(k, abs(n - k)) > MOST_FACTORIAL or n.bit_length() * min(k, abs(n - k)) > MOST_BITS:
        raise TooLarge
    return Fraction(math.comb(n, k))


def _take_log(name: str, values: list[Value], meaning: Meaning) -> Value:
    of = values[0]
    if of == 0 or (_is_real(of) and of < 0 and not meaning.is_complex):
        raise Undefined
    found = mpmath.log(to_float(of))
    if len(values) == 2:
        base = values[1]
        if base == 1 or not _is_real(base) or base <= 0:
            raise Undefined
        return found / mpmath.log(to_float(base))
    if name == "ln" or meaning.log_base is None:
        return found
    return found / mpmath.log(meaning.log_base)


def _round(name: str, of: Value) -> Value:
    if not _is_real(of):
        raise Undefined
    if isinstance(of, Fraction):
        return Fraction(math.floor(of) if name == "floor" else math.ceil(of))
    if mpmath.mag(of) > MOST_EXPONENT_BITS or abs(of - mpmath.nint(of)) < _NEAR:
        raise Undefined
    return Fraction(int(mpmath.floor(of) if name == "floor" else mpmath.ceil(of)))


def _find_extreme(name: str, values: list[Value]) -> Value:
    if not all(_is_real(value) for value in values):
        raise Undefined
    choose = min if name == "min" else max
    return choose(values, key=to_float)


def _demand_whole(value: Value) -> int:
    if not isinstance(value, Fraction) or value.denominator != 1:
        raise Undefined
    return value.numerator


def _repeat(
    kind: str, index: str, bounds: tuple[Node, Node], body: Node, meaning: Meaning
) -> Value:
    if any(isinstance(bound, Infinity) for bound in bounds):
        raise NotNumeric
    low, high = (_demand_whole(evaluate(bound, meaning)) for bound in bounds)
    if high < low - 1:
        raise Undefined
    if high - low >= MOST_TERMS:
        raise TooLarge
    found: Value = Fraction(0 if kind == "sum" else 1)
    for number in range(low, high + 1):
        letters = {**meaning.letters, index: Fraction(number)}
        value = evaluate(body, replace(meaning, letters=letters))
        if kind == "sum":
            found = _fold(lambda one, other: one + other, [found, value])
        else:
            found = _fold(_times, [found, value])
    return found
