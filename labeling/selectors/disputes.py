"""What an adjudicator needs: everyone's word on a disputed item, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import F, QuerySet

from labeling.content import Content, RatingContent, VerdictContent, parse_content
from labeling.models import (
    Adjudication,
    AnnotationRevision,
    Dispute,
    Injection,
    Membership,
    Project,
    ReviewItem,
    Suggestion,
    User,
)
from labeling.records import At, StepLabel, derive_rating
from labeling.selectors.review import (
    ClaimView,
    ErrorTypeView,
    ForkRow,
    StepView,
    build_claim,
    build_fork,
    list_error_types,
    list_steps,
)


@dataclass(frozen=True, slots=True)
class PersonView:
    """A reviewer's column: a pseudonym where the project hides names."""

    annotation_id: int
    name: str
    is_simulated: bool
    verdict: str
    reject_code: str
    error_type: str
    error_positions: list[int]
    blind_position: int | None
    note: str
    outcome: str
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CellView:
    """One person's word on one step: a rating (or None), whether unsure, the type and the note."""

    rating: int | None
    unsure: bool
    judged: bool
    flagged: bool
    error_type: str
    origin: str
    note: str


@dataclass(frozen=True, slots=True)
class MatrixRow:
    step: StepView
    cells: list[CellView]
    agreed: bool
    majority: int | None
    machine: list[str]


@dataclass(frozen=True, slots=True)
class DisputeView:
    """The adjudication page of one dispute."""

    dispute: Dispute
    item: ReviewItem
    project: Project
    people: list[PersonView]
    rows: list[MatrixRow]
    machines: list[str]
    fork: list[ForkRow]
    claim: ClaimView | None
    error_types: list[ErrorTypeView]
    original_question: str
    n_original_steps: int
    earlier: list[Adjudication]
    is_own_work: bool
    n_open: int


def list_disputes(project: Project, *, state: str = Dispute.State.OPEN) -> QuerySet[Dispute]:
    return (
        Dispute.objects.filter(project=project, state=state)
        .select_related("item__solution__problem")
        .order_by("pk")
    )


def find_next_dispute(project: Project, user: User, *, after: int = 0) -> Dispute | None:
    """The next open dispute on an item that this person did not review themselves."""
    waiting = list_disputes(project).exclude(item__annotations__annotator=user)
    return waiting.filter(pk__gt=after).first() or waiting.first()


def get_dispute_view(dispute: Dispute, user: User) -> DisputeView:
    """Everyone's current word on the item, and the decision form's raw material."""
    item, project = dispute.item, dispute.project
    steps = list_steps(item.solution)
    revisions = list(
        AnnotationRevision.objects.filter(
            annotation__item=item, number=F("annotation__current_number")
        )
        .select_related("annotation__annotator")
        .order_by("annotation__created_at", "annotation_id")
    )
    contents = [parse_content(row.content, n_steps=len(steps)) for row in revisions]
    names = dict(
        Membership.objects.filter(
            project=project, user__in=[row.annotation.annotator_id for row in revisions]
        ).values_list("user_id", "pseudonym")
    )
    people = [
        _person(revision, content, names, hide=project.hide_names)
        for revision, content in zip(revisions, contents, strict=True)
    ]
    injection = (
        Injection.objects.select_related("original__problem").filter(modified=item.solution).first()
    )
    machines, machine = _machine_cells(item, len(steps))
    original_steps = list_steps(injection.original) if injection else []
    return DisputeView(
        dispute=dispute,
        item=item,
        project=project,
        people=people,
        rows=[_row(step, contents, machine[step.position]) for step in steps],
        machines=machines,
        fork=build_fork(original_steps, steps) if injection else [],
        n_original_steps=len(original_steps),
        claim=build_claim(injection, project.taxonomy) if injection else None,
        error_types=list_error_types(project.taxonomy),
        original_question=injection.original.problem.text if injection else "",
        earlier=list(
            Adjudication.objects.filter(item=item).select_related("adjudicator").order_by("number")
        ),
        is_own_work=any(row.annotation.annotator_id == user.pk for row in revisions),
        n_open=Dispute.objects.filter(project=project, state=Dispute.State.OPEN).count(),
    )


def _person(
    revision: AnnotationRevision, content: Content, names: dict[int, str], *, hide: bool
) -> PersonView:
    annotator = revision.annotation.annotator
    name = revision.annotation.rater
    if annotator is not None:
        name = names.get(annotator.pk, annotator.name) if hide else annotator.name
    verdict = content if isinstance(content, VerdictContent) else None
    blind = verdict.blind_first_error if verdict else None
    return PersonView(
        annotation_id=revision.annotation_id,
        name=name,
        is_simulated=bool(annotator and annotator.is_simulated),
        verdict=str(verdict.verdict) if verdict else "",
        reject_code=str(verdict.reject_code or "") if verdict else "",
        error_type=verdict.error_type if verdict else "",
        error_positions=list(verdict.error_positions) if verdict else [],
        blind_position=blind.position if isinstance(blind, At) else None,
        note=content.note,
        outcome=str(content.outcome) if isinstance(content, RatingContent) else "",
        content=revision.content,
    )


def _row(step: StepView, contents: list[Content], machine: list[str]) -> MatrixRow:
    cells = [_cell(content, step.position) for content in contents]
    words = {(cell.rating, cell.unsure, cell.judged, cell.flagged) for cell in cells}
    ratings = [cell.rating for cell in cells if cell.rating is not None]
    majority = next(
        (rating for rating in set(ratings) if 2 * ratings.count(rating) > len(cells)), None
    )
    return MatrixRow(
        step=step, cells=cells, agreed=len(words) <= 1, majority=majority, machine=machine
    )


def _cell(content: Content, position: int) -> CellView:
    label = next((judged.label for judged in content.steps if judged.position == position), None)
    flagged = isinstance(content, VerdictContent) and position in content.error_positions
    if label is None:
        label = StepLabel()
        judged = flagged or isinstance(content, VerdictContent)
    else:
        judged = True
    rating = derive_rating(label)
    if isinstance(content, VerdictContent) and rating is None:
        rating = -1 if flagged else None
    return CellView(
        rating=rating,
        unsure=label.unsure,
        judged=judged,
        flagged=flagged,
        error_type=(label.error_types or ("",))[0],
        origin=str(label.origin or ""),
        note=label.note,
    )


def _machine_cells(item: ReviewItem, n_steps: int) -> tuple[list[str], list[list[str]]]:
    """The machines that spoke, and what each said of every step: its score, or nothing."""
    names: list[str] = []
    cells: list[list[str]] = [[] for _ in range(n_steps)]
    for method, producer, labels in (
        Suggestion.objects.filter(solution=item.solution_id)
        .order_by("pk")
        .values_list("method", "producer", "labels")
    ):
        names.append(producer or method)
        for position, cell in enumerate(cells):
            label = labels[position] if position < len(labels) else None
            score = (label or {}).get("score")
            cell.append("" if score is None else f"{score['raw']:.2f}")
    return names, cells
