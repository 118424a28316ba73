from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modeljobs.tiny.model import (
    CHECKPOINTS,
    KeyValueCache,
    TinyModel,
    list_checkpoints,
    load_checkpoint,
)

# Made by transformers' LlamaForCausalLM in float32 from the shipped weights.
REFERENCE = Path(__file__).parent / "reference_logits.json"
IDS = [5, 40, 261, 17, 300, 8, 8, 120, 33, 90]


def compute_logits(model: TinyModel, ids: list[int]) -> np.ndarray[Any, Any]:
    return model.prefill(KeyValueCache(model.shape, 1), 0, ids, 0)


def test_a_prompt_in_parts_gives_the_logits_of_the_whole(model: TinyModel) -> None:
    cache = KeyValueCache(model.shape, 2)
    model.prefill(cache, 1, IDS[:4], 0)
    parts = model.prefill(cache, 1, IDS[4:], 4)
    assert parts == pytest.approx(compute_logits(model, IDS), abs=1e-4)


def test_token_by_token_gives_the_logits_of_the_whole(model: TinyModel) -> None:
    cache = KeyValueCache(model.shape, 2)
    model.prefill(cache, 0, IDS[:3], 0)
    model.prefill(cache, 1, IDS[:5], 0)
    # Two sequences of different lengths in one step.
    both = model.decode(cache, [IDS[3], IDS[5]], [3, 5])
    assert both[0] == pytest.approx(compute_logits(model, IDS[:4]), abs=1e-4)
    assert both[1] == pytest.approx(compute_logits(model, IDS[:6]), abs=1e-4)


def test_a_kept_beginning_is_as_good_as_a_computed_one(model: TinyModel) -> None:
    cache = KeyValueCache(model.shape, 2)
    model.prefill(cache, 0, IDS[:6], 0)
    cache.put(1, cache.take(0, 6), 4)
    made = model.prefill(cache, 1, IDS[4:], 4)
    assert made == pytest.approx(compute_logits(model, IDS), abs=1e-4)


@pytest.mark.parametrize("name", list_checkpoints())
def test_shipped_checkpoints_are_as_small_as_they_say(name: str) -> None:
    assert load_checkpoint(name).parameters <= 900_000
    assert (CHECKPOINTS / name / "model.safetensors").stat().st_size <= 1_800_000


def test_both_checkpoints_are_shipped() -> None:
    assert list_checkpoints() == ["better", "worse"]


def test_an_unknown_checkpoint_is_refused() -> None:
    with pytest.raises(ValueError, match="no tiny checkpoint 'best'; there are better, worse"):
        load_checkpoint("best")


@pytest.mark.parametrize("name", ["better", "worse"])
def test_logits_are_those_of_transformers(name: str) -> None:
    reference = json.loads(REFERENCE.read_text())[name]
    made = compute_logits(load_checkpoint(name), reference["ids"])
    assert made == pytest.approx(np.array(reference["logits"]), abs=1e-3)


@pytest.mark.models
@pytest.mark.parametrize("name", ["better", "worse"])
def test_transformers_computes_the_same_logits(name: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = load_checkpoint(name)
    theirs = AutoModelForCausalLM.from_pretrained(CHECKPOINTS / name, dtype=torch.float32)
    ids = json.loads(REFERENCE.read_text())[name]["ids"]
    with torch.no_grad():
        wanted = theirs(torch.tensor([ids])).logits[0, -1].numpy()
    assert compute_logits(model, ids) == pytest.approx(wanted, abs=1e-3)


def test_a_model_of_another_kind_is_refused(random_folder: Path, tmp_path: Path) -> None:
    config = json.loads((random_folder / "config.json").read_text()) | {"model_type": "gpt2"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="tied Llama model"):
        TinyModel(tmp_path)
