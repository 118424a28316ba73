from __future__ import annotations

from dataclasses import replace

import pytest

from labeling import records
from labeling.models import Injection, Suggestion
from modeljobs.methods.base import Failed, Produced, StepChecked
from modeljobs.models import ModelCall, StepEvidence
from modeljobs.runner import build_context
from modeljobs.services import leases, results
from modeljobs.services.leases import LeaseLost
from modeljobs.services.results import JobContext, OpenItem, UnknownProduct
from tests.modeljobs.services.test_calls import make_call
from tests.modeljobs.worlds import NOON, TTL, World
from workbench.errors import InvalidInput

LABELS = records.LabelSet(
    author=records.Author.MACHINE,
    labels=(records.StepLabel(validity=records.Validity.CORRECT), None),
    first_error=records.Unknown("stopped"),
    method="genprm",
)
PRODUCED = Produced("suggestion", LABELS, notes=("one step was left out",), provenance={"end": 1})


@pytest.fixture
def item(world: World) -> OpenItem:
    job = world.make_job(selection={"limit": 1})
    [row] = leases.claim_items(job_id=job.pk, limit=1, worker="one", now=NOON, ttl=TTL)
    return results.open_item(row)


@pytest.fixture
def context(item: OpenItem) -> JobContext:
    return build_context(item.row.job)


def test_a_suggestion_says_where_its_evidence_is(context: JobContext, item: OpenItem) -> None:
    item.evidence.add_step(StepChecked(0, "genprm", {"mean": 0.5}))

    [stored] = results.finish(context, item, [PRODUCED], now=NOON)

    suggestion = Suggestion.objects.get()
    assert stored.id == suggestion.pk
    assert suggestion.solution_id == item.row.solution_id
    found = {name: suggestion.payload[name] for name in ("job", "item", "evidence")}
    assert found == {"job": context.job_id, "item": item.row.pk, "evidence": "genprm"}
    assert suggestion.provenance["notes"] == ["one step was left out"]
    assert suggestion.provenance["end"] == 1
    assert suggestion.provenance["engine_model"] == context.engine_model
    assert suggestion.producer == context.producer
    assert suggestion.is_scripted
    item.row.refresh_from_db()
    assert item.row.state == "done"
    assert item.row.result["products"] == [{"kind": "suggestion", "id": stored.id}]
    assert item.row.result["notes"] == ["one step was left out"]
    assert StepEvidence.objects.count() == 1


def test_a_suggestion_without_steps_names_no_evidence(context: JobContext, item: OpenItem) -> None:
    results.finish(context, item, [PRODUCED], now=NOON)

    assert Suggestion.objects.get().payload["evidence"] == ""


def test_the_same_from_another_seed_is_another_opinion(
    context: JobContext, world: World, item: OpenItem
) -> None:
    results.finish(context, item, [PRODUCED], now=NOON)
    for seed in (context.seed, context.seed + 1):
        job = world.make_job(selection={"limit": 1})
        [row] = leases.claim_items(job_id=job.pk, limit=1, worker="one", now=NOON, ttl=TTL)
        results.finish(replace(context, seed=seed), results.open_item(row), [PRODUCED], now=NOON)

    assert Suggestion.objects.count() == 2


@pytest.mark.parametrize(
    ("produced", "sentence"),
    [
        (Produced("poem", LABELS), "made a 'poem', which has no way into labelling"),
        (
            Produced("suggestion", records.Solution(records.Problem("?"))),
            "made a suggestion that is not a set of labels",
        ),
        (Produced("injection", LABELS), "made an injection that is not a solution"),
    ],
)
def test_what_has_no_way_into_labelling(
    context: JobContext, item: OpenItem, produced: Produced, sentence: str
) -> None:
    item.calls.add(make_call("a"))

    with pytest.raises(UnknownProduct, match=sentence):
        results.finish(context, item, [produced], now=NOON)

    item.row.refresh_from_db()
    assert item.row.state == "leased"
    assert not Suggestion.objects.exists()
    assert not Injection.objects.exists()
    # The calls go with the refusal that is stored next.
    assert not ModelCall.objects.exists()
    assert len(item.calls.unsaved) == 1


def test_all_products_are_stored_or_none(context: JobContext, item: OpenItem) -> None:
    short = replace(LABELS, labels=())

    with pytest.raises(InvalidInput, match="0 steps; this solution has 2"):
        results.finish(context, item, [PRODUCED, Produced("suggestion", short)], now=NOON)

    assert not Suggestion.objects.exists()


def test_a_failure_keeps_what_led_there(item: OpenItem) -> None:
    item.calls.add(make_call("a"))
    item.evidence.add_step(StepChecked(0, "genprm", {"mean": None}))

    results.fail(item, Failed("disk_full", "The sandbox is full."), now=NOON, outcome="sandbox")

    item.row.refresh_from_db()
    assert (item.row.state, item.row.reason_code) == ("failed", "disk_full")
    assert item.row.result["outcome"] == "sandbox"
    assert (ModelCall.objects.count(), StepEvidence.objects.count()) == (1, 1)


def test_a_lost_lease_ends_nothing(context: JobContext, item: OpenItem) -> None:
    leases.hand_back(leases=[item.lease])
    item.calls.add(make_call("a"))

    with pytest.raises(LeaseLost):
        results.finish(context, item, [PRODUCED], now=NOON)
    with pytest.raises(LeaseLost):
        results.fail(item, Failed("x", "X."), now=NOON)

    assert not ModelCall.objects.exists()
    assert not Suggestion.objects.exists()
