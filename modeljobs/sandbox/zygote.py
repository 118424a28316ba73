"""The process that has everything loaded and never sees a line of code: it forks interpreters.

It is told what to do by the runner, over a socket of whole messages, and tells it what became of
its children:

    runner  -> FORK id + one end of a connection           CLOCK id serial
    zygote  -> FORKED id + a pidfd   ENDED id - status   CLOCK id serial nanoseconds
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Collection, Mapping
from importlib import import_module
from typing import NoReturn

from modeljobs.sandbox import linux
from modeljobs.sandbox.child import Confinement, run_child
from modeljobs.sandbox.places import fork_apart

FORK, FORKED, ENDED, CLOCK = range(4)
# What, which child, the serial of a question, and a wait status or nanoseconds.
MESSAGE = struct.Struct("=Iqqq")

# Of the standard library: what is asked for often, and what loads libraries of the system, which
# code may not read.
_STANDARD = (
    *("bisect", "calendar", "cmath", "collections", "copy", "csv", "datetime", "decimal"),
    *("fractions", "functools", "heapq", "itertools", "json", "math", "operator", "random"),
    *("statistics", "string", "textwrap", "typing", "re", "dataclasses", "enum", "time"),
    *("bz2", "ctypes", "hashlib", "lzma", "secrets", "uuid"),
)
# The parts of each package that take long to import.
_MODULES: Mapping[str, tuple[str, ...]] = {
    "antlr4": ("antlr4",),
    "latex2sympy2_extended": ("latex2sympy2_extended",),
    "math_verify": ("math_verify",),
    "mpmath": ("mpmath",),
    "numpy": ("numpy", "numpy.random"),
    "scipy": (
        *("scipy", "scipy.integrate", "scipy.linalg", "scipy.optimize"),
        *("scipy.special", "scipy.stats"),
    ),
    "sympy": (
        *("sympy", "sympy.abc", "sympy.geometry", "sympy.ntheory"),
        *("sympy.plotting", "sympy.stats"),
    ),
}


# One of each kind of answer, so that the parser's tables know them all.
_PAIRS = (
    ("\\frac{1}{2}", "0.5"),
    ("7", "8"),
    ("x^2-1", "(x-1)(x+1)"),
    ("2\\sqrt{3}", "\\sqrt{12}"),
    ("(1,2)", "(2,1)"),
    ("\\{1,2\\}", "\\{2,3\\}"),
    ("[0,1)", "(-\\infty,2]"),
    ("x=\\pi", "\\text{no}"),
)


def load_libraries(packages: Collection[str]) -> None:
    """Import what code is going to use, and use it once: first uses are slow.

    Nothing may start a thread: a process with threads cannot be forked safely.
    """
    for name in ("OPENBLAS", "OMP", "MKL", "NUMEXPR", "BLIS", "VECLIB_MAXIMUM"):
        os.environ[f"{name}_NUM_THREADS"] = "1"
    # Modules come first and are not looked at again: nothing here is garbage.
    gc.disable()
    for module in _STANDARD:
        import_module(module)
    for package in packages:
        for module in _MODULES[package]:
            import_module(module)
    if "sympy" in packages:
        _use_sympy()
    if "scipy" in packages:
        _use_scipy()
    if "math_verify" in packages:
        _use_math_verify()
    os.environ.clear()
    gc.collect()
    # Shared pages stay shared only while nobody counts the objects on them.
    gc.freeze()
    gc.enable()


def _use_sympy() -> None:
    import sympy

    x, y = sympy.symbols("x y")
    str(sympy.factor(x**3 - y**3))
    str(sympy.solve(x**2 - 3 * x + 2, x))
    str(sympy.solve([x + y - 3, x - y - 1], [x, y]))
    str(sympy.simplify(sympy.sin(x) ** 2 + sympy.cos(x) ** 2 + sympy.sqrt(8)))
    str(sympy.integrate(x * sympy.exp(x), (x, 0, 1)))
    str(sympy.sympify("2*x + 1/3").subs(x, 2).evalf())


def _use_scipy() -> None:
    import numpy
    import scipy.linalg

    matrix = numpy.eye(3) + 1
    repr(numpy.linalg.inv(matrix) @ matrix)
    scipy.linalg.solve(matrix, numpy.ones(3))


def _use_math_verify() -> None:
    """Its parser builds its tables at the first text, each a little further."""
    import math_verify

    def read(text: str) -> list[object]:
        found: list[object] = math_verify.parse(f"${text}$", parsing_timeout=None)
        return found

    for answer, reference in _PAIRS:
        math_verify.verify(read(reference), read(answer), timeout_seconds=None)


def run_zygote(control: socket.socket, confinement: Confinement, *, apart: bool) -> NoReturn:
    """Fork interpreters until the runner is gone. `apart`: each in a process namespace of its own.

    Ends the process, whatever happens.
    """
    try:
        # None of it may outlive the runner; and where this process is the first of a namespace,
        # nothing in there outlives this one.
        linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
        _Zygote(control, confinement, apart=apart).serve()
    finally:
        os._exit(0)


class _Zygote:
    def __init__(self, control: socket.socket, confinement: Confinement, *, apart: bool) -> None:
        self._control = control
        self._confinement = confinement
        self._own_pidfd = os.pidfd_open(os.getpid()) if apart else None
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        # pidfd -> (id, process id)
        self._children: dict[int, tuple[int, int]] = {}

    def serve(self) -> None:
        while True:
            for file, _ in self._poll.poll():
                if file != self._control.fileno():
                    self._reap(file)
                elif not self._obey():
                    return

    def _obey(self) -> bool:
        """Do what the next message says; False when the runner is gone."""
        message, files, _, _ = socket.recv_fds(self._control, MESSAGE.size, 1)
        if not message:
            return False
        what, key, serial, _ = MESSAGE.unpack(message)
        if what == FORK:
            self._fork(key, files[0])
        else:
            self._tell_clock(key, serial)
        return True

    def _fork(self, key: int, connection: int) -> None:
        # In a namespace of its own a child cannot see who forked it.
        parent = 0 if self._own_pidfd is not None else os.getpid()
        process = fork_apart(self._own_pidfd)
        if process == 0:
            run_child(connection, self._confinement, parent=parent)
        os.close(connection)
        pidfd = os.pidfd_open(process)
        self._children[pidfd] = (key, process)
        self._poll.register(pidfd, select.POLLIN)
        socket.send_fds(self._control, [MESSAGE.pack(FORKED, key, 0, 0)], [pidfd])

    def _reap(self, pidfd: int) -> None:
        key, process = self._children.pop(pidfd)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(process, 0)
        self._control.send(MESSAGE.pack(ENDED, key, 0, status))

    def _tell_clock(self, key: int, serial: int) -> None:
        """Say how much processor time a child has used; nothing when it has ended."""
        for other, process in self._children.values():
            if other == key:
                # The kernel's number for the clock of a whole process (CPUCLOCK_SCHED).
                clock = (~process << 3) | 2
                used = time.clock_gettime_ns(clock)
                self._control.send(MESSAGE.pack(CLOCK, key, serial, used))
