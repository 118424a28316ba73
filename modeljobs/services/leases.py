"""Who works on which item of a job, until when.

A worker owns an item by a token. The token is the fence: what a worker brings is stored only while
the item still carries the worker's token. The end of the lease is merely when somebody else may
take the item over, so a worker that was slow but not replaced loses nothing.

What happened to an item before is kept in its `result` while it waits (see `Tally`): a worker that
died with it (`losses`), errors nobody foresaw (`errors`), and engines that were out of reach
(`transients`). Each has a bound of its own, because a server that was down for an hour says
nothing about the item, and a worker that was killed little.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from modeljobs.engines.wire import clean_text
from modeljobs.models import JobItem, ModelJob
from workbench.errors import Conflict

# After so many dead workers, unforeseen errors and failed engines an item is given up.
MAX_LOSSES = 5
MAX_ERRORS = 3
MAX_TRANSIENTS = 10
# Seconds until the next try: doubled each time, up to the longest.
FIRST_DELAY = timedelta(seconds=5)
LONGEST_DELAY = timedelta(minutes=10)
REASON_LIMIT = 2_000
# Rows looked at for one claim beyond what is wanted: suspects among them are passed over.
LOOK_AHEAD = 32

State = JobItem.State
ADD_TOKENS = (
    f"UPDATE {JobItem._meta.db_table} SET prompt_tokens = prompt_tokens + %s, "  # noqa: S608
    "completion_tokens = completion_tokens + %s WHERE id = %s"
)
OPEN_STATES = (State.PENDING, State.LEASED)
# An item may be finished while its job runs, or while a paused job lets what is in flight land.
LIVE_JOB_STATES = (ModelJob.State.RUNNING, ModelJob.State.PAUSED)


class LeaseLost(Conflict):
    """The item is no longer ours: somebody else has it, or its job was cancelled."""

    code = "lease_lost"


@dataclass(frozen=True, slots=True)
class Lease:
    """An item and the token that owns it."""

    item_id: int
    token: uuid.UUID


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens that the calls of an item took, to be counted under its lease."""

    lease: Lease
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Tally:
    """What happened to an item in earlier attempts, and how often a person asked for it anew."""

    losses: int = 0
    errors: int = 0
    transients: int = 0
    round: int = 0

    @classmethod
    def of(cls, item: JobItem) -> Tally:
        given = item.result if isinstance(item.result, dict) else {}
        return cls(**{entry.name: int(given.get(entry.name, 0)) for entry in fields(cls)})

    def pack(self) -> dict[str, Any]:
        return {name: count for name, count in asdict(self).items() if count}


def find_company(losses: int) -> int | None:
    """With how many others an item may be in flight, itself counted; None for any number.

    When a worker dies, each item in its hands is a suspect, most of them innocent. Those who were
    there twice go in small company, later alone: the guilty one then takes nobody with it.
    """
    if losses < 2:
        return None
    return {2: 8, 3: 4}.get(losses, 1)


@transaction.atomic
def claim_items(
    *,
    job_id: int,
    limit: int,
    worker: str,
    now: datetime,
    ttl: timedelta,
    in_flight: int = 0,
) -> list[JobItem]:
    """Lease up to `limit` waiting items of a running job to this worker, oldest first.

    `in_flight` is how many items the worker holds already: suspects (see `find_company`) are
    handed out only into small enough company. The items come with solution and problem.
    """
    if limit < 1 or not ModelJob.objects.filter(pk=job_id, state=ModelJob.State.RUNNING).exists():
        return []
    waiting = list_claimable(now).filter(job_id=job_id).order_by("pk")
    if connection.features.has_select_for_update_skip_locked:
        # Another worker's choice is passed over instead of waited for. SQLite needs none of it:
        # an IMMEDIATE transaction is the only one that writes.
        waiting = waiting.select_for_update(skip_locked=True, of=("self",))
    chosen = _choose(list(waiting[: limit + LOOK_AHEAD]), limit=limit, in_flight=in_flight)
    token = uuid.uuid4()
    ids = [item.pk for item in chosen]
    # Compare and set: the rows must still be waiting at the moment of writing.
    JobItem.objects.filter(pk__in=ids, state=State.PENDING).update(
        state=State.LEASED,
        lease_token=token,
        lease_expires_at=now + ttl,
        not_before=None,
        attempts=F("attempts") + 1,
        worker=worker[:120],
        started_at=Coalesce(F("started_at"), now),
        reason_code="",
        reason="",
    )
    return list(
        JobItem.objects.filter(pk__in=ids, lease_token=token)
        .select_related("solution__problem__family", "solution__problem__doubt")
        .prefetch_related("solution__steps")
        .order_by("pk")
    )


def list_claimable(now: datetime) -> QuerySet[JobItem]:
    """Waiting items whose time has come."""
    return JobItem.objects.filter(
        Q(not_before__isnull=True) | Q(not_before__lte=now), state=State.PENDING
    )


@transaction.atomic
def extend_leases(*, leases: Sequence[Lease], now: datetime, ttl: timedelta) -> frozenset[int]:
    """Heartbeat: extend what is still ours, and return the ids of those items. The rest is lost."""
    held: set[int] = set()
    # SQLite bounds the values of one statement.
    for start in range(0, len(leases), 200):
        tokens = {lease.item_id: lease.token for lease in leases[start : start + 200]}
        ours = [
            item.pk
            for item in lock_leased(JobItem.objects.filter(pk__in=tokens))
            if item.lease_token == tokens[item.pk]
        ]
        JobItem.objects.filter(pk__in=ours).update(lease_expires_at=now + ttl)
        held.update(ours)
    return frozenset(held)


def take_leases_back(*, job_id: int) -> int:
    """Return all items of a job that are in flight to the queue, whoever has them; how many. To be
    called in a transaction.
    """
    ids = [item.pk for item in lock_leased(JobItem.objects.filter(job_id=job_id))]
    for start in range(0, len(ids), 500):
        JobItem.objects.filter(pk__in=ids[start : start + 500]).update(
            state=State.PENDING, lease_token=None, lease_expires_at=None, worker=""
        )
    return len(ids)


def find_first_token(*, job_id: int) -> uuid.UUID | None:
    """The token of the job's first item in flight, None where there is none. Of all who work on a
    job at once just one holds it, and it passes on by itself.
    """
    return (
        JobItem.objects.filter(job_id=job_id, state=State.LEASED)
        .order_by("pk")
        .values_list("lease_token", flat=True)
        .first()
    )


def lock_leased(items: QuerySet[JobItem]) -> list[JobItem]:
    """Those of the items that are in flight, locked in the order of their keys: two who lock
    several at a time then never wait for each other in a circle.
    """
    leased = items.filter(state=State.LEASED).only("pk", "lease_token").order_by("pk")
    return list(leased.select_for_update(no_key=True, of=("self",)))


def add_tokens(spent: Sequence[Spent]) -> frozenset[int]:
    """Count tokens on items, even none, and return the ids of those that are still ours; the rest
    is lost, and nothing of it may be stored.

    Takes the items' rows: what follows in the transaction is stored under their leases.
    """
    tokens = {entry.lease.item_id: entry.lease.token for entry in spent}
    held: set[int] = set()
    for start in range(0, len(spent), 200):
        ids = [entry.lease.item_id for entry in spent[start : start + 200]]
        # A cancelled job takes nothing more, even from a worker that has not heard of it yet.
        rows = lock_leased(JobItem.objects.filter(pk__in=ids, job__state__in=LIVE_JOB_STATES))
        held.update(row.pk for row in rows if row.lease_token == tokens[row.pk])
    counted = [
        (entry.prompt_tokens, entry.completion_tokens, entry.lease.item_id)
        for entry in spent
        if entry.lease.item_id in held and (entry.prompt_tokens or entry.completion_tokens)
    ]
    if counted:
        # By hand: at every call of every item, building the same query again would be what takes
        # most of the time.
        with connection.cursor() as cursor:
            cursor.executemany(ADD_TOKENS, counted)
    return frozenset(held)


def finish_item(
    *,
    lease: Lease,
    state: str,
    result: dict[str, Any],
    now: datetime,
    reason_code: str = "",
    reason: str = "",
) -> bool:
    """Close the item as done, failed or set aside, if the lease is still ours and the job not
    cancelled; False if it was lost.
    """
    updated = _ours(lease).update(
        state=state,
        result=result,
        reason_code=reason_code[:60],
        reason=clean_reason(reason),
        lease_token=None,
        lease_expires_at=None,
        finished_at=now,
    )
    return updated == 1


def hand_back(*, leases: Iterable[Lease]) -> int:
    """Return items that were not begun or not finished to the queue, with nothing held against
    them; how many.
    """
    count = 0
    for lease in leases:
        count += JobItem.objects.filter(
            pk=lease.item_id, state=State.LEASED, lease_token=lease.token
        ).update(state=State.PENDING, lease_token=None, lease_expires_at=None, worker="")
    return count


def return_after_transient(
    *,
    item: JobItem,
    lease: Lease,
    code: str,
    reason: str,
    now: datetime,
    retry_after_s: float | None = None,
) -> str:
    """Let the item wait for the engine to come back, or fail it when that was tried often enough.

    Returns the item's new state, or "" when the lease was lost.
    """
    tally = Tally.of(item)
    tally = replace(tally, transients=tally.transients + 1)
    if tally.transients >= MAX_TRANSIENTS:
        sentence = f"{reason} It was tried {tally.transients} times."
        return _give_up(
            lease, State.FAILED, tally, code=code, reason=sentence, outcome="engine", now=now
        )
    delay = build_delay(tally.transients)
    if retry_after_s is not None:
        # A server may name any number; a day is long enough to be told that it is down.
        delay = max(delay, timedelta(seconds=min(retry_after_s, 86_400.0)))
    return _wait(lease, tally, code=code, reason=reason, not_before=now + delay)


def return_after_error(*, item: JobItem, lease: Lease, reason: str, now: datetime) -> str:
    """Let an item that ended in an unforeseen error be tried again, or set it aside.

    Returns the item's new state, or "" when the lease was lost.
    """
    tally = Tally.of(item)
    tally = replace(tally, errors=tally.errors + 1)
    if tally.errors >= MAX_ERRORS:
        sentence = f"{reason} It ended so {tally.errors} times; the worker's log has the details."
        return _give_up(
            lease,
            State.SET_ASIDE,
            tally,
            code="unexpected_error",
            reason=sentence,
            outcome="set_aside",
            now=now,
        )
    return _wait(
        lease,
        tally,
        code="unexpected_error",
        reason=reason,
        not_before=now + build_delay(tally.errors),
    )


def reap_expired_items(*, now: datetime, job_id: int | None = None, limit: int = 1_000) -> int:
    """Return items whose worker was not heard of in time to the queue; how many.

    An item that outlived too many workers is set aside. Safe to run from anywhere, and at the same
    time as the worker's own late finish: whoever writes first wins.
    """
    expired = JobItem.objects.filter(state=State.LEASED, lease_expires_at__lte=now)
    if job_id is not None:
        expired = expired.filter(job_id=job_id)
    count = 0
    for item in expired.order_by("lease_expires_at")[:limit]:
        count += _reap(item, now=now)
    return count


def build_delay(times: int) -> timedelta:
    """How long to wait after so many failures (1 and up)."""
    # The exponent is bounded so that a large count does not overflow.
    return min(LONGEST_DELAY, FIRST_DELAY * (1 << min(times - 1, 16)))


def clean_reason(reason: str) -> str:
    """A sentence that any database stores: bounded, and without NUL or half characters."""
    cleaned = clean_text(reason)
    return cleaned if len(cleaned) <= REASON_LIMIT else cleaned[: REASON_LIMIT - 1] + "…"


def _choose(candidates: Sequence[JobItem], *, limit: int, in_flight: int) -> list[JobItem]:
    chosen: list[JobItem] = []
    room: int | None = None
    for item in candidates:
        company = find_company(Tally.of(item).losses)
        bounds = [bound for bound in (company, room) if bound is not None]
        together = in_flight + len(chosen) + 1
        if bounds and together > min(bounds):
            continue
        chosen.append(item)
        room = min(bounds) if bounds else None
        if len(chosen) == limit:
            break
    return chosen


def _ours(lease: Lease) -> QuerySet[JobItem]:
    return JobItem.objects.filter(
        pk=lease.item_id,
        state=State.LEASED,
        lease_token=lease.token,
        # A cancelled job takes nothing more, even from a worker that has not heard of it yet.
        job__state__in=LIVE_JOB_STATES,
    )


def _wait(lease: Lease, tally: Tally, *, code: str, reason: str, not_before: datetime) -> str:
    updated = _ours(lease).update(
        state=State.PENDING,
        result=tally.pack(),
        reason_code=code[:60],
        reason=clean_reason(reason),
        not_before=not_before,
        lease_token=None,
        lease_expires_at=None,
        worker="",
    )
    return str(State.PENDING) if updated else ""


def _give_up(
    lease: Lease,
    state: str,
    tally: Tally,
    *,
    code: str,
    reason: str,
    outcome: str,
    now: datetime,
) -> str:
    stored = finish_item(
        lease=lease,
        state=state,
        result={**tally.pack(), "outcome": outcome},
        now=now,
        reason_code=code,
        reason=reason,
    )
    return str(state) if stored else ""


def _reap(item: JobItem, *, now: datetime) -> int:
    tally = Tally.of(item)
    tally = replace(tally, losses=tally.losses + 1)
    # Compare and set: a heartbeat or a finish may have come in between.
    ours = JobItem.objects.filter(
        pk=item.pk, state=State.LEASED, lease_token=item.lease_token, lease_expires_at__lte=now
    )
    if tally.losses >= MAX_LOSSES:
        return ours.update(
            state=State.SET_ASIDE,
            result={**tally.pack(), "outcome": "set_aside"},
            reason_code="worker_lost",
            reason=f"{tally.losses} workers ended or fell silent while they worked on this item.",
            lease_token=None,
            lease_expires_at=None,
            finished_at=now,
        )
    return ours.update(
        state=State.PENDING,
        result=tally.pack(),
        reason_code="worker_lost",
        reason=f"The worker {item.worker!r} ended or fell silent.",
        not_before=None,
        lease_token=None,
        lease_expires_at=None,
        worker="",
    )
