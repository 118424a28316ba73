"""The worker's side: sends the readers and provers into a sandbox, and takes back what they say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

from modeljobs.given import list_of, mapping_of, text
from modeljobs.sandbox.base import (
    CodeLimits,
    CodeResult,
    CodeStatus,
    Sandbox,
    SandboxError,
    SandboxUnavailable,
)

Answer = Literal["true", "false", "unknown"]

# Each of the two questions has this long.
LIMITS: Final = CodeLimits(wall_s=5.0, cpu_s=5.0, memory_mib=512, output_chars=40_000)
# What the modules import beside the standard library, with what Math-Verify needs.
PACKAGES: Final = ("antlr4", "latex2sympy2_extended", "math_verify", "mpmath", "sympy")
# A side is no longer than this when it comes back.
MOST_TEXT: Final = 2_000

# In the order in which they import each other.
_MODULES: Final = (
    *("trees", "reading", "values", "showing", "comparing", "algebra", "proving", "deciding"),
)
_PACKAGE: Final = "modeljobs.methods.equalities"
# The report's line.
_MARK: Final = "equality report: "
_LOAD: Final = """
import logging
import sys
import types

logging.disable(logging.CRITICAL)


def _load(name, source):
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(source, name, "exec"), module.__dict__)


for _name, _source in {sources}:
    _load(_name, _source)
"""
_BEGIN: Final = """
from {package}.deciding import Desk, show_report

_desk = Desk({text})
show_report(_desk.begin(), {mark})
"""
_FINISH: Final = "show_report(_desk.finish(), {mark})"


@dataclass(frozen=True, slots=True)
class PairFinding:
    """What is said of two sides: LaTeX as they were understood, an answer, and why (codes)."""

    left: str
    relation: str
    right: str
    answer: Answer
    code: str
    values: Mapping[str, Any]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EqualityFinding:
    """The answer to a whole statement. `code` says why there are no pairs, "" where there are.

    `ended` is "timeout" or "killed" where the proof was broken off; what arithmetic said holds.
    """

    answer: Answer
    pairs: tuple[PairFinding, ...]
    code: str = ""
    values: Mapping[str, Any] | None = None
    ended: str = ""
    milliseconds: int = 0
    layers: tuple[str, ...] = ()


async def check_equality(sandbox: Sandbox, statement: str) -> EqualityFinding:
    """Is it true? SandboxUnavailable goes through: then nothing was run.

    What the statement does to the sandbox (time, memory) is an answer: it cannot be told.
    """
    session = await sandbox.open_session()
    try:
        try:
            first = await session.run(write_begin(statement))
        except SandboxUnavailable:
            raise
        except SandboxError as error:
            return _give_up(error.code)
        found = _read(first)
        if isinstance(found, EqualityFinding) or not found.get("open"):
            return found if isinstance(found, EqualityFinding) else _build(found, first)
        try:
            second = await session.run(_FINISH.format(mark=ascii(_MARK)))
        except SandboxError as error:
            return _build(found, first, ended=error.code)
        proved = _read(second)
        if isinstance(proved, EqualityFinding):
            return _build(found, first, second, ended=proved.code)
        return _build(proved, first, second)
    finally:
        await session.aclose()


def check_in(make_sandbox: Callable[[], Sandbox], statement: str) -> EqualityFinding:
    """The same for one statement, in a sandbox and an event loop of its own."""

    async def check() -> EqualityFinding:
        sandbox = make_sandbox()
        try:
            return await check_equality(sandbox, statement)
        finally:
            await sandbox.aclose()

    return asyncio.run(check())


def write_begin(statement: str) -> str:
    """The code that loads the modules and asks the first question; the text is a literal in it."""
    begin = _BEGIN.format(package=_PACKAGE, text=ascii(statement), mark=ascii(_MARK))
    return _write_modules() + begin


@cache
def _write_modules() -> str:
    folder = files(_PACKAGE)
    sources = [
        (f"{_PACKAGE}.{name}", folder.joinpath(f"{name}.py").read_text("utf-8"))
        for name in _MODULES
    ]
    return _LOAD.format(sources=ascii(sources))


# --- What comes back ------------------------------------------------------------------------------


def _read(result: CodeResult) -> Mapping[str, Any] | EqualityFinding:
    """The report, or what it means that there is none."""
    if result.status is CodeStatus.TIMEOUT:
        return _give_up("timeout", result)
    lines = result.output.splitlines()
    if result.status is CodeStatus.OK and lines and lines[-1].startswith(_MARK):
        try:
            found = json.loads(lines[-1].removeprefix(_MARK))
        except ValueError:
            found = None
        if isinstance(found, dict):
            return found
    # A MemoryError, say: whatever it was, the statement brought it about.
    return _give_up("failed", result)


def _give_up(code: str, result: CodeResult | None = None) -> EqualityFinding:
    return EqualityFinding(
        "unknown",
        (),
        code=code,
        milliseconds=result.wall_ms if result else 0,
        layers=result.layers if result else (),
    )


def _build(report: Mapping[str, Any], *results: CodeResult, ended: str = "") -> EqualityFinding:
    return EqualityFinding(
        answer=_read_answer(report.get("answer")),
        pairs=tuple(_read_pair(mapping_of(one)) for one in list_of(report.get("pairs"))),
        code=text(report.get("code")),
        values=dict(mapping_of(report.get("values"))),
        ended=ended,
        milliseconds=sum(result.wall_ms for result in results),
        layers=results[0].layers,
    )


def _read_pair(given: Mapping[str, Any]) -> PairFinding:
    return PairFinding(
        left=text(given.get("left"))[:MOST_TEXT],
        relation=text(given.get("relation")),
        right=text(given.get("right"))[:MOST_TEXT],
        answer=_read_answer(given.get("answer")),
        code=text(given.get("code")),
        values=dict(mapping_of(given.get("values"))),
        notes=tuple(map(text, list_of(given.get("notes")))),
    )


def _read_answer(given: Any) -> Answer:
    return given if given in ("true", "false") else "unknown"
