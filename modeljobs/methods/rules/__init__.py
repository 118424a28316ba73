"""The rules that `rule_injection` applies: each makes one edit and says what is wrong there.

A rule is None where it does not fit. Each class has a rule that fits any solution. `base` has what
all rules share, `simplicity`, `soundness` and `sensitivity` the rules of PRMBench's three groups of
classes, `statements` the sentences that need no problem, `rewrites` what stays correct.
"""

from __future__ import annotations

from collections.abc import Mapping

from modeljobs.methods.rules.base import Edit, Rule, Source
from modeljobs.methods.rules.rewrites import REWORDINGS, SOLUTIONS, Rewrite
from modeljobs.methods.rules.sensitivity import DECEPTIONS, OMISSIONS
from modeljobs.methods.rules.simplicity import CIRCULARITY, REDUNDANCY
from modeljobs.methods.rules.soundness import CERTAINTIES, CONTRADICTIONS, DOMAINS, FACTS
from modeljobs.methods.rules.statements import FALSE_FACTS, MISAPPLIED_RULES, NEAR_TRUTHS

__all__ = [
    "FALSE_FACTS",
    "MISAPPLIED_RULES",
    "NEAR_TRUTHS",
    "REWORDINGS",
    "RULES",
    "SOLUTIONS",
    "Edit",
    "Rewrite",
    "Rule",
    "Source",
]

RULES: Mapping[str, Mapping[str, Rule]] = {
    "redundency": REDUNDANCY,
    "circular": CIRCULARITY,
    "counterfactual": FACTS,
    "step_contradiction": CONTRADICTIONS,
    "domain_inconsistency": DOMAINS,
    "confidence": CERTAINTIES,
    "missing_condition": OMISSIONS,
    "deception": DECEPTIONS,
}
