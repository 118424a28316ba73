"""A measured figure, and the arithmetic of measuring: medians, rates, memory of processes."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

# The kernel counts in 1,024 bytes, and a megabyte here is 1,000,000.
KIB = 1024 / 1e6
# A name that starts with one of these is a benchmark or a further line of it.
NAMES = (
    "import",
    "export",
    "export_memory",
    "claim_next",
    "requests_10_clients",
    "submit",
    "agreement_1m",
    "cold_start",
    "idle_memory",
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the output.

    `raw` is what the machine does at all in the same unit, measured in the same run, where there
    is such a calibration; `ratio` is value over raw.
    """

    name: str
    value: float
    unit: str
    raw: float | None = None

    @property
    def ratio(self) -> float | None:
        """Value over raw; None without a calibration."""
        return None if not self.raw else self.value / self.raw

    def to_line(self) -> str:
        """The figure as one JSON object."""
        packed: dict[str, object] = {
            "name": self.name,
            "value": _round(self.value),
            "unit": self.unit,
        }
        if self.raw is not None and self.ratio is not None:
            packed["raw"] = _round(self.raw)
            packed["ratio"] = _round(self.ratio)
        return json.dumps(packed)


def _round(number: float) -> float:
    """Four significant digits: the next ones are noise."""
    return float(f"{number:.4g}")


def time_call(call: Callable[[], object]) -> float:
    """Seconds that the call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


class Compared(NamedTuple):
    """Median seconds of ours and of the calibration."""

    ours: float
    raw: float


def compare(ours: Callable[[], float], raw: Callable[[], float], *, repeat: int) -> Compared:
    """Median of the seconds that both say they took, in turn: a slow minute slows both."""
    raws: list[float] = []
    times: list[float] = []
    for _ in range(repeat):
        raws.append(raw())
        times.append(ours())
    return Compared(statistics.median(times), statistics.median(raws))


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies; the nearest one there is."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


class Memory(NamedTuple):
    """Megabytes of processes. `pss` counts a page shared by n processes as a n-th of it."""

    rss: float
    pss: float


def read_memory(pids: Iterable[int | str]) -> Memory:
    """What the processes hold now, summed; "self" is this one."""
    rss = pss = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines():
            name, _, rest = line.partition(":")
            if name == "Rss":
                rss += int(rest.split()[0])
            elif name == "Pss":
                pss += int(rest.split()[0])
    return Memory(rss * KIB, pss * KIB)


def read_peak(pid: int | str) -> float:
    """The most resident memory that the process ever had, in megabytes."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * KIB
    raise ValueError(f"The process {pid} does not say how much memory it had at most.")
