"""What a reviewer's page needs, and nothing that is sealed from this reviewer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson
from django.db.models import BigIntegerField
from django.utils.translation import get_language

from labeling.alignment import StepPair, TextDiff, align_steps, diff_text
from labeling.blinding import (
    Blinding,
    Evidence,
    EvidenceState,
    evidence_state,
    is_claim_open,
)
from labeling.content import pack_first_error, parse_first_error
from labeling.models import (
    Assignment,
    Draft,
    Injection,
    Project,
    ReviewItem,
    Solution,
    Step,
    Suggestion,
    Taxonomy,
)
from labeling.prepared import Prepared
from labeling.records import FirstError
from labeling.selectors.exposures import find_blind_judgement
from labeling.selectors.proposals import show_proposal
from labeling.taxonomies.loader import parse_taxonomy
from workbench.messages import translate_sentence


@dataclass(frozen=True, slots=True)
class StepView:
    """A step as the page shows it. `number` counts from one."""

    id: int
    position: int
    number: int
    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class ErrorTypeView:
    """An error type in the reader's language."""

    code: str
    name: str
    dimension: str
    definition: str
    example: str
    counter_example: str


@dataclass(frozen=True, slots=True)
class ClaimView:
    """The claim of an injection, once it is open."""

    error_type: str
    error_type_name: str
    error_positions: list[int]
    changed_positions: list[int]
    reason: str
    lints: list[dict[str, Any]]
    is_scripted: bool
    producer: str


@dataclass(frozen=True, slots=True)
class ForkRow:
    """One row of the fork: a pair of steps, or one with nothing opposite."""

    kind: str
    original: StepView | None
    modified: StepView | None
    diff: TextDiff | None


@dataclass(frozen=True, slots=True)
class Workspace:
    """Everything on the page of one assignment."""

    assignment: Assignment
    item: ReviewItem
    project: Project
    solution: Solution
    steps: list[StepView]
    error_types: list[ErrorTypeView]
    reference_answer: str | None
    draft_version: int
    draft: dict[str, Any]
    evidence: str
    # Active time so far, as the draft has it; None where there is none.
    activity: dict[str, Any] | None = None
    # A machine's labels to be confirmed, where this person is to see them.
    proposal: dict[str, Any] | None = None
    # Verifying an injection
    injection_id: int | None = None
    original_question: str = ""
    question_diff: TextDiff | None = None
    fork: list[ForkRow] = field(default_factory=list)
    claim: ClaimView | None = None
    blind_first_error: dict[str, Any] | None = None
    n_original_steps: int = 0

    @property
    def has_machine_words(self) -> bool:
        """Did a machine say anything of this solution? Asked where that is sealed, not always."""
        return _suggestion_of.first(solution=self.solution.pk) is not None


# What every page of work asks.
_ID = BigIntegerField()
_draft_of = Prepared(
    lambda item, person: Draft.objects.filter(item=item, annotator=person), item=_ID, person=_ID
)
_suggestion_of = Prepared(
    lambda solution: Suggestion.objects.filter(solution=solution).values_list("pk")[:1],
    solution=_ID,
)
_steps_of = Prepared(
    lambda solution: (
        Step.objects.filter(solution=solution)
        .order_by("position")
        .values_list("pk", "position", "text", "kind")
    ),
    solution=_ID,
)


def get_workspace(assignment: Assignment, *, content: Mapping[str, Any] | None = None) -> Workspace:
    """The workspace of an assignment. Reads only; what was shown is logged by the claim.

    `content` is what the page starts from, in place of the draft. An assignment that was never
    saved (project, item and annotator are enough) is nobody's hold on anything: there is no draft,
    no evidence, and what counts as the blind judgement is what `content` says.
    """
    item, project = assignment.item, assignment.project
    solution = item.solution
    draft = _find_draft(assignment) if content is None else None
    judged = _find_judgement(assignment, content or {})
    blinding = blinding_of(project)
    shared: dict[str, Any] = {
        "assignment": assignment,
        "item": item,
        "project": project,
        "solution": solution,
        "steps": list_steps(solution),
        "error_types": list_error_types(project.taxonomy),
        "reference_answer": (
            solution.problem.reference_answer if blinding.show_reference_answer else None
        ),
        "draft_version": draft.version if draft else 0,
        "draft": draft.content if draft else dict(content or {}),
        "proposal": show_proposal(assignment),
        "activity": (draft.activity or None) if draft else None,
        "evidence": _find_evidence(assignment, blinding, judged=judged is not None),
    }
    is_injection = item.task == ReviewItem.Task.VERIFY_INJECTION
    if not is_injection:
        return Workspace(**shared)
    injection = Injection.objects.select_related("original__problem").get(modified=solution)
    return Workspace(**shared, **_injection_parts(injection, shared, judged, blinding))


def _is_unsaved(assignment: Assignment) -> bool:
    number: int | None = assignment.pk
    return number is None


def _find_draft(assignment: Assignment) -> Draft | None:
    if _is_unsaved(assignment):
        return None
    return _draft_of.first(item=assignment.item_id, person=assignment.annotator_id)


def _find_judgement(assignment: Assignment, content: Mapping[str, Any]) -> FirstError | None:
    """What the person said before the claim was opened; None while it is sealed."""
    if assignment.item.task != ReviewItem.Task.VERIFY_INJECTION:
        # Nothing else has a claim that could be opened.
        return None
    if _is_unsaved(assignment):
        said = content.get("blind_first_error")
        return parse_first_error(said) if said else None
    return find_blind_judgement(item=assignment.item, person=assignment.annotator)


def _find_evidence(assignment: Assignment, blinding: Blinding, *, judged: bool) -> EvidenceState:
    if _is_unsaved(assignment):
        return "absent"
    return evidence_state(
        blinding,
        judged=judged,
        submitted=assignment.state == Assignment.State.SUBMITTED,
        kept_back=assignment.proposal == Assignment.Proposal.BLIND,
    )


def _injection_parts(
    injection: Injection,
    shared: dict[str, Any],
    judged: FirstError | None,
    blinding: Blinding,
) -> dict[str, Any]:
    original_steps = list_steps(injection.original)
    question = shared["solution"].problem.text
    original_question = injection.original.problem.text
    claim = None
    if is_claim_open(blinding, judged=judged is not None):
        claim = build_claim(injection, shared["project"].taxonomy)
    return {
        "injection_id": injection.pk,
        "original_question": original_question,
        "question_diff": (
            diff_text(original_question, question) if question != original_question else None
        ),
        "fork": build_fork(original_steps, shared["steps"]),
        "claim": claim,
        "blind_first_error": None if judged is None else pack_first_error(judged),
        "n_original_steps": len(original_steps),
    }


def build_claim(injection: Injection, taxonomy: Taxonomy) -> ClaimView:
    """The claim as a reviewer sees it, in their language."""
    names = {error_type.code: error_type.name for error_type in list_error_types(taxonomy)}
    return ClaimView(
        error_type=injection.error_type,
        error_type_name=names.get(injection.error_type, injection.error_type),
        error_positions=list(injection.claimed_error_positions),
        changed_positions=list(injection.claimed_changed_positions),
        reason=injection.reason,
        lints=[
            {**lint, "message": translate_sentence(lint["message"])} for lint in injection.lints
        ],
        is_scripted=injection.is_scripted,
        producer=injection.producer,
    )


def build_fork(original: list[StepView], modified: list[StepView]) -> list[ForkRow]:
    """The two solutions step by step, forking only where they differ."""
    pairs = align_steps([step.text for step in original], [step.text for step in modified])
    return [_fork_row(pair, original, modified) for pair in pairs]


def _fork_row(pair: StepPair, original: list[StepView], modified: list[StepView]) -> ForkRow:
    before = None if pair.original is None else original[pair.original]
    after = None if pair.modified is None else modified[pair.modified]
    diff = None
    if pair.kind == "edited" and before is not None and after is not None:
        diff = diff_text(before.text, after.text)
    return ForkRow(kind=str(pair.kind), original=before, modified=after, diff=diff)


def list_steps(solution: Solution) -> list[StepView]:
    return [
        StepView(pk, position, position + 1, text, kind)
        for pk, position, text, kind in _steps_of.all(solution=solution.pk)
    ]


def list_error_types(taxonomy: Taxonomy) -> list[ErrorTypeView]:
    """The types of a taxonomy version in the reader's language, in the taxonomy's order."""
    language = get_language() or "en"
    return list(_build_error_types(orjson.dumps(taxonomy.content), language))


@lru_cache(maxsize=64)
def _build_error_types(content: bytes, language: str) -> tuple[ErrorTypeView, ...]:
    """The same types again for the same content: every page of work shows them."""
    record = parse_taxonomy(orjson.loads(content))
    dimensions = {dimension.id: dimension.name_in(language) for dimension in record.dimensions}
    return tuple(
        [
            ErrorTypeView(
                code=error_type.code,
                name=error_type.name_in(language),
                dimension=dimensions.get(error_type.dimension, ""),
                definition=error_type.definition_in(language),
                example=error_type.example_in(language),
                counter_example=error_type.counter_example_in(language),
            )
            for error_type in record.types
        ]
    )


def blinding_of(project: Project) -> Blinding:
    evidence: Evidence = project.machine_evidence  # type: ignore[assignment]  # checked choices
    return Blinding(
        hide_claim=project.hide_claim,
        show_reference_answer=project.show_reference_answer,
        machine_evidence=evidence,
        hide_names=project.hide_names,
    )
