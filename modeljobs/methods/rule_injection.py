"""Errors put into a correct solution by rule, with no model: seeded edits whose truth is known.

Used by the method `rule_injection` and the scripted engine, for gold items, and in tests. The nine
classes are those of PRMBench (Song et al. 2025). A rule edits or inserts one or two steps and
leaves the rest alone, so that what it flags is what is wrong there itself; later steps are not
rewritten to carry the error on. Positions are 0-based in the modified steps.

`is_certain` is true where the claim follows from the edit alone, if the source is correct: an
equality that was checked before it was changed, a statement that is false whatever the problem, a
repetition. Elsewhere a person should look first.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from modeljobs.methods.rules import RULES, SOLUTIONS, Source

MULTI_SOLUTIONS = "multi_solutions"
INJECTED_CLASSES = tuple(RULES)
ALL_CLASSES = (*INJECTED_CLASSES, MULTI_SOLUTIONS)
OTHER_SOLUTION = "other_solution"


@dataclass(frozen=True, slots=True)
class RuleInjection:
    """A modified solution and the truth about it."""

    error_type: str
    rule: str
    modified_question: str
    modified_steps: tuple[str, ...]
    error_positions: tuple[int, ...]
    changed_positions: tuple[int, ...]
    reason: str
    is_certain: bool = True


def inject_by_rule(
    question: str,
    steps: Sequence[str],
    *,
    error_type: str,
    seed: int | str,
    other_solution: Sequence[str] | None = None,
    certain_only: bool = False,
) -> RuleInjection | None:
    """The solution with an error of this class, or None where no rule fits.

    For the eight injected classes some rule fits any solution with at least one step. The class
    multi_solutions has no error: it presents `other_solution`, another correct one, and without it
    does the calculations in another way, where there are any. The same arguments give the same
    injection.
    """
    if error_type not in ALL_CLASSES:
        known = ", ".join(ALL_CLASSES)
        raise ValueError(f"There is no error class {error_type!r}; the classes are {known}.")
    if not steps:
        return None
    rng = random.Random(f"rule:{error_type}:{seed}")  # noqa: S311 (not a secret)
    source = Source(question, tuple(steps))
    if error_type == MULTI_SOLUTIONS:
        return _present_other_solution(source, tuple(other_solution or ()), rng)
    rules = list(RULES[error_type].items())
    rng.shuffle(rules)
    for name, rule in rules:
        edit = rule(source, rng)
        if edit is None or (certain_only and not edit.is_certain):
            continue
        return RuleInjection(
            error_type=error_type,
            rule=name,
            modified_question=question if edit.question is None else edit.question,
            modified_steps=edit.steps,
            error_positions=edit.positions,
            changed_positions=edit.changed_positions,
            reason=edit.reason,
            is_certain=edit.is_certain,
        )
    return None


def _present_other_solution(
    source: Source, other: tuple[str, ...], rng: random.Random
) -> RuleInjection | None:
    if other and other != source.steps:
        known = set(source.steps)
        changed = tuple(k for k, step in enumerate(other) if step not in known)
        return _claim_no_error(source, OTHER_SOLUTION, other, changed)
    for rule in rng.sample(SOLUTIONS, len(SOLUTIONS)):
        if (made := rule(source, rng)) is not None:
            return _claim_no_error(source, made.rule, made.steps, made.changed)
    return None


def _claim_no_error(
    source: Source, rule: str, steps: tuple[str, ...], changed: tuple[int, ...]
) -> RuleInjection:
    return RuleInjection(
        error_type=MULTI_SOLUTIONS,
        rule=rule,
        modified_question=source.question,
        modified_steps=steps,
        error_positions=(),
        changed_positions=changed,
        reason="",
    )
