"""What these tests need of the machine: the layers that the sandbox requires."""

from __future__ import annotations

from functools import cache

import pytest

from modeljobs.sandbox.base import CodeLimits
from modeljobs.sandbox.probing import ProbeReport, probe

# Good code is never late with these, however busy the machine.
PATIENT = CodeLimits(wall_s=60, cpu_s=60, memory_mib=128, output_chars=200)


@cache
def probe_once() -> ProbeReport:
    """What this machine has. It does not change while the tests run."""
    return probe()


def demand_layers(*names: str) -> None:
    """Skip the test where code cannot be run here, or not under these further layers."""
    report = probe_once()
    if not report.is_available:
        pytest.skip(" ".join(report.missing.values()))
    for name in names:
        if name not in report.layers:
            pytest.skip(report.missing.get(name, f"{name} is not in force"))
