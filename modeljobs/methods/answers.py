"""Final answers: finding them in a model's text and writing them in one form.

The order of the places looked at is that of the Qwen2.5-Math evaluator (spec of GenPRM's answer
checks): the last box, the sentence that Minerva's prompts ask for, "the answer is" in English and
in Chinese, the last number. A text without any of them, or whose last box was cut off, has no
answer: it is unparsed, with the reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from modeljobs.methods.parsing import Unparsed

Place = Literal["boxed", "minerva", "phrase", "last_number"]
Extraction = Literal["any", "stated", "boxed"]

# Nobody's final answer is longer; what is goes to no checker.
ANSWER_CHARACTERS = 1_000
# Only the end of a long text is searched.
TEXT_CHARACTERS = 100_000
# Powers of ten beyond this, and longer numerals, are left as text.
EXPONENT_LIMIT = 400
DIGIT_LIMIT = 400

_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?=\{|[^\s{])")
_MINERVA = re.compile(r"final answer is \$(?P<answer>[^\n]{0,1000}?)\$\. I hope", re.IGNORECASE)
_PHRASE = re.compile(
    r"(?:\b(?:final\s+)?answer\s+is\b|答案(?:是|为))[^\S\n]{0,9}[:：]?[^\S\n]{0,9}(?P<answer>[^\n]+)",  # noqa: RUF001
    re.IGNORECASE,
)
# The end of the sentence that states an answer; a point within a number is none.
_SENTENCE_END = re.compile(r"(?:[.!?](?=\s|$)|[。；])")  # noqa: RUF001
_LAST_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:/\d+)?")

_SPACING = re.compile(r"\\[,;:!>]|\\ |\\q?quad\b|~|\s+")
_TEXT = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox)\s*\{(?P<inner>[^{}]*)\}")
_TRAILING_TEXT = re.compile(
    r"(?<=[\d}])\s*\\(?:text|textbf|textit|textrm|mathrm|mbox)\s*\{[^{}]*\}(?:\^\{?\d\}?)?$"
)
# A unit in words after a number. A word that changes the number is none.
_UNIT = re.compile(
    r"(?<=[\d}])\s+(?!(?:pi|dozen|hundred|thousand|million|billion|trillion)\b)"
    r"[A-Za-z]{2,}(?:\s+[A-Za-z]+)*$",
    re.IGNORECASE,
)
_SHORT_FRACTION = re.compile(r"\\frac\s*(?P<top>\d)\s*(?P<bottom>\d)(?!\d)")
_HALF_SHORT_FRACTION = re.compile(r"\\frac\s*(?P<top>\d)\s*(?=\{)")
_ASSIGNMENT = re.compile(r"^[A-Za-z](?:_\{?\w\}?)?=(?!=)")
_THOUSANDS = re.compile(r"(?<![\d.])\d{1,3}(?:,(?:\\!)?\d{3})+(?!\d)")

_SIGN = r"(?P<sign>[+-]?)"
_DIGITS = r"(?:\d+(?:\.\d*)?|\.\d+)"
_NUMBER = re.compile(
    rf"{_SIGN}(?P<mantissa>{_DIGITS})(?:(?:[eE]|(?:\\times|\\cdot|\*)10\^)\{{?(?P<power>[+-]?\d+)\}}?)?"
)
_POWER = re.compile(rf"{_SIGN}10\^\{{?(?P<power>[+-]?\d+)\}}?")
_FRACTION = re.compile(
    rf"{_SIGN}(?P<whole>\d+)?\\frac\{{(?P<top_sign>-?)(?P<top>{_DIGITS})\}}\{{(?P<bottom>{_DIGITS})\}}"
)
_SLASHED = re.compile(rf"{_SIGN}(?P<top>{_DIGITS})/(?P<bottom>{_DIGITS})")


@dataclass(frozen=True, slots=True)
class FoundAnswer:
    """A final answer as its text states it, and where it stood."""

    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class Number:
    """An exact value. `is_whole` is true where it was written without a point or a fraction."""

    value: Fraction
    is_whole: bool


def extract_answer(text: str, *, extraction: Extraction = "any") -> FoundAnswer | Unparsed:
    """The final answer of a text, or why there is none.

    "boxed" looks at boxes alone, "stated" at sentences too, "any" at the last number as well. An
    empty box (an instruction repeated) counts as none.
    """
    tail = text[-TEXT_CHARACTERS:]
    boxed = _find_boxed(tail)
    if isinstance(boxed, Unparsed):
        return boxed
    if boxed:
        return _limit(boxed, "boxed")
    if extraction != "boxed":
        if minerva := _find_last(_MINERVA, tail):
            return _limit(minerva, "minerva")
        if phrase := _find_phrase(tail):
            return _limit(phrase, "phrase")
    if extraction == "any" and (numbers := _LAST_NUMBER.findall(tail)):
        return _limit(numbers[-1].rstrip(","), "last_number")
    return Unparsed("no_answer", "The text states no final answer.")


def normalise_answer(answer: str) -> str:
    """The answer without what does not change its meaning: dollars, spacing, sizes, units.

    Two answers of one normal form are the same; two of different forms may be all the same.
    """
    text = answer.strip()
    text = re.sub(r"^(?:\$\$?|\\\(|\\\[)(?P<inner>.*?)(?:\$\$?|\\\)|\\\])$", r"\g<inner>", text)
    text = text.strip().rstrip(".。").strip()
    text = re.sub(r"\\(?:left|right|bigl?|bigr?|Bigl?|Bigr?|displaystyle)(?![A-Za-z])", "", text)
    text = re.sub(r"\\[dt]frac(?![A-Za-z])", r"\\frac", text)
    text = _THOUSANDS.sub(lambda match: match[0].replace(",", "").replace("\\!", ""), text)
    text = _TRAILING_TEXT.sub("", text)
    text = _TEXT.sub(r"\g<inner>", text)
    text = re.sub(r"(?:\^\s*\{?\s*\\circ\s*\}?|\\degree(?![A-Za-z])|°)", "", text)
    text = text.replace("\\$", "").replace("$", "").replace("\\%", "%")
    text = re.sub(r"(?<=[\d}])\s*%$", "", text)
    text = _UNIT.sub("", text)
    is_words = re.fullmatch(r"[A-Za-z]+(?:[\s-]+[A-Za-z]+)*", text) is not None
    if is_words:
        return " ".join(text.casefold().split())
    text = _SPACING.sub("", text)
    text = _SHORT_FRACTION.sub(r"\\frac{\g<top>}{\g<bottom>}", text)
    text = _HALF_SHORT_FRACTION.sub(r"\\frac{\g<top>}", text)
    text = _ASSIGNMENT.sub("", text)
    letter = re.fullmatch(r"\(([A-Za-z])\)", text)
    if letter:
        text = letter[1].casefold()
    number = read_number(text)
    return write_number(number) if number is not None else text


def read_number(text: str) -> Number | None:
    """The exact value of a normalised answer that is a number, else None."""
    if sum(character.isdigit() for character in text) > DIGIT_LIMIT:
        return None
    if match := _NUMBER.fullmatch(text):
        power = int(match["power"] or 0)
        if abs(power) > EXPONENT_LIMIT:
            return None
        value = Fraction(match["mantissa"]) * Fraction(10) ** power
        is_whole = "." not in match["mantissa"] and match["power"] is None
        return Number(_sign(match) * value, is_whole)
    if match := _POWER.fullmatch(text):
        power = int(match["power"])
        if abs(power) > EXPONENT_LIMIT:
            return None
        return Number(_sign(match) * Fraction(10) ** power, is_whole=power >= 0)
    match = _FRACTION.fullmatch(text)
    if match is not None:
        return _read_fraction(match)
    match = _SLASHED.fullmatch(text)
    if match is not None and Fraction(match["bottom"]) != 0:
        return Number(
            _sign(match) * Fraction(match["top"]) / Fraction(match["bottom"]), is_whole=False
        )
    return None


def write_number(number: Number) -> str:
    """One form for one value and way of writing: 0.5, 1/2 and \\frac{1}{2} are all 1/2."""
    return str(number.value)


def _read_fraction(match: re.Match[str]) -> Number | None:
    bottom = Fraction(match["bottom"])
    if bottom == 0:
        return None
    top = Fraction(match["top"]) * (-1 if match["top_sign"] else 1)
    whole = match["whole"]
    if whole is not None:
        # A mixed number; a sign within its fraction would make it something else.
        if match["top_sign"] or "." in match["top"] or "." in match["bottom"]:
            return None
        return Number(_sign(match) * (int(whole) + top / bottom), is_whole=False)
    return Number(_sign(match) * top / bottom, is_whole=False)


def _sign(match: re.Match[str]) -> int:
    return -1 if match["sign"] == "-" else 1


def _find_boxed(text: str) -> str | Unparsed:
    """What the last box holds that is not empty; "" where there is none."""
    matches = list(_BOX.finditer(text))
    for match in reversed(matches):
        if text[match.end()] != "{":
            # TeX's short form: `\boxed 7` boxes one token; the number that follows is meant.
            short = re.match(r"\\?\w+", text[match.end() :])
            return short[0] if short else ""
        end = _match_brace(text, match.end())
        if end is None:
            return Unparsed("unclosed_box", "The last box is not closed: the text was cut off.")
        inner = text[match.end() + 1 : end].strip()
        if inner:
            return inner
    return ""


def _match_brace(text: str, start: int) -> int | None:
    """Where the brace that opens at `start` is closed. An escaped brace is a sign, not a brace."""
    depth = 0
    position = start
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 2
            continue
        if character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                return position
        position += 1
    return None


def _find_last(pattern: re.Pattern[str], text: str) -> str:
    found = ""
    for match in pattern.finditer(text):
        found = match["answer"].strip()
    return found


def _find_phrase(text: str) -> str:
    sentence = _find_last(_PHRASE, text)
    end = _SENTENCE_END.search(sentence)
    return (sentence[: end.start()] if end else sentence).strip(" *_")


def _limit(answer: str, place: Place) -> FoundAnswer | Unparsed:
    if len(answer) > ANSWER_CHARACTERS:
        return Unparsed(
            "answer_too_long", f"The answer has more than {ANSWER_CHARACTERS:,} characters."
        )
    return FoundAnswer(answer, place)
