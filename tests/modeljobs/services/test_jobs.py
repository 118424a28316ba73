from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from pytest_django import DjangoCaptureOnCommitCallbacks

from labeling.models import AuditEvent, Membership, Project, Solution
from modeljobs.models import JobItem, ModelJob
from modeljobs.selectors import list_timeline
from modeljobs.services import jobs, leases
from modeljobs.services.engines import snapshot_engine
from modeljobs.services.leases import Lease, Tally
from modeljobs.services.workers import record_beat
from tests.labeling.factories import join, make_solution, make_user
from tests.modeljobs.worlds import NOON, TTL, World, count_states, make_world
from workbench.errors import Conflict, InvalidInput, NotAllowed, NotFound

Sent = list[tuple[int, int]]


def finish_all(job: ModelJob, state: str = "done", *, code: str = "", **result: Any) -> None:
    """Bring every open item of the job to an end, as workers would."""
    JobItem.objects.filter(job=job, state__in=["pending", "leased"]).update(
        state=state,
        reason_code=code,
        result=result,
        finished_at=NOON,
        lease_token=None,
        lease_expires_at=None,
    )


@pytest.fixture(autouse=True)
def _forget_wakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_woken", {})


# --- Making -----------------------------------------------------------------------------------


def test_it_works(world: World) -> None:
    job = world.draft_job(error_types=["deception", "circular"])

    assert job.state == "queued"
    assert job.is_scripted
    items = JobItem.objects.filter(job=job).order_by("pk")
    # 3 solutions x 2 error types.
    assert [(item.solution_id, item.unit) for item in items] == [
        (solution.pk, unit)
        for solution in world.solutions
        for unit in job.parameters["error_types"]
    ]
    assert job.parameters["examples"] == 2
    assert job.prompt_version
    assert AuditEvent.objects.get(verb="job.created").detail["items"] == 6


def test_error_types_may_stand_in_the_selection(world: World) -> None:
    job = world.draft_job(parameters={"error_types": ["deception"]})
    other = jobs.create_job(
        project=world.project,
        engine=world.engine,
        method="injection",
        parameters={},
        seed=0,
        selection={"error_types": ["deception"], "limit": 1},
        by=world.alice,
    )

    assert job.parameters == other.parameters
    assert other.items.count() == 1


def test_error_types_named_twice_must_be_the_same(world: World) -> None:
    with pytest.raises(InvalidInput, match="name them once"):
        world.draft_job(selection={"error_types": ["circular"]})


def test_a_preview_counts(world: World) -> None:
    given: dict[str, Any] = {
        "project": world.project,
        "method": "injection",
        "parameters": {"error_types": ["deception", "circular"]},
        "seed": 0,
    }

    assert jobs.preview_job(selection={}, **given) == (3, 6)
    assert jobs.preview_job(selection={"limit": 2}, **given) == (2, 4)


@pytest.mark.parametrize("role", ["annotator", "adjudicator", "engineer"])
def test_other_roles_may_not(world: World, role: str) -> None:
    bob = make_user("bob")
    join(world.project, bob, role)

    with pytest.raises(NotAllowed, match="to run model jobs"):
        world.draft_job(by=bob)


def test_an_outsider_learns_nothing(world: World) -> None:
    with pytest.raises(NotFound):
        world.draft_job(by=make_user("dave"))


def test_an_archived_project_runs_nothing(world: World) -> None:
    Project.objects.update(archived_at=NOON)
    world.project.refresh_from_db()

    with pytest.raises(Conflict, match="is archived"):
        world.draft_job()


def test_an_engine_that_is_switched_off(world: World) -> None:
    world.engine.is_active = False

    with pytest.raises(InvalidInput, match="switched off"):
        world.draft_job()


def test_a_method_that_is_not_there(world: World) -> None:
    with pytest.raises(InvalidInput, match="no method 'magic'"):
        world.draft_job(method="magic")


def test_parameters_are_checked(world: World) -> None:
    with pytest.raises(InvalidInput) as caught:
        world.draft_job(parameters={"temperature": 9, "colour": "red"})

    assert set(caught.value.extra["problems"]) == {  # type: ignore[call-overload]
        "temperature",
        "colour",
    }


@pytest.mark.parametrize("seed", [-1, 2**63, True])
def test_a_seed_that_is_none(world: World, seed: int) -> None:
    with pytest.raises(InvalidInput, match="A seed is"):
        world.draft_job(seed=seed)


def test_a_selection_without_solutions(world: World) -> None:
    Solution.objects.update(final_answer_correct=False)

    with pytest.raises(InvalidInput, match="No solution fits"):
        world.draft_job()
    assert not ModelJob.objects.exists()


def test_a_job_has_a_size(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MAX_ITEMS", 2)

    with pytest.raises(InvalidInput, match="makes 3 items; a job has at most 2"):
        world.draft_job()


def test_a_long_prompt_version_is_shortened_by_a_hash() -> None:
    class Long:
        version = "1"
        prompt_version = "injection-1 (" + " ".join(f"class{n}-1" for n in range(20)) + ")"

    class Other(Long):
        prompt_version = Long.prompt_version + "x"

    first, second = (jobs.name_prompt_version(one()) for one in (Long, Other))  # type: ignore[arg-type]
    assert len(first) <= 80
    assert first != second


# --- Moving -----------------------------------------------------------------------------------


def test_starting_freezes_the_engine_and_wakes_workers(
    world: World,
    sent: Sent,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        job = world.make_job()

    assert job.state == "running"
    assert job.started_at == NOON
    assert job.engine_snapshot == snapshot_engine(world.engine)
    assert sent == [(job.pk, 1)]


def test_many_items_send_many_messages_but_not_too_many(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.draft_job()

    # 64 items to a message, at least one message, at most 16.
    counts = [jobs.send_batches(job, items=n) for n in (0, 1, 64, 65, 1_000, 10**6)]
    assert counts == [1, 1, 1, 2, 16, 16]


def test_a_later_edit_of_the_engine_changes_nothing(world: World) -> None:
    job = world.make_job()
    world.engine.options = world.engine.options | {"seed": 99}
    world.engine.save()

    job.refresh_from_db()
    assert job.engine_snapshot["settings"]["seed"] == 1


def test_a_job_starts_once(world: World) -> None:
    job = world.make_job()

    with pytest.raises(Conflict, match="The job is running and cannot be started"):
        jobs.start(job=job, by=world.alice)


def test_pause_and_resume(
    world: World,
    sent: Sent,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    job = world.make_job()
    JobItem.objects.update(not_before=NOON + timedelta(hours=1))

    jobs.pause(job=job, by=world.alice)
    assert job.state == "paused"
    with django_capture_on_commit_callbacks(execute=True):
        jobs.resume(job=job, by=world.alice)

    assert job.state == "running"
    assert sent == [(job.pk, 1)]
    # What waited for its engine is tried at once.
    assert not JobItem.objects.filter(not_before__isnull=False).exists()


def test_cancelling_takes_leases_back(world: World) -> None:
    job = world.make_job()
    [item] = leases.claim_items(job_id=job.pk, limit=1, worker="one", now=NOON, ttl=TTL)
    assert item.lease_token is not None

    jobs.cancel(job=job, by=world.alice, now=NOON)

    assert job.state == "cancelled"
    assert job.finished_at == NOON
    assert count_states(job) == {"pending": 3}
    lease = Lease(item.pk, item.lease_token)
    assert not leases.finish_item(lease=lease, state="done", result={}, now=NOON)


@pytest.mark.parametrize(
    ("verb", "state"),
    [
        ("start", "running"),
        ("start", "cancelled"),
        ("pause", "queued"),
        ("pause", "done"),
        ("resume", "running"),
        ("resume", "cancelled"),
        ("cancel", "cancelled"),
        ("cancel", "done"),
    ],
)
def test_moves_that_are_none(world: World, verb: str, state: str) -> None:
    job = world.draft_job()
    ModelJob.objects.update(state=state)
    job.refresh_from_db()

    with pytest.raises(Conflict, match="cannot be"):
        getattr(jobs, verb)(job=job, by=world.alice)


@pytest.mark.parametrize("verb", ["start", "pause", "resume", "cancel", "retry_failed"])
def test_moving_is_for_leads(world: World, verb: str) -> None:
    bob = make_user("bob")
    join(world.project, bob, Membership.Role.ENGINEER)
    job = world.draft_job()

    with pytest.raises(NotAllowed):
        getattr(jobs, verb)(job=job, by=bob)


def test_the_timeline_says_who_did_what(world: World) -> None:
    job = world.make_job()
    jobs.pause(job=job, by=world.alice)
    jobs.resume(job=job, by=world.alice)
    jobs.pause_for_cause(job_id=job.pk, reason="Wrong key.")

    events = [(event.verb, event.actor) for event in list_timeline(job)]
    assert events == [
        ("job.created", world.alice),
        ("job.started", world.alice),
        ("job.paused", world.alice),
        ("job.resumed", world.alice),
        ("job.paused", None),
    ]


def test_a_pause_for_the_engine_says_why(world: World) -> None:
    job = world.make_job()

    assert jobs.pause_for_cause(job_id=job.pk, reason="Wrong key. " * 100)
    assert not jobs.pause_for_cause(job_id=job.pk, reason="Again.")

    job.refresh_from_db()
    assert job.state == "paused"
    assert job.note.startswith("Wrong key.")
    assert len(job.note) == 200
    jobs.resume(job=job, by=world.alice)
    assert job.note == ""


# --- Trying again -----------------------------------------------------------------------------


def test_retrying_puts_failed_items_back(world: World) -> None:
    job = world.make_job()
    finish_all(job, "failed", code="timeout", outcome="engine", transients=10)
    ModelJob.objects.update(state="done", finished_at=NOON)

    assert jobs.retry_failed(job=job, by=world.alice) == 3

    job.refresh_from_db()
    assert (job.state, job.finished_at) == ("running", None)
    assert count_states(job) == {"pending": 3}
    # The engine failed, not the item: answers that are stored are used again.
    assert {Tally.of(item) for item in job.items.all()} == {Tally()}
    assert {item.reason for item in job.items.all()} == {""}


def test_an_unreadable_reply_is_asked_for_anew(world: World) -> None:
    job = world.make_job()
    finish_all(job, "failed", code="no_json", outcome="unparsed")
    jobs.retry_failed(job=job, by=world.alice)
    assert {Tally.of(item).round for item in job.items.all()} == {1}

    finish_all(job, "failed", code="no_json", outcome="unparsed", round=1)
    jobs.retry_failed(job=job, by=world.alice)
    assert {Tally.of(item).round for item in job.items.all()} == {2}


def test_retrying_one_reason_leaves_the_others(world: World) -> None:
    job = world.make_job()
    first, second, third = JobItem.objects.filter(job=job).order_by("pk")
    for item, state, code in (
        (first, "failed", "no_json"),
        (second, "failed", "timeout"),
        (third, "done", ""),
    ):
        JobItem.objects.filter(pk=item.pk).update(state=state, reason_code=code)

    assert jobs.retry_failed(job=job, by=world.alice, reason_code="timeout") == 1

    assert count_states(job) == {"done": 1, "failed": 1, "pending": 1}
    second.refresh_from_db()
    assert second.state == "pending"


def test_items_set_aside_are_retried_too(world: World) -> None:
    job = world.make_job()
    finish_all(job, "set_aside", code="worker_lost", outcome="set_aside", losses=5)

    assert jobs.retry_failed(job=job, by=world.alice) == 3
    assert {Tally.of(item).losses for item in job.items.all()} == {0}


def test_nothing_to_retry(world: World) -> None:
    job = world.make_job()
    finish_all(job)
    ModelJob.objects.update(state="done")

    with pytest.raises(InvalidInput, match="No item of this job has failed"):
        jobs.retry_failed(job=job, by=world.alice)
    job.refresh_from_db()
    assert job.state == "done"


@pytest.mark.parametrize("state", ["queued", "cancelled"])
def test_a_job_that_cannot_be_retried(world: World, state: str) -> None:
    job = world.make_job()
    finish_all(job, "failed")
    ModelJob.objects.update(state=state)

    with pytest.raises(Conflict, match="nothing to retry"):
        jobs.retry_failed(job=job, by=world.alice)


def test_retrying_a_paused_job_leaves_it_paused(
    world: World,
    sent: Sent,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    job = world.make_job()
    finish_all(job, "failed")
    jobs.pause(job=job, by=world.alice)

    with django_capture_on_commit_callbacks(execute=True):
        jobs.retry_failed(job=job, by=world.alice)

    assert job.state == "paused"
    assert sent == []


# --- Coming to an end -------------------------------------------------------------------------


def test_a_job_ends_when_nothing_is_left(world: World) -> None:
    job = world.make_job()
    assert not jobs.complete_if_done(job_id=job.pk, now=NOON)
    finish_all(job)

    assert jobs.complete_if_done(job_id=job.pk, now=NOON)

    job.refresh_from_db()
    assert (job.state, job.finished_at) == ("done", NOON)


def test_a_job_ends_once(world: World) -> None:
    job = world.make_job()
    finish_all(job)

    ends = [jobs.complete_if_done(job_id=job.pk, now=NOON) for _ in range(3)]

    assert ends == [True, False, False]
    assert AuditEvent.objects.filter(verb="job.done").count() == 1


@pytest.mark.parametrize("state", ["queued", "paused", "cancelled"])
def test_only_a_running_job_ends(world: World, state: str) -> None:
    job = world.make_job()
    finish_all(job)
    ModelJob.objects.update(state=state)

    assert not jobs.complete_if_done(job_id=job.pk, now=NOON)


def test_an_item_in_flight_keeps_the_job_open(world: World) -> None:
    job = world.make_job(selection={"limit": 1})
    leases.claim_items(job_id=job.pk, limit=1, worker="one", now=NOON, ttl=TTL)

    assert not jobs.complete_if_done(job_id=job.pk, now=NOON)


def test_many_workers_end_a_job_once_on_both_databases(any_database: str, sent: Sent) -> None:
    job = make_world(solutions=1).make_job()
    finish_all(job)
    ends: list[bool] = []
    start = threading.Barrier(6)

    def work() -> None:
        try:
            start.wait()
            ends.append(jobs.complete_if_done(job_id=job.pk, now=NOON))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(ends) == [False] * 5 + [True]
    assert AuditEvent.objects.filter(verb="job.done").count() == 1


# --- The reaper's chore -----------------------------------------------------------------------


def beat(now: Any = NOON) -> None:
    record_beat(name="celery@one", queues=["models"], pid=1, started_at=NOON, now=now)


def test_a_dead_workers_items_are_sent_again(
    world: World,
    sent: Sent,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    job = world.make_job()
    leases.claim_items(job_id=job.pk, limit=10, worker="dead", now=NOON, ttl=TTL)
    later = NOON + TTL
    beat(later)

    with django_capture_on_commit_callbacks(execute=True):
        done = jobs.tend_jobs(now=later)

    # Three items came back, and one job was sent again.
    assert done == 4
    assert sent == [(job.pk, 1)]
    assert count_states(job) == {"pending": 3}


def test_a_job_whose_last_worker_died_after_the_last_item_ends(world: World) -> None:
    job = world.make_job()
    finish_all(job)

    assert jobs.tend_jobs(now=NOON) == 1

    job.refresh_from_db()
    assert job.state == "done"


def test_a_job_at_which_somebody_works_is_left_alone(world: World) -> None:
    job = world.make_job()
    leases.claim_items(job_id=job.pk, limit=1, worker="one", now=NOON, ttl=TTL)
    beat()

    assert jobs.wake_stalled_jobs(now=NOON) == 0


def test_nobody_is_woken_where_nobody_is(world: World) -> None:
    world.make_job()

    assert jobs.wake_stalled_jobs(now=NOON) == 0


@pytest.mark.parametrize("state", ["queued", "paused", "cancelled", "done"])
def test_only_running_jobs_are_woken(world: World, state: str) -> None:
    world.make_job()
    ModelJob.objects.update(state=state)
    beat()

    assert jobs.wake_stalled_jobs(now=NOON) == 0


def test_items_that_wait_for_their_time_wake_nobody(world: World) -> None:
    world.make_job()
    JobItem.objects.update(not_before=NOON + timedelta(seconds=30))
    beat()

    assert jobs.wake_stalled_jobs(now=NOON) == 0
    assert jobs.wake_stalled_jobs(now=NOON + timedelta(seconds=30)) == 1


def test_a_stalled_job_is_not_sent_again_and_again(world: World) -> None:
    world.make_job()
    woken = []
    for seconds in range(0, 600, 15):
        now = NOON + timedelta(seconds=seconds)
        beat(now)
        if jobs.wake_stalled_jobs(now=now):
            woken.append(seconds)

    # The waits double: 30, 60, 120, 240 seconds.
    assert woken == [0, 30, 90, 210, 450]


def test_a_job_that_moved_on_is_woken_at_once_when_it_stalls_again(world: World) -> None:
    job = world.make_job()
    beat()
    assert jobs.wake_stalled_jobs(now=NOON) == 1
    [item] = leases.claim_items(job_id=job.pk, limit=1, worker="one", now=NOON, ttl=TTL)
    assert jobs.wake_stalled_jobs(now=NOON) == 0
    assert item.lease_token is not None
    leases.hand_back(leases=[Lease(item.pk, item.lease_token)])

    assert jobs.wake_stalled_jobs(now=NOON) == 1


def test_a_broker_that_is_away_does_not_undo_the_start(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    def fail(job_id: int, count: int) -> None:
        raise ConnectionError("no broker")

    monkeypatch.setattr(jobs, "_send", fail)

    with django_capture_on_commit_callbacks(execute=True):
        job = world.make_job()

    job.refresh_from_db()
    assert job.state == "running"


def test_named_solutions_may_be_of_this_project_alone(world: World) -> None:
    other = make_world_solution(world)

    with pytest.raises(InvalidInput, match=f"no solution {other.pk}"):
        world.draft_job(selection={"solution_ids": [world.solutions[0].pk, other.pk]})


def make_world_solution(world: World) -> Solution:
    from tests.labeling.factories import make_project

    return make_solution(make_project(world.alice, slug="other"), "foreign")


def test_cancelling_while_workers_beat_on_both_databases(any_database: str, sent: Sent) -> None:
    """Both lock many rows: in the same order, so that neither waits for the other for ever."""
    world = make_world(solutions=60)
    job = world.make_job()
    rows = leases.claim_items(job_id=job.pk, limit=60, worker="one", now=NOON, ttl=TTL)
    held = [Lease(row.pk, row.lease_token) for row in reversed(rows) if row.lease_token]
    kept: list[int] = []
    start = threading.Barrier(2)

    def beat_on() -> None:
        try:
            start.wait()
            for _ in range(5):
                kept.append(len(leases.extend_leases(leases=held, now=NOON, ttl=TTL)))
        finally:
            connections.close_all()

    thread = threading.Thread(target=beat_on)
    thread.start()
    start.wait()
    jobs.cancel(job=job, by=world.alice, now=NOON)
    thread.join()

    # All or nothing, before and after; and afterwards nothing.
    assert set(kept) <= {60, 0}
    assert leases.extend_leases(leases=held, now=NOON, ttl=TTL) == frozenset()
    assert count_states(job) == {"pending": 60}


# --- Budgets ----------------------------------------------------------------------------------

PAID = {"price_prompt": 1.0, "price_completion": 2.0, "currency": "EUR"}


def set_prices(job: ModelJob) -> None:
    job.engine_snapshot["settings"] |= PAID
    job.save()


def test_a_budget_that_is_none(world: World) -> None:
    with pytest.raises(InvalidInput, match="whole number from 1"):
        world.draft_job(budgets={"max_tokens": 0})
    assert not ModelJob.objects.exists()


def test_a_budget_of_cost_for_an_engine_without_prices(world: World) -> None:
    with pytest.raises(InvalidInput, match="has no prices"):
        world.draft_job(budgets={"max_cost": 5})


def test_an_engine_that_lost_its_prices_before_the_start(world: World) -> None:
    job = world.draft_job()
    ModelJob.objects.filter(pk=job.pk).update(budgets={"max_cost": 5.0})
    job.refresh_from_db()

    with pytest.raises(InvalidInput, match="has no prices"):
        jobs.start(job=job, by=world.alice)


def test_a_job_goes_on_once_its_budget_was_raised(world: World, sent: Sent) -> None:
    job = world.make_job(budgets={"max_tokens": 100})
    JobItem.objects.filter(job=job, pk=job.items.all()[0].pk).update(completion_tokens=120)
    jobs.pause_for_cause(job_id=job.pk, reason="The budget is used up.")
    job.refresh_from_db()

    with pytest.raises(Conflict, match="120 were used, 20 beyond it. Raise it, or"):
        jobs.resume(job=job, by=world.alice)
    jobs.change_budgets(job=job, budgets={"max_tokens": 120}, by=world.alice)
    with pytest.raises(Conflict, match="0 beyond it"):
        jobs.resume(job=job, by=world.alice)
    jobs.change_budgets(job=job, budgets={"max_tokens": 121}, by=world.alice)
    jobs.resume(job=job, by=world.alice)

    assert (job.state, job.note, job.budgets) == ("running", "", {"max_tokens": 121})
    changes = AuditEvent.objects.filter(verb="job.budgets_changed").order_by("pk")
    assert [event.detail["budgets"] for event in changes] == [
        {"max_tokens": 120},
        {"max_tokens": 121},
    ]


def test_budgets_are_taken_away(world: World) -> None:
    job = world.make_job(budgets={"max_seconds": 10})
    ModelJob.objects.filter(pk=job.pk).update(state="paused", ran_seconds=10.5)
    job.refresh_from_db()

    jobs.change_budgets(job=job, budgets={}, by=world.alice)
    jobs.resume(job=job, by=world.alice)

    assert (job.state, job.budgets) == ("running", {})


def test_a_budget_of_cost_is_set_where_the_job_has_prices(world: World) -> None:
    job = world.make_job()
    jobs.pause(job=job, by=world.alice)
    with pytest.raises(InvalidInput, match="has no prices"):
        jobs.change_budgets(job=job, budgets={"max_cost": 5}, by=world.alice)
    set_prices(job)

    assert jobs.change_budgets(job=job, budgets={"max_cost": 5}, by=world.alice).budgets == {
        "max_cost": 5.0
    }


@pytest.mark.parametrize("state", ["running", "done", "cancelled"])
def test_budgets_are_changed_in_a_pause(world: World, state: str) -> None:
    job = world.make_job(budgets={"max_tokens": 5})
    ModelJob.objects.filter(pk=job.pk).update(state=state)

    with pytest.raises(Conflict, match="while it is paused"):
        jobs.change_budgets(job=job, budgets={}, by=world.alice)
    job.refresh_from_db()
    assert job.budgets == {"max_tokens": 5}


def test_budgets_are_the_leads_to_change(world: World) -> None:
    bob = make_user("bob")
    join(world.project, bob, Membership.Role.ENGINEER)

    with pytest.raises(NotAllowed):
        jobs.change_budgets(job=world.draft_job(), budgets={}, by=bob)


def test_a_job_that_is_done_is_not_paused_for_its_last_items_budget(world: World) -> None:
    job = world.make_job()
    finish_all(job)

    assert not jobs.pause_if_open(job_id=job.pk, reason="The budget is used up.")
    assert jobs.complete_if_done(job_id=job.pk, now=NOON)
