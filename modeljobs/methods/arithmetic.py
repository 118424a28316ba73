"""True equalities of plain numbers in a text, so that an edit can be known to make one false."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

OPERATORS = {
    "+": "+",
    "-": "-",
    "\u2212": "-",
    "*": "*",
    "\u00d7": "*",
    r"\times": "*",
    r"\cdot": "*",
    "/": "/",
    "\u00f7": "/",
    r"\div": "/",
}
# Fifteen digits at most: nobody's step needs more, and a hostile one must not cost time.
NUMBER = r"\d{1,15}(?:\.\d{1,15})?"
EQUALITY = re.compile(
    rf"(?P<left>{NUMBER})\s*(?P<sign>{'|'.join(map(re.escape, OPERATORS))})\s*"
    rf"(?P<right>{NUMBER})\s*=\s*(?P<result>{NUMBER})"
)
# What may not stand right before it, because it would then be a piece of something longer.
BEFORE = re.compile(r"[\w.,^{}\])\\+*/=<>|\u2212\u00d7\u00f7-]\s*$")
# A word may ("so 3 + 4 = 7"), and so may the end of a clause; a lone letter is a factor or a term,
# and a LaTeX command takes what follows as its argument.
WORD_BEFORE = re.compile(r"(?:(?<![\\A-Za-z])[A-Za-z]{2,}[.,]?|[.,])\s+$")
# What may not stand right after it: more digits, an operator, a unit or modulus, a lone letter.
AFTER = re.compile(
    r"[\w^{!%]|[.,]\d|\s*(?:[=+*/<>|(\[\u2212\u00d7\u00f7-]|\\(?![)\]])|[A-Za-z]\b|mod)"
)


@dataclass(frozen=True, slots=True)
class Equality:
    """`left sign right = result`, true as it stands; spans are offsets into the text."""

    left: Fraction
    sign: str
    right: Fraction
    result: Fraction
    sign_span: tuple[int, int]
    result_span: tuple[int, int]


def find_true_equalities(text: str) -> Iterator[Equality]:
    """Each equality of three plain numbers that stands alone in the text and holds."""
    for match in EQUALITY.finditer(text):
        before, after = text[: match.start()][-40:], text[match.end() :][:40]
        if BEFORE.search(before) and not WORD_BEFORE.search(before):
            continue
        if AFTER.match(after):
            continue
        left, right = Fraction(match["left"]), Fraction(match["right"])
        sign, result = OPERATORS[match["sign"]], Fraction(match["result"])
        if compute(left, sign, right) == result:
            yield Equality(left, sign, right, result, match.span("sign"), match.span("result"))


def compute(left: Fraction, sign: str, right: Fraction) -> Fraction | None:
    """The value of `left sign right`; None for a division by zero."""
    match sign:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case _:
            return left / right if right else None


def find_whole_numbers(text: str) -> list[int]:
    """The whole numbers from 2 to 999 in a text, in order, each once."""
    found = re.findall(r"(?<![\d.,_^\\])\d{1,3}(?![\d_^]|[.,]\d)", text)
    return [number for number in dict.fromkeys(map(int, found)) if number >= 2]
