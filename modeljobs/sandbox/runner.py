"""The sandbox's own process: it owns the interpreters, watches the clock and checks what they say.

It is executed with an empty environment and one connection, to the worker:

    worker -> {op: start, …}                 first, once: the limits
    worker -> {op: run, request, child, is_new, code, slack, seed?}
    worker -> {op: kill, child}              `child` is a number of the worker's
    runner -> {op: ready, layers, …} | {op: unavailable, layer, message}
    runner -> {op: done, request, status, text, cut, wall_ms}
    runner -> {op: done, request, fault, message}
    runner -> {op: gone, child}              an idle interpreter ended

Below it is the zygote, and below that one process for each child. Code goes through this process
and never through the zygote, so that no interpreter inherits the code of another.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import re
import secrets
import select
import signal
import socket
import sys
import time
import traceback
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from modeljobs.sandbox import landlock, layers, linux, places, seccomp, zygote
from modeljobs.sandbox.child import Confinement, run_child
from modeljobs.sandbox.frames import MAX_REQUEST, BadFrame, Channel, max_reply
from modeljobs.sandbox.layers import WALL_CLOCK, LayerMissing
from modeljobs.sandbox.places import Place

# An interpreter that has not said hello by then never will.
HELLO_S = 30.0
# At the start a block that never ends must be ended: after so long, and no later than that.
TRIAL_WALL_S = 0.05
TRIAL_LATEST_S = 2.0
ENDLESS = "while True:\n    pass"
FIRST_FREE_FILE = 16
# The fault that is nobody's: the worker has the block run in another interpreter.
GONE = "gone"
# How often the processor time of a block is looked at, at the most.
SHORTEST_LOOK_S = 0.02


class State(Enum):
    """What an interpreter is doing, as far as the runner knows."""

    STARTING = "starting"
    SPARE = "spare"
    IDLE = "idle"
    RUNNING = "running"
    DOOMED = "doomed"


@dataclass(slots=True)
class Run:
    """A block that an interpreter is at, or waits for one. Times are of time.monotonic."""

    request: int
    code: str
    seed: str | None = None
    # How many times the usual limits of time it may take.
    slack: float = 1.0
    nonce: str = ""
    began: float = 0.0
    deadline: float = 0.0
    # When to look at its processor time next, and what the clock showed at its beginning.
    look_at: float = 0.0
    clock_ns: int = -1
    fault: tuple[str, str] | None = None


@dataclass(slots=True)
class Child:
    """An interpreter. `number` is what the worker calls it; None for a spare one."""

    key: int
    channel: Channel
    state: State = State.STARTING
    number: int | None = None
    pidfd: int = -1
    run: Run | None = None
    hello_by: float = 0.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What the worker says at the start."""

    wall_s: float
    cpu_s: float
    memory_mib: int
    output_chars: int
    spares: int
    namespaces: bool
    packages: tuple[str, ...] = ()
    left_out: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def read(cls, frame: Mapping[str, Any]) -> Settings:
        return cls(
            wall_s=float(frame["wall_s"]),
            cpu_s=float(frame["cpu_s"]),
            memory_mib=int(frame["memory_mib"]),
            output_chars=int(frame["output_chars"]),
            spares=int(frame["spares"]),
            namespaces=bool(frame["namespaces"]),
            packages=tuple(frame["packages"]),
            left_out=frozenset(frame["left_out"]),
        )


class Done(Exception):
    """The worker is gone, or the runner cannot go on."""


def main(connection: int) -> NoReturn:
    """Serve the worker at the other end of this descriptor until it is gone, then end."""
    worker = socket.socket(fileno=connection)
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    channel = Channel(worker, max_frame=MAX_REQUEST)
    try:
        runner = prepare(channel, _await_settings(channel))
        runner.start()
        runner.serve()
    except LayerMissing as error:
        _say_last(channel, {"op": "unavailable", "layer": error.layer, "message": error.message})
    except (Done, EOFError, BrokenPipeError, ConnectionResetError):
        pass
    except Exception:
        # Nobody reads this process's standard error.
        _say_last(channel, {"op": "failed", "message": traceback.format_exc(limit=-3)})
    finally:
        # Nothing to tidy up: what this process owned ends with it.
        os._exit(0)


def prepare(channel: Channel, settings: Settings) -> Runner:
    """Load the libraries, move to a place apart, and start the zygote there."""
    check_machine()
    zygote.load_libraries(settings.packages)
    libraries = places.list_libraries(settings.packages)
    place, reason, confinement = move_apart(settings, libraries)
    # Modules of the project are loaded: nobody needs to find more of them, or of other packages.
    sys.path[:] = [path for path in sys.path if places.is_standard(path, libraries)]
    for path in [*sys.path_importer_cache]:
        if not places.is_within(path, libraries):
            del sys.path_importer_cache[path]
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        ours.close()
        channel.sock.close()
        zygote.run_zygote(theirs, confinement, apart=place.user)
    theirs.close()
    os.close(confinement.ruleset)
    return Runner(channel, ours, settings, place_layers=place.layers, reason=reason)


def move_apart(settings: Settings, libraries: tuple[str, ...]) -> tuple[Place, str, Confinement]:
    """Go where only the libraries can be reached, and make ready what interpreters are bound by.

    Says what place it is, and why it is no better one ("" where it is the best). LayerMissing.
    """
    place, reason = places.choose_place(libraries, namespaces=settings.namespaces)
    address_mib, data_mib = _read_own_size()
    _raise_oom_score()
    places.enter(place, libraries)
    # Only now: becoming another user, or getting capabilities, forgets it.
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    try:
        # Out of the way of the few descriptors that an interpreter keeps.
        ruleset = fcntl.fcntl(
            landlock.build_ruleset(libraries), fcntl.F_DUPFD_CLOEXEC, FIRST_FREE_FILE
        )
    except OSError as error:
        raise LayerMissing(layers.LANDLOCK, str(error)) from None
    confinement = Confinement(
        ruleset=ruleset,
        program=seccomp.build_filter(),
        memory_mib=settings.memory_mib,
        cpu_s=settings.cpu_s,
        address_mib=address_mib,
        data_mib=data_mib,
        output_chars=settings.output_chars,
        left_out=settings.left_out,
    )
    return place, reason, confinement


def try_confinement(confinement: Confinement) -> list[str]:
    """The required layers, as seen in one interpreter that runs no code; LayerMissing."""
    ours, theirs = socket.socketpair()
    parent = os.getpid()
    process = os.fork()
    if process == 0:
        # In a process namespace that this process itself is not in, it has no parent.
        run_child(theirs.fileno(), confinement, parent=os.getppid() and parent)
    theirs.close()
    channel = Channel(ours, max_frame=max_reply(0))
    poll = select.poll()
    poll.register(ours, select.POLLIN)
    try:
        poll.poll(HELLO_S * 1000)
        said = next(channel.receive(), {})
    except EOFError:
        said = {}
    # It waits for a block that never comes: what ends it is what ends a block that never ends.
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if "missing" in said:
        raise LayerMissing(str(said["missing"]), str(said["message"]))
    if "layers" not in said:
        raise LayerMissing(layers.SELF_TEST, f"an interpreter {describe_end(status)}")
    return [*said["layers"], WALL_CLOCK]


def check_machine() -> None:
    """LayerMissing where this machine's kernel cannot do what is required, so far as it says so."""
    if not linux.is_known_machine():
        raise LayerMissing(layers.SECCOMP, f"the machine is {platform.machine()!r}")
    if landlock.find_version() < 1:
        raise LayerMissing(layers.LANDLOCK, "the kernel does not offer it to this process")


class Runner:
    """Interpreters, who has which, and what they are at."""

    def __init__(
        self,
        worker: Channel,
        zygote_socket: socket.socket,
        settings: Settings,
        *,
        place_layers: tuple[str, ...],
        reason: str,
    ) -> None:
        self._worker = worker
        self._zygote = zygote_socket
        self._settings = settings
        self._place_layers = place_layers
        self._reason = reason
        self._poll = select.poll()
        self._poll.register(worker.sock, select.POLLIN)
        self._poll.register(zygote_socket, select.POLLIN)
        self._last_key = 0
        self._children: dict[int, Child] = {}
        self._by_file: dict[int, Child] = {}
        self._by_number: dict[int, Child] = {}
        self._spares: deque[Child] = deque()
        # Blocks of children that do not exist yet: the worker's number, and the block.
        self._waiting: deque[tuple[int, Run]] = deque()
        self._layers: list[str] | None = None

    # --- Starting ---------------------------------------------------------------------------------

    def start(self) -> None:
        """See an interpreter prove itself, and an endless block be ended; then say so.

        LayerMissing where one of the required layers is not in force.
        """
        self._fork()
        while not self._spares:
            self._turn()
        proved = self._layers or []
        if layers.SELF_TEST not in proved:
            raise LayerMissing(layers.SELF_TEST, "an interpreter was ready without it")
        for layer in layers.REQUIRED:
            if layer != WALL_CLOCK and layer not in proved:
                raise LayerMissing(layer, "the self-test did not see it")
        trial = self._spares.popleft()
        began = time.monotonic()
        self._begin(trial, Run(request=-1, code=ENDLESS), wall_s=TRIAL_WALL_S)
        while trial.state is State.RUNNING:
            # Whatever is due is done in each turn: a process that was held up ends it late.
            is_over = time.monotonic() > began + TRIAL_LATEST_S
            self._turn(latest=began + TRIAL_LATEST_S)
            if is_over and trial.state is State.RUNNING:
                raise LayerMissing(WALL_CLOCK, "a block that never ends was not ended")
        self._layers = [*proved, WALL_CLOCK, *self._place_layers]
        self._fill()
        while len(self._spares) < self._settings.spares:
            self._turn()
        self._worker.send(
            {
                "op": "ready",
                "layers": self._layers,
                "reason": self._reason,
                "landlock": landlock.find_version(),
                "python": platform.python_version(),
                "packages": {
                    name: str(getattr(import_module(name), "__version__", ""))
                    for name in self._settings.packages
                },
            }
        )

    def serve(self) -> None:
        """Go on until the worker is gone (Done, EOFError)."""
        while True:
            self._turn()

    # --- The loop ---------------------------------------------------------------------------------

    def _turn(self, latest: float | None = None) -> None:
        """Wait for something to happen, and deal with it."""
        for channel in (self._worker, *(child.channel for child in self._by_file.values())):
            self._poll.register(
                channel.sock, select.POLLIN | (select.POLLOUT if channel.is_waiting else 0)
            )
        for file, events in self._poll.poll(self._find_patience(latest)):
            if file == self._worker.sock.fileno():
                if events & select.POLLOUT:
                    self._worker.flush()
                if events & ~select.POLLOUT:
                    for frame in self._worker.receive():
                        self._obey(frame)
            elif file == self._zygote.fileno():
                self._hear_zygote()
            elif file in self._by_file:
                self._hear(self._by_file[file], events)
        # After what has come: an answer in time is not late because this process was.
        self._check_clocks()

    def _find_patience(self, latest: float | None) -> float | None:
        """Milliseconds until the next thing is due; None where nothing is."""
        due = [] if latest is None else [latest]
        for child in self._children.values():
            if child.state is State.STARTING:
                due.append(child.hello_by)
            elif child.state is State.RUNNING and child.run is not None:
                if WALL_CLOCK not in self._settings.left_out:
                    due.append(child.run.deadline)
                if child.run.look_at:
                    due.append(child.run.look_at)
        # Rounded up: a moment too early would be a turn for nothing.
        return max(0.0, min(due) - time.monotonic()) * 1000 + 1 if due else None

    def _check_clocks(self) -> None:
        now = time.monotonic()
        for child in list(self._children.values()):
            if child.state is State.STARTING and now > child.hello_by:
                raise LayerMissing(layers.SELF_TEST, f"no answer for {HELLO_S:.0f} s")
            if child.state is not State.RUNNING or child.run is None:
                continue
            if now >= child.run.deadline and WALL_CLOCK not in self._settings.left_out:
                self._end(child, "timeout", "")
            elif child.run.look_at and now >= child.run.look_at:
                # Asked again only when the answer has come.
                child.run.look_at = 0.0
                self._ask_clock(child, child.run)

    # --- The worker -------------------------------------------------------------------------------

    def _obey(self, frame: Mapping[str, Any]) -> None:
        number = int(frame["child"])
        child = self._by_number.get(number)
        if frame["op"] == "kill":
            if child is not None:
                self._kill(child)
            self._drop_waiting(number)
            return
        run = Run(
            request=int(frame["request"]),
            code=frame["code"],
            seed=frame.get("seed"),
            slack=float(frame["slack"]),
        )
        if child is not None and child.state is State.IDLE:
            self._begin(child, run)
        elif frame["is_new"]:
            self._waiting.append((number, run))
            self._give_spares()
            self._fill()
        else:
            # It ended a moment ago, and with it what earlier blocks had defined.
            self._say_fault(run, GONE, "The interpreter had ended.")

    def _drop_waiting(self, number: int) -> None:
        for one in [one for one in self._waiting if one[0] == number]:
            self._waiting.remove(one)
            self._say_fault(one[1], "killed", "The session was closed.")

    def _say_fault(self, run: Run, fault: str, message: str) -> None:
        self._worker.send(
            {
                "op": "done",
                "request": run.request,
                "fault": fault,
                "message": message,
                "wall_ms": _milliseconds(run) if run.began else 0,
            }
        )

    def _give_spares(self) -> None:
        while self._waiting and self._spares:
            number, run = self._waiting.popleft()
            child = self._spares.popleft()
            child.number = number
            self._by_number[number] = child
            self._begin(child, run)

    def _begin(self, child: Child, run: Run, *, wall_s: float | None = None) -> None:
        settings = self._settings
        child.state = State.RUNNING
        child.run = run
        # Code of an earlier block cannot know it, and so cannot answer for this one.
        run.nonce = secrets.token_hex(8)
        frame = {"nonce": run.nonce, "code": run.code}
        if run.seed is not None:
            frame["seed"] = run.seed
        run.began = time.monotonic()
        run.deadline = run.began + (settings.wall_s * run.slack if wall_s is None else wall_s)
        if settings.cpu_s < settings.wall_s:
            # Without threads it cannot use more processor time than time.
            run.look_at = run.began + settings.cpu_s * run.slack
            self._ask_clock(child, run)
        try:
            _signal(child, signal.SIGCONT)
            child.channel.send(frame)
        except OSError:
            self._end(child, GONE, "The interpreter had ended.")

    # --- Interpreters -----------------------------------------------------------------------------

    def _fill(self) -> None:
        """Have as many interpreters ready, or getting ready, as are wanted."""
        coming = sum(child.state is State.STARTING for child in self._children.values())
        wanted = self._settings.spares + len(self._waiting) - len(self._spares) - coming
        for _ in range(wanted):
            self._fork()

    def _fork(self) -> None:
        ours, theirs = socket.socketpair()
        self._last_key += 1
        channel = Channel(ours, max_frame=max_reply(self._settings.output_chars))
        child = Child(self._last_key, channel, hello_by=time.monotonic() + HELLO_S)
        self._children[child.key] = child
        self._by_file[ours.fileno()] = child
        self._poll.register(ours, select.POLLIN)
        message = zygote.MESSAGE.pack(zygote.FORK, child.key, 0, 0)
        try:
            socket.send_fds(self._zygote, [message], [theirs.fileno()])
        except OSError as error:
            raise Done from error
        theirs.close()

    def _hear(self, child: Child, events: int) -> None:
        """Take in what an interpreter says. Nothing of it is believed before it was checked."""
        try:
            if events & select.POLLOUT:
                child.channel.flush()
            for frame in child.channel.receive():
                self._take(child, frame)
        except BadFrame as error:
            self._end(child, "protocol", f"The interpreter did not answer as it should: {error}.")
        except (EOFError, OSError) as error:
            if isinstance(error, ConnectionResetError) and child.run is not None:
                # It ended before it had read the block, so not because of it.
                child.run.fault = child.run.fault or (GONE, "The interpreter had ended.")
            # How it ended is what the zygote is going to say.
            self._forget_file(child)
            _signal(child, signal.SIGKILL)

    def _take(self, child: Child, frame: Mapping[str, Any]) -> None:
        if child.state is State.STARTING:
            self._take_hello(child, frame)
        elif child.state is State.RUNNING and child.run is not None:
            self._take_answer(child, child.run, frame)
        elif child.state is not State.DOOMED:
            raise BadFrame("it spoke without being asked")

    def _take_hello(self, child: Child, frame: Mapping[str, Any]) -> None:
        """No foreign code has run in it yet."""
        if "missing" in frame:
            raise LayerMissing(str(frame["missing"]), str(frame["message"]))
        if self._layers is None:
            self._layers = list(frame["layers"])
        elif not set(frame["layers"]) <= set(self._layers):
            raise LayerMissing(layers.SELF_TEST, "interpreters differ")
        child.state = State.SPARE
        self._spares.append(child)
        self._give_spares()

    def _take_answer(self, child: Child, run: Run, frame: Mapping[str, Any]) -> None:
        status, text, is_cut = frame.get("status"), frame.get("text"), frame.get("cut")
        if frame.get("nonce") != run.nonce:
            raise BadFrame("it answered another question")
        if status not in ("ok", "error") or not isinstance(is_cut, bool):
            raise BadFrame("its answer has other parts")
        if not isinstance(text, str) or len(text) > self._settings.output_chars:
            raise BadFrame("its answer is too long")
        child.run = None
        child.state = State.IDLE
        # Until it is asked again it gets no processor time: it may have only pretended to be done.
        _signal(child, signal.SIGSTOP)
        self._worker.send(
            {
                "op": "done",
                "request": run.request,
                "status": status,
                "text": text,
                "cut": is_cut,
                "wall_ms": _milliseconds(run),
            }
        )

    def _end(self, child: Child, fault: str, message: str) -> None:
        """End an interpreter, and its block with this fault. The worker hears when it has ended."""
        if child.run is not None and child.run.fault is None:
            child.run.fault = (fault, message)
        if child.run is None and child.number is not None and child.state is not State.DOOMED:
            self._worker.send({"op": "gone", "child": child.number})
        self._kill(child)

    def _kill(self, child: Child) -> None:
        child.state = State.DOOMED
        if child in self._spares:
            self._spares.remove(child)
        _signal(child, signal.SIGKILL)

    def _forget_file(self, child: Child) -> None:
        if self._by_file.pop(child.channel.sock.fileno(), None) is not None:
            self._poll.unregister(child.channel.sock)
            child.channel.sock.close()

    # --- The zygote -------------------------------------------------------------------------------

    def _hear_zygote(self) -> None:
        message, files, _, _ = socket.recv_fds(self._zygote, zygote.MESSAGE.size, 1)
        if not message:
            raise Done
        what, key, serial, value = zygote.MESSAGE.unpack(message)
        child = self._children[key]
        if what == zygote.FORKED:
            child.pidfd = files[0]
            # It may have come far while this was under way.
            if child.state is State.DOOMED or child.channel.sock.fileno() < 0:
                _signal(child, signal.SIGKILL)
            elif child.state is State.IDLE:
                _signal(child, signal.SIGSTOP)
        elif what == zygote.CLOCK:
            self._take_clock(child, serial, value)
        else:
            self._bury(child, value)

    def _bury(self, child: Child, status: int) -> None:
        """An interpreter has ended: whoever waits for it hears how."""
        # What it said before comes first.
        while child.channel.sock.fileno() in self._by_file:
            self._hear(child, select.POLLIN)
        del self._children[child.key]
        if child.pidfd >= 0:
            os.close(child.pidfd)
        if child.state is State.STARTING:
            raise LayerMissing(layers.SELF_TEST, f"an interpreter {describe_end(status)}")
        if child in self._spares:
            self._spares.remove(child)
        if child.number is not None:
            del self._by_number[child.number]
        run = child.run
        if run is not None and run.request >= 0:
            message = f"The interpreter {describe_end(status)}."
            self._say_fault(run, *(run.fault or ("killed", message)))
        elif child.number is not None and child.state is State.IDLE:
            self._worker.send({"op": "gone", "child": child.number})
        self._fill()

    def _ask_clock(self, child: Child, run: Run) -> None:
        self._zygote.send(zygote.MESSAGE.pack(zygote.CLOCK, child.key, run.request, 0))

    def _take_clock(self, child: Child, serial: int, used_ns: int) -> None:
        run = child.run
        if run is None or child.state is not State.RUNNING or run.request != serial:
            return
        if run.clock_ns < 0:
            run.clock_ns = used_ns
            return
        left = self._settings.cpu_s * run.slack - (used_ns - run.clock_ns) / 1e9
        if left <= 0:
            self._end(child, "timeout", "")
        else:
            run.look_at = time.monotonic() + max(left, SHORTEST_LOOK_S)


def describe_end(status: int) -> str:
    """How a process ended, by its wait status, as the rest of a sentence."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"ended itself with status {code}"
    if -code == signal.SIGSYS:
        return "made a system call that is forbidden"
    if -code == signal.SIGKILL:
        return "was ended from outside, for memory or processor time or because it hung up"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"crashed ({name})"


def _signal(child: Child, number: signal.Signals) -> None:
    if child.pidfd < 0:
        return
    try:
        signal.pidfd_send_signal(child.pidfd, number)
    except ProcessLookupError:
        # It has ended, and the zygote is about to say so.
        return


def _milliseconds(run: Run) -> int:
    return round((time.monotonic() - run.began) * 1000)


def _await_settings(channel: Channel) -> Settings:
    poll = select.poll()
    poll.register(channel.sock, select.POLLIN)
    while True:
        poll.poll()
        for frame in channel.receive():
            return Settings.read(frame)


def _say_last(channel: Channel, frame: Mapping[str, Any]) -> None:
    with contextlib.suppress(OSError):
        channel.sock.setblocking(True)
        channel.send(frame)


def _read_own_size() -> tuple[int, int]:
    """Address space and data of this process in MiB, as the limits count them."""
    try:
        status = Path("/proc/self/status").read_text("ascii")
    except OSError as error:
        raise LayerMissing(layers.RLIMITS, f"/proc cannot be read: {error}") from None
    sizes = dict(re.findall(r"^(VmSize|VmData):\s+(\d+) kB$", status, re.MULTILINE))
    return int(sizes["VmSize"]) // 1024 + 1, int(sizes["VmData"]) // 1024 + 1


def _raise_oom_score() -> None:
    """When the machine's memory ends, interpreters go first, not the database."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
