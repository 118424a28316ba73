"""What arithmetic left open: proofs by SymPy, and what Math-Verify says of sets and matrices."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from typing import Any, Final

import mpmath  # type: ignore[import-untyped]  # it has no annotations
import sympy

from modeljobs.methods.equalities.algebra import Algebra, is_settled, prove_equal, prove_sign
from modeljobs.methods.equalities.comparing import (
    DIGITS,
    FALSE,
    TRUE,
    UNKNOWN,
    Case,
    Open,
    Verdict,
    is_unit,
    list_points,
    order,
    show_point,
)
from modeljobs.methods.equalities.reading import Unreadable, find_formula
from modeljobs.methods.equalities.showing import show_both
from modeljobs.methods.equalities.values import TooLarge

# Points at which what SymPy worked out is looked at.
_POINTS: Final = 6
# What Math-Verify reads in a way of its own: numbers side by side are a mixed number to it.
_SIDE_BY_SIDE: Final = re.compile(r"[\d)}\]]\s*[(\[\d]|\d\s*\\frac")
_ENVIRONMENT: Final = re.compile(r"\\(?:begin|end)\{[pbv]?matrix\}")
_MATRIX: Final = re.compile(r"\\begin\{([pbv]?matrix)\}(?P<inner>.*)\\end\{\1\}", re.DOTALL)
_SIZES: Final = re.compile(r"\\(?:left|right)(?![A-Za-z])")
# Numbers, letters, commas and a few signs.
_KNOWN: Final = re.compile(
    r"(?:\\(?:frac|sqrt|pi|infty)(?![A-Za-z])|\\\\|[\w\s.,+\-*/^(){}\[\]&])*", re.ASCII
)


def prove(opened: Open) -> Verdict:
    """The verdict, which is what was said so far where nothing is proved or refuted."""
    case, so_far = opened.case, opened.so_far
    try:
        algebra = _make_algebra(case)
        left, right = algebra.build(case.left), algebra.build(case.right)
        verdict = _prove_relation(case, left, right) or _refute(case, so_far, left, right)
    except TooLarge:
        return Verdict(UNKNOWN, "too_large", {}, so_far.notes)
    except (ArithmeticError, AttributeError, NotImplementedError, TypeError, ValueError):
        # SymPy does not know such an expression: nothing is proved.
        return so_far
    if verdict is None:
        return so_far
    return replace(verdict, notes=(*verdict.notes, *so_far.notes, *_note_letters(case)))


def _make_algebra(case: Case) -> Algebra:
    letters: dict[str, Any] = {
        name: sympy.Rational(value.numerator, value.denominator)
        for name, value in case.meaning.letters.items()
    }
    least = _find_least(case)
    for name in case.letters:
        if is_unit(name):
            letters[name] = sympy.Symbol(name, positive=True)
        elif name in case.whole:
            letters[name] = sympy.Symbol(name, integer=True)
        elif name in least:
            letters[name] = sympy.Symbol(name, **least[name])
        elif case.meaning.is_complex:
            letters[name] = sympy.Symbol(name)
        else:
            letters[name] = sympy.Symbol(name, real=True)
    if case.meaning.in_angle:
        letters["u:degree"] = sympy.pi / 180
    return Algebra(letters, case.meaning.log_base, case.meaning.percent)


def _find_least(case: Case) -> dict[str, dict[str, bool]]:
    """Letters for which both sides have no value below zero, as far as was seen."""
    found: dict[str, dict[str, bool]] = {}
    for name in case.symbols:
        seen = [point[name] for point in case.valid]
        if name in case.whole or not seen or min(seen) < 0:
            continue
        if any(point[name] < 0 for point in case.tried):
            found[name] = {"nonnegative": True} if 0 in seen else {"positive": True}
    return found


def _note_letters(case: Case) -> tuple[str, ...]:
    """For which values it was found out."""
    notes = []
    if whole := [name for name in case.symbols if name in case.whole]:
        notes.append("whole:" + ", ".join(whole))
    if least := list(_find_least(case)):
        notes.append("not_negative:" + ", ".join(least))
    return tuple(notes)


def _prove_relation(case: Case, left: Any, right: Any) -> Verdict | None:
    relation = case.relation
    code = "identity" if case.symbols else "proved"
    if relation in ("=", "!="):
        if prove_equal(left, right):
            return Verdict(TRUE if relation == "=" else FALSE, code)
        return None if relation == "=" else _prove_apart(left, right)
    above, below = (left, right) if relation in (">", ">=") else (right, left)
    is_strict = relation in ("<", ">")
    if prove_sign(above, below, strict=is_strict):
        return Verdict(TRUE, "always")
    if not case.letters and prove_equal(left, right):
        return Verdict(FALSE if is_strict else TRUE, code)
    return None


def _prove_apart(left: Any, right: Any) -> Verdict | None:
    difference = sympy.simplify(left - right)
    if difference.is_number and difference.is_zero is False:
        return Verdict(TRUE, "always")
    return None


def _refute(case: Case, so_far: Verdict, left: Any, right: Any) -> Verdict | None:
    """Where arithmetic alone gave no values: those of what SymPy worked out."""
    if so_far.code != "symbolic" or case.relation != "=":
        return None
    if not (is_settled(left) and is_settled(right)):
        return None
    with mpmath.workdps(DIGITS):
        for point in itertools.islice(list_points(case), _POINTS):
            at = {
                symbol: sympy.Rational(point[symbol.name].numerator, point[symbol.name].denominator)
                for symbol in left.free_symbols | right.free_symbols
            }
            values = [side.subs(at).evalf(30) for side in (left, right)]
            if not all(value.is_Float or value.is_Integer for value in values):
                continue
            one, other = (mpmath.mpf(str(value)) for value in values)
            if order(one, other) in (-1, 1):
                shown = show_both(one, other, are_apart=True)
                if not at:
                    return Verdict(FALSE, "numbers", shown)
                return Verdict(FALSE, "counterexample", {"at": show_point(point), **shown})
    return None


def ask_math_verify(text: str) -> bool:
    """Are both sides the same set, tuple or matrix to Math-Verify?

    It takes from a text what it can read and leaves the rest: so each side has to be one such
    thing, with nothing in it that is not known here. And only its yes counts: its no can be a text
    that it read in another way.
    """
    from math_verify import LatexExtractionConfig, parse, verify

    try:
        formula = find_formula(text)
    except Unreadable:
        return False
    sides = [_tidy(side) for side in re.split(r"(?<![<>!:\\])=(?!=)", formula)]
    if len(sides) != 2 or not all(map(_is_enclosed, sides)):
        return False
    if any(_SIDE_BY_SIDE.search(_ENVIRONMENT.sub(" ", side)) for side in sides):
        return False
    try:
        left, right = (
            parse(
                f"${side}$",
                extraction_config=[LatexExtractionConfig()],
                fallback_mode="no_fallback",
                parsing_timeout=None,
            )
            for side in sides
        )
        return bool(left and right and verify(left, right, timeout_seconds=None))
    except Exception:
        # Whatever its parser met, it is no answer.
        return False


def _tidy(side: str) -> str:
    return _SIZES.sub("", side).strip().rstrip(".,;: ")


def _is_enclosed(side: str) -> bool:
    """Is it one pair of brackets, or one matrix, around signs that are known?"""
    if matrix := _MATRIX.fullmatch(side):
        return _KNOWN.fullmatch(matrix["inner"]) is not None
    depth = 0
    plain = side.replace("\\{", "{").replace("\\}", "}")
    for place, character in enumerate(plain):
        depth += (character in "([{") - (character in ")]}")
        if depth == 0:
            is_end = place == len(plain) - 1
            return place > 0 and is_end and _KNOWN.fullmatch(plain[1:-1]) is not None
    return False
