"""An engine that asks again when asking again may help."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from modeljobs.engines.base import (
    Capabilities,
    CompletionRequest,
    Engine,
    EngineError,
    EnginePermanent,
    EngineReply,
    EngineTransient,
)
from modeljobs.engines.pooling import PoolingEngine, PoolingReply, PoolingRequest

R = TypeVar("R")
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how far apart. Delays are in seconds.

    The k-th wait is drawn from [d/2, d] with d = first_delay · 2^(k-1), at most `max_delay`, and is
    never shorter than the server's Retry-After. A server that names a longer wait than
    `max_retry_after` is not waited for: the caller has better things to do and may come back.
    """

    max_attempts: int = 5
    first_delay: float = 1.0
    max_delay: float = 60.0
    max_retry_after: float = 120.0

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise ValueError(f"max_attempts must be at least 1, not {self.max_attempts}.")


class RetryingEngine:
    """Wraps an engine and repeats calls that fail with EngineTransient, and no others."""

    def __init__(
        self,
        engine: Engine,
        *,
        policy: RetryPolicy | None = None,
        seed: int = 0,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._engine = engine
        self._policy = policy or RetryPolicy()
        self._seed = seed
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"RetryingEngine({self._engine!r})"

    @property
    def wrapped(self) -> Engine:
        return self._engine

    @property
    def name(self) -> str:
        return self._engine.name

    @property
    def revision(self) -> str:
        return self._engine.revision

    @property
    def is_scripted(self) -> bool:
        return self._engine.is_scripted

    @property
    def capabilities(self) -> Capabilities:
        return self._engine.capabilities

    def describe(self) -> dict[str, Any]:
        return self._engine.describe() | {"max_attempts": self._policy.max_attempts}

    async def complete(self, request: CompletionRequest) -> EngineReply:
        """The first good reply, with the number of attempts it took; or the last failure."""
        reply, attempts = await self._repeat(request.key, partial(self._engine.complete, request))
        return dataclasses.replace(reply, attempts=attempts)

    async def pool(self, request: PoolingRequest) -> PoolingReply:
        """The same for scores; EnginePermanent where the engine gives none."""
        if not isinstance(self._engine, PoolingEngine):
            raise EnginePermanent(
                f"The engine {self.name!r} continues texts and does not score them: use one of a "
                "kind that does, such as a vLLM server with a reward model.",
                code="no_pooling",
            )
        reply, attempts = await self._repeat(request.key, partial(self._engine.pool, request))
        return dataclasses.replace(reply, attempts=attempts)

    async def encode(self, text: str) -> tuple[int, ...] | None:
        """The text's tokens with nothing added, or None where the engine cannot say."""
        if not isinstance(self._engine, PoolingEngine):
            return None
        tokens, _ = await self._repeat(text, partial(self._engine.encode, text))
        return tokens

    async def _repeat(self, key: str, call: Callable[[], Awaitable[R]]) -> tuple[R, int]:
        """What the call gives in the end, and at which attempt."""
        attempt = 1
        while True:
            try:
                return await call(), attempt
            except EngineError as error:
                error.attempts = attempt
                delay = self._find_delay(error, key=key, attempt=attempt)
                if delay is None:
                    raise
            await self._sleep(delay)
            attempt += 1

    async def aclose(self) -> None:
        await self._engine.aclose()

    def _find_delay(self, error: EngineError, *, key: str, attempt: int) -> float | None:
        """Seconds to wait before the next attempt, or None to give up."""
        if not isinstance(error, EngineTransient):
            return None
        policy = self._policy
        asked_for = error.retry_after or 0.0
        if attempt >= policy.max_attempts or asked_for > policy.max_retry_after:
            return None
        # Seeded per request and attempt: requests that fail together do not come back together,
        # and a repeated run waits the same.
        rng = random.Random(f"{self._seed}:{key}:{attempt}")  # noqa: S311 (not a secret)
        share = rng.uniform(0.5, 1.0)
        # The exponent is bounded so that a large max_attempts does not overflow a float.
        delay = min(policy.first_delay * 2.0 ** min(attempt - 1, 60), policy.max_delay) * share
        return max(delay, asked_for)
