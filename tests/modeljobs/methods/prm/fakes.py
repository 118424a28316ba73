"""An engine that scores as it is told to, with a token for each character. No model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from modeljobs.engines.base import Capabilities, CompletionRequest, EnginePermanent, EngineReply
from modeljobs.engines.pooling import PoolingReply, PoolingRequest

# What is one token to the published tokenizers, by places below zero.
SINGLES = ("<extra_0>", "ки", " \n\n\n\n\n", " +", " -", "<s>", "<|endoftext|>", "<|im_start|>")

Rows = tuple[tuple[float, ...], ...]


@dataclass
class FakeEngine:
    """Answers `pool` with the rows that `answer` makes of the number of wanted positions."""

    answer: Callable[[int], Sequence[Sequence[float]]]
    capabilities: Capabilities = field(default_factory=lambda: Capabilities(pooling=True))
    name: str = "fake"
    revision: str = "r1"
    is_scripted: bool = False
    asked: list[PoolingRequest] = field(default_factory=list)

    async def complete(self, request: CompletionRequest) -> EngineReply:
        raise EnginePermanent("No texts.", code="no_generation")

    async def pool(self, request: PoolingRequest) -> PoolingReply:
        self.asked.append(request)
        rows = tuple(tuple(row) for row in self.answer(len(request.positions or ())))
        return PoolingReply(rows, model="served")

    async def encode(self, text: str) -> tuple[int, ...] | None:
        return encode(text)

    def describe(self) -> dict[str, Any]:
        return {"kind": "fake", "name": self.name}

    async def aclose(self) -> None: ...


def encode(text: str) -> tuple[int, ...]:
    """A token for each character, but for special ones wherever they are spelled."""
    ids: list[int] = []
    place = 0
    while place < len(text):
        found = next((one for one in SINGLES if text.startswith(one, place)), None)
        ids.append(ord(text[place]) if found is None else -1 - SINGLES.index(found))
        place += 1 if found is None else len(found)
    return tuple(ids)


def decode(ids: Sequence[int]) -> str:
    return "".join(chr(one) if one >= 0 else SINGLES[-1 - one] for one in ids)
