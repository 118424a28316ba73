"""The vLLM engine against an imitation of vLLM's HTTP doors: no vLLM runs here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from modeljobs.engines.base import (
    CompletionRequest,
    EngineError,
    EnginePermanent,
    EngineTransient,
    Message,
    Piece,
    SamplingSettings,
)
from modeljobs.engines.openai_compatible import OpenAICompatibleEngine, ServerSettings
from modeljobs.engines.pooling import PoolingEngine, PoolingRequest
from modeljobs.engines.retrying import RetryingEngine
from modeljobs.engines.vllm import VLLMEngine
from tests.modeljobs.engines.conftest import LocalServer

T = TypeVar("T")


def tokenize(body: Any) -> dict[str, Any]:
    ids = list(body["prompt"].encode())
    return {"count": len(ids), "max_model_len": 512, "tokens": ids}


def complete(body: Any) -> dict[str, Any]:
    choices = [{"index": i, "text": "ok", "token_ids": [111, 107]} for i in range(body["n"])]
    return {"model": "m", "choices": choices, "usage": {"prompt_tokens": 3, "completion_tokens": 2}}


def chat(body: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"content": "ok"}, "token_ids": [111, 107]}]}


def pool(body: Any) -> dict[str, Any]:
    data = [[0.25, 0.75] for _ in body["input"]]
    return {"model": "prm", "data": [{"index": 0, "data": data}], "usage": {"prompt_tokens": 4}}


DOORS: dict[str, Callable[[Any], object]] = {
    "/tokenize": tokenize,
    "/v1/completions": complete,
    "/v1/chat/completions": chat,
    "/pooling": pool,
}


def use(server: LocalServer, work: Callable[[VLLMEngine], Awaitable[T]], **settings: Any) -> T:
    """Let `work` use an engine that is made and closed for it."""

    async def run() -> T:
        given = {"returns_token_ids": True, "continues_final_message": True} | settings
        engine = VLLMEngine(ServerSettings(server.url, "m", **given), environ={})
        try:
            return await work(engine)
        finally:
            await engine.aclose()

    return asyncio.run(run())


def pieces(*texts: str | Piece) -> CompletionRequest:
    made = tuple(one if isinstance(one, Piece) else Piece(one) for one in texts)
    return CompletionRequest.of_pieces("a", made, sampling=SamplingSettings(max_tokens=4))


def test_it_works(server: LocalServer) -> None:
    server.reply_by_path(DOORS)
    reply = use(server, lambda engine: engine.complete(pieces("ab", "c")))
    assert (reply.completions[0].text, reply.completions[0].token_ids) == ("ok", (111, 107))
    (body,) = server.list_bodies("/v1/completions")
    assert body["prompt"] == [97, 98, 99]
    assert body["return_token_ids"] is True
    assert "add_special_tokens" not in body


def test_tokens_that_are_known_are_sent_as_they_are(server: LocalServer) -> None:
    server.reply_by_path(DOORS)
    use(server, lambda engine: engine.complete(pieces("a", Piece("bc", token_ids=(7,)))))
    assert server.list_bodies("/v1/completions")[0]["prompt"] == [97, 7]
    assert [body["prompt"] for body in server.list_bodies("/tokenize")] == ["a"]


def test_a_text_is_encoded_once(server: LocalServer) -> None:
    server.reply_by_path(DOORS)

    async def ask(engine: VLLMEngine) -> None:
        await asyncio.gather(*(engine.complete(pieces("same", "same")) for _ in range(5)))
        await engine.complete(pieces("same"))

    use(server, ask)
    (body,) = server.list_bodies("/tokenize")
    assert body == {"model": "m", "prompt": "same", "add_special_tokens": False}
    assert len(server.list_bodies("/v1/completions")) == 6


def test_the_doors_beside_the_api_are_found_behind_a_path(server: LocalServer) -> None:
    server.reply_by_path({f"/node3{path}": door for path, door in DOORS.items()})

    async def run() -> None:
        settings = ServerSettings(f"{server.url}/node3/v1", "m", returns_token_ids=True)
        engine = VLLMEngine(settings, environ={})
        assert await engine.encode("a") == (97,)
        await engine.complete(pieces("a"))
        await engine.aclose()

    asyncio.run(run())


def test_a_server_without_tokens_is_sent_the_text(server: LocalServer) -> None:
    server.reply_by_path({"/v1/completions": complete})

    async def ask(engine: VLLMEngine) -> None:
        for _ in range(2):
            await engine.complete(pieces("ab", "c"))
        assert await engine.encode("x") is None

    use(server, ask)
    body = server.list_bodies("/v1/completions")[0]
    # The pieces hold the first token themselves: the server is not to add another.
    assert (body["prompt"], body["add_special_tokens"]) == ("abc", False)
    # Asked once for each piece of the first prompt, and then never again.
    assert len(server.list_bodies("/tokenize")) == 2


def test_a_prompt_without_pieces_is_sent_as_it_is(server: LocalServer) -> None:
    server.reply_by_path(DOORS)
    use(server, lambda engine: engine.complete(CompletionRequest("a", prompt="abc")))
    (body,) = server.list_bodies("/v1/completions")
    assert body["prompt"] == "abc"
    assert "add_special_tokens" not in body


def test_a_begun_answer_is_gone_on_with(server: LocalServer) -> None:
    server.reply_by_path(DOORS)
    begun = (Message("user", "2 + 2?"), Message("assistant", "It is "))

    async def ask(engine: VLLMEngine) -> None:
        await engine.complete(CompletionRequest("a", messages=begun))
        await engine.complete(CompletionRequest("a", messages=begun[:1]))

    use(server, ask)
    first, second = server.list_bodies("/v1/chat/completions")
    assert (first["continue_final_message"], first["add_generation_prompt"]) == (True, False)
    assert "continue_final_message" not in second


def test_token_ids_can_be_switched_off(server: LocalServer) -> None:
    server.reply_by_path(DOORS)
    use(server, lambda engine: engine.complete(pieces("ab")), returns_token_ids=False)
    (body,) = server.list_bodies("/v1/completions")
    assert body["prompt"] == "ab"
    assert "return_token_ids" not in body
    assert server.list_bodies("/tokenize") == []


@pytest.mark.parametrize("tokens", [[1, "2"], [1, -2], "12", None])
def test_tokens_that_are_none_are_refused(server: LocalServer, tokens: object) -> None:
    server.reply_by_path({"/tokenize": lambda body: {"tokens": tokens}})
    with pytest.raises(EnginePermanent, match="no list of numbers") as caught:
        use(server, lambda engine: engine.complete(pieces("a")))
    assert caught.value.code == "bad_reply"


def test_a_passing_failure_to_encode_is_not_kept(server: LocalServer) -> None:
    server.reply_with({"detail": "busy"}, status=503)

    async def ask(engine: VLLMEngine) -> tuple[int, ...] | None:
        with pytest.raises(EngineTransient):
            await engine.encode("a")
        server.reply_by_path(DOORS)
        return await engine.encode("a")

    assert use(server, ask) == (97,)


def test_whoever_stops_waiting_for_tokens_does_not_take_them_from_others(
    server: LocalServer,
) -> None:
    server.reply_by_path(DOORS)

    async def ask(engine: VLLMEngine) -> tuple[int, ...] | None:
        first = asyncio.create_task(engine.encode("a"))
        second = asyncio.create_task(engine.encode("a"))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        return await second

    assert use(server, ask) == (97,)
    assert len(server.list_bodies("/tokenize")) == 1


# Reward models


def test_scores_come_a_row_a_token(server: LocalServer) -> None:
    server.reply_by_path(DOORS)
    request = PoolingRequest("a", (Piece("ab"), Piece("<extra_0>", token_ids=(9,))))
    reply = use(server, lambda engine: engine.pool(request))
    assert reply.scores == ((0.25, 0.75),) * 3
    assert (reply.model, reply.prompt_tokens) == ("prm", 4)
    (body,) = server.list_bodies("/pooling")
    assert (body["input"], body["task"]) == ([97, 98, 9], "token_classify")


def test_flat_scores_are_rows_of_one(server: LocalServer) -> None:
    server.reply_by_path(DOORS | {"/pooling": lambda body: {"data": [{"data": [0.5, -1]}]}})
    reply = use(server, lambda engine: engine.pool(PoolingRequest("a", (Piece("ab"),))))
    assert reply.scores == ((0.5,), (-1.0,))


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"data": []},
        {"data": [{"data": "aGk="}]},
        {"data": [{"data": [["x"]]}]},
        {"data": [{"data": [[float("nan")]]}]},
        {"data": [{"data": [1]}, {"data": [1]}]},
    ],
)
def test_scores_that_are_none_are_refused(server: LocalServer, document: object) -> None:
    server.reply_by_path(DOORS | {"/pooling": lambda body: document})
    with pytest.raises(EnginePermanent) as caught:
        use(server, lambda engine: engine.pool(PoolingRequest("a", (Piece("ab"),))))
    assert caught.value.code == "bad_reply"


def test_scores_are_asked_for_again_where_that_may_help(server: LocalServer) -> None:
    server.reply_with({"detail": "busy"}, status=503)

    async def mend(seconds: float) -> None:
        server.reply_by_path(DOORS)

    async def run() -> None:
        settings = ServerSettings(server.url, "m", returns_token_ids=True)
        engine = RetryingEngine(VLLMEngine(settings, environ={}), sleep=mend)
        assert isinstance(engine, PoolingEngine)
        reply = await engine.pool(PoolingRequest("a", (Piece("ab"),)))
        assert reply.attempts == 2
        assert await engine.encode("a") == (97,)
        await engine.aclose()

    asyncio.run(run())


def test_an_engine_that_scores_nothing_says_so(server: LocalServer) -> None:
    async def run() -> EngineError:
        inner = OpenAICompatibleEngine(ServerSettings(server.url, "m"), environ={})
        engine = RetryingEngine(inner)
        assert await engine.encode("a") is None
        with pytest.raises(EnginePermanent, match="does not score") as caught:
            await engine.pool(PoolingRequest("a", (Piece("ab"),)))
        await engine.aclose()
        return caught.value

    assert asyncio.run(run()).code == "no_pooling"
