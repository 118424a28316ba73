"""What was found of each step, and the code that was run on the way: stored under the item's lease.

Summaries are columns; texts are chunks (see `modeljobs.texts`). The code runs of one checkpoint,
and the rollouts that it keeps for others, stand in the chunk of its calls. A step's detail is a
chunk of its own, `{"schema", "detail"}`: it is read alone, and a step that is found again just so
stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from labeling.bulk import Row
from modeljobs.engines.wire import clean_text
from modeljobs.methods.base import AnyCall, CodeRecord, StepChecked
from modeljobs.methods.rpe_labels import Counts
from modeljobs.methods.rpe_work import KIND, KIND_START
from modeljobs.models import CodeRun, JobItem, ReferenceDoubt, StepCounts, StepEvidence
from modeljobs.sandbox.base import CodeResult, CodeStatus
from modeljobs.services.calls import Documents, dump_document
from modeljobs.services.rollouts import SampledChunk
from modeljobs.texts import write_chunk

SCHEMA = 1
RUN_COLUMNS = (
    *("chunk", "item", "attempt", "place", "key", "status", "milliseconds", "layers"),
    "created_at",
)
KEY_LIMIT = 200
KIND_LIMIT = 20


class StoredStep(NamedTuple):
    """A step as it stands in the database."""

    summary: Mapping[str, Any]
    chunk: str


@dataclass(slots=True)
class ItemEvidence:
    """Code runs and steps of one item: what is stored, and what is not yet.

    It lives with the item's one coroutine; every attempt starts from what earlier ones stored.
    """

    next_place: int = 0
    runs: list[CodeRecord] = field(default_factory=list)
    steps: dict[tuple[int, str], StoredStep] = field(default_factory=dict)
    unsaved_runs: list[CodeRecord] = field(default_factory=list)
    unsaved_steps: list[StepChecked] = field(default_factory=list)
    # Rollouts for whoever needs the same: by the key of the call they are stored with, and those
    # whose calls are stored already.
    chunks_by_call: dict[str, SampledChunk] = field(default_factory=dict)
    unsaved_chunks: list[SampledChunk] = field(default_factory=list)
    # The kind of the steps that this attempt's method found, "" before the first.
    kind: str = ""

    @property
    def is_unsaved(self) -> bool:
        return bool(self.unsaved_runs or self.unsaved_steps or self.unsaved_chunks)

    def add_run(self, run: CodeRecord) -> None:
        """Keep a block for storing, unless it is one that is stored already."""
        if not any(run.key == known.key and run.code == known.code for known in self.runs):
            self.runs.append(run)
            self.unsaved_runs.append(run)

    def add_step(self, step: StepChecked) -> None:
        self.kind = step.kind
        self.unsaved_steps.append(step)

    def attach_chunk(self, call_key: str, chunk: SampledChunk) -> None:
        """Store the chunk with the call of that key, which comes after it."""
        self.chunks_by_call[call_key] = chunk

    def keep_chunk(self, chunk: SampledChunk) -> None:
        """Store the chunk with whatever is stored next."""
        self.unsaved_chunks.append(chunk)

    def list_chunks(self, calls: Iterable[AnyCall]) -> tuple[list[SampledChunk], int]:
        """What is to be stored with these calls, and how many of them wait for no call."""
        waiting = list(self.unsaved_chunks)
        by_call = [self.chunks_by_call.get(call.request.key) for call in calls]
        return [*(one for one in by_call if one is not None), *waiting], len(waiting)


def load_evidence(item: JobItem, *, documents: Documents | None = None) -> ItemEvidence:
    """What earlier attempts of the item stored."""
    rows = list(CodeRun.objects.filter(item=item).order_by("place"))
    steps = StepEvidence.objects.filter(item=item).values_list(
        "position", "kind", "summary", "chunk"
    )
    return ItemEvidence(
        next_place=rows[-1].place + 1 if rows else 0,
        runs=_read_runs(rows, documents or Documents()),
        steps={
            (position, kind): StoredStep(summary, chunk) for position, kind, summary, chunk in steps
        },
    )


def load_runs(item: JobItem, *, documents: Documents | None = None) -> list[CodeRecord]:
    """The code that was run for the item, in order. A text that is lost means running that again,
    and is left out.
    """
    rows = CodeRun.objects.filter(item=item).order_by("place")
    return _read_runs(list(rows), documents or Documents())


def pack_runs(
    item: JobItem, evidence: ItemEvidence, batch: Sequence[CodeRecord], *, now: datetime
) -> tuple[list[dict[str, Any]], list[Row]]:
    """The first of the unsaved runs as entries of a chunk, and as rows (see `RUN_COLUMNS`) that
    want the chunk's name in front.
    """
    packed: list[dict[str, Any]] = []
    rows: list[Row] = []
    for place, run in enumerate(batch, start=evidence.next_place):
        result = run.result
        packed.append(
            {
                "place": place,
                "key": run.key,
                "code": run.code,
                "output": result.output,
                "is_truncated": result.is_truncated,
            }
        )
        rows.append(
            (
                *(item.pk, item.attempts, place, clean_text(run.key)[:KEY_LIMIT]),
                *(str(result.status), result.wall_ms, list(result.layers), now),
            )
        )
    return packed, rows


def pack_steps(
    item: JobItem, evidence: ItemEvidence, batch: Sequence[StepChecked], *, now: datetime
) -> list[StepEvidence]:
    """Rows of the steps that differ from what is stored; their details are written first, so that
    a row never names a text that is not there.
    """
    rows: dict[tuple[int, str], StepEvidence] = {}
    for step in batch:
        place = (step.position, step.kind[:KIND_LIMIT])
        chunk = write_chunk(dump_document({"schema": SCHEMA, "detail": dict(step.detail)}))
        summary = clean_json(step.summary)
        # The last word on a step counts: one statement cannot write the same row twice.
        rows.pop(place, None)
        if evidence.steps.get(place) != StoredStep(summary, chunk):
            rows[place] = StepEvidence(
                item=item,
                position=step.position,
                kind=place[1],
                summary=summary,
                chunk=chunk,
                created_at=now,
            )
    return list(rows.values())


def insert_steps(rows: Sequence[StepEvidence]) -> None:
    """Store the rows, in a transaction that holds the leases of their items; with them the counts
    of rollouts among them, and doubts about the reference answers of their problems.
    """
    StepEvidence.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["item", "position", "kind"],
        update_fields=["summary", "chunk", "created_at"],
    )
    if counts := [_build_counts(row) for row in rows if row.kind in (KIND, KIND_START)]:
        StepCounts.objects.bulk_create(
            counts,
            update_conflicts=True,
            unique_fields=["item", "position"],
            update_fields=[*Counts._fields, "is_exact"],
        )
    raise_doubts([row for row in rows if row.kind == KIND_START and row.summary.get("suspect")])


def raise_doubts(rows: Sequence[StepEvidence]) -> None:
    """Put before people what the rollouts say against reference answers. A doubt that is open is
    brought up to date; one that somebody decided on stays as it is.
    """
    doubts = [_build_doubt(row) for row in rows]
    # In the order of their problems: two who raise several never wait for each other in a circle.
    doubts.sort(key=lambda doubt: doubt.problem_id)
    ReferenceDoubt.objects.bulk_create(doubts, ignore_conflicts=True)
    for doubt in doubts:
        ReferenceDoubt.objects.filter(
            problem=doubt.problem_id, state=ReferenceDoubt.State.OPEN
        ).update(
            item=doubt.item_id,
            reference=doubt.reference,
            answer=doubt.answer,
            rollouts=doubt.rollouts,
            answered=doubt.answered,
        )


def _build_counts(row: StepEvidence) -> StepCounts:
    """The step's counts as columns; those of the problem alone stand before the first step."""
    return StepCounts(
        item_id=row.item_id,
        position=-1 if row.kind == KIND_START else row.position,
        is_exact=row.summary.get("judged_by") == "answer",
        **{name: int(row.summary["counts"][name]) for name in Counts._fields},
    )


def _build_doubt(row: StepEvidence) -> ReferenceDoubt:
    suspect, problem = row.summary["suspect"], row.item.solution.problem
    return ReferenceDoubt(
        problem_id=problem.pk,
        item_id=row.item_id,
        reference=problem.reference_answer or "",
        answer=suspect["whole"],
        rollouts=suspect["rollouts"],
        answered=suspect["answered"],
        created_at=row.created_at,
    )


def settle_evidence(
    evidence: ItemEvidence,
    *,
    calls: Iterable[AnyCall],
    runs: int,
    steps: int,
    rows: Sequence[StepEvidence],
    chunks: int,
) -> None:
    """Note what is committed: chunks with these calls, and the first so many unsaved runs, steps
    and other chunks.
    """
    for call in calls:
        evidence.chunks_by_call.pop(call.request.key, None)
    del evidence.unsaved_chunks[:chunks]
    evidence.next_place += runs
    del evidence.unsaved_runs[:runs]
    for row in rows:
        evidence.steps[row.position, row.kind] = StoredStep(row.summary, row.chunk)
    del evidence.unsaved_steps[:steps]


def clean_json(value: Any) -> Any:
    """Plain JSON that any database stores: no NUL, no half characters, no numbers that are none."""
    match value:
        case str():
            return clean_text(value)
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {clean_text(str(key)): clean_json(one) for key, one in value.items()}
        case list() | tuple():
            return [clean_json(one) for one in value]
        case _:
            return value


def _read_runs(rows: Sequence[CodeRun], documents: Documents) -> list[CodeRecord]:
    runs = []
    for row in rows:
        document = documents.read(row.chunk)
        if isinstance(document, str):
            continue
        try:
            runs.append(_parse_run(document["runs"][row.place], row))
        except (KeyError, TypeError, ValueError):
            continue
    return runs


def _parse_run(data: Mapping[str, Any], row: CodeRun) -> CodeRecord:
    result = CodeResult(
        status=CodeStatus(row.status),
        output=data["output"],
        is_truncated=data["is_truncated"],
        wall_ms=row.milliseconds,
        layers=tuple(row.layers),
    )
    return CodeRecord(data["key"], data["code"], result)
