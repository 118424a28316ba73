from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from modeljobs.engines.base import (
    CompletionRequest,
    EnginePermanent,
    Message,
    SamplingSettings,
)
from modeljobs.engines.openai_compatible import OpenAICompatibleEngine, ServerSettings
from modeljobs.tiny.model import TinyModel
from modeljobs.tiny.server import TinyServer, run_server

WAIT_S = 60


@pytest.fixture(scope="module")
def server(random_folder: Any) -> Iterator[TinyServer]:
    with run_server(TinyModel(random_folder), slots=4) as made:
        yield made


def call(server: TinyServer, path: str, body: Any = None) -> tuple[int, Any]:
    raw = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{server.url}/{path}", data=raw, headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def complete(server: TinyServer, **body: Any) -> dict[str, Any]:
    status, reply = call(
        server, "completions", {"prompt": "a b", "seed": 1, "max_tokens": 6} | body
    )
    assert status == 200, reply
    assert isinstance(reply, dict)
    return reply


def test_models_are_listed(server: TinyServer) -> None:
    status, reply = call(server, "models")
    assert status == 200
    [entry] = reply["data"]
    assert (entry["id"], entry["max_model_len"]) == ("tiny-random", 128)


def test_a_completion(server: TinyServer) -> None:
    reply = complete(server)
    [choice] = reply["choices"]
    assert reply["object"] == "text_completion"
    assert choice["finish_reason"] in ("stop", "length")
    assert reply["usage"]["prompt_tokens"] == 3
    assert 1 <= reply["usage"]["completion_tokens"] <= 6
    assert choice["logprobs"] is None


def test_a_completion_is_short_unless_said_otherwise(server: TinyServer) -> None:
    status, reply = call(server, "completions", {"prompt": "a", "seed": 2})
    assert status == 200
    assert reply["usage"]["completion_tokens"] <= 16


def test_the_same_seed_gives_the_same_text(server: TinyServer) -> None:
    texts = [complete(server)["choices"][0]["text"] for _ in range(2)]
    assert texts[0] == texts[1]


def test_a_prompt_may_be_token_ids(server: TinyServer) -> None:
    ids = server.model.tokenizer.encode("a b")
    by_ids = complete(server, prompt=ids, return_token_ids=True)["choices"][0]
    assert by_ids["text"] == complete(server)["choices"][0]["text"]
    assert by_ids["prompt_token_ids"] == ids
    assert server.model.tokenizer.decode(by_ids["token_ids"]).startswith(by_ids["text"])


def test_several_prompts_and_answers(server: TinyServer) -> None:
    reply = complete(server, prompt=["a b", "c"], n=2)
    assert [choice["index"] for choice in reply["choices"]] == [0, 1, 2, 3]
    assert reply["choices"][0]["text"] == complete(server)["choices"][0]["text"]


def test_log_probabilities_of_a_completion(server: TinyServer) -> None:
    logprobs = complete(server, logprobs=2)["choices"][0]["logprobs"]
    assert len(logprobs["tokens"]) == len(logprobs["token_logprobs"])
    for token, value, top in zip(
        logprobs["tokens"], logprobs["token_logprobs"], logprobs["top_logprobs"], strict=True
    ):
        assert top[token] == value <= 0
        # The token itself is named even where it is not among the two likeliest.
        assert 1 <= len(top) <= 3


def test_a_stop_string_is_dropped_or_kept(server: TinyServer) -> None:
    whole = complete(server)["choices"][0]["text"]
    # Random tokens may spell half a character, which no stop string can name.
    stop = next(character for character in reversed(whole) if character.isascii())
    cut = complete(server, stop=stop)["choices"][0]
    kept = complete(server, stop=[stop], include_stop_str_in_output=True)["choices"][0]
    at = whole.index(stop)
    assert (cut["text"], kept["text"]) == (whole[:at], whole[: at + len(stop)])
    assert (cut["finish_reason"], cut["stop_reason"]) == ("stop", stop)


def test_a_chat(server: TinyServer) -> None:
    body = {
        "messages": [{"role": "user", "content": "hello"}],
        "max_completion_tokens": 5,
        "seed": 1,
        "logprobs": True,
        "top_logprobs": 2,
        "n": 2,
        "return_token_ids": True,
    }
    status, reply = call(server, "chat/completions", body)
    assert status == 200
    assert reply["object"] == "chat.completion"
    assert len(reply["choices"]) == 2
    choice = reply["choices"][0]
    assert choice["message"]["role"] == "assistant"
    content = choice["logprobs"]["content"]
    assert len(content) == len(choice["token_ids"])
    assert all(len(token["top_logprobs"]) == 2 for token in content)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not JSON"),
        (b"[]", "not a JSON object"),
        ({}, "'prompt' is"),
        ({"prompt": []}, "'prompt' is"),
        ({"prompt": ""}, "empty prompt"),
        ({"prompt": [10**6]}, "Token ids"),
        ({"prompt": [True]}, "Token ids"),
        ({"prompt": "a", "max_tokens": 0}, "'max_tokens' is out of range"),
        ({"prompt": "a", "n": 10**6}, "'n' is out of range"),
        ({"prompt": "a", "temperature": -1}, "'temperature' is out of range"),
        ({"prompt": "a", "temperature": "hot"}, "'temperature' is not of the type float"),
        ({"prompt": "a", "top_p": 0}, "'top_p' is out of range"),
        ({"prompt": "a", "seed": -1}, "'seed' is out of range"),
        ({"prompt": "a", "stop": [1]}, "'stop' is"),
        ({"prompt": "a", "stream": True}, "does not stream"),
    ],
)
def test_what_is_wrong_is_refused_with_a_sentence(server: TinyServer, body: Any, said: str) -> None:
    status, reply = call(server, "completions", body)
    assert status == 400
    assert said in reply["error"]["message"]


@pytest.mark.parametrize(
    "messages",
    [None, [], ["hello"], [{"role": "tool", "content": "a"}], [{"role": "user", "content": []}]],
)
def test_messages_that_are_none_are_refused(server: TinyServer, messages: Any) -> None:
    status, reply = call(server, "chat/completions", {"messages": messages})
    assert status == 400
    assert "essage" in reply["error"]["message"]


def test_an_overflow_says_so_in_the_usual_words(server: TinyServer) -> None:
    status, reply = call(server, "completions", {"prompt": "a" * 200})
    assert status == 400
    assert "maximum context length" in reply["error"]["message"]
    assert reply["error"]["code"] == "context_length_exceeded"


@pytest.mark.parametrize(
    ("path", "body"),
    [("nothing", None), ("nothing", {}), ("completions", {"model": "other", "prompt": "a"})],
)
def test_what_is_not_there_is_not_found(server: TinyServer, path: str, body: Any) -> None:
    assert call(server, path, body)[0] == 404


def ask(server: TinyServer, request: CompletionRequest) -> Any:
    async def work() -> Any:
        engine = OpenAICompatibleEngine(
            ServerSettings(server.url, server.model_name),
            environ={},
        )
        try:
            return await engine.complete(request)
        finally:
            await engine.aclose()

    return asyncio.run(work())


SAMPLING = SamplingSettings(max_tokens=6, seed=1, n=2, logprobs=3, temperature=0.8)


def test_our_own_client_reads_completions(server: TinyServer) -> None:
    reply = ask(server, CompletionRequest("k", prompt="a b", sampling=SAMPLING))
    assert len(reply.completions) == 2
    for completion in reply.completions:
        assert "".join(token.token for token in completion.logprobs).startswith(completion.text)


def test_our_own_client_reads_chats(server: TinyServer) -> None:
    request = CompletionRequest("k", messages=(Message("user", "hello"),), sampling=SAMPLING)
    reply = ask(server, request)
    assert len(reply.completions) == 2
    assert reply.prompt_tokens == 8


def test_our_own_client_knows_an_overflow(server: TinyServer) -> None:
    with pytest.raises(EnginePermanent) as caught:
        ask(server, CompletionRequest("k", prompt="a" * 200, sampling=SAMPLING))
    assert caught.value.code == "context_overflow"
