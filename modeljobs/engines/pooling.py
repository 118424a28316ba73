"""Engines that give numbers for the tokens of a text instead of a continuation: reward models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from modeljobs.engines.base import EMPTY, Capabilities, Piece


@dataclass(frozen=True, slots=True)
class PoolingRequest:
    """A text to be scored, in pieces that are encoded one by one (see `engines.base.Piece`).

    Nothing is added to it: marks of the model's own, such as its first token, are pieces too.

    `positions` are the tokens whose rows are wanted, counted over all pieces; None for all tokens.
    `columns` are the numbers wanted of each row, for models whose rows are as long as their
    vocabulary; None for all. `reduce` "mean" asks for the mean of a row in its place.
    """

    key: str
    pieces: tuple[Piece, ...]
    metadata: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    positions: tuple[int, ...] | None = None
    columns: tuple[int, ...] | None = None
    reduce: Literal["", "mean"] = ""

    @property
    def text(self) -> str:
        return "".join([piece.text for piece in self.pieces])


@dataclass(frozen=True, slots=True)
class PoolingReply:
    """The model's numbers: one row per token, or per step where the model marks steps itself.

    Where the request names positions, the rows are those of these tokens, in their order. A row has
    as many numbers as the model's head, or those of the request's columns. They are the head's own
    numbers, unless a server has made probabilities of them.
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


def narrow_rows(
    rows: Sequence[tuple[float, ...]], request: PoolingRequest, ids: Sequence[int]
) -> tuple[tuple[float, ...], ...]:
    """Of a server's rows for the tokens `ids`, those that the request wants.

    A server that marks steps by itself gives a row for each of its marks: taken as they are where
    the wanted tokens are all the same one, which is nowhere else. ValueError where rows and tokens
    do not fit, so that no row is taken for that of another token.
    """
    if request.positions is None:
        return tuple(rows)
    if len(rows) == len(ids):
        chosen = [rows[position] for position in request.positions]
        return tuple([_narrow_row(row, request) for row in chosen])
    marks = {ids[position] for position in request.positions}
    if len(rows) == len(request.positions) and len(marks) == 1:
        [mark] = marks
        if list(ids).count(mark) == len(rows):
            return tuple([_narrow_row(row, request) for row in rows])
    raise ValueError(
        f"has {len(rows):,} rows of scores for {len(ids):,} tokens, of which "
        f"{len(request.positions):,} were wanted: the text was cut, or other tokens are marked"
    )


def _narrow_row(row: tuple[float, ...], request: PoolingRequest) -> tuple[float, ...]:
    """The wanted columns; a row that is as long as they are many holds just these."""
    if request.columns is not None and len(row) > max(request.columns):
        row = tuple([row[column] for column in request.columns])
    if request.reduce == "mean" and len(row) > 1:
        return (sum(row) / len(row),)
    return row
