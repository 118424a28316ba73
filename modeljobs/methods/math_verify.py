"""Math-Verify as an answer checker, run inside the sandbox.

math-verify (Apache-2.0, Hugging Face) parses LaTeX and compares with sympy. An expression can keep
it busy for ever, its own time-outs need the main thread's alarm and come out as "not equal", and
what it reads comes from a model: so it runs in a sandbox session, its time-outs off, under the
session's wall clock. Whatever it could not finish or read is undecided.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Awaitable, Callable
from typing import Any

from modeljobs.methods.answer_checks import AnswerVerdict
from modeljobs.methods.answers import ANSWER_CHARACTERS
from modeljobs.sandbox.base import CodeResult, CodeStatus, SandboxError, SandboxUnavailable

PACKAGE = "math-verify"

# A time-out takes seconds, and an item may bring hundreds of such answers: after so many of them
# its other pairs are left open at once.
MOST_TIMEOUTS = 16

# Runs one of our blocks: (key, code) -> what it printed. Raises SandboxError.
RunCode = Callable[[str, str], Awaitable[CodeResult]]

# The verdict's line, so that nothing else that is printed can pass for it.
_MARK = "math-verify verdict: "

_BLOCK = """
import json
import logging

logging.disable(logging.CRITICAL)

from math_verify import parse, verify


def _read(text):
    return parse("$" + text + "$", parsing_timeout=None, raise_on_error=True)


def _compare(answer, reference):
    try:
        expected = _read(reference)
    except Exception as error:
        return None, "unreadable_reference"
    try:
        given = _read(answer)
    except Exception as error:
        return None, "unreadable_answer"
    if not expected:
        return None, "unreadable_reference"
    if not given:
        return None, "unreadable_answer"
    has_failed = False
    for one in expected:
        for other in given:
            try:
                if verify(one, other, timeout_seconds=None, raise_on_error=True):
                    return True, ""
            except Exception as error:
                has_failed = True
    if has_failed:
        return None, "comparison_failed"
    if all(isinstance(one, str) for one in given) != all(isinstance(one, str) for one in expected):
        return None, "unreadable_answer"
    return False, ""


_verdict, _reason = _compare({answer}, {reference})
print({mark} + json.dumps({{"verdict": _verdict, "reason": _reason}}))
"""


def find_version() -> str | None:
    """The installed version of math-verify; None where it is not installed."""
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return None


class MathVerifyChecker:
    """`run_code` runs a block in the sandbox; blocks may share a session.

    `key` of a block is made from the pair, so that a block known under it need not be run again.
    """

    name = "math_verify"

    def __init__(self, run_code: RunCode, *, version: str) -> None:
        self._run_code = run_code
        self._version = version
        self._timeouts = 0

    @property
    def version(self) -> str:
        return self._version

    async def compare(self, answer: str, reference: str) -> AnswerVerdict:
        """The verdict; SandboxUnavailable goes through, other faults of the sandbox are undecided.

        Answers of the same text are equal without being parsed.
        """
        mine, theirs = _strip_dollars(answer), _strip_dollars(reference)
        if not theirs:
            return self._leave_open("empty_reference")
        if not mine:
            return self._leave_open("empty_answer")
        if max(len(mine), len(theirs)) > ANSWER_CHARACTERS:
            return self._leave_open("too_long")
        if mine == theirs:
            return AnswerVerdict(True, self._signature)
        if self._timeouts >= MOST_TIMEOUTS:
            return self._leave_open("too_many_timeouts")
        key = json.dumps([mine, theirs])
        try:
            result = await self._run_code(key, write_block(mine, theirs))
        except SandboxUnavailable:
            raise
        except SandboxError as error:
            return self._leave_open(f"sandbox_{error.code}")
        return self._read_result(result)

    @property
    def _signature(self) -> str:
        return f"{self.name}/{self._version}"

    def _leave_open(self, reason: str) -> AnswerVerdict:
        return AnswerVerdict(None, self._signature, reason)

    def _read_result(self, result: CodeResult) -> AnswerVerdict:
        if result.status is CodeStatus.TIMEOUT:
            self._timeouts += 1
            return self._leave_open("timed_out")
        if result.status is not CodeStatus.OK:
            return self._leave_open("checker_failed")
        found = _read_verdict(result.output)
        if found is None:
            return self._leave_open("checker_failed")
        verdict, reason = found.get("verdict"), found.get("reason")
        if isinstance(verdict, bool):
            return AnswerVerdict(verdict, self._signature)
        return self._leave_open(reason if isinstance(reason, str) and reason else "checker_failed")


def write_block(answer: str, reference: str) -> str:
    """The code that compares one pair. The texts go in as literals, and are run by nobody."""
    return _BLOCK.format(answer=ascii(answer), reference=ascii(reference), mark=ascii(_MARK))


def _read_verdict(output: str) -> dict[str, Any] | None:
    lines = output.splitlines()
    if not lines or not lines[-1].startswith(_MARK):
        return None
    try:
        found = json.loads(lines[-1].removeprefix(_MARK))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _strip_dollars(text: str) -> str:
    """The text that can stand between dollars: math-verify takes what is between the last two."""
    return text.strip().strip("$").replace("$", "").strip()
