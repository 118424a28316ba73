"""vLLM in a worker, against an imitation of vLLM's Python interface: no vLLM runs here."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from modeljobs.engines import vllm_in_process
from modeljobs.engines.base import (
    CompletionRequest,
    EnginePermanent,
    Message,
    Piece,
    SamplingSettings,
)
from modeljobs.engines.in_process import Runtime
from modeljobs.engines.shelf import Shelf
from modeljobs.engines.vllm_in_process import (
    VLLMInProcessEngine,
    VLLMLocalSettings,
    VLLMParts,
    read_output,
)

T = TypeVar("T")


class DeadEngine(Exception):
    """As vLLM says that its processes are gone."""


class LetterTokenizer:
    """A token for each letter, by its number."""

    chat_template = "yes"

    @classmethod
    def from_pretrained(cls, folder: str, **given: Any) -> LetterTokenizer:
        assert given == {"local_files_only": True, "trust_remote_code": False}
        return cls()

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        return [1] * add_special_tokens + [ord(letter) for letter in text]

    def decode(self, ids: list[int], **_: Any) -> str:
        return "".join(map(chr, ids))

    def apply_chat_template(self, messages: list[dict[str, str]], **given: Any) -> str:
        written = "".join(f"[{one['role']}]{one['content']}" for one in messages)
        return written + ("[assistant]" if given["add_generation_prompt"] else "")


@dataclass
class ImitatedVLLM:
    """What it was made with and asked for; answers "ok" to everything."""

    made: list[dict[str, Any]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    error: Exception | None = None
    began: threading.Event = field(default_factory=threading.Event)
    is_stuck: bool = False

    def make_arguments(self, **given: Any) -> dict[str, Any]:
        self.made.append(given)
        return given

    def from_engine_args(self, arguments: dict[str, Any]) -> Any:
        # vLLM wants to be made where a loop runs.
        asyncio.get_running_loop()
        return SimpleNamespace(
            model_config=SimpleNamespace(max_model_len=arguments["max_model_len"] or 2048),
            generate=self.generate,
            shutdown=lambda: self.events.append("shut down"),
        )

    async def generate(self, **given: Any) -> AsyncIterator[Any]:
        self.asked.append(given)
        self.began.set()
        try:
            if self.is_stuck:
                await asyncio.Event().wait()
            if self.error is not None:
                raise self.error
            count = given["sampling_params"]["n"]
            # In another order than they were asked for.
            yield SimpleNamespace(outputs=[make_output(index) for index in reversed(range(count))])
        except asyncio.CancelledError:
            self.events.append("aborted")
            raise

    def build_parts(self) -> VLLMParts:
        return VLLMParts(
            AsyncEngineArgs=self.make_arguments,
            AsyncLLM=SimpleNamespace(from_engine_args=self.from_engine_args),
            SamplingParams=lambda **given: given,
            RequestOutputKind=SimpleNamespace(FINAL_ONLY="final only"),
            TokensPrompt=lambda **given: given,
            EngineDeadError=DeadEngine,
            AutoTokenizer=LetterTokenizer,
            find_folder=lambda model, revision, only_local: f"{model}:{revision}:{only_local}",
            version="0.33.0",
        )


def make_output(index: int) -> Any:
    entries = [
        {111: SimpleNamespace(logprob=-0.5, rank=1), 97: SimpleNamespace(logprob=-1.0, rank=2)},
        {107: SimpleNamespace(logprob=-3.0, rank=9), 98: SimpleNamespace(logprob=-0.1, rank=1)},
    ]
    return SimpleNamespace(
        index=index, text=f"ok{index}", token_ids=[111, 107], logprobs=entries, finish_reason="stop"
    )


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> ImitatedVLLM:
    imitation = ImitatedVLLM()
    monkeypatch.setattr(vllm_in_process, "import_vllm", imitation.build_parts)
    return imitation


def use(
    work: Callable[[VLLMInProcessEngine], Awaitable[T]],
    *,
    shelf: Shelf[Runtime] | None = None,
    **given: Any,
) -> T:
    """Let `work` use an engine that is made and closed for it, and put its model away."""
    kept = Shelf() if shelf is None else shelf

    async def run() -> T:
        settings = VLLMLocalSettings(**({"model": "m"} | given))
        engine = VLLMInProcessEngine(settings, shelf=kept)
        try:
            return await work(engine)
        finally:
            await engine.aclose()

    try:
        return asyncio.run(run())
    finally:
        if shelf is None:
            kept.clear()


def ask(**sampling: Any) -> CompletionRequest:
    settings = SamplingSettings(**({"max_tokens": 5} | sampling))
    return CompletionRequest.of_pieces("a", (Piece("ab"), Piece("?", (7,))), sampling=settings)


def test_it_works(vllm: ImitatedVLLM) -> None:
    reply = use(lambda engine: engine.complete(ask(n=2, logprobs=2, seed=3, stop=("x",))))
    assert [one.text for one in reply.completions] == ["ok0", "ok1"]
    assert (reply.prompt_tokens, reply.completion_tokens) == (3, 4)
    first = reply.completions[0]
    assert first.token_ids == (111, 107)
    assert first.logprobs is not None
    assert [(one.token, one.logprob, dict(one.top)) for one in first.logprobs] == [
        ("o", -0.5, {"o": -0.5, "a": -1.0}),
        # The chosen token was none of the best: it has its own number and no place among them.
        ("k", -3.0, {"b": -0.1}),
    ]
    (asked,) = vllm.asked
    assert asked["prompt"] == {"prompt_token_ids": [97, 98, 7]}
    assert asked["sampling_params"] == {
        "n": 2,
        "temperature": 1.0,
        "top_p": 1.0,
        "top_k": 0,
        "max_tokens": 5,
        "seed": 3,
        "stop": ["x"],
        "logprobs": 2,
        "output_kind": "final only",
    }
    assert vllm.events == ["shut down"]


def test_the_model_is_made_as_the_settings_say(vllm: ImitatedVLLM) -> None:
    use(
        lambda engine: engine.complete(ask()),
        revision="r1",
        dtype="bf16",
        context_length=100,
        tensor_parallel=2,
        gpu_memory_share=0.5,
    )
    (made,) = vllm.made
    wanted = {
        # Nothing is fetched: the folder was looked for on this machine alone.
        "model": "m:r1:True",
        "dtype": "bfloat16",
        "max_model_len": 100,
        "tensor_parallel_size": 2,
        "gpu_memory_utilization": 0.5,
        "enable_prefix_caching": True,
        "trust_remote_code": False,
    }
    assert made | wanted == made


def test_a_chat_is_written_by_the_models_template(vllm: ImitatedVLLM) -> None:
    chat = CompletionRequest("a", messages=(Message("user", "U"),))
    use(lambda engine: engine.complete(chat))
    written = "[user]U[assistant]"
    assert vllm.asked[0]["prompt"] == {"prompt_token_ids": [ord(one) for one in written]}
    # What the context leaves of it.
    assert vllm.asked[0]["sampling_params"]["max_tokens"] == 2048 - len(written)


def test_a_prompt_longer_than_the_context_is_refused(vllm: ImitatedVLLM) -> None:
    with pytest.raises(EnginePermanent) as caught:
        use(lambda engine: engine.complete(ask(max_tokens=10)), context_length=12)
    assert caught.value.code == "context_overflow"
    assert vllm.asked == []


def test_the_model_outlives_the_run_that_loaded_it(vllm: ImitatedVLLM) -> None:
    """Each run has a loop of its own; the model's loop is another, and goes on."""
    shelf: Shelf[Runtime] = Shelf()
    for _ in range(2):
        use(lambda engine: engine.complete(ask()), shelf=shelf)
    assert (len(vllm.made), len(vllm.asked), vllm.events) == (1, 2, [])
    shelf.clear()
    assert vllm.events == ["shut down"]


def test_a_cancelled_request_is_aborted(vllm: ImitatedVLLM) -> None:
    vllm.is_stuck = True

    async def work(engine: VLLMInProcessEngine) -> Any:
        task = asyncio.create_task(engine.complete(ask()))
        assert await asyncio.to_thread(vllm.began.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        vllm.is_stuck = False
        return await engine.complete(ask())

    assert use(work).completions[0].text == "ok0"
    assert vllm.events == ["aborted", "shut down"]


def test_an_engine_that_died_is_made_anew(vllm: ImitatedVLLM) -> None:
    shelf: Shelf[Runtime] = Shelf()
    vllm.error = DeadEngine()
    with pytest.raises(EnginePermanent, match="has ended") as caught:
        use(lambda engine: engine.complete(ask()), shelf=shelf)
    assert caught.value.code == "engine_failed"
    vllm.error = None
    use(lambda engine: engine.complete(ask()), shelf=shelf)
    assert len(vllm.made) == 2
    shelf.clear()


def test_a_request_that_it_refuses(vllm: ImitatedVLLM) -> None:
    vllm.error = ValueError("logprobs must be at most 20")
    with pytest.raises(EnginePermanent, match="at most 20") as caught:
        use(lambda engine: engine.complete(ask()))
    assert caught.value.code == "bad_request"


def test_a_model_that_it_cannot_load(vllm: ImitatedVLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any, arguments: Any) -> None:
        raise RuntimeError("no kernel for this card")

    monkeypatch.setattr(ImitatedVLLM, "from_engine_args", fail)
    with pytest.raises(EnginePermanent, match="no kernel for this card") as caught:
        use(lambda engine: engine.complete(ask()))
    assert caught.value.code == "engine_failed"
    # Nothing is left behind.
    assert "vllm-loop" not in {thread.name for thread in threading.enumerate()}


def test_a_worker_without_vllm_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # None in the place of a module makes importing it fail.
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(EnginePermanent, match="pip install 'vllm") as caught:
        use(lambda engine: engine.complete(ask()))
    assert caught.value.code == "missing_extra"


def test_the_record_says_what_it_was(vllm: ImitatedVLLM) -> None:
    async def work(engine: VLLMInProcessEngine) -> dict[str, Any]:
        await engine.complete(ask())
        return engine.describe()

    described = use(work)
    assert (described["kind"], described["vllm"], described["context_length"]) == (
        "vllm_in_process",
        "0.33.0",
        2048,
    )
    assert json.loads(json.dumps(described)) == described


def test_an_answer_without_logprobs_has_none() -> None:
    assert read_output(make_output(0), wanted=None).likelihoods is None
