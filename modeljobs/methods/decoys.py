"""Claims whose right verdict is known: what rules made, and decoys for a careful reader to refuse.

A decoy is a claim that looks as any other and is not right: an unmodified or merely reworded step
that is said to be wrong, flags that point one step too far, a "correct" other solution with a wrong
step. Seeded among honest claims they show who verifies and who agrees.

The truth is for the workbench alone. It must reach nobody who is to judge the claim; nothing in the
claim itself, its reason included, may tell a decoy from an honest one.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from modeljobs.methods.rule_injection import MULTI_SOLUTIONS, RuleInjection, inject_by_rule
from modeljobs.methods.rules import REWORDINGS, Source

KnownVerdict = Literal["accept", "reject", "accept_with_edits"]

COPY = "copy"
REWORDED = "reworded"
SHIFTED = "shifted"
DECOYS = (REWORDED, SHIFTED, COPY)

STEP_NUMBER = re.compile(r"(?P<word>[Ss]tep )(?P<number>\d+)")

# What is said of a step in which nothing is wrong, as it would be said of one where something is.
REASONS = {
    "redundency": "Step {n} only repeats what is known before it; without it nothing is missing.",
    "circular": "Step {n} takes for granted what it is meant to show.",
    "counterfactual": "Step {n} states as a known fact something that is not true.",
    "step_contradiction": "Step {n} and the steps before it cannot both hold.",
    "domain_inconsistency": "Step {n} applies a rule outside the domain in which it is valid.",
    "confidence": "Step {n} states a result that does not hold, and with full certainty.",
    "missing_condition": "Step {n} goes on as if the question said more than it does.",
    "deception": "Step {n} states something that is nearly true, and not quite.",
}


@dataclass(frozen=True, slots=True)
class KnownTruth:
    """What is right to say of a claim. Positions are 0-based in the modified steps.

    `is_certain` as in `rule_injection`: False where a person should look before others are measured
    against it.
    """

    verdict: KnownVerdict
    error_positions: tuple[int, ...]
    error_type: str
    is_certain: bool
    rule: str

    def pack(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict,
            "error_positions": list(self.error_positions),
            "error_type": self.error_type,
            "certain": self.is_certain,
            "rule": self.rule,
        }


@dataclass(frozen=True, slots=True)
class Claim:
    """A modified solution with what is claimed of it, and the truth."""

    error_type: str
    question: str
    steps: tuple[str, ...]
    error_positions: tuple[int, ...]
    changed_positions: tuple[int, ...]
    reason: str
    truth: KnownTruth


def claim_honestly(made: RuleInjection) -> Claim:
    """What a rule made, claimed as it is."""
    truth = KnownTruth("accept", made.error_positions, made.error_type, made.is_certain, made.rule)
    return _claim(made, made.error_positions, made.reason, truth)


def make_decoy(
    question: str,
    steps: Sequence[str],
    *,
    error_type: str,
    kind: str,
    seed: int | str,
    other_solution: Sequence[str] | None = None,
    certain_only: bool = False,
) -> Claim | None:
    """A wrong claim of this kind about a correct solution, or None where the kind does not fit.

    `steps` are those of a correct solution. A solution in which nothing may be wrong
    (multi_solutions) has no flags to shift: its decoys are copies, and second solutions with a
    wrong step.
    """
    if kind not in DECOYS:
        raise ValueError(f"There is no decoy {kind!r}; there are {', '.join(DECOYS)}.")
    if not steps:
        return None
    rng = random.Random(f"decoy:{kind}:{error_type}:{seed}")  # noqa: S311 (not a secret)
    source = Source(question, tuple(steps))
    if kind == COPY:
        return _claim_copy(source, error_type, rng)
    if error_type == MULTI_SOLUTIONS:
        return _claim_wrong_solution(source, tuple(other_solution or ()), rng)
    if kind == REWORDED:
        return _claim_reworded(source, error_type, rng, certain_only=certain_only)
    made = inject_by_rule(
        question, steps, error_type=error_type, seed=seed, certain_only=certain_only
    )
    return None if made is None else _shift(made, rng)


def _claim_copy(source: Source, error_type: str, rng: random.Random) -> Claim:
    """The very solution there was, with a flag in it."""
    flags = () if error_type == MULTI_SOLUTIONS else (rng.randrange(len(source.steps)),)
    return _claim_rightness(source, source.steps, error_type, flags, COPY, is_certain=True)


def _claim_reworded(
    source: Source, error_type: str, rng: random.Random, *, certain_only: bool
) -> Claim | None:
    """A step said in other words, and called wrong."""
    for reword in rng.sample(REWORDINGS, len(REWORDINGS)):
        made = reword(source, rng)
        if made is None:
            continue
        # Of a step that nothing builds on, one may well say that nothing is missing without it.
        is_certain = error_type != "redundency" or _is_built_on(source, made.changed[0])
        if is_certain or not certain_only:
            rule = f"{REWORDED}:{made.rule}"
            return _claim_rightness(
                source, made.steps, error_type, made.changed, rule, is_certain=is_certain
            )
    return None


def _is_built_on(source: Source, k: int) -> bool:
    """Does a later step calculate with what this one calculates?"""
    results = {equality.result for at, equality in source.list_equalities() if at == k}
    return any(
        at > k and {equality.left, equality.right} & results
        for at, equality in source.list_equalities()
    )


def _claim_wrong_solution(
    source: Source, other: tuple[str, ...], rng: random.Random
) -> Claim | None:
    """Another way to the answer, with a wrong step in it, claimed to be right."""
    seed = rng.getrandbits(32)
    presented = inject_by_rule(
        source.question,
        source.steps,
        error_type=MULTI_SOLUTIONS,
        seed=seed,
        other_solution=other,
    )
    if presented is None:
        return None
    made = inject_by_rule(
        source.question,
        presented.modified_steps,
        error_type="deception",
        seed=seed,
        certain_only=True,
    )
    if made is None:
        return None
    known = set(source.steps)
    return Claim(
        error_type=MULTI_SOLUTIONS,
        question=source.question,
        steps=made.modified_steps,
        error_positions=(),
        changed_positions=tuple(
            k for k, step in enumerate(made.modified_steps) if step not in known
        ),
        reason="",
        truth=KnownTruth("reject", made.error_positions, "deception", True, f"wrong:{made.rule}"),
    )


def _claim_rightness(
    source: Source,
    steps: tuple[str, ...],
    error_type: str,
    flags: tuple[int, ...],
    rule: str,
    *,
    is_certain: bool,
) -> Claim:
    """Flags on steps that are right."""
    reason = REASONS[error_type].format(n=flags[0] + 1) if flags else ""
    truth = KnownTruth("reject", (), error_type, is_certain, rule)
    return Claim(error_type, source.question, steps, flags, flags, reason, truth)


def _shift(made: RuleInjection, rng: random.Random) -> Claim | None:
    """The claim of somebody who counted one too many or too few."""
    for by in rng.sample((1, -1), 2):
        flags = tuple(position + by for position in made.error_positions)
        is_inside = all(0 <= position < len(made.modified_steps) for position in flags)
        # What still falls on changed steps alone is no mistake that anybody could see.
        if is_inside and not set(flags) <= set(made.changed_positions):
            reason = _shift_numbers(made.reason, by)
            truth = KnownTruth(
                "accept_with_edits",
                made.error_positions,
                made.error_type,
                made.is_certain,
                f"{SHIFTED}:{made.rule}",
            )
            return _claim(made, flags, reason, truth)
    return None


def _shift_numbers(reason: str, by: int) -> str:
    return STEP_NUMBER.sub(lambda found: f"{found['word']}{int(found['number']) + by}", reason)


def _claim(made: RuleInjection, flags: tuple[int, ...], reason: str, truth: KnownTruth) -> Claim:
    return Claim(
        error_type=made.error_type,
        question=made.modified_question,
        steps=made.modified_steps,
        error_positions=flags,
        changed_positions=made.changed_positions,
        reason=reason,
        truth=truth,
    )
