"""All that is known of one solution or one injection: people's words, machines', decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from labeling.alignment import TextDiff, diff_text
from labeling.content import (
    Content,
    RatingContent,
    VerdictContent,
    parse_content,
    parse_first_error,
)
from labeling.models import (
    Adjudication,
    Annotation,
    AnnotationRevision,
    Injection,
    Membership,
    Project,
    ReviewItem,
    Solution,
    Suggestion,
)
from labeling.records import At, FirstError, NoError, StepLabel, derive_rating
from labeling.selectors.explorer import list_annotations
from labeling.selectors.review import (
    ClaimView,
    ForkRow,
    StepView,
    build_claim,
    build_fork,
    list_error_types,
    list_steps,
)

# Siblings of one problem family that a page lists; the rest are counted.
SIBLINGS = 20


@dataclass(frozen=True, slots=True)
class WordView:
    """One person's word on one step, as a picture: 1, 0, -1, "unsure", "skip" or "none"."""

    picture: str
    unsure: bool
    error_types: tuple[str, ...]
    origin: str
    note: str


@dataclass(frozen=True, slots=True)
class RevisionView:
    """One submission as it was frozen. `first_error` is a position, "none", or "" for unknown.

    `replies` answers the questions about another solution, "correct" and "different", where they
    were asked: "yes", "no" or "unsure".
    """

    number: int
    at: datetime
    reason: str
    verdict: str
    reject_code: str
    error_type: str
    error_positions: tuple[int, ...]
    first_error: int | str
    blind: dict[str, Any]
    note: str
    outcome: str
    guideline_version: int | None
    after_reveal: bool
    active_ms: int
    edits: int
    replies: dict[str, str]


@dataclass(frozen=True, slots=True)
class PersonView:
    """A person's record on a solution: the name others may see, and every revision."""

    annotation_id: int
    name: str
    kind: str
    task: str
    is_simulated: bool
    is_imported: bool
    words: tuple[WordView, ...]
    revisions: tuple[RevisionView, ...]

    @property
    def current(self) -> RevisionView:
        return self.revisions[-1]


@dataclass(frozen=True, slots=True)
class MachineView:
    """One machine's proposal. `cells` has a text and a rating (or None) for each step."""

    method: str
    producer: str
    is_scripted: bool
    first_error: int | str
    scale: str
    rule: str
    cells: tuple[tuple[str, int | None], ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class DecisionView:
    """An adjudicator's decision with its reason."""

    number: int
    name: str
    at: datetime
    reason: str
    verdict: str
    first_error: int | str
    words: tuple[WordView, ...]
    replies: dict[str, str]


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step with a word of each person and a cell of each machine, in their order."""

    step: StepView
    words: tuple[WordView, ...]
    machine: tuple[tuple[str, int | None], ...]
    decided: WordView | None


@dataclass(frozen=True, slots=True)
class ItemView:
    """A place in the queue, and its open dispute if there is one."""

    item: ReviewItem
    dispute_id: int | None


@dataclass(frozen=True, slots=True)
class SolutionDossier:
    """The page of one solution."""

    steps: list[StepRow]
    raters: list[PersonView]
    verdicts: list[PersonView]
    machines: list[MachineView]
    decisions: list[DecisionView]
    items: list[ItemView]
    injection: Injection | None
    made_from_it: list[Injection]
    siblings: list[Solution]
    more_siblings: int
    previous: Solution | None
    following: Solution | None
    type_names: dict[str, str]


@dataclass(frozen=True, slots=True)
class InjectionDossier:
    """The page of one injection."""

    claim: ClaimView
    fork: list[ForkRow]
    question_diff: TextDiff | None
    n_original: int
    n_modified: int
    verdicts: list[PersonView]
    decisions: list[DecisionView]
    items: list[ItemView]
    type_names: dict[str, str]


def build_solution_dossier(solution: Solution) -> SolutionDossier:
    """What people and machines said of a solution, step by step, with what it belongs to."""
    project = solution.project
    steps = list_steps(solution)
    people = list_people(solution, project, n_steps=len(steps))
    raters = [person for person in people if person.task == ReviewItem.Task.RATE_STEPS]
    machines = list_machines(solution, n_steps=len(steps))
    items = list_items(solution)
    decisions = list_decisions(project, items, n_steps=len(steps))
    rated = next((one for one in reversed(decisions) if not one.verdict), None)
    siblings = (
        Solution.objects.filter(problem__family=solution.problem.family_id)
        .exclude(pk=solution.pk)
        .select_related("problem", "injection")
        .order_by("pk")
    )
    shown = list(siblings[: SIBLINGS + 1])
    return SolutionDossier(
        steps=[
            StepRow(
                step=step,
                words=tuple(person.words[step.position] for person in raters),
                machine=tuple(machine.cells[step.position] for machine in machines),
                decided=rated.words[step.position] if rated else None,
            )
            for step in steps
        ],
        raters=raters,
        verdicts=[person for person in people if person.task != ReviewItem.Task.RATE_STEPS],
        machines=machines,
        decisions=decisions,
        items=items,
        injection=Injection.objects.filter(modified=solution).first(),
        made_from_it=list(
            Injection.objects.filter(original=solution)
            .select_related("modified__problem")
            .order_by("pk")[:SIBLINGS]
        ),
        siblings=shown[:SIBLINGS],
        more_siblings=siblings.count() - SIBLINGS if len(shown) > SIBLINGS else 0,
        previous=solution.previous,
        following=solution.next_versions.first(),
        type_names=name_types(project),
    )


def build_injection_dossier(injection: Injection) -> InjectionDossier:
    """An injection beside its original, with the claim and what people made of it."""
    project = injection.project
    original, modified = list_steps(injection.original), list_steps(injection.modified)
    question, before = injection.modified.problem.text, injection.original.problem.text
    people = list_people(injection.modified, project, n_steps=len(modified))
    items = list_items(injection.modified)
    return InjectionDossier(
        claim=build_claim(injection, project.taxonomy),
        fork=build_fork(original, modified),
        question_diff=None if question == before else diff_text(before, question),
        n_original=len(original),
        n_modified=len(modified),
        verdicts=[person for person in people if person.task != ReviewItem.Task.RATE_STEPS],
        decisions=list_decisions(project, items, n_steps=len(modified)),
        items=items,
        type_names=name_types(project),
    )


def name_types(project: Project) -> dict[str, str]:
    """The names of the error types in force, by code."""
    return {kind.code: kind.name for kind in list_error_types(project.taxonomy)}


def list_people(solution: Solution, project: Project, *, n_steps: int) -> list[PersonView]:
    """Everybody's record on a solution, oldest first; pseudonyms where the project hides names."""
    annotations = list(list_annotations(solution))
    pseudonyms = dict(
        Membership.objects.filter(
            project=project, user__in=[row.annotator_id for row in annotations if row.annotator_id]
        ).values_list("user_id", "pseudonym")
    )
    return [
        _person(annotation, pseudonyms, hide=project.hide_names, n_steps=n_steps)
        for annotation in annotations
        if annotation.revisions.all()
    ]


def _person(
    annotation: Annotation, pseudonyms: dict[int, str], *, hide: bool, n_steps: int
) -> PersonView:
    annotator = annotation.annotator
    name = annotation.rater
    if annotator is not None:
        name = pseudonyms.get(annotator.pk, f"#{annotator.pk}") if hide else annotator.name
    revisions = list(annotation.revisions.all())
    contents = [parse_content(row.content, n_steps=n_steps) for row in revisions]
    current = contents[-1]
    return PersonView(
        annotation_id=annotation.pk,
        name=name,
        kind=annotation.kind,
        task=str(current.task),
        is_simulated=annotation.kind == Annotation.Kind.SIMULATED
        or bool(annotator and annotator.is_simulated),
        is_imported=annotation.kind == Annotation.Kind.IMPORTED,
        words=read_words(current, n_steps),
        revisions=tuple(
            view_revision(row, content) for row, content in zip(revisions, contents, strict=True)
        ),
    )


def view_revision(row: AnnotationRevision, content: Content) -> RevisionView:
    """A revision as pages show it; `content` is its document, parsed."""
    verdict = content if isinstance(content, VerdictContent) else None
    return RevisionView(
        number=row.number,
        at=row.created_at,
        reason=row.reason,
        verdict=str(verdict.verdict) if verdict else "",
        reject_code=str(verdict.reject_code or "") if verdict else "",
        error_type=verdict.error_type if verdict else "",
        error_positions=verdict.error_positions if verdict else (),
        first_error=(
            row.first_error_position
            if row.first_error_position is not None
            else ("none" if row.first_error_state == "none" else "")
        ),
        blind=row.content.get("blind_first_error") or {} if verdict else {},
        note=content.note,
        outcome=str(content.outcome) if isinstance(content, RatingContent) else "",
        guideline_version=row.guideline_version,
        after_reveal=row.after_reveal,
        active_ms=row.active_ms,
        edits=len(verdict.edits) if verdict else 0,
        replies=read_replies(content),
    )


def read_replies(content: Content) -> dict[str, str]:
    """What was answered about another solution, by the name of the question."""
    if not isinstance(content, VerdictContent):
        return {}
    given = {"correct": content.correct, "different": content.different}
    return {name: str(reply) for name, reply in given.items() if reply is not None}


def read_words(content: Content, n_steps: int) -> tuple[WordView, ...]:
    """What a document says of each step. Not judged yet and left out after the end differ."""
    labels = {judged.position: judged.label for judged in content.steps}
    flagged = content.error_positions if isinstance(content, VerdictContent) else ()
    return tuple(
        _word(labels.get(position), flagged=position in flagged) for position in range(n_steps)
    )


def _word(label: StepLabel | None, *, flagged: bool) -> WordView:
    if label is None:
        return WordView("-1" if flagged else "skip", False, (), "", "")
    rating = derive_rating(label)
    unrated = "unsure" if label.unsure else "none"
    picture = unrated if rating is None else str(rating)
    return WordView(picture, label.unsure, label.error_types, str(label.origin or ""), label.note)


def list_machines(solution: Solution, *, n_steps: int) -> list[MachineView]:
    """Machines' proposals for a solution, oldest first."""
    return [
        _machine(row, n_steps)
        for row in Suggestion.objects.filter(solution=solution).order_by("pk")
    ]


def _machine(row: Suggestion, n_steps: int) -> MachineView:
    labels: Sequence[dict[str, Any] | None] = [*row.labels, *[None] * n_steps][:n_steps]
    scores = [label["score"] for label in labels if label and label.get("score")]
    return MachineView(
        method=row.method,
        producer=row.producer,
        is_scripted=row.is_scripted,
        first_error=_pack_first_error(parse_first_error(row.first_error or None)),
        scale=scores[0].get("scale", "") if scores else "",
        rule=scores[0].get("rule", "") if scores else "",
        cells=tuple(_machine_cell(label) for label in labels),
        at=row.created_at,
    )


def _machine_cell(label: dict[str, Any] | None) -> tuple[str, int | None]:
    if label is None:
        return "", None
    score = label.get("score")
    text = "" if score is None else f"{score['raw']:.2f}"
    rating = label.get("rating")
    if rating is None and label.get("validity"):
        rating = 1 if label["validity"] == "correct" else -1
    return text, rating


def _pack_first_error(value: FirstError) -> int | str:
    if isinstance(value, At):
        return value.position
    return "none" if isinstance(value, NoError) else ""


def list_items(solution: Solution) -> list[ItemView]:
    """The solution's places in the queue, each with its open dispute."""
    items = ReviewItem.objects.filter(solution=solution).prefetch_related("disputes").order_by("pk")
    return [
        ItemView(
            item,
            next((one.pk for one in item.disputes.all() if one.state == "open"), None),
        )
        for item in items
    ]


def list_decisions(
    project: Project, items: Sequence[ItemView], *, n_steps: int
) -> list[DecisionView]:
    """Every decision on these items, oldest first; the last one of an item counts."""
    rows = (
        Adjudication.objects.filter(item__in=[view.item.pk for view in items])
        .select_related("adjudicator")
        .order_by("created_at", "pk")
    )
    return [view_decision(row, n_steps=n_steps) for row in rows]


def view_decision(row: Adjudication, *, n_steps: int) -> DecisionView:
    """A decision as pages show it."""
    content = parse_content(row.content, n_steps=n_steps)
    return DecisionView(
        number=row.number,
        name=row.adjudicator.name,
        at=row.created_at,
        reason=row.reason,
        verdict=str(content.verdict) if isinstance(content, VerdictContent) else "",
        first_error=_pack_first_error(content.first_error(n_steps)),
        words=read_words(content, n_steps),
        replies=read_replies(content),
    )
