"""A model server that only imitates one: continuous batching, with costs in virtual seconds.

It is an engine that the methods can use as they use any other. Nothing is generated: how many
tokens an answer has is drawn beforehand, and what it says is the shortest text of GenPRM's
protocol. What is imitated is time: requests share decode steps, join between two of them in the
order in which they came, and a step takes longer the more sequences share it.

The costs are modelled, not measured (see docs/benchmarks.md), as a roofline: a step takes as long
as its memory traffic or its arithmetic, whichever is longer.
"""

from __future__ import annotations

import asyncio
import heapq
import json
import math
import random
import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labeling.records import Problem, Solution, Step
from modeljobs.engines.base import (
    Capabilities,
    Completion,
    CompletionRequest,
    EngineReply,
    TokenLogprob,
)
from modeljobs.methods.base import CodeRecord, ItemInput
from modeljobs.sandbox.base import CodeResult, CodeStatus

# --- What things cost -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Machine:
    """A modelled GPU with a 7B model.

    A decode step of b sequences reads the weights and b caches, `step_ms + sequence_ms * b`
    milliseconds; to compute it takes `token_ms` for each token in it. Prompts are read in the same
    steps (chunked prefill), in the arithmetic that decoding leaves free as far as there is any
    (Agrawal et al. 2024, "Taming throughput-latency tradeoff in LLM inference with
    Sarathi-Serve").
    """

    name: str
    step_ms: float
    sequence_ms: float
    token_ms: float

    def step_seconds(self, *, sequences: int, tokens: int) -> float:
        """The seconds of a step in which so many tokens of so many sequences are worked on."""
        memory = self.step_ms + self.sequence_ms * sequences
        return max(memory, self.token_ms * tokens) / 1000.0


# Arithmetic: 15.2 GFLOP a token at 200 and at 600 TFLOP/s, about two thirds of what the makers
# state.
A100 = Machine("A100", step_ms=11.5, sequence_ms=0.07, token_ms=0.076)
H200 = Machine("H200", step_ms=6.0, sequence_ms=0.035, token_ms=0.025)
MAX_SEQUENCES = 256
# Between a client and its server: HTTP, encoding, the queue's bookkeeping.
REQUEST_S = 0.03
CODE_RUN_S = 0.15


# --- What there is to do --------------------------------------------------------------------------

# ProcessBench (Zheng et al. 2024): solutions, mean steps, most steps, and the spread of the steps'
# logarithm. The spread was taken from the files of the first and third; the others are assumed to
# be like the third.
SUBSETS: Mapping[str, tuple[int, float, int, float]] = {
    "gsm8k": (400, 5.21, 16, 0.31),
    "math": (1000, 6.50, 32, 0.43),
    "olympiadbench": (1000, 8.82, 47, 0.43),
    "omnimath": (1000, 8.29, 35, 0.43),
}
FEWEST_STEPS = 2
# GenPRM (Zhao et al. 2025), table 9: tokens generated for a step of MATH.
STEP_TOKENS = 344.7
# How these are divided is assumed.
ANALYSIS, CODE, CONCLUSION = 0.40, 0.45, 0.15
# The standard deviation of a length's logarithm. That of the steps in ProcessBench's own files is
# 0.61 (gsm8k) and 0.74 (olympiadbench); what is written about them is assumed to vary as they do.
LENGTH_SPREAD = 0.7
# GenPRM's bound on what is written about a step, less room for the words that are put before it.
MOST_TOKENS = 1_900
# Steps with a second block of code.
SECOND_BLOCKS = 0.15
# Tokens of a step's and a problem's own text: means of ProcessBench at three characters a token.
TEXT_TOKENS, PROBLEM_TOKENS = 75.0, 100.0
CHARACTERS = 3


@dataclass(frozen=True, slots=True)
class StepLengths:
    """Tokens that the model writes about a step: analysis, each block, and what it concludes."""

    analysis: int
    blocks: tuple[int, ...]
    conclusion: int


@dataclass(frozen=True, slots=True)
class Trajectory:
    """A solution to be judged, and how long each answer about it is going to be."""

    index: int
    steps: tuple[StepLengths, ...]
    solution: Solution

    @property
    def item(self) -> ItemInput:
        return ItemInput(key=f"{self.index}", solution=self.solution)

    @property
    def tokens(self) -> int:
        """Tokens written about it, all in all."""
        return sum(step.analysis + sum(step.blocks) + step.conclusion for step in self.steps)


def draw_trajectories(
    n: int, *, seed: int, data: Path | None = None, spread: float = LENGTH_SPREAD
) -> list[Trajectory]:
    """Seeded trajectories in the mix of ProcessBench's four subsets.

    With `data`, a folder that has `processbench/<subset>.json`, step counts are drawn from the
    files that are there instead of the log-normal.
    """
    counts = {name: _read_counts(data, name) for name in SUBSETS}
    draw = random.Random(seed)
    names = draw.choices(list(SUBSETS), [subset[0] for subset in SUBSETS.values()], k=n)
    return [_draw_trajectory(draw, i, name, counts[name], spread) for i, name in enumerate(names)]


def _read_counts(data: Path | None, name: str) -> list[int]:
    file = None if data is None else data / "processbench" / f"{name}.json"
    if file is None or not file.is_file():
        return []
    return [len(row["steps"]) for row in json.loads(file.read_text("utf-8"))]


def _draw_trajectory(
    draw: random.Random, index: int, name: str, counts: Sequence[int], spread: float
) -> Trajectory:
    _, mean, most, step_spread = SUBSETS[name]
    drawn = draw.choice(counts) if counts else round(_draw_length(draw, mean, step_spread))
    n_steps = min(most, max(FEWEST_STEPS, drawn))
    problem = f"Problem {index}. " + "?" * round(
        CHARACTERS * _draw_length(draw, PROBLEM_TOKENS, LENGTH_SPREAD)
    )
    texts = [
        "." * max(1, round(CHARACTERS * _draw_length(draw, TEXT_TOKENS, LENGTH_SPREAD)))
        for _ in range(n_steps)
    ]
    lengths = [_draw_step(draw, spread) for _ in range(n_steps)]
    solution = Solution(
        problem=Problem(text=problem),
        steps=tuple([Step(text=text) for text in texts]),
        source_id=f"{name}-{index}",
    )
    return Trajectory(index, tuple(lengths), solution)


def _draw_step(draw: random.Random, spread: float) -> StepLengths:
    # Steps with a second block are longer; all together keep the published mean.
    mean = STEP_TOKENS / (1.0 + SECOND_BLOCKS * CODE)
    n_blocks = 2 if draw.random() < SECOND_BLOCKS else 1
    lengths = [
        _draw_length(draw, share * mean, spread)
        for share in (ANALYSIS, *[CODE] * n_blocks, CONCLUSION)
    ]
    fit = min(1.0, MOST_TOKENS / sum(lengths))
    analysis, *blocks, conclusion = [max(1, round(fit * length)) for length in lengths]
    return StepLengths(analysis, tuple(blocks), conclusion)


def _draw_length(draw: random.Random, mean: float, spread: float) -> float:
    """From the log-normal with this mean, whose logarithm has this standard deviation."""
    return draw.lognormvariate(math.log(mean) - spread**2 / 2.0, spread)


# --- Sharing decode steps -------------------------------------------------------------------------


@dataclass(order=True, slots=True)
class _Sequence:
    """A request in the batch, or waiting for a place in it; it ends with decode step `ends_at`."""

    ends_at: int
    order: int
    tokens: int = field(compare=False)
    new_tokens: int = field(compare=False)
    done: asyncio.Future[None] = field(compare=False)


class BatchingServer:
    """Decodes what it is sent in one batch of up to `slots` sequences.

    Between two decode steps those that are finished leave and those that wait come in. A stretch of
    steps in which the batch stays as it is, is slept through in one go.
    """

    def __init__(self, machine: Machine, *, slots: int = MAX_SEQUENCES) -> None:
        self.machine = machine
        self.slots = slots
        # Decode steps done so far, and tokens that came of them.
        self.steps = 0
        self.tokens = 0
        self._count = 0
        self._running: list[_Sequence] = []
        self._waiting: deque[_Sequence] = deque()
        self._timer: asyncio.Handle | None = None
        # The stretch under way: when it began, seconds a step, and steps to its end.
        self._began = 0.0
        self._step_s = 0.0
        self._planned = 0

    async def decode(self, *, tokens: int, new_tokens: int) -> None:
        """Wait until a prompt with `new_tokens` not read before has got `tokens` more."""
        loop = asyncio.get_running_loop()
        self._count += 1
        sequence = _Sequence(0, self._count, tokens, new_tokens, loop.create_future())
        self._waiting.append(sequence)
        if self._timer is None:
            # Not at once: others may come at the same moment, and share the first step.
            self._timer = loop.call_soon(self._begin)
        elif self._planned > 1 and len(self._running) < self.slots:
            self._shorten(loop)
        await sequence.done

    def _begin(self) -> None:
        """At the boundary between two steps: let in who waits, and plan the next stretch."""
        loop = asyncio.get_running_loop()
        # Whoever is decoding has one token in a step; whoever comes in has all that is to be read.
        tokens, is_reading = len(self._running), False
        while self._waiting and len(self._running) < self.slots:
            sequence = self._waiting.popleft()
            sequence.ends_at = self.steps + sequence.tokens
            tokens += max(1, sequence.new_tokens)
            is_reading = True
            heapq.heappush(self._running, sequence)
        if not self._running:
            self._timer = None
            self._planned = 0
            return
        # The step in which prompts are read stands alone: the next ones are shorter.
        self._planned = 1 if is_reading else self._running[0].ends_at - self.steps
        self._step_s = self.machine.step_seconds(sequences=len(self._running), tokens=tokens)
        self._began = loop.time()
        self._timer = loop.call_at(self._began + self._planned * self._step_s, self._end)

    def _shorten(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the stretch with the step that is under way, so that somebody can come in."""
        under_way = math.ceil((loop.time() - self._began) / self._step_s - 1e-9)
        self._planned = min(self._planned, max(1, under_way))
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(self._began + self._planned * self._step_s, self._end)

    def _end(self) -> None:
        """At the end of a stretch: let go of who is finished."""
        self.steps += self._planned
        self.tokens += self._planned * len(self._running)
        while self._running and self._running[0].ends_at <= self.steps:
            done = heapq.heappop(self._running).done
            if not done.done():
                done.set_result(None)
        self._begin()


# --- What it says ---------------------------------------------------------------------------------

_PROBLEM = re.compile(r"Problem (\d+)\. ")
_OPENING = "Let's analyze the Paragraph "
_PARAGRAPH = re.compile(re.escape(_OPENING) + r"(\d+) step by step: ")
_RUN = "[Code Output]"


@dataclass(frozen=True, slots=True, order=True)
class Stage:
    """Where a trajectory is: the step from 0, and within it 0 for the analysis, then 1 for a first
    answer with code in it or the verdict, 2 for its run, 3 for the next answer, and so on.
    """

    step: int
    place: int


def find_stage(prompt: str) -> Stage:
    """Which answer a prompt of GenPRM's protocol asks for."""
    # The last one is that of the step in hand: those before it are history.
    named = _PARAGRAPH.match(prompt, max(0, prompt.rfind(_OPENING)))
    if named is None:
        raise AssertionError(f"No stage of GenPRM's protocol: …{prompt[-200:]!r}")
    step = int(named[1]) - 1
    if named.end() == len(prompt):
        return Stage(step, 0)
    return Stage(step, 1 + 2 * prompt.count(_RUN, named.end()))


class ImitatedEngine:
    """An engine in front of the server: GenPRM's protocol, every step judged right.

    The server keeps what it has read or written of a conversation (prefix caching), unless
    `is_caching` is False: then every request's whole prompt is read anew.
    """

    def __init__(
        self,
        trajectories: Sequence[Trajectory],
        server: BatchingServer,
        *,
        is_caching: bool = True,
    ) -> None:
        self._trajectories = {trajectory.index: trajectory for trajectory in trajectories}
        self._server = server
        self._is_caching = is_caching
        # Of each conversation: the characters and the tokens that the server has seen.
        self._seen: dict[int, tuple[int, int]] = {}
        self.calls = 0

    @property
    def name(self) -> str:
        return f"imitated-{self._server.machine.name}"

    @property
    def revision(self) -> str:
        return "1"

    @property
    def is_scripted(self) -> bool:
        return True

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(logprobs=True, n=True, completions=True)

    def describe(self) -> dict[str, Any]:
        return {"kind": "imitated", "name": self.name, "is_scripted": True}

    async def complete(self, request: CompletionRequest) -> EngineReply:
        """The next answer of the conversation, when its tokens have been decoded."""
        prompt = request.prompt or ""
        found = _PROBLEM.search(prompt)
        if found is None:
            raise AssertionError("The prompt holds no problem of this workload.")
        index = int(found[1])
        stage = find_stage(prompt)
        text, tokens = _write(self._trajectories[index].steps[stage.step], stage)
        characters, before = self._seen.get(index, (0, 0))
        new_tokens = math.ceil((len(prompt) - characters) / CHARACTERS)
        self._seen[index] = (len(prompt) + len(text), before + new_tokens + tokens)
        self.calls += 1
        await asyncio.sleep(REQUEST_S)
        await self._server.decode(
            tokens=tokens, new_tokens=new_tokens if self._is_caching else before + new_tokens
        )
        completion = Completion(
            text,
            finish_reason="stop",
            prompt_tokens=before + new_tokens,
            completion_tokens=tokens,
            logprobs=_split(text) if request.sampling.logprobs is not None else None,
        )
        return EngineReply(
            (completion,),
            model=self.name,
            prompt_tokens=before + new_tokens,
            completion_tokens=tokens,
        )

    async def aclose(self) -> None:
        """There is nothing to let go of."""


_VERDICT = (
    "The output agrees.\n</verify>\n<output>\n**Judgement**: $\\boxed{",
    "Yes",
    "}$\n</output>\n",
)
_LOGPROBS = {"Yes": math.log(0.95), "No": math.log(0.05)}


def _write(lengths: StepLengths, stage: Stage) -> tuple[str, int]:
    """The text of an answer, and how many tokens it counts as."""
    if stage.place == 0:
        return "The paragraph is right.\n</analyze>\n", lengths.analysis
    number = stage.place // 2
    if number < len(lengths.blocks):
        opening = "" if number == 0 else "Let us look again:\n```python\n"
        return f"{opening}print({number})\n```\n", lengths.blocks[number]
    return "".join(_VERDICT), lengths.conclusion


def _split(text: str) -> tuple[TokenLogprob, ...]:
    """The text as tokens: one for all that stands around a verdict, and one for it."""
    if text != "".join(_VERDICT):
        return (TokenLogprob(text, 0.0),)
    before, word, after = _VERDICT
    return (
        TokenLogprob(before, 0.0),
        TokenLogprob(word, _LOGPROBS[word], _LOGPROBS),
        TokenLogprob(after, 0.0),
    )


class ImitatedCode:
    """Runs code by waiting as long as a run takes. Processors are not short: every run begins at
    once.
    """

    async def run(self, trajectory: str, key: str, code: str) -> CodeRecord:
        """See `CodeRunner`."""
        await asyncio.sleep(CODE_RUN_S)
        result = CodeResult(CodeStatus.OK, "0", wall_ms=round(CODE_RUN_S * 1000))
        return CodeRecord(key, code, result)
