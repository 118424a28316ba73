"""The training set, people's way through it, and who may take items of the queue.

A round has one row for each of its items from the start, so that changing the set changes no round
under way. What such a row holds before it is answered is at most the blind judgement on a claim:
an answer has a task in its content (`ANSWERED`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    JSONField,
    Min,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    When,
)
from django.db.models.functions import Coalesce

from labeling.access import Capability, capabilities_of, require
from labeling.content import Content, parse_content
from labeling.metrics.intervals import WilsonInterval, wilson_interval
from labeling.models import (
    Adjudication,
    Assignment,
    Membership,
    Project,
    ReviewItem,
    TrainingAnswer,
    TrainingItem,
    TrainingRound,
    User,
)
from labeling.selectors.review import Workspace, get_workspace
from labeling.training_rules import (
    Asked,
    Candidate,
    ComparedStep,
    compare_steps,
    count_confusions,
    count_needed,
    describe_candidate,
    explain_indefinite,
)
from workbench.errors import NotFound

SETTLED = (ReviewItem.State.AGREED, ReviewItem.State.DECIDED)
ANSWERED = Q(content__has_key="task")
LET_IN = Q(passed=True) | Q(excused_by__isnull=False)


def asked_of(project: Project, n_steps: int) -> Asked:
    """What is compared in this project's answers."""
    return Asked(
        n_steps=n_steps,
        binary=project.rating_view == Project.RatingView.BINARY,
        error_types=project.asked.error_types,
    )


# --- The set ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SetLine:
    """An item of the set, and how it was answered by people who met it for the first time."""

    row: TrainingItem
    expected: Content
    number: int
    share: WilsonInterval

    @property
    def item(self) -> ReviewItem:
        return self.row.item


def list_set(project: Project) -> list[SetLine]:
    """The set in its order."""
    rows = list(_with_items(live_items(project)))
    shares = count_first_answers(project)
    return [_build_line(row, number, shares) for number, row in enumerate(rows, start=1)]


def list_removed(project: Project) -> list[SetLine]:
    """What was taken out of the set, the latest first; without numbers (0)."""
    rows = _with_items(project.training_items.filter(removed_at__isnull=False))
    shares = count_first_answers(project)
    return [_build_line(row, 0, shares) for row in rows.order_by("-removed_at", "-pk")]


def live_items(project: Project) -> QuerySet[TrainingItem]:
    return project.training_items.filter(removed_at__isnull=True).order_by("place")


def _with_items(rows: QuerySet[TrainingItem]) -> QuerySet[TrainingItem]:
    return rows.select_related("item__solution__problem", "item__solution__injection", "author")


def _build_line(row: TrainingItem, number: int, shares: Mapping[int, tuple[int, int]]) -> SetLine:
    right, trials = shares.get(row.pk, (0, 0))
    expected = parse_content(row.expected, n_steps=row.item.solution.n_steps)
    return SetLine(row, expected, number, wilson_interval(right, trials))


def count_first_answers(project: Project) -> dict[int, tuple[int, int]]:
    """(right, answered) by training item, of each person's first answer to it.

    Whoever tries again has read the explanation: a second answer says little about the item.
    """
    firsts = (
        TrainingAnswer.objects.filter(ANSWERED, training_item__project=project)
        .order_by()
        .values("training_item", "round__person")
        .annotate(first=Min("pk"))
        .values("first")
    )
    counts = (
        TrainingAnswer.objects.filter(pk__in=firsts)
        .order_by()
        .values("training_item")
        .annotate(right=Count("pk", filter=Q(is_right=True)), n=Count("pk"))
    )
    return {row["training_item"]: (row["right"], row["n"]) for row in counts}


# --- What it may be chosen from -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SettledItem:
    """A settled item that is not in the set. `hindrance` says why it cannot be: see
    `explain_indefinite`; "" where it can.
    """

    item: ReviewItem
    packed: dict[str, Any]
    content: Content
    hindrance: str


def list_settled_items(project: Project, *, task: str = "", text: str = "") -> QuerySet[ReviewItem]:
    """Settled items that are not in the set, in the order of the queue."""
    rows = ReviewItem.objects.filter(project=project, state__in=SETTLED).exclude(
        training_item__removed_at__isnull=True, training_item__isnull=False
    )
    if task:
        rows = rows.filter(task=task)
    if text:
        rows = rows.filter(solution__problem__text__icontains=text)
    return rows.order_by("queue_order")


def load_settled(items: Iterable[int]) -> list[SettledItem]:
    """These items with what was settled of them, in the order given."""
    wanted = list(items)
    decision = Adjudication.objects.filter(item=OuterRef("pk")).order_by("-number")
    rows = (
        ReviewItem.objects.filter(pk__in=wanted)
        .select_related("solution__problem", "solution__injection")
        .annotate(
            settled=Case(
                When(state=ReviewItem.State.DECIDED, then=Subquery(decision.values("content")[:1])),
                When(state=ReviewItem.State.AGREED, then=F("agreed_revision__content")),
                output_field=JSONField(),
            )
        )
        .in_bulk()
    )
    return [_build_settled(rows[pk]) for pk in wanted if pk in rows and rows[pk].settled]


def _build_settled(item: Any) -> SettledItem:
    n_steps = item.solution.n_steps
    content = parse_content(item.settled, n_steps=n_steps)
    return SettledItem(item, item.settled, content, explain_indefinite(content, n_steps=n_steps))


def describe_settled(found: SettledItem) -> Candidate:
    return _describe(found.item, found.content)


def describe_line(line: SetLine) -> Candidate:
    return _describe(line.item, line.expected)


def _describe(item: ReviewItem, content: Content) -> Candidate:
    return describe_candidate(
        content,
        item_id=item.pk,
        family_id=item.solution.problem.family_id,
        n_steps=item.solution.n_steps,
    )


# --- Where a person stands ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """Where somebody stands with a project's training.

    `size`: how many items their next round has; `left_out`: those of the set that they have worked
    on themselves, and so are not asked.
    """

    project: Project
    is_required: bool
    is_exempt: bool
    has_passed: bool
    is_excused: bool
    size: int
    left_out: int
    under_way: TrainingRound | None
    done: int
    rounds: int

    @property
    def must_train(self) -> bool:
        """Does the queue give them nothing before they have passed?"""
        is_in = self.is_exempt or self.has_passed or self.is_excused
        return self.is_required and not is_in and self.total > 0

    @property
    def total(self) -> int:
        """How many items the round under way has, or the next one."""
        return self.size if self.under_way is None else self.under_way.size

    @property
    def needed(self) -> int:
        """How many of them must be right."""
        percent = (
            self.project.screening_pass_percent
            if self.under_way is None
            else self.under_way.pass_percent
        )
        return count_needed(self.total, percent)


def find_standing(user: User, project: Project) -> Standing:
    return find_standings(user, [project])[project.pk]


def find_standings(user: User, projects: Sequence[Project]) -> dict[int, Standing]:
    """By project id. As many queries for many projects as for one, but for what roles allow."""
    rounds: dict[int, list[TrainingRound]] = {project.pk: [] for project in projects}
    for one in TrainingRound.objects.filter(person=user, project__in=rounds).order_by("number"):
        rounds[one.project_id].append(one)
    under_way = {
        one.pk: one.project_id for group in rounds.values() for one in group if one.passed is None
    }
    done = dict(
        TrainingAnswer.objects.filter(ANSWERED, round__in=under_way)
        .order_by()
        .values_list("round__project")
        .annotate(Count("pk"))
    )
    there = TrainingItem.objects.filter(project__in=rounds, removed_at__isnull=True).order_by()
    in_set = dict(there.values_list("project").annotate(Count("pk")))
    asked = dict(there.exclude(has_worked_on(user)).values_list("project").annotate(Count("pk")))
    return {
        project.pk: _build_standing(
            user,
            project,
            rounds[project.pk],
            done=done.get(project.pk, 0),
            in_set=in_set.get(project.pk, 0),
            asked=asked.get(project.pk, 0),
        )
        for project in projects
    }


def _build_standing(
    user: User,
    project: Project,
    rounds: Sequence[TrainingRound],
    *,
    done: int,
    in_set: int,
    asked: int,
) -> Standing:
    return Standing(
        project=project,
        is_required=project.screening_required,
        is_exempt=is_exempt(user, project),
        has_passed=any(one.passed for one in rounds),
        is_excused=any(one.excused_by_id is not None for one in rounds),
        size=min(asked, project.screening_size),
        left_out=in_set - asked,
        under_way=next((one for one in rounds if one.passed is None), None),
        done=done,
        rounds=sum(one.size > 0 for one in rounds),
    )


def is_exempt(user: User, project: Project) -> bool:
    """Leads made the set, or may change it: nobody asks them to pass it."""
    return Capability.MANAGE in capabilities_of(user, project)


def has_worked_on(user: User) -> Q:
    """Of training items: those whose item this person was given once, or decided on."""
    given = Assignment.objects.filter(item=OuterRef("item"), annotator=user)
    decided = Adjudication.objects.filter(item=OuterRef("item"), adjudicator=user)
    return Q(Exists(given)) | Q(Exists(decided))


# --- Rounds -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RoundItem:
    """One item of a round. `is_right` is None before it is answered."""

    place: int
    answer: TrainingAnswer
    is_right: bool | None

    @property
    def item(self) -> ReviewItem:
        return self.answer.training_item.item


@dataclass(frozen=True, slots=True)
class RoundView:
    """A round with its items in order, and its result so far."""

    round: TrainingRound
    items: list[RoundItem]
    right: int
    answered: int
    needed: int
    share: WilsonInterval
    confusions: list[tuple[Mapping[str, Any], int]]

    @property
    def next_place(self) -> int | None:
        """The first item that is not answered; None when all are."""
        return next((one.place for one in self.items if one.is_right is None), None)


def find_round(user: User, round_id: int) -> TrainingRound:
    """One's own round, or for a lead anybody's in the project."""
    missing = f"There is no training round {round_id} that you may see."
    found = (
        TrainingRound.objects.select_related("project__taxonomy", "person", "excused_by")
        .filter(pk=round_id)
        .first()
    )
    if found is None:
        raise NotFound(missing)
    require(user, found.project, Capability.VIEW, missing=missing)
    if found.person_id != user.pk:
        if Capability.MANAGE not in capabilities_of(user, found.project):
            raise NotFound(missing)
        return found
    found.person = user
    return found


def find_own_round(user: User, round_id: int) -> TrainingRound:
    """One's own round alone: nobody answers for another."""
    found = find_round(user, round_id)
    if found.person_id != user.pk:
        raise NotFound(f"There is no training round {round_id} of yours.")
    require(user, found.project, Capability.ANNOTATE)
    return found


def get_round_view(found: TrainingRound) -> RoundView:
    rows = found.answers.select_related("training_item__item__solution__problem").order_by("pk")
    items = [
        RoundItem(place, row, row.is_right if is_answered(row) else None)
        for place, row in enumerate(rows, start=1)
    ]
    given = [one for one in items if one.is_right is not None]
    right = sum(bool(one.is_right) for one in given)
    return RoundView(
        round=found,
        items=items,
        right=right,
        answered=len(given),
        needed=count_needed(found.size, found.pass_percent),
        share=wilson_interval(right, len(given)),
        confusions=count_confusions(one.answer.findings for one in given),
    )


def is_answered(row: TrainingAnswer) -> bool:
    return "task" in row.content


def find_answer(found: TrainingRound, place: int) -> TrainingAnswer:
    """The row of an item of the round, by its place from 1. NotFound beyond its end."""
    rows = found.answers.select_related(
        "training_item__item__solution__problem", "training_item__item__project__taxonomy"
    ).order_by("pk")
    # A place comes from an address, and no database counts as far as that may.
    row = rows[place - 1 : place].first() if 0 < place <= found.size else None
    if row is None:
        raise NotFound(f"This round has {found.size} items, and no item {place}.")
    return row


def get_training_workspace(
    found: TrainingRound, row: TrainingAnswer, *, draft: Mapping[str, Any] | None = None
) -> Workspace:
    """The workspace of a training item. There is no assignment: nobody holds it.

    `draft` is what the page starts from. The claim is open once this round has a judgement of it,
    whatever the person was shown in an earlier one.
    """
    blind = {name: value for name, value in row.content.items() if name == "blind_first_error"}
    nobodys = Assignment(project=found.project, item=row.training_item.item, annotator=found.person)
    return get_workspace(nobodys, content={**(draft or {}), **blind})


@dataclass(frozen=True, slots=True)
class Explained:
    """An answered item beside what was expected, step by step."""

    answer: TrainingAnswer
    given: Content
    expected: Content
    steps: tuple[ComparedStep, ...]
    explanation: str


def explain_answer(found: TrainingRound, row: TrainingAnswer) -> Explained:
    n_steps = row.training_item.item.solution.n_steps
    given = parse_content(row.content, n_steps=n_steps)
    expected = parse_content(row.expected, n_steps=n_steps)
    return Explained(
        answer=row,
        given=given,
        expected=expected,
        steps=compare_steps(given, expected, asked_of(found.project, n_steps)),
        explanation=row.training_item.explanation,
    )


# --- Everybody's --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RoundLine:
    """A round in a list. `right` and `answered` are counted."""

    round: TrainingRound
    right: int
    answered: int

    @property
    def share(self) -> WilsonInterval:
        return wilson_interval(self.right, self.answered)


@dataclass(frozen=True, slots=True)
class PersonLine:
    """Somebody who annotates here, and their rounds, the first one first."""

    membership: Membership
    rounds: list[RoundLine]

    @property
    def latest(self) -> RoundLine | None:
        return self.rounds[-1] if self.rounds else None

    @property
    def has_passed(self) -> bool:
        return any(line.round.passed for line in self.rounds)

    @property
    def excused(self) -> TrainingRound | None:
        return next(
            (line.round for line in self.rounds if line.round.excused_by_id is not None), None
        )


def list_rounds(project: Project, people: Iterable[User] | None = None) -> QuerySet[TrainingRound]:
    """The rounds of a project with `n_right` and `n_answered`, each person's in order."""
    given = TrainingAnswer.objects.filter(ANSWERED, round=OuterRef("pk")).order_by()
    rows = TrainingRound.objects.filter(project=project)
    if people is not None:
        rows = rows.filter(person__in=people)
    return (
        rows.select_related("person", "excused_by")
        .annotate(n_answered=_count(given), n_right=_count(given.filter(is_right=True)))
        .order_by("person", "number")
    )


def _count(rows: QuerySet[TrainingAnswer]) -> Any:
    counted = rows.values("round").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted), 0)


def list_learners(project: Project) -> QuerySet[Membership]:
    """Whom the training is for: annotators, and whoever has been through it; no invented people."""
    trained = TrainingRound.objects.filter(project=project, person=OuterRef("user"))
    return (
        Membership.objects.filter(project=project, is_active=True, user__is_simulated=False)
        .filter(Q(role=Membership.Role.ANNOTATOR) | Q(Exists(trained)))
        .select_related("user")
        .order_by("pk")
    )


def load_people(project: Project, members: Iterable[Membership]) -> list[PersonLine]:
    """These members with their rounds, in one query."""
    people = list(members)
    by_person: dict[int, list[RoundLine]] = {member.user_id: [] for member in people}
    rows: Any = list_rounds(project, [member.user for member in people])
    for row in rows:
        by_person[row.person_id].append(RoundLine(row, row.n_right, row.n_answered))
    return [PersonLine(member, by_person[member.user_id]) for member in people]


@dataclass(frozen=True, slots=True)
class SetSummary:
    """How people did: each counted once, by the best that can be said of them."""

    people: int
    passed: int
    excused: int
    under_way: int
    failed: int

    @property
    def not_begun(self) -> int:
        return self.people - self.passed - self.excused - self.under_way - self.failed


def summarise_people(project: Project) -> SetSummary:
    """Of those whom the training is for, how many have passed."""
    learners = list_learners(project).order_by().values("user")
    by_person: dict[int, list[tuple[bool | None, bool]]] = {}
    rows = TrainingRound.objects.filter(project=project, person__in=learners)
    for person, passed, excuser in rows.values_list("person", "passed", "excused_by"):
        by_person.setdefault(person, []).append((passed, excuser is not None))
    counts = Counter(_name_standing(rounds) for rounds in by_person.values())
    return SetSummary(
        people=learners.count(),
        passed=counts["passed"],
        excused=counts["excused"],
        under_way=counts["under_way"],
        failed=counts["failed"],
    )


def _name_standing(rounds: Sequence[tuple[bool | None, bool]]) -> str:
    if any(passed for passed, _excused in rounds):
        return "passed"
    if any(excused for _passed, excused in rounds):
        return "excused"
    return "under_way" if any(passed is None for passed, _excused in rounds) else "failed"


def list_own_rounds(user: User, project: Project) -> list[RoundLine]:
    """One's own rounds in order; what a lead made to let somebody in is none."""
    rows: Any = list_rounds(project, [user]).filter(size__gt=0)
    return [RoundLine(row, row.n_right, row.n_answered) for row in rows]
