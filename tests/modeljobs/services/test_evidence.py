from __future__ import annotations

import json
import math
from typing import Any

import pytest

from modeljobs.evidence_views import read_detail
from modeljobs.methods.base import CodeRecord, StepChecked
from modeljobs.methods.rollouts import Chunk, ChunkKey, Rollout
from modeljobs.methods.rpe_labels import Counts
from modeljobs.models import (
    CodeRun,
    JobItem,
    ModelCall,
    ReferenceDoubt,
    RolloutChunk,
    StepCounts,
    StepEvidence,
)
from modeljobs.sandbox.base import CodeResult, CodeStatus
from modeljobs.services import leases, results
from modeljobs.services.evidence import clean_json, load_evidence, load_runs
from modeljobs.services.leases import LeaseLost
from modeljobs.services.results import OpenItem
from modeljobs.services.rollouts import SampledChunk
from modeljobs.texts import list_chunks, read_chunk
from tests.modeljobs.services.test_calls import make_call
from tests.modeljobs.worlds import NOON, TTL, World

LATER = NOON + TTL


def make_run(key: str, code: str = "print(2)", **changes: Any) -> CodeRecord:
    given: dict[str, Any] = {
        "status": CodeStatus.OK,
        "output": "2",
        "wall_ms": 12,
        "layers": ("namespaces", "seccomp"),
    }
    return CodeRecord(key, code, CodeResult(**(given | changes)))


def make_step(position: int, mean: float | None = 0.75, text: str = "It holds.") -> StepChecked:
    return StepChecked(position, "genprm", {"mean": mean, "yes": 1}, {"samples": [{"text": text}]})


@pytest.fixture
def open_item(world: World) -> OpenItem:
    job = world.make_job(selection={"limit": 1})
    [row] = leases.claim_items(job_id=job.pk, limit=1, worker="one", now=NOON, ttl=TTL)
    return results.open_item(row)


def begin_again(item: OpenItem) -> OpenItem:
    """The item as the next worker has it."""
    leases.hand_back(leases=[item.lease])
    [row] = leases.claim_items(job_id=item.row.job_id, limit=1, worker="two", now=LATER, ttl=TTL)
    return results.open_item(row)


def test_it_works(open_item: OpenItem) -> None:
    call, run, step = make_call("a"), make_run("a/code0"), make_step(0)
    open_item.calls.add(call)
    open_item.evidence.add_run(run)
    open_item.evidence.add_step(step)

    results.checkpoint(open_item, now=NOON)

    [stored] = CodeRun.objects.all()
    assert (stored.place, stored.attempt, stored.key, stored.status) == (0, 1, "a/code0", "ok")
    assert (stored.milliseconds, stored.layers) == (12, ["namespaces", "seccomp"])
    # In the chunk of the calls of the same checkpoint.
    assert stored.chunk == ModelCall.objects.get().chunk
    [found] = StepEvidence.objects.all()
    assert (found.position, found.kind, found.summary) == (0, "genprm", step.summary)
    assert (found.item_id, found.created_at) == (open_item.row.pk, NOON)
    assert read_detail(found) == step.detail
    assert not open_item.is_unsaved


def test_the_next_attempt_knows_what_was_run_in_order(open_item: OpenItem) -> None:
    runs = [
        make_run("b"),
        make_run("a", "1/0", status=CodeStatus.ERROR, output="Code execute Error: …"),
    ]
    for run in runs:
        open_item.evidence.add_run(run)
    results.checkpoint(open_item, now=NOON)
    third = make_run("c", "print('é\ud83d')", output="é", is_truncated=True)
    open_item.evidence.add_run(third)
    results.checkpoint(open_item, now=NOON)

    again = begin_again(open_item)

    assert again.evidence.runs == load_runs(open_item.row) == [*runs, third]
    assert again.evidence.next_place == 3


def test_what_is_known_is_not_stored_again(open_item: OpenItem) -> None:
    open_item.evidence.add_run(make_run("a"))
    open_item.evidence.add_step(make_step(0))
    results.checkpoint(open_item, now=NOON)
    again = begin_again(open_item)

    again.evidence.add_run(make_run("a"))
    again.evidence.add_step(make_step(0))
    results.checkpoint(again, now=LATER)

    assert CodeRun.objects.count() == 1
    # Found again just so: it stays as it was stored first.
    assert StepEvidence.objects.get().created_at == NOON


def test_other_code_under_a_known_key_is_another_block(open_item: OpenItem) -> None:
    open_item.evidence.add_run(make_run("a", "print(1)"))
    open_item.evidence.add_run(make_run("a", "print(2)"))

    results.checkpoint(open_item, now=NOON)

    assert list(CodeRun.objects.values_list("place", "key")) == [(0, "a"), (1, "a")]


def test_a_step_that_is_found_otherwise_is_replaced(open_item: OpenItem) -> None:
    open_item.evidence.add_step(make_step(0, 0.25))
    open_item.evidence.add_step(make_step(1))
    results.checkpoint(open_item, now=NOON)
    again = begin_again(open_item)

    again.evidence.add_step(make_step(0, 0.5, "On second thoughts."))
    results.checkpoint(again, now=LATER)

    first, second = StepEvidence.objects.order_by("position")
    assert (first.summary["mean"], first.created_at) == (0.5, LATER)
    assert "On second thoughts." in json.dumps(read_detail(first))
    assert (second.summary["mean"], second.created_at) == (0.75, NOON)


def test_the_last_word_within_a_checkpoint_counts(open_item: OpenItem) -> None:
    open_item.evidence.add_step(make_step(0, 0.25))
    open_item.evidence.add_step(make_step(0, 0.5))

    results.checkpoint(open_item, now=NOON)

    assert StepEvidence.objects.get().summary["mean"] == 0.5


def test_a_lost_lease_stores_nothing(open_item: OpenItem) -> None:
    begin_again(open_item)
    open_item.evidence.add_run(make_run("a"))
    open_item.evidence.add_step(make_step(0))

    with pytest.raises(LeaseLost):
        results.checkpoint(open_item, now=LATER)

    assert not CodeRun.objects.exists()
    assert not StepEvidence.objects.exists()


def test_a_lost_text_means_running_again(open_item: OpenItem) -> None:
    open_item.evidence.add_run(make_run("a"))
    results.checkpoint(open_item, now=NOON)
    for chunk in list_chunks():
        chunk.path.unlink()

    again = begin_again(open_item)
    assert again.evidence.runs == []
    again.evidence.add_run(make_run("a"))
    results.checkpoint(again, now=LATER)

    # The row stays, and the next has a place of its own.
    assert list(CodeRun.objects.values_list("place", "attempt")) == [(0, 1), (1, 2)]


def test_a_run_without_calls_has_a_chunk_of_its_own(open_item: OpenItem) -> None:
    open_item.evidence.add_run(make_run("a"))

    results.checkpoint(open_item, now=NOON)

    document = json.loads(read_chunk(CodeRun.objects.get().chunk))
    assert [run["code"] for run in document["runs"]] == ["print(2)"]
    assert document["exchanges"] == []


def test_summaries_hold_what_any_database_stores(
    any_database: str, texts_folder: object, sent: object
) -> None:
    from tests.modeljobs.worlds import make_world

    job = make_world(solutions=1).make_job()
    [row] = leases.claim_items(job_id=job.pk, limit=1, worker="one", now=NOON, ttl=TTL)
    item = results.open_item(row)
    item.evidence.add_run(make_run("a\x00b"))
    item.evidence.add_step(
        StepChecked(0, "genprm", {"mean": math.nan, "mode": "a\x00\ud800"}, {"samples": []})
    )

    results.checkpoint(item, now=NOON)

    assert StepEvidence.objects.get().summary == {"mean": None, "mode": "a\ufffd\ufffd"}
    assert CodeRun.objects.get().key == "a\ufffdb"
    assert load_evidence(JobItem.objects.get(pk=row.pk)).runs == [make_run("a\x00b")]


def test_plain_json_stays_as_it_is() -> None:
    summary = {"p_yes": [0.5, None], "yes": 3, "verdict": True, "reasons": {"no_box": 1}}

    assert clean_json(summary) == summary


def test_several_items_are_stored_together(world: World) -> None:
    job = world.make_job()
    rows = leases.claim_items(job_id=job.pk, limit=3, worker="one", now=NOON, ttl=TTL)
    first, lost, last = [results.open_item(row) for row in rows]
    for item in (first, lost, last):
        item.calls.add(make_call(f"call {item.row.pk}"))
        item.evidence.add_run(make_run(f"run {item.row.pk}"))
        item.evidence.add_step(make_step(0))
    leases.hand_back(leases=[lost.lease])

    tokens, faults = results.checkpoint_together([last, lost, first], now=NOON)

    # 10 and 3 tokens for each of the two that were stored; whoever lost its lease held up nobody.
    assert tokens == (20, 6, 0)
    assert set(faults) == {lost.row.pk}
    assert isinstance(faults[lost.row.pk], LeaseLost)
    for model in (ModelCall, CodeRun, StepEvidence):
        stored = model.objects.order_by("item").values_list("item", flat=True)
        assert list(stored) == [first.row.pk, last.row.pk]
    assert [item.is_unsaved for item in (first, lost, last)] == [False, True, False]
    first.row.refresh_from_db()
    assert (first.row.prompt_tokens, first.row.completion_tokens) == (10, 3)


# --- Rollouts -------------------------------------------------------------------------------------


def make_rolled(
    position: int, counts: Counts, *, kind: str = "rpe", judged_by: str = "rollouts", **more: Any
) -> StepChecked:
    summary = {"counts": counts.as_dict(), "judged_by": judged_by, **more}
    return StepChecked(position, kind, summary, {"answers": []})


def list_counts() -> list[tuple[int, ...]]:
    rows = StepCounts.objects.order_by("position")
    return list(rows.values_list("position", *Counts._fields, "is_exact"))


def test_counts_of_rollouts_are_columns(open_item: OpenItem) -> None:
    open_item.evidence.add_step(make_rolled(0, Counts(5, 3), kind="rpe_start", suspect=None))
    open_item.evidence.add_step(make_rolled(0, Counts(1, 2, 3, 4, 5, 6)))
    open_item.evidence.add_step(make_rolled(1, Counts(0, 1), judged_by="answer"))

    results.checkpoint(open_item, now=NOON)

    assert list_counts() == [
        (-1, 5, 3, 0, 0, 0, 0, False),
        (0, 1, 2, 3, 4, 5, 6, False),
        (1, 0, 1, 0, 0, 0, 0, True),
    ]


def test_other_evidence_has_no_counts(open_item: OpenItem) -> None:
    open_item.evidence.add_step(make_step(0))

    results.checkpoint(open_item, now=NOON)

    assert StepCounts.objects.count() == 0


def test_the_same_counts_again_leave_the_same_rows(open_item: OpenItem) -> None:
    open_item.evidence.add_step(make_rolled(0, Counts(5, 3)))
    results.checkpoint(open_item, now=NOON)
    first = StepCounts.objects.values().get()
    again = begin_again(open_item)

    again.evidence.add_step(make_rolled(0, Counts(5, 3)))
    results.checkpoint(again, now=LATER)

    assert StepCounts.objects.values().get() == first


def test_other_counts_replace_those_of_before(open_item: OpenItem) -> None:
    open_item.evidence.add_step(make_rolled(0, Counts(5, 3)))
    results.checkpoint(open_item, now=NOON)

    open_item.evidence.add_step(make_rolled(0, Counts(50, 14)))
    results.checkpoint(open_item, now=NOON)

    assert list_counts() == [(0, 50, 14, 0, 0, 0, 0, False)]


def make_chunk(name: str = "a" * 64) -> SampledChunk:
    chunk = Chunk((Rollout("So \\boxed{4}.", "stop"),), "a", 7)
    return SampledChunk(name, ChunkKey("f" * 32, 0, "r1"), chunk)


def test_a_chunk_is_stored_with_its_call_and_not_before(open_item: OpenItem) -> None:
    open_item.evidence.attach_chunk("a", make_chunk())
    results.checkpoint(open_item, now=NOON)
    assert RolloutChunk.objects.count() == 0

    open_item.calls.add(make_call("a"))
    results.checkpoint(open_item, now=NOON)

    assert (RolloutChunk.objects.count(), ModelCall.objects.count()) == (1, 1)
    assert RolloutChunk.objects.get().origin == f"{open_item.row.job_id}/a"
    assert not open_item.is_unsaved


def test_a_chunk_that_waits_for_no_call_is_stored_next(open_item: OpenItem) -> None:
    open_item.evidence.keep_chunk(make_chunk())
    assert open_item.is_unsaved

    results.checkpoint(open_item, now=NOON)

    assert RolloutChunk.objects.count() == 1
    assert not open_item.is_unsaved


def test_with_a_lost_lease_neither_counts_nor_chunks_nor_doubts_are_stored(
    open_item: OpenItem,
) -> None:
    begin_again(open_item)
    suspect = {"answer": "5", "whole": "5", "rollouts": 6, "answered": 8}
    step = make_rolled(0, Counts(5, 3), kind="rpe_start", suspect=suspect)
    open_item.evidence.add_step(step)
    open_item.evidence.keep_chunk(make_chunk())

    with pytest.raises(LeaseLost):
        results.checkpoint(open_item, now=NOON)

    for model in (StepCounts, RolloutChunk, ReferenceDoubt, StepEvidence):
        assert model.objects.count() == 0


def test_doubts_of_several_items_about_one_problem_are_one(world: World) -> None:
    """Two versions of a solution, whose rollouts both contradict the reference."""
    world.solutions[1].problem = world.solutions[0].problem
    world.solutions[1].save()
    job = world.make_job()
    rows = leases.claim_items(job_id=job.pk, limit=2, worker="one", now=NOON, ttl=TTL)
    items = [results.open_item(row) for row in rows]
    for item, answer in zip(items, ("5", "6"), strict=True):
        suspect = {"answer": answer, "whole": answer, "rollouts": 6, "answered": 8}
        item.evidence.add_step(make_rolled(0, Counts(2, 6), kind="rpe_start", suspect=suspect))

    assert results.checkpoint_together(items, now=NOON)[1] == {}

    [doubt] = ReferenceDoubt.objects.all()
    assert doubt.problem == world.solutions[0].problem
    assert (doubt.answer, doubt.reference, doubt.created_at) == ("6", "4", NOON)
