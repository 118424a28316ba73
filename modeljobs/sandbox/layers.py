"""What code runs under: names of the protections, which are required, and what to do without."""

from __future__ import annotations

RLIMITS = "rlimits"
LANDLOCK = "landlock"
SECCOMP = "seccomp"
SELF_TEST = "self-test"
WALL_CLOCK = "wall-clock"
NAMESPACES = "namespaces"
# Files outside Python's library do not exist for the code, and neither does /proc.
OWN_ROOT = "own-root"
# The worker is root, and what it runs is not.
OWN_USER = "own-user"

# Nothing is run where one of these is missing.
REQUIRED = (RLIMITS, LANDLOCK, SECCOMP, SELF_TEST, WALL_CLOCK)
ALL = (*REQUIRED, NAMESPACES, OWN_ROOT, OWN_USER)

# What code may import beside the standard library. The first three are for comparing answers; they
# are Python alone, and nothing in them goes beyond what the standard library offers.
PACKAGES = (
    *("antlr4", "latex2sympy2_extended", "math_verify"),
    *("mpmath", "numpy", "scipy", "sympy"),
)

_REMEDIES = {
    RLIMITS: (
        "Run the worker as an ordinary user, or let root make mount namespaces, so that a limit on "
        "processes binds and Python's library can be read without being root."
    ),
    LANDLOCK: (
        "It needs Linux 5.13 or newer with `landlock` among the names in /sys/kernel/security/lsm "
        "(the kernel's `lsm=` parameter), and a container runtime that lets its system calls "
        "through."
    ),
    SECCOMP: (
        "It needs a kernel with CONFIG_SECCOMP_FILTER, on x86_64 or aarch64, and a container "
        "runtime that lets prctl(PR_SET_SECCOMP) through."
    ),
    SELF_TEST: "Code did something in the sandbox that must be impossible there.",
    WALL_CLOCK: "Code that never ends was not ended in time.",
    NAMESPACES: (
        "It needs unprivileged user namespaces (sysctl user.max_user_namespaces, and on Ubuntu "
        "kernel.apparmor_restrict_unprivileged_userns=0)."
    ),
    OWN_ROOT: "It needs a mount namespace, like `namespaces`.",
    OWN_USER: "It is in force only where the worker runs as root.",
}


class LayerMissing(Exception):
    """A protection is not in force. The message says how that shows."""

    def __init__(self, layer: str, message: str) -> None:
        super().__init__(message)
        self.layer = layer
        self.message = message


def explain_missing(layer: str, message: str) -> str:
    """A sentence for whoever runs the worker: which layer, how it shows, what to do."""
    remedy = _REMEDIES.get(layer, "")
    return f"The sandbox's layer {layer!r} is missing here: {message.rstrip('.')}. {remedy}".strip()
