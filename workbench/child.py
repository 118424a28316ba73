"""`python -m workbench.child MODULE ARGUMENTS…` runs a module that ends with its supervisor.

A supervisor that is killed cannot stop what it started: the web server would keep the port and
the next start would find it taken. On Linux the kernel tells the child; elsewhere the child is
an ordinary program.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """Arrange for SIGTERM to this process when its parent, the supervisor, is gone."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    # It may have gone before we asked; then nobody will tell us.
    if os.getppid() != parent:
        raise SystemExit("The supervisor is gone.")


def main() -> None:
    """Run the module that the command line names as if it were the program."""
    end_with_parent(int(os.environ["WORKBENCH_SUPERVISOR"]))
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
