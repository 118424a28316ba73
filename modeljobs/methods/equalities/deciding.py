"""Is it true? Two questions to a session in the sandbox: `begin` computes, and `finish` proves.

A verdict is "true", "false" or "unknown", with a code that says why and the values that belong to
it (LaTeX); `wording` puts the codes into words. What `begin` says holds if `finish` never ends.
What can be read in two ways is decided in both, and these have to agree.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Final

from modeljobs.methods.equalities.comparing import (
    FALSE,
    TRUE,
    UNKNOWN,
    Case,
    Found,
    Open,
    Verdict,
    add_notes,
    compare,
    compare_remainders,
    find_measures,
)
from modeljobs.methods.equalities.proving import ask_math_verify, prove
from modeljobs.methods.equalities.reading import (
    UNITS,
    Statement,
    Style,
    Unreadable,
    read_statement,
)
from modeljobs.methods.equalities.showing import show_both, show_node
from modeljobs.methods.equalities.trees import (
    Applied,
    Call,
    Constant,
    Node,
    Percent,
    Repeated,
    Symbol,
    Unit,
    Word,
    find_symbols,
    list_below,
    walk,
    write_latex,
)
from modeljobs.methods.equalities.values import (
    Meaning,
    NotNumeric,
    TooLarge,
    Undefined,
    evaluate,
)

_WHOLE_LETTERS: Final = frozenset("nmkjNMK")
_WHOLE_CALLS: Final = frozenset({"factorial", "binom", "mod", "gcd", "lcm"})
_OTHERS: Final = ("\\{", "\\begin")
_ANGLE_CALLS: Final = frozenset({"sin", "cos", "tan", "cot", "sec", "csc"})


# --- The two questions ----------------------------------------------------------------------------


@dataclass(slots=True)
class Desk:
    """One text under question: what `begin` leaves for `finish`.

    `found` has for each statement (there is one for each style of reading) what was found of its
    pairs; `refusal` is why there is no statement.
    """

    text: str
    statements: list[Statement] = field(default_factory=list)
    found: list[list[Found]] = field(default_factory=list)
    refusal: Unreadable | None = None

    def begin(self) -> dict[str, Any]:
        """Read the text and decide what arithmetic decides."""
        try:
            self.statements = _read_all(self.text)
            self.found = [
                [_examine(statement, place) for place in range(len(statement.relations))]
                for statement in self.statements
            ]
        except Unreadable as error:
            self.refusal = error
        except RecursionError:
            self.refusal = Unreadable("too_deep")
        return self._report()

    def finish(self) -> dict[str, Any]:
        """Prove what is left open; the same report, with fewer open ends."""
        if self.refusal is not None:
            report = self._report() | {"open": False}
            if ask_math_verify(self.text):
                report |= {"answer": TRUE, "code": "math_verify", "values": {}}
            return report
        self.found = [
            [prove(one) if isinstance(one, Open) else one for one in pairs] for pairs in self.found
        ]
        return self._report()

    def _report(self) -> dict[str, Any]:
        if self.refusal is not None:
            return {
                "pairs": [],
                "answer": UNKNOWN,
                "code": self.refusal.code,
                "values": dict(self.refusal.values),
                # Sets, tuples and matrices are another parser's.
                "open": self.refusal.code == "list" or self.refusal.values.get("what") in _OTHERS,
            }
        pairs = [self._combine(place) for place in range(len(self.statements[0].relations))]
        return {
            "pairs": pairs,
            "answer": _sum_up(pairs),
            "code": "",
            "values": {},
            "open": any(isinstance(one, Open) for found in self.found for one in found),
        }

    def _combine(self, place: int) -> dict[str, Any]:
        """The verdict that all ways of reading the pair share."""
        readings = [
            one.so_far if isinstance(one, Open) else one
            for one in (found[place] for found in self.found)
        ]
        first, statement = readings[0], self.statements[0]
        if any(one.answer != first.answer for one in readings):
            if "slash" in statement.met:
                values = {"readings": self._list_readings(place, readings)}
                first = Verdict(UNKNOWN, "two_readings", values)
            else:
                first = Verdict(UNKNOWN, "maybe_function", {"answer": first.answer})
        return {
            "left": show_node(statement.sides[place]),
            "relation": statement.relations[place],
            "right": show_node(statement.sides[place + 1]),
            "answer": first.answer,
            "code": first.code,
            "values": dict(first.values),
            "notes": list(first.notes),
        }

    def _list_readings(self, place: int, readings: Sequence[Verdict]) -> list[list[str]]:
        return [
            [
                show_node(statement.sides[place]),
                statement.relations[place],
                show_node(statement.sides[place + 1]),
                verdict.answer,
            ]
            for statement, verdict in zip(self.statements, readings, strict=True)
        ]


def show_report(report: Mapping[str, Any], mark: str) -> None:
    """Print it on a line of its own, which nothing else that is printed can pass for."""
    print(mark + json.dumps(report))


def _read_all(text: str) -> list[Statement]:
    """The text in every style that makes a difference to it."""
    first = read_statement(text, Style())
    styles = [Style()]
    if "slash" in first.met:
        styles += [style._replace(slash_left=True) for style in styles]
    if "function" in first.met:
        styles += [style._replace(functions=True) for style in styles]
    return [first, *(read_statement(text, style) for style in styles[1:])]


def _sum_up(pairs: Sequence[Mapping[str, Any]]) -> str:
    """One false link breaks a chain. What only gives a letter its value needs no check."""
    answers = [pair["answer"] for pair in pairs if pair["code"] != "names"]
    if FALSE in answers:
        return FALSE
    return TRUE if answers and all(answer == TRUE for answer in answers) else UNKNOWN


# --- One pair -------------------------------------------------------------------------------------


def _examine(statement: Statement, place: int) -> Found:
    left, right = statement.sides[place], statement.sides[place + 1]
    relation = statement.relations[place]
    if statement.modulus is not None:
        if relation not in ("=", "=="):
            return Verdict(UNKNOWN, "congruence")
        return compare_remainders(left, right, statement.modulus)
    relation = "=" if relation == "==" else relation
    if name := _find_named(left, right):
        return Verdict(UNKNOWN, "names" if relation in ("=", "~") else "condition", {"name": name})
    meaning = Meaning({}, is_complex=any(one == Constant("i") for one in _walk(left, right)))
    units = _measure(left, meaning), _measure(right, meaning)
    if units[0] != units[1]:
        return _examine_units(left, right, relation, units, meaning)
    return _try_signs(left, right, relation, meaning)


def _walk(*nodes: Node) -> list[Node]:
    return [one for node in nodes for one in walk(node)]


def _find_named(left: Node, right: Node) -> str:
    """The LaTeX of a letter, a word or f(x) that stands alone on one side and not on the other."""
    for side, other in ((left, right), (right, left)):
        if isinstance(side, Symbol) and side.name not in find_symbols(other):
            return side.name
        if isinstance(side, Word) and side not in _walk(other):
            return write_latex(side)
        if isinstance(side, Applied):
            used = {one.name for one in _walk(other) if isinstance(one, Applied)}
            if side.name not in used:
                return write_latex(side)
    return ""


def _find_units(node: Node) -> frozenset[str]:
    """The units and words of a side. Degrees in a sine are none."""
    match node:
        case Unit("degree", _):
            return frozenset({"u:degree"})
        case Unit(name, _):
            return frozenset({f"u:{UNITS[name][0].removesuffix('^3')}"})
        case Word(text):
            return frozenset({f"w:{text}"})
        case Call(name, _) if name in _ANGLE_CALLS:
            return frozenset()
        case _:
            below = map(_find_units, list_below(node))
            return frozenset(itertools.chain.from_iterable(below))


def _measure(node: Node, meaning: Meaning) -> frozenset[str]:
    """What a side measures."""
    units = _find_units(node)
    return units if find_symbols(node) else find_measures(node, units, meaning)


def _examine_units(
    left: Node,
    right: Node,
    relation: str,
    units: tuple[frozenset[str], frozenset[str]],
    meaning: Meaning,
) -> Found:
    """Units on one side alone: money is read as its amount, degrees perhaps as numbers."""
    different = units[0] ^ units[1]
    if different == {"u:$"}:
        amounts = replace(meaning, letters={"u:$": Fraction(1)})
        return add_notes(_try_signs(left, right, relation, amounts), "money")
    if different == {"u:degree"}:
        found = _try_signs(left, right, relation, replace(meaning, in_angle=True))
        if isinstance(found, Open) or found.answer == TRUE:
            return add_notes(found, "degrees")
    code = "units_differ" if units[0] and units[1] else "units_one_side"
    values = {"units": ", ".join(_name_units(different, left, right))}
    bare = dict.fromkeys(_find_units(left) | _find_units(right), Fraction(1))
    alone = replace(meaning, letters=bare, converts=False)
    with contextlib.suppress(Undefined, NotNumeric, TooLarge, KeyError):
        values |= show_both(evaluate(left, alone), evaluate(right, alone), are_apart=False)
    return Verdict(UNKNOWN, code, values)


def _name_units(different: frozenset[str], *sides: Node) -> list[str]:
    """The units as they were written."""
    named = (one for one in _walk(*sides) if isinstance(one, Unit | Word))
    return sorted({one.text for one in named if _find_units(one) & different})


def _try_signs(left: Node, right: Node, relation: str, meaning: Meaning) -> Found:
    """Try what a percent sign and a bare log may stand for."""
    nodes = _walk(left, right)
    found = _decide(left, right, relation, meaning)
    if any(isinstance(one, Percent) for one in nodes) and _is_false(found):
        as_unit = _decide(left, right, relation, replace(meaning, percent=Fraction(1)))
        if not _is_false(as_unit):
            return Verdict(UNKNOWN, "percent", found.values if isinstance(found, Verdict) else {})
    is_bare = any(
        isinstance(one, Call) and one.name == "log" and len(one.arguments) == 1 for one in nodes
    )
    if not is_bare:
        return found
    if not _is_false(found):
        return add_notes(found, "log_10")
    natural = _decide(left, right, relation, replace(meaning, log_base=None))
    return found if _is_false(natural) else add_notes(natural, "log_e")


def _is_false(found: Found) -> bool:
    return isinstance(found, Verdict) and found.answer == FALSE


def _decide(left: Node, right: Node, relation: str, meaning: Meaning) -> Found:
    symbols = find_symbols(left) | find_symbols(right)
    units = (_find_units(left) | _find_units(right)) - set(meaning.letters)
    if meaning.in_angle:
        units = units - {"u:degree"}
    letters = (*sorted(symbols), *sorted(units))
    case = Case(left, right, relation, meaning, letters, _find_whole(left, right) & symbols)
    if any(isinstance(one, Applied) for one in _walk(left, right)):
        return Open(case, Verdict(UNKNOWN, "function"))
    return compare(case)


def _find_whole(left: Node, right: Node) -> frozenset[str]:
    """Letters that stand for whole numbers: by custom, or because of where they stand."""
    found = set(_WHOLE_LETTERS)
    for one in _walk(left, right):
        if isinstance(one, Call) and one.name in _WHOLE_CALLS:
            found |= find_symbols(one)
        if isinstance(one, Repeated):
            found |= find_symbols(one.low) | find_symbols(one.high)
    return frozenset(found)
