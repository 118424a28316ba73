"""`rule_injections_per_s`, `lints_per_s`: injections made by rule, and linted among one another.

Generated solutions, all nine classes, one process on one core. `context_ms` in the line of lints
is what each injection adds to the knowledge of the others that it is compared with.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.benchmarks.job_figures import JobFigure


@dataclass(frozen=True, slots=True)
class Size:
    injections: int


FULL = Size(10_000)
QUICK = Size(300)


def measure(size: Size) -> Iterator[JobFigure]:
    """Injections a second, and lints of whole injections a second (every check of the catalogue).

    Seconds are those of the processor: another job on the machine does not count.
    """
    from labeling.formats.lint import LintContext, lint_injection
    from modeljobs.methods.rule_injection import ALL_CLASSES, inject_by_rule
    from tests.modeljobs.methods.rule_sources import make_chains
    from tests.modeljobs.methods.test_rules_many import Made

    chains = make_chains(size.injections // len(ALL_CLASSES) + 1)
    start = time.process_time()
    found = [
        Made(chain, injection)
        for chain in chains
        for error_type in ALL_CLASSES
        if (
            injection := inject_by_rule(
                chain.question,
                chain.steps,
                error_type=error_type,
                seed=chain.name,
                other_solution=chain.other,
            )
        )
    ]
    made_s = time.process_time() - start
    yield JobFigure(
        "rule_injections_per_s", len(found) / made_s, "1/s", more={"injections": len(found)}
    )
    records = [one.record for one in found]
    start = time.process_time()
    context = LintContext.build(records)
    context_s = time.process_time() - start
    start = time.process_time()
    lints = [lint_injection(record, context=context) for record in records]
    lint_s = time.process_time() - start
    yield JobFigure(
        "lints_per_s",
        len(records) / lint_s,
        "1/s",
        more={
            "injections": len(records),
            "context_ms": 1e3 * context_s / len(records),
            "lints": sum(map(len, lints)),
        },
    )
