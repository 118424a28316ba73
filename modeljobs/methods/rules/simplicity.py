"""Redundant and circular steps: true, and to no purpose."""

from __future__ import annotations

import random
from collections.abc import Mapping

from modeljobs.methods.arithmetic import Equality
from modeljobs.methods.rules.base import (
    Edit,
    Rule,
    Source,
    choose_claim,
    choose_gap,
    close_sentence,
    cut_sentences,
    insert_step,
    is_balanced,
    write_equality,
)


def restate_step(source: Source, rng: random.Random) -> Edit:
    k = rng.randrange(len(source.steps))
    lead = rng.choice(
        [
            "To say it once more:",
            "Let us write this down again:",
            "In other words:",
            "We note this for later:",
        ]
    )
    return insert_step(
        source,
        k + 1,
        f"{lead} {source.steps[k]}",
        f"Step {k + 2} only repeats step {k + 1}; without it nothing is missing.",
    )


def add_nothing(source: Source, rng: random.Random) -> Edit:
    number, _ = source.find_pair(rng)
    position = choose_gap(source, rng)
    lead, formula = rng.choice(
        [
            ("Adding zero changes nothing:", f"{number} + 0 = {number}"),
            ("Multiplying by one changes nothing:", f"1 * {number} = {number}"),
            ("Taking nothing away changes nothing:", f"{number} - 0 = {number}"),
        ]
    )
    return insert_step(
        source,
        position,
        f"{lead} {source.write(formula)}.",
        f"Step {position + 1} states a triviality that no other step uses.",
    )


def check_by_inverse(source: Source, rng: random.Random) -> Edit | None:
    """A calculation done backwards after it was done forwards."""
    found = [(k, inverse) for k, e in source.list_equalities() if (inverse := _invert(e))]
    if not found:
        return None
    k, inverse = rng.choice(found)
    lead = rng.choice(["To check this:", "We may verify that backwards:", "The reverse holds too:"])
    return insert_step(
        source,
        k + 1,
        f"{lead} {source.write(inverse)}.",
        f"Step {k + 2} does the calculation of step {k + 1} backwards; no other step uses it.",
    )


def _invert(equality: Equality) -> str:
    """The equality solved for its left side, "" where that divides by zero or has no end."""
    left, right, result = equality.left, equality.right, equality.result
    match equality.sign:
        case "+":
            return write_equality(result, "-", right, left)
        case "-":
            return write_equality(result, "+", right, left)
        case "*":
            return write_equality(result, "/", right, left) if right else ""
        case _:
            return write_equality(result, "*", right, left)


def recall_question(source: Source, rng: random.Random) -> Edit | None:
    """A sentence of the question said again."""
    sentences = [text for text in cut_sentences(source.question) if is_balanced(text)]
    if not sentences:
        return None
    sentence = close_sentence(rng.choice(sentences))
    lead = "We were asked:" if sentence.endswith("?") else "The question says:"
    position = choose_gap(source, rng)
    return insert_step(
        source,
        position,
        f"{lead} {sentence}",
        f"Step {position + 1} only repeats a sentence of the question.",
    )


def assume_and_confirm(source: Source, rng: random.Random) -> Edit:
    k = choose_claim(source, rng)
    claim = source.steps[k]
    pair = (
        f"Take the following for granted at first: {claim}",
        f"With that granted, we obtain: {close_sentence(claim)} This agrees with what we started "
        "from, so it is established.",
    )
    return Edit(
        (*source.steps[:k], *pair, *source.steps[k + 1 :]),
        (k, k + 1),
        f"Step {k + 1} assumes the result and step {k + 2} obtains it from that assumption, so the "
        "chain returns to where it began.",
    )


def start_from_end(source: Source, rng: random.Random) -> Edit:
    """The conclusion assumed at the beginning and confirmed at the end."""
    *rest, last = source.steps
    end = len(source.steps)
    begin = rng.choice(["Suppose that we know this already:", "Let us begin with what comes out:"])
    steps = (
        f"{begin} {last}",
        *rest,
        f"As supposed at the beginning: {last}",
    )
    return Edit(
        steps,
        (0, end),
        f"Step 1 assumes the conclusion, and step {end + 1} draws it because step 1 said so.",
    )


def go_back_and_forth(source: Source, rng: random.Random) -> Edit | None:
    """From a statement to the next, back to the first, and to the second again."""
    if len(source.steps) < 2:
        return None
    k = rng.randrange(1, len(source.steps))
    before, after = source.steps[k - 1], source.steps[k]
    back = rng.choice(["From this we get back to:", "This in turn leads us back:"])
    pair = (f"{back} {before}", f"And from there, once more: {after}")
    return Edit(
        (*source.steps[: k + 1], *pair, *source.steps[k + 1 :]),
        (k + 1, k + 2),
        f"Step {k + 2} goes back to step {k} and step {k + 3} returns to step {k + 1}: the chain "
        "moves in a circle.",
    )


REDUNDANCY: Mapping[str, Rule] = {
    "restate_step": restate_step,
    "add_nothing": add_nothing,
    "check_by_inverse": check_by_inverse,
    "recall_question": recall_question,
}
CIRCULARITY: Mapping[str, Rule] = {
    "assume_and_confirm": assume_and_confirm,
    "start_from_end": start_from_end,
    "go_back_and_forth": go_back_and_forth,
}
