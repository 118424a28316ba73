"""Engines that give numbers for the tokens of a text instead of a continuation: reward models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from modeljobs.engines.base import EMPTY, Capabilities, Piece


@dataclass(frozen=True, slots=True)
class PoolingRequest:
    """A text to be scored, in pieces that are encoded one by one (see `engines.base.Piece`).

    Nothing is added to it: marks of the model's own, such as its first token, are pieces too.
    """

    key: str
    pieces: tuple[Piece, ...]
    metadata: Mapping[str, Any] = field(default_factory=lambda: EMPTY)

    @property
    def text(self) -> str:
        return "".join([piece.text for piece in self.pieces])


@dataclass(frozen=True, slots=True)
class PoolingReply:
    """The model's numbers: one row per token, or per step where the model marks steps itself.

    A row has as many numbers as the model's head. Which token a row belongs to is for the caller to
    know, who must count the rows: a server that cuts long texts gives fewer.
    """

    scores: tuple[tuple[float, ...], ...]
    model: str = ""
    prompt_tokens: int | None = None
    latency_ms: int | None = None
    attempts: int = 1


@runtime_checkable
class PoolingEngine(Protocol):
    """A source of scores. `capabilities.pooling` says whether there are any."""

    @property
    def name(self) -> str: ...

    @property
    def revision(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    async def pool(self, request: PoolingRequest) -> PoolingReply:
        """The scores, or EngineTransient / EnginePermanent."""

    async def encode(self, text: str) -> tuple[int, ...] | None:
        """The text's tokens with nothing added, or None where the engine cannot say."""

    async def aclose(self) -> None: ...
