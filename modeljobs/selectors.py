"""What pages and REST read of engines, jobs and workers. Nothing here writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.fields.json import KT, KeyTextTransform
from django.db.models.functions import Coalesce

from labeling.access import Capability, require
from labeling.content import Task, VerdictValue
from labeling.models import (
    Adjudication,
    AuditEvent,
    Injection,
    Project,
    ReviewItem,
    User,
)
from modeljobs.costs import Cost, Usage, compute_cost, read_prices
from modeljobs.models import (
    Engine,
    JobItem,
    ModelCall,
    ModelJob,
    StepEvidence,
    WorkerBeat,
)
from workbench.errors import NotFound

# What "now" means for tokens per second: long enough to hold a few slow replies.
SPEED_WINDOW = timedelta(seconds=120)
MINUTE = timedelta(seconds=60)
FEED_LENGTH = 20
# A worker beats every 10 seconds; one that missed several may still be busy, and then is gone.
ALIVE_FOR = timedelta(seconds=45)
FINISHED = (JobItem.State.DONE, JobItem.State.FAILED, JobItem.State.SET_ASIDE)
UNSETTLED = (JobItem.State.PENDING, JobItem.State.LEASED)
ACCEPTING = frozenset({str(VerdictValue.ACCEPT), str(VerdictValue.ACCEPT_WITH_EDITS)})


# --- Workers ----------------------------------------------------------------------------------


def list_live_workers(*, now: datetime) -> list[WorkerBeat]:
    """Workers that were heard of a moment ago."""
    return list(WorkerBeat.objects.filter(beat_at__gte=now - ALIVE_FOR).order_by("name"))


def is_any_worker_alive(*, now: datetime, queue: str = "models") -> bool:
    """Is there anybody to take work from the queue?"""
    # Few rows: the queues are looked at here, since SQLite cannot search in a JSON list.
    return any(queue in worker.queues for worker in list_live_workers(now=now))


# --- Engines and jobs for this user -----------------------------------------------------------


def list_engines(*, active_only: bool = True) -> QuerySet[Engine]:
    engines = Engine.objects.order_by("name")
    return engines.filter(is_active=True) if active_only else engines


def get_engine(engine_id: int) -> Engine:
    engine = Engine.objects.filter(pk=engine_id).first()
    if engine is None:
        raise NotFound(f"There is no engine {engine_id}.")
    return engine


def get_job(user: User, job_id: int, capability: Capability = Capability.VIEW_JOBS) -> ModelJob:
    """The job, if the user may do that in its project."""
    missing = f"There is no job {job_id} that you may see."
    job = (
        ModelJob.objects.select_related("project", "engine", "created_by").filter(pk=job_id).first()
    )
    if job is None:
        raise NotFound(missing)
    require(user, job.project, capability, missing=missing)
    return job


# --- Lists of jobs ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class JobTally:
    """A job's items by state, and the tokens that all of them took."""

    counts: Mapping[str, int]
    prompt_tokens: int
    completion_tokens: int

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> JobTally:
        return cls(dict(data["counts"]), data["prompt_tokens"], data["completion_tokens"])

    def pack(self) -> dict[str, Any]:
        """As `ModelJob.tally` keeps it."""
        return {
            "counts": dict(self.counts),
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
        }


@dataclass(frozen=True, slots=True)
class JobSummary:
    """One line of the list of jobs."""

    job: ModelJob
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def finished(self) -> int:
        return sum(self.counts.get(state, 0) for state in FINISHED)

    @property
    def share(self) -> float | None:
        """Finished over all, None for a job without items."""
        return self.finished / self.total if self.total else None


def list_jobs(project: Project, *, limit: int = 50, before: int | None = None) -> list[JobSummary]:
    """The project's jobs, newest first, with their counts: two queries however many there are."""
    jobs = ModelJob.objects.filter(project=project).select_related("engine", "created_by")
    if before is not None:
        jobs = jobs.filter(pk__lt=before)
    return summarise_jobs(jobs.order_by("-pk")[:limit])


def summarise_jobs(jobs: Sequence[ModelJob] | QuerySet[ModelJob]) -> list[JobSummary]:
    """The jobs with their counts by state, in the order given."""
    rows = list(jobs)
    tallies = find_tallies(rows)
    return [JobSummary(job, tallies[job.pk].counts) for job in rows]


def find_tallies(jobs: Sequence[ModelJob]) -> dict[int, JobTally]:
    """The jobs' tallies: kept ones for those that have ended, the others counted in one query."""
    kept = {job.pk: JobTally.parse(job.tally) for job in jobs if job.tally is not None}
    return kept | count_items([job.pk for job in jobs if job.pk not in kept])


def count_items(job_ids: Sequence[int]) -> dict[int, JobTally]:
    """Items by state and their tokens, out of an index; whatever the jobs keep."""
    counts: dict[int, dict[str, int]] = {pk: {} for pk in job_ids}
    prompt: Counter[int] = Counter()
    completion: Counter[int] = Counter()
    if job_ids:
        grouped = (
            JobItem.objects.filter(job__in=job_ids)
            .order_by()
            .values_list("job_id", "state")
            .annotate(n=Count("*"), read=Sum("prompt_tokens"), written=Sum("completion_tokens"))
        )
        for job_id, state, n, read, written in grouped:
            counts[job_id][state] = n
            prompt[job_id] += read
            completion[job_id] += written
    return {pk: JobTally(counts[pk], prompt[pk], completion[pk]) for pk in job_ids}


def list_items(job: ModelJob) -> QuerySet[JobItem]:
    """The job's items in order, each with `n_checked`, the number of steps with evidence.

    Counted row by row, so that a page of them costs the same in a job of any size.
    """
    checked = (
        StepEvidence.objects.filter(item=OuterRef("pk"))
        .order_by()
        .values("item")
        .annotate(n=Count("position", distinct=True))
    )
    return (
        JobItem.objects.filter(job=job)
        .annotate(n_checked=Coalesce(Subquery(checked.values("n")), 0))
        .order_by("pk")
    )


# --- One job ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Failure:
    """Items that ended for one reason: how many, with one item's sentence as an example."""

    state: str
    reason_code: str
    count: int
    example: str


@dataclass(frozen=True, slots=True)
class Speed:
    """What was finished within a recent window. Each rate is None where nothing was.

    Tokens are those written in calls that were stored within the window, whether or not their items
    are finished: an item of many calls takes longer than any window.
    """

    window_s: float
    items_per_s: float | None
    tokens_per_s: float | None


@dataclass(frozen=True, slots=True)
class FunnelRow:
    """How one unit's proposals fared: asked, could be read, new, without blocking lints, reviewed
    to the end by people, accepted by them.
    """

    unit: str
    items: int
    asked: int
    parsed: int
    new: int
    lint_free: int
    reviewed: int
    accepted: int


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """A product as it came in. `injection` is None for one that was there before."""

    item: JobItem
    injection: Injection | None


@dataclass(frozen=True, slots=True)
class JobProgress:
    """A job at a moment. `eta_s` is 0 when nothing is left. What is not known is None, with a
    sentence on why: `eta_unknown`, `cost_unknown`.

    `tokens_per_s` counts tokens written: over the last minute, and over all the time at work.
    """

    job: ModelJob
    counts: Mapping[str, int]
    total: int
    finished: int
    prompt_tokens: int
    completion_tokens: int
    speed: Speed
    tokens_per_s: float | None
    tokens_per_s_overall: float | None
    cost: float | None
    cost_unknown: str
    currency: str
    eta_s: float | None
    eta_unknown: str
    failures: tuple[Failure, ...]
    # Items that wait for their next try, and when the first of them comes.
    delayed: int
    next_try_at: datetime | None
    is_worker_alive: bool

    @property
    def share(self) -> float | None:
        return self.finished / self.total if self.total else None

    @property
    def waits_for_worker(self) -> bool:
        """Should something happen that nobody is there to do?"""
        return self.job.state == ModelJob.State.RUNNING and not self.is_worker_alive


def get_progress(job: ModelJob, *, now: datetime) -> JobProgress:
    """How the job stands: what a page refreshes while it runs. A constant number of queries."""
    tally = find_tallies([job])[job.pk]
    counts = tally.counts
    prompt, completion = tally.prompt_tokens, tally.completion_tokens
    total = sum(counts.values())
    finished = sum(counts.get(state, 0) for state in FINISHED)
    speed = measure_speed(job, now=now)
    spent = _find_cost(job, prompt, completion)
    eta_s, eta_unknown = _estimate(job, total - finished, finished, speed.items_per_s)
    delayed = JobItem.objects.filter(
        job=job, state=JobItem.State.PENDING, not_before__gt=now
    ).order_by("not_before")
    next_try = delayed.values_list("not_before", flat=True).first()
    return JobProgress(
        job=job,
        counts=dict(counts),
        total=total,
        finished=finished,
        prompt_tokens=prompt,
        completion_tokens=completion,
        speed=speed,
        tokens_per_s=measure_tokens(job, now=now),
        tokens_per_s_overall=_divide(completion, job.ran_seconds),
        cost=spent.amount,
        cost_unknown=spent.unknown,
        currency=spent.currency,
        eta_s=eta_s,
        eta_unknown=eta_unknown,
        failures=tuple(list_failures(job)),
        delayed=delayed.count() if next_try is not None else 0,
        next_try_at=next_try,
        is_worker_alive=is_any_worker_alive(now=now),
    )


def measure_speed(job: ModelJob, *, now: datetime, window: timedelta = SPEED_WINDOW) -> Speed:
    """Items and completion tokens a second over the recent window, or since the job's start where
    that is shorter.
    """
    start = now - window
    if job.started_at is not None:
        start = max(start, job.started_at)
    seconds = (now - start).total_seconds()
    finished = JobItem.objects.filter(
        job=job, state__in=FINISHED, finished_at__gte=start, finished_at__lte=now
    ).count()
    return Speed(seconds, _divide(finished, seconds), _divide(_sum_recent(job, start), seconds))


def measure_tokens(job: ModelJob, *, now: datetime, window: timedelta = MINUTE) -> float | None:
    """Tokens written a second over the last minute, None where nobody counted any."""
    start = now - window
    if job.started_at is not None:
        start = max(start, job.started_at)
    return _divide(_sum_recent(job, start), (now - start).total_seconds())


def measure_usage(job: ModelJob, *, has_uncounted: bool) -> Usage:
    """What the job has used so far, by all workers together. `has_uncounted` says whether there is
    a call whose tokens were not counted: a search that a run does once, and not at every look.
    """
    tally = count_items([job.pk])[job.pk]
    return Usage(
        prompt_tokens=tally.prompt_tokens,
        completion_tokens=tally.completion_tokens,
        # One is enough to know that the sum is not the whole.
        uncounted=int(has_uncounted),
        seconds=job.ran_seconds,
    )


def has_uncounted_calls(job: ModelJob) -> bool:
    """Is there a call whose tokens the engine did not count?"""
    uncounted = Q(prompt_tokens__isnull=True) | Q(completion_tokens__isnull=True)
    return ModelCall.objects.filter(uncounted, item__job=job).exists()


def list_failures(job: ModelJob) -> list[Failure]:
    """Why items failed or were set aside, the commonest reason first."""
    grouped = (
        JobItem.objects.filter(job=job, state__in=[JobItem.State.FAILED, JobItem.State.SET_ASIDE])
        .order_by()
        .values_list("state", "reason_code")
        .annotate(n=Count("pk"), example=Max("reason"))
    )
    failures = [Failure(state, code, n, example) for state, code, n, example in grouped]
    return sorted(failures, key=lambda one: (-one.count, one.state, one.reason_code))


def list_feed(job: ModelJob, *, limit: int = FEED_LENGTH) -> list[FeedEntry]:
    """The latest products, newest first: two queries however many there are."""
    items = list(
        # That they have ended follows from their state; the index by end wants to hear it.
        JobItem.objects.filter(job=job, state=JobItem.State.DONE, finished_at__isnull=False)
        .select_related("solution__problem")
        .order_by("-finished_at", "-pk")[:limit]
    )
    products = [(item, product) for item in items for product in item.result.get("products", ())]
    wanted = [product["id"] for _item, product in products if product["kind"] == "injection"]
    injections = Injection.objects.select_related("modified__problem").in_bulk(
        [pk for pk in wanted if pk is not None]
    )
    return [FeedEntry(item, injections.get(product["id"])) for item, product in products]


def list_timeline(job: ModelJob) -> list[AuditEvent]:
    """What people did with the job, and what became of it, oldest first."""
    return list(
        AuditEvent.objects.filter(
            project_id=job.project_id, target_type="modeljob", target_id=str(job.pk)
        )
        .select_related("actor")
        .order_by("pk")
    )


def list_calls(item: JobItem) -> QuerySet[ModelCall]:
    """The item's exchanges in order; `services.calls.list_exchanges` reads their texts as well."""
    return ModelCall.objects.filter(item=item).order_by("place", "pk")


def build_funnel(job: ModelJob) -> list[FunnelRow]:
    """From asking to acceptance, per unit (for injection: per error type), in order of the unit.

    Accepted counts what people settled on: agreed by the reviewers or decided by an adjudicator.
    """
    items: Counter[str] = Counter()
    parsed: Counter[str] = Counter()
    grouped = (
        JobItem.objects.filter(job=job)
        .order_by()
        .values_list("unit", "state")
        .annotate(n=Count("pk"))
    )
    for unit, state, n in grouped:
        items[unit] += n
        parsed[unit] += n if state == JobItem.State.DONE else 0
    asked = Counter(
        dict(
            ModelCall.objects.filter(item__job=job)
            .order_by()
            .values_list("item__unit")
            .annotate(n=Count("item", distinct=True))
        )
    )
    made = Injection.objects.filter(project_id=job.project_id, provenance__job=job.pk)
    new: Counter[str] = Counter()
    lint_free: Counter[str] = Counter()
    for unit, blocking in made.annotate(unit=KT("provenance__unit")).values_list(
        "unit", "blocking_lints"
    ):
        new[unit] += 1
        lint_free[unit] += 1 if not blocking else 0
    reviewed: Counter[str] = Counter()
    accepted: Counter[str] = Counter()
    for unit, verdict in _list_settled_verdicts(made):
        reviewed[unit] += 1
        accepted[unit] += 1 if verdict in ACCEPTING else 0
    return [
        FunnelRow(
            unit=unit,
            items=items[unit],
            asked=asked[unit],
            parsed=parsed[unit],
            new=new[unit],
            lint_free=lint_free[unit],
            reviewed=reviewed[unit],
            accepted=accepted[unit],
        )
        for unit in sorted(items)
    ]


def _list_settled_verdicts(made: QuerySet[Injection]) -> list[tuple[str, str]]:
    """(unit, verdict) of each injection on which people have come to an end."""
    latest = (
        Adjudication.objects.filter(item=OuterRef("pk"))
        .order_by("-number")
        .annotate(value=KT("content__verdict"))
        .values("value")[:1]
    )
    settled = ReviewItem.objects.filter(
        solution__injection__in=made,
        task=Task.VERIFY_INJECTION,
        state__in=[ReviewItem.State.AGREED, ReviewItem.State.DECIDED],
    ).annotate(
        # KT itself would take the relations for keys of a document.
        unit=KeyTextTransform("unit", "solution__injection__provenance"),
        decided=Subquery(latest),
    )
    return [
        (unit, decided if state == ReviewItem.State.DECIDED else agreed or "")
        for unit, state, decided, agreed in settled.values_list(
            "unit", "state", "decided", "agreed_revision__verdict"
        )
    ]


def _sum_recent(job: ModelJob, start: datetime) -> int:
    """Tokens written in calls since then. Only items at work or just finished can have some: looked
    for so, nobody reads through all calls of the job.
    """
    at_work = JobItem.objects.filter(job=job).filter(
        Q(state=JobItem.State.LEASED) | Q(state__in=FINISHED, finished_at__gte=start)
    )
    recent = ModelCall.objects.filter(item__in=at_work, created_at__gte=start)
    total: int | None = recent.aggregate(tokens=Sum("completion_tokens"))["tokens"]
    return total or 0


def _find_cost(job: ModelJob, prompt_tokens: int, completion_tokens: int) -> Cost:
    prices = read_prices(job.engine_snapshot)
    usage = Usage(prompt_tokens, completion_tokens)
    if prices.is_known and (prices.prompt or prices.completion):
        usage.uncounted = int(has_uncounted_calls(job))
    return compute_cost(usage, prices)


def _estimate(
    job: ModelJob, left: int, finished: int, items_per_s: float | None
) -> tuple[float | None, str]:
    """Seconds until nothing is left, or None and why."""
    if left == 0:
        return 0.0, ""
    if job.state != ModelJob.State.RUNNING:
        return None, "The job does not run."
    # Where nothing was finished lately, because each item takes long, all the time at work tells.
    rate = items_per_s or _divide(finished, job.ran_seconds)
    if rate is None:
        return None, "No item has been finished yet."
    return left / rate, ""


def _divide(count: float, seconds: float) -> float | None:
    """A rate, or None: engines that do not say how much they made leave the sum at zero."""
    return count / seconds if count and seconds > 0 else None
