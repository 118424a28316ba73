"""The settings of a reward model's job as a person meets them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modeljobs.engines.options import Option
from modeljobs.methods.prm.families import FAMILIES, get_family
from modeljobs.methods.prm.rules import Rule
from modeljobs.methods.prm.scoring import Adapter

OPTIONS = (
    Option(
        "family",
        "choice",
        "Kind of model",
        help="How the model was trained to read solutions, and what its scores mean. A model of "
        "another kind gives numbers as well, and they mean nothing.",
        default="qwen_prm",
        choices=tuple((family.name, family.title) for family in FAMILIES.values()),
    ),
    Option(
        "rule",
        "choice",
        "What makes a step wrong",
        help="Skywork's published figures compare each score with that of the step before; those "
        "of the others are for the score by itself.",
        default="published",
        choices=(
            ("published", "As published for the kind of model"),
            ("threshold", "A score that is too low"),
            ("difference", "A score that is too much lower than the one before"),
        ),
    ),
    Option(
        "threshold",
        "float",
        "Right above",
        help="On the model's own scale. Empty for the published one; it decides more than the "
        "model does.",
        minimum=-1000,
        maximum=1000,
    ),
    Option(
        "redundancy_threshold",
        "float",
        "Redundant above",
        help="For ReasonEval alone. Empty for the published 0.15.",
        minimum=0,
        maximum=1,
    ),
)


def build_adapter(settings: Mapping[str, Any]) -> Adapter:
    """The family and the rules that the settings name, after `validate_options`."""
    family = get_family(settings["family"])
    rule = _choose_rule(settings["rule"], family.scale, family.rule)
    if settings["threshold"] is not None:
        rule = Rule(rule.kind, settings["threshold"])
    redundancy = family.redundancy_rule
    if redundancy is not None and settings["redundancy_threshold"] is not None:
        redundancy = Rule(redundancy.kind, settings["redundancy_threshold"])
    return Adapter(family, rule, redundancy)


def _choose_rule(wanted: str, scale: str, published: Rule) -> Rule:
    """The rule of that kind; where none was published, with the threshold of other families."""
    if wanted in ("published", published.kind):
        return published
    if wanted == "difference":
        return Rule("difference", -0.05)
    return Rule("threshold", 0.5 if scale == "probability" else 0.0)
