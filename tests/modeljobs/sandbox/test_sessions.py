"""One trajectory's interpreter: what it keeps, and what becomes of it when it is lost."""

from __future__ import annotations

import asyncio

import pytest

from modeljobs.sandbox.base import CodeLimits, CodeStatus, SandboxError
from modeljobs.sandbox.isolated import IsolatedSandbox
from tests.modeljobs.sandbox.needs import PATIENT, demand_layers

KILL = "import ctypes; ctypes.CDLL(None).syscall(101, 0, 0, 0, 0); import os; os._exit(1)"
# Shows whether an interpreter is the same one as before: it lives in no name of the namespace.
MARK = "import builtins; builtins.mark = 1"
IS_MARKED = "import builtins; print(hasattr(builtins, 'mark'))"


@pytest.fixture(scope="module")
def few(run):
    """A sandbox with two interpreters at a time, one of which runs."""
    demand_layers()
    sandbox = IsolatedSandbox(PATIENT, packages=(), max_children=2, max_running=1)
    yield sandbox
    run(sandbox.aclose())


@pytest.fixture(scope="module")
def hasty(run):
    """A sandbox that ends a block after a moment; replays have twice as long."""
    demand_layers()
    sandbox = IsolatedSandbox(CodeLimits(wall_s=2, memory_mib=128), packages=())
    yield sandbox
    run(sandbox.aclose())


async def say(session, *codes: str) -> list[str]:
    """What the blocks put out."""
    return [(await session.run(code)).output for code in codes]


def test_names_live_on_from_block_to_block(run, patient):
    async def scenario():
        session = await patient.open_session()
        said = await say(session, "x = 20\ndef f(n):\n    return n + x", "x += 1", "print(f(21))")
        await session.aclose()
        return said

    assert run(scenario()) == ["", "", "42"]


def test_what_was_done_before_an_exception_stays_done(run, patient):
    async def scenario():
        session = await patient.open_session()
        said = await say(session, "x = 1\n1 / 0", "print(x)")
        await session.aclose()
        return said[1]

    assert run(scenario()) == "1"


def test_sessions_share_nothing(run, patient):
    async def scenario():
        first, second = await patient.open_session(), await patient.open_session()
        await say(first, "secret = 1; import math, builtins; builtins.s = math.s = 1")
        said = await say(
            second,
            "print('secret' in globals())",
            "import builtins, math; print(hasattr(builtins, 's'), hasattr(math, 's'))",
        )
        await first.aclose()
        await second.aclose()
        return said

    assert run(scenario()) == ["False", "False False"]


def test_after_an_end_by_us_the_earlier_blocks_are_run_again(run, patient):
    async def scenario():
        session = await patient.open_session()
        await say(session, "x = 1", MARK, "x += 1\n1 / 0", "x += 1; print('unseen')")
        with pytest.raises(SandboxError) as caught:
            await session.run("x = 100\n" + KILL)
        said = await say(session, "print(x)", IS_MARKED)
        await session.aclose()
        return caught.value.code, said

    assert run(scenario()) == ("killed", ["3", "True"])


def test_after_a_time_out_the_earlier_blocks_are_run_again(run, hasty):
    async def scenario():
        session = await hasty.open_session()
        await say(session, "x = 1")
        late = await session.run("x = 2\nwhile True:\n    pass")
        said = await say(session, "print(x)")
        await session.aclose()
        return late.status, said

    assert run(scenario()) == (CodeStatus.TIMEOUT, ["1"])


def test_remembered_blocks_are_run_before_the_next_one(run, patient):
    async def scenario():
        session = await patient.open_session()
        session.remember("x = 1")
        session.remember("x *= 10")
        first = await say(session, "print(x)")
        session.remember("x += 5")
        then = await say(session, "print(x)", "print(x)")
        await session.aclose()
        return first + then

    assert run(scenario()) == ["10", "15", "15"]


def test_a_remembered_block_that_hangs_is_our_fault(run, hasty):
    async def scenario():
        session = await hasty.open_session()
        session.remember("import time; time.sleep(3600)")
        try:
            await session.run("print(1)")
        finally:
            await session.aclose()

    with pytest.raises(SandboxError, match="could not be made again") as caught:
        run(scenario())
    assert caught.value.code == "killed"


def test_random_numbers_are_the_same_when_blocks_are_run_again(run, patient):
    draw = "import random; print(random.random())"

    async def scenario():
        session = await patient.open_session()
        before = await say(session, draw, "y = random.random(); print(y)")
        with pytest.raises(SandboxError):
            await session.run(KILL)
        after = await say(session, "print(y)")
        await session.aclose()
        return before[1], after[0]

    before, after = run(scenario())
    assert before == after


def test_many_sessions_share_few_interpreters(run, few):
    async def scenario():
        sessions = [await few.open_session() for _ in range(7)]
        for number, session in enumerate(sessions):
            await say(session, f"x = {number}")
        said = [(await say(session, "print(x)"))[0] for session in sessions]
        live = len(few._live)
        for session in sessions:
            await session.aclose()
        return said, live, len(few._live)

    assert run(scenario()) == ([str(n) for n in range(7)], 2, 0)


def test_the_session_idle_for_longest_gives_up_its_interpreter(run, few):
    async def scenario():
        first, second, third = [await few.open_session() for _ in range(3)]
        for session in (first, second, first, third):
            await session.run("1")
        holders = [session in few._live for session in (first, second, third)]
        for session in (first, second, third):
            await session.aclose()
        return holders

    assert run(scenario()) == [True, False, True]


def test_sessions_wait_their_turn_in_order(run, few):
    async def scenario():
        sessions = [await few.open_session() for _ in range(5)]
        order: list[int] = []

        async def take_turn(number: int) -> None:
            await sessions[number].run(f"print({number})")
            order.append(number)

        await asyncio.gather(*[take_turn(number) for number in range(5)])
        for session in sessions:
            await session.aclose()
        return order

    assert run(scenario()) == [0, 1, 2, 3, 4]


def test_blocks_of_a_session_run_one_after_the_other(run, patient):
    async def scenario():
        session = await patient.open_session()
        await session.run("x = []")
        said = await asyncio.gather(
            *[session.run(f"x.append({number}); print(x)") for number in range(3)]
        )
        await session.aclose()
        return [result.output for result in said]

    assert run(scenario()) == ["[0]", "[0, 1]", "[0, 1, 2]"]


async def start_endless(session) -> asyncio.Task[object]:
    """A task in which an endless block runs: the runner was told before this returns."""
    task = asyncio.create_task(session.run("while True:\n    pass"))
    while session._child is None:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    return task


async def cancel(task: asyncio.Task[object]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_cancelled_block_ends_its_own_interpreter_alone(run, few):
    async def scenario():
        cancelled, other = await few.open_session(), await few.open_session()
        await say(cancelled, "x = 1", MARK)
        await say(other, "y = 1", MARK)
        await cancel(await start_endless(cancelled))
        runner = few.runner_pid
        said = await say(other, "print(y)") + await say(cancelled, "print(x)")
        await cancelled.aclose()
        await other.aclose()
        return said, runner == few.runner_pid

    assert run(scenario()) == (["1", "1"], True)


def test_a_block_that_waits_can_be_cancelled(run, few):
    async def scenario():
        running, waiting, last = [await few.open_session() for _ in range(3)]
        endless = await start_endless(running)
        queued = asyncio.create_task(waiting.run("print('never')"))
        await asyncio.sleep(0)
        await cancel(queued)
        await cancel(endless)
        said = await say(last, "print('served')")
        for session in (running, waiting, last):
            await session.aclose()
        return said

    assert run(scenario()) == ["served"]


def test_a_closed_session_runs_no_more(run, patient):
    async def scenario():
        session = await patient.open_session()
        await session.aclose()
        await session.run("print(1)")

    with pytest.raises(SandboxError, match="closed"):
        run(scenario())
