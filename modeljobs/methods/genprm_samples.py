"""What both protocols of GenPRM share: how one item's samples ask, run code and report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from modeljobs.engines.base import (
    CompletionRequest,
    Engine,
    EngineReply,
    Message,
    Piece,
    SamplingSettings,
)
from modeljobs.methods.base import (
    CallMade,
    CallRecord,
    CodeRan,
    CodeRunner,
    ItemInput,
    derive_seed,
)
from modeljobs.methods.genprm_prompts import Turn
from modeljobs.methods.genprm_settings import GenprmSettings, Mode
from modeljobs.methods.parsing import Unparsed
from modeljobs.methods.probabilities import YesProbability
from modeljobs.methods.streams import Emit
from modeljobs.methods.verdicts import Verdict
from modeljobs.sandbox.base import (
    NO_CODE,
    CodeResult,
    CodeStatus,
    SandboxError,
    SandboxUnavailable,
)

KILLED = "killed"
IMAGINED = "imagined"


@dataclass(frozen=True, slots=True)
class Work:
    """One item under way: what its samples have in common."""

    item: ItemInput
    engine: Engine
    settings: GenprmSettings
    rng_seed: int
    code: CodeRunner | None
    emit: Emit
    # The steps that are judged, without an empty one at the end.
    steps: tuple[str, ...]
    # The models that the engine says it used.
    served_models: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A block that was written, and what came of it. `key` names the run; "" where there was none.

    `status` is a CodeStatus, "killed" (ended by us; its model was not told), or "imagined".
    """

    code: str
    output: str
    status: str
    key: str = ""
    is_truncated: bool = False
    wall_ms: int = 0
    layers: tuple[str, ...] = ()

    def pack(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "output": self.output,
            "status": self.status,
            "is_truncated": self.is_truncated,
            "wall_ms": self.wall_ms,
            "layers": list(self.layers),
        }


@dataclass(frozen=True, slots=True)
class History:
    """What a sample has before it: the steps judged so far, and the code that was run for them.

    The raw protocol keeps turns, the chat protocol messages.
    """

    turns: tuple[Turn, ...] = ()
    messages: tuple[Message, ...] = ()
    blocks: tuple[CodeBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class SampleResult:
    """One sample's verdict on one step, and the history to go on from.

    `unparsed` says why there is no verdict; `doubt` why there is a verdict but no probability.
    """

    sample: int
    text: str
    analysis: str
    blocks: tuple[CodeBlock, ...]
    is_yes: bool | None
    probability: YesProbability | None
    unparsed: Unparsed | None
    doubt: str
    fell_back: bool
    completion_tokens: int | None
    history: History

    def pack(self) -> dict[str, Any]:
        """The sample as a step's detail shows it: plain JSON."""
        verdict = None if self.is_yes is None else ("yes" if self.is_yes else "no")
        return {
            "sample": self.sample,
            "text": self.text,
            "analysis": self.analysis,
            "blocks": [block.pack() for block in self.blocks],
            "verdict": verdict,
            "p_yes": self.probability.value if self.probability else None,
            "bound": self.probability.bound if self.probability else None,
            "unparsed": self.unparsed.reason if self.unparsed else "",
            "no_p_yes": self.doubt,
            "fell_back": self.fell_back,
            "completion_tokens": self.completion_tokens,
        }


class CodeLost(Exception):
    """The sandbox ended a block for a reason of ours: the sample goes on without code."""


@dataclass(slots=True)
class Seat:
    """One sample at work on one step: its name, its counters, and its way to engine and sandbox."""

    work: Work
    sample: int
    position: int
    mode: Mode
    history: History
    # Keys of blocks that this sample's session has seen; shared by the sample's seats.
    seen: set[str]
    rung: str = ""
    blocks: list[CodeBlock] = field(default_factory=list)
    tokens: int | None = 0

    @property
    def key(self) -> str:
        """What the keys of this seat's requests and blocks begin with."""
        rung = f"/{self.rung}" if self.rung else ""
        return f"{self.work.item.key}/s{self.sample}/p{self.position}{rung}"

    def build_sampling(
        self, key: str, *, max_tokens: int, stop: tuple[str, ...], logprobs: int | None
    ) -> SamplingSettings:
        settings = self.work.settings
        return SamplingSettings(
            temperature=settings.temperature,
            top_p=settings.top_p,
            top_k=settings.top_k,
            max_tokens=max_tokens,
            seed=derive_seed(self.work.rng_seed, key),
            stop=stop,
            logprobs=logprobs,
        )

    def describe(self, stage: str) -> Mapping[str, Any]:
        """The request's metadata: what is asked, for engines that answer by script."""
        return {
            "task": "genprm",
            "protocol": self.work.settings.protocol,
            "stage": stage,
            "mode": self.mode.name,
            "question": self.work.item.solution.problem.text,
            "steps": self.work.steps,
            "position": self.position,
            "sample": self.sample,
        }

    async def ask(self, request: CompletionRequest) -> EngineReply:
        """The engine's reply, counted. The caller reports the call, once it has read it."""
        reply = await self.work.engine.complete(request)
        first = reply.completions[0]
        if first.completion_tokens is None and len(reply.completions) == 1:
            first = replace(first, completion_tokens=reply.completion_tokens)
            reply = replace(reply, completions=(first,))
        if reply.model:
            self.work.served_models.add(reply.model)
        used = first.completion_tokens
        self.tokens = None if used is None or self.tokens is None else self.tokens + used
        return reply

    async def report(
        self, request: CompletionRequest, reply: EngineReply, *, purpose: str, problem: str = ""
    ) -> None:
        await self.work.emit(CallMade(CallRecord(request, reply, purpose, problem)))

    async def run_code(self, code: str | None) -> str:
        """What the model is shown of its code, or CodeLost.

        Missing and empty code is not run, and the model is told so in the published words. A
        sandbox that is not there at all is an error of its own.
        """
        if code is None or not code.strip():
            self.blocks.append(CodeBlock("", NO_CODE, CodeStatus.NO_CODE))
            return NO_CODE
        if self.work.code is None:
            raise SandboxUnavailable("This job runs code, and was given no sandbox to run it in.")
        key = f"{self.key}/code{len(self.blocks)}"
        trajectory = f"s{self.sample}"
        try:
            await self._catch_up(self.work.code, trajectory)
            record = await self.work.code.run(trajectory, key, code)
        except SandboxError as error:
            if error.code == "unavailable":
                raise
            self.blocks.append(CodeBlock(code, "", KILLED, key))
            raise CodeLost(error.message) from error
        self.seen.add(key)
        await self.work.emit(CodeRan(record))
        self.blocks.append(_describe_run(code, record.result, key))
        return record.result.output

    async def _catch_up(self, runner: CodeRunner, trajectory: str) -> None:
        """Have the sample's session know the names that its history defines.

        They differ where the history is another sample's (step-level sampling). The runner knows
        these blocks by their keys and does not count them as new runs.
        """
        for block in self.history.blocks:
            if block.status in (CodeStatus.OK, CodeStatus.ERROR) and block.key not in self.seen:
                await runner.run(trajectory, block.key, block.code)
                self.seen.add(block.key)


def build_result(
    seat: Seat,
    verdict: Verdict | Unparsed,
    probability: YesProbability | Unparsed,
    *,
    text: str,
    analysis: str,
    fell_back: bool,
    history: History,
) -> SampleResult:
    """The seat's result. A probability belongs to a verdict: without one it says nothing."""
    is_read = isinstance(verdict, Verdict)
    return SampleResult(
        sample=seat.sample,
        text=text,
        analysis=analysis,
        blocks=tuple(seat.blocks),
        is_yes=verdict.is_yes if isinstance(verdict, Verdict) else None,
        probability=probability if is_read and isinstance(probability, YesProbability) else None,
        unparsed=verdict if isinstance(verdict, Unparsed) else None,
        doubt=probability.reason if is_read and isinstance(probability, Unparsed) else "",
        fell_back=fell_back,
        completion_tokens=seat.tokens,
        history=history,
    )


def _describe_run(code: str, result: CodeResult, key: str) -> CodeBlock:
    return CodeBlock(
        code,
        result.output,
        str(result.status),
        key,
        result.is_truncated,
        result.wall_ms,
        tuple(result.layers),
    )


def join_texts(pieces: Sequence[Piece]) -> str:
    return "".join([piece.text for piece in pieces])


def estimate_tokens(text: str) -> int:
    """About how many tokens a text of ours has: Qwen's tokenizers spell numbers digit by digit, and
    need a token for some three other characters.
    """
    digits = sum(character.isdigit() for character in text)
    return digits + -(-(len(text) - digits) // 3)
