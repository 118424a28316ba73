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
from modeljobs.engines.pooling import PoolingReply, PoolingRequest
from modeljobs.sandbox.base import CodeResult

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
    `no_reference` says in a sentence why the problem's reference answer was taken away, "" where it
    was not.
    """

    key: str
    solution: Solution
    unit: str = ""
    no_reference: str = ""


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
class PoolRecord:
    """One exchange with an engine that scores texts (see `engines.pooling`). `problem` says why the
    scores could not be used.
    """

    request: PoolingRequest
    reply: PoolingReply
    purpose: str
    problem: str = ""

    @property
    def is_usable(self) -> bool:
        return not self.problem


AnyCall = CallRecord | PoolRecord


@dataclass(frozen=True, slots=True)
class CallMade:
    """An exchange took place; store it."""

    call: AnyCall


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


@dataclass(frozen=True, slots=True)
class CodeRecord:
    """A block that a model wrote, run in a trajectory's session. `key` names it within the item, as
    a request's does: the same key is the same block in the same place, and is not run again.
    """

    key: str
    code: str
    result: CodeResult


@dataclass(frozen=True, slots=True)
class CodeRan:
    """A block was run; store it."""

    run: CodeRecord


@dataclass(frozen=True, slots=True)
class StepChecked:
    """A step is finished: store what was found, and show it while the rest goes on.

    `kind` says what kind of evidence it is ("genprm"). `summary` is small and plain JSON, for lists
    and columns; `detail` is plain JSON with the texts, stored apart from the database.
    """

    position: int
    kind: str
    summary: Mapping[str, Any]
    detail: Mapping[str, Any] = field(default_factory=lambda: EMPTY)


Event = CallMade | CodeRan | StepChecked | Produced | Failed


@dataclass(frozen=True, slots=True)
class ItemResult:
    """All events of one item, gathered."""

    outcome: Outcome
    calls: tuple[CallRecord, ...]
    products: tuple[Produced, ...]
    failure: Failed | None = None
    runs: tuple[CodeRecord, ...] = ()
    steps: tuple[StepChecked, ...] = ()
    pools: tuple[PoolRecord, ...] = ()


class CodeRunner(Protocol):
    """Where a method has code run while it works on one item."""

    async def run(self, trajectory: str, key: str, code: str) -> CodeRecord:
        """Run a block in the trajectory's session, or give back what came of it before.

        Raises SandboxError. Blocks of one trajectory run one after the other; those of different
        ones share nothing.
        """


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

    @property
    def asks_engine(self) -> bool:
        """False for a method that works by rule: its jobs name the scripted engine, so that nobody
        takes what rules make for a model's work.
        """

    @property
    def judges(self) -> bool:
        """True for a method that judges solutions and takes any; False for one that alters them,
        which wants solutions that are not known to be wrong.
        """

    def units(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        """The units of work that each solution gives; `("",)` where there is but one."""

    def needs_sandbox(self, settings: Mapping[str, Any]) -> bool:
        """True where `run` is to be given a sandbox with these settings."""

    def run(
        self,
        item: ItemInput,
        *,
        engine: Engine,
        settings: Mapping[str, Any],
        rng_seed: int,
        code: CodeRunner | None = None,
    ) -> AsyncGenerator[Event]:
        """The events of one unit. `settings` has gone through `validate_options(parameters)`.

        The same item, settings, seed, replies and code results give the same requests with the same
        keys. A SandboxError that says `unavailable` goes through untouched, as an engine's error
        does.
        """


class MethodBase:
    """What most methods have in common; one that differs says so itself."""

    __slots__ = ()

    @property
    def asks_engine(self) -> bool:
        return True

    @property
    def judges(self) -> bool:
        return True

    def units(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        return ("",)

    def needs_sandbox(self, settings: Mapping[str, Any]) -> bool:
        return False


async def collect_events(events: AsyncGenerator[Event]) -> ItemResult:
    """The whole result of one item, for callers with nothing to store on the way."""
    calls: list[CallRecord] = []
    products: list[Produced] = []
    failure: Failed | None = None
    runs: list[CodeRecord] = []
    steps: list[StepChecked] = []
    pools: list[PoolRecord] = []
    async for event in events:
        match event:
            case CallMade(PoolRecord() as pool):
                pools.append(pool)
            case CallMade(CallRecord() as call):
                calls.append(call)
            case CodeRan(run):
                runs.append(run)
            case StepChecked():
                steps.append(event)
            case Produced():
                products.append(event)
            case Failed():
                failure = event
    outcome = failure.outcome if failure else Outcome.DONE
    return ItemResult(
        *(outcome, tuple(calls), tuple(products), failure),
        *(tuple(runs), tuple(steps), tuple(pools)),
    )


def derive_seed(rng_seed: int, key: str) -> int:
    """A seed for one request: the same for the same job seed and key, unrelated to its neighbours.

    31 bits, because some servers read seeds as signed 32-bit numbers.
    """
    digest = hashlib.sha256(f"{rng_seed}:{key}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
