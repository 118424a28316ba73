from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from modeljobs.engines.base import (
    Capabilities,
    Completion,
    CompletionRequest,
    EnginePermanent,
    EngineReply,
    EngineTransient,
    TokenLogprob,
)
from modeljobs.engines.catalog import build_engine
from modeljobs.engines.openai_compatible import ServerSettings
from modeljobs.engines.probe import ProbeReport, probe_engine
from modeljobs.engines.retrying import RetryingEngine, RetryPolicy
from modeljobs.engines.scripted import ScriptedEngine
from modeljobs.engines.vllm import VLLMEngine
from tests.modeljobs.engines.conftest import LocalServer


@dataclass
class TalkingEngine:
    """Answers as `answer` says, and notes what it was asked."""

    answer: Callable[[CompletionRequest], EngineReply]
    name: str = "talking"
    revision: str = ""
    is_scripted: bool = False
    capabilities: Capabilities = field(default_factory=lambda: Capabilities(context_length=512))
    asked: list[CompletionRequest] = field(default_factory=list)

    async def complete(self, request: CompletionRequest) -> EngineReply:
        self.asked.append(request)
        return self.answer(request)

    def describe(self) -> dict[str, Any]:
        return {}

    async def aclose(self) -> None: ...


def answer_in_full(request: CompletionRequest) -> EngineReply:
    one = Completion("4", logprobs=(TokenLogprob("4", -0.1),), token_ids=(19,))
    return EngineReply((one,) * request.sampling.n, model="m-2", latency_ms=12, prompt_tokens=5)


def refuse(code: str, *, only: str = "") -> Callable[[CompletionRequest], EngineReply]:
    def answer(request: CompletionRequest) -> EngineReply:
        if only and only not in request.key:
            return answer_in_full(request)
        raise EnginePermanent(f"No: {code}.", code=code)

    return answer


def probe(answer: Callable[[CompletionRequest], EngineReply]) -> tuple[ProbeReport, TalkingEngine]:
    engine = TalkingEngine(answer)
    return asyncio.run(probe_engine(engine)), engine


def show_doors(report: ProbeReport) -> dict[str, str]:
    return {door.name: "yes" if door.answers else door.code for door in report.doors}


def test_it_works() -> None:
    report, engine = probe(answer_in_full)
    assert report.answered
    assert show_doors(report) == {"completions": "yes", "chat": "yes"}
    assert (report.logprobs, report.several, report.token_ids) == (True, True, True)
    assert (report.model, report.text, report.latency_ms) == ("m-2", "4", 12)
    assert (report.context_length, report.prompt_tokens) == (512, 5)
    assert len(engine.asked) == 2
    assert json.loads(json.dumps(report.build_json()))["doors"][0]["name"] == "completions"


def test_a_server_that_ignores_what_it_is_asked_for() -> None:
    report, _ = probe(lambda request: EngineReply((Completion("4"),)))
    assert (report.logprobs, report.several, report.token_ids) == (False, False, False)


def test_a_server_that_refuses_what_it_does_not_know() -> None:
    """Refused with everything, it is asked for the least: then it answers, and cannot do more."""

    def answer(request: CompletionRequest) -> EngineReply:
        if request.sampling.logprobs is not None:
            raise EnginePermanent("logprobs are not supported.", code="bad_request")
        return answer_in_full(request)

    report, engine = probe(answer)
    assert report.answered
    assert (report.logprobs, report.several) == (False, False)
    assert report.doors[0].error == "logprobs are not supported."
    assert len(engine.asked) == 4


def test_a_server_that_only_chats() -> None:
    report, _ = probe(refuse("not_found", only="completions"))
    assert report.answered
    assert show_doors(report) == {"completions": "not_found", "chat": "yes"}
    assert report.logprobs is True


def test_a_model_without_a_chat_template() -> None:
    report, _ = probe(refuse("no_chat_template", only="chat"))
    assert report.answered
    assert show_doors(report) == {"completions": "yes", "chat": "no_chat_template"}


@pytest.mark.parametrize("code", ["wrong_key", "missing_extra", "redirect"])
def test_a_refusal_that_every_door_would_repeat_ends_it(code: str) -> None:
    report, engine = probe(refuse(code))
    assert not report.answered
    assert (report.code, report.error) == (code, f"No: {code}.")
    assert len(engine.asked) == 1


def test_the_refusal_that_says_most_is_the_cause() -> None:
    def answer(request: CompletionRequest) -> EngineReply:
        code = "not_found" if request.prompt else "bad_reply"
        raise EnginePermanent(f"No: {code}.", code=code)

    report, _ = probe(answer)
    assert report.code == "bad_reply"
    assert show_doors(report) == {"completions": "not_found", "chat": "bad_reply"}


def test_nothing_is_tried_twice() -> None:
    calls: list[int] = []

    def answer(request: CompletionRequest) -> EngineReply:
        calls.append(1)
        raise EngineTransient("Busy.", code="server_error")

    async def run() -> ProbeReport:
        engine = RetryingEngine(TalkingEngine(answer), policy=RetryPolicy(max_attempts=9))
        return await probe_engine(engine)

    assert asyncio.run(run()).code == "server_error"
    assert len(calls) == 1


def test_the_scripted_engine_is_what_it_says() -> None:
    report = asyncio.run(probe_engine(ScriptedEngine()))
    assert (report.answered, report.several, report.logprobs) == (True, True, False)


# Servers, over HTTP


def probe_server(url: str, **settings: Any) -> ProbeReport:
    async def run() -> ProbeReport:
        given = {"kind": "openai_compatible", "base_url": url, "model": "m"} | settings
        engine = build_engine(given, environ={})
        try:
            return await probe_engine(engine)
        finally:
            await engine.aclose()

    return asyncio.run(run())


def test_a_server_says_its_models_and_its_context(server: LocalServer) -> None:
    server.reply_by_path(
        {
            "/v1/models": lambda _: {"data": [{"id": "m", "max_model_len": 4096}, {"id": "n"}]},
            "/v1/chat/completions": lambda _: {"choices": [{"message": {"content": "4"}}]},
        }
    )
    report = probe_server(server.url)
    assert (report.models, report.context_length) == (("m", "n"), 4096)
    assert show_doors(report) == {"completions": "not_found", "chat": "yes"}


def test_a_reward_model_answers_with_scores_alone(server: LocalServer) -> None:
    server.reply_by_path(
        {
            "/tokenize": lambda body: {"tokens": [1, 2]},
            "/pooling": lambda body: {"model": "prm", "data": [{"data": [[0.5, 0.5]] * 2}]},
        }
    )

    async def run() -> ProbeReport:
        settings = ServerSettings(server.url, "m", returns_token_ids=True)
        engine = VLLMEngine(settings, environ={})
        report = await probe_engine(engine)
        await engine.aclose()
        return report

    report = asyncio.run(run())
    assert report.answered
    assert report.model == "prm"
    assert (report.logprobs, report.several, report.token_ids) == (None, None, None)
    assert show_doors(report) == {
        "completions": "not_found",
        "chat": "not_found",
        "pooling": "yes",
    }


def test_a_vllm_server_without_a_reward_model(server: LocalServer) -> None:
    server.reply_by_path(
        {
            "/tokenize": lambda body: {"tokens": [1, 2]},
            "/v1/completions": lambda body: {"choices": [{"text": "4", "token_ids": [19]}] * 2},
        }
    )
    report = probe_server(server.url, kind="vllm")
    assert report.answered
    pooling = report.doors[-1]
    assert (pooling.name, pooling.answers) == ("pooling", False)
    assert "was not started with a reward model" in pooling.error


def test_a_server_that_is_down() -> None:
    # Port 1 is no server's.
    report = probe_server("http://127.0.0.1:1")
    assert (report.answered, report.code) == (False, "connection")
    assert "connection to http://127.0.0.1:1 failed" in report.error


def test_a_wrong_key(server: LocalServer) -> None:
    server.reply_with({"error": {"message": "Incorrect API key provided."}}, status=401)
    report = probe_server(server.url)
    assert report.code == "wrong_key"
    assert "Check the engine's key" in report.error


def test_a_model_that_the_server_has_not(server: LocalServer) -> None:
    server.reply_with({"error": {"message": "The model `m` does not exist."}}, status=404)
    report = probe_server(server.url)
    assert report.code == "not_found"
    assert "The model `m` does not exist." in report.error
    assert "Check the base URL and the model's name." in report.error


def test_something_that_is_no_such_server(server: LocalServer) -> None:
    server.reply_with("<html>Welcome to nginx!</html>")
    report = probe_server(server.url)
    assert (report.answered, report.code) == (False, "bad_reply")


def test_a_server_that_does_not_answer(server: LocalServer) -> None:
    server.answer = lambda handler: None if server.over.wait() else None
    report = probe_server(server.url, timeout_s=1)
    assert report.code == "timeout"


def test_errors_are_those_of_the_engine_alone() -> None:
    def answer(request: CompletionRequest) -> EngineReply:
        raise KeyError("a fault of ours")

    with pytest.raises(KeyError):
        probe(answer)
