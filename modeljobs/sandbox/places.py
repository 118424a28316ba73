"""Where the interpreters live: a user, namespaces and a root directory of their own.

Done once, by the runner, for all the processes that it starts. Which way of doing it works on a
machine is found out by trying it in a process that ends.
"""

from __future__ import annotations

import os
import shutil
import signal
import sysconfig
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from modeljobs.sandbox import layers, linux
from modeljobs.sandbox.linux import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
)

# The user and group that root becomes: those that own nothing.
NOBODY = 65534
# Any directory that every Linux has: what is mounted over it is seen by the runner alone.
_MOUNT_POINTS = ("/tmp", "/proc", "/dev")  # noqa: S108  nothing is written there


class CannotEnter(Exception):
    """This way does not work here; the message says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """One way of living apart.

    `drops_root`: root becomes nobody. `user`: a user namespace, in which further process
    namespaces can be made for each interpreter. `others`: net, ipc, uts and pid namespaces.
    `root`: who makes the mount namespace with nothing but Python's library: "" nobody, "before"
    root itself before it becomes nobody, "after" the user of the user namespace.
    """

    drops_root: bool
    user: bool
    others: bool
    root: str

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the protections that it gives."""
        names = []
        if self.user and self.others and self.root:
            names.append(layers.NAMESPACES)
        if self.root:
            names.append(layers.OWN_ROOT)
        if self.drops_root:
            names.append(layers.OWN_USER)
        return tuple(names)


# Best first.
_AS_USER = (
    Place(drops_root=False, user=True, others=True, root="after"),
    Place(drops_root=False, user=False, others=False, root=""),
)
_AS_ROOT = (
    Place(drops_root=True, user=True, others=True, root="before"),
    Place(drops_root=True, user=True, others=True, root="after"),
    Place(drops_root=True, user=False, others=True, root="before"),
    Place(drops_root=True, user=False, others=False, root=""),
)


def list_libraries(packages: Iterable[str]) -> tuple[str, ...]:
    """The directories of the standard library and of packages, none of them inside another."""
    found = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
    for name in packages:
        spec = find_spec(name)
        for folder in (spec and spec.submodule_search_locations) or ():
            found.append(folder)
            # Shared libraries that came with the package.
            found.append(f"{folder}.libs")
    there = sorted({path for path in found if os.path.isdir(path)})
    return tuple(
        path
        for path in there
        if not any(path != other and Path(path).is_relative_to(other) for other in there)
    )


def is_within(path: str, libraries: Iterable[str]) -> bool:
    """Whether it is one of the directories, or inside one."""
    return any(Path(path).is_relative_to(library) for library in libraries)


def is_standard(path: str, libraries: Iterable[str]) -> bool:
    """Whether modules of the standard library are looked for there, and no others."""
    others = {"site-packages", "dist-packages"}
    return is_within(path, libraries) and others.isdisjoint(Path(path).parts[-1:])


def choose_place(libraries: Sequence[str], *, namespaces: bool = True) -> tuple[Place, str]:
    """The best way that works here, and why better ones do not ("" where it is the best).

    LayerMissing where the only way left would be to run code as root.
    """
    reasons: list[str] = []
    for place in _AS_ROOT if os.geteuid() == 0 else _AS_USER:
        if not namespaces and place.user:
            continue
        reason = _try_in_child(lambda place=place: _visit(place, libraries))  # type: ignore[misc]
        if not reason:
            return place, "; ".join(reasons)
        reasons.append(reason)
    message = "the worker is root and cannot become an ordinary user who can read Python's library"
    raise layers.LayerMissing(layers.RLIMITS, f"{message} ({'; '.join(reasons)})")


def enter(place: Place, libraries: Sequence[str]) -> None:
    """Live there from now on. The process ids are those of the children made after this."""
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY) if place.user else -1
    try:
        if place.root == "before":
            flags = CLONE_NEWNS
            if not place.user:
                flags |= CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID
            linux.call("unshare", flags)
            _make_root(libraries)
        if place.drops_root:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        if place.user:
            uid, gid = os.geteuid(), os.getegid()
            # A process that was root may not write its own maps otherwise.
            linux.prctl(linux.PR_SET_DUMPABLE, 1)
            linux.call(
                "unshare",
                CLONE_NEWUSER
                | CLONE_NEWNS
                | CLONE_NEWNET
                | CLONE_NEWIPC
                | CLONE_NEWUTS
                | CLONE_NEWPID,
            )
            _write(proc, "self/setgroups", "deny")
            _write(proc, "self/uid_map", f"{uid} {uid} 1")
            _write(proc, "self/gid_map", f"{gid} {gid} 1")
        if place.root == "after":
            _make_root(libraries)
    finally:
        if proc >= 0:
            os.close(proc)


def fork_apart(own_pidfd: int | None) -> int:
    """Fork a child that sees no process but itself. As os.fork.

    `own_pidfd` names this process, whose own process namespace its next children are to have again;
    None where it may make no namespaces: an ordinary fork.
    """
    if own_pidfd is None:
        return os.fork()
    linux.call("unshare", CLONE_NEWPID)
    child = os.fork()
    if child:
        linux.call("setns", own_pidfd, CLONE_NEWPID)
    return child


def _write(proc: int, name: str, text: str) -> None:
    file = os.open(name, os.O_WRONLY, dir_fd=proc)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def _make_root(libraries: Iterable[str]) -> None:
    """Leave the file system for an empty one in which only these directories appear."""
    base = next(path for path in _MOUNT_POINTS if os.path.isdir(path))
    # What is mounted here must not spread to the mounts that everybody sees.
    linux.mount("none", "/", "", linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("sandbox", base, "tmpfs", 0, "mode=0755,size=1m")
    os.chdir(base)
    os.mkdir("old", 0o700)
    linux.call("pivot_root", b".", b"old")
    os.chdir("/")
    os.umask(0o022)
    for path in libraries:
        os.makedirs(path, exist_ok=True)
        linux.mount(f"/old{path}", path, "", linux.MS_BIND | linux.MS_REC)
    linux.call("umount2", b"/old", linux.MNT_DETACH)
    os.rmdir("/old")
    linux.lock_mount("/")


def _visit(place: Place, libraries: Sequence[str]) -> None:
    """Enter, and see that Python's library can be read and processes be made there."""
    enter(place, libraries)
    if os.fork() == 0:
        _end_with(lambda: _look_around(place, libraries))
    _, status = os.wait()
    if status:
        raise CannotEnter(f"a process cannot live in {place}")


def _look_around(place: Place, libraries: Sequence[str]) -> None:
    for path in libraries:
        shutil.disk_usage(path)
        if not os.listdir(path):
            raise CannotEnter(f"{path} is empty")
    if place.user:
        child = fork_apart(os.pidfd_open(os.getpid()))
        if child == 0:
            os._exit(os.getpid() != 1)
        if os.waitpid(child, 0)[1]:
            raise CannotEnter("process namespaces cannot be nested")


def _try_in_child(attempt: Callable[[], None]) -> str:
    """Why the attempt failed in a process of its own; "" where it did not."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _end_with(attempt, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as said:
        reason = said.read().decode(errors="replace")
    _, status = os.waitpid(child, 0)
    return reason or (f"it ended with status {status}" if status else "")


def _end_with(attempt: Callable[[], None], writer: int = -1) -> None:
    """Make the attempt and end this process: 0 where it went well; what went wrong is written."""
    signal.alarm(20)
    try:
        attempt()
    except BaseException as error:
        if writer >= 0:
            os.write(writer, traceback.format_exception_only(error)[-1].strip().encode()[:500])
        os._exit(1)
    os._exit(0)
