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
PARTS = ("left", "right", "result")
# Fifteen digits at most: nobody's step needs more, and a hostile one must not cost time.
NUMBER = r"\d{1,15}(?:\.\d{1,15})?"
# GSM8K writes each calculation twice: `48/2 = <<48/2=24>>24`. A final result may stand in a box.
NOTED = rf"<<(?P<noted_left>{NUMBER})(?P<noted_sign>[-+*/])(?P<noted_right>{NUMBER})="
EQUALITY = re.compile(
    rf"(?P<left>{NUMBER})\s*(?P<sign>{'|'.join(map(re.escape, OPERATORS))})\s*"
    rf"(?P<right>{NUMBER})\s*=\s*"
    rf"(?:\$?{NOTED}(?P<noted_result>{NUMBER})>>)?"
    rf"(?:\\boxed\{{(?P<boxed>{NUMBER})\}}|(?P<result>{NUMBER}))"
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
    """`left sign right = result`, true as it stands, and where it stands in the text.

    Each part may stand twice, the first time where a reader reads it: spans are offsets. `span`
    covers all of it.
    """

    left: Fraction
    sign: str
    right: Fraction
    result: Fraction
    span: tuple[int, int]
    left_spans: tuple[tuple[int, int], ...]
    sign_spans: tuple[tuple[int, int], ...]
    right_spans: tuple[tuple[int, int], ...]
    result_spans: tuple[tuple[int, int], ...]
    is_boxed: bool = False
    is_noted: bool = False

    @property
    def sign_span(self) -> tuple[int, int]:
        return self.sign_spans[0]

    @property
    def result_span(self) -> tuple[int, int]:
        return self.result_spans[0]

    @property
    def is_whole(self) -> bool:
        """Are all three whole numbers?"""
        return all(part.denominator == 1 for part in (self.left, self.right, self.result))


def find_true_equalities(text: str) -> Iterator[Equality]:
    """Each equality of three plain numbers that stands alone in the text and holds."""
    # Most steps have none, and the sign says so at once.
    if "=" not in text:
        return
    for match in EQUALITY.finditer(text):
        before, after = text[: match.start()][-40:], text[match.end() :][:40]
        if BEFORE.search(before) and not WORD_BEFORE.search(before):
            continue
        if AFTER.match(after):
            continue
        equality = _read_equality(match)
        if equality is not None:
            yield equality


def _read_equality(match: re.Match[str]) -> Equality | None:
    """The equality, or None where it does not hold or its note says something else."""
    name = "boxed" if match["boxed"] else "result"
    left, right, result = (Fraction(match[part]) for part in ("left", "right", name))
    sign = OPERATORS[match["sign"]]
    if compute(left, sign, right) != result:
        return None
    is_noted = match["noted_sign"] is not None
    noted = [Fraction(match[f"noted_{part}"]) for part in PARTS] if is_noted else []
    if is_noted and (noted != [left, right, result] or match["noted_sign"] != sign):
        return None

    def spans(part: str) -> tuple[tuple[int, int], ...]:
        own = match.span(name if part == "result" else part)
        return (own, match.span(f"noted_{part}")) if is_noted else (own,)

    return Equality(
        left=left,
        sign=sign,
        right=right,
        result=result,
        span=match.span(),
        left_spans=spans("left"),
        sign_spans=spans("sign"),
        right_spans=spans("right"),
        result_spans=spans("result"),
        is_boxed=name == "boxed",
        is_noted=is_noted,
    )


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


def find_whole_numbers(text: str, *, most_digits: int = 3) -> list[int]:
    """The whole numbers from 2 on in a text, in order, each once; longer ones are left out."""
    found = re.findall(rf"(?<![\d.,_^\\])\d{{1,{most_digits}}}(?![\d_^]|[.,]\d)", text)
    return [number for number in dict.fromkeys(map(int, found)) if number >= 2]
