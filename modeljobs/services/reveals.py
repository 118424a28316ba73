"""Who may see a machine's word on a step, and when it was opened to whom.

Those who browse a project see everything in it. A reviewer sees what they opened themselves, step
by step, when the project's protocol allows it; every opening is logged, because it may sway them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from labeling.access import Capability, capabilities_of
from labeling.blinding import EvidenceState, evidence_state
from labeling.models import Assignment, Draft, Exposure, ReviewItem, User
from labeling.selectors.exposures import find_blind_judgement
from labeling.selectors.review import blinding_of
from labeling.services.audit import record_exposure
from modeljobs.evidence_views import (
    EvidenceView,
    SourceView,
    Viewer,
    list_evidence,
    list_sources,
)
from modeljobs.models import JobItem
from workbench.errors import Conflict, InvalidInput, NotAllowed, NotFound

PANEL = "step_evidence"


class Sealed(Conflict):
    """The evidence is not open to this person yet; the message says what opens it."""

    code = "sealed"


@dataclass(frozen=True, slots=True)
class EvidenceAccess:
    """What of an item's evidence a person may see, and whether they may run its code again and rate
    its reasoning.

    `positions` is None where all steps are open: to those who browse the project, who also see what
    others made of it.
    """

    item: JobItem
    positions: frozenset[int] | None
    may_run: bool

    @property
    def sees_others(self) -> bool:
        """Reviewers see the machine's word and their own, and no other reviewer's."""
        return self.positions is None

    def includes(self, position: int) -> bool:
        return self.positions is None or position in self.positions


def get_evidence_access(user: User, item_id: int) -> EvidenceAccess:
    """The item with what this person may see of it; NotFound for outsiders, NotAllowed for members
    to whom nothing of it was opened.
    """
    missing = f"There is no item {item_id} that you may see."
    item = (
        JobItem.objects.select_related("job__project", "job__engine", "solution__problem")
        .filter(pk=item_id)
        .first()
    )
    if item is None:
        raise NotFound(missing)
    project = item.job.project
    held = capabilities_of(user, project)
    if not held:
        raise NotFound(missing)
    may_run = bool(held & {Capability.ADJUDICATE, Capability.ANNOTATE})
    if Capability.BROWSE in held:
        return EvidenceAccess(item, None, may_run)
    opened: frozenset[int] = frozenset()
    if blinding_of(project).machine_evidence != "never":
        opened = _list_opened(item, user)
    if not opened:
        raise NotAllowed("The machine evidence on this solution is not open to you.")
    return EvidenceAccess(item, opened, may_run)


def find_evidence_state(assignment: Assignment, position: int) -> EvidenceState:
    """Whether the reviewer may open the machines' word on this step by now."""
    is_submitted = assignment.state == Assignment.State.SUBMITTED
    return evidence_state(
        blinding_of(assignment.project),
        judged=is_submitted or has_judged(assignment, position),
        submitted=is_submitted,
        kept_back=assignment.proposal == Assignment.Proposal.BLIND,
    )


@transaction.atomic
def open_evidence(*, assignment: Assignment, position: int) -> list[EvidenceView]:
    """Show the reviewer what was found of one step, and log that it was shown; the newest run
    first, an empty list where no machine has checked the step.

    That nothing was found is shown, and logged, in the same way: a checker that stops at the first
    error says something by stopping. The same evidence is logged once.
    """
    if not 0 <= position < assignment.item.solution.n_steps:
        raise InvalidInput(f"There is no step {position + 1}.", field="position")
    if assignment.state not in (Assignment.State.OPEN, Assignment.State.SUBMITTED):
        raise Conflict("You do not hold this item any more.")
    state = find_evidence_state(assignment, position)
    if state == "absent":
        raise NotAllowed("This project shows no machine evidence to its reviewers.")
    if state == "sealed":
        raise Sealed(explain_seal(assignment), field="position")
    found = list_sources(assignment.item.solution_id)
    viewer = Viewer(assignment.annotator_id, sees_others=False)
    shown = [
        view
        for item, _source in found
        for view in list_evidence(item, position=position, viewer=viewer)
    ]
    _record(assignment, position, [view.source for view in shown])
    return shown


def explain_seal(assignment: Assignment) -> str:
    """When sealed evidence opens."""
    kept_back = assignment.proposal == Assignment.Proposal.BLIND
    if kept_back or blinding_of(assignment.project).machine_evidence == "after_submit":
        return "Machine evidence opens after you submit."
    if assignment.item.task == ReviewItem.Task.VERIFY_INJECTION:
        return "Machine evidence opens with your judgement."
    return "Rate this step first: machine evidence opens with your own rating."


def list_opened_positions(assignment: Assignment) -> frozenset[int]:
    """The steps whose evidence this reviewer has opened."""
    details = Exposure.objects.filter(
        item=assignment.item_id,
        person=assignment.annotator_id,
        what=Exposure.What.MACHINE,
        detail__panel=PANEL,
    ).values_list("detail", flat=True)
    return frozenset(detail["position"] for detail in details)


def _list_opened(item: JobItem, user: User) -> frozenset[int]:
    """The steps on which this run's evidence was opened to the person, in whichever review."""
    details = Exposure.objects.filter(
        item__solution=item.solution_id,
        person=user,
        what=Exposure.What.MACHINE,
        detail__panel=PANEL,
    ).values_list("detail", flat=True)
    return frozenset(
        detail["position"]
        for detail in details
        if any(source["item"] == item.pk for source in detail["sources"])
    )


def has_judged(assignment: Assignment, position: int | None) -> bool:
    """Has the reviewer said their own word: on the injection, or in the draft on this step?"""
    if assignment.item.task == ReviewItem.Task.VERIFY_INJECTION:
        person = assignment.annotator
        return find_blind_judgement(item=assignment.item, person=person) is not None
    return bool(find_own_word(assignment, position))


def find_own_word(assignment: Assignment, position: int | None) -> Mapping[str, Any]:
    """What the draft says of the step; empty where it says nothing."""
    if position is None:
        return {}
    content = (
        Draft.objects.filter(item=assignment.item_id, annotator=assignment.annotator_id)
        .values_list("content", flat=True)
        .first()
    )
    steps = content.get("steps") if isinstance(content, dict) else None
    for step in steps if isinstance(steps, list) else ():
        is_this = isinstance(step, dict) and step.get("position") == position
        if is_this and (step.get("validity") or step.get("unsure")):
            return {name: step[name] for name in ("validity", "rating", "unsure") if name in step}
    return {}


def _record(assignment: Assignment, position: int, sources: Sequence[SourceView]) -> None:
    items = [source.item_id for source in sources]
    logged = Exposure.objects.filter(
        item=assignment.item_id,
        person=assignment.annotator_id,
        what=Exposure.What.MACHINE,
        detail__panel=PANEL,
        detail__position=position,
    ).values_list("detail", flat=True)
    if any([source["item"] for source in detail["sources"]] == items for detail in logged):
        return
    record_exposure(
        item=assignment.item,
        person=assignment.annotator,
        what=Exposure.What.MACHINE,
        project=assignment.project,
        panel=PANEL,
        position=position,
        sources=[
            {
                "item": source.item_id,
                "job": source.job_id,
                "method": source.method,
                "engine": source.engine,
                "model": source.model,
                "is_scripted": source.is_scripted,
                "is_tiny": source.is_tiny,
            }
            for source in sources
        ],
        own_word=dict(find_own_word(assignment, position)),
        submitted=assignment.state == Assignment.State.SUBMITTED,
    )
