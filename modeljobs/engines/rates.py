"""A bound on requests and tokens a minute, kept by the client: first come, first served.

In no 60 seconds do more requests or tokens begin than allowed: a sliding window, and not a bucket
that lets a minute's worth through at once and then a second one. Each request reserves its place
when it arrives, so that nobody overtakes anybody, and waits until its time has come.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from modeljobs.engines.base import CompletionRequest

WINDOW_S = 60.0
# English text has about four characters a token, formulas fewer.
CHARACTERS_PER_TOKEN = 3

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]


@dataclass(slots=True, eq=False)
class Place:
    """A request's place in the window: when it may begin, and how many tokens it counts for."""

    starts_at: float
    tokens: int


class RateLimit:
    """What one server may be asked within any minute. Safe to share between threads and loops.

    None is no bound. A request that alone has more tokens than a minute allows begins once the
    window is empty: it would wait for ever otherwise, and the server has the last word.
    """

    def __init__(
        self,
        *,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self._requests = requests_per_minute
        self._tokens = tokens_per_minute
        self._clock = clock
        self._lock = threading.Lock()
        # In the order of their start; those that left the window are dropped.
        self._places: deque[Place] = deque()

    def reserve(self, tokens: int) -> Place:
        """The next free place; `starts_at` is in the clock's seconds and may have come already."""
        with self._lock:
            now = self._clock()
            while self._places and self._places[0].starts_at <= now - WINDOW_S:
                self._places.popleft()
            start = max(now, self._places[-1].starts_at) if self._places else now
            place = Place(self._find_start(start, tokens), tokens)
            self._places.append(place)
            return place

    def correct(self, place: Place, tokens: int) -> None:
        """Say how many tokens it really was. Places that were given already stay as they are."""
        with self._lock:
            place.tokens = tokens

    def release(self, place: Place) -> None:
        """Give back a place that came to nothing."""
        with self._lock:
            if place in self._places:
                self._places.remove(place)

    @asynccontextmanager
    async def hold(self, tokens: int, *, sleep: Sleep = asyncio.sleep) -> AsyncIterator[Place]:
        """Wait for a place. One that is given up while waiting is free for others."""
        place = self.reserve(tokens)
        try:
            # Asked again after waking: a clock and a timer need not agree to the millisecond.
            while (wait := place.starts_at - self._clock()) > 0:
                await sleep(wait)
        except BaseException:
            self.release(place)
            raise
        yield place

    def _find_start(self, start: float, tokens: int) -> float:
        """The earliest time from `start` at which the window has room."""
        inside = [place for place in self._places if place.starts_at > start - WINDOW_S]
        count, used = len(inside), sum([place.tokens for place in inside])
        for place in inside:
            if self._fits(count + 1, used + tokens):
                break
            # The window moves on until its oldest request has left it.
            start = place.starts_at + WINDOW_S
            count, used = count - 1, used - place.tokens
        return start

    def _fits(self, count: int, tokens: int) -> bool:
        return (self._requests is None or count <= self._requests) and (
            self._tokens is None or tokens <= self._tokens
        )


_shared: dict[Hashable, RateLimit] = {}
_shared_lock = threading.Lock()


def share_limit(
    key: Hashable, *, requests_per_minute: int | None, tokens_per_minute: int | None
) -> RateLimit | None:
    """The limit of this process for a server; None where nothing is bounded.

    Shared, because runs of jobs make engines of their own: a second one would begin anew.
    """
    if requests_per_minute is None and tokens_per_minute is None:
        return None
    whole = (key, requests_per_minute, tokens_per_minute)
    with _shared_lock:
        if whole not in _shared:
            _shared[whole] = RateLimit(
                requests_per_minute=requests_per_minute, tokens_per_minute=tokens_per_minute
            )
        return _shared[whole]


def estimate_tokens(request: CompletionRequest) -> int:
    """About how many tokens a request will count for: its prompt, and all it may be answered."""
    if request.prompt is not None:
        length = len(request.prompt)
    else:
        length = sum([len(message.content) for message in request.messages])
    answers = (request.sampling.max_tokens or 0) * request.sampling.n
    return length // CHARACTERS_PER_TOKEN + 1 + answers
