"""Proofs by SymPy: two trees are the same for all values, or one is never below the other.

What is not proved here is not false: the caller has looked for a counter-example before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import sympy

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
from modeljobs.methods.equalities.values import MOST_BITS, MOST_FACTORIAL, TooLarge

# A power of a sum is multiplied out up to here.
MOST_EXPANDED: Final = 40

_FUNCTIONS: Final[Mapping[str, Any]] = {
    **{name: getattr(sympy, name) for name in ("sin", "cos", "tan", "cot", "sec", "csc", "exp")},
    **{name: getattr(sympy, name) for name in ("sinh", "cosh", "tanh", "gcd", "lcm")},
    "arcsin": sympy.asin,
    "arccos": sympy.acos,
    "arctan": sympy.atan,
    "abs": sympy.Abs,
    "floor": sympy.floor,
    "ceil": sympy.ceiling,
    "factorial": sympy.factorial,
    "binom": sympy.binomial,
    "min": sympy.Min,
    "max": sympy.Max,
    "mod": sympy.Mod,
}
_ANGLES: Final = frozenset({"sin", "cos", "tan", "cot", "sec", "csc"})


@dataclass(frozen=True, slots=True)
class Algebra:
    """What the letters are taken for: `letters` by name; see `values.Meaning` for the rest."""

    letters: Mapping[str, Any]
    log_base: int | None
    percent: Fraction

    # --- Expressions ------------------------------------------------------------------------------

    def build(self, node: Node, *, in_angle: bool = False) -> Any:
        """The expression; TooLarge for powers and factorials that nobody computes."""

        def build(one: Node) -> Any:
            return self.build(one, in_angle=in_angle)

        match node:
            case Number(value, _, _):
                return _exact(value)
            case Mixed(whole, part):
                return _exact(whole.value) + build(part)
            case Symbol(name):
                return self.letters[name]
            case Word(text):
                return self.letters[f"w:{text}"]
            case Unit(name, _):
                return self._build_unit(name, in_angle=in_angle)
            case Constant(name):
                return {"pi": sympy.pi, "e": sympy.E, "i": sympy.I}[name]
            case Infinity():
                return sympy.oo
            case Negative(of):
                return -build(of)
            case Sum(terms):
                return sympy.Add(*map(build, terms))
            case Product(factors):
                return sympy.Mul(*map(build, factors))
            case Quotient(top, bottom):
                return build(top) / build(bottom)
            case Power(base, exponent):
                return _raise(build(base), build(exponent))
            case Percent(of):
                return build(of) * _exact(self.percent)
            case Call(name, arguments):
                return self._build_call(name, arguments)
            case Applied(name, arguments):
                return sympy.Function(name)(*map(build, arguments))
            case Repeated(kind, index, low, high, body):
                letter, inner = self._bind(index, integer=True)
                make = sympy.Sum if kind == "sum" else sympy.Product
                return make(inner.build(body), (letter, build(low), build(high))).doit()
            case Integral(variable, low, high, body):
                letter, inner = self._bind(variable)
                bounds = (letter, build(low), build(high))
                return sympy.Integral(inner.build(body), bounds).doit()
            case Limit(variable, to, body):
                letter, inner = self._bind(variable)
                return sympy.limit(inner.build(body), letter, build(to))

    def _bind(self, name: str, *, integer: bool = False) -> tuple[Any, Algebra]:
        letter = sympy.Symbol(name, integer=True) if integer else sympy.Symbol(name, real=True)
        return letter, Algebra({**self.letters, name: letter}, self.log_base, self.percent)

    def _build_unit(self, name: str, *, in_angle: bool) -> Any:
        if name == "degree" and in_angle:
            return sympy.pi / 180
        base, factor = UNITS[name]
        if base == "m^3":
            return _exact(factor) * self.letters["u:m"] ** 3
        return _exact(factor) * self.letters[f"u:{base}"]

    def _build_call(self, name: str, arguments: tuple[Node, ...]) -> Any:
        values = [self.build(one, in_angle=name in _ANGLES) for one in arguments]
        first = values[0]
        if name == "root":
            degree = values[1]
            if first.is_negative and degree.is_odd:
                return -((-first) ** (1 / degree))
            if not first.is_nonnegative and degree.is_odd and first.is_real:
                return sympy.real_root(first, degree)
            return first ** (1 / degree)
        if name in ("log", "ln"):
            if len(values) == 2:
                return sympy.log(first) / sympy.log(values[1])
            base = None if name == "ln" else self.log_base
            return sympy.log(first) if base is None else sympy.log(first) / sympy.log(base)
        if name == "factorial" and first.is_Integer and first > MOST_FACTORIAL:
            raise TooLarge
        if name == "binom" and first.is_Integer and first > MOST_FACTORIAL:
            raise TooLarge
        return _FUNCTIONS[name](*values)


def _exact(value: Fraction) -> Any:
    return sympy.Rational(value.numerator, value.denominator)


def _raise(base: Any, exponent: Any) -> Any:
    if base.is_Rational and exponent.is_Rational and abs(base) not in (0, 1):
        bits = max(int(base.p).bit_length(), int(base.q).bit_length())
        if bits * abs(exponent) > MOST_BITS:
            raise TooLarge
    return base**exponent


# --- Proofs ---------------------------------------------------------------------------------------


def prove_equal(left: Any, right: Any) -> bool:
    """Is their difference zero, whatever the letters are? False where that is not found out."""
    difference = left - right
    return any(_is_zero(difference, simplify) for simplify in _WAYS)


def _is_zero(difference: Any, simplify: Callable[[Any], Any]) -> bool:
    if difference == 0:
        return True
    try:
        return bool(simplify(difference) == 0)
    except (ArithmeticError, AttributeError, NotImplementedError, TypeError, ValueError):
        # A way that does not know such an expression proves nothing.
        return False


def _expand(difference: Any) -> Any:
    powers = difference.atoms(sympy.Pow)
    if any(one.exp.is_Integer and abs(one.exp) > MOST_EXPANDED for one in powers):
        return difference
    return sympy.expand(difference)


def _equals(difference: Any) -> Any:
    return 0 if difference.equals(0) else difference


# From what is quick to what may take long.
_WAYS: Final[tuple[Callable[[Any], Any], ...]] = (
    _expand,
    lambda difference: sympy.cancel(sympy.together(difference)),
    sympy.radsimp,
    lambda difference: sympy.expand_log(difference),
    lambda difference: sympy.trigsimp(sympy.expand_trig(difference)),
    sympy.simplify,
    lambda difference: sympy.simplify(difference.rewrite(sympy.gamma)),
    _equals,
)


def is_settled(expression: Any) -> bool:
    """Has it a value, and no integral, sum or limit that SymPy could not work out?"""
    unsolved = (sympy.Integral, sympy.Sum, sympy.Product, sympy.Limit)
    return not expression.has(*unsolved, sympy.nan, sympy.zoo)


def prove_sign(left: Any, right: Any, *, strict: bool) -> bool:
    """Is left never below right (`strict`: always above it)? False where that is not found out."""
    difference = left - right
    for form in _list_forms(difference):
        sign = form.is_positive if strict else form.is_nonnegative
        if sign:
            return True
    return _is_above(difference, strict=strict)


def _list_forms(difference: Any) -> Iterator[Any]:
    yield difference
    for simplify in (sympy.expand, sympy.factor, sympy.simplify):
        try:
            yield simplify(difference)
        except (ArithmeticError, AttributeError, NotImplementedError, TypeError, ValueError):
            continue


def _is_above(difference: Any, *, strict: bool) -> bool:
    """The same of a polynomial in one letter, by its real roots."""
    letters = list(difference.free_symbols)
    if len(letters) != 1 or not difference.is_polynomial(*letters):
        return False
    polynomial = sympy.Poly(difference, *letters)
    if polynomial.degree() > 30:
        return False
    # It has no more zeros than its degree.
    values = (polynomial.eval(at) for at in range(polynomial.degree() + 1))
    if next(value for value in values if value != 0) < 0:
        return False
    if strict:
        return bool(polynomial.count_roots() == 0)
    # Where it touches zero with an even multiplicity it does not pass below.
    _content, factors = polynomial.factor_list()
    return all(times % 2 == 0 or factor.count_roots() == 0 for factor, times in factors)
