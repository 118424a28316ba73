from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from modeljobs.engines import transformers_local
from modeljobs.engines.base import (
    CompletionRequest,
    EnginePermanent,
    Message,
    Piece,
    SamplingSettings,
)
from modeljobs.engines.in_process import Runtime
from modeljobs.engines.shelf import Shelf
from modeljobs.engines.transformers_local import (
    TransformersEngine,
    TransformersSettings,
    find_context_length,
)
from tests.modeljobs.engines.models import CONTEXT, END, END_ID, save_model

T = TypeVar("T")
GREEDY = SamplingSettings(temperature=0.0, max_tokens=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def shelf() -> Iterator[Shelf[Runtime]]:
    shelf: Shelf[Runtime] = Shelf()
    yield shelf
    shelf.clear()


Use = Callable[..., Any]


@pytest.fixture
def use(folder: Path, shelf: Shelf[Runtime]) -> Use:
    """Lets a coroutine function use an engine that is made and closed for it."""

    def run(work: Callable[[TransformersEngine], Awaitable[T]], **given: Any) -> T:
        async def main() -> T:
            settings: dict[str, Any] = {"max_sequences": 4, "remembered": 4}
            settings |= {"model": str(folder)} | given
            engine = TransformersEngine(TransformersSettings(**settings), shelf=shelf)
            try:
                return await work(engine)
            finally:
                await engine.aclose()

        return asyncio.run(main())

    return run


def raw(prompt: str = "2 + 2 =", sampling: SamplingSettings = GREEDY) -> CompletionRequest:
    return CompletionRequest("a", prompt=prompt, sampling=sampling)


@pytest.mark.models
def test_it_works(use: Use) -> None:
    sampling = SamplingSettings(temperature=0.0, max_tokens=8, logprobs=3)
    reply = use(lambda engine: engine.complete(raw(sampling=sampling)))
    (made,) = reply.completions
    assert (reply.prompt_tokens, reply.completion_tokens) == (7, 8)
    assert (made.finish_reason, len(made.token_ids), len(made.logprobs)) == ("length", 8, 8)
    first = made.logprobs[0]
    assert len(first.top) == 3
    # The best token was chosen.
    assert first.logprob == pytest.approx(max(first.top.values()))
    assert reply.latency_ms is not None


@pytest.mark.models
def test_seeds_make_answers_come_again(use: Use) -> None:
    async def ask(engine: TransformersEngine) -> list[list[str]]:
        texts = []
        for seed in (1, 1, 2):
            sampling = SamplingSettings(temperature=1.0, max_tokens=8, n=3, seed=seed)
            reply = await engine.complete(raw(sampling=sampling))
            texts.append([one.text for one in reply.completions])
        return texts

    first, again, other = use(ask)
    assert first == again
    assert other != first
    assert len(set(first)) == 3


@pytest.mark.models
def test_pieces_are_encoded_one_by_one_and_known_tokens_taken_as_they_are(use: Use) -> None:
    async def ask(engine: TransformersEngine) -> list[Any]:
        tokens = await engine.encode(" 2 =")
        return [
            await engine.complete(CompletionRequest.of_pieces("a", pieces, sampling=GREEDY))
            for pieces in (
                (Piece("2 + 2 ="),),
                (Piece("2 +"), Piece(" 2 =")),
                (Piece("2 +"), Piece("not this", token_ids=tokens)),
            )
        ]

    whole, parts, known = use(ask)
    assert whole.completions == parts.completions == known.completions


@pytest.mark.models
def test_a_chat_is_written_by_the_models_template(use: Use) -> None:
    async def ask(engine: TransformersEngine) -> list[Any]:
        asked = (Message("system", "S"), Message("user", "U"))
        chat = CompletionRequest("a", messages=asked, sampling=GREEDY)
        begun = CompletionRequest(
            "a", messages=(*asked, Message("assistant", "A")), sampling=GREEDY
        )
        written = "<system>S</system><user>U</user><assistant>"
        return [
            (await engine.complete(one)).completions
            for one in (chat, raw(written), begun, raw(f"{written}A"))
        ]

    chat, written, begun, begun_written = use(ask)
    assert chat == written
    assert begun == begun_written


@pytest.mark.models
def test_a_stop_string_is_left_out(use: Use) -> None:
    async def ask(engine: TransformersEngine) -> tuple[str, Any]:
        whole = (await engine.complete(raw())).completions[0].text
        sampling = SamplingSettings(temperature=0.0, max_tokens=8, stop=(whole[3:5],))
        return whole, (await engine.complete(raw(sampling=sampling))).completions[0]

    whole, made = use(ask)
    assert made.text == whole[: whole.index(whole[3:5])]
    assert made.finish_reason == "stop"


@pytest.mark.models
@pytest.mark.parametrize(("length", "wanted"), [(CONTEXT, None), (CONTEXT - 4, 5), (300, 1)])
def test_a_prompt_longer_than_the_context_is_refused(
    use: Use, length: int, wanted: int | None
) -> None:
    request = raw("x" * length, SamplingSettings(max_tokens=wanted))
    with pytest.raises(EnginePermanent, match="context length of 256") as caught:
        use(lambda engine: engine.complete(request))
    assert caught.value.code == "context_overflow"


@pytest.mark.models
def test_without_a_limit_the_context_is_one(use: Use) -> None:
    request = raw("x" * 20, SamplingSettings(temperature=0.0))
    reply = use(lambda engine: engine.complete(request), context_length=64)
    assert reply.completion_tokens <= 44


class HeldModel:
    """A model whose third pass waits until it may go on."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.calls = 0
        self.reached, self.may_go_on = threading.Event(), threading.Event()

    def __call__(self, **given: Any) -> Any:
        self.calls += 1
        if self.calls == 3:
            self.reached.set()
            assert self.may_go_on.wait(30)
        return self.model(**given)


@pytest.mark.models
def test_a_cancelled_request_frees_its_place(use: Use) -> None:
    async def ask(engine: TransformersEngine) -> Any:
        decoder: Any = (await engine.open()).decoder  # type: ignore[attr-defined]
        held = decoder._model = HeldModel(decoder._model)
        first = asyncio.create_task(
            engine.complete(raw(sampling=SamplingSettings(max_tokens=240, n=4)))
        )
        assert await asyncio.to_thread(held.reached.wait, 30)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        held.may_go_on.set()
        return await engine.complete(raw())

    assert use(ask, max_sequences=4, max_concurrency=1).completion_tokens == 8


@pytest.mark.models
def test_what_it_was_is_told_once_it_is_loaded(use: Use) -> None:
    async def ask(engine: TransformersEngine) -> tuple[Any, Any]:
        before = engine.capabilities
        await engine.open()
        return before, engine

    before, engine = use(ask)
    assert (before.context_length, before.token_ids, before.logprobs) == (None, True, True)
    described = engine.describe()
    assert (described["kind"], described["is_scripted"]) == ("transformers_local", False)
    assert json.loads(json.dumps(described)) == described


@pytest.mark.models
def test_the_record_says_where_it_ran(use: Use) -> None:
    async def ask(engine: TransformersEngine) -> tuple[Any, Any]:
        await engine.complete(raw())
        return engine.describe(), engine.capabilities

    described, capabilities = use(ask, device="cpu", dtype="fp32")
    assert (described["device"], described["context_length"]) == ("cpu", CONTEXT)
    assert capabilities.context_length == CONTEXT
    # What it is asked for, and not "auto".
    assert described["dtype"] == "float32"


@pytest.mark.models
def test_a_model_is_loaded_once_for_all_engines_of_its_settings(
    use: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[Any] = []
    load = transformers_local.load_runtime

    def note(settings: TransformersSettings) -> Any:
        loaded.append(settings)
        return load(settings)

    monkeypatch.setattr(transformers_local, "load_runtime", note)

    async def ask(engine: TransformersEngine) -> None:
        await asyncio.gather(*(engine.complete(raw()) for _ in range(3)))

    use(ask)
    use(ask)
    assert len(loaded) == 1
    use(ask, remembered=0)
    assert len(loaded) == 2


@pytest.mark.models
def test_end_tokens_are_shown_by_name(use: Use) -> None:
    async def ask(engine: TransformersEngine) -> str:
        return (await engine.open()).texts.show_token(END_ID)

    assert use(ask) == END


@pytest.mark.models
def test_a_folder_that_is_not_there(use: Use, tmp_path: Path) -> None:
    with pytest.raises(EnginePermanent, match="cannot be loaded") as caught:
        use(lambda engine: engine.complete(raw()), model=str(tmp_path / "none"))
    assert caught.value.code == "model_not_found"


@pytest.mark.models
def test_nothing_is_fetched_unless_it_is_allowed(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers

    asked: list[Any] = []

    def note(name: str, **given: Any) -> None:
        asked.append(given["local_files_only"])
        raise OSError("stop here")

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", note)
    for allowed in (False, True):
        with pytest.raises(EnginePermanent):
            use(lambda engine: engine.complete(raw()), model="some/model", allow_download=allowed)
    assert asked == [True, False]


@pytest.mark.models
def test_a_gpu_that_is_not_there(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EnginePermanent, match="sees no GPU") as caught:
        use(lambda engine: engine.complete(raw()), device="cuda")
    assert caught.value.code == "no_device"


def test_a_worker_without_torch_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # None in the place of a module makes importing it fail.
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(EnginePermanent, match="pip install 'torch") as caught:
        asyncio.run(TransformersEngine(TransformersSettings("m"), shelf=Shelf()).complete(raw()))
    assert caught.value.code == "missing_extra"


# The context, by a model's configuration


def configure(**fields: Any) -> Any:
    config = SimpleNamespace(**fields)
    config.get_text_config = lambda: config
    return config


def test_the_context_is_the_models_own_or_a_lower_one() -> None:
    config = configure(max_position_embeddings=4096)
    assert find_context_length(config, None) == 4096
    assert find_context_length(config, 1000) == 1000
    assert find_context_length(config, 10_000) == 4096


def test_a_sliding_window_bounds_the_context() -> None:
    config = configure(
        max_position_embeddings=32768,
        sliding_window=4096,
        layer_types=["full_attention", "sliding_attention"],
    )
    assert find_context_length(config, None) == 4096


def test_a_window_that_no_layer_uses_bounds_nothing() -> None:
    config = configure(
        max_position_embeddings=32768, sliding_window=4096, layer_types=["full_attention"]
    )
    assert find_context_length(config, None) == 32768


@pytest.mark.parametrize(
    "config",
    [
        configure(max_position_embeddings=512, layer_types=["linear_attention"]),
        configure(),
    ],
)
def test_models_that_do_not_run_here(config: Any) -> None:
    with pytest.raises(EnginePermanent) as caught:
        find_context_length(config, None)
    assert caught.value.code == "unsupported_model"
