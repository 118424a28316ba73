"""What a rule is given and what it gives back, and the small edits that all rules are made of."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from labeling.mathtext import MathRun, split_math
from modeljobs.methods.arithmetic import Equality, find_true_equalities, find_whole_numbers

# A sentence ends here; "3.5" and "e.g. this" go on.
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z$\\])")

FORMULA = re.compile(r"\$([^$]*)\$")


@dataclass(frozen=True, slots=True)
class Edit:
    """What a rule did: the steps after it, and the positions that are wrong or superfluous.

    `changed` are the positions that are new or edited, where these are others than `positions`.
    """

    steps: tuple[str, ...]
    positions: tuple[int, ...]
    reason: str
    question: str | None = None
    is_certain: bool = True
    changed: tuple[int, ...] | None = None

    @property
    def changed_positions(self) -> tuple[int, ...]:
        return self.positions if self.changed is None else self.changed


@dataclass(frozen=True, slots=True)
class Source:
    """A correct solution."""

    question: str
    steps: tuple[str, ...]

    def find_pair(self, rng: random.Random) -> tuple[int, int]:
        """Two different numbers of 2 or more that occur in the solution, or a small pair."""
        numbers = find_whole_numbers(" ".join((self.question, *self.steps)))
        if len(numbers) < 2:
            return 3, 5
        first, second = rng.sample(numbers, 2)
        return first, second

    def list_equalities(self) -> list[tuple[int, Equality]]:
        """Each equality that can be checked, with the position of its step."""
        return list(_list_equalities(self.steps))

    def write(self, formula: str) -> str:
        """The formula as this solution writes formulas: a foreign sign would give it away."""
        opening, closing = _find_delimiters((self.question, *self.steps))
        if opening:
            formula = formula.replace(" * ", r" \cdot ")
        return f"{opening}{formula}{closing}"

    def say(self, statements: Sequence[str], rng: random.Random) -> str:
        """One of the statements, with its formulas written as this solution writes them.

        A solution without formulas gets one without commands, if there is one.
        """
        is_plain = not self.write("")
        fitting = [text for text in statements if "\\" not in text] if is_plain else statements
        chosen = rng.choice(fitting or statements)
        if is_plain and "\\" in chosen:
            return chosen
        return FORMULA.sub(lambda found: self.write(found[1]), chosen)


Rule = Callable[[Source, random.Random], Edit | None]


@lru_cache(maxsize=64)
def _list_equalities(steps: tuple[str, ...]) -> tuple[tuple[int, Equality], ...]:
    return tuple(
        (k, equality) for k, step in enumerate(steps) for equality in find_true_equalities(step)
    )


@lru_cache(maxsize=64)
def _find_delimiters(texts: tuple[str, ...]) -> tuple[str, str]:
    for text in texts:
        for run in split_math(text):
            if isinstance(run, MathRun) and run.source.startswith(("$", r"\(")):
                return ("$", "$") if run.source[0] == "$" else (r"\(", r"\)")
    return "", ""


# Edits


def insert_step(
    source: Source, position: int, text: str, reason: str, *, is_certain: bool = True
) -> Edit:
    steps = (*source.steps[:position], text, *source.steps[position:])
    return Edit(steps, (position,), reason, is_certain=is_certain)


def replace_step(
    source: Source, k: int, text: str, reason: str, *, is_certain: bool = True
) -> Edit:
    steps = (*source.steps[:k], text, *source.steps[k + 1 :])
    return Edit(steps, (k,), reason, is_certain=is_certain)


def splice(text: str, span: tuple[int, int], new: str) -> str:
    return text[: span[0]] + new + text[span[1] :]


def splice_all(text: str, spans: Sequence[tuple[int, int]], new: str) -> str:
    """The text with `new` in each of the places, which do not overlap."""
    for span in sorted(spans, reverse=True):
        text = splice(text, span, new)
    return text


def put_result(text: str, equality: Equality, result: Fraction) -> str:
    """The step with another result in its equality, in the calculator's note too."""
    return splice_all(text, equality.result_spans, write_number(result))


def put_sign(text: str, equality: Equality, sign: str) -> str:
    return splice_all(text, equality.sign_spans, sign)


# Choices


def choose_gap(source: Source, rng: random.Random) -> int:
    """Where to insert: after the first step, and before the last where there is room."""
    return rng.randint(1, max(1, len(source.steps) - 1))


def choose_after(source: Source, k: int, rng: random.Random) -> int:
    """Where to insert after step k, and before the last step where there is room."""
    return rng.randint(k + 1, max(k + 1, len(source.steps) - 1))


def choose_claim(source: Source, rng: random.Random) -> int:
    """A step that states something: one with an equals sign, if there is one."""
    stating = [k for k, step in enumerate(source.steps) if "=" in step]
    return rng.choice(stating or range(len(source.steps)))


# Texts


def write_number(number: Fraction) -> str:
    """A fraction that has a finite decimal form, in that form."""
    if number.denominator == 1:
        return str(number.numerator)
    return f"{Decimal(number.numerator) / Decimal(number.denominator):f}"


def write_equality(left: Fraction, sign: str, right: Fraction, result: Fraction) -> str:
    return f"{write_operation(left, sign, right)} = {write_number(result)}"


def write_operation(left: Fraction, sign: str, right: Fraction) -> str:
    return f"{write_number(left)} {sign} {write_number(right)}"


def close_sentence(text: str) -> str:
    """The text with a full stop, unless it ends like a sentence."""
    text = text.rstrip()
    return text if text.endswith((".", "!", "?")) else text + "."


def is_balanced(text: str) -> bool:
    """Does the text hold whole formulas only? Half a one must neither go nor stay."""
    return (
        text.count("$") % 2 == 0
        and text.count("{") == text.count("}")
        and text.count(r"\(") == text.count(r"\)")
        and text.count(r"\[") == text.count(r"\]")
    )


def cut_sentences(text: str) -> list[str]:
    """The sentences of a text, as far as they can be told apart by rule; joined by spaces they are
    the text again.
    """
    return [sentence for sentence in SENTENCE_END.split(text.strip()) if sentence]
