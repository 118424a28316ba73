"""Stand-ins for tests of GenPRM: a model that writes what a test says, and code that never runs."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from labeling.records import Problem, Solution, Step
from modeljobs.engines.base import (
    Capabilities,
    Completion,
    CompletionRequest,
    EngineReply,
    TokenLogprob,
)
from modeljobs.engines.options import validate_options
from modeljobs.methods.base import CodeRecord, ItemInput, ItemResult, collect_events
from modeljobs.methods.genprm import GenprmMethod
from modeljobs.sandbox.base import CodeResult, CodeStatus, SandboxError

METHOD = GenprmMethod()
DEFAULTS = validate_options(METHOD.parameters, {})
SOLUTION = Solution(
    Problem("What is $2 + 3 + 4$?"),
    (Step("First, $2 + 3 = 5$."), Step("Then $5 + 4 = 10$."), Step("The answer is $10$.")),
)
ANALYSIS = "The sum is checked term by term.\n</analyze>\n"
CODE = "print(2 + 3)\n```\n"
YES = "</verify>\n<output>\n**Judgement**: $\\boxed{Yes}$\n</output>\n"
NO = "</verify>\n<output>\n**Judgement**: $\\boxed{No}$\n</output>\n"
# What follows the forced beginning of a verdict.
BARE_YES = "{Yes}$\n</output>\n"
BARE_NO = "{No}$\n</output>\n"

Write = Callable[[CompletionRequest], str | Exception]
# The token by which the model ends of itself; it is no part of the text.
END_MARK = "<end>"
_TOKEN = re.compile(r"\w+|\s|[^\w\s]")


def get_place(request: CompletionRequest) -> tuple[str, int, int]:
    """Stage, position and sample of a request."""
    data = request.metadata
    return data["stage"], data["position"], data["sample"]


def write_by_stage(
    answers: Mapping[str, str | Exception] | None = None, *, verdict: str = YES
) -> Write:
    """The same reply to each stage everywhere: analysis, code, verdict unless others are given."""
    texts: dict[str, str | Exception] = {
        "analyze": ANALYSIS,
        "verify0": CODE,
        "verify1": verdict,
        "output": BARE_YES if verdict == YES else BARE_NO,
        "fallback": BARE_YES if verdict == YES else BARE_NO,
        **(answers or {}),
    }
    return lambda request: texts[get_place(request)[0]]


@dataclass
class WritingModel:
    """Writes what `write` says a model would, token by token, until a stop string or the limit.

    A word is a token. `p_yes` gives the probability of Yes at each Yes or No, beside which nothing
    else has any.
    """

    write: Write
    p_yes: Callable[[CompletionRequest], float] | float = 0.9
    includes_stop: bool = False
    gives_logprobs: bool = True
    gives_ids: bool = False
    counts_tokens: bool = True
    known: dict[str, EngineReply] = field(default_factory=dict)
    requests: list[CompletionRequest] = field(default_factory=list)
    name: str = "writing"
    revision: str = ""
    is_scripted: bool = True

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(logprobs=True, completions=True, chat=True, token_ids=self.gives_ids)

    async def complete(self, request: CompletionRequest) -> EngineReply:
        # Others get their turn, as with a real engine.
        await asyncio.sleep(0)
        if request.key in self.known:
            return self.known[request.key]
        self.requests.append(request)
        written = self.write(request)
        if isinstance(written, Exception):
            raise written
        return EngineReply((self._complete(request, written),), model="writing-1")

    def describe(self) -> dict[str, Any]:
        return {"kind": "writing"}

    async def aclose(self) -> None: ...

    def _complete(self, request: CompletionRequest, written: str) -> Completion:
        sampling = request.sampling
        tokens: list[str] = []
        said, reason = "", "stop"
        for token in _TOKEN.findall(written):
            if len(tokens) == sampling.max_tokens:
                reason = "length"
                break
            tokens.append(token)
            said += token
            stop = next((one for one in sampling.stop if said.endswith(one)), None)
            if stop is not None:
                said = said if self.includes_stop else said.removesuffix(stop)
                break
        else:
            tokens.append(END_MARK)
        logprobs = None
        if self.gives_logprobs and sampling.logprobs is not None:
            logprobs = tuple(self._score(request, token) for token in tokens)
        return Completion(
            said,
            reason,
            completion_tokens=len(tokens) if self.counts_tokens else None,
            logprobs=logprobs,
            token_ids=tuple(map(hash_token, tokens)) if self.gives_ids else None,
        )

    def _score(self, request: CompletionRequest, token: str) -> TokenLogprob:
        if token not in ("Yes", "No"):
            return TokenLogprob(token, -0.1, {token: -0.1})
        p = self.p_yes(request) if callable(self.p_yes) else self.p_yes
        top = {"Yes": math.log(p), "No": math.log(1 - p)}
        return TokenLogprob(token, top[token], top)


def hash_token(token: str) -> int:
    return sum(token.encode())


@dataclass
class PretendedRunner:
    """A CodeRunner that runs nothing: each block has the output or the error that a test gives."""

    outcome: Callable[[str, str], CodeResult | SandboxError] = lambda trajectory, code: CodeResult(
        CodeStatus.OK, "5", wall_ms=3, layers=("none",)
    )
    known: dict[str, CodeRecord] = field(default_factory=dict)
    # Trajectory, key and code of every call, and of those that were not known.
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    runs: list[tuple[str, str, str]] = field(default_factory=list)

    async def run(self, trajectory: str, key: str, code: str) -> CodeRecord:
        await asyncio.sleep(0)
        self.calls.append((trajectory, key, code))
        known = self.known.get(key)
        if known is not None and known.code == code:
            return known
        self.runs.append((trajectory, key, code))
        result = self.outcome(trajectory, code)
        if isinstance(result, SandboxError):
            raise result
        self.known[key] = CodeRecord(key, code, result)
        return self.known[key]


def with_settings(**settings: Any) -> dict[str, Any]:
    return validate_options(METHOD.parameters, DEFAULTS | settings)


def judge(
    engine: WritingModel,
    *,
    solution: Solution = SOLUTION,
    runner: PretendedRunner | None = None,
    seed: int = 7,
    **settings: Any,
) -> ItemResult:
    """The whole result of a solution."""
    events = METHOD.run(
        ItemInput("item", solution),
        engine=engine,
        settings=with_settings(**settings),
        rng_seed=seed,
        code=runner or PretendedRunner(),
    )
    return asyncio.run(collect_events(events))


def take_steps(count: int) -> Solution:
    return replace(SOLUTION, steps=SOLUTION.steps[:count])
