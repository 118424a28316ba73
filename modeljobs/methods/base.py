"""What a method is to the runner: an async generator of events over one item.

The runner stores each event as it comes, so that what was paid for is never lost. An engine's
errors go through a method untouched: they are about the engine, not about the item, and the runner
decides whether to ask again.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from labeling.records import LabelSet, Solution
from modeljobs.engines.base import EMPTY, CompletionRequest, Engine, EngineReply
from modeljobs.engines.options import Option

Product = Solution | LabelSet


class Outcome(StrEnum):
    """How an item ended. A reply that nobody could read is not a failure of the machinery."""

    DONE = "done"
    UNPARSED = "unparsed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ItemInput:
    """One thing to work on: a solution, and which unit of the method's work on it.

    `key` is stable and unique within the job; request keys and seeds are made from it.
    """

    key: str
    solution: Solution
    unit: str = ""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One exchange with an engine, as it was. `problem` says why the reply could not be used."""

    request: CompletionRequest
    reply: EngineReply
    purpose: str
    problem: str = ""

    @property
    def is_usable(self) -> bool:
        return not self.problem


@dataclass(frozen=True, slots=True)
class CallMade:
    """An exchange took place; store it."""

    call: CallRecord


@dataclass(frozen=True, slots=True)
class Produced:
    """The method made something for people to judge.

    `notes` are sentences on how it was read; `provenance` holds plain JSON values: prompt
    versions, sampler, seed, request key. `kind` says which door of labelling takes it.
    """

    kind: str
    product: Product
    notes: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True)
class Failed:
    """The method gives up on the item. `reason_code` groups failures, `message` is a sentence."""

    reason_code: str
    message: str
    outcome: Outcome = Outcome.FAILED


Event = CallMade | Produced | Failed


@dataclass(frozen=True, slots=True)
class ItemResult:
    """All events of one item, gathered."""

    outcome: Outcome
    calls: tuple[CallRecord, ...]
    products: tuple[Produced, ...]
    failure: Failed | None = None


class Method(Protocol):
    """One way of using a model. Holds no state: everything that varies comes in as arguments."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def prompt_version(self) -> str:
        """Which texts are put before a model; at most 80 characters, "" for none."""

    @property
    def title(self) -> str: ...

    @property
    def description(self) -> str: ...

    @property
    def parameters(self) -> tuple[Option, ...]: ...

    def units(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        """The units of work that each solution gives; `("",)` where there is but one."""

    def run(
        self, item: ItemInput, *, engine: Engine, settings: Mapping[str, Any], rng_seed: int
    ) -> AsyncGenerator[Event]:
        """The events of one unit. `settings` has gone through `validate_options(parameters)`.

        The same item, settings, seed and replies give the same requests with the same keys.
        """


async def collect_events(events: AsyncGenerator[Event]) -> ItemResult:
    """The whole result of one item, for callers with nothing to store on the way."""
    calls: list[CallRecord] = []
    products: list[Produced] = []
    failure: Failed | None = None
    async for event in events:
        match event:
            case CallMade(call):
                calls.append(call)
            case Produced():
                products.append(event)
            case Failed():
                failure = event
    outcome = failure.outcome if failure else Outcome.DONE
    return ItemResult(outcome, tuple(calls), tuple(products), failure)


def derive_seed(rng_seed: int, key: str) -> int:
    """A seed for one request: the same for the same job seed and key, unrelated to its neighbours.

    31 bits, because some servers read seeds as signed 32-bit numbers.
    """
    digest = hashlib.sha256(f"{rng_seed}:{key}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
