"""Replies held to a schema, where the server knows how."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from modeljobs.engines.base import (
    CompletionRequest,
    EngineError,
    EnginePermanent,
    EngineReply,
    Message,
    ReplyForm,
)
from modeljobs.engines.catalog import build_engine
from modeljobs.engines.openai_compatible import OpenAICompatibleEngine, ServerSettings
from tests.modeljobs.engines.conftest import LocalServer

SCHEMA = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
ASKED = CompletionRequest(
    "a", messages=(Message("user", "Reply in JSON."),), form=ReplyForm("thing", SCHEMA)
)
FORM = {
    "type": "json_schema",
    "json_schema": {"name": "thing", "strict": True, "schema": SCHEMA},
}
GOOD = {"choices": [{"message": {"content": "{}"}}]}


def ask(
    server: LocalServer, requests: Sequence[CompletionRequest], *, setting: str = "json_schema"
) -> tuple[list[EngineReply | EngineError], OpenAICompatibleEngine]:
    """The requests one after the other, by one engine."""
    engine = OpenAICompatibleEngine(
        ServerSettings(base_url=server.url, model="m", structured_output=setting), environ={}
    )

    async def call() -> list[EngineReply | EngineError]:
        results: list[EngineReply | EngineError] = []
        for request in requests:
            try:
                results.append(await engine.complete(request))
            except EngineError as error:
                results.append(error)
        await engine.aclose()
        return results

    return asyncio.run(call()), engine


def refuse_forms(server: LocalServer, *, also_without: bool = False) -> None:
    """Answer 400 to whatever has a response_format, and otherwise well, or with 400 too."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        is_bad = also_without or "response_format" in server.seen[-1].body
        raw = json.dumps({"error": {"message": "unknown field"}} if is_bad else GOOD).encode()
        handler.send_response(400 if is_bad else 200)
        handler.send_header("Content-Length", str(len(raw)))
        handler.end_headers()
        handler.wfile.write(raw)

    server.answer = answer


def forms(server: LocalServer) -> list[Any]:
    return [one.body.get("response_format") for one in server.seen]


def test_the_form_goes_along_where_the_engine_is_set_so(server: LocalServer) -> None:
    server.reply_with(GOOD)
    _, engine = ask(server, [ASKED])
    assert forms(server) == [FORM]
    assert engine.capabilities.json_schema
    assert engine.describe()["structured_output"] == "json_schema"


def test_it_is_not_sent_unasked(server: LocalServer) -> None:
    server.reply_with(GOOD)
    _, engine = ask(server, [ASKED], setting="off")
    ask(server, [CompletionRequest("b", messages=ASKED.messages)])
    assert forms(server) == [None, None]
    assert not engine.capabilities.json_schema


def test_a_server_that_refuses_it_is_asked_without_it_from_then_on(server: LocalServer) -> None:
    refuse_forms(server)
    replies, engine = ask(server, [ASKED, ASKED])
    assert all(isinstance(reply, EngineReply) for reply in replies)
    assert forms(server) == [FORM, None, None]
    assert not engine.capabilities.json_schema
    assert engine.describe()["structured_output"] == "refused"


def test_a_request_that_is_refused_without_it_too_says_nothing_of_it(server: LocalServer) -> None:
    refuse_forms(server, also_without=True)
    [error], engine = ask(server, [ASKED])
    assert isinstance(error, EnginePermanent)
    assert error.code == "bad_request"
    assert engine.capabilities.json_schema


@pytest.mark.parametrize("status", [401, 404, 503])
def test_other_refusals_are_not_about_the_form(server: LocalServer, status: int) -> None:
    server.reply_with("no", status=status)
    [error], engine = ask(server, [ASKED])
    assert isinstance(error, EngineError)
    assert forms(server) == [FORM]
    assert engine.capabilities.json_schema


def test_vllm_is_known_to_offer_it_and_other_servers_are_not() -> None:
    settings = {"base_url": "http://127.0.0.1:1/v1", "model": "m"}
    vllm = build_engine({"kind": "vllm", **settings}, environ={})
    other = build_engine({"kind": "openai_compatible", **settings}, environ={})
    assert vllm.capabilities.json_schema
    assert not other.capabilities.json_schema
    chosen = {**settings, "kind": "openai_compatible", "structured_output": "json_schema"}
    assert build_engine(chosen, environ={}).capabilities.json_schema
