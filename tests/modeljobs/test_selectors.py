from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from labeling.models import (
    Adjudication,
    Annotation,
    AnnotationRevision,
    Injection,
    Membership,
    ReviewItem,
)
from modeljobs import selectors
from modeljobs.costs import NO_PRICE, NOT_COUNTED
from modeljobs.models import JobItem, ModelCall, ModelJob, StepEvidence
from modeljobs.runner import run_job
from modeljobs.services import leases
from modeljobs.services.jobs import cancel, complete_if_done, retry_failed
from modeljobs.services.workers import record_beat
from tests.labeling.factories import join, make_user, verdict
from tests.modeljobs.worlds import NOON, TTL, Clock, World
from workbench.errors import NotAllowed, NotFound


def run(job: ModelJob) -> None:
    run_job(job_id=job.pk, worker="one", now=Clock(), should_stop=lambda: False)
    job.refresh_from_db()


def set_items(job: ModelJob, *changes: dict[str, object]) -> None:
    """Change the job's items one by one, in order."""
    items = JobItem.objects.filter(job=job).order_by("pk")
    for item, fields in zip(items, changes, strict=False):
        JobItem.objects.filter(pk=item.pk).update(**fields)


def end_items(job: ModelJob, *ends: tuple[str, int, int]) -> None:
    """End the job's items in order, each with its state and tokens."""
    names = ("state", "prompt_tokens", "completion_tokens")
    set_items(job, *(dict(zip(names, end, strict=True)) for end in ends))


def add_call(item: JobItem, completion_tokens: int | None, *, at: datetime) -> None:
    ModelCall.objects.create(
        item=item,
        attempt=1,
        place=item.calls.count(),
        purpose="ask",
        outcome="ok",
        prompt_tokens=0,
        completion_tokens=completion_tokens,
        created_at=at,
    )


# --- For this user ----------------------------------------------------------------------------


def test_a_job_is_found_by_who_may_see_it(world: World) -> None:
    job = world.make_job()
    frank = make_user("frank")
    join(world.project, frank, Membership.Role.ENGINEER)

    assert selectors.get_job(world.alice, job.pk) == job
    assert selectors.get_job(frank, job.pk) == job


def test_a_job_is_hidden_from_outsiders(world: World) -> None:
    job = world.make_job()

    with pytest.raises(NotFound, match=f"no job {job.pk} that you may see"):
        selectors.get_job(make_user("dave"), job.pk)
    with pytest.raises(NotFound):
        selectors.get_job(world.alice, job.pk + 1)


def test_an_annotator_may_not_see_jobs(world: World) -> None:
    bob = make_user("bob")
    join(world.project, bob, Membership.Role.ANNOTATOR)

    with pytest.raises(NotAllowed, match="to see model jobs"):
        selectors.get_job(bob, world.make_job().pk)


def test_engines_are_listed(world: World) -> None:
    assert list(selectors.list_engines()) == [world.engine]
    world.engine.is_active = False
    world.engine.save()
    assert list(selectors.list_engines()) == []
    assert list(selectors.list_engines(active_only=False)) == [world.engine]
    assert selectors.get_engine(world.engine.pk) == world.engine
    with pytest.raises(NotFound, match="no engine 99"):
        selectors.get_engine(99)


# --- The list ---------------------------------------------------------------------------------


def test_jobs_are_listed_newest_first_with_counts(world: World) -> None:
    first, second = world.make_job(), world.draft_job(selection={"limit": 1})
    run(first)

    newest, oldest = selectors.list_jobs(world.project)

    assert (newest.job, newest.counts, newest.share) == (second, {"pending": 1}, 0.0)
    assert (oldest.job, oldest.counts, oldest.share) == (first, {"done": 3}, 1.0)
    assert selectors.list_jobs(world.project, before=second.pk)[0].job == first


def test_the_list_costs_the_same_for_many_jobs(
    world: World, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(7):
        world.draft_job(selection={"limit": 1})

    with django_assert_num_queries(2):
        for summary in selectors.list_jobs(world.project):
            _ = (summary.job.engine.name, summary.job.created_by.name, summary.total)


def test_a_job_without_items_has_no_share(world: World) -> None:
    job = world.draft_job()
    JobItem.objects.all().delete()

    [summary] = selectors.list_jobs(world.project)
    assert summary.share is None
    assert selectors.get_progress(job, now=NOON).share is None


# --- Progress ---------------------------------------------------------------------------------


def test_progress_of_a_job_that_has_not_begun(world: World) -> None:
    progress = selectors.get_progress(world.make_job(), now=NOON)

    assert (progress.total, progress.finished, progress.share) == (3, 0, 0.0)
    assert progress.speed.items_per_s is None
    assert progress.eta_s is None
    assert progress.failures == ()
    assert progress.waits_for_worker


def test_progress_of_a_finished_job(world: World) -> None:
    job = world.make_job()
    run(job)

    progress = selectors.get_progress(job, now=NOON + timedelta(hours=1))

    assert (progress.finished, progress.share, progress.eta_s) == (3, 1.0, 0.0)
    # Nothing was finished within the window.
    assert progress.speed.items_per_s is None
    assert not progress.waits_for_worker


def test_speed_and_eta(world: World) -> None:
    job = world.make_job()
    now = NOON + timedelta(seconds=300)
    set_items(
        job,
        # Finished 300 seconds ago: outside the window of 120 seconds.
        {"state": "done", "finished_at": NOON, "completion_tokens": 9_000},
        {"state": "done", "finished_at": NOON + timedelta(seconds=200), "completion_tokens": 240},
        {"state": "leased", "lease_token": uuid.uuid4(), "lease_expires_at": now},
    )
    first, second, third = JobItem.objects.filter(job=job).order_by("pk")
    add_call(first, 9_000, at=NOON)
    add_call(second, 120, at=NOON + timedelta(seconds=190))
    # Of an item that is still at work, within the last minute.
    add_call(third, 90, at=NOON + timedelta(seconds=240))
    add_call(third, 30, at=NOON + timedelta(seconds=300))
    ModelJob.objects.filter(pk=job.pk).update(ran_seconds=300)
    job.refresh_from_db()

    progress = selectors.get_progress(job, now=now)

    # 1 item and 120 + 90 + 30 tokens in 120 seconds; 1 item is left.
    assert progress.speed.items_per_s == pytest.approx(1 / 120)
    assert progress.speed.tokens_per_s == pytest.approx(2.0)
    assert progress.eta_s == pytest.approx(120.0)
    assert progress.eta_unknown == ""
    # 120 tokens in the last minute; 9,240 in 300 seconds at work.
    assert progress.tokens_per_s == pytest.approx(2.0)
    assert progress.tokens_per_s_overall == pytest.approx(30.8)
    assert progress.completion_tokens == 9_240


def test_a_young_job_is_measured_since_its_start(world: World) -> None:
    job = world.make_job()
    set_items(job, {"state": "done", "finished_at": NOON + timedelta(seconds=1)})

    speed = selectors.measure_speed(job, now=NOON + timedelta(seconds=10))

    assert speed.items_per_s == pytest.approx(0.1)
    # The engine did not say how many tokens: unknown, not zero.
    assert speed.tokens_per_s is None


def test_nothing_finished_lately_is_estimated_by_all_the_time_at_work(world: World) -> None:
    job = world.make_job()
    set_items(job, {"state": "done", "finished_at": NOON})
    ModelJob.objects.filter(pk=job.pk).update(ran_seconds=500)
    job.refresh_from_db()

    progress = selectors.get_progress(job, now=NOON + timedelta(hours=1))

    # One item in 500 seconds; two are left.
    assert progress.speed.items_per_s is None
    assert progress.eta_s == pytest.approx(1_000.0)


def test_why_nobody_knows_how_long_it_takes(world: World) -> None:
    job = world.make_job()
    assert selectors.get_progress(job, now=NOON).eta_unknown == "No item has been finished yet."

    job.state = "paused"
    progress = selectors.get_progress(job, now=NOON)

    assert (progress.eta_s, progress.eta_unknown) == (None, "The job does not run.")


def test_cost_by_the_prices_of_the_job(world: World) -> None:
    job = world.make_job()
    JobItem.objects.filter(job=job).update(prompt_tokens=1_000_000, completion_tokens=100_000)
    progress = selectors.get_progress(job, now=NOON)
    assert (progress.cost, progress.cost_unknown) == (None, NO_PRICE)

    job.engine_snapshot["settings"] |= {
        "price_prompt": 0.5,
        "price_completion": 2.0,
        "currency": "EUR",
    }
    progress = selectors.get_progress(job, now=NOON)

    # Three items of 1 million at 0.50 and 0.1 million at 2.00.
    assert progress.cost == pytest.approx(3 * (0.5 + 0.2))
    assert (progress.cost_unknown, progress.currency) == ("", "EUR")


def test_a_cost_that_was_not_counted_whole_is_unknown(world: World) -> None:
    job = world.make_job()
    job.engine_snapshot["settings"] |= {"price_prompt": 0.5, "price_completion": 2.0}
    add_call(job.items.all()[0], None, at=NOON)

    progress = selectors.get_progress(job, now=NOON)

    assert (progress.cost, progress.cost_unknown) == (None, NOT_COUNTED)


def test_a_job_that_has_ended_is_listed_by_its_kept_tally(world: World) -> None:
    job = world.make_job()
    end_items(job, ("done", 3, 2), ("done", 5, 4), ("failed", 1, 0))
    complete_if_done(job_id=job.pk, now=NOON)
    job.refresh_from_db()
    counted = selectors.count_items([job.pk])[job.pk]
    assert selectors.JobTally.parse(job.tally or {}) == counted
    assert counted == selectors.JobTally({"done": 2, "failed": 1}, 9, 6)
    JobItem.objects.filter(job=job).update(state="pending")

    [summary] = selectors.list_jobs(world.project)

    assert summary.counts == {"done": 2, "failed": 1}
    assert selectors.get_progress(job, now=NOON).prompt_tokens == 9


def test_a_cancelled_job_keeps_its_tally_with_what_was_taken_back(world: World) -> None:
    job = world.make_job()
    leases.claim_items(job_id=job.pk, limit=1, worker="w", now=NOON, ttl=TTL)
    cancel(job=job, by=world.alice)
    job.refresh_from_db()
    assert job.tally is not None
    assert job.tally["counts"] == {"pending": len(job.items.all())}


def test_a_reopened_job_is_counted_again(world: World) -> None:
    job = world.make_job()
    end_items(job, ("done", 1, 1), ("done", 1, 1), ("failed", 1, 1))
    complete_if_done(job_id=job.pk, now=NOON)
    retry_failed(job=job, by=world.alice)
    job.refresh_from_db()
    assert job.tally is None
    [summary] = selectors.list_jobs(world.project)
    assert summary.counts == {"done": 2, "pending": 1}


def test_items_are_listed_with_their_checked_steps(world: World) -> None:
    job = world.make_job()
    first = job.items.order_by("pk")[0]
    for position, kind in ((0, "rpe"), (0, "rpe_start"), (1, "rpe")):
        StepEvidence.objects.create(item=first, position=position, kind=kind, created_at=NOON)
    assert [vars(item)["n_checked"] for item in selectors.list_items(job)] == [2, 0, 0]


def test_progress_asks_no_more_for_a_large_job(
    world: World, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """A job of one item, and one of three hundred with calls, failures and items that wait."""
    small = world.make_job(selection={"limit": 1})
    large = world.make_job()
    large.engine_snapshot["settings"] |= {"price_prompt": 0.5, "price_completion": 2.0}
    JobItem.objects.bulk_create(
        JobItem(
            job=large,
            solution=world.solutions[0],
            unit=f"u{number}",
            state="failed" if number % 2 else "pending",
            reason_code=f"reason {number % 7}",
            not_before=NOON + timedelta(hours=1),
        )
        for number in range(300)
    )
    for item in large.items.all()[:20]:
        add_call(item, 5, at=NOON)

    with django_assert_num_queries(7):
        selectors.get_progress(small, now=NOON)
    # One more for the cost, which this job has prices for, and one for those that wait.
    with django_assert_num_queries(9):
        selectors.get_progress(large, now=NOON)


def test_failures_by_reason(world: World) -> None:
    job = world.make_job()
    set_items(
        job,
        {"state": "failed", "reason_code": "no_json", "reason": "No JSON."},
        {"state": "set_aside", "reason_code": "worker_lost", "reason": "Silent."},
        {"state": "failed", "reason_code": "no_json", "reason": "No JSON."},
    )

    first, second = selectors.get_progress(job, now=NOON).failures

    assert (first.reason_code, first.count, first.example) == ("no_json", 2, "No JSON.")
    assert (second.state, second.reason_code, second.count) == ("set_aside", "worker_lost", 1)


def test_items_that_wait_for_their_next_try(world: World) -> None:
    job = world.make_job()
    soon, later = NOON + timedelta(seconds=5), NOON + timedelta(seconds=50)
    set_items(job, {"not_before": later}, {"not_before": soon}, {"not_before": NOON})

    progress = selectors.get_progress(job, now=NOON)

    assert (progress.delayed, progress.next_try_at) == (2, soon)


def test_no_worker_alive_is_said(world: World) -> None:
    job = world.make_job()
    assert selectors.get_progress(job, now=NOON).waits_for_worker

    record_beat(name="celery@one", queues=["models"], pid=1, started_at=NOON, now=NOON)

    assert not selectors.get_progress(job, now=NOON).waits_for_worker
    assert selectors.get_progress(job, now=NOON + timedelta(minutes=5)).waits_for_worker


@pytest.mark.parametrize("state", ["queued", "paused", "cancelled", "done"])
def test_a_job_that_does_not_run_waits_for_nobody(world: World, state: str) -> None:
    job = world.make_job()
    job.state = state

    assert not selectors.get_progress(job, now=NOON).waits_for_worker


def test_progress_costs_the_same_for_many_items(
    world: World, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    job = world.make_job(error_types=["deception", "circular", "counterfactual"])

    with django_assert_num_queries(7):
        selectors.get_progress(job, now=NOON)


# --- Products ---------------------------------------------------------------------------------


def test_the_feed_shows_the_latest_first(
    world: World, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    job = world.make_job()
    run(job)
    newest = JobItem.objects.filter(job=job).order_by("pk")[0]
    JobItem.objects.filter(pk=newest.pk).update(finished_at=NOON + timedelta(seconds=5))

    with django_assert_num_queries(2):
        feed = selectors.list_feed(job)
        for entry in feed:
            assert entry.injection is not None
            _ = (entry.injection.modified.problem.text, entry.item.solution.problem.text)

    assert len(feed) == 3
    assert feed[0].item == newest
    assert feed[0].injection == Injection.objects.get(original_id=newest.solution_id)
    assert len(selectors.list_feed(job, limit=1)) == 1


def test_the_feed_says_what_was_there_before(world: World) -> None:
    run(world.make_job())
    second = world.make_job()
    run(second)

    assert [entry.injection for entry in selectors.list_feed(second)] == [None] * 3


def test_calls_of_an_item(world: World) -> None:
    job = world.make_job()
    run(job)

    item = JobItem.objects.filter(job=job)[0]
    assert [call.purpose for call in selectors.list_calls(item)] == ["inject"]


# --- The funnel -------------------------------------------------------------------------------


def settle(injection: Injection, value: str, *, decided: str | None = None) -> None:
    """The reviewers agree on a verdict, or an adjudicator decides against it."""
    item = ReviewItem.objects.get(solution=injection.modified)
    reviewer = make_user(f"reviewer-{uuid.uuid4()}")
    annotation = Annotation.objects.create(
        project=item.project,
        solution=item.solution,
        item=item,
        annotator=reviewer,
        current_number=1,
        created_at=NOON,
    )
    revision = AnnotationRevision.objects.create(
        annotation=annotation,
        number=1,
        content=verdict(value),
        verdict=value,
        first_error_state="unknown",
        created_at=NOON,
    )
    item.state, item.agreed_revision = "agreed", revision
    if decided is not None:
        item.state, item.agreed_revision = "decided", None
        for number, each in enumerate(("unsure", decided), 1):
            Adjudication.objects.create(
                project=item.project,
                item=item,
                adjudicator=reviewer,
                number=number,
                content=verdict(each),
                reason="Seen.",
                created_at=NOON,
            )
    item.save()


def test_the_funnel(world: World) -> None:
    job = world.make_job(error_types=["deception", "circular"])
    run(job)
    deceptions = list(Injection.objects.filter(error_type="deception").order_by("pk"))
    settle(deceptions[0], "accept")
    settle(deceptions[1], "reject")
    settle(deceptions[2], "reject", decided="accept_with_edits")
    Injection.objects.filter(pk=deceptions[0].pk).update(blocking_lints=2)

    circular, deception = selectors.build_funnel(job)

    assert (deception.unit, deception.items, deception.asked, deception.parsed) == (
        "deception",
        3,
        3,
        3,
    )
    clean = Injection.objects.filter(error_type="deception", blocking_lints=0).count()
    assert (deception.new, deception.lint_free) == (3, clean)
    assert (deception.reviewed, deception.accepted) == (3, 2)
    assert (circular.unit, circular.reviewed, circular.accepted) == ("circular", 0, 0)


def test_the_funnel_of_a_job_that_has_not_begun(world: World) -> None:
    [row] = selectors.build_funnel(world.make_job())

    assert (row.items, row.asked, row.parsed, row.new, row.reviewed) == (3, 0, 0, 0, 0)


def test_the_funnel_counts_this_job_alone(world: World) -> None:
    run(world.make_job())
    second = world.make_job()
    run(second)

    [row] = selectors.build_funnel(second)
    assert (row.asked, row.parsed, row.new) == (3, 3, 0)


def test_the_funnel_costs_the_same_for_many_items(
    world: World, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    job = world.make_job(error_types=["deception", "circular"])
    run(job)

    with django_assert_num_queries(4):
        selectors.build_funnel(job)


def test_an_item_in_flight_counts_as_asked_when_its_call_is_stored(world: World) -> None:
    job = world.make_job()
    leases.claim_items(job_id=job.pk, limit=1, worker="one", now=NOON, ttl=TTL)

    [row] = selectors.build_funnel(job)
    assert row.asked == 0
