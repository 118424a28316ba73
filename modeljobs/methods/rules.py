"""The rules that `rule_injection` applies: each makes one edit and says what is wrong there.

A rule is None where it does not fit. Each class has a rule that fits any solution.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from modeljobs.methods.arithmetic import compute, find_true_equalities, find_whole_numbers


@dataclass(frozen=True, slots=True)
class Edit:
    """What a rule did: the steps after it, and the positions that are new and wrong."""

    steps: tuple[str, ...]
    positions: tuple[int, ...]
    reason: str
    question: str | None = None
    is_certain: bool = True


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


Rule = Callable[[Source, random.Random], Edit | None]


# Redundancy and circularity: true, and to no purpose.


def _restate_step(source: Source, rng: random.Random) -> Edit:
    k = rng.randrange(len(source.steps))
    lead = rng.choice(["To say it once more:", "Let us write this down again:", "In other words:"])
    return _insert(
        source,
        k + 1,
        f"{lead} {source.steps[k]}",
        f"Step {k + 2} only repeats step {k + 1}; without it nothing is missing.",
    )


def _add_nothing(source: Source, rng: random.Random) -> Edit:
    number, _ = source.find_pair(rng)
    position = _choose_gap(source, rng)
    return _insert(
        source,
        position,
        f"Adding zero changes nothing: ${number} + 0 = {number}$.",
        f"Step {position + 1} states a triviality that no other step uses.",
    )


def _assume_and_confirm(source: Source, rng: random.Random) -> Edit:
    k = _choose_claim(source, rng)
    claim = source.steps[k]
    pair = (
        f"Take the following for granted at first: {claim}",
        f"With that granted, we obtain: {_close(claim)} This agrees with what we started from, "
        "so it is established.",
    )
    return Edit(
        (*source.steps[:k], *pair, *source.steps[k + 1 :]),
        (k, k + 1),
        f"Step {k + 1} assumes the result and step {k + 2} obtains it from that assumption, so the "
        "chain returns to where it began.",
    )


# Soundness: false, whether by fact, by rule or by the steps before.


def _flip_operator(source: Source, rng: random.Random) -> Edit | None:
    found = [(k, e) for k, step in enumerate(source.steps) for e in find_true_equalities(step)]
    rng.shuffle(found)
    swaps = {"+": "-", "-": "+", "*": "+", "/": "+"}
    for k, equality in found:
        sign = swaps[equality.sign]
        if compute(equality.left, sign, equality.right) != equality.result:
            text = _splice(source.steps[k], equality.sign_span, sign)
            return _edit(
                source,
                k,
                text,
                f"Step {k + 1} uses the wrong operation: its left side is not "
                f"{_write(equality.result)}.",
            )
    return None


FALSE_FACTS = (
    "Recall that the product of two negative numbers is negative.",
    "Recall that every multiple of $3$ is odd.",
    "It is a known fact that the angles of every triangle add up to $360^\\circ$.",
    "It is a known fact that $\\pi$ is the ratio of two whole numbers.",
    "By the usual convention, $0! = 0$.",
    "Recall that dividing by $\\frac{1}{2}$ halves a number.",
    "Recall that there are only finitely many prime numbers.",
    "It is well known that a square of a real number can be negative.",
)


def _state_false_fact(source: Source, rng: random.Random) -> Edit:
    position = _choose_gap(source, rng)
    return _insert(
        source,
        position,
        rng.choice(FALSE_FACTS),
        f"Step {position + 1} states as a known fact something that is not true.",
    )


VALUE = re.compile(
    r"(?<![\w\\}.^])(?P<name>[A-Za-z])\s*=\s*(?P<value>\d{1,6})(?![\w^_{!%/]|[.,]\d|\s*[-+*/=\\<>])"
)


def _contradict_value(source: Source, rng: random.Random) -> Edit | None:
    found = [(k, m) for k, step in enumerate(source.steps) for m in VALUE.finditer(step)]
    if not found:
        return None
    k, match = rng.choice(found)
    other = int(match["value"]) + rng.choice([1, 2, 3])
    position = rng.randint(k + 1, max(k + 1, len(source.steps) - 1))
    return _insert(
        source,
        position,
        f"Keep in mind that ${match['name']} = {other}$ here.",
        f"Step {position + 1} gives {match['name']} another value than step {k + 1}; the two "
        "cannot both hold.",
        # A letter may stand for two things in one solution.
        is_certain=len({m["value"] for _, m in found if m["name"] == match["name"]}) == 1,
    )


def _deny_step(source: Source, rng: random.Random) -> Edit:
    k = _choose_claim(source, rng)
    position = rng.randint(k + 1, max(k + 1, len(source.steps) - 1))
    return _insert(
        source,
        position,
        f"Note that the following does not hold: {source.steps[k]}",
        f"Step {position + 1} denies what step {k + 1} states; the two cannot both hold.",
    )


# Each is false for every pair of different whole numbers of 2 or more. (A logarithm's would hold
# for 2 and 2.)
MISAPPLIED_RULES = (
    r"Roots split over sums as they do over products, so $\sqrt{{{a} + {b}}} = \sqrt{{{a}}} + "
    r"\sqrt{{{b}}}$.",
    r"Squaring term by term, as is allowed modulo $2$, gives $({a} + {b})^2 = {a}^2 + {b}^2$.",
    r"Reciprocals can be added like whole numbers, so $\frac{{1}}{{{a}}} + \frac{{1}}{{{b}}} = "
    r"\frac{{1}}{{{a} + {b}}}$.",
    r"As with matrices, the order of the factors matters, so ${a} \cdot {b} \neq {b} \cdot {a}$.",
    r"Logarithms of sums split as those of products do, so $\log({a} + {b}) = "
    r"\log {a} + \log {b}$.",
)


def _misapply_rule(source: Source, rng: random.Random) -> Edit:
    a, b = source.find_pair(rng)
    position = _choose_gap(source, rng)
    return _insert(
        source,
        position,
        rng.choice(MISAPPLIED_RULES).format(a=a, b=b),
        f"Step {position + 1} applies a rule outside the domain in which it is valid.",
    )


def _assert_changed_result(source: Source, rng: random.Random) -> Edit | None:
    edit = _nudge_result(source, rng)
    if edit is None:
        return None
    (k,) = edit.positions
    lead = rng.choice(["It is beyond doubt that this holds:", "Without any need to check:"])
    steps = (*edit.steps[:k], f"{lead} {edit.steps[k]}", *edit.steps[k + 1 :])
    reason = f"Step {k + 1} states a result that does not hold, and with full certainty."
    return replace(edit, steps=steps, reason=reason)


def _assert_product(source: Source, rng: random.Random) -> Edit:
    a, b = source.find_pair(rng)
    position = _choose_gap(source, rng)
    shown = a * b + rng.choice([1, 2, 10])
    return _insert(
        source,
        position,
        f"There is no doubt at all, and nothing to check: ${a} \\cdot {b} = {shown}$.",
        f"Step {position + 1} states a product that does not hold, and with full certainty.",
    )


# Sensitivity: something is missing, or nearly right.

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


def _drop_condition(source: Source, rng: random.Random) -> Edit | None:
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
        if not shorter or not (_is_balanced(match.group()) and _is_balanced(shorter)):
            continue
        clause = match["clause"].strip()
        is_word = match.re is ADJECTIVE
        if is_word:
            text = f"We use here that the question is about {clause} {match['noun']}."
        else:
            text = f"We use this here: {clause}."
        return replace(
            _insert(
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


def _swap_order(source: Source, rng: random.Random) -> Edit | None:
    """A step put before the one whose result it uses."""
    found = []
    for k in range(len(source.steps) - 1):
        known = set(find_whole_numbers(" ".join((source.question, *source.steps[:k]))))
        new = set(find_whole_numbers(source.steps[k])) - known
        if new & set(find_whole_numbers(source.steps[k + 1])):
            found.append(k)
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


def _skip_cases(source: Source, rng: random.Random) -> Edit:
    position = _choose_gap(source, rng)
    return _insert(
        source,
        position,
        "It is enough to look at one case; any other goes in the same way.",
        f"Step {position + 1} leaves out the other cases without a reason.",
        is_certain=False,
    )


def _nudge_result(source: Source, rng: random.Random) -> Edit | None:
    found = [(k, e) for k, step in enumerate(source.steps) for e in find_true_equalities(step)]
    if not found:
        return None
    k, equality = rng.choice(found)
    result = equality.result + rng.choice([-1, 1, 1, 2, 10])
    if result < 0:
        result = equality.result + 1
    return _edit(
        source,
        k,
        _splice(source.steps[k], equality.result_span, _write(result)),
        f"Step {k + 1} gives {_write(result)} where the value is {_write(equality.result)}.",
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


def _tighten_bound(source: Source, rng: random.Random) -> Edit | None:
    found = [
        (k, old, new) for k, step in enumerate(source.steps) for old, new in BOUNDS if old in step
    ]
    if not found:
        return None
    k, old, new = rng.choice(found)
    return _edit(
        source,
        k,
        source.steps[k].replace(old, new, 1),
        f"Step {k + 1} says “{new.strip()}” where “{old.strip()}” was meant.",
        is_certain=False,
    )


# Not the number of the step itself.
PLAIN_NUMBER = re.compile(r"(?<!\A)(?<!\AStep )(?<![\w.,\\^{])\d{1,6}(?![\w^]|[.,]\d)")


def _nudge_number(source: Source, rng: random.Random) -> Edit | None:
    found = [(k, m) for k, step in enumerate(source.steps) for m in PLAIN_NUMBER.finditer(step)]
    if not found:
        return None
    k, match = rng.choice(found)
    shown = int(match.group()) + 1
    return _edit(
        source,
        k,
        _splice(source.steps[k], match.span(), str(shown)),
        f"Step {k + 1} says {shown} where {match.group()} belongs.",
        is_certain=False,
    )


NEAR_TRUTHS = (
    "Recall that every whole number greater than $0$ is either prime or composite.",
    "Recall that $\\sqrt{x^2} = x$ for every real number $x$.",
    "Recall that a number is divisible by $6$ as soon as it is divisible by $2$ or by $3$.",
    "Recall that every prime number is odd.",
    "Recall that both sides of an inequality may be multiplied by any nonzero number.",
    "Recall that a quadratic equation with real coefficients has exactly two real roots.",
)


def _state_near_truth(source: Source, rng: random.Random) -> Edit:
    position = _choose_gap(source, rng)
    return _insert(
        source,
        position,
        rng.choice(NEAR_TRUTHS),
        f"Step {position + 1} states a rule that is nearly true, and leaves out its exception.",
    )


RULES: Mapping[str, Mapping[str, Rule]] = {
    "redundency": {"restate_step": _restate_step, "add_nothing": _add_nothing},
    "circular": {"assume_and_confirm": _assume_and_confirm},
    "counterfactual": {"flip_operator": _flip_operator, "false_fact": _state_false_fact},
    "step_contradiction": {"contradict_value": _contradict_value, "deny_step": _deny_step},
    "domain_inconsistency": {"misapply_rule": _misapply_rule},
    "confidence": {"changed_result": _assert_changed_result, "wrong_product": _assert_product},
    "missing_condition": {
        "drop_condition": _drop_condition,
        "swap_order": _swap_order,
        "skip_cases": _skip_cases,
    },
    "deception": {
        "nudge_result": _nudge_result,
        "tighten_bound": _tighten_bound,
        "nudge_number": _nudge_number,
        "near_truth": _state_near_truth,
    },
}


def _insert(
    source: Source, position: int, text: str, reason: str, *, is_certain: bool = True
) -> Edit:
    steps = (*source.steps[:position], text, *source.steps[position:])
    return Edit(steps, (position,), reason, is_certain=is_certain)


def _edit(source: Source, k: int, text: str, reason: str, *, is_certain: bool = True) -> Edit:
    steps = (*source.steps[:k], text, *source.steps[k + 1 :])
    return Edit(steps, (k,), reason, is_certain=is_certain)


def _choose_gap(source: Source, rng: random.Random) -> int:
    """Where to insert: after the first step, and before the last where there is room."""
    return rng.randint(1, max(1, len(source.steps) - 1))


def _choose_claim(source: Source, rng: random.Random) -> int:
    """A step that states something: one with an equals sign, if there is one."""
    stating = [k for k, step in enumerate(source.steps) if "=" in step]
    return rng.choice(stating or range(len(source.steps)))


def _splice(text: str, span: tuple[int, int], new: str) -> str:
    return text[: span[0]] + new + text[span[1] :]


def _write(number: Fraction) -> str:
    """A fraction that has a finite decimal form, in that form."""
    if number.denominator == 1:
        return str(number.numerator)
    return f"{Decimal(number.numerator) / Decimal(number.denominator):f}"


def _close(text: str) -> str:
    """The text with a full stop, unless it ends like a sentence."""
    text = text.rstrip()
    return text if text.endswith((".", "!", "?")) else text + "."


def _is_balanced(text: str) -> bool:
    return (
        text.count("$") % 2 == 0
        and text.count("{") == text.count("}")
        and text.count(r"\(") == text.count(r"\)")
    )
