"""Steps from which something is missing, and steps that are nearly right."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

from modeljobs.methods.arithmetic import compute, find_whole_numbers
from modeljobs.methods.rules.base import (
    Edit,
    Rule,
    Source,
    choose_gap,
    cut_sentences,
    insert_step,
    is_balanced,
    put_result,
    replace_step,
    splice,
    splice_all,
    write_number,
)
from modeljobs.methods.rules.statements import NEAR_TRUTHS

# A clause that can be left out with the sentence still a sentence.
CLAUSE = re.compile(
    r",?\s(?:given that|provided that|assuming that|such that|where|if)\s"
    r"(?P<clause>[^.?!;]{3,200})(?=[.?!;]|$)",
    re.IGNORECASE,
)
LEADING_IF = re.compile(r"(?P<lead>\A|[.?!]\s)If\s(?P<clause>[^,.?!;]{3,200}),\s(?:then\s)?(?=\S)")
ADJECTIVE = re.compile(
    r"\b(?P<clause>positive|distinct|different|consecutive|non-negative|nonnegative|nonzero|"
    r"prime|even|odd|whole|fair)\s(?=(?P<noun>[a-z]{2,30}))"
)

# What is asked for, and so no condition.
TASK = re.compile(
    r"\?|^(?:Find|Compute|Determine|Evaluate|Calculate|Express|Show|Prove|Simplify|Solve|Give|Write|"
    r"Enter|Assume|Let)\b"
)

BOUNDS = (
    ("at least", "more than"),
    ("at most", "less than"),
    ("less than or equal to", "less than"),
    ("greater than or equal to", "greater than"),
    (r"\leq ", "< "),
    (r"\le ", "< "),
    (r"\geq ", "> "),
    (r"\ge ", "> "),
)
WORDS = (
    ("even", "odd"),
    ("maximum", "minimum"),
    ("largest", "smallest"),
    ("increasing", "decreasing"),
    ("positive", "negative"),
    ("before", "after"),
    ("more", "fewer"),
    ("first", "second"),
    ("radius", "diameter"),
    ("sum", "product"),
    ("divisor", "multiple"),
)
SWAPPED_WORDS = {one: other for pair in WORDS for one, other in (pair, pair[::-1])}
SWAPPED_WORD = re.compile(rf"(?<![\\\w])(?:{'|'.join(SWAPPED_WORDS)})(?!\w)")
# Not the number of the step itself.
PLAIN_NUMBER = re.compile(r"(?<!\A)(?<!\AStep )(?<![\w.,\\^{])\d{1,6}(?![\w^]|[.,]\d)")


# Something is missing


def drop_condition(source: Source, rng: random.Random) -> Edit | None:
    question = source.question
    found = [m for rule in (CLAUSE, LEADING_IF, ADJECTIVE) for m in rule.finditer(question)]
    rng.shuffle(found)
    for match in found:
        start = match.end("lead") if match.re is LEADING_IF else match.start()
        rest = question[match.end() :]
        if match.re is LEADING_IF:
            rest = rest[:1].upper() + rest[1:]
        shorter = (question[:start] + rest).strip()
        # Half a formula must neither go nor stay.
        if not shorter or not (is_balanced(match.group()) and is_balanced(shorter)):
            continue
        clause = match["clause"].strip()
        is_word = match.re is ADJECTIVE
        if is_word:
            text = f"We use here that the question is about {clause} {match['noun']}."
        else:
            text = f"We use this here: {clause}."
        return replace(
            insert_step(
                source,
                1,
                text,
                f"The question no longer says “{clause}”, and step 2 goes on as if it did.",
            ),
            question=shorter,
            # A word may be implied by the rest of the question.
            is_certain=not is_word,
        )
    return None


def drop_sentence(source: Source, rng: random.Random) -> Edit | None:
    """A sentence of the question left out, with a number that stands nowhere else in it."""
    sentences = cut_sentences(source.question)
    found = []
    for index, sentence in enumerate(sentences):
        others = " ".join((*sentences[:index], *sentences[index + 1 :]))
        if not others or TASK.search(sentence):
            continue
        # Half a formula must neither go nor stay.
        if not (is_balanced(sentence) and is_balanced(others)):
            continue
        known = _list_numbers(others)
        for number in sorted(_list_numbers(sentence) - known):
            if (k := _find_use(source, number)) is not None:
                found.append((k, number, sentence, others))
                break
    if not found:
        return None
    k, number, sentence, shorter = rng.choice(found)
    lead = rng.choice(["As we know what we need for it:", "With all that is given:"])
    return replace(
        replace_step(
            source,
            k,
            f"{lead} {source.steps[k]}",
            f"The question no longer says “{sentence}”, and step {k + 1} goes on as if it did.",
        ),
        question=shorter,
        # What a step calculates with is taken as given; what it only names, it may have found.
        is_certain=any(
            at == k and number in (equality.left, equality.right)
            for at, equality in source.list_equalities()
        ),
    )


def _find_use(source: Source, number: int) -> int | None:
    """The first step that names the number, unless it works it out itself."""
    for k, step in enumerate(source.steps):
        if number in _list_numbers(step):
            return None if re.search(rf"=\s*\D{{0,8}}{number}(?!\d)", step) else k
    return None


def _list_numbers(text: str) -> set[int]:
    return set(find_whole_numbers(text, most_digits=6))


def swap_order(source: Source, rng: random.Random) -> Edit | None:
    """A step put before the one whose result it uses."""
    found = _list_uses(source)
    if not found:
        return None
    k = rng.choice(found)
    first, second = source.steps[k], source.steps[k + 1]
    return Edit(
        (*source.steps[:k], f"To begin with: {second}", first, *source.steps[k + 2 :]),
        (k,),
        f"Step {k + 1} uses a result that is found only in step {k + 2}.",
        is_certain=False,
    )


def skip_step(source: Source, rng: random.Random) -> Edit | None:
    """A step left out whose result the next one uses."""
    found = _list_uses(source)
    if not found:
        return None
    k = rng.choice(found)
    return Edit(
        (*source.steps[:k], f"Directly from this: {source.steps[k + 1]}", *source.steps[k + 2 :]),
        (k,),
        f"Step {k + 1} uses a result that nothing before it gives.",
        is_certain=False,
    )


def _list_uses(source: Source) -> list[int]:
    """The steps with a number that is new there and used by the very next step."""
    found = []
    known = _list_numbers(source.question)
    for k in range(len(source.steps) - 1):
        here = _list_numbers(source.steps[k])
        if (here - known) & _list_numbers(source.steps[k + 1]):
            found.append(k)
        known |= here
    return found


def skip_cases(source: Source, rng: random.Random) -> Edit:
    position = choose_gap(source, rng)
    text = rng.choice(
        [
            "It is enough to look at one case; any other goes in the same way.",
            "We need not treat the special cases apart.",
            "Whatever else could happen makes no difference to this.",
        ]
    )
    return insert_step(
        source,
        position,
        text,
        f"Step {position + 1} leaves out the other cases without a reason.",
        is_certain=False,
    )


# Nearly right


def nudge_result(source: Source, rng: random.Random) -> Edit | None:
    found = source.list_equalities()
    if not found:
        return None
    k, equality = rng.choice(found)
    result = equality.result + rng.choice([-1, 1, 1, 2, 10])
    if result < 0:
        result = equality.result + 1
    return replace_step(
        source,
        k,
        put_result(source.steps[k], equality, result),
        f"Step {k + 1} gives {write_number(result)} where the value is "
        f"{write_number(equality.result)}.",
    )


def swap_digits(source: Source, rng: random.Random) -> Edit | None:
    """Two neighbouring digits of a result exchanged."""
    found = []
    for k, equality in source.list_equalities():
        digits = write_number(equality.result)
        for at in range(len(digits) - 1):
            one, other = digits[at], digits[at + 1]
            # A zero in front would be no number that anybody writes.
            if one != other and "." not in (one, other) and not (at == 0 and other == "0"):
                swapped = digits[:at] + other + one + digits[at + 2 :]
                found.append((k, equality, Fraction(swapped)))
    if not found:
        return None
    k, equality, result = rng.choice(found)
    return replace_step(
        source,
        k,
        put_result(source.steps[k], equality, result),
        f"Step {k + 1} gives {write_number(result)} where the value is "
        f"{write_number(equality.result)}: two digits changed places.",
    )


def nudge_operand(source: Source, rng: random.Random) -> Edit | None:
    """The second operand of an equality changed, its result left as it is."""
    found = source.list_equalities()
    rng.shuffle(found)
    for k, equality in found:
        right = equality.right + rng.choice([1, 2, 10])
        if compute(equality.left, equality.sign, right) == equality.result:
            # Nothing times anything, and nothing divided by it, is still nothing.
            continue
        return replace_step(
            source,
            k,
            splice_all(source.steps[k], equality.right_spans, write_number(right)),
            f"Step {k + 1} calculates with {write_number(right)} where "
            f"{write_number(equality.right)} belongs, and the two sides are not equal.",
        )
    return None


def tighten_bound(source: Source, rng: random.Random) -> Edit | None:
    found = [
        (k, old, new) for k, step in enumerate(source.steps) for old, new in BOUNDS if old in step
    ]
    if not found:
        return None
    k, old, new = rng.choice(found)
    return replace_step(
        source,
        k,
        source.steps[k].replace(old, new, 1),
        f"Step {k + 1} says “{new.strip()}” where “{old.strip()}” was meant.",
        is_certain=False,
    )


def swap_word(source: Source, rng: random.Random) -> Edit | None:
    """A word turned into its opposite, or into its neighbour."""
    found = [(k, m) for k, step in enumerate(source.steps) for m in SWAPPED_WORD.finditer(step)]
    if not found:
        return None
    k, match = rng.choice(found)
    new = SWAPPED_WORDS[match.group()]
    return replace_step(
        source,
        k,
        splice(source.steps[k], match.span(), new),
        f"Step {k + 1} says “{new}” where “{match.group()}” was meant.",
        is_certain=False,
    )


def nudge_number(source: Source, rng: random.Random) -> Edit | None:
    found = [(k, m) for k, step in enumerate(source.steps) for m in PLAIN_NUMBER.finditer(step)]
    if not found:
        return None
    k, match = rng.choice(found)
    shown = int(match.group()) + 1
    return replace_step(
        source,
        k,
        splice(source.steps[k], match.span(), str(shown)),
        f"Step {k + 1} says {shown} where {match.group()} belongs.",
        is_certain=False,
    )


def state_near_truth(source: Source, rng: random.Random) -> Edit:
    position = choose_gap(source, rng)
    return insert_step(
        source,
        position,
        source.say(NEAR_TRUTHS, rng),
        f"Step {position + 1} states a rule that is nearly true, and leaves out its exception.",
    )


OMISSIONS: Mapping[str, Rule] = {
    "drop_condition": drop_condition,
    "drop_sentence": drop_sentence,
    "swap_order": swap_order,
    "skip_step": skip_step,
    "skip_cases": skip_cases,
}
DECEPTIONS: Mapping[str, Rule] = {
    "nudge_result": nudge_result,
    "swap_digits": swap_digits,
    "nudge_operand": nudge_operand,
    "tighten_bound": tighten_bound,
    "swap_word": swap_word,
    "nudge_number": nudge_number,
    "near_truth": state_near_truth,
}
