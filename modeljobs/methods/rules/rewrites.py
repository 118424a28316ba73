"""Correct rewrites of a solution: other ways to the same results, and other words for them.

A rewrite of the whole serves as another solution; one of a single step, claimed to be wrong, is a
decoy. All keep every step true, if the source is correct.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from modeljobs.methods.arithmetic import Equality, compute
from modeljobs.methods.rules.base import Source, splice, write_equality, write_number

# From here on there is something to take apart.
LEAST_OPERAND = 11

# Where a sentence may begin otherwise and say the same.
LEADS = ("Now,", "Next,", "Going on,", "At this point,")
OPENING_WORD = re.compile(
    r"(?P<word>So|Thus|Hence|Therefore|Then|Now|Next|Finally|Also|Similarly)(?P<comma>,?)\s"
)
# Words that begin a sentence, and are no names.
SENTENCE_START = re.compile(
    r"(?:The|We|This|These|Since|If|There|It|Let|To|By|As|In|On|For|From|Because|With|After|At|An?|"
    r"[A-Z][a-z]{2,}ing)(?=\s)"
)
SAME_WORDS = {
    "So": "Hence",
    "Thus": "Therefore",
    "Hence": "So",
    "Therefore": "Thus",
    "Then": "Next",
    "Now": "At this point",
    "Next": "Then",
    "Finally": "In the end",
    "Also": "Moreover",
    "Similarly": "In the same way",
}


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The steps after a correct rewrite, and the positions that are new or edited."""

    rule: str
    steps: tuple[str, ...]
    changed: tuple[int, ...]


# Other ways to the same results


def split_operations(source: Source, rng: random.Random) -> Rewrite | None:
    """Every calculation that allows it done in two: first the tens, then the ones."""
    return _decompose(source, "split_operations", _split)


def round_and_correct(source: Source, rng: random.Random) -> Rewrite | None:
    """Every sum and difference that allows it done with the next ten, and then corrected."""
    return _decompose(source, "round_and_correct", _round)


# What comes first, as formulas, and the operation that then gives the same result.
Parts = tuple[list[tuple[Fraction, str, Fraction]], tuple[Fraction, str, Fraction]]


def _decompose(
    source: Source, rule: str, cut: Callable[[Equality], Parts | None]
) -> Rewrite | None:
    """The solution with the first such equality of each step done in several steps."""
    parts = {}
    for k, equality in source.list_equalities():
        if k not in parts and (made := cut(equality)) is not None:
            parts[k] = equality, made
    if not parts:
        return None
    steps: list[str] = []
    changed: list[int] = []
    for k, step in enumerate(source.steps):
        if k in parts:
            equality, (first, last) = parts[k]
            for lead, part in zip(("First we have", "Also"), first, strict=False):
                changed.append(len(steps))
                steps.append(f"{lead} {_write(source, part)}.")
            changed.append(len(steps))
            step = _put_operation(step, equality, last)
        steps.append(step)
    return Rewrite(rule, tuple(steps), tuple(changed))


def _write(source: Source, part: tuple[Fraction, str, Fraction]) -> str:
    value = compute(*part)
    if value is None:
        raise ValueError("A calculation that was taken apart divides by zero.")
    return source.write(write_equality(*part, value))


def _put_operation(step: str, equality: Equality, last: tuple[Fraction, str, Fraction]) -> str:
    """The step with another left side, in the calculator's note too, and the result that it had."""
    left, sign, right = last
    for index in reversed(range(len(equality.left_spans))):
        start, end = equality.left_spans[index][0], equality.right_spans[index][1]
        written = step[slice(*equality.sign_spans[index])]
        gap = " " if step[start:end].count(" ") else ""
        new = written if sign == equality.sign else sign
        operation = f"{write_number(left)}{gap}{new}{gap}{write_number(right)}"
        step = splice(step, (start, end), operation)
    return step


def _split(equality: Equality) -> Parts | None:
    left, right = equality.left, equality.right
    if not equality.is_whole or right < LEAST_OPERAND or right % 10 == 0:
        return None
    ones = right % 10
    tens = right - ones
    match equality.sign:
        case "+" | "-":
            middle = compute(left, equality.sign, tens)
            if middle is None or middle < 0:
                return None
            return [(left, equality.sign, tens)], (middle, equality.sign, ones)
        case "*":
            return [(left, "*", tens), (left, "*", ones)], (left * tens, "+", left * ones)
        case _:
            return None


def _round(equality: Equality) -> Parts | None:
    left, right = equality.left, equality.right
    if equality.sign not in "+-" or not equality.is_whole:
        return None
    if right < LEAST_OPERAND or right % 10 == 0:
        return None
    up = right + 10 - right % 10
    middle = compute(left, equality.sign, up)
    if middle is None or middle < 0:
        return None
    back = "-" if equality.sign == "+" else "+"
    return [(left, equality.sign, up)], (middle, back, up - right)


SOLUTIONS: tuple[Callable[[Source, random.Random], Rewrite | None], ...] = (
    split_operations,
    round_and_correct,
)


# Other words for the same step


def change_places(source: Source, rng: random.Random) -> Rewrite | None:
    """The two sides of one sum or product exchanged."""
    found = [(k, e) for k, e in source.list_equalities() if e.sign in "+*" and e.left != e.right]
    if not found:
        return None
    k, equality = rng.choice(found)
    # Right to left within each writing, so that the offsets stay true.
    places = [(span, write_number(equality.right)) for span in equality.left_spans]
    places += [(span, write_number(equality.left)) for span in equality.right_spans]
    step = source.steps[k]
    for span, number in sorted(places, reverse=True):
        step = splice(step, span, number)
    return _replace("change_places", source, k, step)


def begin_otherwise(source: Source, rng: random.Random) -> Rewrite | None:
    """One step with another word at its beginning."""
    found = [(k, m) for k, text in enumerate(source.steps) if (m := OPENING_WORD.match(text))]
    if not found:
        return None
    k, match = rng.choice(found)
    other = SAME_WORDS[match["word"]] + match["comma"]
    return _replace("begin_otherwise", source, k, other + source.steps[k][match.end("comma") :])


def lead_in(source: Source, rng: random.Random) -> Rewrite | None:
    """One step with a word or two before it that say nothing."""
    found = [(k, m) for k, text in enumerate(source.steps) if (m := SENTENCE_START.match(text))]
    if not found:
        return None
    k, match = rng.choice(found)
    text = source.steps[k]
    return _replace(
        "lead_in", source, k, f"{rng.choice(LEADS)} {match[0].lower()}{text[match.end() :]}"
    )


def _replace(rule: str, source: Source, k: int, text: str) -> Rewrite:
    return Rewrite(rule, (*source.steps[:k], text, *source.steps[k + 1 :]), (k,))


REWORDINGS: tuple[Callable[[Source, random.Random], Rewrite | None], ...] = (
    change_places,
    begin_otherwise,
    lead_in,
)
