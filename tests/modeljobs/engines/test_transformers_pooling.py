"""Loading reward models, and scoring in one thread for all who wait."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from modeljobs.engines.base import (
    CompletionRequest,
    EngineError,
    EnginePermanent,
    Piece,
    SamplingSettings,
)
from modeljobs.engines.in_process import Runtime
from modeljobs.engines.pooling import PoolingEngine, PoolingRequest
from modeljobs.engines.probe import probe_engine
from modeljobs.engines.shelf import Shelf
from modeljobs.engines.transformers_local import TransformersEngine, TransformersSettings
from modeljobs.engines.transformers_pooling import Rows, ScoreJob, Scorer
from tests.modeljobs.methods.prm.models import CONTEXT, save_reward_model

pytestmark = pytest.mark.models

T = TypeVar("T")
TEXT = (Piece("What is 12 + 30?"),)


@pytest.fixture(scope="module")
def reward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_reward_model("qwen_prm", tmp_path_factory.mktemp("models") / "reward")


@pytest.fixture(scope="module")
def language(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_reward_model("math_psa", tmp_path_factory.mktemp("models") / "language")


def use(folder: Path, work: Callable[[TransformersEngine], Awaitable[T]], **given: Any) -> T:
    async def main() -> T:
        shelf: Shelf[Runtime] = Shelf()
        settings = TransformersSettings(model=str(folder), device="cpu", **given)
        engine = TransformersEngine(settings, shelf=shelf)
        try:
            return await work(engine)
        finally:
            await engine.aclose()
            shelf.clear()

    return asyncio.run(main())


def test_a_reward_model_gives_a_row_a_token(reward: Path) -> None:
    async def ask(engine: TransformersEngine) -> Any:
        assert isinstance(engine, PoolingEngine)
        tokens = await engine.encode(TEXT[0].text)
        return len(tokens), await engine.pool(PoolingRequest("a", TEXT))

    tokens, reply = use(reward, ask)
    assert len(reply.scores) == tokens == reply.prompt_tokens
    assert {len(row) for row in reply.scores} == {2}
    assert (reply.model, reply.latency_ms is not None) == (str(reward), True)


def test_positions_choose_rows(reward: Path) -> None:
    async def ask(engine: TransformersEngine) -> Any:
        whole = await engine.pool(PoolingRequest("a", TEXT))
        some = await engine.pool(PoolingRequest("b", TEXT, positions=(3, 1)))
        return whole.scores, some.scores

    whole, some = use(reward, ask)
    assert some == (pytest.approx(whole[3], abs=1e-4), pytest.approx(whole[1], abs=1e-4))


def test_a_language_model_scores_the_words_it_is_asked_about(language: Path) -> None:
    async def ask(engine: TransformersEngine) -> Any:
        some = await engine.pool(PoolingRequest("a", TEXT, positions=(2,), columns=(7, 3)))
        mean = await engine.pool(PoolingRequest("b", TEXT, positions=(2,), reduce="mean"))
        return some.scores, mean.scores, await engine.encode(TEXT[0].text)

    some, mean, ids = use(language, ask)
    import torch
    import transformers

    model = transformers.Qwen2ForCausalLM.from_pretrained(language).eval()
    with torch.no_grad():
        logits = model(torch.tensor([list(ids)])).logits[0, 2]
    assert some == (pytest.approx(logits[[7, 3]].tolist(), abs=1e-4),)
    assert mean == (pytest.approx([float(logits.mean())], abs=1e-4),)


def test_a_language_model_still_goes_on_from_texts(language: Path) -> None:
    sampling = SamplingSettings(temperature=0.0, max_tokens=3)

    async def ask(engine: TransformersEngine) -> Any:
        await engine.pool(PoolingRequest("a", TEXT, columns=(1,)))
        return await engine.complete(CompletionRequest("b", prompt="2 +", sampling=sampling))

    assert use(language, ask).completion_tokens == 3


def test_a_language_model_asked_for_a_head_is_refused(language: Path) -> None:
    with pytest.raises(EnginePermanent, match="without a head") as caught:
        use(language, lambda engine: engine.pool(PoolingRequest("a", TEXT)))
    assert caught.value.code == "unsupported_model"


def test_a_reward_model_asked_for_words_is_refused(reward: Path) -> None:
    with pytest.raises(EnginePermanent, match="head of its own") as caught:
        use(reward, lambda engine: engine.pool(PoolingRequest("a", TEXT, columns=(1,))))
    assert caught.value.code == "unsupported_model"


def test_a_reward_model_writes_nothing(reward: Path) -> None:
    with pytest.raises(EnginePermanent, match="does not go on") as caught:
        use(reward, lambda engine: engine.complete(CompletionRequest("a", prompt="2 +")))
    assert caught.value.code == "no_generation"


def test_what_a_model_can_do_is_known_once_it_is_loaded(reward: Path, language: Path) -> None:
    async def look(engine: TransformersEngine) -> Any:
        before = engine.capabilities
        await engine.open()
        return before, engine.capabilities

    before, after = use(reward, look)
    assert (before.pooling, before.completions) == (True, True)
    assert (after.pooling, after.completions, after.context_length) == (True, False, CONTEXT)
    _, after = use(language, look)
    assert (after.pooling, after.completions) == (True, True)


def test_a_test_of_the_engine_finds_the_scores(reward: Path, language: Path) -> None:
    for folder, writes in ((reward, False), (language, True)):
        report = use(folder, probe_engine)
        answers = {door.name: door.answers for door in report.doors}
        assert report.answered
        assert (answers["completions"], answers["pooling"]) == (writes, True)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (PoolingRequest("a", (Piece("1 " * 600),)), "context_overflow"),
        (PoolingRequest("a", (Piece(""),)), "bad_request"),
        (PoolingRequest("a", TEXT, positions=(1000,)), "bad_request"),
    ],
)
def test_a_text_that_cannot_be_scored_whole_is_refused(
    reward: Path, request_: PoolingRequest, code: str
) -> None:
    with pytest.raises(EnginePermanent) as caught:
        use(reward, lambda engine: engine.pool(request_))
    assert caught.value.code == code


# Loading


def change(reward: Path, folder: Path, alter: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of the model with other weights."""
    from safetensors.torch import load_file, save_file

    folder.mkdir()
    for path in reward.iterdir():
        if path.suffix == ".json" or path.suffix == ".jinja":
            (folder / path.name).write_bytes(path.read_bytes())
    weights = load_file(reward / "model.safetensors")
    alter(weights)
    save_file(weights, folder / "model.safetensors")
    return folder


def test_weights_in_several_files(reward: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = change(reward, tmp_path / "sharded", lambda weights: None)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    parts: dict[str, dict[str, Any]] = {"a.safetensors": {}, "b.safetensors": {}}
    for name, one in weights.items():
        parts["b.safetensors" if name.startswith("score") else "a.safetensors"][name] = one
    for file, part in parts.items():
        save_file(part, folder / file, metadata={"format": "pt"})
    index = {name: file for file, part in parts.items() for name in part}
    document = {"metadata": {"total_size": 0}, "weight_map": index}
    (folder / "model.safetensors.index.json").write_text(json.dumps(document))

    async def ask(engine: TransformersEngine) -> Any:
        return (await engine.pool(PoolingRequest("a", TEXT))).scores

    for row, whole in zip(use(folder, ask), use(reward, ask), strict=True):
        assert row == pytest.approx(whole, abs=1e-4)


def test_a_missing_weight_is_not_filled_with_noise(reward: Path, tmp_path: Path) -> None:
    def drop(weights: dict[str, Any]) -> None:
        del weights["model.layers.1.mlp.up_proj.weight"]

    folder = change(reward, tmp_path / "short", drop)
    with pytest.raises(EnginePermanent, match="lacks 1 of its weights") as caught:
        use(folder, lambda engine: engine.open())
    assert caught.value.code == "unsupported_model"


def test_a_reward_model_without_a_head_that_is_known(reward: Path, tmp_path: Path) -> None:
    def rename(weights: dict[str, Any]) -> None:
        for name in [name for name in weights if name.startswith("score")]:
            weights[f"other.{name}"] = weights.pop(name)

    folder = change(reward, tmp_path / "headless", rename)
    with pytest.raises(EnginePermanent, match="no head of a kind") as caught:
        use(folder, lambda engine: engine.open())
    assert caught.value.code == "unsupported_model"


def test_a_head_for_another_width(reward: Path, tmp_path: Path) -> None:
    def narrow(weights: dict[str, Any]) -> None:
        weights["score.0.weight"] = weights["score.0.weight"][:, :8].contiguous()

    folder = change(reward, tmp_path / "narrow", narrow)
    with pytest.raises(EnginePermanent, match="takes states of 8 numbers"):
        use(folder, lambda engine: engine.open())


# The thread


class Recorder:
    """What was delivered, and when all of it is there."""

    def __init__(self, count: int) -> None:
        self.made: list[Rows | EngineError] = []
        self._left = threading.Semaphore(0)
        self._count = count

    def __call__(self, made: Rows | EngineError) -> None:
        self.made.append(made)
        self._left.release()

    def wait(self) -> list[Rows | EngineError]:
        for _ in range(self._count):
            assert self._left.acquire(timeout=60)
        return self.made


def build_scorer(fail: bool = False) -> Scorer:
    import torch

    class Backbone:
        """Says of each token its own number."""

        fails = fail

        def parameters(self) -> Iterator[Any]:
            yield torch.ones(1)

        def __call__(self, input_ids: Any, attention_mask: Any, use_cache: bool) -> Any:
            if self.fails:
                raise RuntimeError("broken")
            return SimpleNamespace(last_hidden_state=input_ids[:, :, None].float())

    class Head:
        is_vocabulary = False

        def __call__(self, states: Any, columns: Any) -> Any:
            return states

    return Scorer(torch, Backbone(), Head(), rows=4)


def test_a_row_is_that_of_its_own_text() -> None:
    scorer = build_scorer()
    first, second = Recorder(1), Recorder(1)
    scorer.submit(ScoreJob((1, 2, 3), first))
    scorer.submit(ScoreJob((4,), second))
    assert first.wait() == [((1.0,), (2.0,), (3.0,))]
    assert second.wait() == [((4.0,),)]
    scorer.close()


def test_a_pass_that_fails_is_told_and_others_may_come() -> None:
    scorer = build_scorer(fail=True)
    first, second = Recorder(1), Recorder(1)
    scorer.submit(ScoreJob((1,), first))
    [error] = first.wait()
    assert isinstance(error, EnginePermanent)
    assert "RuntimeError: broken" in error.message
    scorer._backbone.fails = False
    scorer.submit(ScoreJob((1,), second))
    assert second.wait() == [((1.0,),)]
    scorer.close()


def test_what_comes_after_the_end_is_refused() -> None:
    scorer = build_scorer()
    scorer.close()
    late = Recorder(1)
    scorer.submit(ScoreJob((1,), late))
    [error] = late.wait()
    assert isinstance(error, EngineError)
    assert error.code == "closed"
    scorer.close()
