"""What a method yields, stored: calls, code runs and steps as they come, products when their item
ends.

Everything is stored under the item's lease, in one transaction with the item's own row: a lost
lease stores nothing, and a worker that dies leaves either the whole result or none of it. Products
follow from calls and code runs, and those are kept as they come, so an item that begins again asks
for nothing that was answered before, and runs nothing again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from labeling import records
from labeling.bulk import Row, insert_rows
from labeling.mapping import freeze, unpack_step
from labeling.models import Solution
from labeling.services.injections import record_injection
from labeling.services.suggestions import record_suggestion
from modeljobs.methods.base import (
    AnyCall,
    CodeRecord,
    Failed,
    ItemInput,
    Method,
    Outcome,
    Produced,
    StepChecked,
)
from modeljobs.models import (
    CodeRun,
    JobItem,
    ModelCall,
    ReferenceDoubt,
    StepEvidence,
)
from modeljobs.services import leases
from modeljobs.services.calls import (
    CALL_COLUMNS,
    Documents,
    ItemCalls,
    Tokens,
    count_tokens,
    load_calls,
    pack_calls,
    settle_calls,
    write_document,
)
from modeljobs.services.evidence import (
    RUN_COLUMNS,
    ItemEvidence,
    insert_steps,
    load_evidence,
    pack_runs,
    pack_steps,
    settle_evidence,
)
from modeljobs.services.leases import Lease, LeaseLost, Spent, Tally
from modeljobs.services.rollouts import ChunkRow, insert_chunks, pack_chunks
from workbench.errors import WorkbenchError

PRODUCER_LIMIT = 120
NO_REFERENCE = (
    "The problem's reference answer was found to be wrong, and no other one was given: say what is "
    "right where the doubt was decided on."
)
# What a result depends on besides solution and labels: two jobs alike in these, with the same
# labels, said the same.
SETTINGS_OF_IDENTITY = (
    *("unit", "method", "method_version", "prompt_version", "parameters", "job_seed"),
    *("engine_name", "engine_model"),
)


@dataclass(frozen=True, slots=True)
class JobContext:
    """What the results of a job have in common: read once when a run begins."""

    job_id: int
    method: Method
    engine_name: str
    is_scripted: bool
    parameters: Mapping[str, Any]
    seed: int
    prompt_version: str
    code_version: str
    # Whether the engine's terms let its output train models: True, False, or None (unknown).
    output_may_train: bool | None
    # The model that the engine was set to ask; "" where it names none.
    engine_model: str = ""

    @property
    def producer(self) -> str:
        """Who made it, as lists show it: the method with its version, and the engine."""
        return f"{self.method.name} {self.method.version} · {self.engine_name}"[:PRODUCER_LIMIT]


@dataclass(frozen=True, slots=True)
class OpenItem:
    """A claimed item with what its method needs and what was stored of it before."""

    row: JobItem
    lease: Lease
    input: ItemInput
    calls: ItemCalls
    evidence: ItemEvidence

    @property
    def is_unsaved(self) -> bool:
        """Is there anything that would be lost with this worker?"""
        return bool(self.calls.unsaved) or self.evidence.is_unsaved

    @property
    def tally(self) -> Tally:
        return Tally.of(self.row)


@dataclass(frozen=True, slots=True)
class StoredProduct:
    """A product as the item's result names it; `id` is None where the same was there before."""

    kind: str
    id: int | None

    def pack(self) -> dict[str, Any]:
        return {"kind": self.kind, "id": self.id}


Recorder = Callable[[JobContext, OpenItem, Produced], StoredProduct]


def open_item(row: JobItem) -> OpenItem:
    """A freshly claimed item, ready to run."""
    if row.lease_token is None:
        raise ValueError(f"Item {row.pk} is not leased.")
    calls, evidence = ItemCalls(), ItemEvidence()
    # Nothing can be stored of an item that was never claimed before.
    if row.attempts > 1:
        documents = Documents()
        calls = load_calls(row, documents=documents)
        evidence = load_evidence(row, documents=documents)
    return OpenItem(row, Lease(row.pk, row.lease_token), build_input(row), calls, evidence)


def build_input(row: JobItem) -> ItemInput:
    """The item as its method sees it.

    The key says nothing of attempts, so that an item that begins again asks the same questions; a
    person's "try again" is another round with questions of its own.
    """
    key = f"{row.solution_id}:{row.unit}"
    again = Tally.of(row).round
    if again:
        key = f"{key}:again{again}"
    doubt = ReferenceDoubt.objects.filter(
        problem=row.solution.problem_id, state=ReferenceDoubt.State.WRONG
    ).first()
    corrected = "" if doubt is None else doubt.corrected_answer.strip()
    return ItemInput(
        key=key,
        solution=build_solution(row.solution, doubt=doubt),
        unit=row.unit,
        no_reference=NO_REFERENCE if doubt is not None and not corrected else "",
    )


def build_solution(row: Solution, *, doubt: ReferenceDoubt | None = None) -> records.Solution:
    """The row as a record, without labels: a method is not to see what people said.

    `doubt` is one by which the problem's reference answer is wrong: the right one stands in it, or
    none is known.
    """
    problem = row.problem
    reference = problem.reference_answer
    if doubt is not None:
        reference = doubt.corrected_answer.strip() or None
    return records.Solution(
        problem=records.Problem(
            text=problem.text,
            source_id=problem.source_key,
            reference_answer=reference,
            reference_solution=problem.reference_solution,
            family=problem.family.key,
            domain=problem.domain,
            language=problem.language,
            extra=freeze(problem.extra),
        ),
        steps=tuple(unpack_step(step.text, step.kind, step.extra) for step in row.steps.all()),
        source_id=row.source_key,
        generator=row.generator,
        final_answer=row.final_answer,
        final_answer_correct=row.final_answer_correct,
        extra=freeze(row.extra),
    )


def checkpoint(item: OpenItem, *, now: datetime) -> Tokens:
    """Store what came since the last time, or LeaseLost; the tokens of what was stored."""
    piece = _pack(item, now=now)
    with transaction.atomic():
        _store(piece)
    _settle(piece)
    return piece.tokens


def checkpoint_together(
    items: Sequence[OpenItem], *, now: datetime
) -> tuple[Tokens, dict[int, Exception]]:
    """Store what came since the last time of several items in one transaction.

    Returns the tokens of the calls that were stored, and by item's key what kept one from being
    stored: a lost lease, or a fault of the machinery. Whoever loses a lease holds up nobody.
    """
    pieces: list[_Piece] = []
    faults: dict[int, Exception] = {}
    # In the order of their keys: two who lock several never wait for each other in a circle.
    for item in sorted(items, key=lambda one: one.row.pk):
        try:
            pieces.append(_pack(item, now=now))
        except Exception as error:
            faults[item.row.pk] = error
    with transaction.atomic():
        held = _take(pieces)
        kept = [piece for piece in pieces if piece.item.row.pk in held]
        _insert(kept)
    faults |= {
        piece.item.row.pk: _lost(piece.item) for piece in pieces if piece.item.row.pk not in held
    }
    for piece in kept:
        _settle(piece)
    return _sum_tokens([piece.tokens for piece in kept]), faults


def finish(
    context: JobContext, item: OpenItem, products: Sequence[Produced], *, now: datetime
) -> list[StoredProduct]:
    """Store an item's products and close it as done, or LeaseLost with nothing stored.

    A product that labelling refuses raises its WorkbenchError, with nothing stored either.
    """
    piece = _pack(item, now=now)
    with transaction.atomic():
        _store(piece)
        stored = [_record(context, item, product) for product in products]
        result = {
            **_kept(item),
            "outcome": str(Outcome.DONE),
            "products": [product.pack() for product in stored],
            "notes": [note for product in products for note in product.notes],
        }
        _close(item, JobItem.State.DONE, result=result, now=now)
    _settle(piece)
    return stored


def fail(item: OpenItem, failed: Failed, *, now: datetime, outcome: str = "") -> None:
    """Close an item as failed with its reason and the calls that led there, or LeaseLost.

    `outcome` is "engine" or "sandbox" where one of these refused; else what the method says.
    """
    piece = _pack(item, now=now)
    with transaction.atomic():
        _store(piece)
        _close(
            item,
            JobItem.State.FAILED,
            result={**_kept(item), "outcome": outcome or str(failed.outcome)},
            now=now,
            reason_code=failed.reason_code,
            reason=failed.message,
        )
    _settle(piece)


@dataclass(frozen=True, slots=True)
class _Piece:
    """What of an item is about to be stored. The event loop, in another thread, may add more
    meanwhile: that is for the next time.
    """

    item: OpenItem
    calls: tuple[AnyCall, ...]
    runs: tuple[CodeRecord, ...]
    steps: tuple[StepChecked, ...]
    tokens: Tokens
    call_rows: list[Row]
    run_rows: list[Row]
    step_rows: list[StepEvidence]
    chunk_rows: list[ChunkRow]
    waiting_chunks: int


def _pack(item: OpenItem, *, now: datetime) -> _Piece:
    """Write the texts, before the transaction: files take their time, and a row never names a text
    that is not there.
    """
    calls = tuple(item.calls.unsaved)
    # After the calls: a chunk is attached to its call before that is added.
    chunks, waiting = item.evidence.list_chunks(calls)
    runs = tuple(item.evidence.unsaved_runs)
    steps = tuple(item.evidence.unsaved_steps)
    call_rows: list[Row] = []
    run_rows: list[Row] = []
    chunk_rows: list[ChunkRow] = []
    if calls or runs or chunks:
        exchanges, call_rows = pack_calls(item.row, item.calls, calls, now=now)
        blocks, run_rows = pack_runs(item.row, item.evidence, runs, now=now)
        rollouts, chunk_rows = pack_chunks(chunks, job_id=item.row.job_id, now=now)
        parts = {"runs": blocks, "rollouts": rollouts}
        given = {name: part for name, part in parts.items() if part}
        chunk = write_document(exchanges=exchanges, **given)
        call_rows = [(chunk, *row) for row in call_rows]
        run_rows = [(chunk, *row) for row in run_rows]
        for row, _ in chunk_rows:
            row.chunk = chunk
    return _Piece(
        item=item,
        calls=calls,
        runs=runs,
        steps=steps,
        tokens=count_tokens(calls),
        call_rows=call_rows,
        run_rows=run_rows,
        step_rows=pack_steps(item.row, item.evidence, steps, now=now),
        chunk_rows=chunk_rows,
        waiting_chunks=waiting,
    )


def _store(piece: _Piece) -> None:
    if piece.item.row.pk not in _take([piece]):
        raise _lost(piece.item)
    _insert([piece])


def _take(pieces: Sequence[_Piece]) -> frozenset[int]:
    """Take the items' rows; the keys of those that are still ours to store."""
    return leases.add_tokens(
        [Spent(piece.item.lease, piece.tokens.prompt, piece.tokens.completion) for piece in pieces]
    )


def _lost(item: OpenItem) -> LeaseLost:
    return LeaseLost(f"The lease on item {item.row.pk} is lost; nothing of it is stored.")


def _insert(pieces: Sequence[_Piece]) -> None:
    if rows := [row for piece in pieces for row in piece.call_rows]:
        insert_rows(ModelCall, CALL_COLUMNS, rows)
    if rows := [row for piece in pieces for row in piece.run_rows]:
        insert_rows(CodeRun, RUN_COLUMNS, rows)
    if steps := [row for piece in pieces for row in piece.step_rows]:
        insert_steps(steps)
    if chunks := [row for piece in pieces for row in piece.chunk_rows]:
        insert_chunks(chunks)


def _settle(piece: _Piece) -> None:
    """Once it is committed."""
    settle_calls(piece.item.calls, len(piece.calls))
    settle_evidence(
        piece.item.evidence,
        calls=piece.calls,
        runs=len(piece.runs),
        steps=len(piece.steps),
        rows=piece.step_rows,
        chunks=piece.waiting_chunks,
    )


def _sum_tokens(tokens: Sequence[Tokens]) -> Tokens:
    return Tokens(
        prompt=sum(one.prompt for one in tokens),
        completion=sum(one.completion for one in tokens),
        uncounted=sum(one.uncounted for one in tokens),
    )


def _close(item: OpenItem, state: str, *, result: dict[str, Any], **facts: Any) -> None:
    if not leases.finish_item(lease=item.lease, state=state, result=result, **facts):
        raise _lost(item)


def _kept(item: OpenItem) -> dict[str, Any]:
    """What a result keeps of the tally: the round, from which a later round counts on."""
    return {"round": item.tally.round} if item.tally.round else {}


def _record(context: JobContext, item: OpenItem, product: Produced) -> StoredProduct:
    recorder = RECORDERS.get(product.kind)
    if recorder is None:
        known = ", ".join(sorted(RECORDERS))
        raise UnknownProduct(
            f"The method {context.method.name!r} made a {product.kind!r}, which has no way into "
            f"labelling; known are {known}."
        )
    return recorder(context, item, product)


class UnknownProduct(WorkbenchError):
    """A method made something that no door of labelling takes."""

    code = "unknown_product"


def _record_injection(context: JobContext, item: OpenItem, product: Produced) -> StoredProduct:
    if not isinstance(product.product, records.Solution) or product.product.injection is None:
        raise UnknownProduct(
            f"The method {context.method.name!r} made an injection that is not a solution with a "
            "claim."
        )
    provenance = _build_provenance(context, item, product)
    # People who review may read provenance; what is right about the claim they may not.
    truth = provenance.pop("truth", None)
    injection = record_injection(
        original=item.row.solution,
        proposal=product.product,
        producer=context.producer,
        provenance=provenance,
        truth=truth,
        is_scripted=context.is_scripted,
    )
    return StoredProduct("injection", None if injection is None else injection.pk)


def _record_suggestion(context: JobContext, item: OpenItem, product: Produced) -> StoredProduct:
    if not isinstance(product.product, records.LabelSet):
        raise UnknownProduct(
            f"The method {context.method.name!r} made a suggestion that is not a set of labels."
        )
    provenance = _build_provenance(context, item, product)
    suggestion = record_suggestion(
        solution=item.row.solution,
        label_set=product.product,
        producer=context.producer,
        settings={name: provenance[name] for name in SETTINGS_OF_IDENTITY},
        reference={
            "job": context.job_id,
            "item": item.row.pk,
            "evidence": item.evidence.kind,
        },
        provenance=provenance,
        is_scripted=context.is_scripted,
    )
    return StoredProduct("suggestion", None if suggestion is None else suggestion.pk)


def _build_provenance(context: JobContext, item: OpenItem, product: Produced) -> dict[str, Any]:
    """Engine, model, parameters, prompt version, seed and code version: whatever a reader needs to
    judge the product, or to make it again. What the method says of itself comes before ours.
    """
    return {
        "job": context.job_id,
        "item": item.row.pk,
        "unit": item.row.unit,
        "method": context.method.name,
        "method_version": context.method.version,
        "prompt_version": context.prompt_version,
        "engine_name": context.engine_name,
        "engine_model": context.engine_model,
        "parameters": dict(context.parameters),
        "job_seed": context.seed,
        "code_version": context.code_version,
        "output_may_train": context.output_may_train,
        "notes": list(product.notes),
        **dict(product.provenance),
    }


RECORDERS: dict[str, Recorder] = {
    "injection": _record_injection,
    "suggestion": _record_suggestion,
}
