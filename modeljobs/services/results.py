"""What a method yields, stored: calls as they are made, products when their item ends.

Everything is stored under the item's lease, in one transaction with the item's own row: a lost
lease stores nothing, and a worker that dies leaves either the whole result or none of it. Products
follow from the calls, and the calls are kept as they come, so an item that begins again asks for
nothing that was answered before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from labeling import records
from labeling.mapping import freeze, unpack_step
from labeling.models import Solution
from labeling.services.injections import record_injection
from modeljobs.methods.base import Failed, ItemInput, Method, Outcome, Produced
from modeljobs.models import JobItem, ModelCall
from modeljobs.services import leases
from modeljobs.services.calls import (
    ItemCalls,
    count_tokens,
    load_calls,
    record_calls,
    settle_calls,
)
from modeljobs.services.leases import Lease, LeaseLost, Tally
from workbench.errors import WorkbenchError

PRODUCER_LIMIT = 120


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
    return OpenItem(
        row=row,
        lease=Lease(row.pk, row.lease_token),
        input=build_input(row),
        # Nothing can be stored of an item that was never claimed before.
        calls=load_calls(row) if row.attempts > 1 else ItemCalls(),
    )


def build_input(row: JobItem) -> ItemInput:
    """The item as its method sees it.

    The key says nothing of attempts, so that an item that begins again asks the same questions; a
    person's "try again" is another round with questions of its own.
    """
    key = f"{row.solution_id}:{row.unit}"
    again = Tally.of(row).round
    if again:
        key = f"{key}:again{again}"
    return ItemInput(key=key, solution=build_solution(row.solution), unit=row.unit)


def build_solution(row: Solution) -> records.Solution:
    """The row as a record, without labels: a method is not to see what people said."""
    problem = row.problem
    return records.Solution(
        problem=records.Problem(
            text=problem.text,
            source_id=problem.source_key,
            reference_answer=problem.reference_answer,
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


def checkpoint(item: OpenItem, *, now: datetime) -> None:
    """Store the calls made since the last time, or LeaseLost."""
    with transaction.atomic():
        rows = _store_calls(item, now=now)
    settle_calls(item.calls, rows)


def finish(
    context: JobContext, item: OpenItem, products: Sequence[Produced], *, now: datetime
) -> list[StoredProduct]:
    """Store an item's products and close it as done, or LeaseLost with nothing stored.

    A product that labelling refuses raises its WorkbenchError, with nothing stored either.
    """
    with transaction.atomic():
        rows = _store_calls(item, now=now)
        stored = [_record(context, item, product) for product in products]
        result = {
            **_kept(item),
            "outcome": str(Outcome.DONE),
            "products": [product.pack() for product in stored],
            "notes": [note for product in products for note in product.notes],
        }
        _close(item, JobItem.State.DONE, result=result, now=now)
    settle_calls(item.calls, rows)
    return stored


def fail(item: OpenItem, failed: Failed, *, now: datetime, outcome: str = "") -> None:
    """Close an item as failed with its reason and the calls that led there, or LeaseLost.

    `outcome` is "engine" where the engine refused; else what the method says.
    """
    with transaction.atomic():
        rows = _store_calls(item, now=now)
        _close(
            item,
            JobItem.State.FAILED,
            result={**_kept(item), "outcome": outcome or str(failed.outcome)},
            now=now,
            reason_code=failed.reason_code,
            reason=failed.message,
        )
    settle_calls(item.calls, rows)


def _store_calls(item: OpenItem, *, now: datetime) -> list[ModelCall]:
    # The event loop, in another thread, may add a call meanwhile: that one is for the next time.
    batch = tuple(item.calls.unsaved)
    tokens = count_tokens(batch)
    # First, and even for no tokens: this takes the item's row, and refuses a lost lease.
    leases.add_tokens(
        lease=item.lease, prompt_tokens=tokens.prompt, completion_tokens=tokens.completion
    )
    return record_calls(item=item.row, calls=item.calls, batch=batch, now=now)


def _close(item: OpenItem, state: str, *, result: dict[str, Any], **facts: Any) -> None:
    if not leases.finish_item(lease=item.lease, state=state, result=result, **facts):
        raise LeaseLost(f"The lease on item {item.row.pk} is lost; nothing of it is stored.")


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
    injection = record_injection(
        original=item.row.solution,
        proposal=product.product,
        producer=context.producer,
        provenance=_build_provenance(context, item, product),
        is_scripted=context.is_scripted,
    )
    return StoredProduct("injection", None if injection is None else injection.pk)


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
        "parameters": dict(context.parameters),
        "job_seed": context.seed,
        "code_version": context.code_version,
        "output_may_train": context.output_may_train,
        "notes": list(product.notes),
        **dict(product.provenance),
    }


RECORDERS: dict[str, Recorder] = {"injection": _record_injection}
