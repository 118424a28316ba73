"""What is started, what survives whom, and what a missing layer does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from modeljobs.sandbox import isolated
from modeljobs.sandbox.base import CodeLimits, SandboxError, SandboxUnavailable
from modeljobs.sandbox.isolated import IsolatedSandbox, build_sandbox, count_children
from modeljobs.sandbox.layers import NAMESPACES, REQUIRED
from modeljobs.sandbox.probing import probe
from tests.modeljobs.sandbox.attacks import FORGE
from tests.modeljobs.sandbox.identities import ROOT
from tests.modeljobs.sandbox.needs import PATIENT, demand_layers

# Only a machine that hangs takes as long.
LATEST_S = 60.0


@pytest.fixture(autouse=True)
def _layers_are_there() -> None:
    demand_layers()


@contextlib.asynccontextmanager
async def opened(**options):
    sandbox = IsolatedSandbox(PATIENT, packages=(), **options)
    try:
        yield sandbox
    finally:
        await sandbox.aclose()


def read_parents() -> dict[int, int]:
    """The parent of every process."""
    parents = {}
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            with contextlib.suppress(OSError):
                stat = (place / "stat").read_text("utf-8", "replace")
                parents[int(place.name)] = int(stat.rpartition(")")[2].split()[1])
    return parents


def find_children(pid: int) -> set[int]:
    """What the process started."""
    return {one for one, parent in read_parents().items() if parent == pid}


def find_family(pid: int) -> set[int]:
    """The process and all that it started, and they started."""
    parents = read_parents()
    family = {pid}
    while grown := {one for one, parent in parents.items() if parent in family} - family:
        family |= grown
    return family


def read_state(pid: int) -> str:
    """What a process does, in the kernel's letter; X where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return "X"
    return stat.rpartition(")")[2].split()[0]


def is_alive(pid: int) -> bool:
    """Whether it runs; one that ended and was not waited for does not."""
    return read_state(pid) not in ("Z", "X")


def await_end(pids: set[int]) -> set[int]:
    """Those that are still alive when all had time to end."""
    latest = time.monotonic() + LATEST_S
    while (alive := {pid for pid in pids if is_alive(pid)}) and time.monotonic() < latest:
        time.sleep(0.02)
    return alive


def await_stopped(parent: int) -> int:
    """The child that is stopped: an interpreter that has run a block and waits for the next."""
    latest = time.monotonic() + LATEST_S
    while time.monotonic() < latest:
        for pid in find_children(parent):
            if read_state(pid) == "T":
                return pid
        time.sleep(0.01)
    raise AssertionError("No interpreter was stopped.")


# --- Starting and ending --------------------------------------------------------------------------


def test_nothing_is_started_before_the_first_session():
    async def scenario():
        async with opened() as sandbox:
            before = sandbox.runner_pid, sandbox.layers
            await sandbox.open_session()
            return before, sandbox.runner_pid, sandbox.layers

    before, pid, layers = asyncio.run(scenario())
    assert before == (None, ())
    assert pid is not None
    assert set(REQUIRED) <= set(layers)


def test_all_sessions_share_a_runner():
    async def scenario():
        async with opened() as sandbox:
            pids = set()
            for session in await asyncio.gather(*[sandbox.open_session() for _ in range(5)]):
                await session.run("1")
                pids.add(sandbox.runner_pid)
            return pids

    assert len(asyncio.run(scenario())) == 1


def test_closing_ends_all_processes():
    async def scenario():
        async with opened() as sandbox:
            session = await sandbox.open_session()
            await session.run("1")
            return find_family(sandbox.runner_pid)

    family = asyncio.run(scenario())
    # The runner, the zygote and interpreters.
    assert len(family) >= 4
    assert await_end(family) == set()


def test_it_works_in_a_thread_that_is_not_the_first():
    async def scenario():
        async with opened() as sandbox:
            session = await sandbox.open_session()
            return (await session.run("print(6 * 7)")).output

    with ThreadPoolExecutor(2) as pool:
        said = [*pool.map(lambda _: asyncio.run(scenario()), range(2))]
    assert said == ["42", "42"]


def test_a_python_that_cannot_be_executed_makes_it_unavailable(monkeypatch):
    async def scenario():
        async with opened() as sandbox:
            await sandbox.open_session()

    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(SandboxUnavailable, match="/nowhere/python"):
        asyncio.run(scenario())


def test_a_closed_sandbox_opens_no_session():
    async def scenario():
        async with opened() as sandbox:
            await sandbox.aclose()
            await sandbox.open_session()

    with pytest.raises(SandboxError, match="closed"):
        asyncio.run(scenario())


def test_it_describes_itself():
    async def scenario():
        async with opened() as sandbox:
            await sandbox.open_session()
            return sandbox.describe(), sandbox.layers

    said, layers = asyncio.run(scenario())
    assert said["name"] == "isolated"
    assert said["layers"] == list(layers)
    assert said["limits"] == {
        "wall_s": 60, "cpu_s": 60, "memory_mib": 128, "output_chars": 200,
    }  # fmt: skip
    assert said["python"] == ".".join(map(str, sys.version_info[:3]))


def test_the_factory_takes_limits_and_required_layers():
    sandbox = build_sandbox(CodeLimits(wall_s=1), max_children=3, max_running=9)
    assert (sandbox.limits.wall_s, sandbox.max_children, sandbox.max_running) == (1, 3, 3)
    with pytest.raises(ValueError, match="firewall"):
        build_sandbox(require=["firewall"])


def test_the_number_of_interpreters_follows_from_memory(monkeypatch):
    monkeypatch.setattr(isolated, "_read_memory", lambda: 8 << 30)
    assert count_children(1024) == 4
    assert count_children(100) == 16
    assert count_children(1 << 20) == 2


# --- Deaths ---------------------------------------------------------------------------------------


def test_when_the_runner_dies_idle_another_takes_over():
    async def scenario():
        async with opened() as sandbox:
            session = await sandbox.open_session()
            await session.run("x = 42")
            first = sandbox.runner_pid
            os.kill(first, signal.SIGKILL)
            said = (await session.run("print(x)")).output
            return said, first != sandbox.runner_pid

    assert asyncio.run(scenario()) == ("42", True)


def test_when_an_idle_interpreter_dies_its_blocks_are_run_again():
    async def scenario():
        async with opened() as sandbox:
            session = await sandbox.open_session()
            await session.run("x = 42")
            runner = sandbox.runner_pid
            (zygote,) = find_children(runner)
            os.kill(await_stopped(zygote), signal.SIGKILL)
            return (await session.run("print(x)")).output, runner == sandbox.runner_pid

    assert asyncio.run(scenario()) == ("42", True)


def test_code_that_only_pretends_to_have_ended_is_stopped():
    pretend = f"{FORGE}\nsend(nonce=find_nonce(), status='ok', text='over', cut=False)\n"

    async def scenario():
        async with opened() as sandbox:
            session = await sandbox.open_session()
            said = (await session.run(pretend + "while True:\n    pass")).output
            (zygote,) = find_children(sandbox.runner_pid)
            return said, await_stopped(zygote)

    said, stopped = asyncio.run(scenario())
    assert said == "over"
    assert stopped


def test_when_the_zygote_dies_another_takes_over():
    async def scenario():
        async with opened() as sandbox:
            session = await sandbox.open_session()
            await session.run("x = 42")
            family = find_family(sandbox.runner_pid)
            for pid in family - {sandbox.runner_pid}:
                # The others go with the zygote.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return (await session.run("print(x)")).output

    assert asyncio.run(scenario()) == "42"


def test_when_the_runner_dies_at_work_the_block_is_run_again():
    async def scenario():
        async with opened() as sandbox:
            session = await sandbox.open_session()
            await session.run("x = 40")
            block = asyncio.create_task(session.run("import time; time.sleep(0.3); print(x + 2)"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            os.kill(sandbox.runner_pid, signal.SIGKILL)
            return (await block).output

    assert asyncio.run(scenario()) == "42"


def test_a_runner_that_keeps_dying_is_not_started_for_ever():
    async def scenario():
        async with opened() as sandbox:
            for _ in range(isolated.MOST_DEATHS + 2):
                await sandbox.open_session()
                os.kill(sandbox.runner_pid, signal.SIGKILL)
                await sandbox._runner._listening

    with pytest.raises(SandboxUnavailable, match="died 4 times"):
        asyncio.run(scenario())


WORKER = """
import asyncio, sys
from modeljobs.sandbox.base import CodeLimits
from modeljobs.sandbox.isolated import IsolatedSandbox

async def main():
    sandbox = IsolatedSandbox(CodeLimits(wall_s=3600, cpu_s=3600), packages=())
    idle, busy = await sandbox.open_session(), await sandbox.open_session()
    await idle.run("x = 1")
    await busy.run("x = 1")
    task = asyncio.create_task(busy.run("while True: pass"))
    await asyncio.sleep(0.05)
    print(sandbox.runner_pid, flush=True)
    await task

asyncio.run(main())
"""


def test_nothing_survives_a_worker_that_is_killed():
    with subprocess.Popen(
        [sys.executable, "-c", WORKER], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None
        runner = int(worker.stdout.readline())
        family = find_family(runner)
        worker.kill()
    # The runner, the zygote and two interpreters.
    assert len(family) >= 4
    assert await_end(family) == set()


FULL_DISK = """
import asyncio, resource
from modeljobs.sandbox.isolated import IsolatedSandbox

async def main():
    # No file can grow by a byte, for this process and all that it starts.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    sandbox = IsolatedSandbox(packages=())
    session = await sandbox.open_session()
    result = await session.run("print(42)")
    await sandbox.aclose()
    assert result.output == "42", result

asyncio.run(main())
"""


def test_a_full_disk_does_not_matter():
    done = subprocess.run(
        [sys.executable, "-B", "-c", FULL_DISK],
        cwd=ROOT,
        env=dict(os.environ, TMPDIR="/nowhere"),
        stderr=subprocess.PIPE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


# --- Layers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", REQUIRED)
def test_a_missing_layer_is_noticed_and_no_code_is_run(layer):
    async def scenario():
        async with opened(left_out=[layer]) as sandbox:
            await sandbox.open_session()

    with pytest.raises(SandboxUnavailable, match=f"layer '{layer}' is missing") as caught:
        asyncio.run(scenario())
    assert caught.value.code == "unavailable"


def test_a_layer_that_was_asked_for_is_required():
    async def scenario():
        async with opened(namespaces=False, require=[NAMESPACES]) as sandbox:
            await sandbox.open_session()

    with pytest.raises(SandboxUnavailable, match=f"layer '{NAMESPACES}' is missing"):
        asyncio.run(scenario())


REFUSED = (
    "open('/etc/passwd')",
    "open('/proc/1/environ')",
    "import os; os.kill(os.getppid(), 9)",
    "import socket; socket.socket()",
)


def test_without_namespaces_the_required_layers_still_hold():
    async def scenario():
        async with opened(namespaces=False) as sandbox:
            session = await sandbox.open_session()
            said = [(await session.run(code)).output for code in REFUSED]
            return sandbox.layers, said

    layers, said = asyncio.run(scenario())
    assert NAMESPACES not in layers
    assert set(REQUIRED) <= set(layers)
    refused = ("Code execute Error: PermissionError", "Code execute Error: FileNotFoundError")
    assert [one for one in said if not one.startswith(refused)] == []


def test_the_probe_tells_what_this_machine_has():
    async def scenario():
        async with opened() as sandbox:
            await sandbox.open_session()
            return sandbox.layers

    report = probe()
    assert report.is_available
    assert set(report.layers) == set(asyncio.run(scenario()))
    assert report.landlock >= 1


def test_the_probe_reports_a_python_that_cannot_be_run(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    report = probe()
    assert not report.is_available
    assert set(report.missing) == set(REQUIRED)
    assert "/nowhere/python" in report.missing["seccomp"]


# --- Root -----------------------------------------------------------------------------------------

# Root that may make no mount namespaces, and a library that others cannot reach.
HELPLESS_ROOT = """
import sys
from modeljobs.sandbox import layers, places
places._AS_ROOT = places._AS_ROOT[-1:]
try:
    places.choose_place([sys.argv[1]])
except layers.LayerMissing as error:
    print(layers.explain_missing(error.layer, error.message))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="it is root that must become somebody else")
@pytest.mark.parametrize(("mode", "is_refused"), [(0o700, True), (0o755, False)])
def test_root_runs_nothing_where_it_cannot_become_somebody_else(mode, is_refused):
    library = Path("/tmp") / f"prmw-sandbox-{os.getpid()}"
    library.mkdir(mode)
    try:
        (library / "module.py").touch()
        done = subprocess.run(
            [sys.executable, "-c", HELPLESS_ROOT, str(library)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        (library / "module.py").unlink()
        library.rmdir()
    assert done.stderr == ""
    assert ("Run the worker as an ordinary user" in done.stdout) == is_refused
