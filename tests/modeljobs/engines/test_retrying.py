from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from modeljobs.engines.base import (
    Capabilities,
    Completion,
    CompletionRequest,
    EnginePermanent,
    EngineReply,
    EngineTransient,
)
from modeljobs.engines.retrying import RetryingEngine, RetryPolicy

REQUEST = CompletionRequest("item-1", prompt="x")


@dataclass
class FailingEngine:
    """Raises the errors in turn, then answers."""

    errors: list[Exception]
    name: str = "failing"
    revision: str = "r1"
    is_scripted: bool = True
    capabilities: Capabilities = field(default_factory=Capabilities)
    calls: int = 0
    is_closed: bool = False

    async def complete(self, request: CompletionRequest) -> EngineReply:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return EngineReply((Completion("done"),))

    def describe(self) -> dict[str, Any]:
        return {"kind": "failing"}

    async def aclose(self) -> None:
        self.is_closed = True


def run(
    errors: list[Exception],
    *,
    policy: RetryPolicy | None = None,
    seed: int = 0,
    request: CompletionRequest = REQUEST,
) -> tuple[EngineReply | Exception, list[float], FailingEngine]:
    """What came of it, the waits, and the engine."""
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)

    inner = FailingEngine(errors)
    engine = RetryingEngine(inner, policy=policy, seed=seed, sleep=note)
    try:
        return asyncio.run(engine.complete(request)), waits, inner
    except (EngineTransient, EnginePermanent) as error:
        return error, waits, inner


def busy(count: int, *, retry_after: float | None = None) -> list[Exception]:
    return [
        EngineTransient("Busy.", code="server_error", status=503, retry_after=retry_after)
        for _ in range(count)
    ]


def test_it_works() -> None:
    reply, waits, inner = run(busy(2))
    assert isinstance(reply, EngineReply)
    assert (reply.completions[0].text, reply.attempts, inner.calls) == ("done", 3, 3)
    # First within [1/2, 1] seconds, then within [1, 2].
    assert 0.5 <= waits[0] <= 1.0 <= waits[1] <= 2.0


def test_a_call_that_works_is_not_repeated() -> None:
    reply, waits, inner = run([])
    assert isinstance(reply, EngineReply)
    assert (reply.attempts, waits, inner.calls) == (1, [], 1)


def test_attempts_are_bounded() -> None:
    error, waits, inner = run(busy(9), policy=RetryPolicy(max_attempts=3))
    assert isinstance(error, EngineTransient)
    assert (error.attempts, inner.calls, len(waits)) == (3, 3, 2)


def test_waits_are_bounded() -> None:
    policy = RetryPolicy(max_attempts=100, first_delay=1, max_delay=4)
    _, waits, _ = run(busy(99), policy=policy)
    assert all(2.0 <= wait <= 4.0 for wait in waits[2:])


def test_a_permanent_failure_is_not_repeated() -> None:
    error, waits, inner = run([EnginePermanent("No.", code="wrong_key", status=401)])
    assert isinstance(error, EnginePermanent)
    assert (waits, inner.calls) == ([], 1)


def test_a_permanent_failure_after_others_ends_it() -> None:
    error, waits, inner = run([*busy(1), EnginePermanent("No.", code="wrong_key", status=401)])
    assert isinstance(error, EnginePermanent)
    assert (len(waits), inner.calls, error.attempts) == (1, 2, 2)


def test_the_servers_wish_is_honoured() -> None:
    _, waits, _ = run(busy(1, retry_after=17.0))
    assert waits == [17.0]


def test_a_wish_shorter_than_the_wait_does_not_shorten_it() -> None:
    _, waits, _ = run(busy(1, retry_after=0.0))
    assert waits[0] >= 0.5


def test_a_wish_beyond_bounds_is_left_to_the_caller() -> None:
    error, waits, inner = run(busy(1, retry_after=3600.0))
    assert isinstance(error, EngineTransient)
    assert (error.retry_after, waits, inner.calls) == (3600.0, [], 1)


def test_waits_depend_on_seed_and_request_alone() -> None:
    first = run(busy(4), seed=7)[1]
    assert run(busy(4), seed=7)[1] == first
    assert run(busy(4), seed=8)[1] != first
    assert run(busy(4), seed=7, request=CompletionRequest("item-2", prompt="x"))[1] != first


def test_it_is_the_engine_it_wraps() -> None:
    inner = FailingEngine([])
    engine = RetryingEngine(inner)
    assert (engine.name, engine.revision, engine.is_scripted) == ("failing", "r1", True)
    assert engine.describe() == {"kind": "failing", "max_attempts": 5}
    assert engine.wrapped is inner
    asyncio.run(engine.aclose())
    assert inner.is_closed


def test_no_attempts_at_all_make_no_policy() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        RetryPolicy(max_attempts=0)
