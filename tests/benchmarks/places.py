"""Where a benchmark runs: a data folder, a database and a process of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured, and how often.

    `solutions` is the size of the workload and `many` the larger one that a queue is compared
    at; `few` the smaller one.
    """

    solutions: int
    few: int
    many: int
    requests: int
    ratings: int
    repeat: int


FULL = Scale(solutions=10_000, few=1_000, many=50_000, requests=300, ratings=1_000_000, repeat=5)
QUICK = Scale(solutions=1_000, few=200, many=1_000, requests=20, ratings=10_000, repeat=1)
SCALES: Mapping[str, Scale] = {"full": FULL, "quick": QUICK}


@contextlib.contextmanager
def make_folder() -> Iterator[Path]:
    """A temporary folder, removed afterwards. Its path is short: a socket's has a limit."""
    with tempfile.TemporaryDirectory(prefix="prmw-bench-") as name:
        yield Path(name)


def build_env(folder: Path, *, database_url: str = "", **changes: str) -> dict[str, str]:
    """The environment of a workbench in this folder; settings of the caller's own stay out."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("WORKBENCH_", "DJANGO_")) and name != "DATABASE_URL"
    }
    env |= {
        "DJANGO_SETTINGS_MODULE": "workbench.settings.dev",
        "WORKBENCH_DATA_DIR": str(folder / "data"),
        "WORKBENCH_STATIC_ROOT": str(folder / "static"),
        "WORKBENCH_DEMO": "off",
        "WORKBENCH_LOG_LEVEL": "WARNING",
        "PYTHONPATH": str(ROOT),
    }
    if database_url:
        env["WORKBENCH_DATABASE_URL"] = database_url
    return env | changes


def start_django() -> None:
    """Set up Django on the environment of this process, with every table made."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", interactive=False, verbosity=0)


def find_free_port() -> int:
    """A port of this machine that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def say(sentence: str) -> None:
    """Tell the person who waits; figures alone go to the output."""
    print(sentence, file=sys.stderr, flush=True)
