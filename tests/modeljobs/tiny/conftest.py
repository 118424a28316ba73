"""A model of random weights: quick to make, and nothing depends on what was learnt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from modeljobs.tiny.export import write_checkpoint
from modeljobs.tiny.model import ModelShape, TinyModel
from modeljobs.tiny.tokenizer import build_tokenizer

INNER = 24
SHAPE = ModelShape(
    width=16,
    layers=2,
    heads=2,
    vocabulary=len(build_tokenizer()),
    context_length=128,
    epsilon=1e-5,
    theta=10_000.0,
)


def write_random_checkpoint(folder: Path) -> None:
    rng = np.random.default_rng(7)
    width = SHAPE.width
    sizes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (SHAPE.vocabulary, width),
        "model.norm.weight": (width,),
    }
    for index in range(SHAPE.layers):
        layer = f"model.layers.{index}"
        for name in ("q", "k", "v", "o"):
            sizes[f"{layer}.self_attn.{name}_proj.weight"] = (width, width)
        for name in ("gate", "up"):
            sizes[f"{layer}.mlp.{name}_proj.weight"] = (INNER, width)
        sizes[f"{layer}.mlp.down_proj.weight"] = (width, INNER)
        sizes[f"{layer}.input_layernorm.weight"] = (width,)
        sizes[f"{layer}.post_attention_layernorm.weight"] = (width,)
    tensors = {
        name: rng.normal(1.0 if "norm" in name else 0.0, 0.3, size).astype(np.float32)
        for name, size in sizes.items()
    }
    write_checkpoint(folder, tensors, shape=SHAPE, inner=INNER, tokenizer=build_tokenizer())


@pytest.fixture(scope="session")
def random_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint") / "random"
    write_random_checkpoint(folder)
    return folder


@pytest.fixture(scope="session")
def model(random_folder: Path) -> TinyModel:
    return TinyModel(random_folder)
