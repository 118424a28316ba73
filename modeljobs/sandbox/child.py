"""One interpreter: it gives up everything but arithmetic, proves it, and then runs blocks of code.

Nothing in this process is secret or trusted once the first block has run. What it says is checked
by the runner, which ends it.
"""

from __future__ import annotations

import hashlib
import io
import json
import mmap
import os
import random
import resource
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from modeljobs.sandbox import landlock, linux, seccomp
from modeljobs.sandbox.frames import HEADER, pack
from modeljobs.sandbox.layers import LANDLOCK, RLIMITS, SECCOMP, SELF_TEST, LayerMissing

MIB = 1 << 20
# A session is meant to run some dozens of blocks, few of which take all the time they may.
BLOCKS_OF_CPU = 100
OPEN_FILES = 32
# Let go when memory ends, so that there is enough to say so. Never touched, so it costs nothing.
BALLAST = 2 * MIB
# The descriptors that an interpreter has: the first three lead nowhere.
CONNECTION = 3


@dataclass(frozen=True, slots=True)
class Confinement:
    """What every interpreter of a runner is bound by, made ready before the first is forked.

    `address_mib` and `data_mib` are what Python and its libraries take already. `left_out` names
    layers to do without: for tests of the self-test.
    """

    ruleset: int
    program: bytes
    memory_mib: int
    cpu_s: float
    address_mib: int
    data_mib: int
    output_chars: int
    left_out: frozenset[str] = frozenset()

    @property
    def rlimits(self) -> dict[int, int]:
        """Each limit, soft and hard alike."""
        return {
            resource.RLIMIT_AS: (self.address_mib + self.memory_mib) * MIB,
            resource.RLIMIT_DATA: (self.data_mib + self.memory_mib) * MIB,
            resource.RLIMIT_CPU: max(1, int(self.cpu_s * BLOCKS_OF_CPU)),
            resource.RLIMIT_FSIZE: 0,
            resource.RLIMIT_NPROC: 0,
            resource.RLIMIT_NOFILE: OPEN_FILES,
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_MEMLOCK: 0,
            resource.RLIMIT_MSGQUEUE: 0,
        }


def run_child(connection: int, confinement: Confinement, *, parent: int) -> NoReturn:
    """Confine this process, say hello, and run blocks until the connection ends.

    `parent` is what the process that forked this one looks like from here; 0 where it is outside.
    """
    status = 1
    try:
        os.dup2(connection, CONNECTION)
        os.closerange(CONNECTION + 1, confinement.ruleset)
        os.closerange(confinement.ruleset + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        try:
            confine(confinement, parent=parent)
            proved = [] if SELF_TEST in confinement.left_out else test_self(confinement)
        except LayerMissing as error:
            _send({"missing": error.layer, "message": error.message})
        else:
            _send({"layers": proved})
            serve(confinement.output_chars)
            status = 0
    finally:
        # No exit handlers, no buffers: what the code left behind is not run.
        os._exit(status)


# --- Confinement ----------------------------------------------------------------------------------


def confine(confinement: Confinement, *, parent: int) -> None:
    """Give everything up, in the order in which it is still possible."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    sys.argv[:] = [""]
    linux.drop_capabilities()
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    if RLIMITS not in confinement.left_out:
        for limit, value in confinement.rlimits.items():
            try:
                resource.setrlimit(limit, (value, value))
            except (OSError, ValueError) as error:
                raise LayerMissing(RLIMITS, str(error)) from None
    if LANDLOCK not in confinement.left_out:
        try:
            landlock.restrict_self(confinement.ruleset)
        except OSError as error:
            raise LayerMissing(LANDLOCK, str(error)) from None
    os.close(confinement.ruleset)
    if SECCOMP not in confinement.left_out:
        try:
            seccomp.install_filter(confinement.program)
        except OSError as error:
            raise LayerMissing(SECCOMP, str(error)) from None


def test_self(confinement: Confinement) -> list[str]:
    """Try what must fail, and name the layers that were seen to hold; LayerMissing otherwise."""
    for limit, value in confinement.rlimits.items():
        if resource.getrlimit(limit) != (value, value):
            raise LayerMissing(RLIMITS, f"limit {limit} is {resource.getrlimit(limit)}")
    # The root is there in every mount namespace, and everybody may read it: only Landlock refuses.
    for path in ("/", "/etc/passwd"):
        try:
            os.close(os.open(path, os.O_RDONLY))
        except PermissionError:
            continue
        except FileNotFoundError:
            if path != "/":
                continue
        raise LayerMissing(LANDLOCK, f"{path} could be opened")
    try:
        socket.socket().close()
    except PermissionError:
        pass
    else:
        raise LayerMissing(SECCOMP, "a socket could be made")
    try:
        child = os.fork()
    except PermissionError:
        pass
    except OSError as error:
        # The limit on processes answers otherwise: the filter would have been asked first.
        raise LayerMissing(SECCOMP, f"fork was refused by something else: {error}") from None
    else:
        if child == 0:
            os._exit(0)
        raise LayerMissing(SECCOMP, "a process could be forked")
    return [RLIMITS, LANDLOCK, SECCOMP, SELF_TEST]


# --- Blocks ---------------------------------------------------------------------------------------


class Capture(io.TextIOBase):
    """Standard output: its first `limit` characters after leading white space, as `str.strip` does.

    It has no encoding, as the StringIO of the reference has none: libraries that draw with Unicode
    where they can, draw the same.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[str] = []
        self._length = 0
        self._is_cut = False

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"string argument expected, got {type(text).__name__!r}")
        rest = text if self._length else text.lstrip()
        room = self._limit - self._length
        if rest and room:
            kept = str(rest[:room])
            self._parts.append(kept)
            self._length += len(kept)
        # White space at the end would have been stripped.
        self._is_cut = self._is_cut or bool(rest[room:].strip())
        return len(text)

    def read_out(self) -> tuple[str, bool]:
        """What was kept, stripped, and whether there was more."""
        return "".join(self._parts).strip(), self._is_cut


class Discard(io.TextIOBase):
    """Standard error: nobody reads it."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return len(text)


def serve(output_chars: int) -> None:
    """Run blocks in one namespace until the connection ends."""
    # As the reference has it: no __name__, so that `if __name__ == "__main__"` is not run.
    namespace: dict[str, Any] = {}
    sys.stderr = Discard()
    ballast = _take_ballast()
    while (request := _read()) is not None:
        if "seed" in request:
            seed_generators(str(request["seed"]))
        status, text, is_cut = run_block(str(request["code"]), namespace, output_chars)
        if status == "error" and text.startswith("MemoryError"):
            _let_go(ballast)
            ballast = None
        _send({"nonce": request["nonce"], "status": status, "text": text, "cut": is_cut})
        if ballast is None:
            ballast = _take_ballast()


def run_block(code: str, namespace: dict[str, Any], limit: int) -> tuple[str, str, bool]:
    """Run a block: "ok" and what it printed, or "error" and the exception; and whether it was cut.

    Every exception is the code's own, SystemExit and KeyboardInterrupt too.
    """
    capture = Capture(limit)
    sys.stdout = capture
    try:
        # Not inherited: the __future__ of this file.
        exec(compile(code, "<string>", "exec", dont_inherit=True), namespace)  # noqa: S102
    except BaseException as error:
        said = describe_error(error)
        return "error", said[:limit], len(said) > limit
    finally:
        sys.settrace(None)
        sys.setprofile(None)
        sys.stdout = Discard()
    return "ok", *capture.read_out()


def describe_error(error: BaseException) -> str:
    """`ExcType: message`, as the reference has it."""
    try:
        return f"{type(error).__name__}: {error}"
    except BaseException:
        return f"{type.__getattribute__(type(error), '__name__')}: <unprintable>"


def seed_generators(text: str) -> None:
    """Give the generators of random numbers a state that depends on the text alone.

    What a session does then is the same whenever its blocks are run again.
    """
    seed = int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:4])
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed)


def _take_ballast() -> mmap.mmap | None:
    try:
        return mmap.mmap(-1, BALLAST)
    except (OSError, MemoryError):
        return None


def _let_go(ballast: mmap.mmap | None) -> None:
    if ballast is not None:
        ballast.close()


def _read() -> Mapping[str, Any] | None:
    """The next request; None when the runner is gone."""
    header = _read_exactly(HEADER.size)
    if header is None:
        return None
    body = _read_exactly(HEADER.unpack(header)[0])
    return None if body is None else dict(json.loads(body))


def _read_exactly(length: int) -> bytes | None:
    parts = []
    while length:
        part = os.read(CONNECTION, min(length, MIB))
        if not part:
            return None
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _send(frame: Mapping[str, Any]) -> None:
    rest = pack(frame)
    while rest:
        rest = rest[os.write(CONNECTION, rest) :]
