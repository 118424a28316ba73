"""What the lints ask of one injection, computed once."""

from __future__ import annotations

from dataclasses import dataclass

from labeling.alignment import StepPair, align_steps, normalise_text, positions_changed_in
from labeling.formats.lint.context import LintContext
from labeling.records import Injection, Solution


@dataclass(frozen=True, slots=True)
class Facts:
    """What the lints ask of one injection, computed once.

    `errors` and `declared` are the claimed positions that are whole numbers, as given; `flagged`
    are those of the errors that exist.
    """

    solution: Solution
    injection: Injection
    context: LintContext
    original: tuple[str, ...]
    modified: tuple[str, ...]
    errors: frozenset[int]
    declared: frozenset[int]
    flagged: frozenset[int]
    pairs: tuple[StepPair, ...]
    changed: frozenset[int]
    question_changed: bool

    @property
    def has_error(self) -> bool:
        return self.injection.error_type not in self.context.no_error

    def is_inside(self, position: int) -> bool:
        return 0 <= position < len(self.modified)


def gather_facts(solution: Solution, injection: Injection, context: LintContext) -> Facts:
    """Everything the lints ask of an injection, with its steps aligned to the original's."""
    original = injection.original_steps
    modified = tuple(step.text for step in solution.steps)
    pairs = tuple(align_steps(original, modified))
    errors = frozenset(filter(is_whole, injection.claimed_error_positions))
    return Facts(
        solution=solution,
        injection=injection,
        context=context,
        original=original,
        modified=modified,
        errors=errors,
        declared=frozenset(filter(is_whole, injection.claimed_changed_positions)),
        flagged=frozenset(position for position in errors if 0 <= position < len(modified)),
        pairs=pairs,
        changed=frozenset(positions_changed_in(pairs)),
        question_changed=(
            normalise_text(injection.original_problem) != normalise_text(solution.problem.text)
        ),
    )


def is_whole(position: object) -> bool:
    """Can this name a step? A truth value is a number to Python alone."""
    return isinstance(position, int) and not isinstance(position, bool)
