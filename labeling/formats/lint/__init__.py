"""The lints of an injection: what can be found wrong before a person looks at it.

    context = LintContext.build(solutions)
    for solution in solutions:
        for lint in lint_injection(solution, context=context):
            print(lint.code, lint.message)

`rules` is the catalogue, `checks` has a function for each code, `facts` what they ask of an
injection, `texts` what they read off texts, `context` what they know of the other injections.
"""

from __future__ import annotations

from labeling.formats.lint.checks import CHECKS
from labeling.formats.lint.context import LintContext
from labeling.formats.lint.facts import gather_facts
from labeling.formats.lint.rules import (
    LINTS,
    Fix,
    Lint,
    LintRule,
    Severity,
    has_blocking,
    pack_fix,
)
from labeling.records import Solution

__all__ = [
    "LINTS",
    "Fix",
    "Lint",
    "LintContext",
    "LintRule",
    "Severity",
    "has_blocking",
    "lint_injection",
    "pack_fix",
]


def lint_injection(solution: Solution, *, context: LintContext | None = None) -> tuple[Lint, ...]:
    """The lints of a solution's injection, in the order of the catalogue and then of the steps.

    Without a context nothing is compared with other injections.
    """
    if solution.injection is None:
        return (Lint("E01", LINTS["E01"].messages[0], field="injection"),)
    facts = gather_facts(solution, solution.injection, context or LintContext.build())
    order = {code: index for index, code in enumerate(LINTS)}
    found = [lint for check in CHECKS for lint in check(facts)]
    return tuple(sorted(found, key=lambda lint: order[lint.code]))
