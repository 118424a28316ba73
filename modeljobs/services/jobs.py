"""Model jobs: made, started, paused, resumed, cancelled, tried again, and brought to an end.

A job's state moves by compare and set, so that two clicks or two workers cannot both move it. A
message to a worker only wakes it up; what there is to do stands in the database.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from labeling.access import Capability, require
from labeling.bulk import insert_rows
from labeling.models import Project, User
from labeling.services.audit import record_event
from labeling.services.ordering import finish_order
from modeljobs import selectors
from modeljobs.costs import read_prices
from modeljobs.engines.options import InvalidOptions, validate_options
from modeljobs.engines.wire import clean_text
from modeljobs.methods.base import Method
from modeljobs.methods.catalog import get_method
from modeljobs.models import Engine, JobItem, ModelJob
from modeljobs.selection import Selection, list_selected, parse_selection
from modeljobs.services.acceptance import check_before_resuming, parse_guards
from modeljobs.services.budgets import check_prices, find_excess, parse_budgets, read_budgets
from modeljobs.services.engines import snapshot_engine
from modeljobs.services.leases import (
    OPEN_STATES,
    Tally,
    list_claimable,
    reap_expired_items,
    take_leases_back,
)
from modeljobs.services.workers import forget_old_workers
from workbench.errors import Conflict, InvalidInput

logger = logging.getLogger(__name__)

State = ModelJob.State
# Items that one message stands for, and how many messages a job sends at once: they only wake
# workers, and one that finds nothing to do ends at once.
BATCH_SIZE = 64
MAX_MESSAGES = 16
MAX_ITEMS = 500_000
# What an item begins with, in the order of the columns after its job, solution and unit.
NEW_ITEM: tuple[Any, ...] = (str(JobItem.State.PENDING), 0, "", "", "", {}, 0, 0)
ITEM_COLUMNS = (
    *("job", "solution", "unit", "state", "attempts", "worker", "reason_code", "reason", "result"),
    *("prompt_tokens", "completion_tokens"),
)
NOTE_LIMIT = 200
PROMPT_VERSION_LIMIT = 80
# A waiting job is sent again after this long, doubled each time, up to the longest.
FIRST_WAKE_DELAY = timedelta(seconds=30)
LONGEST_WAKE_DELAY = timedelta(minutes=10)
# Failures of the method itself: trying again asks anew, with other seeds.
METHOD_OUTCOMES = frozenset({"unparsed", "failed"})

# When this process last woke a job, and how long it waits before it does so again. Only the
# reaper's; to forget it costs one message too many.
_woken: dict[int, tuple[datetime, timedelta]] = {}


# --- Making -----------------------------------------------------------------------------------


@transaction.atomic
def create_job(
    *,
    project: Project,
    engine: Engine,
    method: str,
    parameters: Mapping[str, Any],
    seed: int,
    selection: Mapping[str, Any],
    by: User,
    budgets: Mapping[str, Any] | None = None,
    guards: Mapping[str, Any] | None = None,
) -> ModelJob:
    """A job with one item per solution and unit, not started yet.

    `selection` is described by `selection.Selection`; its `error_types` may stand there or among
    the parameters. `budgets` are described by `budgets.Budgets`, `guards` by `acceptance.Guards`.
    InvalidInput says what is wrong with any of them.
    """
    require(by, project, Capability.RUN_JOBS)
    if project.archived_at is not None:
        raise Conflict(f"The project {project.name!r} is archived; nothing is run in it.")
    if not engine.is_active:
        raise InvalidInput(f"The engine {engine.name!r} is switched off.", field="engine")
    if isinstance(seed, bool) or not 0 <= seed < 2**63:
        raise InvalidInput(f"A seed is a whole number from 0, not {seed!r}.", field="seed")
    bounds = parse_budgets(budgets)
    check_prices(bounds, read_prices(snapshot_engine(engine)))
    chosen = _find_method(method)
    if not chosen.asks_engine and not engine.is_scripted:
        raise InvalidInput(
            f"The method {chosen.name!r} asks no model: choose the scripted engine, so that nobody "
            "takes what rules make for a model's work.",
            field="engine",
        )
    settings, wanted = _read_request(chosen, parameters, selection)
    ids = list_selected(project, wanted, seed=seed, judging=chosen.judges)
    units = chosen.units(settings)
    _check_size(len(ids), len(units), judging=chosen.judges)
    job = ModelJob.objects.create(
        project=project,
        engine=engine,
        method=chosen.name,
        parameters=settings,
        prompt_version=name_prompt_version(chosen),
        seed=seed,
        selection=wanted.pack(),
        budgets=bounds.pack(),
        guards=parse_guards(guards, method=chosen.name).pack(),
        is_scripted=engine.is_scripted,
        code_version=find_code_version(),
        created_by=by,
    )
    insert_rows(
        JobItem, ITEM_COLUMNS, ((job.pk, pk, unit, *NEW_ITEM) for pk in ids for unit in units)
    )
    record_event(
        project=project,
        actor=by,
        verb="job.created",
        target=job,
        method=chosen.name,
        engine=engine.name,
        solutions=len(ids),
        items=len(ids) * len(units),
    )
    return job


def preview_job(
    *,
    project: Project,
    method: str,
    parameters: Mapping[str, Any],
    seed: int,
    selection: Mapping[str, Any],
) -> tuple[int, int]:
    """How many solutions and items such a job would have; refuses what `create_job` refuses."""
    chosen = _find_method(method)
    settings, wanted = _read_request(chosen, parameters, selection)
    ids = list_selected(project, wanted, seed=seed, judging=chosen.judges)
    return len(ids), len(ids) * len(chosen.units(settings))


def name_prompt_version(method: Method) -> str:
    """The version of the method's prompts, shortened by a hash where it is too long to store."""
    name = method.prompt_version
    if len(name) <= PROMPT_VERSION_LIMIT:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{name[: PROMPT_VERSION_LIMIT - 14]}…#{digest}"


def find_code_version() -> str:
    """The version of this software, empty where it runs from a checkout that was not installed."""
    try:
        return version("prm-workbench")
    except PackageNotFoundError:
        return ""


# --- Moving -----------------------------------------------------------------------------------


@transaction.atomic
def start(*, job: ModelJob, by: User, now: datetime | None = None) -> ModelJob:
    """Begin. From here on the job uses its engine as it is now, whatever becomes of the row."""
    require(by, job.project, Capability.RUN_JOBS)
    engine = Engine.objects.get(pk=job.engine_id)
    # Its prices may be gone since the job was made.
    check_prices(read_budgets(job), read_prices(snapshot_engine(engine)))
    _move(
        job,
        (State.QUEUED,),
        State.RUNNING,
        verb="started",
        by=by,
        started_at=now or timezone.now(),
        engine_snapshot=snapshot_engine(engine),
        is_scripted=engine.is_scripted,
    )
    send_batches(job)
    return job


@transaction.atomic
def pause(*, job: ModelJob, by: User) -> ModelJob:
    """Begin nothing new. What is in flight is paid for, and lands."""
    require(by, job.project, Capability.RUN_JOBS)
    return _move(job, (State.RUNNING,), State.PAUSED, verb="paused", by=by)


@transaction.atomic
def resume(*, job: ModelJob, by: User) -> ModelJob:
    """Go on after a pause. Items that waited for their engine are tried at once.

    Conflict while a budget is used up, or a guard is broken: it has to be changed first.
    """
    require(by, job.project, Capability.RUN_JOBS)
    job.refresh_from_db(fields=["budgets", "guards", "ran_seconds"])
    excess = find_excess_of(job)
    if job.state == State.PAUSED and excess:
        raise Conflict(
            f"{excess} Raise it, or take it away, before the job goes on.", state=job.state
        )
    if job.state == State.PAUSED:
        check_before_resuming(job)
    _move(job, (State.PAUSED,), State.RUNNING, verb="resumed", by=by, note="")
    JobItem.objects.filter(job=job, state=JobItem.State.PENDING).update(not_before=None)
    send_batches(job)
    return job


@transaction.atomic
def change_budgets(*, job: ModelJob, budgets: Mapping[str, Any], by: User) -> ModelJob:
    """Replace all budgets of a job that has not begun, or is paused."""
    require(by, job.project, Capability.RUN_JOBS)
    bounds = parse_budgets(budgets)
    fresh = ModelJob.objects.select_for_update().get(pk=job.pk)
    if fresh.state not in (State.QUEUED, State.PAUSED):
        raise Conflict(
            f"The job is {fresh.get_state_display().lower()}; budgets are changed while it is "
            "paused.",
            state=fresh.state,
        )
    snapshot = fresh.engine_snapshot or snapshot_engine(Engine.objects.get(pk=fresh.engine_id))
    check_prices(bounds, read_prices(snapshot))
    fresh.budgets = bounds.pack()
    fresh.save(update_fields=["budgets"])
    record_event(
        project=job.project,
        actor=by,
        verb="job.budgets_changed",
        target=job,
        budgets=fresh.budgets,
    )
    job.refresh_from_db()
    return job


@transaction.atomic
def cancel(*, job: ModelJob, by: User, now: datetime | None = None) -> ModelJob:
    """End the job. What is stored stays; nothing more comes from it once this returns.

    Leases are taken back, so that a worker that has not heard of it yet stores nothing.
    """
    require(by, job.project, Capability.RUN_JOBS)
    _move(
        job,
        (State.QUEUED, State.RUNNING, State.PAUSED),
        State.CANCELLED,
        verb="cancelled",
        by=by,
        finished_at=now or timezone.now(),
    )
    take_leases_back(job_id=job.pk)
    _keep_tally(job)
    return job


@transaction.atomic
def retry_failed(*, job: ModelJob, by: User, reason_code: str | None = None) -> int:
    """Put failed items, and those set aside, back into the queue; how many.

    With `reason_code`, only those that ended for that reason. A reply that could not be read is
    asked for anew, with other seeds; where the engine failed, answers that were paid for are kept.
    """
    require(by, job.project, Capability.RUN_JOBS)
    # First, so that nobody ends the job between the look and the change.
    fresh = ModelJob.objects.select_for_update().get(pk=job.pk)
    if fresh.state in (State.CANCELLED, State.QUEUED):
        raise Conflict(f"A job that is {fresh.get_state_display().lower()} has nothing to retry.")
    ended = JobItem.objects.filter(
        job=job, state__in=[JobItem.State.FAILED, JobItem.State.SET_ASIDE]
    )
    if reason_code is not None:
        ended = ended.filter(reason_code=reason_code)
    by_round: dict[int, list[int]] = defaultdict(list)
    for item in ended.only("pk", "result"):
        asks_anew = item.result.get("outcome") in METHOD_OUTCOMES
        by_round[Tally.of(item).round + asks_anew].append(item.pk)
    count = sum(_put_back(ids, Tally(round=number)) for number, ids in sorted(by_round.items()))
    if not count:
        raise InvalidInput("No item of this job has failed for that reason.", field="reason_code")
    if fresh.state == State.DONE:
        _move(
            job, (State.DONE,), State.RUNNING, verb="reopened", by=by, finished_at=None, tally=None
        )
    record_event(
        project=job.project,
        actor=by,
        verb="job.retried",
        target=job,
        items=count,
        reason_code=reason_code or "",
    )
    job.refresh_from_db()
    if job.state == State.RUNNING:
        send_batches(job)
    return count


# --- What workers and the reaper do -----------------------------------------------------------


def find_excess_of(job: ModelJob) -> str:
    """Which budget of the job is used up, as a sentence, or "" while there is some left."""
    budgets = read_budgets(job)
    if not budgets:
        return ""
    usage = selectors.measure_usage(job, has_uncounted=selectors.has_uncounted_calls(job))
    return find_excess(budgets, usage, read_prices(job.engine_snapshot))


@transaction.atomic
def pause_for_cause(*, job_id: int, reason: str) -> bool:
    """Pause a job that somebody must mend, with the reason; False if it runs no more.

    An engine that refuses everything, a sandbox that is not there, a full disk, a budget that is
    used up: going on would fail every item for a fault that is none of theirs.
    """
    job = ModelJob.objects.select_related("project").get(pk=job_id)
    note = _shorten(clean_text(reason))
    try:
        _move(job, (State.RUNNING,), State.PAUSED, verb="paused", note=note)
    except Conflict:
        return False
    return True


def pause_if_open(*, job_id: int, reason: str) -> bool:
    """The same for a job that still has something to do: one whose last item used its budget up is
    done, and nothing is left to mend.
    """
    if not JobItem.objects.filter(job_id=job_id, state__in=OPEN_STATES).exists():
        return False
    return pause_for_cause(job_id=job_id, reason=reason)


@transaction.atomic
def complete_if_done(*, job_id: int, now: datetime) -> bool:
    """End a running job that has nothing left to do; True for the one caller who did."""
    # The row is locked before the items are counted, in another statement: a retry that puts
    # items back holds the same lock, and is seen whole or not at all.
    job = (
        ModelJob.objects.select_for_update(of=("self",))
        .select_related("project")
        .filter(pk=job_id, state=State.RUNNING)
        .first()
    )
    if job is None or JobItem.objects.filter(job=job, state__in=OPEN_STATES).exists():
        return False
    _move(job, (State.RUNNING,), State.DONE, verb="done", finished_at=now)
    _keep_tally(job)
    # What the job made stands at the end of the queue, where the project wants another order.
    transaction.on_commit(partial(finish_order, job.project), robust=True)
    return True


def send_batches(job: ModelJob, *, items: int | None = None) -> int:
    """Wake workers for the job once this transaction has committed; how many messages go out."""
    if items is None:
        items = JobItem.objects.filter(job=job, state=JobItem.State.PENDING).count()
    # At least one, also for no items: somebody has to notice that the job is done.
    count = max(1, min(MAX_MESSAGES, math.ceil(items / BATCH_SIZE)))
    job_id = job.pk

    def send() -> None:
        _send(job_id, count)

    # Robust: where the broker cannot be reached the error is logged, the job is stored all the
    # same, and the reaper sends again.
    transaction.on_commit(send, robust=True)
    return count


def tend_jobs(*, now: datetime | None = None) -> int:
    """The reaper's chore, in four small steps; how many things were done.

    1. Items whose worker fell silent go back to the queue. 2. Jobs with nothing left end. 3. Jobs
    with work that nobody does are sent again. 4. Workers long gone are forgotten.
    """
    now = now or timezone.now()
    done = reap_expired_items(now=now)
    items = JobItem.objects.filter(job=OuterRef("pk"), state__in=OPEN_STATES)
    for pk in ModelJob.objects.filter(~Exists(items), state=State.RUNNING).values_list(
        "pk", flat=True
    ):
        done += complete_if_done(job_id=pk, now=now)
    done += wake_stalled_jobs(now=now)
    return done + forget_old_workers(now=now)


def wake_stalled_jobs(*, now: datetime) -> int:
    """Send again for jobs that have work and nobody at it; how many.

    Not while no worker is alive: nobody would take the messages, and they would pile up.
    """
    if not selectors.is_any_worker_alive(now=now):
        return 0
    leased = JobItem.objects.filter(job=OuterRef("pk"), state=JobItem.State.LEASED)
    waiting = list_claimable(now).filter(job=OuterRef("pk"))
    stalled = list(
        ModelJob.objects.filter(Exists(waiting), ~Exists(leased), state=State.RUNNING).order_by(
            "pk"
        )
    )
    stalled_ids = {job.pk for job in stalled}
    for job_id in set(_woken) - stalled_ids:
        # It moved on; the next stall is a new one.
        del _woken[job_id]
    count = 0
    for job in stalled:
        woken_at, delay = _woken.get(job.pk, (None, FIRST_WAKE_DELAY))
        if woken_at is not None:
            if now < woken_at + delay:
                continue
            delay = min(LONGEST_WAKE_DELAY, delay * 2)
        _woken[job.pk] = (now, delay)
        send_batches(job, items=1)
        count += 1
    return count


def _send(job_id: int, count: int) -> None:
    # A task is a door, and doors import services: it is looked up only when one is sent.
    from modeljobs.tasks import run_batch

    for _ in range(count):
        run_batch.delay(job_id)


def _move(
    job: ModelJob,
    states: Iterable[str],
    to: str,
    *,
    verb: str,
    by: User | None = None,
    **changes: Any,
) -> ModelJob:
    """Move the job on if it is in one of `states`, and note who did; else Conflict."""
    updated = ModelJob.objects.filter(pk=job.pk, state__in=states).update(state=to, **changes)
    if updated != 1:
        job.refresh_from_db(fields=["state"])
        raise Conflict(
            f"The job is {job.get_state_display().lower()} and cannot be {verb}.", state=job.state
        )
    job.refresh_from_db()
    detail = {"note": job.note} if changes.get("note") else {}
    record_event(project=job.project, actor=by, verb=f"job.{verb}", target=job, **detail)
    return job


def _keep_tally(job: ModelJob) -> None:
    """Note how a job ended: until it is reopened, none of its items changes."""
    job.tally = selectors.count_items([job.pk])[job.pk].pack()
    job.save(update_fields=["tally"])


def _put_back(ids: list[int], tally: Tally) -> int:
    count = 0
    for start_at in range(0, len(ids), 500):
        count += JobItem.objects.filter(
            pk__in=ids[start_at : start_at + 500],
            state__in=[JobItem.State.FAILED, JobItem.State.SET_ASIDE],
        ).update(
            state=JobItem.State.PENDING,
            result=tally.pack(),
            reason_code="",
            reason="",
            not_before=None,
            finished_at=None,
        )
    return count


def _find_method(name: str) -> Method:
    try:
        return get_method(name)
    except ValueError as error:
        raise InvalidInput(str(error), field="method") from None


def _read_request(
    method: Method, parameters: Mapping[str, Any], selection: Mapping[str, Any]
) -> tuple[dict[str, Any], Selection]:
    rest = dict(selection)
    given = dict(parameters)
    if "error_types" in rest:
        types = rest.pop("error_types")
        if "error_types" in given and list(given["error_types"]) != list(types):
            raise InvalidInput(
                "The parameters and the selection name different error types; name them once.",
                field="error_types",
            )
        given["error_types"] = types
    try:
        settings = validate_options(method.parameters, given)
    except InvalidOptions as error:
        raise InvalidInput(str(error), problems=error.problems) from None
    # JSON has lists only: what is stored is what a run will read.
    settings = {
        name: list(value) if isinstance(value, tuple) else value for name, value in settings.items()
    }
    return settings, parse_selection(rest)


def _check_size(solutions: int, units: int, *, judging: bool) -> None:
    if not solutions:
        raise InvalidInput(
            "No solution fits this selection."
            if judging
            else "No solution fits this selection. Solutions known to be wrong and injections are "
            "left out.",
            field="selection",
        )
    if solutions * units > MAX_ITEMS:
        raise InvalidInput(
            f"This selection makes {solutions * units:,} items; a job has at most {MAX_ITEMS:,}. "
            "Give a limit.",
            field="selection",
        )


def _shorten(text: str) -> str:
    return text if len(text) <= NOTE_LIMIT else text[: NOTE_LIMIT - 1] + "…"
