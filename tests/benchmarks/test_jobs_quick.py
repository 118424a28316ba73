"""The benchmarks of model jobs run and say what they should.

How fast this machine is is never asked here. What is simulated on a virtual clock is the same on
every machine, so those figures are held to what they are to reach.
"""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys

import pytest

from modeljobs.engines.base import CompletionRequest, SamplingSettings
from tests.benchmarks.imitation import (
    A100,
    H200,
    REQUEST_S,
    STEP_TOKENS,
    BatchingServer,
    ImitatedEngine,
    Machine,
    Stage,
    draw_trajectories,
    find_stage,
)
from tests.benchmarks.job_figures import JOB_NAMES
from tests.benchmarks.jobs import PARTS
from tests.benchmarks.measure_batching import Barrier, Batching, measure
from tests.benchmarks.places import ROOT
from tests.benchmarks.virtual_time import NothingWillHappen, run_virtually
from tests.benchmarks.workload import SEED

# A step takes 10 ms and 1 ms more for each sequence; a token's arithmetic takes 2 ms.
ROUND = Machine("round", step_ms=10.0, sequence_ms=1.0, token_ms=2.0)


# --- Virtual time ---------------------------------------------------------------------------------


def test_time_jumps_to_the_next_timer():
    async def sleep_long() -> float:
        await asyncio.gather(asyncio.sleep(100_000.0), asyncio.sleep(250_000.0))
        return asyncio.get_running_loop().time()

    assert run_virtually(sleep_long()) == (250_000.0, 250_000.0)


def test_a_wait_that_nobody_ends_is_an_error():
    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(NothingWillHappen):
        run_virtually(wait())


# --- The imitated server --------------------------------------------------------------------------


def spend(*requests: tuple[float, int, int], slots: int = 8) -> list[float]:
    """When each request (delay in seconds, tokens, new tokens) is finished."""

    async def ask(server: BatchingServer, delay: float, tokens: int, new_tokens: int) -> float:
        await asyncio.sleep(delay)
        await server.decode(tokens=tokens, new_tokens=new_tokens)
        return asyncio.get_running_loop().time()

    async def main() -> list[float]:
        server = BatchingServer(ROUND, slots=slots)
        return await asyncio.gather(*[ask(server, *request) for request in requests])

    return run_virtually(main()).result


def test_a_request_alone_takes_its_steps():
    # 10 steps of one sequence: 10 * (10 + 1) ms.
    assert spend((0.0, 10, 1)) == [pytest.approx(0.110)]


def test_reading_a_long_prompt_lengthens_one_step():
    # The first step computes 100 tokens, 200 ms; the other nine take 11 ms.
    assert spend((0.0, 10, 100)) == [pytest.approx(0.299)]


def test_requests_share_steps():
    # Four steps of two sequences, 12 ms each; then six of one.
    first, second = spend((0.0, 4, 1), (0.0, 10, 1))
    assert first == pytest.approx(0.048)
    assert second == pytest.approx(0.048 + 6 * 0.011)


def test_a_request_joins_between_two_steps():
    # At 25 ms the third step of the first is under way, until 33 ms. Two steps together, 12 ms
    # each, end the second; the first has had five steps by then, and five are left.
    first, second = spend((0.0, 10, 1), (0.025, 2, 1))
    assert second == pytest.approx(0.033 + 2 * 0.012)
    assert first == pytest.approx(0.033 + 2 * 0.012 + 5 * 0.011)


def test_requests_wait_for_a_slot_in_their_order():
    first, second, third = spend((0.0, 3, 1), (0.0, 3, 1), (0.0, 3, 1), slots=1)
    assert [first, second, third] == [pytest.approx(0.033 * turn) for turn in (1, 2, 3)]


def test_the_engine_counts_what_is_new_in_a_conversation():
    [trajectory] = draw_trajectories(1, seed=1)
    problem = trajectory.solution.problem.text
    sampling = SamplingSettings(logprobs=20)

    async def ask() -> tuple[int | None, int | None]:
        engine = ImitatedEngine([trajectory], BatchingServer(A100))
        prompt = f"{problem}<analyze>\nLet's analyze the Paragraph 1 step by step: "
        first = await engine.complete(CompletionRequest("a", prompt=prompt, sampling=sampling))
        prompt += f"{first.completions[0].text}<verify>\n```python\n"
        second = await engine.complete(CompletionRequest("b", prompt=prompt, sampling=sampling))
        return first.prompt_tokens, second.prompt_tokens

    (first, second), seconds = run_virtually(ask())
    lengths = trajectory.steps[0]
    opening = "<analyze>\nLet's analyze the Paragraph 1 step by step: "
    assert first == math.ceil((len(problem) + len(opening)) / 3)
    # What was written in between counts as drawn; the forced beginning is new: 19 characters.
    assert second == first + lengths.analysis + math.ceil(len("<verify>\n```python\n") / 3)
    steps = lengths.analysis + lengths.blocks[0]
    # The prompts are short enough for the arithmetic that decoding leaves free, or nearly so.
    assert seconds == pytest.approx(2 * REQUEST_S + steps * 0.01157, abs=0.05)


@pytest.mark.parametrize(
    ("tail", "stage"),
    [
        ("Let's analyze the Paragraph 3 step by step: ", Stage(2, 0)),
        ("Let's analyze the Paragraph 3 step by step: It is.</analyze>\n<verify>\n", Stage(2, 1)),
        (
            "Let's analyze the Paragraph 3 step by step: It is.</analyze>\n[Code Output]\n\n",
            Stage(2, 3),
        ),
    ],
)
def test_the_stage_is_that_of_the_last_paragraph(tail, stage):
    history = "Let's analyze the Paragraph 2 step by step: So.\n[Code Output]\n\n```\n1\n```\n"
    assert find_stage(history + tail) == stage


def test_lengths_have_the_published_mean():
    trajectories = draw_trajectories(2_000, seed=SEED)
    n_steps = sum(len(trajectory.steps) for trajectory in trajectories)
    # 2,000 solutions in ProcessBench's mix have 7.56 steps on average, and each of these 344.7
    # tokens; the bound on a step's tokens takes off about 1 %.
    assert n_steps / 2_000 == pytest.approx(7.56, rel=0.04)
    mean = sum(trajectory.tokens for trajectory in trajectories) / n_steps
    assert mean == pytest.approx(STEP_TOKENS, rel=0.03)


def test_a_barrier_lets_the_earliest_stage_go_on_when_all_have_come():
    order: list[int] = []

    async def walk(barrier: Barrier, stages: list[Stage]) -> None:
        for stage in stages:
            await barrier.wait(stage)
            order.append(stage.place)
        barrier.leave()

    async def main() -> None:
        barrier = Barrier(2)
        await asyncio.gather(
            walk(barrier, [Stage(0, 0), Stage(0, 3)]),
            walk(barrier, [Stage(0, 0), Stage(0, 1), Stage(0, 2), Stage(0, 3)]),
        )

    run_virtually(main())
    assert order == [0, 0, 1, 2, 3, 3]


# --- The figures ----------------------------------------------------------------------------------


def test_the_runners_way_is_faster_by_what_it_is_to_be(monkeypatch):
    # Step counts from files, where there are some, would make other figures.
    monkeypatch.delenv("WORKBENCH_REAL_DATA", raising=False)
    # Half of what the benchmark takes: with fewer, the longest solution is all that is waited for.
    figures = {figure.name: figure for figure in measure(Batching(512, (H200,)))}
    assert figures["async_vs_sequential_h200"].value >= 60.0
    assert figures["async_vs_lockstep_h200"].value >= 3.5


def test_every_name_belongs_to_a_part():
    assert sorted(JOB_NAMES) == sorted(name for names in PARTS.values() for name in names)


@pytest.mark.parametrize(
    "part",
    [
        "batching",
        "runner",
        "sandbox",
        "genprm",
        "relabel",
    ],
)
def test_a_small_run_prints_every_name_with_a_number(part):
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.jobs", "--quick", "--only", part],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    figures = {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert set(PARTS[part]) <= set(figures)
    for figure in figures.values():
        assert figure["name"].startswith(PARTS[part])
        assert isinstance(figure["value"], float | int)
        assert isinstance(figure["unit"], str)
