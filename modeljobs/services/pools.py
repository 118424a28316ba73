"""Requests for scores and their replies, as entries of a chunk (see `services.calls`).

A request is its pieces: texts, with the tokens of those that bring their own, and which numbers are
wanted of them. Requests of one item often share a beginning, which is stored once, as the place of
an earlier request and how many of its pieces come first. Scores are stored as they came, to the
last digit: what is read again decides as it did the first time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modeljobs.engines.base import Piece
from modeljobs.engines.pooling import PoolingReply, PoolingRequest
from modeljobs.texts import TextMissing

# A request shares its beginning with one of the item's latest.
LOOK_BACK = 32


def pack_pool_request(request: PoolingRequest, earlier: Mapping[int, object]) -> dict[str, Any]:
    """The request as a reference to an earlier one of the item, and the pieces after it."""
    packed: dict[str, Any] = {}
    keep = 0
    if like := _find_likest(request, earlier):
        packed["like"] = list(like)
        keep = like[1]
    packed["pieces"] = [
        [piece.text] if piece.token_ids is None else [piece.text, list(piece.token_ids)]
        for piece in request.pieces[keep:]
    ]
    if request.positions is not None:
        packed["positions"] = list(request.positions)
    if request.columns is not None:
        packed["columns"] = list(request.columns)
    if request.reduce:
        packed["reduce"] = request.reduce
    return packed


def parse_pool_request(
    data: Mapping[str, Any], earlier: Mapping[int, object], *, key: str
) -> PoolingRequest:
    """The request again, or TextMissing where the one that it refers to is lost."""
    pieces: tuple[Piece, ...] = ()
    place, keep = data.get("like", (None, 0))
    if place is not None:
        other = earlier.get(place)
        if not isinstance(other, PoolingRequest):
            raise TextMissing(f"it goes on from call {place + 1}, which is lost.")
        pieces = other.pieces[:keep]
    positions, columns = data.get("positions"), data.get("columns")
    return PoolingRequest(
        key,
        (*pieces, *(Piece(text, *map(tuple, ids)) for text, *ids in data["pieces"])),
        positions=None if positions is None else tuple(positions),
        columns=None if columns is None else tuple(columns),
        reduce=data.get("reduce", ""),
    )


def pack_pool_reply(reply: PoolingReply) -> dict[str, Any]:
    """The reply without what varies from run to run (latency, tries): those are columns."""
    return {
        "model": reply.model,
        "prompt_tokens": reply.prompt_tokens,
        "scores": [list(row) for row in reply.scores],
    }


def parse_pool_reply(data: Mapping[str, Any], *, latency_ms: int) -> PoolingReply:
    return PoolingReply(
        scores=tuple([tuple(row) for row in data["scores"]]),
        model=data["model"],
        prompt_tokens=data["prompt_tokens"],
        latency_ms=latency_ms,
    )


def _find_likest(request: PoolingRequest, earlier: Mapping[int, object]) -> tuple[int, int] | None:
    """The place of the late request that shares the most pieces, and how many these are."""
    best: tuple[int, int] | None = None
    for place in sorted(earlier)[-LOOK_BACK:]:
        other = earlier[place]
        if not isinstance(other, PoolingRequest):
            continue
        keep = _count_shared(request.pieces, other.pieces)
        if keep and (best is None or keep > best[1]):
            best = (place, keep)
    return best


def _count_shared(first: Sequence[Piece], second: Sequence[Piece]) -> int:
    shared = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        shared += 1
    return shared
