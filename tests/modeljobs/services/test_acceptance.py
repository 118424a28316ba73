from __future__ import annotations

import uuid
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from labeling.models import AuditEvent, Injection, ReviewItem
from modeljobs.models import JobItem, ModelJob
from modeljobs.selectors_yield import Acceptance
from modeljobs.services.acceptance import (
    Guards,
    change_guards,
    check_before_resuming,
    check_job,
    find_failing,
    judge,
    parse_guards,
    read_guards,
)
from tests.labeling.factories import join, make_injection_item, make_user
from tests.modeljobs.test_selectors_yield import settle
from tests.modeljobs.worlds import NOON, World
from workbench.errors import Conflict, InvalidInput, NotAllowed

GUARD = {"min_acceptance": 0.5, "min_reviewed": 5}


def guard(job: ModelJob, **changes: Any) -> ModelJob:
    ModelJob.objects.filter(pk=job.pk).update(guards=GUARD | changes)
    job.refresh_from_db()
    return job


def put_reviewed(job: ModelJob, *, accepted: int, rejected: int, kind: str = "deception") -> None:
    """Injections of the job's injector that people have accepted and rejected."""
    for value in ["accept"] * accepted + ["reject"] * rejected:
        item: ReviewItem = make_injection_item(job.project, key=f"made-{uuid.uuid4()}")
        Injection.objects.filter(modified=item.solution).update(
            error_type=kind, provenance={"job": job.pk, "unit": kind}
        )
        settle(Injection.objects.get(modified=item.solution), value)


# --- Reading ------------------------------------------------------------------------------------


def test_guards_are_read() -> None:
    guards = parse_guards(GUARD, method="injection")
    assert guards == Guards(0.5, 5)
    assert guards.pack() == GUARD
    assert parse_guards({"min_acceptance": 1}) == Guards(1.0, 20)


@pytest.mark.parametrize("given", [None, {}, {"min_acceptance": None, "min_reviewed": None}])
def test_no_guard(given: dict[str, Any] | None) -> None:
    guards = parse_guards(given)
    assert not guards
    assert guards.pack() == {}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"min_acceptance": 0}, "min_acceptance"),
        ({"min_acceptance": 1.5}, "min_acceptance"),
        ({"min_acceptance": "0.5"}, "min_acceptance"),
        ({"min_acceptance": True}, "min_acceptance"),
        ({"min_acceptance": float("nan")}, "min_acceptance"),
        ({"min_acceptance": 0.5, "min_reviewed": 0}, "min_reviewed"),
        ({"min_acceptance": 0.5, "min_reviewed": 2.5}, "min_reviewed"),
        ({"min_acceptance": 0.5, "min_reviewed": 10**7}, "min_reviewed"),
        ({"min_reviewed": 5}, "min_acceptance"),
        ({"max_rejected": 5}, "max_rejected"),
    ],
)
def test_a_guard_that_is_none(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_guards(given)
    assert caught.value.extra["field"] == field


def test_what_judges_takes_no_guard() -> None:
    with pytest.raises(InvalidInput, match="no injector that people"):
        parse_guards(GUARD, method="genprm")


# --- Judging ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "stops"),
    # Wilson's upper end for 5 of 20 is 0.469, for 6 of 20 it is 0.519.
    [(0, True), (5, True), (6, False), (10, False), (20, False)],
)
def test_only_the_upper_end_below_the_rate_stops(accepted: int, stops: bool) -> None:
    finding = judge("circular", Acceptance(20, accepted), Guards(0.5, 20))
    assert (finding is not None) == stops


def test_few_reviewed_stop_nothing() -> None:
    assert judge("circular", Acceptance(19, 0), Guards(0.5, 20)) is None
    assert judge("circular", Acceptance(19, 0), Guards()) is None


def test_the_sentence_says_who_and_how_much() -> None:
    finding = judge("circular", Acceptance(20, 5), Guards(0.5, 20))
    assert finding is not None
    assert finding.sentence == (
        "People accepted 5 of 20 of class 'circular' (47% at the most), below the guard of 50%."
    )


# --- A job --------------------------------------------------------------------------------------


def test_a_job_whose_injector_people_reject(world: World) -> None:
    job = guard(world.make_job())
    assert check_job(job) == ""
    put_reviewed(job, accepted=0, rejected=5)
    assert check_job(job).startswith("People accepted 0 of 5 of class 'deception'")


def test_yesterdays_job_counts_for_todays(world: World) -> None:
    put_reviewed(world.make_job(), accepted=0, rejected=6)
    assert check_job(guard(world.make_job())) != ""


def test_another_model_or_prompt_starts_anew(world: World) -> None:
    put_reviewed(world.make_job(), accepted=0, rejected=6)
    job = guard(world.make_job())
    ModelJob.objects.filter(pk=job.pk).update(prompt_version="injection-2")
    job.refresh_from_db()
    assert check_job(job) == ""


def test_a_class_that_the_job_is_done_with_stops_nothing(world: World) -> None:
    job = guard(world.make_job(error_types=["deception", "circular"]))
    put_reviewed(job, accepted=0, rejected=5)
    assert [finding.error_type for finding in find_failing(job)] == ["deception"]
    JobItem.objects.filter(job=job, unit="deception").update(state="done", finished_at=NOON)
    assert check_job(job) == ""


def test_several_classes_are_counted_in_one_sentence(world: World) -> None:
    job = guard(world.make_job(error_types=["deception", "circular"]))
    put_reviewed(job, accepted=0, rejected=5)
    put_reviewed(job, accepted=0, rejected=5, kind="circular")
    assert check_job(job).endswith("So it is with 1 more of its classes.")


def test_a_job_without_a_guard_is_not_looked_at(
    world: World, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    job = world.make_job()
    put_reviewed(job, accepted=0, rejected=5)
    with django_assert_num_queries(0):
        assert check_job(job) == ""


def test_a_look_costs_the_same_however_much_was_reviewed(
    world: World, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    job = ModelJob.objects.select_related("project", "engine").get(pk=guard(world.make_job()).pk)
    put_reviewed(job, accepted=4, rejected=4)
    with django_assert_num_queries(3):
        assert check_job(job) == ""


# --- Resuming and changing ----------------------------------------------------------------------


def test_it_goes_on_only_once_the_guard_is_changed(world: World) -> None:
    job = guard(world.make_job())
    put_reviewed(job, accepted=0, rejected=5)
    ModelJob.objects.filter(pk=job.pk).update(state="paused")
    job.refresh_from_db()
    with pytest.raises(Conflict, match="Change the guard, or take it away"):
        check_before_resuming(job)
    change_guards(job=job, guards={}, by=world.alice)
    assert not read_guards(job)
    check_before_resuming(job)
    assert AuditEvent.objects.filter(verb="job.guards_changed").count() == 1


def test_guards_are_changed_at_rest_alone(world: World) -> None:
    job = world.make_job()
    with pytest.raises(Conflict, match="guards are changed while it is paused"):
        change_guards(job=job, guards=GUARD, by=world.alice)
    draft = world.draft_job()
    assert read_guards(change_guards(job=draft, guards=GUARD, by=world.alice)) == Guards(0.5, 5)


def test_only_who_may_run_jobs_changes_guards(world: World) -> None:
    bob = make_user("bob")
    join(world.project, bob, "annotator")
    with pytest.raises(NotAllowed):
        change_guards(job=world.draft_job(), guards=GUARD, by=bob)
