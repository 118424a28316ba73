"""Sessions in interpreters of their own, isolated by the kernel: the worker's side.

One runner process serves all sessions of a sandbox. It is started for the first block, and again,
a few times, when it dies. There may be thousands of sessions: few of them have an interpreter at a
time, and fewer run. An idle session's interpreter is given up when another session needs its place;
its blocks are run again, unseen, before its next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from modeljobs.sandbox import layers
from modeljobs.sandbox.base import (
    ERROR_PREFIX,
    NO_CODE,
    TIMED_OUT,
    CodeLimits,
    CodeResult,
    CodeStatus,
    SandboxError,
    SandboxUnavailable,
)
from modeljobs.sandbox.frames import HEADER, MAX_CODE_CHARS, max_reply, pack, unpack

NAME = "isolated"
# Raised when the same code could come to another result.
VERSION = "2"

START_S = 120.0
# How often a block is given to an interpreter that is lost before it, or with its runner.
ATTEMPTS = 3
# Deaths of the runner, without a block run between them, after which it is not started again.
MOST_DEATHS = 3
# Running earlier blocks again may take so many times what one block may, in all.
REPLAY_BLOCKS = 12
REPLAY_SLACK = 2.0
MOST_CHILDREN = 16
_CUT = "[output cut at {} characters]"
# What no database takes as text.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

_BOOT = (
    "import sys; sys.path.insert(0, {root!r}); "
    "from modeljobs.sandbox.{module} import main; "
    "sys.path.remove({root!r}); main({argument})"
)
_ROOT = str(Path(__file__).resolve().parents[2])
# No environment but this: sets of strings are in the same order in every run.
_ENVIRONMENT = {"PYTHONHASHSEED": "0"}


class _Lost(Exception):
    """The runner or the interpreter had died; what was asked of it is to be asked of another."""


def build_command(module: str, argument: object = "") -> list[str]:
    """How a module of the sandbox is run on its own: as `python -I`, but for the hash seed."""
    boot = _BOOT.format(root=_ROOT, module=module, argument=argument)
    return [sys.executable, "-s", "-P", "-B", "-X", "utf8", "-c", boot]


def start_process(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a process of the sandbox: an empty environment, nothing inherited, no terminal."""
    return subprocess.Popen(  # noqa: S603  the command is ours
        command,
        env=_ENVIRONMENT,
        cwd="/",
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        **options,
    )


def count_children(memory_mib: int) -> int:
    """How many interpreters this machine can hold at once, if each uses all it may."""
    free_mib = _read_memory() // (1 << 20) // 2
    return max(2, min(MOST_CHILDREN, free_mib // max(1, memory_mib)))


def _read_memory() -> int:
    """Bytes of memory that this process may use, by the machine's size or its control group's."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            memory = min(memory, int(Path(path).read_text("ascii")))
    return memory


class IsolatedSandbox:
    """See `Sandbox`. To be used within one event loop, and closed there.

    `max_children` bounds the interpreters that are alive, `max_running` those that run at a time:
    more than there are processors would only make good blocks late. `require` names further layers
    without which nothing is run. `packages` are those of `layers.PACKAGES` that code may import;
    with fewer the runner starts sooner. `namespaces=False` does without them, to compare;
    `left_out` does without others, to see that this is noticed.
    """

    def __init__(
        self,
        limits: CodeLimits | None = None,
        *,
        max_children: int | None = None,
        max_running: int | None = None,
        require: Collection[str] = (),
        packages: Collection[str] = layers.PACKAGES,
        namespaces: bool = True,
        left_out: Collection[str] = (),
    ) -> None:
        self.limits = limits or CodeLimits()
        processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        children = max_children or count_children(self.limits.memory_mib)
        self.max_children = children
        self.max_running = min(children, max_running or processors)
        unknown = {*require, *left_out} - set(layers.ALL)
        if unknown:
            raise ValueError(f"There are no layers {sorted(unknown)}; there are {layers.ALL}.")
        self._packages = tuple(packages)
        self._require = (*layers.REQUIRED, *require)
        self._namespaces = namespaces
        self._left_out = tuple(left_out)
        self._runner: _Runner | None = None
        self._starting = asyncio.Lock()
        self._deaths = 0
        self._is_closed = False
        # Sessions wait for it in the order in which they came.
        self._slots = asyncio.Semaphore(self.max_running)
        # Sessions that have an interpreter, the one idle for longest first.
        self._live: OrderedDict[IsolatedSession, None] = OrderedDict()

    # --- What it is -------------------------------------------------------------------------------

    @property
    def layers(self) -> tuple[str, ...]:
        """The protections that code runs under here; none before the first session was opened."""
        return self._runner.layers if self._runner is not None else ()

    @property
    def runner_pid(self) -> int | None:
        """The process that everything else is started by; None while there is none."""
        return self._runner.pid if self._runner is not None else None

    def describe(self) -> dict[str, Any]:
        """What to store beside results. Layers and versions are known once a session was opened."""
        ready = self._runner.ready if self._runner is not None else {}
        return {
            "name": NAME,
            "version": VERSION,
            "layers": list(self.layers),
            "limits": asdict(self.limits),
            "landlock": ready.get("landlock"),
            "python": ready.get("python"),
            "packages": ready.get("packages", {}),
        }

    # --- Use --------------------------------------------------------------------------------------

    async def open_session(self) -> IsolatedSession:
        """A fresh session. SandboxUnavailable where a required layer is missing."""
        await self._get_runner()
        return IsolatedSession(self)

    async def aclose(self) -> None:
        """End everything that was started. Sessions that are still open can run no more."""
        self._is_closed = True
        async with self._starting:
            if self._runner is not None:
                await self._runner.aclose()
                self._runner = None
        self._live.clear()

    async def _get_runner(self) -> _Runner:
        """The runner; started where there is none or the last one died."""
        async with self._starting:
            if self._is_closed:
                raise SandboxError("The sandbox was closed.", code="killed")
            if self._runner is not None and self._runner.is_alive:
                return self._runner
            if self._runner is not None:
                await self._runner.aclose()
                self._runner = None
                self._deaths += 1
                self._live.clear()
            if self._deaths > MOST_DEATHS:
                raise SandboxUnavailable(
                    f"The sandbox's runner died {self._deaths} times without running a block: "
                    "is there enough memory on this machine?"
                )
            self._runner = await self._start_runner()
            return self._runner

    async def _start_runner(self) -> _Runner:
        if not sys.platform.startswith("linux"):
            raise SandboxUnavailable(
                f"Model-written code is run only on Linux, and this is {sys.platform!r}: run the "
                "worker of the queue `sandbox` in a container."
            )
        runner = await _Runner.start(
            {
                **asdict(self.limits),
                "spares": min(self.max_running + 1, self.max_children),
                "packages": self._packages,
                "namespaces": self._namespaces,
                "left_out": self._left_out,
            },
            max_reply(self.limits.output_chars),
        )
        missing = [layer for layer in self._require if layer not in runner.layers]
        if missing:
            await runner.aclose()
            message = runner.ready["reason"] or "it is not in force"
            raise SandboxUnavailable(layers.explain_missing(missing[0], message))
        return runner

    def _make_room(self) -> None:
        """Take the interpreter from the session that has been idle for longest, if all are taken.

        There is one: fewer sessions run than may have an interpreter, and the caller's has none.
        """
        while len(self._live) >= self.max_children:
            idle = next((one for one in self._live if not one.is_running), None)
            if idle is None:
                return
            idle.give_up_child()


class IsolatedSession:
    """See `Session`."""

    def __init__(self, sandbox: IsolatedSandbox) -> None:
        self._sandbox = sandbox
        self._lock = asyncio.Lock()
        # Blocks that ran to their end, in order: what a fresh interpreter is brought up with.
        self._history: list[str] = []
        self._owed = 0
        self._runner: _Runner | None = None
        self._child: int | None = None
        self._is_closed = False
        self.is_running = False

    async def run(self, code: str) -> CodeResult:
        """Run a block; see `Session.run`.

        Blocks that raised are among those that are run again: what they did before stays done.
        """
        if not code.strip():
            return CodeResult(CodeStatus.NO_CODE, NO_CODE, layers=self._sandbox.layers)
        if len(code) > MAX_CODE_CHARS:
            raise SandboxError(
                f"A block of {len(code)} characters is too long to be run; the most is "
                f"{MAX_CODE_CHARS}.",
                code="protocol",
            )
        async with self._lock, self._sandbox._slots:
            self.is_running = True
            try:
                return await self._run_somewhere(code)
            except BaseException:
                # Cancelled, or ended: whatever its interpreter is at, it goes on alone no longer.
                self.give_up_child()
                raise
            finally:
                self.is_running = False

    def remember(self, code: str) -> None:
        """See `Session.remember`."""
        self._history.append(code)
        self._owed += 1

    async def aclose(self) -> None:
        """End the interpreter. A block that runs is ended too."""
        self._is_closed = True
        self.give_up_child()

    def give_up_child(self) -> None:
        """Let the interpreter go, if there is one; the next block gets another."""
        if self._child is not None and self._runner is not None:
            self._runner.kill(self._child)
        self._child = self._runner = None
        self._sandbox._live.pop(self, None)

    async def _run_somewhere(self, code: str) -> CodeResult:
        for _ in range(ATTEMPTS):
            try:
                return await self._run_once(code)
            except _Lost:
                self.give_up_child()
        raise SandboxError(
            f"This block's interpreter was lost {ATTEMPTS} times, and not by the block's doing: is "
            "there enough memory on this machine?",
            code="killed",
        )

    async def _run_once(self, code: str) -> CodeResult:
        sandbox = self._sandbox
        runner = await sandbox._get_runner()
        if self._is_closed:
            raise SandboxError("The session was closed.", code="killed")
        if self._child is None or self._runner is not runner or not runner.has_child(self._child):
            self._child = None
            sandbox._live.pop(self, None)
            sandbox._make_room()
            self._runner, self._child = runner, runner.name_child()
            sandbox._live[self] = None
            self._owed = len(self._history)
        await self._replay(runner, self._child)
        seed = code if not self._history else None
        answer = await runner.run(self._child, code, seed=seed)
        sandbox._deaths = 0
        sandbox._live.move_to_end(self)
        result = self._read(answer, runner)
        if "fault" in answer:
            self.give_up_child()
        else:
            # Before what was remembered meanwhile, which this interpreter has not seen.
            self._history.insert(len(self._history) - self._owed, code)
        return result

    async def _replay(self, runner: _Runner, child: int) -> None:
        """Run again what this interpreter has not seen; SandboxError where that cannot be done."""
        latest = time.monotonic() + REPLAY_BLOCKS * self._sandbox.limits.wall_s
        first = len(self._history) - self._owed
        for at in range(first, len(self._history)):
            block = self._history[at]
            # It went well once: a machine that is busier now shall not make it fail.
            answer = await runner.run(
                child, block, seed=block if at == 0 else None, slack=REPLAY_SLACK
            )
            if "fault" in answer or time.monotonic() > latest:
                why = answer.get("message") or "they took too long"
                raise SandboxError(
                    f"What earlier blocks had defined could not be made again: {why}", code="killed"
                )
            self._owed -= 1

    def _read(self, answer: Mapping[str, Any], runner: _Runner) -> CodeResult:
        """The runner's answer in the words that a model is shown; SandboxError for our faults."""
        fault = answer.get("fault")
        wall_ms = int(answer["wall_ms"])
        if fault == "timeout":
            return CodeResult(CodeStatus.TIMEOUT, TIMED_OUT, wall_ms=wall_ms, layers=runner.layers)
        if fault is not None:
            self.give_up_child()
            raise SandboxError(str(answer["message"]), code=str(fault))
        status = CodeStatus(answer["status"])
        output = str(answer["text"]) if status is CodeStatus.OK else ERROR_PREFIX + answer["text"]
        if answer["cut"]:
            output += "\n" + _CUT.format(self._sandbox.limits.output_chars)
        output = _UNSTORABLE.sub("\ufffd", output)
        return CodeResult(status, output, bool(answer["cut"]), wall_ms, runner.layers)


class _Runner:
    """The runner process, as seen from the worker's loop."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        max_frame: int,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._max_frame = max_frame
        self._numbers = itertools.count()
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._children: set[int] = set()
        # Those of them that no block was sent to yet.
        self._named: set[int] = set()
        self._listening: asyncio.Task[None] | None = None
        self.ready: dict[str, Any] = {}
        self.is_alive = True

    @classmethod
    async def start(cls, settings: Mapping[str, Any], max_frame: int) -> _Runner:
        """Start one, and wait until it is ready. SandboxUnavailable where it cannot be."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = start_process(
                    build_command("runner", theirs.fileno()),
                    pass_fds=(theirs.fileno(),),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            except OSError as error:
                ours.close()
                raise SandboxUnavailable(
                    f"The sandbox's runner cannot be started: {error}."
                ) from None
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        runner = cls(process, reader, writer, max_frame)
        try:
            writer.write(pack({"op": "start", **settings}))
            first = await asyncio.wait_for(runner._read(), START_S)
        except (OSError, EOFError):
            await runner.aclose()
            raise SandboxUnavailable(
                f"The sandbox's runner ended at once, with status {process.returncode}: can "
                f"{sys.executable} be executed, and is there enough memory?"
            ) from None
        except BaseException as error:
            await runner.aclose()
            if isinstance(error, TimeoutError):
                raise SandboxUnavailable(
                    f"The sandbox's runner was not ready after {START_S:.0f} s."
                ) from None
            raise
        if first["op"] != "ready":
            await runner.aclose()
            if first["op"] == "unavailable":
                raise SandboxUnavailable(layers.explain_missing(first["layer"], first["message"]))
            raise SandboxUnavailable(f"The sandbox's runner failed: {first['message']}")
        runner.ready = first
        runner._listening = asyncio.create_task(runner._listen())
        return runner

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(self.ready["layers"])

    def name_child(self) -> int:
        """A number for an interpreter that the next block makes."""
        number = next(self._numbers)
        self._children.add(number)
        self._named.add(number)
        return number

    def has_child(self, number: int) -> bool:
        """Whether it has not ended, as far as is known."""
        return self.is_alive and number in self._children

    async def run(
        self, child: int, code: str, *, seed: str | None, slack: float = 1.0
    ) -> dict[str, Any]:
        """Have a block run, and its answer. _Lost when the runner or the interpreter is gone."""
        request = next(self._numbers)
        frame = {
            "op": "run",
            "request": request,
            "child": child,
            "is_new": child in self._named,
            "code": code,
            "slack": slack,
        }
        self._named.discard(child)
        if seed is not None:
            frame["seed"] = seed
        if not self.is_alive:
            raise _Lost
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[request] = answer
        try:
            self._writer.write(pack(frame))
            reply = await answer
        finally:
            del self._asked[request]
        if reply.get("fault") == "gone":
            raise _Lost
        return reply

    def kill(self, child: int) -> None:
        """End an interpreter; what it is at is answered by nobody."""
        self._named.discard(child)
        if child in self._children:
            self._children.remove(child)
            if self.is_alive:
                self._writer.write(pack({"op": "kill", "child": child}))

    async def aclose(self) -> None:
        """End the process, and all that it started."""
        self._lose()
        # Its end of the connection closes too, and whatever else still lives goes with it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._listening is not None:
            self._listening.cancel()
        await _wait_for(self._process)
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _listen(self) -> None:
        try:
            while True:
                frame = await self._read()
                if frame["op"] == "done":
                    answer = self._asked.get(frame["request"])
                    if answer is not None and not answer.done():
                        answer.set_result(frame)
                elif frame["op"] == "gone":
                    self._children.discard(frame["child"])
                else:
                    return
        except (OSError, EOFError):
            return
        finally:
            self._lose()

    async def _read(self) -> dict[str, Any]:
        header = await self._reader.readexactly(HEADER.size)
        (length,) = HEADER.unpack(header)
        if length > self._max_frame + 65_536:
            raise EOFError
        return unpack(await self._reader.readexactly(length))

    def _lose(self) -> None:
        """Nothing can be asked any more: whoever waits hears so."""
        self.is_alive = False
        self._writer.close()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(_Lost())


async def _wait_for(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a process that was killed, without a thread."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    try:
        watch = os.pidfd_open(process.pid)
    except ProcessLookupError:
        process.wait()
        return
    try:
        loop.add_reader(watch, ended.set)
        await ended.wait()
    finally:
        loop.remove_reader(watch)
        os.close(watch)
    process.wait()


def build_sandbox(
    limits: CodeLimits | None = None,
    *,
    max_children: int | None = None,
    max_running: int | None = None,
    require: Collection[str] = (),
) -> IsolatedSandbox:
    """The sandbox of a worker. Nothing is started before the first session is opened.

    `require` names layers without which nothing is to be run, beyond those that always are:
    `namespaces`, `own-root`, `own-user`. ValueError for a name that does not exist.
    """
    return IsolatedSandbox(
        limits, max_children=max_children, max_running=max_running, require=require
    )
