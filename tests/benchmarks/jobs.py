"""`python -m tests.benchmarks.jobs`: model jobs and the sandbox, one JSON object a line.

Each part runs in a process of its own, with a data folder and a database of its own. What is said
to people goes to the error stream; the output holds figures alone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from tests.benchmarks.places import ROOT, SCALES, build_env, make_folder, say

# What each part measures; its further lines begin with these names.
PARTS: Mapping[str, tuple[str, ...]] = {
    "batching": ("async_vs_sequential", "async_vs_lockstep"),
    "sandbox": ("sandbox_first_block_ms", "sandbox_later_block_ms", "sandbox_first_blocks_per_s"),
    "runner": ("runner_cpu_ms_per_call",),
    "injection": ("rule_injections_per_s", "lints_per_s"),
    "scale": ("job_create_s", "job_list_ms", "job_page_ms", "job_items_ms", "job_pause_resume_ms"),
    "genprm": ("genprm_first_error_f1", "genprm_mean_at_8", "genprm_no_execution_f1"),
    "rpe": ("rpe_precision", "rpe_recall", "rpe_ece", "rpe_ratio_minus_hard", "rpe_tokens_per_s"),
    "relabel": ("relabel_1m_arrays_s", "relabel_1m_database_s"),
}
# Settings of the caller's that a part may see: where data sets lie, and how code is kept in.
KEPT_PREFIXES = ("WORKBENCH_REAL_DATA", "WORKBENCH_SANDBOX")
# Threads wait for each other longer than the small matrices of the tiny models take.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}


class Line(Protocol):
    """A figure of either kind of benchmark."""

    def to_line(self) -> str: ...


def load(part: str, *, quick: bool) -> Iterator[Line]:
    """Measure it. Imported in the process that runs it: each loads only its own."""
    match part:
        case "batching":
            from tests.benchmarks import measure_batching

            size = measure_batching.QUICK if quick else measure_batching.FULL
            return measure_batching.measure(size)
        case "runner":
            from tests.benchmarks import measure_runner

            return measure_runner.measure(measure_runner.QUICK if quick else measure_runner.FULL)
        case "injection":
            from tests.benchmarks import measure_injection

            few = measure_injection.QUICK if quick else measure_injection.FULL
            return measure_injection.measure(few)
        case "scale":
            from tests.benchmarks import measure_scale

            return measure_scale.measure(measure_scale.QUICK if quick else measure_scale.FULL)
        case "genprm":
            from tests.benchmarks import measure_genprm

            return measure_genprm.measure(measure_genprm.QUICK if quick else measure_genprm.FULL)
        case "rpe":
            from tests.benchmarks import measure_rpe

            return measure_rpe.measure(measure_rpe.QUICK if quick else measure_rpe.FULL)
        case "relabel":
            from tests.benchmarks import measure_relabel

            return measure_relabel.measure(measure_relabel.QUICK if quick else measure_relabel.FULL)
        case "sandbox":
            from tests.benchmarks import measure_sandbox

            return measure_sandbox.measure(SCALES["quick" if quick else "full"])
    raise ValueError(f"There is no part {part!r}.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 when a part failed, after the others have run."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.jobs", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small run, to see that it works")
    choices = [*PARTS, *[name for names in PARTS.values() for name in names]]
    parser.add_argument(
        "--only",
        nargs="+",
        choices=choices,
        metavar="NAME",
        help="run these parts, or those that measure these figures, alone: %(choices)s",
    )
    # How a part's own process is started.
    parser.add_argument("--alone", choices=PARTS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.alone:
        for figure in load(options.alone, quick=options.quick):
            print(figure.to_line(), flush=True)
        return 0
    wanted = set(options.only or PARTS)
    chosen = [part for part, names in PARTS.items() if wanted & {part, *names}]
    failed = [part for part in chosen if not run_alone(part, quick=options.quick)]
    return int(bool(failed))


def run_alone(part: str, *, quick: bool) -> bool:
    """Run a part in its own process and let its lines through; False when it failed."""
    say(f"Measuring {part} …")
    kept = {name: value for name, value in os.environ.items() if name.startswith(KEPT_PREFIXES)}
    with make_folder() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.jobs", "--alone", part]
            + (["--quick"] if quick else []),
            cwd=ROOT,
            env=build_env(folder, **kept, **ONE_THREAD),
            check=False,
        )
    if done.returncode != 0:
        say(f"{part} failed; the lines above say why.")
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
