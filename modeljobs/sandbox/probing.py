"""What this machine offers of the sandbox's protections, found out by trying each.

Nothing of it happens in the process that asks, and no library is loaded for it.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
from dataclasses import dataclass

from modeljobs.sandbox import layers
from modeljobs.sandbox.isolated import build_command, start_process

PROBE_S = 60.0


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What holds here. `missing` are sentences, by the name of the layer that is not in force.

    `landlock` is the version of the kernel's interface, 0 for none.
    """

    layers: tuple[str, ...]
    missing: dict[str, str]
    landlock: int
    kernel: str
    machine: str

    @property
    def is_available(self) -> bool:
        """Whether code can be run here at all."""
        return set(layers.REQUIRED) <= set(self.layers)


def probe(*, timeout_s: float = PROBE_S) -> ProbeReport:
    """Try every layer in a process of its own. Takes some tenths of a second; raises nothing."""
    if not sys.platform.startswith("linux"):
        return _report_nothing(f"code is run only on Linux, and this is {sys.platform!r}")
    try:
        process = start_process(
            build_command("probing"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except OSError as error:
        return _report_nothing(f"{sys.executable} cannot be executed: {error}")
    with process:
        try:
            said, complaint = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return _report_nothing(f"trying them took more than {timeout_s:.0f} s")
    if process.returncode != 0:
        last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        return _report_nothing(f"trying them ended with status {process.returncode}: {last}")
    found = json.loads(said)
    missing = {
        layer: layers.explain_missing(layer, message) for layer, message in found["missing"].items()
    }
    return ProbeReport(
        tuple(found["layers"]), missing, found["landlock"], platform.release(), platform.machine()
    )


def _report_nothing(reason: str) -> ProbeReport:
    sentence = f"The sandbox's layers could not be tried: {reason}."
    missing = dict.fromkeys(layers.REQUIRED, sentence)
    return ProbeReport((), missing, 0, platform.release(), platform.machine())


# --- In the process that tries --------------------------------------------------------------------


def main() -> None:
    """Try everything, and print what was found as one JSON object."""
    # Of the runner's process, not of those that ask.
    from modeljobs.sandbox import landlock, linux, places, runner

    # The process that asked waits for this one alone.
    linux.prctl(linux.PR_SET_PDEATHSIG, signal.SIGKILL)
    version = landlock.find_version()
    held: list[str] = []
    missing: dict[str, str] = {}
    was_root = os.geteuid() == 0
    try:
        runner.check_machine()
        settings = runner.Settings(
            wall_s=1, cpu_s=1, memory_mib=256, output_chars=100, spares=0, namespaces=True
        )
        place, reason, confinement = runner.move_apart(
            settings, places.list_libraries(layers.PACKAGES)
        )
        held += runner.try_confinement(confinement)
        held += place.layers
    except layers.LayerMissing as error:
        reason = error.message
        missing[error.layer] = error.message
    for layer in (*layers.REQUIRED, layers.NAMESPACES, layers.OWN_ROOT):
        if layer not in held and layer not in missing:
            missing[layer] = reason or "it was not reached"
    if was_root and layers.OWN_USER not in held:
        missing.setdefault(layers.OWN_USER, reason)
    print(json.dumps({"layers": held, "missing": missing, "landlock": version}), flush=True)
    # What this process has left behind cannot be imported again for tidying up.
    os._exit(0)
