"""The catalogue of lints: what is checked of an injection before a person sees it.

After the audit of PRMBench's 6,216 records, in which every one of these defects occurs. `block`
stops a release until somebody has repaired or rejected the injection; `warn` is a hint to the
reviewer, and may be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from labeling.content import Edit
from labeling.records import EMPTY

# A fix is an edit that a reviewer can take over with one key; its words are those of a verdict.
Fix = Edit


class Severity(StrEnum):
    BLOCK = "block"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class LintRule:
    """One entry of the catalogue. `messages` are all templates its lints may carry."""

    code: str
    severity: Severity
    title: str
    description: str
    messages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lint:
    """One finding. `template` with `params` (printf names, steps counted from 1) is the message.

    The template is the text to translate. `step` is a position (from 0) in the modified solution,
    None where the finding is about all of it; `field` says where in the record it lies.
    """

    code: str
    template: str
    params: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    step: int | None = None
    field: str = ""
    fix: Fix | None = None

    @property
    def severity(self) -> Severity:
        return LINTS[self.code].severity

    @property
    def blocks(self) -> bool:
        return self.severity is Severity.BLOCK

    @property
    def message(self) -> str:
        return self.template % dict(self.params)

    def pack(self) -> dict[str, Any]:
        """The lint as JSON-ready data, message included."""
        return {
            "code": self.code,
            "severity": str(self.severity),
            "message": self.message,
            "template": self.template,
            "params": dict(self.params),
            "step": self.step,
            "field": self.field,
            "fix": None if self.fix is None else pack_fix(self.fix),
        }


def pack_fix(fix: Fix) -> dict[str, Any]:
    """The edit as a verdict's document holds it: only what the operation uses."""
    packed: dict[str, Any] = {"op": fix.op}
    if fix.position is not None:
        packed["position"] = fix.position
    if fix.text:
        packed["text"] = fix.text
    if fix.by is not None:
        packed["by"] = fix.by
    return packed


def _rule(code: str, severity: Severity, title: str, description: str, *messages: str) -> LintRule:
    return LintRule(code, severity, title, description, messages)


_RULES = (
    _rule(
        "E01",
        Severity.BLOCK,
        "Something is missing",
        "The record lacks a part that every injection has: a claim, an error type, the question, "
        "the original steps or the modified steps.",
        "The record has no claim: which steps are wrong, and in what way.",
        "The claim names no error type.",
        "The modified question is empty.",
        "The modified solution has no steps.",
        "There are no original steps to compare with.",
    ),
    _rule(
        "E02",
        Severity.BLOCK,
        "A step number is no whole number",
        "Claimed steps are numbers. A text, a fraction or a truth value cannot name a step.",
        "A claimed step is not a whole number: %(values)s.",
    ),
    _rule(
        "E03a",
        Severity.BLOCK,
        "An error step is not there",
        "The claim flags a step before the first or after the last one.",
        "The claim flags steps that are not there: %(steps)s. The solution ends with step "
        "%(last)d.",
    ),
    _rule(
        "E03b",
        Severity.BLOCK,
        "A modified step is not there",
        "The list of modified steps names one before the first or after the last one.",
        "The list of modified steps names steps that are not there: %(steps)s. The solution ends "
        "with step %(last)d.",
    ),
    _rule(
        "E04",
        Severity.BLOCK,
        "No error step",
        "Every type but a second solution claims at least one wrong step.",
        "The claim says %(type)s but flags no step.",
    ),
    _rule(
        "E05",
        Severity.BLOCK,
        "Nothing was modified",
        "The modified steps are the original ones, so there is no injected error to verify.",
        "The modified solution is the original one, word for word.",
    ),
    _rule(
        "E06",
        Severity.BLOCK,
        "A blank step",
        "A step that shows nothing cannot be judged.",
        "Step %(step)d is blank.",
        "Original step %(step)d is blank.",
    ),
    _rule(
        "E07",
        Severity.BLOCK,
        "The same problem and type twice",
        "Error type and problem id together name an injection; evaluations keep only the first.",
        "There are %(count)d injections of type %(type)s for problem %(problem)s.",
    ),
    _rule(
        "E08",
        Severity.BLOCK,
        "An error where none may be",
        "A second solution is correct from start to end, so it cannot have error steps.",
        "The claim says %(type)s, which has no error, and flags steps %(steps)s.",
    ),
    _rule(
        "W11",
        Severity.WARN,
        "An error step is not listed as modified",
        "Error steps are a part of the modified steps; here one list contradicts the other.",
        "Flagged as errors but not listed as modified: steps %(steps)s.",
    ),
    _rule(
        "W12",
        Severity.WARN,
        "The list of modified steps is not right",
        "The listed steps and those that really differ from the original are not the same. The "
        "list is computed again when a release is written.",
        "Changed but not listed: steps %(unlisted)s.",
        "Listed as modified but unchanged: steps %(unchanged)s.",
        "Changed but not listed: steps %(unlisted)s. Listed but unchanged: steps %(unchanged)s.",
    ),
    _rule(
        "W13",
        Severity.WARN,
        "A flagged step is unchanged",
        "The step stands in the original too, and the question is the same: either the original "
        "is wrong or the flag is. Not checked for contradictions, which need an unchanged side.",
        "Step %(step)d is flagged but says the same as original step %(original)d.",
    ),
    _rule(
        "W14",
        Severity.WARN,
        "The flags look shifted by one",
        "Not all flagged steps are new, but all of them would be if the flags were moved by one: "
        "the steps were counted before something was inserted.",
        "Moved by %(by)s, the flags would fall on changed steps only: %(steps)s.",
        "Moved by one, up or down, the flags (%(steps)s) would fall on changed steps only.",
    ),
    _rule(
        "W15",
        Severity.WARN,
        "Reason and flags do not fit",
        "The reason names steps by number, and none of them is flagged.",
        "The reason speaks of steps %(named)s; flagged are steps %(steps)s.",
    ),
    _rule(
        "W16",
        Severity.WARN,
        "Every step is flagged",
        "An injection is a local error in a solution that is right elsewhere.",
        "All %(count)d steps are flagged as errors.",
    ),
    _rule(
        "W17",
        Severity.WARN,
        "The question was changed",
        "The steps are to be judged against the modified question.",
        "The question was changed. Judge the steps against the modified question.",
    ),
    _rule(
        "W18",
        Severity.WARN,
        "The original was not copied faithfully",
        "The original steps differ from their source, or from what most injections into the same "
        "solution have. The source is what counts.",
        "The original steps differ from their source, first at step %(step)d.",
        "The original steps differ from those of %(count)d other injections into this solution.",
    ),
    _rule(
        "W19",
        Severity.WARN,
        "A heading was left in a step",
        "The layout of a prompt (# Answer) ended up in a step.",
        "Step %(step)d contains the heading %(found)s, which is left over from a prompt.",
        "Original step %(step)d contains the heading %(found)s, which is left over from a prompt.",
    ),
    _rule(
        "W20",
        Severity.WARN,
        "The LaTeX is broken",
        "A dollar, a brace or a bracket without its partner, or a backslash that was lost, so that "
        "the step does not show as it was meant.",
        "Step %(step)d has a dollar sign without a partner.",
        "Step %(step)d has a brace without a partner.",
        "Step %(step)d has a bracket of a formula (\\\\( or \\\\[) without a partner.",
        "Step %(step)d has a \\left, \\right, \\begin or \\end without its partner.",
        "Step %(step)d has lost a backslash: %(found)s.",
        "The question has a dollar sign without a partner.",
        "The question has a brace without a partner.",
        "The question has a bracket of a formula (\\\\( or \\\\[) without a partner.",
        "The question has a \\left, \\right, \\begin or \\end without its partner.",
        "The question has lost a backslash: %(found)s.",
    ),
    _rule(
        "W21",
        Severity.WARN,
        "The error announces itself",
        "A changed step calls itself wrong, so that a model could find it without understanding.",
        "Step %(step)d gives itself away: “%(found)s”.",
    ),
    _rule(
        "W22",
        Severity.WARN,
        "The final answer is another one",
        "Redundant and circular steps leave the answer as it is, and a second solution has the "
        "same one. Answers are read from the last steps by rule and may be read wrongly.",
        "The original ends with %(answer)s, which the end of the modified solution does not "
        "contain; type %(type)s keeps the answer.",
    ),
    _rule(
        "W23",
        Severity.WARN,
        "A later step may inherit the error",
        "A step that is not flagged uses a result that first appears in a flagged one. Whether "
        "inherited errors are flagged is for the guidelines to say.",
        "Step %(step)d uses %(result)s, which comes from the flagged step %(source)d.",
    ),
    _rule(
        "W24",
        Severity.WARN,
        "Nearly the same as another injection",
        "The changed steps are nearly those of another injection into the same problem, or into "
        "one that is worded nearly alike.",
        "The changes are %(percent)d %% the same as those of injection %(other)s.",
    ),
)

LINTS: Mapping[str, LintRule] = MappingProxyType({rule.code: rule for rule in _RULES})


def has_blocking(lints: tuple[Lint, ...]) -> bool:
    return any(lint.blocks for lint in lints)
