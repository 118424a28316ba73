"""`cold_start` and `idle_memory`: the embedded default, started on an empty data folder."""

from __future__ import annotations

import contextlib
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.figures import Figure, Memory, read_memory
from tests.benchmarks.places import ROOT, Scale, build_env, find_free_port, make_folder, say
from tests.benchmarks.serving import wait_for_answer

SIGN_IN = "/accounts/login/"
MOST_STARTS = 3
# Memory counts as idle when this many readings in a row differ by less than this share.
READINGS = 4
STEADY = 0.01
PATIENCE = 60.0


class Served(NamedTuple):
    """A running workbench, and the seconds until its first page."""

    process: subprocess.Popen[bytes]
    seconds: float


def measure(scale: Scale) -> Iterator[Figure]:
    """Seconds from `manage.py serve` to the sign-in page; then the memory of all its processes."""
    seconds: list[float] = []
    memory: list[Memory] = []
    for _ in range(min(MOST_STARTS, scale.repeat)):
        with make_folder() as folder, serve(folder) as served:
            seconds.append(served.seconds)
            memory.append(wait_until_idle(served.process.pid))
    yield Figure("cold_start", statistics.median(seconds), "s")
    # What all processes share counts once; the other figure counts it for each of them.
    yield Figure("idle_memory", statistics.median(each.pss for each in memory), "MB")
    yield Figure("idle_memory_rss", statistics.median(each.rss for each in memory), "MB")


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[Served]:
    """The whole workbench on an empty folder, stopped afterwards. The demo would not be idle."""
    port = find_free_port()
    log = folder / "serve.log"
    env = build_env(folder, WORKBENCH_PORT=str(port))
    start = time.perf_counter()
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve"],
            cwd=ROOT,
            env=env,
            stdout=stream,
            stderr=stream,
        )
    try:
        yield Served(process, wait_for_answer(port, SIGN_IN, process=process, log=log) - start)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=PATIENCE)


def wait_until_idle(pid: int) -> Memory:
    """The memory of the process and of all that it started, once it no longer changes."""
    deadline = time.perf_counter() + PATIENCE
    readings: list[Memory] = []
    while time.perf_counter() < deadline:
        time.sleep(1)
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # A process may end between being listed and being read.
            readings.append(read_memory(list_tree(pid)))
        last = [reading.rss for reading in readings[-READINGS:]]
        if len(last) == READINGS and max(last) - min(last) <= STEADY * max(last):
            return readings[-1]
    say("The memory did not settle; the last reading counts.")
    return readings[-1]


def list_tree(pid: int) -> list[int]:
    """The process and everything below it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # pid (name, which may hold anything) state parent ...
                rest = (entry / "stat").read_text(errors="replace").rpartition(")")[2]
                parents.setdefault(int(rest.split()[1]), []).append(int(entry.name))
    tree = [pid]
    for each in tree:
        tree.extend(parents.get(each, []))
    return tree
