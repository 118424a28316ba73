"""The benchmarks run and say what they should; how fast is never asked here."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.benchmarks.figures import NAMES
from tests.benchmarks.places import ROOT


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("import", {"import"}),
        ("export", {"export", "export_memory"}),
        ("requests", {"claim_next", "submit", "requests_10_clients"}),
        ("agreement", {"agreement_1m"}),
    ],
)
def test_a_small_run(part: str, names: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "--quick", "--only", part],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    figures = [json.loads(line) for line in done.stdout.splitlines()]
    assert names <= {figure["name"] for figure in figures}
    for figure in figures:
        assert figure["name"].startswith(NAMES)
        assert figure["value"] > 0
        assert isinstance(figure["unit"], str)
        if "raw" in figure:
            assert figure["ratio"] == pytest.approx(figure["value"] / figure["raw"], rel=0.01)
