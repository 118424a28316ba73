"""Becoming an ordinary user, where the tests run as root: a worker's usual user."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from modeljobs.sandbox import linux

NOBODY = 65534
ROOT = Path(__file__).resolve().parents[3]


def find_closed(path: str) -> str | None:
    """The first directory on the way there that others may not pass; None where all may."""
    way = [*reversed(Path(path).parents), Path(path)]
    return next((str(one) for one in way if one.is_dir() and not one.stat().st_mode & 1), None)


def open_ways(paths: Sequence[str], holder: str) -> None:
    """Make directories reachable for everybody, in a mount namespace of this process's own.

    What stands before them is covered by an empty directory; `holder` is one to work in.
    """
    linux.call("unshare", linux.CLONE_NEWNS)
    linux.mount("none", "/", "", linux.MS_REC | linux.MS_PRIVATE)
    for number, path in enumerate(paths):
        closed = find_closed(path)
        if closed is None:
            continue
        held = f"{holder}/{number}"
        os.makedirs(held)
        linux.mount(path, held, "", linux.MS_BIND | linux.MS_REC)
        linux.mount("open", closed, "tmpfs", 0, "mode=0755,size=1m")
        os.makedirs(path, exist_ok=True)
        linux.mount(held, path, "", linux.MS_BIND | linux.MS_REC)
        linux.call("umount2", held.encode(), linux.MNT_DETACH)


def become_nobody(holder: str) -> None:
    """Leave root for good; OSError where that cannot be done so that Python is still readable."""
    open_ways([sys.base_prefix, sys.prefix, str(ROOT)], holder)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
