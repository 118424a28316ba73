"""`sandbox_*`: what it takes to run model-written code isolated, beside running it right here."""

from __future__ import annotations

import asyncio
import contextlib
import io
import statistics
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.benchmarks.figures import Figure, time_call
from tests.benchmarks.places import Scale

# What a trajectory begins with, and what its next step does.
FIRST = (
    "from sympy import symbols, factor\nx = symbols('x')\nprint(factor(x**3 - 6*x**2 + 11*x - 6))"
)
LATER = "print(x**2 + 1)"
# So that what was begun by one measurement is over at the next.
REST_S = 0.05


class Times(NamedTuple):
    """Median seconds of first and later blocks, and first blocks a second when all come at once."""

    first: float
    later: float
    rate: float


def measure(scale: Scale) -> Iterator[Figure]:
    """Milliseconds of a trajectory's first and later blocks, and first blocks a second.

    `raw` is the same code in a process that has sympy loaded, with nothing in its way.
    """
    count = scale.requests
    isolated = asyncio.run(_measure_isolated(count))
    bare = asyncio.run(_measure_isolated(count, namespaces=False))
    first, later = _measure_bare(count)
    yield Figure("sandbox_first_block_ms", isolated.first * 1e3, "ms", raw=first * 1e3)
    yield Figure("sandbox_later_block_ms", isolated.later * 1e3, "ms", raw=later * 1e3)
    yield Figure("sandbox_first_blocks_per_s", isolated.rate, "1/s")
    yield Figure("sandbox_first_blocks_per_s_no_namespaces", bare.rate, "1/s")


async def _measure_isolated(count: int, **options: Any) -> Times:
    from modeljobs.sandbox.base import CodeLimits
    from modeljobs.sandbox.isolated import IsolatedSandbox

    sandbox = IsolatedSandbox(CodeLimits(wall_s=60, cpu_s=60), **options)
    firsts: list[float] = []
    laters: list[float] = []
    try:
        for _ in range(count):
            session = await sandbox.open_session()
            for code, times in ((FIRST, firsts), (LATER, laters)):
                start = time.perf_counter()
                result = await session.run(code)
                times.append(time.perf_counter() - start)
                if result.status != "ok":
                    raise AssertionError(f"A good block ended with {result.output!r}.")
            await session.aclose()
            await asyncio.sleep(REST_S)

        async def run_one() -> None:
            session = await sandbox.open_session()
            await session.run(FIRST)
            await session.aclose()

        start = time.perf_counter()
        await asyncio.gather(*[run_one() for _ in range(count)])
        seconds = time.perf_counter() - start
    finally:
        await sandbox.aclose()
    return Times(statistics.median(firsts), statistics.median(laters), count / seconds)


def _measure_bare(count: int) -> tuple[float, float]:
    """Median seconds of both blocks in this process."""
    import sympy

    firsts: list[float] = []
    laters: list[float] = []
    for _ in range(count):
        # What sympy remembers of the last time would be no work at all.
        sympy.core.cache.clear_cache()
        names: dict[str, Any] = {}
        for code, times in ((FIRST, firsts), (LATER, laters)):
            with contextlib.redirect_stdout(io.StringIO()):
                times.append(time_call(lambda code=code: exec(code, names)))  # type: ignore[misc]  # noqa: B023, S102
    return statistics.median(firsts), statistics.median(laters)
