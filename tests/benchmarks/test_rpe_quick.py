"""The benchmark of RPE's labels runs on a few problems and says what it should."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.benchmarks.jobs import PARTS
from tests.benchmarks.places import ROOT


def test_a_small_run_prints_every_name_with_a_number():
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.jobs", "--quick", "--only", "rpe"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    figures = {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert set(PARTS["rpe"]) <= set(figures)
    for figure in figures.values():
        assert figure["name"].startswith(PARTS["rpe"])
        assert isinstance(figure["value"], float | int)
    assert figures["rpe_ece_worse"]["by_neutral_share"].keys() >= {"0.00", "0.50", "0.80"}
