"""One person's own work in a project: how far, how long, and how it compares with decisions.

Nothing of anybody else is in it but the decisions on one's own items, and those only where the
project shows them. What is compared is one's first word on an item: later ones were said with more
in view.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any, Literal

from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import TruncDate
from django.utils import timezone

from labeling.content import Content, RatingContent, VerdictContent, parse_content
from labeling.metrics.intervals import WilsonInterval, wilson_interval
from labeling.models import (
    Adjudication,
    Annotation,
    AnnotationRevision,
    Assignment,
    AuditEvent,
    GuidelineReading,
    Project,
    ReviewItem,
    User,
)
from labeling.records import FirstError, NoError, Unknown
from labeling.selectors.comments import list_mentions
from labeling.selectors.training import RoundLine, list_own_rounds
from labeling.training_rules import ACCEPTING, Asked, compare_steps

DAYS = 7
# Times are medians: those of the newest items say how it goes now, and are quickly read.
TIMED_ITEMS = 1_000
# Of a project's disputes that were sent back, the newest so many are looked through.
SENT_BACK = 500

FigureName = Literal["first_error", "within_one", "steps", "verdicts"]
FIGURES: tuple[FigureName, ...] = ("first_error", "within_one", "steps", "verdicts")


@dataclass(frozen=True, slots=True)
class Day:
    """How many items were submitted on a day."""

    day: date
    done: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Items done in all and in the last days, the oldest day first; `waiting` could be claimed."""

    done: int
    waiting: int
    days: list[Day]

    @property
    def done_lately(self) -> int:
        return sum(day.done for day in self.days)


@dataclass(frozen=True, slots=True)
class Timing:
    """A median of active milliseconds, and of how many; None where nothing was measured."""

    median_ms: float | None
    n: int

    @property
    def seconds(self) -> float | None:
        return None if self.median_ms is None else self.median_ms / 1000


@dataclass(frozen=True, slots=True)
class DecidedItem:
    """One's own first word on an item beside the decision on it."""

    annotation_id: int
    item: ReviewItem
    own: Content
    decision: Content
    reason: str
    n_steps: int
    is_revised: bool
    steps_same: int
    steps_compared: int

    @property
    def own_first_error(self) -> FirstError:
        """Where one saw the first error unaided: of an injection, before its claim was open."""
        if isinstance(self.own, VerdictContent):
            return self.own.blind_first_error
        return self.own.first_error(self.n_steps)

    @property
    def decided_first_error(self) -> FirstError:
        """Where it is; of a rejected injection nobody has said."""
        if isinstance(self.decision, VerdictContent) and self.decision.verdict not in ACCEPTING:
            return Unknown("the injection was not accepted")
        return self.decision.first_error(self.n_steps)


@dataclass(frozen=True, slots=True)
class Figure:
    """How often one's word was the decision's. The share counts steps or items, by the figure."""

    name: FigureName
    share: WilsonInterval
    items: int


@dataclass(frozen=True, slots=True)
class SentBack:
    """A disputed item of one's own that an adjudicator sent back to its reviewers."""

    annotation: Annotation
    at: datetime
    is_revised: bool


@dataclass(frozen=True, slots=True)
class OwnWork:
    """Everything on one's own page. `figures` is None where decisions are not shown here."""

    progress: Progress
    item_time: Timing
    step_time: Timing
    figures: list[Figure] | None
    sent_back: list[SentBack]
    unseen_mentions: int
    rounds: list[RoundLine]
    guideline_read: GuidelineReading | None


def get_own_work(user: User, project: Project, *, now: datetime | None = None) -> OwnWork:
    now = now or timezone.now()
    item_time, step_time = measure_time(user, project)
    return OwnWork(
        progress=count_progress(user, project, now=now),
        item_time=item_time,
        step_time=step_time,
        figures=(summarise(load_decided(user, project)) if project.decisions_shown else None),
        sent_back=list_sent_back(user, project),
        unseen_mentions=list_mentions(user, unseen_only=True)
        .filter(comment__project=project)
        .count(),
        rounds=list_own_rounds(user, project),
        guideline_read=GuidelineReading.objects.filter(project=project, person=user)
        .order_by("-pk")
        .first(),
    )


# --- How far, how long --------------------------------------------------------------------------


def count_progress(user: User, project: Project, *, now: datetime) -> Progress:
    """What is done and what waits, with the last seven days apart."""
    mine = Assignment.objects.filter(annotator=user, project=project)
    submitted = mine.filter(state=Assignment.State.SUBMITTED)
    today = timezone.localdate(now)
    start = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    counted = dict(
        submitted.filter(closed_at__gte=start - timedelta(days=DAYS - 1))
        .order_by()
        .annotate(day=TruncDate("closed_at"))
        .values_list("day")
        .annotate(Count("pk"))
    )
    past = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    held = mine.exclude(state=Assignment.State.EXPIRED).values("item")
    waiting = ReviewItem.objects.filter(project=project, free_slots__gt=0).exclude(pk__in=held)
    return Progress(
        done=submitted.count(),
        waiting=waiting.count() + mine.filter(state=Assignment.State.OPEN).count(),
        days=[Day(day, counted.get(day, 0)) for day in past],
    )


def measure_time(user: User, project: Project) -> tuple[Timing, Timing]:
    """Active time an item and a step, over the newest items where somebody sat at a screen."""
    rows = (
        AnnotationRevision.objects.filter(
            annotation__project=project, annotation__annotator=user, number=1, active_ms__gt=0
        )
        .order_by("-pk")
        .values_list("active_ms", "step_ms")[:TIMED_ITEMS]
    )
    items: list[int] = []
    steps: list[int] = []
    for active_ms, step_ms in rows:
        items.append(active_ms)
        steps += _read_step_times(step_ms)
    return _take_median(items), _take_median(steps)


def _read_step_times(step_ms: object) -> Iterable[int]:
    """The times of the steps that somebody looked at; a step passed over took no time to judge."""
    values = step_ms.values() if isinstance(step_ms, Mapping) else ()
    return [ms for ms in values if isinstance(ms, int) and ms > 0]


def _take_median(values: Sequence[int]) -> Timing:
    return Timing(float(median(values)) if values else None, len(values))


def list_sent_back(user: User, project: Project) -> list[SentBack]:
    """Disputed items of one's own that were sent back, the latest first."""
    mine = {
        annotation.item_id: annotation
        for annotation in Annotation.objects.filter(
            project=project, annotator=user, item__state=ReviewItem.State.DISPUTED
        ).select_related("item", "solution__problem")
    }
    if not mine:
        return []
    events = AuditEvent.objects.filter(project=project, verb="dispute.sent_back").order_by("-pk")
    latest: dict[int, datetime] = {}
    for detail, at in events.values_list("detail", "at")[:SENT_BACK]:
        if detail.get("item") in mine:
            latest.setdefault(detail["item"], at)
    revised = dict(
        AnnotationRevision.objects.filter(annotation__in=[one.pk for one in mine.values()])
        .order_by("number")
        .values_list("annotation", "created_at")
    )
    return [
        SentBack(mine[item], at, is_revised=revised[mine[item].pk] > at)
        for item, at in latest.items()
    ]


# --- Beside decisions ---------------------------------------------------------------------------


def load_decided(user: User, project: Project) -> list[DecidedItem]:
    """One's own items that an adjudicator has decided, with both words; the newest first."""
    newest = Adjudication.objects.filter(item=OuterRef("annotation__item")).order_by("-number")
    revisions: Any = (
        AnnotationRevision.objects.filter(
            annotation__project=project,
            annotation__annotator=user,
            annotation__item__state=ReviewItem.State.DECIDED,
            number=1,
        )
        .select_related("annotation__item__solution__problem")
        .annotate(
            decision=Subquery(newest.values("content")[:1]),
            decision_reason=Subquery(newest.values("reason")[:1]),
        )
        .order_by("-annotation_id")
    )
    binary = project.rating_view == Project.RatingView.BINARY
    return [_build_decided(row, binary=binary) for row in revisions if row.decision]


def _build_decided(row: Any, *, binary: bool) -> DecidedItem:
    item = row.annotation.item
    n_steps = item.solution.n_steps
    own = parse_content(row.content, n_steps=n_steps)
    decision = parse_content(row.decision, n_steps=n_steps)
    compared = []
    if isinstance(own, RatingContent) and isinstance(decision, RatingContent):
        steps = compare_steps(own, decision, Asked(n_steps=n_steps, binary=binary))
        # One who was unsure gave no rating that could be the same.
        compared = [one for one in steps if one.agrees is not None and one.given != "unsure"]
    return DecidedItem(
        annotation_id=row.annotation_id,
        item=item,
        own=own,
        decision=decision,
        reason=row.decision_reason,
        n_steps=n_steps,
        is_revised=row.annotation.current_number > 1,
        steps_same=sum(bool(one.agrees) for one in compared),
        steps_compared=len(compared),
    )


def judge(decided: DecidedItem, name: FigureName) -> bool | None:
    """Is one's word the decision's, for this figure? None where the item does not count for it."""
    if name == "steps":
        if not decided.steps_compared:
            return None
        return decided.steps_same == decided.steps_compared
    if name == "verdicts":
        return _judge_verdict(decided)
    own, final = decided.own_first_error, decided.decided_first_error
    if isinstance(own, Unknown) or isinstance(final, Unknown):
        return None
    if isinstance(own, NoError) or isinstance(final, NoError):
        return type(own) is type(final)
    return abs(own.position - final.position) <= (1 if name == "within_one" else 0)


def _judge_verdict(decided: DecidedItem) -> bool | None:
    own, final = decided.own, decided.decision
    if not isinstance(own, VerdictContent) or not isinstance(final, VerdictContent):
        return None
    if own.verdict in ACCEPTING and final.verdict in ACCEPTING:
        return True
    return own.verdict is final.verdict


def summarise(decided: Sequence[DecidedItem]) -> list[Figure]:
    """The figures, each over the items that count for it."""
    return [_summarise_one(decided, name) for name in FIGURES]


def _summarise_one(decided: Sequence[DecidedItem], name: FigureName) -> Figure:
    judged = [(one, judge(one, name)) for one in decided]
    counted = [(one, same) for one, same in judged if same is not None]
    if name == "steps":
        share = wilson_interval(
            sum(one.steps_same for one, _same in counted),
            sum(one.steps_compared for one, _same in counted),
        )
    else:
        share = wilson_interval(sum(same for _one, same in counted), len(counted))
    return Figure(name, share, len(counted))


def list_compared(
    decided: Iterable[DecidedItem], name: FigureName, *, differing_only: bool = False
) -> list[tuple[DecidedItem, bool]]:
    """The items behind a figure, and whether both words are the same there."""
    judged = [(one, judge(one, name)) for one in decided]
    return [
        (one, same) for one, same in judged if same is not None and not (differing_only and same)
    ]
