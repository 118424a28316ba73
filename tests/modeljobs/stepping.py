"""A method of several steps for tests, and an engine whose answers follow from what it is asked.

Whatever is lost, doubled or mixed up on the way shows in the end: each prompt holds all answers
before it, and each answer is a hash of its prompt.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from labeling import records
from modeljobs.engines.base import (
    Capabilities,
    Completion,
    CompletionRequest,
    Engine,
    EngineReply,
    SamplingSettings,
)
from modeljobs.engines.options import Option
from modeljobs.methods import catalog
from modeljobs.methods.base import (
    CallMade,
    CallRecord,
    CodeRan,
    CodeRecord,
    CodeRunner,
    Event,
    ItemInput,
    Produced,
    StepChecked,
    derive_seed,
)
from modeljobs.sandbox.base import CodeResult, CodeStatus, Session

NAME = "stepping"
KIND = "stepping"


def answer(prompt: str) -> Completion:
    """What the engine says to a prompt: words that follow from it alone, in tokens of a word."""
    digest = hashlib.sha256(prompt.encode()).hexdigest()
    verdict = "yes" if int(digest[0], 16) < 12 else "no"
    return Completion(
        f"{digest[:16]} {verdict}",
        finish_reason="stop",
        prompt_tokens=len(prompt) // 4,
        completion_tokens=2,
    )


class HashEngine:
    """Answers at once; `before` may do something first. `asked` is what it was asked."""

    def __init__(self, before: Callable[[CompletionRequest], Any] | None = None) -> None:
        self.before = before
        self.asked: list[str] = []

    name = "hash"
    revision = "1"
    is_scripted = True
    capabilities = Capabilities(completions=True)

    async def complete(self, request: CompletionRequest) -> EngineReply:
        self.asked.append(request.key)
        if self.before is not None:
            given = self.before(request)
            if isinstance(given, Awaitable):
                given = await given
            if isinstance(given, EngineReply):
                return given
        completion = answer(request.prompt or "")
        return EngineReply(
            (completion,),
            model="hash",
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
        )

    def describe(self) -> dict[str, Any]:
        return {"kind": "hash"}

    async def aclose(self) -> None:
        """There is nothing to let go of."""


class SteppingMethod:
    """For each step: analyse, run a block, judge; in the end a label for every step.

    With `code` the block goes to the sandbox; without, the method says itself what came of it.
    """

    name = NAME
    version = "1"
    prompt_version = "stepping-1"
    title = "Stepping"
    description = "For tests."
    judges = True
    asks_engine = True
    parameters = (Option("code", "bool", "Run code", default=False),)

    def units(self, settings: Mapping[str, Any]) -> tuple[str, ...]:
        return ("",)

    def needs_sandbox(self, settings: Mapping[str, Any]) -> bool:
        return bool(settings["code"])

    async def run(
        self,
        item: ItemInput,
        *,
        engine: Engine,
        settings: Mapping[str, Any],
        rng_seed: int,
        code: CodeRunner | None = None,
    ) -> AsyncGenerator[Event]:
        history = item.solution.problem.text
        labels = []
        for position, step in enumerate(item.solution.steps):
            history = f"{history}\n\n{step.text}"
            key = f"{item.key}/p{position}"
            call = await _ask(engine, f"{key}/analyse", history, rng_seed)
            yield CallMade(call)
            history = f"{history}\n{call.reply.completions[0].text}"
            block = await _run(code, f"{key}/code", f"print({len(history)})")
            yield CodeRan(block)
            history = f"{history}\n[{block.result.output}]"
            call = await _ask(engine, f"{key}/judge", history, rng_seed)
            yield CallMade(call)
            said = call.reply.completions[0].text
            history = f"{history}\n{said}"
            is_yes = said.endswith("yes")
            labels.append(_label(is_yes))
            yield StepChecked(
                position,
                KIND,
                {"yes": int(is_yes), "no": int(not is_yes), "verdict": is_yes},
                {"samples": [{"text": history, "code": block.code, "output": block.result.output}]},
            )
        yield Produced("suggestion", _build_labels(labels), provenance={"end": _hash(history)})


METHOD = SteppingMethod()


def add_method(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let jobs of this test use the method."""
    methods = MappingProxyType({**catalog.METHODS, NAME: METHOD})
    monkeypatch.setattr(catalog, "METHODS", methods)


class CountingSandbox:
    """Prints what `print(…)` says, in this process; `ran` is every block that was run.

    `before` may raise what a sandbox raises.
    """

    def __init__(self, before: Callable[[str], None] | None = None) -> None:
        self.before = before
        self.ran: list[str] = []
        self.open = 0
        self.is_closed = False

    layers = ("none",)

    async def open_session(self) -> Session:
        self.open += 1
        return _CountingSession(self)

    def describe(self) -> dict[str, Any]:
        return {"name": "counting"}

    async def aclose(self) -> None:
        self.is_closed = True


class _CountingSession:
    def __init__(self, sandbox: CountingSandbox) -> None:
        self._sandbox = sandbox

    async def run(self, code: str) -> CodeResult:
        if self._sandbox.before is not None:
            self._sandbox.before(code)
        self._sandbox.ran.append(code)
        return _print(code)

    def remember(self, code: str) -> None:
        """Nothing depends on an earlier block."""

    async def aclose(self) -> None:
        self._sandbox.open -= 1


async def _ask(engine: Engine, key: str, prompt: str, rng_seed: int) -> CallRecord:
    sampling = SamplingSettings(temperature=0.6, seed=derive_seed(rng_seed, key))
    request = CompletionRequest(key=key, prompt=prompt, sampling=sampling)
    return CallRecord(request, await engine.complete(request), key.rsplit("/", 1)[-1])


async def _run(code: CodeRunner | None, key: str, block: str) -> CodeRecord:
    if code is None:
        return CodeRecord(key, block, _print(block))
    return await code.run("s0", key, block)


def _print(code: str) -> CodeResult:
    said = code.removeprefix("print(").removesuffix(")")
    return CodeResult(CodeStatus.OK, said, layers=("none",))


def _label(is_yes: bool) -> records.StepLabel:
    return records.StepLabel(
        validity=records.Validity.CORRECT if is_yes else records.Validity.WRONG,
        score=records.Score(raw=float(is_yes), scale="probability", rule=">= 0.5 is correct"),
    )


def _build_labels(labels: list[records.StepLabel]) -> records.LabelSet:
    wrong = [
        position
        for position, label in enumerate(labels)
        if label.validity is records.Validity.WRONG
    ]
    return records.LabelSet(
        author=records.Author.MACHINE,
        labels=tuple(labels),
        first_error=records.At(wrong[0]) if wrong else records.NoError(),
        method=NAME,
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
