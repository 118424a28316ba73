"""Several answers to one question: in one request where the engine gives several, else in several.

What every generative critic shares: how it asks, how its exchanges are reported, and what is said
of a reply that could not be read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar

from modeljobs.engines.base import (
    Completion,
    CompletionRequest,
    Engine,
    EnginePermanent,
    EngineReply,
)
from modeljobs.methods.base import CallMade, CallRecord, derive_seed
from modeljobs.methods.parsing import Unparsed
from modeljobs.methods.probabilities import trim_reply
from modeljobs.methods.streams import Emit, gather_all

T = TypeVar("T")
Read = Callable[[Completion], T | Unparsed]


@dataclass(frozen=True, slots=True)
class Sample(Generic[T]):
    """One answer and what was read in it. `request` is what it answers."""

    index: int
    completion: Completion
    found: T | Unparsed
    request: CompletionRequest

    @property
    def reason(self) -> str:
        """Why nothing was read, or ""."""
        return self.found.reason if isinstance(self.found, Unparsed) else ""

    def pack(self) -> dict[str, Any]:
        """The answer as a step's detail shows it: plain JSON."""
        return {
            "sample": self.index,
            "text": self.completion.text,
            "reasoning": self.completion.reasoning,
            "finish_reason": self.completion.finish_reason,
            "completion_tokens": self.completion.completion_tokens,
            "unparsed": self.reason,
        }


@dataclass(slots=True)
class Asker:
    """The way of one item's questions to the engine, and of its exchanges to the store."""

    engine: Engine
    emit: Emit
    rng_seed: int
    # The models that the engine says it used.
    served_models: set[str] = field(default_factory=set)

    async def ask(
        self,
        question: CompletionRequest,
        count: int,
        *,
        purpose: str,
        read: Read[T],
        marker: str | None = None,
    ) -> list[Sample[T]]:
        """So many answers to the question, in order; its key and seed are the samples' own.

        An engine that says it gives several and then gives fewer is asked for each of the rest.
        `marker` is where the log-probabilities that are kept begin. Engine errors go through.
        """
        samples: list[Sample[T]] = []
        if count > 1 and self.engine.capabilities.n:
            samples = await self._ask_once(question, 0, count, purpose, read, marker)
        rest = await gather_all(
            [
                self._ask_once(question, index, 1, purpose, read, marker)
                for index in range(len(samples), count)
            ]
        )
        return samples + [sample for one in rest for sample in one]

    async def ask_one(
        self, question: CompletionRequest, index: int, *, purpose: str, read: Read[T]
    ) -> Sample[T]:
        """One answer to a question that sample `index` alone is asked."""
        [sample] = await self._ask_once(question, index, 1, purpose, read, None)
        return sample

    async def _ask_once(
        self,
        question: CompletionRequest,
        index: int,
        n: int,
        purpose: str,
        read: Read[T],
        marker: str | None,
    ) -> list[Sample[T]]:
        # An answer to another number of samples is another exchange.
        key = f"{question.key}/s{index}" if n == 1 else f"{question.key}/s{index}x{n}"
        sampling = replace(question.sampling, n=n, seed=derive_seed(self.rng_seed, key))
        request = replace(question, key=key, sampling=sampling)
        reply = trim_reply(_count_tokens(await self.engine.complete(request)), marker)
        if reply.model:
            self.served_models.add(reply.model)
        samples = [
            Sample(index + place, completion, self._explain(read(completion)), request)
            for place, completion in enumerate(reply.completions)
        ]
        # Usable as long as one of its answers is.
        problem = "" if any(not one.reason for one in samples) else samples[0].reason
        await self.emit(CallMade(CallRecord(request, reply, purpose, problem)))
        return samples

    def _explain(self, found: T | Unparsed) -> T | Unparsed:
        """A script that does not know the question answers with a sentence about itself."""
        if isinstance(found, Unparsed) and self.engine.is_scripted:
            return replace(
                found, reason=f"{found.reason} The engine is scripted: no model was asked."
            )
        return found

    def describe(self) -> dict[str, Any]:
        """Who answered, for provenance."""
        return {
            "seed": self.rng_seed,
            "engine": self.engine.describe(),
            "served_model": ", ".join(sorted(self.served_models)),
            "served_models": sorted(self.served_models),
            "is_scripted": self.engine.is_scripted,
        }


def require(engine: Engine, door: Literal["chat", "completions"]) -> None:
    """Raise EnginePermanent where the engine says that it has no such door.

    All items of the job would meet the same refusal, so it is the engine's and pauses the job.
    """
    if getattr(engine.capabilities, door):
        return
    lacks = {
        "chat": "does not answer chats (/v1/chat/completions)",
        "completions": "does not go on from a raw prompt (/v1/completions)",
    }
    raise EnginePermanent(
        f"The engine {engine.name!r} {lacks[door]}, which this method needs: choose another.",
        code="unsupported_model",
    )


def refuse_cut_off(found: T | Unparsed, completion: Completion, limit: int) -> T | Unparsed:
    """An unreadable reply that was cut off has its reason in the limit."""
    if isinstance(found, Unparsed) and completion.finish_reason == "length":
        return Unparsed("cut_off", f"The reply was cut off at the limit of {limit} tokens.")
    return found


def explain_unread(samples: list[Sample[T]]) -> Unparsed:
    """Why none of the samples could be read."""
    first = next(one.found for one in samples if isinstance(one.found, Unparsed))
    if len(samples) == 1:
        return first
    return Unparsed(
        first.code, f"None of {len(samples)} replies could be read. The first: {first.reason}"
    )


def _count_tokens(reply: EngineReply) -> EngineReply:
    """The reply's count is that of its only completion, where the server gave no other."""
    first = reply.completions[0]
    if len(reply.completions) > 1 or first.completion_tokens is not None:
        return reply
    return replace(reply, completions=(replace(first, completion_tokens=reply.completion_tokens),))
