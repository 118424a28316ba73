"""Which of a server's rows are wanted, and when none of them is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from modeljobs.engines.base import EnginePermanent, Piece
from modeljobs.engines.openai_compatible import ServerSettings
from modeljobs.engines.pooling import PoolingReply, PoolingRequest, narrow_rows
from modeljobs.engines.vllm import VLLMEngine
from tests.modeljobs.engines.conftest import LocalServer

IDS = (5, 9, 6, 9)
PIECES = (Piece("abcd", token_ids=IDS),)


def ask(**given: Any) -> PoolingRequest:
    return PoolingRequest("a", PIECES, **given)


def test_rows_of_all_tokens_are_narrowed() -> None:
    rows = [(float(place),) for place in range(4)]
    assert narrow_rows(rows, ask(positions=(1, 3)), IDS) == ((1.0,), (3.0,))


def test_rows_of_the_same_mark_are_taken_as_they_come() -> None:
    rows = [(0.1,), (0.2,)]
    assert narrow_rows(rows, ask(positions=(1, 3)), IDS) == ((0.1,), (0.2,))


def test_nothing_is_narrowed_where_nothing_was_asked_for() -> None:
    assert narrow_rows([(1.0, 2.0)], ask(), IDS) == ((1.0, 2.0),)


@pytest.mark.parametrize(
    ("rows", "positions"),
    [
        # The text was cut.
        (3, (1, 3)),
        (1, (1, 3)),
        # The wanted tokens are no marks.
        (2, (0, 2)),
        # The mark is elsewhere as well.
        (1, (1,)),
    ],
)
def test_rows_that_fit_no_tokens_are_refused(rows: int, positions: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="the text was cut, or other tokens are marked"):
        narrow_rows([(0.5,)] * rows, ask(positions=positions), IDS)


def test_columns_are_taken_of_a_whole_vocabulary() -> None:
    rows = [(0.0, 1.0, 2.0, 3.0)] * 4
    assert narrow_rows(rows, ask(positions=(0,), columns=(3, 1)), IDS) == ((3.0, 1.0),)


def test_columns_that_the_server_took_are_left() -> None:
    rows = [(0.5, -0.5)] * 4
    assert narrow_rows(rows, ask(positions=(0,), columns=(648, 387)), IDS) == ((0.5, -0.5),)


def test_the_mean_of_a_row() -> None:
    assert narrow_rows([(1.0, 2.0)] * 4, ask(positions=(0,), reduce="mean"), IDS) == ((1.5,),)


def pool(
    server: LocalServer, answer: Callable[[Any], object], request: PoolingRequest
) -> PoolingReply:
    server.reply_by_path({"/pooling": answer})

    async def run() -> PoolingReply:
        settings = ServerSettings(server.url, "m", returns_token_ids=True)
        engine = VLLMEngine(settings, environ={})
        try:
            return await engine.pool(request)
        finally:
            await engine.aclose()

    return asyncio.run(run())


def rows_of(count: int, tokens: int = 4) -> Callable[[Any], object]:
    data = [[float(place), 0.0] for place in range(count)]
    return lambda body: {"data": [{"data": data}], "usage": {"prompt_tokens": tokens}}


def test_a_server_is_asked_for_the_heads_own_numbers(server: LocalServer) -> None:
    reply = pool(server, rows_of(4), ask(positions=(1, 3)))
    assert reply.scores == ((1.0, 0.0), (3.0, 0.0))
    [body] = server.list_bodies("/pooling")
    assert body["use_activation"] is False
    assert body["input"] == list(IDS)


def test_a_server_that_marks_steps(server: LocalServer) -> None:
    assert pool(server, rows_of(2), ask(positions=(1, 3))).scores == ((0.0, 0.0), (1.0, 0.0))


@pytest.mark.parametrize(("count", "tokens"), [(3, 4), (4, 3)])
def test_a_server_that_cuts_the_text_is_found_out(
    server: LocalServer, count: int, tokens: int
) -> None:
    with pytest.raises(EnginePermanent) as caught:
        pool(server, rows_of(count, tokens), ask(positions=(1, 3)))
    assert caught.value.code == "bad_reply"
