"""Hostile code, as root and as an ordinary user: it is stopped, and the worker goes on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from functools import cache
from typing import Any

import pytest

from modeljobs.sandbox.layers import REQUIRED
from tests.modeljobs.sandbox.attacks import ATTACKS, OF_X86_64, PROTOCOL, QUICK, Attack
from tests.modeljobs.sandbox.identities import ROOT
from tests.modeljobs.sandbox.needs import demand_layers
from tests.modeljobs.sandbox.worker import CANNOT_LEAVE_ROOT

GOOD = ["ok", "42"]
IS_ROOT = os.geteuid() == 0
# An ordinary user without namespaces has the required layers and no others.
WORKERS = (*(["root"] if IS_ROOT else []), "ordinary", "ordinary-plain")


@cache
def attack_worker(kind: str) -> dict[str, Any]:
    """What came of all attacks on a worker of this kind, tried once."""
    demand_layers()
    user, _, plain = kind.partition("-")
    command = [sys.executable, "-m", "tests.modeljobs.sandbox.worker"]
    if plain:
        command.append("--plain")
    with tempfile.TemporaryDirectory() as folder:
        if IS_ROOT and user == "ordinary":
            command += ["--nobody", folder]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == CANNOT_LEAVE_ROOT:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    assert (said["uid"] == 0) == (user == "root")
    assert not plain or set(said["layers"]) == set(REQUIRED)
    return said


# What ends a loop does not depend on namespaces.
PAIRS = [
    pytest.param(kind, attack, id=f"{kind}-{attack.name}")
    for kind in WORKERS
    for attack in (QUICK if kind.endswith("plain") else ATTACKS)
]


@pytest.mark.parametrize(("kind", "attack"), PAIRS)
def test_an_attack_comes_to_nothing(kind: str, attack: Attack):
    if attack.name in OF_X86_64 and platform.machine() != "x86_64":
        pytest.skip("its numbers are those of x86_64")
    outcome = attack_worker(kind)["outcomes"][attack.name]
    assert outcome["end"] in attack.ends, outcome
    assert "REACHED" not in outcome["says"]
    assert attack.says in outcome["says"]
    assert outcome["good"] == GOOD


@pytest.mark.parametrize("kind", WORKERS)
def test_the_worker_kept_its_runner(kind):
    said = attack_worker(kind)
    assert said["is_same_runner"]
    assert set(REQUIRED) <= set(said["layers"])


def test_there_are_many_attacks_of_different_names():
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 60


def test_some_attacks_spoof_the_protocol():
    assert sum(PROTOCOL in attack.ends for attack in ATTACKS) >= 8
