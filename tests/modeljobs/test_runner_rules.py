"""Injections by rule as a job: from the form's parameters to the queue, with no model asked."""

from __future__ import annotations

from labeling.models import Injection, ReviewItem
from modeljobs.methods.rule_injection import INJECTED_CLASSES
from modeljobs.models import JobItem, ModelCall, ModelJob
from modeljobs.runner import run_job
from tests.modeljobs.worlds import Clock, World, count_states


def run_rules(world: World, **parameters: object) -> ModelJob:
    """A finished job of the method, run by the engine that ships."""
    job = world.make_job(method="rule_injection", parameters=parameters, **NO_TYPES)
    run_job(job_id=job.pk, worker="one", now=Clock(), should_stop=lambda: False)
    job.refresh_from_db()
    assert job.state == ModelJob.State.DONE
    return job


NO_TYPES = {"error_types": INJECTED_CLASSES}


def test_it_works(world: World) -> None:
    job = run_rules(world)
    # 3 solutions, 8 classes.
    assert count_states(job) == {JobItem.State.DONE: 24}
    assert ModelCall.objects.count() == 0
    made = Injection.objects.all()
    assert made.count() == ReviewItem.objects.filter(task="verify_injection").count() == 24
    assert all(one.is_scripted and one.blocking_lints == 0 for one in made)
    assert {one.producer for one in made} == {"rule_injection 1 · Scripted"}


def test_decoys_and_honest_claims_have_one_producer(world: World) -> None:
    run_rules(world, decoys=0.5, per_class=2)
    made = Injection.objects.select_related("modified")
    assert len({one.producer for one in made}) == 1
    assert len({one.modified.generator for one in made}) == 1


def test_the_same_seed_makes_the_same_again(world: World) -> None:
    first = run_rules(world)
    before = list(Injection.objects.order_by("pk").values_list("pk", flat=True))
    second = run_rules(world)
    assert first.seed == second.seed
    # Each item says that the same was there before.
    assert list(Injection.objects.order_by("pk").values_list("pk", flat=True)) == before


TRUTH = {"verdict", "error_positions", "error_type", "certain", "rule"}


def test_the_truth_is_kept_apart_from_what_anybody_reads(world: World) -> None:
    run_rules(world, decoys=0.5)
    made = list(Injection.objects.all())
    assert {one.truth["verdict"] for one in made} >= {"accept", "reject"}
    assert all({*one.truth} == TRUTH for one in made)
    for one in made:
        assert "truth" not in one.provenance
        assert one.truth["rule"] not in str(one.provenance)
