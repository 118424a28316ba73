from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator

from labeling.records import Problem, Solution
from modeljobs.engines.base import Completion, CompletionRequest, EngineReply
from modeljobs.methods.base import (
    CallMade,
    CallRecord,
    Event,
    Failed,
    Outcome,
    Produced,
    collect_events,
    derive_seed,
)

CALL = CallRecord(CompletionRequest("a", prompt="x"), EngineReply((Completion("y"),)), "ask")
PRODUCT = Produced("injection", Solution(Problem("What is $1 + 1$?")))


async def yield_all(*events: Event) -> AsyncGenerator[Event]:
    for event in events:
        yield event


def test_events_are_gathered() -> None:
    result = asyncio.run(collect_events(yield_all(CallMade(CALL), PRODUCT)))
    assert (result.outcome, result.failure) == (Outcome.DONE, None)
    assert (result.calls, result.products) == ((CALL,), (PRODUCT,))


def test_a_failure_decides_the_outcome_and_keeps_the_calls() -> None:
    failure = Failed("no_json", "The reply holds no JSON object.", Outcome.UNPARSED)
    result = asyncio.run(collect_events(yield_all(CallMade(CALL), failure)))
    assert (result.outcome, result.failure, result.calls) == (Outcome.UNPARSED, failure, (CALL,))


def test_a_call_with_a_problem_is_not_usable() -> None:
    assert CALL.is_usable
    assert not CallRecord(CALL.request, CALL.reply, "ask", "The reply is empty.").is_usable


def test_seeds_are_stable_and_differ_by_key() -> None:
    # The first 32 bits of sha256("1:a"), halved.
    assert derive_seed(1, "a") == int(hashlib.sha256(b"1:a").hexdigest()[:8], 16) // 2
    seeds = {derive_seed(seed, key) for seed in range(20) for key in "abcde"}
    assert len(seeds) == 100
    assert all(0 <= seed < 2**31 for seed in seeds)
