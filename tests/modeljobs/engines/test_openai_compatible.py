from __future__ import annotations

import asyncio
import dataclasses
import gzip
import json
import logging
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from modeljobs.engines.base import (
    CompletionRequest,
    EngineError,
    EnginePermanent,
    EngineReply,
    EngineTransient,
    Message,
    Piece,
    SamplingSettings,
)
from modeljobs.engines.openai_compatible import (
    OpenAICompatibleEngine,
    ServedModel,
    ServerSettings,
    parse_retry_after,
)
from modeljobs.engines.rates import RateLimit
from tests.modeljobs.engines.conftest import LocalServer

KEY = "sk-test-0123456789abcdef"
CHAT = CompletionRequest("a", messages=(Message("user", "2 + 2?"),))
GOOD = {
    "model": "m-2",
    "choices": [{"index": 0, "message": {"content": "4"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 1},
}


def bind_key(server: LocalServer) -> dict[str, str]:
    host = server.url.removeprefix("http://")
    return {"WORKBENCH_ENGINE_KEY_OWN": KEY, "WORKBENCH_ENGINE_HOSTS_OWN": host}


def ask(
    url: str,
    request: CompletionRequest = CHAT,
    *,
    environ: dict[str, str] | None = None,
    **settings: Any,
) -> EngineReply:
    """One call of an engine that is made and closed for it."""

    async def call() -> EngineReply:
        engine = OpenAICompatibleEngine(
            ServerSettings(base_url=url, model="m", **settings), environ=environ or {}
        )
        try:
            return await engine.complete(request)
        finally:
            await engine.aclose()

    return asyncio.run(call())


def fail(url: str, request: CompletionRequest = CHAT, **settings: Any) -> EngineError:
    with pytest.raises(EngineError) as caught:
        ask(url, request, **settings)
    assert KEY not in f"{caught.value} {caught.value!r} {caught.value.args}"
    return caught.value


# Success


def test_it_works(server: LocalServer) -> None:
    server.reply_with(GOOD)
    reply = ask(server.url)
    assert reply.completions[0].text == "4"
    assert (reply.prompt_tokens, reply.completion_tokens, reply.model) == (7, 1, "m-2")
    assert reply.latency_ms is not None
    (seen,) = server.seen
    assert (seen.verb, seen.path) == ("POST", "/v1/chat/completions")
    assert seen.body["messages"] == [{"role": "user", "content": "2 + 2?"}]
    assert "Authorization" not in seen.headers


def test_a_prompt_goes_to_the_other_endpoint(server: LocalServer) -> None:
    server.reply_with({"choices": [{"text": "4"}]})
    assert ask(server.url, CompletionRequest("a", prompt="2 + 2 =")).completions[0].text == "4"
    assert server.seen[0].path == "/v1/completions"


def test_several_answers(server: LocalServer) -> None:
    choices = [{"index": i, "message": {"content": str(i)}} for i in range(3)]
    server.reply_with({"choices": choices})
    request = dataclasses.replace(CHAT, sampling=SamplingSettings(n=3, stop=("\n",), seed=5))
    assert [c.text for c in ask(server.url, request).completions] == ["0", "1", "2"]
    body = server.seen[0].body
    assert (body["n"], body["stop"], body["seed"]) == (3, ["\n"], 5)


def test_a_server_that_does_not_know_n_gives_what_it_gives(server: LocalServer) -> None:
    server.reply_with(GOOD)
    request = dataclasses.replace(CHAT, sampling=SamplingSettings(n=3))
    assert len(ask(server.url, request).completions) == 1


@pytest.mark.parametrize(
    ("suffix", "path"),
    [
        ("", "/v1/chat/completions"),
        ("/", "/v1/chat/completions"),
        ("/v1", "/v1/chat/completions"),
        ("/v1/", "/v1/chat/completions"),
        ("/openai", "/openai/v1/chat/completions"),
        ("/api/v4", "/api/v4/chat/completions"),
    ],
)
def test_the_version_is_added_where_it_is_missing(
    server: LocalServer, suffix: str, path: str
) -> None:
    server.reply_with(GOOD)
    ask(server.url + suffix)
    assert server.seen[0].path == path


def test_models_are_listed(server: LocalServer) -> None:
    server.reply_with({"data": [{"id": "m", "max_model_len": 4096}]})

    async def call() -> tuple[ServedModel, ...]:
        engine = OpenAICompatibleEngine(ServerSettings(server.url, "m"), environ={})
        try:
            return await engine.list_models()
        finally:
            await engine.aclose()

    assert asyncio.run(call()) == (ServedModel("m", 4096),)
    assert (server.seen[0].verb, server.seen[0].path) == ("GET", "/v1/models")


def test_only_so_many_requests_at_a_time(server: LocalServer) -> None:
    server.reply_with(GOOD)
    slow = server.answer
    at_once: list[int] = []
    running: list[int] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        running.append(1)
        at_once.append(len(running))
        slow(handler)
        running.pop()

    server.answer = answer

    async def call() -> None:
        engine = OpenAICompatibleEngine(
            ServerSettings(server.url, "m", max_concurrency=1), environ={}
        )
        try:
            await asyncio.gather(*(engine.complete(CHAT) for _ in range(8)))
        finally:
            await engine.aclose()

    asyncio.run(call())
    assert len(at_once) == 8
    # The client may ask again before the handler has left `answer`, but not two times over.
    assert max(at_once) <= 2


# What some servers know beyond the common API


def test_token_ids_are_asked_for_where_the_server_knows_them(server: LocalServer) -> None:
    server.reply_with({"choices": [{"text": "4", "token_ids": [19]}]})
    pieces = (Piece("2 +", (17, 10)), Piece(" 2 =", (17, 28)))
    request = CompletionRequest.of_pieces("a", pieces, sampling=SamplingSettings())
    reply = ask(server.url, request, returns_token_ids=True)
    assert reply.completions[0].token_ids == (19,)
    assert server.seen[0].body["prompt"] == [17, 10, 17, 28]
    assert server.seen[0].body["return_token_ids"] is True


def test_a_prompt_that_is_known_only_in_part_goes_as_text(server: LocalServer) -> None:
    server.reply_with({"choices": [{"text": "4"}]})
    pieces = (Piece("2 +", (17, 10)), Piece(" 2 ="))
    request = CompletionRequest.of_pieces("a", pieces, sampling=SamplingSettings())
    assert ask(server.url, request, returns_token_ids=True).completions[0].token_ids is None
    assert server.seen[0].body["prompt"] == "2 + 2 ="


def test_a_server_is_not_asked_for_what_it_may_not_know(server: LocalServer) -> None:
    server.reply_with({"choices": [{"text": "4", "message": {"content": "4"}}]})
    pieces = (Piece("2 + 2 =", (17, 10)),)
    ask(server.url, CompletionRequest.of_pieces("a", pieces, sampling=SamplingSettings()))
    begun = (*CHAT.messages, Message("assistant", "It is "))
    ask(server.url, CompletionRequest("a", messages=begun))
    raw, chat = (seen.body for seen in server.seen)
    assert (raw["prompt"], "return_token_ids" in raw) == ("2 + 2 =", False)
    # The begun answer is sent as it is.
    assert chat["messages"][-1] == {"role": "assistant", "content": "It is "}
    assert "continue_final_message" not in chat


def test_an_answer_without_the_logprobs_asked_for_has_none(server: LocalServer) -> None:
    server.reply_with(GOOD)
    request = dataclasses.replace(CHAT, sampling=SamplingSettings(logprobs=5))
    assert ask(server.url, request).completions[0].logprobs is None
    assert server.seen[0].body["top_logprobs"] == 5


# A bound on what is asked


def test_what_a_request_cost_counts_in_the_bound(server: LocalServer) -> None:
    server.reply_with(GOOD)
    limit = RateLimit(tokens_per_minute=100, clock=lambda: 0.0)

    async def call() -> None:
        engine = OpenAICompatibleEngine(ServerSettings(server.url, "m"), environ={}, limit=limit)
        await engine.complete(CHAT)
        await engine.aclose()

    asyncio.run(call())
    # The server counted 7 + 1 tokens: 92 are left of this minute.
    assert [limit.reserve(n).starts_at for n in (92, 1)] == [0.0, 60.0]


def test_a_request_waits_for_its_turn(server: LocalServer) -> None:
    server.reply_with(GOOD)
    now = [0.0]
    limit = RateLimit(requests_per_minute=1, clock=lambda: now[0])
    limit.reserve(0)

    async def call() -> int:
        engine = OpenAICompatibleEngine(ServerSettings(server.url, "m"), environ={}, limit=limit)
        task = asyncio.create_task(engine.complete(CHAT))
        await asyncio.sleep(0.01)
        asked = len(server.seen)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        # A minute later it is this one's turn at once: the other gave its place back.
        now[0] = 60.0
        await engine.complete(CHAT)
        await engine.aclose()
        return asked

    assert asyncio.run(call()) == 0
    assert len(server.seen) == 1


# Keys


def test_the_key_is_sent_to_its_host_and_shown_nowhere(
    server: LocalServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.reply_with(GOOD)
    with caplog.at_level(logging.DEBUG):
        ask(server.url, environ=bind_key(server), key_name="OWN")
    assert server.seen[0].headers["Authorization"] == f"Bearer {KEY}"
    assert KEY not in caplog.text


def test_another_host_never_gets_the_key(server: LocalServer, other_server: LocalServer) -> None:
    other_server.reply_with(GOOD)
    error = fail(other_server.url, environ=bind_key(server), key_name="OWN")
    assert isinstance(error, EnginePermanent)
    assert error.code == "key_not_bound"
    assert other_server.seen == []


def test_a_redirect_is_not_followed(server: LocalServer, other_server: LocalServer) -> None:
    target = f"{other_server.url}/v1/chat/completions"
    server.reply_with("", status=307, headers={"Location": target})
    error = fail(server.url, environ=bind_key(server), key_name="OWN")
    assert isinstance(error, EnginePermanent)
    assert (error.code, error.status) == ("redirect", 307)
    assert target in error.message
    assert other_server.seen == []


def test_a_server_that_repeats_the_key_does_not_get_it_into_the_message(
    server: LocalServer,
) -> None:
    said = f"Incorrect API key provided: {KEY}, that is sk-t****cdef"
    server.reply_with({"error": {"message": said}}, status=401)
    error = fail(server.url, environ=bind_key(server), key_name="OWN")
    assert error.code == "wrong_key"
    assert "Incorrect API key provided: [key], that is [key]" in error.message


def test_descriptions_hold_the_name_of_the_key_alone(server: LocalServer) -> None:
    settings = ServerSettings(server.url, "m", key_name="OWN")
    engine = OpenAICompatibleEngine(settings, environ=bind_key(server))
    described = engine.describe()
    asyncio.run(engine.aclose())
    assert (described["key_name"], described["base_url"]) == ("OWN", f"{server.url}/v1/")
    assert KEY not in f"{described} {engine!r} {settings!r} {vars(engine)!r}"
    assert json.loads(json.dumps(described)) == described
    assert not engine.is_scripted


def test_proxies_of_the_environment_are_not_used(
    server: LocalServer, other_server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.reply_with(GOOD)
    monkeypatch.setenv("HTTP_PROXY", other_server.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    ask(server.url)
    assert (len(server.seen), len(other_server.seen)) == (1, 0)


def test_a_host_that_is_not_allowed_is_not_called() -> None:
    error = fail("http://169.254.169.254/latest")
    assert error.code == "host_not_allowed"


def test_a_file_of_certificates_that_is_not_there() -> None:
    error = fail("http://127.0.0.1:9", environ={"SSL_CERT_FILE": "/nowhere/ca.pem"})
    assert error.code == "bad_certificate"
    assert "/nowhere/ca.pem" in error.message


# Failures that may pass


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_statuses_that_may_pass(server: LocalServer, status: int) -> None:
    server.reply_with({"error": {"message": "busy"}}, status=status)
    error = fail(server.url)
    assert isinstance(error, EngineTransient)
    assert error.status == status
    assert error.retry_after is None
    assert f"answered {status}: 'busy'" in error.message


def test_retry_after_is_read(server: LocalServer) -> None:
    server.reply_with("slow down", status=429, headers={"Retry-After": "17"})
    error = fail(server.url)
    assert isinstance(error, EngineTransient)
    assert (error.code, error.retry_after) == ("rate_limited", 17.0)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("17", 17.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("inf", None),
        ("nan", None),
        ("soon", None),
        ("", None),
        # 90 seconds after the server's own Date.
        ("Wed, 21 Oct 2015 07:29:30 GMT", 90.0),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0.0),
    ],
)
def test_forms_of_retry_after(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value, date="Wed, 21 Oct 2015 07:28:00 GMT") == seconds


def test_nobody_listens(server: LocalServer) -> None:
    # Port 1 is no server's; a refused connection is the same everywhere.
    error = fail("http://127.0.0.1:1")
    assert isinstance(error, EngineTransient)
    assert error.code == "connection"


def test_a_server_that_hangs_up_in_the_middle(server: LocalServer) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"choices"')

    server.answer = answer
    error = fail(server.url)
    assert isinstance(error, EngineTransient)
    assert error.code == "connection"


def test_a_server_that_never_answers(server: LocalServer) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        server.over.wait()

    server.answer = answer
    error = fail(server.url, timeout_s=0.1)
    assert isinstance(error, EngineTransient)
    assert error.code == "timeout"
    assert "did not answer within 0.1 seconds" in error.message


def test_a_server_that_drips(server: LocalServer) -> None:
    """Each read comes in time; the whole never does."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not server.over.wait(0.01):
            handler.wfile.write(b" ")
            handler.wfile.flush()

    server.answer = answer
    assert fail(server.url, timeout_s=0.2).code == "timeout"


# Failures that will not


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "bad_request"),
        (401, "wrong_key"),
        (403, "wrong_key"),
        (404, "not_found"),
        (418, "bad_request"),
        (422, "bad_request"),
    ],
)
def test_statuses_that_will_not_pass(server: LocalServer, status: int, code: str) -> None:
    server.reply_with({"error": {"message": "no such model 'm'"}}, status=status)
    error = fail(server.url)
    assert isinstance(error, EnginePermanent)
    assert (error.status, error.code) == (status, code)
    assert "no such model 'm'" in error.message


@pytest.mark.parametrize(
    "said",
    [
        "This model's maximum context length is 4096 tokens.",
        "the request exceeds the available context size",
        "The prompt is longer than the maximum model length of 512",
    ],
)
def test_a_prompt_longer_than_the_context(server: LocalServer, said: str) -> None:
    server.reply_with({"error": {"message": said}}, status=400)
    assert fail(server.url).code == "context_overflow"


@pytest.mark.parametrize(
    "body",
    [
        {"error": "broken"},
        {"message": "broken"},
        {"detail": "broken"},
        {"error": {"message": "broken", "code": 4}},
        "broken",
    ],
)
def test_the_servers_words_are_found(server: LocalServer, body: Any) -> None:
    server.reply_with(body, status=400)
    assert "'broken'" in fail(server.url).message


def test_the_servers_words_are_cut_and_made_one_line(server: LocalServer) -> None:
    server.reply_with("<b>\x1b[31mline\nline</b>" + "x" * 100_000, status=400)
    message = fail(server.url).message
    assert len(message) < 500
    assert "[31mline line</b>xxx" in message
    assert message.isprintable()


@pytest.mark.parametrize(
    "body",
    [
        "<html>not JSON</html>",
        b"\xff\xfe\xfd",
        "",
        '{"choices": [',
        "[" * 100_000,
        '{"choices": [{"message": {"content": ' + "9" * 5000 + "}}]}",
        "[]",
        "{}",
    ],
)
def test_a_good_status_with_a_bad_body(server: LocalServer, body: str | bytes) -> None:
    server.reply_with(body)
    error = fail(server.url)
    assert isinstance(error, EnginePermanent)
    assert error.code == "bad_reply"
    assert len(error.message) < 500


def test_a_status_without_a_body(server: LocalServer) -> None:
    server.reply_with("", status=204)
    assert isinstance(fail(server.url), EnginePermanent)


@pytest.mark.parametrize("has_length", [True, False])
def test_a_reply_that_is_too_large_is_not_read_on(server: LocalServer, has_length: bool) -> None:
    written = [0]

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        if has_length:
            handler.send_header("Content-Length", str(10**12))
        handler.end_headers()
        while sum(written) < 50_000_000:
            written.append(handler.wfile.write(b"x" * 65_536))

    server.answer = answer
    error = fail(server.url, max_response_bytes=100_000)
    assert isinstance(error, EnginePermanent)
    assert error.code == "reply_too_large"
    # What the sockets between the two hold, and no more.
    assert sum(written) < 50_000_000, "the client read all there was"


def test_a_compressed_reply_is_not_unpacked(server: LocalServer) -> None:
    server.reply_with(
        gzip.compress(json.dumps(GOOD).encode()), headers={"Content-Encoding": "gzip"}
    )
    error = fail(server.url)
    assert error.code == "bad_reply"
    assert server.seen[0].headers["Accept-Encoding"] == "identity"


def test_text_that_no_database_stores(server: LocalServer) -> None:
    server.reply_with('{"choices": [{"message": {"content": "a\\u0000\\ud83d b"}}]}')
    assert ask(server.url).completions[0].text == "a\ufffd\ufffd b"


def test_a_cancelled_call_ends_at_once(server: LocalServer) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        server.over.wait()

    server.answer = answer

    async def call() -> None:
        engine = OpenAICompatibleEngine(ServerSettings(server.url, "m"), environ={})
        task = asyncio.create_task(engine.complete(CHAT))
        while not server.seen:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await engine.aclose()

    asyncio.run(call())
