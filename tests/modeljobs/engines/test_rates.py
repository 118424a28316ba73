from __future__ import annotations

import asyncio

import pytest

from modeljobs.engines.base import CompletionRequest, Message, SamplingSettings
from modeljobs.engines.rates import RateLimit, estimate_tokens, share_limit


class VirtualClock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        until = self.now + seconds
        # Others may wake before: time is the latest that anybody has slept to.
        await asyncio.sleep(0)
        self.now = max(self.now, until)


def begin(limit: RateLimit, tokens: int = 0) -> float:
    return limit.reserve(tokens).starts_at


def test_requests_within_the_bound_begin_at_once() -> None:
    limit = RateLimit(requests_per_minute=3, clock=VirtualClock())
    assert [begin(limit) for _ in range(3)] == [0.0, 0.0, 0.0]


def test_no_minute_has_more_requests_than_allowed() -> None:
    limit = RateLimit(requests_per_minute=3, clock=VirtualClock())
    assert [begin(limit) for _ in range(7)] == [0, 0, 0, 60, 60, 60, 120]


def test_no_minute_has_more_tokens_than_allowed() -> None:
    limit = RateLimit(tokens_per_minute=100, clock=VirtualClock())
    # 60 + 40 fill the first minute; 50 + 50 the second.
    assert [begin(limit, n) for n in (60, 40, 50, 50, 1)] == [0, 0, 60, 60, 120]


def test_the_window_slides() -> None:
    clock = VirtualClock()
    limit = RateLimit(requests_per_minute=2, clock=clock)
    assert begin(limit) == 0
    clock.now = 30.0
    assert [begin(limit) for _ in range(3)] == [30, 60, 90]
    clock.now = 1000.0
    assert begin(limit) == 1000


def test_whoever_comes_first_begins_first() -> None:
    """A small request does not slip in before a large one that waits."""
    limit = RateLimit(tokens_per_minute=100, clock=VirtualClock())
    assert [begin(limit, n) for n in (90, 50, 5)] == [0, 60, 60]


def test_a_request_larger_than_a_minute_waits_for_an_empty_window() -> None:
    limit = RateLimit(tokens_per_minute=100, clock=VirtualClock())
    assert [begin(limit, n) for n in (10, 500, 1)] == [0, 60, 120]


def test_what_a_request_really_cost_counts_from_then_on() -> None:
    clock = VirtualClock()
    limit = RateLimit(tokens_per_minute=100, clock=clock)
    place = limit.reserve(90)
    limit.correct(place, 20)
    assert begin(limit, 80) == 0


def test_a_place_given_back_is_free() -> None:
    limit = RateLimit(requests_per_minute=1, clock=VirtualClock())
    limit.release(limit.reserve(0))
    assert begin(limit) == 0


def test_holding_waits_until_it_is_time() -> None:
    clock = VirtualClock()
    limit = RateLimit(requests_per_minute=2, clock=clock)
    began: list[tuple[int, float]] = []

    async def ask(number: int) -> None:
        async with limit.hold(0, sleep=clock.sleep):
            began.append((number, clock.now))

    async def ask_all() -> None:
        await asyncio.gather(*(ask(number) for number in range(5)))

    asyncio.run(ask_all())
    assert began == [(0, 0), (1, 0), (2, 60), (3, 60), (4, 120)]


def test_giving_up_while_waiting_frees_the_place() -> None:
    clock = VirtualClock()
    limit = RateLimit(requests_per_minute=1, clock=clock)

    async def give_up() -> None:
        limit.reserve(0)
        waiting = asyncio.Event()

        async def wait_for_ever(seconds: float) -> None:
            waiting.set()
            await asyncio.Event().wait()

        async def ask() -> None:
            async with limit.hold(0, sleep=wait_for_ever):
                pytest.fail("It was not its turn.")

        task = asyncio.create_task(ask())
        await waiting.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(give_up())
    assert begin(limit) == 60


def test_a_server_has_one_limit_in_a_process() -> None:
    first = share_limit("one server", requests_per_minute=5, tokens_per_minute=None)
    assert share_limit("one server", requests_per_minute=5, tokens_per_minute=None) is first
    assert share_limit("another", requests_per_minute=5, tokens_per_minute=None) is not first
    assert share_limit("free", requests_per_minute=None, tokens_per_minute=None) is None


def test_tokens_are_estimated_before_they_are_known() -> None:
    sampling = SamplingSettings(max_tokens=50, n=2)
    # 30 characters at 3 a token, one more for the rest, and two answers of 50.
    assert estimate_tokens(CompletionRequest("a", prompt="x" * 30, sampling=sampling)) == 111
    chat = CompletionRequest("a", messages=(Message("user", "x" * 30),))
    assert estimate_tokens(chat) == 11
