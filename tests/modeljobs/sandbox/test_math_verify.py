"""Math-Verify where it is run: good pairs are decided, and no pair keeps an item for ever."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from modeljobs.methods.answer_checks import AnswerVerdict
from modeljobs.methods.base import CodeRan, Event
from modeljobs.methods.code_runs import SessionCodeRunner
from modeljobs.methods.math_verify import MathVerifyChecker, find_version
from modeljobs.methods.rpe_work import AnswerRunner
from modeljobs.sandbox import layers
from modeljobs.sandbox.base import CodeLimits, CodeResult, CodeStatus
from modeljobs.sandbox.isolated import IsolatedSandbox
from tests.modeljobs.sandbox.conftest import Await
from tests.modeljobs.sandbox.needs import demand_layers

VERSION = find_version()
pytestmark = pytest.mark.skipif(VERSION is None, reason="math-verify is not installed")
SECRET = "/etc/passwd"


@pytest.fixture(scope="module")
def patient(run: Await) -> Iterator[IsolatedSandbox]:
    """One with all packages, and time in plenty."""
    demand_layers()
    sandbox = IsolatedSandbox(CodeLimits(wall_s=60, cpu_s=60))
    yield sandbox
    run(sandbox.aclose())


@pytest.fixture(scope="module")
def hasty(run: Await) -> Iterator[IsolatedSandbox]:
    """One in which whatever never ends is ended soon."""
    demand_layers()
    sandbox = IsolatedSandbox(CodeLimits(wall_s=0.3, cpu_s=60))
    yield sandbox
    run(sandbox.aclose())


@asynccontextmanager
async def check(sandbox: IsolatedSandbox, events: list[Event]) -> AsyncIterator[MathVerifyChecker]:
    """A checker as an item has it; `events` are what the item would store."""

    async def emit(event: Event) -> None:
        events.append(event)

    code = SessionCodeRunner(sandbox)
    try:
        yield MathVerifyChecker(AnswerRunner(code, "i1", emit).run, version=VERSION or "")
    finally:
        await code.aclose()


async def compare_all(
    sandbox: IsolatedSandbox, pairs: list[tuple[str, str]], events: list[Event] | None = None
) -> list[AnswerVerdict]:
    async with check(sandbox, [] if events is None else events) as checker:
        return [await checker.compare(*pair) for pair in pairs]


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        (r"\frac{1}{2}", "0.5", True),
        ("x^2-1", "(x-1)(x+1)", True),
        (r"2\sqrt{3}", r"\sqrt{12}", True),
        (r"\{1,2\}", r"\{2,1\}", True),
        ("(1,2)", "(2,1)", False),
        ("100001", "100000", False),
        (r"\frac{", "3", None),
    ],
)
def test_a_pair_is_decided_in_the_sandbox(
    run: Await, patient: IsolatedSandbox, answer: str, reference: str, expected: bool | None
) -> None:
    [verdict] = run(compare_all(patient, [(answer, reference)]))
    assert verdict.is_equal is expected
    assert verdict.checker == f"math_verify/{VERSION}"


PATHOLOGICAL = {
    "tower": ("9^{9^{9^9}}", "3"),
    "tower as the reference": ("3", "9^{9^{9^{9}}}"),
    "factorial": ("100000000!", "1"),
    "integral": (r"\int_0^1 \int_0^1 \int_0^1 \sin(x^{y^z}) \cos(e^{xyz}) dx dy dz", "1"),
    "product": (r"\prod_{k=1}^{10^9} k", "5"),
    "binomial": (r"\binom{10^9}{5\cdot 10^8}", "3"),
}


@pytest.mark.parametrize("name", PATHOLOGICAL)
def test_what_takes_for_ever_is_left_open_and_the_next_pair_is_decided(
    run: Await, hasty: IsolatedSandbox, patient: IsolatedSandbox, name: str
) -> None:
    async def compare() -> list[AnswerVerdict]:
        [late] = await compare_all(hasty, [PATHOLOGICAL[name]])
        # The runner that ended it is the one that goes on.
        [good] = await compare_all(patient, [("1/2", "0.5")])
        return [late, good]

    late, good = run(compare())
    assert late == AnswerVerdict(None, f"math_verify/{VERSION}", "timed_out")
    assert good.is_equal is True
    assert hasty.runner_pid is not None


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        (r"\sqrt{" * 60 + "2" + "}" * 60, "1"),
        ("(" * 400 + "1" + ")" * 400, "1"),
        ("{" * 499 + "1" + "}" * 499, "1"),
        ("1," * 400 + "1", "2," * 400 + "1"),
        ("9^9^9^9", "9^9^9^9+1"),
        (r"\input{/etc/passwd}", "1"),
        ("__import__('os').system('id')", "1"),
    ],
)
def test_whatever_an_answer_is_the_item_gets_a_verdict(
    run: Await, hasty: IsolatedSandbox, answer: str, reference: str
) -> None:
    """Decided or not, by how quick the machine is: it comes to an end without an error of ours."""
    [verdict] = run(compare_all(hasty, [(answer, reference)]))
    assert verdict.is_equal is not None or verdict.reason


def test_after_many_time_outs_an_item_leaves_the_rest_open(
    run: Await, hasty: IsolatedSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modeljobs.methods.math_verify.MOST_TIMEOUTS", 2)
    events: list[Event] = []
    pairs = [(f"9^{{9^{{9^{{{number}}}}}}}", "3") for number in range(9, 13)]

    verdicts = run(compare_all(hasty, pairs, events))

    reasons = [verdict.reason for verdict in verdicts]
    assert reasons == ["timed_out"] * 2 + ["too_many_timeouts"] * 2
    assert len([event for event in events if isinstance(event, CodeRan)]) == 2


def test_a_fork_has_used_it_before(run: Await, patient: IsolatedSandbox) -> None:
    """What the parser builds at its first text is there from the beginning."""

    async def look() -> Any:
        session = await patient.open_session()
        try:
            return await session.run(
                "import sys\nprint([n for n in ('antlr4', 'latex2sympy2_extended', 'math_verify') "
                "if n not in sys.modules])"
            )
        finally:
            await session.aclose()

    assert run(look()).output == "[]"
    assert set(patient.describe()["packages"]) == set(layers.PACKAGES)


@pytest.mark.parametrize(
    "attack",
    [
        f"import antlr4\nantlr4.FileStream('{SECRET}')",
        f"import sympy\nsympy.sympify('open(\"{SECRET}\").read()')",
        "import sympy\nsympy.sympify('__import__(\"os\").fork()')",
        "from math_verify import parse\n"
        f"parse('$open(\"{SECRET}\").read()$', parsing_timeout=None)\nopen('{SECRET}')",
        "from math_verify.utils import timeout\n"
        f"@timeout(1)\ndef run():\n    open('{SECRET}')\nrun()",
        "import latex2sympy2_extended as l, os\nopen(os.path.join(l.__path__[0], 'new'), 'w')",
    ],
)
def test_what_the_packages_bring_is_no_way_out(
    run: Await, patient: IsolatedSandbox, attack: str
) -> None:
    async def try_it() -> CodeResult:
        session = await patient.open_session()
        try:
            return await session.run(f"{attack}\nprint('REACHED')")
        finally:
            await session.aclose()

    result = run(try_it())
    assert result.status is CodeStatus.ERROR, result
    assert "REACHED" not in result.output
    assert re.search("PermissionError|FileNotFoundError|SympifyError", result.output), result
