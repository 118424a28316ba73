"""`async_vs_sequential` and `async_vs_lockstep`: the same solutions judged in three ways.

One server that is imitated on a virtual clock (see `imitation`), one method, and three ways to
drive it: one solution after the other, as GenPRM's published scripts do; in waves whose solutions
all wait for the slowest at every stage; and as the runner does, each solution by itself. The
figures are the same on every machine.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from modeljobs.engines.base import Capabilities, CompletionRequest, Engine, EngineReply
from modeljobs.engines.options import validate_options
from modeljobs.methods.base import CodeRecord, CodeRunner, Failed, StepChecked
from modeljobs.methods.catalog import get_method
from tests.benchmarks.imitation import (
    A100,
    H200,
    MAX_SEQUENCES,
    BatchingServer,
    ImitatedCode,
    ImitatedEngine,
    Machine,
    Stage,
    Trajectory,
    draw_trajectories,
    find_stage,
)
from tests.benchmarks.job_figures import JobFigure
from tests.benchmarks.places import say
from tests.benchmarks.virtual_time import run_virtually
from tests.benchmarks.workload import SEED

WAVE = MAX_SEQUENCES
# One answer to each step, and every step judged: all ways do the same work.
SETTINGS: dict[str, Any] = {"samples": 1, "early_stop": False}


@dataclass(frozen=True, slots=True)
class Batching:
    """How much is simulated; `uncached` adds the published scripts' own setting."""

    trajectories: int
    machines: tuple[Machine, ...]
    uncached: bool = False


FULL = Batching(1_024, (A100, H200), uncached=True)
QUICK = Batching(16, (A100,))

Drive = Callable[[Sequence[Trajectory], ImitatedEngine], Awaitable[None]]


def measure(size: Batching) -> Iterator[JobFigure]:
    """Virtual seconds of the three ways, as ratios to the runner's way."""
    data = find_data()
    trajectories = draw_trajectories(size.trajectories, seed=SEED, data=data)
    n_steps = sum(len(trajectory.steps) for trajectory in trajectories)
    n_tokens = sum(trajectory.tokens for trajectory in trajectories)
    for machine in size.machines:
        spend = partial(spend_seconds, trajectories, machine)
        ours = spend(drive_as_runner)
        others = {"async_vs_sequential": spend(drive_one_by_one)}
        others["async_vs_lockstep"] = spend(drive_in_waves)
        if size.uncached:
            # No prefix cache: every request's whole prompt is read anew.
            others["async_vs_sequential_uncached"] = spend(drive_one_by_one, is_caching=False)
        suffix = "" if machine is A100 else f"_{machine.name.lower()}"
        say(f"{machine.name}: {ours:,.0f} virtual s, {n_tokens / ours:,.0f} tokens/s.")
        for name, seconds in others.items():
            yield JobFigure(
                name + suffix,
                seconds / ours,
                "times",
                raw=seconds,
                raw_unit="virtual s",
                ratio=seconds / ours,
                more={
                    "ours": ours,
                    "n": len(trajectories),
                    "steps": n_steps,
                    "tokens": n_tokens,
                    "step_counts": "files" if data else "table",
                },
            )


def find_data() -> Path | None:
    """The folder of public data sets, where one is named and has ProcessBench in it."""
    named = os.environ.get("WORKBENCH_REAL_DATA")
    folder = Path(named) if named else None
    return folder if folder is not None and (folder / "processbench").is_dir() else None


def spend_seconds(
    trajectories: Sequence[Trajectory], machine: Machine, drive: Drive, *, is_caching: bool = True
) -> float:
    """Virtual seconds until the last step of the last solution is judged."""

    async def main() -> None:
        server = BatchingServer(machine)
        engine = ImitatedEngine(trajectories, server, is_caching=is_caching)
        await drive(trajectories, engine)
        expected = sum(trajectory.tokens for trajectory in trajectories)
        if server.tokens != expected:
            raise AssertionError(f"{server.tokens} of {expected} tokens were decoded.")

    return run_virtually(main()).seconds


async def judge(trajectory: Trajectory, engine: Engine, code: CodeRunner) -> None:
    """Every step of a solution, by the real method."""
    method = get_method("genprm")
    settings = validate_options(method.parameters, SETTINGS)
    judged = 0
    async for event in method.run(
        trajectory.item, engine=engine, settings=settings, rng_seed=SEED, code=code
    ):
        match event:
            case StepChecked(summary=summary):
                # Anything else would be less work, or other work, than what was drawn.
                n_blocks = len(trajectory.steps[event.position].blocks)
                judged += summary["yes"] == 1 and summary["code_runs"] == n_blocks
            case Failed():
                raise AssertionError(f"{event.reason_code}: {event.message}")
    if judged != len(trajectory.steps):
        raise AssertionError(f"{judged} of {len(trajectory.steps)} steps were judged as drawn.")


# --- The three ways -------------------------------------------------------------------------------


async def drive_one_by_one(trajectories: Sequence[Trajectory], engine: ImitatedEngine) -> None:
    """One request in flight, ever."""
    for trajectory in trajectories:
        await judge(trajectory, engine, ImitatedCode())


async def drive_as_runner(trajectories: Sequence[Trajectory], engine: ImitatedEngine) -> None:
    """As `modeljobs.runner` does: requests within a bound, and twice as many solutions begun, which
    are filled up when a quarter of them is free.
    """
    slots = asyncio.Semaphore(MAX_SEQUENCES)
    most = 2 * MAX_SEQUENCES
    waiting = list(reversed(trajectories))
    in_flight: set[asyncio.Task[None]] = set()
    while waiting or in_flight:
        free = most - len(in_flight)
        if not in_flight or free >= most // 4:
            for _ in range(min(free, len(waiting))):
                bounded = BoundedEngine(engine, slots)
                work = judge(waiting.pop(), bounded, ImitatedCode())
                in_flight.add(asyncio.create_task(work))
        done, in_flight = await asyncio.wait(in_flight, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


async def drive_in_waves(trajectories: Sequence[Trajectory], engine: ImitatedEngine) -> None:
    """256 solutions at a time: all wait after each stage for the slowest, and after the wave's last
    for the longest.
    """
    for start in range(0, len(trajectories), WAVE):
        wave = trajectories[start : start + WAVE]
        barrier = Barrier(len(wave))

        async def walk(trajectory: Trajectory, barrier: Barrier = barrier) -> None:
            place = LockstepPlace(engine, barrier)
            try:
                await judge(trajectory, place, place)
            finally:
                barrier.leave()

        await asyncio.gather(*[walk(trajectory) for trajectory in wave])


class EngineInFront:
    """An engine that hands everything on to the one behind it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

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
        return self._engine.describe()

    async def complete(self, request: CompletionRequest) -> EngineReply:
        return await self._engine.complete(request)

    async def aclose(self) -> None:
        """The engine behind is not this one's to close."""


class BoundedEngine(EngineInFront):
    """Asks within a bound on requests in flight."""

    def __init__(self, engine: Engine, slots: asyncio.Semaphore) -> None:
        super().__init__(engine)
        self._slots = slots

    async def complete(self, request: CompletionRequest) -> EngineReply:
        async with self._slots:
            return await super().complete(request)


class Barrier:
    """Lets members go on when all of them have come, those at the earliest stage alone."""

    def __init__(self, members: int) -> None:
        self._members = members
        self._waiting: list[tuple[Stage, asyncio.Future[None]]] = []

    async def wait(self, stage: Stage) -> None:
        """Come to a stage, and wait until it is its turn."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((stage, future))
        self._look()
        await future

    def leave(self) -> None:
        """Be waited for no more."""
        self._members -= 1
        self._look()

    def _look(self) -> None:
        if not self._waiting or len(self._waiting) < self._members:
            return
        earliest = min(stage for stage, _ in self._waiting)
        go_on = [future for stage, future in self._waiting if stage == earliest]
        self._waiting = [each for each in self._waiting if each[0] != earliest]
        for future in go_on:
            future.set_result(None)


class LockstepPlace(EngineInFront):
    """One solution's engine and code runner in a wave."""

    def __init__(self, engine: Engine, barrier: Barrier) -> None:
        super().__init__(engine)
        self._barrier = barrier
        self._code = ImitatedCode()
        self._stage = Stage(0, 0)

    async def complete(self, request: CompletionRequest) -> EngineReply:
        self._stage = find_stage(request.prompt or "")
        await self._barrier.wait(self._stage)
        return await super().complete(request)

    async def run(self, trajectory: str, key: str, code: str) -> CodeRecord:
        """See `CodeRunner`. Code is run at the stage after the answer that it stands in."""
        await self._barrier.wait(Stage(self._stage.step, self._stage.place + 1))
        return await self._code.run(trajectory, key, code)
