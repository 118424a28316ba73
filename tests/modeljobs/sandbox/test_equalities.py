"""Equalities where they are checked: known truths hold there, and no text does any harm."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from modeljobs.methods.equalities.asking import (
    LIMITS,
    PACKAGES,
    EqualityFinding,
    check_equality,
)
from modeljobs.methods.math_verify import find_version
from modeljobs.sandbox.base import CodeLimits
from modeljobs.sandbox.isolated import IsolatedSandbox
from tests.modeljobs.methods.equalities.truths import HOSTILE, KNOWN
from tests.modeljobs.sandbox.conftest import Await
from tests.modeljobs.sandbox.needs import demand_layers

pytestmark = pytest.mark.skipif(find_version() is None, reason="math-verify is not installed")

# A few of each kind: all of them are checked without a sandbox too.
SOME = KNOWN[::16]


@pytest.fixture(scope="module")
def patient(run: Await) -> Iterator[IsolatedSandbox]:
    """One with time in plenty."""
    demand_layers()
    limits = CodeLimits(wall_s=60, cpu_s=60, output_chars=LIMITS.output_chars)
    sandbox = IsolatedSandbox(limits, packages=PACKAGES)
    yield sandbox
    run(sandbox.aclose())


@pytest.fixture(scope="module")
def hasty(run: Await) -> Iterator[IsolatedSandbox]:
    """One in which whatever never ends is ended soon."""
    demand_layers()
    limits = CodeLimits(wall_s=1.5, cpu_s=60, memory_mib=256, output_chars=LIMITS.output_chars)
    sandbox = IsolatedSandbox(limits, packages=PACKAGES)
    yield sandbox
    run(sandbox.aclose())


@pytest.mark.parametrize(("text", "answer", "code"), SOME, ids=[pair[0][:40] for pair in SOME])
def test_known_truth(run: Await, patient: IsolatedSandbox, text: str, answer: str, code: str):
    finding: EqualityFinding = run(check_equality(patient, text))
    assert finding.answer == answer
    assert (finding.code or finding.pairs[0].code) == code
    assert finding.ended == ""
    assert "seccomp" in finding.layers


def test_what_is_sent_knows_nothing_of_the_project(run: Await, patient: IsolatedSandbox):
    """Modules travel as text: nothing outside the libraries can be read in there."""
    finding: EqualityFinding = run(check_equality(patient, r"\frac{1}{2}=0.5"))
    assert finding.pairs[0].left == r"\frac{1}{2}"


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_does_harm(run: Await, hasty: IsolatedSandbox, name: str):
    """Whether it is decided depends on the machine's speed; that it ends, and is no wrong answer,
    does not.
    """
    finding: EqualityFinding = run(check_equality(hasty, HOSTILE[name]))
    assert finding.answer in ("unknown", "false")
    assert finding.answer == "false" or finding.code or finding.pairs


def test_after_one_that_was_ended_the_next_is_answered(
    run: Await, hasty: IsolatedSandbox, patient: IsolatedSandbox
):
    run(check_equality(hasty, HOSTILE["integral that nobody solves"]))
    assert run(check_equality(patient, "1+1=2")).answer == "true"
    assert hasty.runner_pid is not None


def test_what_arithmetic_said_holds_where_the_proof_takes_too_long(
    run: Await, hasty: IsolatedSandbox
):
    integral = r"\int_0^1 \int_0^1 \sin(x^{y^x}) e^{\cos(xy)}\,dx\,dy=2+2=4"
    finding: EqualityFinding = run(check_equality(hasty, integral))
    assert finding.pairs[1].answer == "true"
    assert finding.pairs[0].answer == "unknown"
