"""What a benchmark of model jobs says: a figure, how sure it is, and what it was measured on."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

# Every name that `make bench-jobs` prints, further lines of a benchmark aside.
JOB_NAMES = (
    "genprm_first_error_f1",
    "genprm_mean_at_8",
    "genprm_no_execution_f1",
    "rpe_precision",
    "rpe_recall",
    "rpe_ece",
    "rpe_ratio_minus_hard",
    "rpe_tokens_per_s",
    "relabel_1m_arrays_s",
    "relabel_1m_database_s",
    "async_vs_sequential",
    "async_vs_lockstep",
    "runner_cpu_ms_per_call",
    "rule_injections_per_s",
    "lints_per_s",
    "job_create_s",
    "job_list_ms",
    "job_page_ms",
    "job_items_ms",
    "job_pause_resume_ms",
    "sandbox_first_block_ms",
    "sandbox_later_block_ms",
    "sandbox_first_blocks_per_s",
)


@dataclass(frozen=True, slots=True)
class JobFigure:
    """One line of the output.

    `raw` is what the figure stands beside, in `raw_unit`; `ratio` compares the two, in the
    direction that docs/benchmarks.md gives for the name. `interval` holds 95 %. `more` is whatever
    else belongs to it: sizes, seeds, and the parts that it was made of.
    """

    name: str
    value: float
    unit: str
    raw: float | None = None
    raw_unit: str = ""
    ratio: float | None = None
    interval: tuple[float, float] | None = None
    more: dict[str, Any] = field(default_factory=dict)

    def to_line(self) -> str:
        """The figure as one JSON object."""
        packed: dict[str, Any] = {
            "name": self.name,
            "value": _round(self.value),
            "unit": self.unit,
        }
        if self.raw is not None:
            packed |= {"raw": _round(self.raw), "raw_unit": self.raw_unit or self.unit}
        if self.ratio is not None:
            packed["ratio"] = _round(self.ratio)
        if self.interval is not None:
            packed["interval"] = [_round(bound) for bound in self.interval]
        packed |= {
            name: _round(value) if isinstance(value, float) else value
            for name, value in self.more.items()
        }
        return json.dumps(packed)


def _round(number: float) -> float:
    """Four significant digits: the next ones are noise."""
    return float(f"{number:.4g}")
