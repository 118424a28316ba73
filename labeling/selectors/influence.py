"""What became of machines' proposals: confirmed, overridden and why, and how far they sway."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import F, OuterRef, QuerySet, Subquery

from labeling.content import RatingContent, parse_content, ratings_of
from labeling.metrics.influence import Influence, Trial, measure_influence
from labeling.models import Adjudication, Annotation, AnnotationRevision, Assignment, Project
from labeling.records import derive_rating
from labeling.selectors.agreement import DRAWS, SEED
from labeling.selectors.proposals import read_ratings


@dataclass(frozen=True, slots=True)
class InfluenceReport:
    """The proposals of a project, over all methods that were in force.

    `on_all` counts steps that both rated, `on_wrong` only those on which the machine was wrong by
    an adjudicator's decision: a person who says the machine's word there took over its error.
    `in_bulk` counts steps confirmed with others in one action. `changed` are steps whose rating
    became another once the person had opened the evidence, to what an adjudicator later called
    right or wrong; the rest of them nobody has decided.
    """

    items_shown: int
    items_blind: int
    on_all: Influence
    on_wrong: Influence
    reasons: dict[str, int]
    in_bulk: int
    changed: int
    changed_to_right: int
    changed_to_wrong: int
    simulated: int
    draws: int
    seed: int


@dataclass(frozen=True, slots=True)
class ProposedStep:
    """One step that a person judged and a machine had rated; `decided` is None without a decision.

    `person` is the pseudonym that the project knows the person by.
    """

    item_id: int
    solution_id: int
    person: str
    position: int
    shown: bool
    method: str
    proposed: int
    said: int
    reason: str
    in_bulk: bool
    decided: int | None


@dataclass(frozen=True, slots=True)
class _Row:
    item_id: int
    solution_id: int
    person_id: int
    family_id: int
    shown: bool
    method: str
    is_simulated: bool
    content: RatingContent
    n_steps: int
    proposed: tuple[int | None, ...]
    decided: tuple[int | None, ...] | None


def has_proposals(project: Project) -> bool:
    """Were any machine's labels put before anybody here, or are they to be?"""
    if project.proposal_method:
        return True
    held = Assignment.objects.filter(project=project)
    return held.exclude(proposal=Assignment.Proposal.NONE).exists()


def build_influence(
    project: Project, *, include_simulated: bool = True, draws: int = DRAWS, seed: int = SEED
) -> InfluenceReport:
    """First judgements of assignments for which there was a proposal, shown or kept back."""
    everywhere: list[Trial] = []
    wrong: list[Trial] = []
    reasons: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for row in _load_rows(project, include_simulated=include_simulated):
        counts["shown" if row.shown else "blind"] += 1
        counts["simulated"] += row.is_simulated
        for _position, proposed, said, decided in _compare(row):
            trial = Trial(row.family_id, row.shown, said == proposed)
            everywhere.append(trial)
            if decided is not None and decided != proposed:
                wrong.append(trial)
        if row.shown:
            reasons.update(str(override.reason) for override in row.content.overrides)
            counts["in_bulk"] += len(row.content.bulk)
    changed = _count_changes(project, include_simulated=include_simulated)
    return InfluenceReport(
        items_shown=counts["shown"],
        items_blind=counts["blind"],
        on_all=measure_influence(everywhere, seed=seed, draws=draws),
        on_wrong=measure_influence(wrong, seed=seed, draws=draws),
        reasons=dict(reasons.most_common()),
        in_bulk=counts["in_bulk"],
        changed=sum(changed.values()),
        changed_to_right=changed["right"],
        changed_to_wrong=changed["wrong"],
        simulated=counts["simulated"],
        draws=draws,
        seed=seed,
    )


def list_proposed_steps(
    project: Project, *, include_simulated: bool = True
) -> Iterator[ProposedStep]:
    """The steps behind the numbers, in order of assignment and position."""
    names = dict(project.memberships.values_list("user_id", "pseudonym"))
    for row in _load_rows(project, include_simulated=include_simulated):
        reasons = {one.position: str(one.reason) for one in row.content.overrides}
        for position, proposed, said, decided in _compare(row):
            yield ProposedStep(
                item_id=row.item_id,
                solution_id=row.solution_id,
                person=names.get(row.person_id, f"#{row.person_id}"),
                position=position,
                shown=row.shown,
                method=row.method,
                proposed=proposed,
                said=said,
                reason=reasons.get(position, ""),
                in_bulk=position in row.content.bulk,
                decided=decided,
            )


def _compare(row: _Row) -> Iterator[tuple[int, int, int, int | None]]:
    """(position, proposed, said, decided) for the steps that the machine and the person rated."""
    said = ratings_of(row.content, row.n_steps)
    for position, proposed in enumerate(row.proposed):
        rating = said[position]
        if rating is not None and proposed is not None:
            decided = None if row.decided is None else row.decided[position]
            yield position, proposed, rating, decided


def _load_rows(project: Project, *, include_simulated: bool) -> Iterator[_Row]:
    binary = project.rating_view == Project.RatingView.BINARY
    held = (
        Assignment.objects.filter(project=project, state=Assignment.State.SUBMITTED)
        .exclude(proposal=Assignment.Proposal.NONE)
        .annotate(
            first=Subquery(_first_words().filter(assignment=OuterRef("pk")).values("content")[:1]),
            decided=Subquery(_decisions().filter(item=OuterRef("item")).values("content")[:1]),
        )
        .order_by("pk")
    )
    if not include_simulated:
        held = held.exclude(annotator__is_simulated=True)
    rows = held.values(
        *("item_id", "annotator_id", "annotator__is_simulated", "proposal", "first", "decided"),
        *("item__solution_id", "item__solution__n_steps", "item__solution__problem__family_id"),
        *("suggestion__labels", "suggestion__method"),
    )
    for row in rows.iterator(1000):
        n_steps = row["item__solution__n_steps"]
        content = None if row["first"] is None else parse_content(row["first"], n_steps=n_steps)
        if isinstance(content, RatingContent):
            yield _Row(
                item_id=row["item_id"],
                solution_id=row["item__solution_id"],
                person_id=row["annotator_id"],
                family_id=row["item__solution__problem__family_id"],
                shown=row["proposal"] == Assignment.Proposal.SHOWN,
                method=row["suggestion__method"],
                is_simulated=row["annotator__is_simulated"],
                content=content,
                n_steps=n_steps,
                proposed=read_ratings(row["suggestion__labels"], binary=binary),
                decided=_read_decision(row["decided"], n_steps=n_steps),
            )


def _count_changes(project: Project, *, include_simulated: bool) -> Counter[str]:
    """Steps that a person rated otherwise once they had opened the evidence, by what it became."""
    revisions = (
        AnnotationRevision.objects.filter(
            annotation__project=project,
            number=F("annotation__current_number"),
            after_reveal=True,
            content__has_key="before_reveal",
        )
        .annotate(
            decided=Subquery(
                _decisions().filter(item=OuterRef("annotation__item")).values("content")[:1]
            )
        )
        .values_list("content", "annotation__solution__n_steps", "decided")
    )
    if not include_simulated:
        revisions = revisions.exclude(annotation__kind=Annotation.Kind.SIMULATED)
    counts: Counter[str] = Counter()
    for packed, n_steps, decided in revisions.iterator(1000):
        content = parse_content(packed, n_steps=n_steps)
        if not isinstance(content, RatingContent):
            continue
        now = ratings_of(content, n_steps)
        truth = _read_decision(decided, n_steps=n_steps)
        for before in content.before_reveal:
            right = None if truth is None else truth[before.position]
            if right is None or now[before.position] == derive_rating(before.label):
                counts["undecided"] += 1
            else:
                counts["right" if now[before.position] == right else "wrong"] += 1
    return counts


def _first_words() -> QuerySet[AnnotationRevision]:
    return AnnotationRevision.objects.filter(number=1)


def _decisions() -> QuerySet[Adjudication]:
    return Adjudication.objects.order_by("-number")


def _read_decision(packed: object, *, n_steps: int) -> tuple[int | None, ...] | None:
    if packed is None:
        return None
    content = parse_content(packed, n_steps=n_steps)
    return tuple(ratings_of(content, n_steps)) if isinstance(content, RatingContent) else None
