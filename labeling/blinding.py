"""Who sees what, and when: pure rules. What is sealed never reaches a page at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Evidence = Literal["never", "after_submit", "after_judgement", "always"]
EvidenceState = Literal["absent", "sealed", "open"]


@dataclass(frozen=True, slots=True)
class Blinding:
    """The part of a protocol that says what is hidden from a reviewer."""

    hide_claim: bool
    show_reference_answer: bool
    machine_evidence: Evidence
    hide_names: bool


def is_claim_open(blinding: Blinding, *, judged: bool) -> bool:
    """The claim opens with the reviewer's own first judgement, or from the start."""
    return judged or not blinding.hide_claim


def evidence_state(
    blinding: Blinding, *, judged: bool, submitted: bool, kept_back: bool = False
) -> EvidenceState:
    """What a reviewer may see of the machines' word on this item.

    `kept_back`: chance has put the item among those that are judged without machines, so that it
    can be measured how far these sway people.
    """
    if blinding.machine_evidence == "never":
        return "absent"
    if kept_back and not submitted:
        return "sealed"
    if blinding.machine_evidence == "always":
        return "open"
    if blinding.machine_evidence == "after_judgement":
        return "open" if judged or submitted else "sealed"
    return "open" if submitted else "sealed"
