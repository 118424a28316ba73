"""`python -m tests.benchmarks`: every benchmark, one JSON object a line.

Each runs in a process, a data folder and a database of its own. What is said to people goes to the
error stream; the output holds figures alone.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.benchmarks.figures import Figure
from tests.benchmarks.places import ROOT, SCALES, Scale, build_env, make_folder, say

if TYPE_CHECKING:
    from tests.servers import PostgresServer

Measure = Callable[[Scale], Iterator[Figure]]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A name to choose it by, and whether its figures depend on the database."""

    name: str
    uses_database: bool = True


BENCHMARKS = (
    Benchmark("import"),
    Benchmark("export"),
    Benchmark("requests"),
    Benchmark("claim_few"),
    Benchmark("claim_many"),
    Benchmark("agreement", uses_database=False),
    Benchmark("start", uses_database=False),
)


def load(name: str) -> Measure:
    """What measures it. Imported in the process that runs it: each loads only its own."""
    from tests.benchmarks import (
        measure_agreement,
        measure_export,
        measure_import,
        measure_requests,
        measure_start,
    )

    def few(scale: Scale) -> Iterator[Figure]:
        smaller = replace(scale, solutions=scale.few)
        return measure_requests.measure_claim(smaller, name=f"claim_next_{shorten(scale.few)}")

    def many(scale: Scale) -> Iterator[Figure]:
        larger = replace(scale, solutions=scale.many)
        return measure_requests.measure_claim(larger, name=f"claim_next_{shorten(scale.many)}")

    return {
        "import": measure_import.measure,
        "export": measure_export.measure,
        "requests": measure_requests.measure,
        "claim_few": few,
        "claim_many": many,
        "agreement": measure_agreement.measure,
        "start": measure_start.measure,
    }[name]


def shorten(count: int) -> str:
    """1000 as 1k."""
    return f"{count // 1000}k" if count >= 1000 and count % 1000 == 0 else str(count)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 when a benchmark failed, after the others have run."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small run, to see that it works")
    parser.add_argument(
        "--database", choices=["sqlite", "postgres", "both"], default="sqlite", help="run on"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=[benchmark.name for benchmark in BENCHMARKS],
        metavar="NAME",
        help="run these alone: %(choices)s",
    )
    # How a benchmark's own process is started.
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    scale_name = "quick" if options.quick else "full"
    if options.alone:
        for figure in load(options.alone)(SCALES[scale_name]):
            print(figure.to_line(), flush=True)
        return 0
    chosen = [each for each in BENCHMARKS if not options.only or each.name in options.only]
    failed = False
    if options.database != "postgres":
        failed |= run_all(chosen, scale_name)
    if options.database != "sqlite":
        with start_postgres() as server:
            on_it = [each for each in chosen if each.uses_database]
            failed |= run_all(on_it, scale_name, server=server)
    return int(failed)


def run_all(
    benchmarks: Sequence[Benchmark], scale_name: str, *, server: PostgresServer | None = None
) -> bool:
    """Run them one after the other and print their lines; True when one failed."""
    claims: dict[str, float] = {}
    failed = False
    suffix = "_postgres" if server else ""
    for benchmark in benchmarks:
        say(f"Measuring {benchmark.name}{suffix} …")
        url = server.create_database(f"bench_{benchmark.name}") if server else ""
        with make_folder() as folder:
            done = subprocess.run(
                [sys.executable, "-m", "tests.benchmarks", "--alone", benchmark.name]
                + (["--quick"] if scale_name == "quick" else []),
                cwd=ROOT,
                env=build_env(folder, database_url=url),
                stdout=subprocess.PIPE,
                text=True,
                check=False,
            )
        for line in done.stdout.splitlines():
            figure = json.loads(line)
            claims[figure["name"]] = figure["value"]
            print(json.dumps({**figure, "name": figure["name"] + suffix}), flush=True)
        if done.returncode != 0:
            say(f"{benchmark.name} failed; the lines above say why.")
            failed = True
    scale = SCALES[scale_name]
    few = claims.get(f"claim_next_{shorten(scale.few)}")
    many = claims.get(f"claim_next_{shorten(scale.many)}")
    if few and many:
        # How much longer the same claim takes in the longer queue.
        print(Figure(f"claim_next_growth{suffix}", many / few, "times").to_line(), flush=True)
    return failed


@contextlib.contextmanager
def start_postgres() -> Iterator[PostgresServer]:
    """A private PostgreSQL for this run."""
    from tests.servers import find_postgres_programs, run_postgres

    programs = find_postgres_programs()
    if programs is None:
        raise SystemExit("PostgreSQL's initdb is not installed here.")
    with run_postgres(programs) as server:
        yield server


if __name__ == "__main__":
    sys.exit(main())
