from __future__ import annotations

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connections

from modeljobs.models import JobItem, ModelJob
from modeljobs.services import leases
from modeljobs.services.leases import Lease, Spent, Tally
from tests.modeljobs.worlds import NOON, TTL, World, count_states, make_world

SOON = NOON + timedelta(seconds=60)
LATE = NOON + TTL + timedelta(seconds=1)


def claim(job: ModelJob, **changes: object) -> list[JobItem]:
    given: dict[str, object] = {
        "job_id": job.pk,
        "limit": 10,
        "worker": "one",
        "now": NOON,
        "ttl": TTL,
    }
    return leases.claim_items(**(given | changes))  # type: ignore[arg-type]


def lease_of(item: JobItem) -> Lease:
    assert item.lease_token is not None
    return Lease(item.pk, item.lease_token)


def give_losses(item: JobItem, losses: int) -> None:
    JobItem.objects.filter(pk=item.pk).update(result={"losses": losses})


# --- Claiming ---------------------------------------------------------------------------------


def test_it_works(world: World) -> None:
    job = world.make_job()

    items = claim(job, limit=2)

    assert [item.solution_id for item in items] == [s.pk for s in world.solutions[:2]]
    assert {item.state for item in items} == {"leased"}
    assert {item.attempts for item in items} == {1}
    assert {item.lease_expires_at for item in items} == {NOON + TTL}
    assert {item.worker for item in items} == {"one"}
    assert count_states(job) == {"leased": 2, "pending": 1}


def test_two_workers_get_different_items(world: World) -> None:
    job = world.make_job()

    first, second = claim(job, limit=2), claim(job, limit=2, worker="two")

    assert len(first) == 2
    assert len(second) == 1
    assert {i.pk for i in first}.isdisjoint(i.pk for i in second)


@pytest.mark.parametrize("state", ["queued", "paused", "cancelled", "done"])
def test_nothing_is_claimed_of_a_job_that_does_not_run(world: World, state: str) -> None:
    job = world.make_job()
    ModelJob.objects.filter(pk=job.pk).update(state=state)

    assert claim(job) == []


def test_nothing_is_claimed_of_another_job(world: World) -> None:
    job, other = world.make_job(), world.make_job()

    claim(job)

    assert count_states(other) == {"pending": 3}


def test_an_item_is_not_claimed_before_its_time(world: World) -> None:
    job = world.make_job()
    JobItem.objects.filter(job=job).update(not_before=SOON)

    assert claim(job) == []
    assert len(claim(job, now=SOON)) == 3


def test_a_claim_for_nothing(world: World) -> None:
    assert claim(world.make_job(), limit=0) == []


def test_claims_race_on_both_databases(any_database: str, sent: list[tuple[int, int]]) -> None:
    world = make_world(solutions=40)
    job = world.make_job()
    claimed: list[int] = []
    lock = threading.Lock()
    start = threading.Barrier(4)

    def work(name: str) -> None:
        try:
            start.wait()
            while items := claim(job, limit=3, worker=name):
                with lock:
                    claimed.extend(item.pk for item in items)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # PostgreSQL passes over rows that another claim has locked, so a worker may end early; what
    # nobody took is still there, and nothing was taken twice.
    assert len(claimed) == len(set(claimed))
    assert len(claimed) + count_states(job).get("pending", 0) == 40
    assert all(item.attempts <= 1 for item in JobItem.objects.filter(job=job))


# --- Suspects ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("losses", "company"), [(0, None), (1, None), (2, 8), (3, 4), (4, 1)])
def test_company(losses: int, company: int | None) -> None:
    assert leases.find_company(losses) == company


def test_a_prime_suspect_goes_alone(world: World) -> None:
    job = world.make_job()
    suspect = JobItem.objects.filter(job=job).order_by("pk")[1]
    give_losses(suspect, 4)

    first = claim(job)
    second = claim(job, in_flight=2)
    alone = claim(job, in_flight=0)

    # The two innocents fly together, the suspect only when nobody else is in flight.
    assert [item.pk for item in first] == [
        item.pk for item in JobItem.objects.filter(job=job).order_by("pk") if item != suspect
    ]
    assert second == []
    assert alone == [suspect]


def test_a_suspect_at_the_head_takes_nobody_along(world: World) -> None:
    job = world.make_job()
    suspect = JobItem.objects.filter(job=job).order_by("pk")[0]
    give_losses(suspect, 4)

    assert claim(job) == [suspect]


# --- Heartbeats -------------------------------------------------------------------------------


def test_a_heartbeat_extends_what_is_ours(world: World) -> None:
    job = world.make_job()
    mine, other = claim(job, limit=2), claim(job, worker="two")

    kept = leases.extend_leases(leases=[lease_of(i) for i in mine], now=SOON, ttl=TTL)

    assert kept == {item.pk for item in mine}
    mine[0].refresh_from_db()
    other[0].refresh_from_db()
    assert mine[0].lease_expires_at == SOON + TTL
    assert other[0].lease_expires_at == NOON + TTL


def test_a_heartbeat_says_what_is_lost(world: World) -> None:
    job = world.make_job()
    mine = claim(job, limit=2)
    held = [lease_of(item) for item in mine]
    # Somebody else took the first one over.
    JobItem.objects.filter(pk=mine[0].pk).update(lease_token=uuid.uuid4())

    assert leases.extend_leases(leases=held, now=SOON, ttl=TTL) == {mine[1].pk}


def test_a_late_heartbeat_keeps_what_nobody_took(world: World) -> None:
    [item] = claim(world.make_job(), limit=1)

    assert leases.extend_leases(leases=[lease_of(item)], now=LATE, ttl=TTL) == {item.pk}


def test_a_heartbeat_of_more_items_than_one_statement_holds(world: World) -> None:
    items = claim(world.make_job())
    nobody = [Lease(-n, uuid.uuid4()) for n in range(1, 1_500)]

    kept = leases.extend_leases(
        leases=[*nobody, *(lease_of(item) for item in items)], now=SOON, ttl=TTL
    )

    assert kept == {item.pk for item in items}


# --- Finishing --------------------------------------------------------------------------------


def test_finishing_closes_the_item(world: World) -> None:
    [item] = claim(world.make_job(), limit=1)

    assert leases.finish_item(
        lease=lease_of(item), state="failed", result={}, now=SOON, reason_code="x", reason="Why."
    )

    item.refresh_from_db()
    assert (item.state, item.reason_code, item.reason) == ("failed", "x", "Why.")
    assert item.lease_token is None
    assert item.finished_at == SOON


def test_a_lost_lease_finishes_nothing(world: World) -> None:
    [item] = claim(world.make_job(), limit=1)
    stale = Lease(item.pk, uuid.uuid4())

    assert not leases.finish_item(lease=stale, state="done", result={"x": 1}, now=SOON)

    item.refresh_from_db()
    assert item.state == "leased"
    assert item.result == {}


def test_an_item_is_finished_once(world: World) -> None:
    [item] = claim(world.make_job(), limit=1)
    lease = lease_of(item)

    assert leases.finish_item(lease=lease, state="done", result={}, now=SOON)
    assert not leases.finish_item(lease=lease, state="failed", result={}, now=SOON)


def test_a_lease_that_ended_still_counts_while_nobody_took_over(world: World) -> None:
    [item] = claim(world.make_job(), limit=1)

    assert leases.finish_item(lease=lease_of(item), state="done", result={}, now=LATE)


def test_a_cancelled_job_takes_no_result(world: World) -> None:
    job = world.make_job()
    [item] = claim(job, limit=1)
    ModelJob.objects.filter(pk=job.pk).update(state="cancelled")

    assert not leases.finish_item(lease=lease_of(item), state="done", result={}, now=SOON)
    assert leases.add_tokens([Spent(lease_of(item), 1, 1)]) == frozenset()


def test_a_paused_job_lets_what_is_in_flight_land(world: World) -> None:
    job = world.make_job()
    [item] = claim(job, limit=1)
    ModelJob.objects.filter(pk=job.pk).update(state="paused")

    assert leases.finish_item(lease=lease_of(item), state="done", result={}, now=SOON)


def test_tokens_add_up(world: World) -> None:
    [item] = claim(world.make_job(), limit=1)

    assert leases.add_tokens([Spent(lease_of(item), 100, 7)]) == {item.pk}
    assert leases.add_tokens([Spent(lease_of(item), 10, 1)]) == {item.pk}
    assert leases.add_tokens([Spent(lease_of(item), 0, 0)]) == {item.pk}

    item.refresh_from_db()
    assert (item.prompt_tokens, item.completion_tokens) == (110, 8)


def test_tokens_of_several_items_leave_the_lost_out(world: World) -> None:
    first, lost, last = claim(world.make_job(), limit=3)
    spent = [Spent(lease_of(item), 5, item.pk) for item in (last, lost, first)]
    leases.hand_back(leases=[lease_of(lost)])

    assert leases.add_tokens(spent) == {first.pk, last.pk}

    for item in (first, lost, last):
        item.refresh_from_db()
    assert [item.completion_tokens for item in (first, lost, last)] == [first.pk, 0, last.pk]


def test_the_first_item_in_flight_tells_who_keeps_the_time(world: World) -> None:
    job = world.make_job()
    assert leases.find_first_token(job_id=job.pk) is None
    [first] = claim(job, limit=1)
    [second] = claim(job, limit=1)

    assert leases.find_first_token(job_id=job.pk) == first.lease_token
    leases.hand_back(leases=[lease_of(first)])
    assert leases.find_first_token(job_id=job.pk) == second.lease_token


def test_a_reason_that_no_database_stores_is_cleaned(world: World) -> None:
    [item] = claim(world.make_job(), limit=1)

    leases.finish_item(
        lease=lease_of(item), state="failed", result={}, now=SOON, reason="a\x00b" + "x" * 5_000
    )

    item.refresh_from_db()
    assert item.reason.startswith("a\ufffdb")
    assert len(item.reason) == leases.REASON_LIMIT


# --- Going back to the queue ------------------------------------------------------------------


def test_handing_back_holds_nothing_against_an_item(world: World) -> None:
    job = world.make_job()
    items = claim(job)

    assert leases.hand_back(leases=[lease_of(item) for item in items]) == 3

    assert count_states(job) == {"pending": 3}
    assert {Tally.of(item) for item in JobItem.objects.filter(job=job)} == {Tally()}
    assert len(claim(job)) == 3


def test_handing_back_what_is_lost_does_nothing(world: World) -> None:
    job = world.make_job()
    [item] = claim(job, limit=1)

    assert leases.hand_back(leases=[Lease(item.pk, uuid.uuid4())]) == 0
    assert count_states(job)["leased"] == 1


def test_a_transient_failure_waits_longer_each_time(world: World) -> None:
    job = world.make_job()
    now = NOON
    waits = []
    for _ in range(4):
        [item] = claim(job, limit=1, now=now)
        state = leases.return_after_transient(
            item=item, lease=lease_of(item), code="timeout", reason="No answer.", now=now
        )
        assert state == "pending"
        item.refresh_from_db()
        assert item.reason_code == "timeout"
        assert item.not_before is not None
        waits.append((item.not_before - now).total_seconds())
        now = item.not_before
        # The other items would be claimed first otherwise.
        JobItem.objects.filter(job=job).exclude(pk=item.pk).update(not_before=now + TTL)

    assert waits == [5, 10, 20, 40]


def test_the_server_may_ask_for_a_longer_wait(world: World) -> None:
    [item] = claim(world.make_job(), limit=1)

    leases.return_after_transient(
        item=item,
        lease=lease_of(item),
        code="rate_limited",
        reason="Too many.",
        now=NOON,
        retry_after_s=300.0,
    )

    item.refresh_from_db()
    assert item.not_before == NOON + timedelta(seconds=300)


def test_an_absurd_wait_is_bounded(world: World) -> None:
    [item] = claim(world.make_job(), limit=1)

    leases.return_after_transient(
        item=item, lease=lease_of(item), code="x", reason="", now=NOON, retry_after_s=1e300
    )

    item.refresh_from_db()
    assert item.not_before == NOON + timedelta(days=1)


def test_an_engine_that_stays_away_fails_the_item_in_the_end(world: World) -> None:
    job = world.make_job(selection={"limit": 1})
    states = []
    for _ in range(leases.MAX_TRANSIENTS):
        JobItem.objects.update(not_before=None)
        [item] = claim(job)
        states.append(
            leases.return_after_transient(
                item=item, lease=lease_of(item), code="timeout", reason="No answer.", now=NOON
            )
        )

    assert states == ["pending"] * 9 + ["failed"]
    item.refresh_from_db()
    assert item.reason == "No answer. It was tried 10 times."
    assert item.result["outcome"] == "engine"


def test_an_error_is_tried_again_and_then_set_aside(world: World) -> None:
    job = world.make_job(selection={"limit": 1})
    states = []
    for _ in range(leases.MAX_ERRORS):
        JobItem.objects.update(not_before=None)
        [item] = claim(job)
        states.append(
            leases.return_after_error(
                item=item, lease=lease_of(item), reason="ValueError: no.", now=NOON
            )
        )

    assert states == ["pending", "pending", "set_aside"]
    item.refresh_from_db()
    assert item.reason_code == "unexpected_error"
    assert item.reason.startswith("ValueError: no. It ended so 3 times")


def test_troubles_of_different_kinds_are_counted_apart(world: World) -> None:
    job = world.make_job(selection={"limit": 1})
    for _ in range(2):
        JobItem.objects.update(not_before=None)
        [item] = claim(job)
        leases.return_after_error(item=item, lease=lease_of(item), reason="x", now=NOON)
        JobItem.objects.update(not_before=None)
        [item] = claim(job)
        leases.return_after_transient(
            item=item, lease=lease_of(item), code="timeout", reason="x", now=NOON
        )

    item.refresh_from_db()
    assert item.state == "pending"
    assert Tally.of(item) == Tally(errors=2, transients=2)


@pytest.mark.parametrize("times", [1, 8, 100, 10**6])
def test_delays_are_bounded(times: int) -> None:
    assert timedelta(seconds=5) <= leases.build_delay(times) <= timedelta(minutes=10)


def test_a_lost_lease_returns_nothing(world: World) -> None:
    [item] = claim(world.make_job(), limit=1)
    stale = Lease(item.pk, uuid.uuid4())

    assert leases.return_after_error(item=item, lease=stale, reason="x", now=NOON) == ""
    item.refresh_from_db()
    assert item.state == "leased"


# --- Reaping ----------------------------------------------------------------------------------


def test_an_expired_lease_comes_back(world: World) -> None:
    job = world.make_job()
    claim(job)

    assert leases.reap_expired_items(now=SOON) == 0
    assert leases.reap_expired_items(now=LATE) == 3

    assert count_states(job) == {"pending": 3}
    again = claim(job, worker="two", now=LATE)
    assert {item.attempts for item in again} == {2}


def test_only_the_jobs_own_items_are_reaped_where_one_is_named(world: World) -> None:
    job, other = world.make_job(), world.make_job()
    claim(job)
    claim(other)

    assert leases.reap_expired_items(now=LATE, job_id=job.pk) == 3
    assert count_states(other) == {"leased": 3}


def test_the_dead_workers_token_opens_nothing_any_more(world: World) -> None:
    job = world.make_job()
    [item] = claim(job, limit=1)
    leases.reap_expired_items(now=LATE)
    [again] = claim(job, limit=1, worker="two", now=LATE)
    assert again.pk == item.pk

    assert not leases.finish_item(lease=lease_of(item), state="done", result={}, now=LATE)
    assert leases.finish_item(lease=lease_of(again), state="done", result={}, now=LATE)


def test_an_item_that_outlives_too_many_workers_is_set_aside(world: World) -> None:
    job = world.make_job(selection={"limit": 1})
    now = NOON
    for _ in range(leases.MAX_LOSSES):
        assert len(claim(job, now=now)) == 1
        now += TTL
        leases.reap_expired_items(now=now)

    [item] = JobItem.objects.filter(job=job)
    assert item.state == "set_aside"
    assert item.reason_code == "worker_lost"
    assert "5 workers" in item.reason


def test_a_finish_in_between_is_not_reaped(world: World) -> None:
    [item] = claim(world.make_job(), limit=1)
    leases.finish_item(lease=lease_of(item), state="done", result={}, now=LATE)

    assert leases.reap_expired_items(now=LATE) == 0
