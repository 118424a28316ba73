"""What a block gives back: the words that models were trained on, byte for byte."""

from __future__ import annotations

import pytest

from modeljobs.sandbox.base import CodeLimits, CodeResult, CodeStatus, SandboxError
from modeljobs.sandbox.isolated import IsolatedSandbox
from modeljobs.sandbox.layers import REQUIRED


@pytest.fixture
def result_of(run, patient):
    """Runs a block in a session of its own."""

    async def in_session(code: str) -> CodeResult:
        session = await patient.open_session()
        try:
            result: CodeResult = await session.run(code)
        finally:
            await session.aclose()
        return result

    return lambda code: run(in_session(code))


def test_it_works(result_of):
    result = result_of("print(6 * 7)")
    assert (result.status, result.output, result.is_truncated) == (CodeStatus.OK, "42", False)


@pytest.mark.parametrize(
    ("code", "output"),
    [
        ("print('\\n  a \\n b \\n\\n')", "a \n b"),
        ("x = 1", ""),
        ("import sys; print('seen'); print('unseen', file=sys.stderr)", "seen"),
        # As under exec() in an empty namespace: the name is that of the builtins.
        ("print(__name__)\nif __name__ == '__main__':\n    print('main')", "builtins"),
        ("import sys; print(sys.stdout.encoding)", "None"),
        ("import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as f:\n"
         "    print('inner')\nprint(f.getvalue().upper())", "INNER"),
        ("def f(n: 'int'):\n    return n\nprint(f.__annotations__)", "{'n': 'int'}"),
        ("def f(n: int):\n    return n\nprint(f.__annotations__)", "{'n': <class 'int'>}"),
    ],
)  # fmt: skip
def test_success_is_stripped_output(result_of, code, output):
    result = result_of(code)
    assert (result.status, result.output) == (CodeStatus.OK, output)


@pytest.mark.parametrize(
    ("code", "output"),
    [
        ("1 / 0", "Code execute Error: ZeroDivisionError: division by zero"),
        ("print('lost')\nraise ValueError", "Code execute Error: ValueError: "),
        ("{}['a']", "Code execute Error: KeyError: 'a'"),
        ("undefined", "Code execute Error: NameError: name 'undefined' is not defined"),
        ("raise ValueError(' a\\n')", "Code execute Error: ValueError:  a\n"),
        ("x = (", "Code execute Error: SyntaxError: '(' was never closed (<string>, line 1)"),
        ("bytearray(1 << 40)", "Code execute Error: MemoryError: "),
        ("import sys; sys.exit('over')", "Code execute Error: SystemExit: over"),
        ("class Own(Exception): pass\nraise Own(1, 2)", "Code execute Error: Own: (1, 2)"),
    ],
)
def test_an_exception_is_named(result_of, code, output):
    result = result_of(code)
    assert (result.status, result.output) == (CodeStatus.ERROR, output)


@pytest.mark.parametrize("code", ["", " \n\t"])
def test_no_code_is_no_run(result_of, code):
    result = result_of(code)
    assert result.status is CodeStatus.NO_CODE
    assert result.output == "Code format error: No code found."


def test_output_as_long_as_the_limit_is_whole(result_of):
    result = result_of("print('é' * 200, end='  \\n')")
    assert (result.output, result.is_truncated) == ("é" * 200, False)


@pytest.mark.parametrize(
    "code", ["print('é' * 201)", "for _ in range(201):\n    print('é', end='')"]
)
def test_longer_output_is_cut_and_says_so(result_of, code):
    result = result_of(code)
    assert result.output == "é" * 200 + "\n[output cut at 200 characters]"
    assert result.is_truncated


def test_a_long_message_is_cut_and_says_so(result_of):
    result = result_of("raise ValueError('x' * 1000)")
    said = "Code execute Error: ValueError: " + "x" * (200 - len("ValueError: "))
    assert result.output == said + "\n[output cut at 200 characters]"
    assert (result.status, result.is_truncated) == (CodeStatus.ERROR, True)


def test_what_no_database_stores_is_replaced(result_of):
    assert result_of("print('a\\0b\\ud800c')").output == "a\ufffdb\ufffdc"


def test_code_with_half_a_character_is_an_error(result_of):
    result = result_of("x = '\ud800'")
    assert result.output.startswith("Code execute Error: UnicodeEncodeError: ")


def test_code_that_is_too_long_is_not_run(result_of):
    with pytest.raises(SandboxError, match="too long") as caught:
        result_of("#" * 1_000_001)
    assert caught.value.code == "protocol"


def test_long_code_is_run(result_of):
    assert result_of("x = '" + "é" * 900_000 + "'\nprint(len(x))").output == "900000"


def test_a_result_names_its_layers_and_its_time(result_of):
    result = result_of("import time; time.sleep(0.02)")
    assert set(REQUIRED) <= set(result.layers)
    assert result.wall_ms >= 20


def test_random_numbers_follow_from_the_first_block(result_of):
    code = "import random\nprint(random.random(), {'a', 'b', 'c', 'd'})"
    assert result_of(code).output == result_of(code).output != result_of(code + "#").output


def test_a_block_beyond_its_time_says_so(run):
    async def loop_for_ever() -> CodeResult:
        sandbox = IsolatedSandbox(CodeLimits(wall_s=0.2), packages=())
        try:
            session = await sandbox.open_session()
            return await session.run("print('lost')\nwhile True:\n    pass")
        finally:
            await sandbox.aclose()

    result = run(loop_for_ever())
    assert result.status is CodeStatus.TIMEOUT
    assert result.output == "Code execute time out: Code execution timed out"
    assert result.wall_ms >= 200


def test_processor_time_is_bounded_apart_from_time(run):
    async def use_both() -> list[CodeResult]:
        sandbox = IsolatedSandbox(CodeLimits(wall_s=60, cpu_s=0.2), packages=())
        try:
            session = await sandbox.open_session()
            return [
                await session.run("import time; time.sleep(0.5); print('slept')"),
                await session.run("while True:\n    pass"),
            ]
        finally:
            await sandbox.aclose()

    slept, looped = run(use_both())
    assert slept.output == "slept"
    assert looped.status is CodeStatus.TIMEOUT
    assert looped.wall_ms < 60_000


def test_mathematics_is_there(run):
    codes = {
        "from sympy import *\nx = symbols('x')\nprint(factor(x**2 - 5*x + 6))": "(x - 3)*(x - 2)",
        "import sympy as sp\nprint(sp.solve(sp.Eq(sp.Symbol('y')**2, 4)))": "[-2, 2]",
        "import numpy as np\nprint(np.linalg.det(np.eye(3) * 2).round(6))": "8.0",
        "from scipy.optimize import brentq\nprint(round(brentq(lambda v: v - 2, 0, 5), 6))": "2.0",
        "from mpmath import mp\nmp.dps = 20\nprint(mp.pi)": "3.1415926535897932385",
        "import scipy.ndimage, tomllib, numpy.ma, sympy.physics.units\nprint('late')": "late",
    }

    async def compute() -> list[str]:
        sandbox = IsolatedSandbox(CodeLimits(wall_s=60, cpu_s=60))
        try:
            session = await sandbox.open_session()
            return [(await session.run(code)).output for code in codes]
        finally:
            await sandbox.aclose()

    assert run(compute()) == list(codes.values())
