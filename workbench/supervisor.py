"""Runs programs side by side, starts again what dies, and stops all of them together. PURE.

The clock, the way a program is started and where messages go are given from outside, so that
the rules can be tested without waiting or starting anything.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
# A program that ran this long had started well: the next failure is a new one.
SETTLED_SECONDS = 60.0


class Process(Protocol):
    """What the supervisor needs of a running program; subprocess.Popen has it."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...

    def send_signal(self, sig: int, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Program:
    """A program to keep running, under the name that messages use ("web server")."""

    name: str
    command: tuple[str, ...]
    # Descriptors that the program inherits, such as the socket it listens on.
    pass_fds: tuple[int, ...] = ()
    # Variables of its own, besides those that all have.
    env: Mapping[str, str] = field(default_factory=dict)


Spawn = Callable[[Program], Process]


def build_delay(failures: int) -> float:
    """Seconds to wait before the next start after so many failures in a row (1 and up)."""
    # The exponent is bounded because 2.0 ** 1100 is an error and not infinity.
    return min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(failures - 1, 10))


def describe_exit(code: int) -> str:
    """How a program ended, in words: a negative code is a signal's number."""
    if code < 0:
        try:
            return f"was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"was ended by signal {-code}"
    return "ended by itself" if code == 0 else f"ended with exit code {code}"


def spawn_process(program: Program, *, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start the program in a process group of its own, which a terminal's Ctrl-C passes by."""
    return subprocess.Popen(  # noqa: S603 - the commands are our own
        program.command,
        env={**env, **program.env},
        stdin=subprocess.DEVNULL,
        pass_fds=program.pass_fds,
        start_new_session=True,
    )


def kill_group(process: Process) -> None:
    """Kill the program and everything that it started."""
    # It may be gone, or (on macOS) a zombie that is about to be.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


@dataclass(slots=True)
class Child:
    """One program and how it fares."""

    program: Program
    process: Process | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    failures: int = 0


@dataclass(slots=True)
class Supervisor:
    """Keeps programs running until it is told to stop."""

    spawn: Spawn
    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    kill: Callable[[Process], None] = kill_group
    children: list[Child] = field(default_factory=list)

    def start(self, program: Program) -> None:
        """Start a program and keep it running from now on."""
        child = Child(program)
        self.children.append(child)
        self._start(child)

    def check(self) -> None:
        """Notice what has ended since the last look, and start again what is due."""
        for child in self.children:
            if child.process is None:
                if self.clock() >= child.restart_at:
                    self._start(child)
                continue
            code = child.process.poll()
            if code is not None:
                self._schedule_restart(child, describe_exit(code))

    def stop(self, *, grace: float, hurry: Callable[[], bool] = lambda: False) -> None:
        """Ask every program to end, wait for all of them together, then kill what is left.

        `hurry` is asked while waiting: True means that nobody wants to wait any longer.
        """
        running: list[tuple[Child, Process]] = []
        for child in self.children:
            if child.process is not None and child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
                running.append((child, child.process))
            child.process = None
        self.children.clear()

        deadline = self.clock() + grace
        while running and self.clock() < deadline and not hurry():
            self.sleep(0.05)
            running = [(child, process) for child, process in running if process.poll() is None]
        for child, process in running:
            self.say(f"The {child.program.name} did not stop in time and was killed.")
            self.kill(process)
            # A killed process ends; waiting for it leaves no zombie behind.
            for _ in range(100):
                if process.poll() is not None:
                    break
                self.sleep(0.02)

    def _start(self, child: Child) -> None:
        child.started_at = self.clock()
        try:
            child.process = self.spawn(child.program)
        except OSError as error:
            self._schedule_restart(child, f"could not be started ({error})")

    def _schedule_restart(self, child: Child, what_happened: str) -> None:
        if self.clock() - child.started_at >= SETTLED_SECONDS:
            child.failures = 0
        child.failures += 1
        if child.process is not None:
            # Its own children may live on and hold the socket or a task.
            self.kill(child.process)
            child.process = None
        delay = build_delay(child.failures)
        child.restart_at = self.clock() + delay
        self.say(f"The {child.program.name} {what_happened}; starting it again in {delay:g} s.")
