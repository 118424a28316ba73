"""What was read, as a tree, and how it is written again for people: LaTeX that says one thing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Number:
    """A numeral. `text` is how it was written; `decimals` counts the digits after its point."""

    value: Fraction
    text: str
    decimals: int = 0


@dataclass(frozen=True, slots=True)
class Mixed:
    """A mixed number: 2 1/2 is five halves."""

    whole: Number
    part: Quotient


@dataclass(frozen=True, slots=True)
class Symbol:
    """A letter that stands for a number; `name` is its LaTeX, with subscript and primes."""

    name: str


@dataclass(frozen=True, slots=True)
class Word:
    """A word among numbers ("apples"): a unit that nobody converts, or the name of a quantity."""

    text: str


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of measure, one of `reading.UNITS`; `text` is how it was written."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Constant:
    """One of "pi", "e", "i"."""

    name: str


@dataclass(frozen=True, slots=True)
class Infinity:
    """The bound of a sum, an integral or a limit."""


@dataclass(frozen=True, slots=True)
class Negative:
    of: Node


@dataclass(frozen=True, slots=True)
class Sum:
    """Terms that are added; one that is taken away is a `Negative`."""

    terms: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Product:
    factors: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Quotient:
    top: Node
    bottom: Node


@dataclass(frozen=True, slots=True)
class Power:
    base: Node
    exponent: Node


@dataclass(frozen=True, slots=True)
class Percent:
    of: Node


@dataclass(frozen=True, slots=True)
class Call:
    """A function that is known: "sin", "root" (of, degree), "log" (of[, base]), "abs", "mod" …"""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Applied:
    """A function that nobody has defined here: f(x)."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeated:
    """A sum or a product (`kind` is "sum" or "prod") over whole numbers."""

    kind: str
    index: str
    low: Node
    high: Node
    body: Node


@dataclass(frozen=True, slots=True)
class Integral:
    """Over `variable`; without bounds it is no number and goes unread."""

    variable: str
    low: Node
    high: Node
    body: Node


@dataclass(frozen=True, slots=True)
class Limit:
    variable: str
    to: Node
    body: Node


Node: TypeAlias = (
    Number
    | Mixed
    | Symbol
    | Word
    | Unit
    | Constant
    | Infinity
    | Negative
    | Sum
    | Product
    | Quotient
    | Power
    | Percent
    | Call
    | Applied
    | Repeated
    | Integral
    | Limit
)

# Functions that TeX has a command for, by the names used here.
_COMMANDS = {
    **{name: f"\\{name}" for name in ("sin", "cos", "tan", "cot", "sec", "csc", "exp", "ln")},
    **{name: f"\\{name}" for name in ("arcsin", "arccos", "arctan", "sinh", "cosh", "tanh")},
    **{name: f"\\{name}" for name in ("log", "min", "max", "gcd")},
    "lcm": "\\operatorname{lcm}",
}
_SUM, _PRODUCT, _FACTOR, _BASE = range(4)


def list_below(node: Node) -> list[Node]:
    """What the node is made of."""
    found: list[Node] = []
    for field in fields(node):
        value = getattr(node, field.name)
        parts = value if isinstance(value, tuple) else (value,)
        found += [one for one in parts if not isinstance(one, str | int | Fraction)]
    return found


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it."""
    waiting: list[Node] = [node]
    while waiting:
        found = waiting.pop()
        yield found
        waiting += list_below(found)


def find_symbols(node: Node) -> set[str]:
    """The letters that stand for any number: those that a sum or an integral binds do not."""
    match node:
        case Symbol(name):
            return {name}
        case Repeated(_, index, low, high, body):
            return (find_symbols(body) - {index}) | find_symbols(low) | find_symbols(high)
        case Integral(variable, low, high, body):
            return (find_symbols(body) - {variable}) | find_symbols(low) | find_symbols(high)
        case Limit(variable, to, body):
            return (find_symbols(body) - {variable}) | find_symbols(to)
        case _:
            return set().union(*map(find_symbols, list_below(node)))


def write_latex(node: Node) -> str:
    """LaTeX that can be read in one way only."""
    return _write(node)[0]


def _write(node: Node) -> tuple[str, int]:
    """The LaTeX, and how tightly it holds together."""
    match node:
        case Number(_, text, _):
            return text, _BASE
        case Mixed(whole, part):
            return f"{whole.text}{write_latex(part)}", _FACTOR
        case Symbol(name):
            return name, _BASE
        case Word(text):
            return f"\\text{{{text}}}", _BASE
        case Unit("degree", _):
            return "{}^\\circ", _BASE
        case Unit("dollar", "$"):
            return "\\$", _BASE
        case Unit(_, text):
            return f"\\text{{{text}}}", _BASE
        case Constant("pi"):
            return "\\pi", _BASE
        case Constant(name):
            return f"\\mathrm{{{name}}}", _BASE
        case Infinity():
            return "\\infty", _BASE
        case Negative(of):
            return f"-{_hold(of, _PRODUCT)}", _SUM
        case Sum(terms):
            return _write_sum(terms), _SUM
        case Product(factors):
            return _write_product(factors), _PRODUCT
        case Quotient(top, bottom):
            return f"\\frac{{{write_latex(top)}}}{{{write_latex(bottom)}}}", _FACTOR
        case Power(base, exponent):
            return f"{{{_hold(base, _BASE)}}}^{{{write_latex(exponent)}}}", _FACTOR
        case Percent(of):
            return f"{_hold(of, _BASE)}\\%", _FACTOR
        case Call(name, arguments):
            return _write_call(name, arguments)
        case Applied(name, arguments):
            inner = ", ".join(map(write_latex, arguments))
            return f"{name}\\left({inner}\\right)", _BASE
        case Repeated(kind, index, low, high, body):
            bounds = f"_{{{index}={write_latex(low)}}}^{{{write_latex(high)}}}"
            return f"\\{kind}{bounds} {_hold(body, _PRODUCT)}", _SUM
        case Integral(variable, low, high, body):
            bounds = f"_{{{write_latex(low)}}}^{{{write_latex(high)}}}"
            return f"\\int{bounds} {_hold(body, _PRODUCT)}\\,d{variable}", _SUM
        case Limit(variable, to, body):
            return f"\\lim_{{{variable}\\to {write_latex(to)}}} {_hold(body, _PRODUCT)}", _SUM


def _hold(node: Node, least: int) -> str:
    """The LaTeX, in brackets where it would fall apart."""
    text, holds = _write(node)
    return text if holds >= least else f"\\left({text}\\right)"


def _write_sum(terms: tuple[Node, ...]) -> str:
    parts: list[str] = []
    for term in terms:
        if isinstance(term, Negative):
            parts.append(f"-{_hold(term.of, _PRODUCT)}")
        else:
            parts.append(f"+{_hold(term, _PRODUCT)}" if parts else _hold(term, _PRODUCT))
    return "".join(parts)


def _write_product(factors: tuple[Node, ...]) -> str:
    text = ""
    before: Node | None = None
    for factor in factors:
        piece = _hold(factor, _FACTOR)
        if before is None or _is_money(before):
            text += piece
        elif _is_money(factor):
            text += f" \\cdot {piece}"
        elif isinstance(factor, Unit) and factor.name == "degree":
            text += piece
        elif isinstance(factor, Unit | Word):
            text += f"\\ {piece}"
        elif _begins_with_digit(factor) or isinstance(before, Unit | Word | Mixed):
            # Numbers side by side would be read as one.
            text += f" \\cdot {piece}"
        else:
            text += f" {piece}"
        before = factor
    return text


def _is_money(node: Node) -> bool:
    """The sign before an amount."""
    return isinstance(node, Unit) and node.text == "$"


def _begins_with_digit(node: Node) -> bool:
    match node:
        case Number() | Mixed() | Quotient():
            return True
        case Power(base, _):
            return _begins_with_digit(base)
        case Percent(of):
            return _begins_with_digit(of)
        case Call("factorial", (of,)):
            return _begins_with_digit(of)
        case _:
            return False


def _write_call(name: str, arguments: tuple[Node, ...]) -> tuple[str, int]:
    first = arguments[0]
    around: dict[str, Callable[[str], str]] = {
        "abs": lambda inner: f"\\left|{inner}\\right|",
        "floor": lambda inner: f"\\left\\lfloor {inner}\\right\\rfloor",
        "ceil": lambda inner: f"\\left\\lceil {inner}\\right\\rceil",
    }
    if name in around:
        return around[name](write_latex(first)), _BASE
    if name == "root":
        degree = arguments[1]
        is_square = isinstance(degree, Number) and degree.value == 2
        bracket = "" if is_square else f"[{write_latex(degree)}]"
        return f"\\sqrt{bracket}{{{write_latex(first)}}}", _BASE
    if name == "factorial":
        return f"{_hold(first, _BASE)}!", _FACTOR
    if name == "binom":
        return f"\\binom{{{write_latex(first)}}}{{{write_latex(arguments[1])}}}", _BASE
    if name == "mod":
        return f"{_hold(first, _FACTOR)} \\bmod {_hold(arguments[1], _FACTOR)}", _SUM
    if name == "log" and len(arguments) == 2:
        inner = write_latex(first)
        return f"\\log_{{{write_latex(arguments[1])}}}\\left({inner}\\right)", _FACTOR
    inner = ", ".join(map(write_latex, arguments))
    return f"{_COMMANDS[name]}\\left({inner}\\right)", _FACTOR
