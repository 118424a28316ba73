"""Rollouts: completions of a solution from one of its prefixes, planned, asked for and shared.

A prefix is the problem and the first steps of a solution, none of them for Pass@1. Its rollouts
are asked for in chunks, each one request with a seed of its own. What a chunk's text depends on
(policy, revision, template, sampler, prefix) is hashed into a fingerprint, so that a prefix that
solutions share is sampled once.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal, NamedTuple, Protocol

from labeling.records import Solution
from modeljobs.engines.base import CompletionRequest, Engine, Message, SamplingSettings
from modeljobs.methods.base import derive_seed

Template = Literal["numbered", "plain"]
InstructionPlace = Literal["system", "user"]
PlanKind = Literal["published", "fixed", "sequential"]

TEMPLATE_VERSION = "1"
# What the published rollouts were asked with (GenPRM, released code), word for word.
INSTRUCTION = "Please reason step by step, and put your final answer within \\boxed{}."
STEP_SEPARATOR = "\n\n"
CHUNK = 8

_NUMBERED = re.compile(r"\s*step\s+\d+\s*[:.]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Prompting:
    """How a prefix is put before the policy.

    "numbered" begins each step with "Step k: " and the completion with the next number, as the
    published completer was asked; "plain" begins the completion with a paragraph of its own. The
    instruction stands in the system message, or after the problem for models that know none.
    """

    template: Template = "numbered"
    instruction_place: InstructionPlace = "system"
    instruction: str = INSTRUCTION

    @property
    def version(self) -> str:
        """Which texts are put before the model."""
        return f"rollout-{self.template}-{TEMPLATE_VERSION}"


@dataclass(frozen=True, slots=True)
class Sampler:
    """How rollouts are sampled. Defaults as published; no top_k is sent unless one is given."""

    temperature: float = 0.7
    top_p: float = 1.0
    top_k: int | None = None
    max_tokens: int = 2048
    chunk: int = CHUNK

    def settings(self, n: int, seed: int) -> SamplingSettings:
        return SamplingSettings(
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            max_tokens=self.max_tokens,
            n=n,
            seed=seed,
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """How many rollouts each prefix gets.

    "published": 128, 64 or 32 by the problem's difficulty; "fixed": `samples` each; "sequential":
    chunk after chunk until the posterior leaves the band, at most `samples`. `start_samples` is for
    the problem alone, under every plan.
    """

    kind: PlanKind = "published"
    samples: int = 64
    start_samples: int = 64

    def count_rollouts(self, start_share: float | None) -> int:
        """Rollouts for each step, given the problem's MC; at most so many where sequential."""
        if self.kind == "published":
            return choose_rollouts(start_share)
        return self.samples


class Rollout(NamedTuple):
    """One completion as it came: what follows the prefix, and how it ended."""

    text: str
    finish_reason: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """The rollouts of one chunk. `origin` is the key of the request that made them first."""

    rollouts: tuple[Rollout, ...]
    origin: str
    seed: int
    model: str = ""


class ChunkKey(NamedTuple):
    """What a chunk's rollouts depend on, and its number among those of its prefix.

    `revision` is that of the policy, "" where the server does not say: then two servings of one
    name need not be the same model, and a cache that outlives a job should not answer.
    """

    fingerprint: str
    number: int
    revision: str


class RolloutCache(Protocol):
    """Where chunks are shared between solutions.

    A chunk out of another job comes with an `origin` that is no request key of this one.
    """

    async def fetch(self, key: ChunkKey, sample: Callable[[], Awaitable[Chunk]]) -> Chunk:
        """The chunk of that key; `sample` makes it where there is none, one caller at a time.

        An error of `sample` goes to its caller, and the next one tries.
        """

    def note(self, key: ChunkKey, chunk: Chunk, call_key: str) -> None:
        """Called within `sample`, when the reply to that request has made the chunk whole and
        before the call is handed on: who stores the one with the other loses neither.
        """


@dataclass(slots=True)
class MemoryRolloutCache:
    """Chunks of this process."""

    chunks: dict[ChunkKey, Chunk] = field(default_factory=dict)
    _locks: dict[ChunkKey, asyncio.Lock] = field(default_factory=dict)

    async def fetch(self, key: ChunkKey, sample: Callable[[], Awaitable[Chunk]]) -> Chunk:
        async with self._locks.setdefault(key, asyncio.Lock()):
            known = self.chunks.get(key)
            if known is None:
                known = self.chunks[key] = await sample()
            return known

    def note(self, key: ChunkKey, chunk: Chunk, call_key: str) -> None:
        """Nothing is stored."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """A problem and the first steps of a solution."""

    problem: str
    steps: tuple[str, ...]

    @property
    def text(self) -> str:
        return STEP_SEPARATOR.join(self.steps)


class QueuedPrefix(NamedTuple):
    """A prefix to sample, and all (item key, position) that it is for; -1 is the problem alone."""

    prefix: Prefix
    owners: tuple[tuple[str, int], ...]


def choose_rollouts(start_share: float | None) -> int:
    """K by the problem's difficulty: 128, 64 or 32 for MC(s_1) below 0.1, below 0.9, and above.

    GenPRM, equation 9, which ends below 1; a problem that is always solved gets 32 as well. An
    unknown MC(s_1) gets the middle.
    """
    if start_share is None:
        return 64
    if start_share < 0.1:
        return 128
    return 64 if start_share < 0.9 else 32


def list_prefixes(solution: Solution) -> tuple[Prefix, ...]:
    """The problem alone, then the prefix after each step but the last, which needs no rollouts."""
    texts = tuple(step.text for step in solution.steps)
    return tuple(Prefix(solution.problem.text, texts[:end]) for end in range(max(len(texts), 1)))


def queue_prefixes(solutions: Iterable[tuple[str, Solution]]) -> list[QueuedPrefix]:
    """All prefixes of (item key, solution) in one flat list, each distinct one once, in order."""
    owners: dict[Prefix, list[tuple[str, int]]] = {}
    for key, solution in solutions:
        for position, prefix in enumerate(list_prefixes(solution), start=-1):
            owners.setdefault(prefix, []).append((key, position))
    return [QueuedPrefix(prefix, tuple(of)) for prefix, of in owners.items()]


def count_chunks(rollouts: int, chunk: int) -> int:
    """Chunks that hold so many rollouts: they are asked for in whole chunks."""
    return -(-rollouts // chunk)


def write_messages(prefix: Prefix, prompting: Prompting) -> tuple[Message, ...]:
    """The chat that a rollout goes on from: its last turn is the assistant's own beginning."""
    problem = prefix.problem
    messages: list[Message] = []
    if prompting.instruction_place == "system":
        messages.append(Message("system", prompting.instruction))
    else:
        problem = f"{problem}{STEP_SEPARATOR}{prompting.instruction}"
    messages.append(Message("user", problem))
    beginning = write_beginning(prefix.steps, prompting.template)
    if beginning:
        messages.append(Message("assistant", beginning))
    return tuple(messages)


def write_beginning(steps: Sequence[str], template: Template) -> str:
    """The assistant's turn so far. A step that begins with its number keeps the one it has."""
    if template == "plain":
        return "".join(step + STEP_SEPARATOR for step in steps)
    numbered = [
        step if _NUMBERED.match(step) else f"Step {number}: {step}"
        for number, step in enumerate(steps, 1)
    ]
    return STEP_SEPARATOR.join([*numbered, f"Step {len(steps) + 1}: "])


def build_fingerprint(
    engine: Engine, prefix: Prefix, prompting: Prompting, sampler: Sampler
) -> str:
    """A hash over all that the rollouts of a prefix depend on, the seed apart."""
    facts = {
        "policy": engine.name,
        "revision": engine.revision,
        "prompting": asdict(prompting) | {"version": prompting.version},
        "sampler": asdict(sampler),
        "problem": prefix.problem,
        "steps": prefix.steps,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def build_chunk_request(
    key: str,
    prefix: Prefix,
    *,
    n: int,
    seed: int,
    prompting: Prompting,
    sampler: Sampler,
) -> CompletionRequest:
    """The request for n rollouts."""
    return CompletionRequest(
        key=key,
        messages=write_messages(prefix, prompting),
        sampling=sampler.settings(n, seed),
        metadata={"task": "rollout", "question": prefix.problem, "steps": prefix.steps},
    )


def derive_chunk_seed(rng_seed: int, fingerprint: str, number: int, part: int) -> int:
    """A seed that follows from what is sampled, not from who asks: sharing changes nothing."""
    return derive_seed(rng_seed, f"{fingerprint}/{number}/{part}")
