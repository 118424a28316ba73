"""Values as people read them: LaTeX, exact where that is short, else the first digits."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import mpmath  # type: ignore[import-untyped]  # it has no annotations

from modeljobs.methods.equalities.trees import Node, write_latex
from modeljobs.methods.equalities.values import Value, to_float

MOST_LATEX: Final = 600
MOST_DIGITS: Final = 30
# Nearer to a short decimal than this a floating number is that decimal.
_SAME: Final = mpmath.mpf(10) ** -25


def show_node(node: Node) -> str:
    """The side as it was understood; "" where it is too long to be shown."""
    text = write_latex(node)
    return text if len(text) <= MOST_LATEX else ""


def show_both(left: Value, right: Value, *, are_apart: bool) -> dict[str, str]:
    """Both values, with as many digits as it takes to see that they differ, where they do."""
    shown = show(left), show(right)
    for digits in (10, 16, MOST_DIGITS):
        if not are_apart or shown[0] != shown[1]:
            break
        shown = show(left, digits), show(right, digits)
    return {"left": shown[0], "right": shown[1]}


def show(value: Value, digits: int = 6) -> str:
    """A number: whole, a short decimal, a fraction, or its first digits."""
    if isinstance(value, Fraction):
        exact = _show_exact(value)
        if exact:
            return exact
    number = to_float(value)
    if isinstance(number, mpmath.mpc):
        return _show_complex(number, lambda part: _show_float(part, digits))
    return _show_float(number, digits)


def _show_exact(value: Fraction) -> str:
    top, bottom = value.numerator, value.denominator
    if len(str(abs(top))) > MOST_DIGITS or len(str(bottom)) > MOST_DIGITS:
        return ""
    if bottom == 1:
        return str(top)
    places = next((n for n in range(1, 11) if 10**n % bottom == 0), None)
    sign = "-" if top < 0 else ""
    if places is not None:
        digits = str(abs(top) * 10**places // bottom).rjust(places + 1, "0")
        return f"{sign}{digits[:-places]}.{digits[-places:]}"
    return f"{sign}\\frac{{{abs(top)}}}{{{bottom}}}"


def _show_complex(number: Any, write: Callable[[Any], str]) -> str:
    if number.imag == 0:
        return write(number.real)
    imaginary = f"{write(abs(number.imag))}\\mathrm{{i}}"
    sign = "-" if number.imag < 0 else ""
    if number.real == 0:
        return f"{sign}{imaginary}"
    return f"{write(number.real)}{sign or '+'}{imaginary}"


def _show_float(number: Any, digits: int) -> str:
    text = mpmath.nstr(number, digits, strip_zeros=True)
    mantissa, _, power = text.partition("e")
    mantissa = mantissa.removesuffix(".0")
    is_all = abs(mpmath.mpf(text) - number) <= _SAME * max(mpmath.mpf(1), abs(number))
    dots = "" if is_all else "\\ldots"
    return f"{mantissa}{dots}\\cdot 10^{{{int(power)}}}" if power else f"{mantissa}{dots}"
