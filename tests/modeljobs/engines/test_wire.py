from __future__ import annotations

import math
from typing import Any

import pytest

from modeljobs.engines.base import CompletionRequest, Message, SamplingSettings, TokenLogprob
from modeljobs.engines.wire import BadReply, build_body, clean_text, read_models, read_reply

CHAT = CompletionRequest("a", messages=(Message("user", "2 + 2?"),))
RAW = CompletionRequest("a", prompt="2 + 2 =")


def read_first(choice: dict[str, Any], *, request: CompletionRequest = CHAT) -> Any:
    return read_reply({"choices": [choice]}, request=request, latency_ms=1).completions[0]


def build(request: CompletionRequest, **extra: Any) -> dict[str, Any]:
    return build_body(request, model="m", limit_field="max_completion_tokens", extra=extra)


# Requests


def test_settings_that_are_none_are_not_sent() -> None:
    assert build(CHAT) == {
        "model": "m",
        "stream": False,
        "n": 1,
        "messages": [{"role": "user", "content": "2 + 2?"}],
    }


def test_a_chat_request_is_written_in_full() -> None:
    sampling = SamplingSettings(0.7, 0.9, 20, 64, 3, 5, ("END",), 4)
    body = build(CompletionRequest("a", messages=CHAT.messages, sampling=sampling))
    assert body == {
        "model": "m",
        "stream": False,
        "n": 3,
        "messages": [{"role": "user", "content": "2 + 2?"}],
        "temperature": 0.7,
        "top_p": 0.9,
        "top_k": 20,
        "max_completion_tokens": 64,
        "seed": 5,
        "stop": ["END"],
        "logprobs": True,
        "top_logprobs": 4,
    }


def test_a_completion_request_asks_for_logprobs_by_number_and_keeps_max_tokens() -> None:
    body = build(
        CompletionRequest("a", prompt="x", sampling=SamplingSettings(max_tokens=9, logprobs=0))
    )
    assert (body["prompt"], body["max_tokens"], body["logprobs"]) == ("x", 9, 0)


def test_metadata_is_not_sent() -> None:
    request = CompletionRequest("secret-key", prompt="x", metadata={"truth": "hidden"})
    assert "hidden" not in str(build(request))
    assert "secret-key" not in str(build(request))


def test_further_fields_are_sent_but_change_nothing_of_what_is_recorded() -> None:
    body = build(RAW, model="other", prompt="other", stream=True, n=99, min_p=0.1)
    assert body == {"min_p": 0.1, "model": "m", "stream": False, "n": 1, "prompt": "2 + 2 ="}


# Replies


def test_a_chat_reply_is_read() -> None:
    document = {
        "model": "m-2",
        "choices": [{"index": 0, "message": {"content": "4"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 1},
    }
    reply = read_reply(document, request=CHAT, latency_ms=12)
    (completion,) = reply.completions
    assert (completion.text, completion.finish_reason) == ("4", "stop")
    assert (completion.prompt_tokens, completion.completion_tokens) == (7, 1)
    assert (reply.model, reply.latency_ms) == ("m-2", 12)
    assert completion.logprobs is None


def test_several_answers_are_sorted_and_have_no_token_count_each() -> None:
    document = {
        "choices": [{"index": 1, "text": "b"}, {"index": 0, "text": "a"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 30},
    }
    request = CompletionRequest("a", prompt="x", sampling=SamplingSettings(n=2))
    reply = read_reply(document, request=request, latency_ms=1)
    assert [completion.text for completion in reply.completions] == ["a", "b"]
    assert [completion.completion_tokens for completion in reply.completions] == [None, None]
    assert reply.completion_tokens == 30


def test_no_more_answers_than_asked_for() -> None:
    document = {"choices": [{"text": "a"}, {"text": "b"}]}
    assert len(read_reply(document, request=RAW, latency_ms=1).completions) == 1


def test_nothing_said_is_an_empty_text() -> None:
    choice = {"message": {"content": None, "reasoning_content": "hm"}, "finish_reason": "length"}
    completion = read_first(choice)
    assert (completion.text, completion.reasoning) == ("", "hm")


def test_content_in_parts_is_joined() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, "x", {"text": "b"}]
    assert read_first({"message": {"content": parts}}).text == "ab"


def test_what_no_database_stores_is_replaced() -> None:
    assert clean_text("a\x00b\ud800c") == "a\ufffdb\ufffdc"
    assert read_first({"text": "a\x00"}, request=RAW).text == "a\ufffd"


def test_usage_that_is_no_count_is_unknown() -> None:
    for count in (-1, 1.5, "7", True, None, 2**40):
        document = {"choices": [{"text": "a"}], "usage": {"prompt_tokens": count}}
        assert read_reply(document, request=RAW, latency_ms=1).prompt_tokens is None


def test_logprobs_of_a_chat() -> None:
    token = {
        "token": "4",
        "logprob": -0.1,
        "top_logprobs": [
            {"token": "4", "logprob": -0.1},
            {"token": "5", "logprob": -math.inf},
        ],
    }
    completion = read_first({"message": {"content": "4"}, "logprobs": {"content": [token]}})
    assert completion.logprobs == (TokenLogprob("4", -0.1, {"4": -0.1, "5": -math.inf}),)


def test_logprobs_of_a_completion() -> None:
    logprobs = {
        "tokens": ["4", "."],
        "token_logprobs": [-0.1, -0.2],
        "top_logprobs": [{"4": -0.1}, None],
    }
    completion = read_first({"text": "4.", "logprobs": logprobs}, request=RAW)
    assert completion.logprobs == (
        TokenLogprob("4", -0.1, {"4": -0.1}),
        TokenLogprob(".", -0.2, {}),
    )


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ([], "is not a JSON object"),
        ({}, "has no 'choices'"),
        ({"choices": []}, "has no 'choices'"),
        ({"choices": "abc"}, "has no 'choices'"),
        ({"choices": ["abc"]}, "has a choice that is not an object"),
        ({"choices": [{}]}, "has a choice without a 'message'"),
        ({"choices": [{"message": {"content": 4}}]}, "whose text is not a string"),
    ],
)
def test_a_reply_of_another_shape_is_refused(document: Any, sentence: str) -> None:
    with pytest.raises(BadReply, match=sentence):
        read_reply(document, request=CHAT, latency_ms=1)


@pytest.mark.parametrize(
    "logprobs",
    [
        {"tokens": ["a"], "token_logprobs": []},
        {"tokens": [4], "token_logprobs": [-1]},
        {"tokens": ["a"], "token_logprobs": ["-1"]},
        {"tokens": ["a"], "token_logprobs": [math.nan]},
        {"tokens": ["a"], "token_logprobs": [10**400]},
        {"content": ["a"]},
        {"content": [{"token": "a", "logprob": -1, "top_logprobs": 4}]},
    ],
)
def test_logprobs_of_another_shape_are_refused(logprobs: Any) -> None:
    with pytest.raises(BadReply):
        read_first({"text": "a", "logprobs": logprobs}, request=RAW)


def test_models_are_read() -> None:
    document = {"data": [{"id": "a", "max_model_len": 4096}, {"id": "b"}, {"id": 4}, "c"]}
    assert list(read_models(document)) == [("a", 4096), ("b", None)]


def test_models_of_another_shape_are_refused() -> None:
    with pytest.raises(BadReply, match="no list of models"):
        list(read_models({"data": 4}))
