"""A Llama decoder in numpy: what the tiny checkpoints need, and no more.

RMSNorm, rotary positions, multi-head attention, SwiGLU, tied embeddings (Touvron et al. 2023), in
float32. Shapes: B sequences, T positions, H heads, E numbers per head, D the width, V tokens.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modeljobs.tiny.safetensors_file import read_safetensors
from modeljobs.tiny.tokenizer import Tokenizer

CHECKPOINTS = Path(__file__).resolve().parent / "checkpoints"

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The sizes of a model, from its config.json."""

    width: int
    layers: int
    heads: int
    vocabulary: int
    context_length: int
    epsilon: float
    theta: float

    @property
    def head_width(self) -> int:
        return self.width // self.heads

    @classmethod
    def read(cls, path: Path) -> ModelShape:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if document["model_type"] != "llama" or not document["tie_word_embeddings"]:
            raise ValueError(f"{path} is not the configuration of a tied Llama model.")
        return cls(
            width=document["hidden_size"],
            layers=document["num_hidden_layers"],
            heads=document["num_attention_heads"],
            vocabulary=document["vocab_size"],
            context_length=document["max_position_embeddings"],
            epsilon=document["rms_norm_eps"],
            theta=document["rope_theta"],
        )


@dataclass(frozen=True, slots=True)
class Layer:
    """One block's weights, laid out for `x @ w`."""

    before_attention: Floats
    query_key_value: Floats
    output: Floats
    before_inner: Floats
    gate_up: Floats
    down: Floats


class KeyValueCache:
    """Keys and values of up to `slots` sequences. Memory is touched only as far as it is used."""

    def __init__(self, shape: ModelShape, slots: int) -> None:
        size = (shape.layers, slots, shape.heads, shape.context_length, shape.head_width)
        self.keys: Floats = np.zeros(size, dtype=np.float32)
        self.values: Floats = np.zeros(size, dtype=np.float32)

    def copy_slot(self, source: int, target: int, length: int) -> None:
        for store in (self.keys, self.values):
            store[:, target, :, :length] = store[:, source, :, :length]

    def take(self, slot: int, length: int) -> tuple[Floats, Floats]:
        """A copy of a slot's first keys and values."""
        return self.keys[:, slot, :, :length].copy(), self.values[:, slot, :, :length].copy()

    def put(self, slot: int, kept: tuple[Floats, Floats], length: int) -> None:
        for store, part in zip((self.keys, self.values), kept, strict=True):
            store[:, slot, :, :length] = part[:, :, :length]


class TinyModel:
    """A checkpoint ready to run. Holds no state: threads may share it."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self.shape = ModelShape.read(folder / "config.json")
        self.tokenizer = Tokenizer.read(folder)
        path = folder / "model.safetensors"
        self.revision = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        weights = read_safetensors(path)
        self.parameters = sum(tensor.size for tensor in weights.values())
        self._embeddings = weights["model.embed_tokens.weight"]
        self._last_norm = weights["model.norm.weight"]
        self._layers = [self._read_layer(weights, index) for index in range(self.shape.layers)]
        if self._embeddings.shape != (len(self.tokenizer), self.shape.width):
            raise ValueError(f"The weights in {folder} do not fit its tokenizer.")
        # Angles per position, twice over: the halves of a head are turned against each other.
        rates = self.shape.theta ** (
            -np.arange(0, self.shape.head_width, 2, dtype=np.float32) / self.shape.head_width
        )
        angles = np.outer(np.arange(self.shape.context_length, dtype=np.float32), rates)
        angles = np.concatenate([angles, angles], axis=1)
        self._cosines: Floats = np.cos(angles).astype(np.float32)
        self._sines: Floats = np.sin(angles).astype(np.float32)

    def prefill(self, cache: KeyValueCache, slot: int, ids: list[int], start: int) -> Floats:
        """Logits (V) after the last of `ids`, which follow the slot's first `start` tokens."""
        shape = self.shape
        count = len(ids)
        end = start + count
        positions = np.arange(start, end)
        hidden = self._embeddings[np.array(ids)]
        # Minus infinity where a position would look ahead, T x (start + T).
        ahead = np.arange(end)[None, :] > positions[:, None]
        for index, layer in enumerate(self._layers):
            query, key, value = self._project(layer, hidden, positions)
            keys, values = cache.keys[index, slot], cache.values[index, slot]
            keys[:, start:end] = key.transpose(1, 0, 2)
            values[:, start:end] = value.transpose(1, 0, 2)
            scores = query.transpose(1, 0, 2) @ keys[:, :end].transpose(0, 2, 1)
            scores *= shape.head_width**-0.5
            scores[:, ahead] = -np.inf
            mixed = _softmax(scores) @ values[:, :end]
            hidden = hidden + mixed.transpose(1, 0, 2).reshape(count, -1) @ layer.output
            hidden = self._apply_inner(layer, hidden)
        logits: Floats = self._read_out(hidden[-1:])[0]
        return logits

    def decode(self, cache: KeyValueCache, ids: list[int], lengths: list[int]) -> Floats:
        """Logits (B, V) after one more token in each of the first B slots, which hold `lengths`."""
        shape = self.shape
        count = len(ids)
        positions = np.array(lengths)
        longest = int(positions.max()) + 1
        hidden = self._embeddings[np.array(ids)]
        rows = np.arange(count)
        ahead = (np.arange(longest)[None, :] > positions[:, None])[:, None, :]
        for index, layer in enumerate(self._layers):
            query, key, value = self._project(layer, hidden, positions)
            cache.keys[index, rows, :, positions] = key
            cache.values[index, rows, :, positions] = value
            keys = cache.keys[index, :count, :, :longest]
            values = cache.values[index, :count, :, :longest]
            scores = (keys @ query[..., None])[..., 0] * np.float32(shape.head_width**-0.5)
            scores = np.where(ahead, np.float32(-np.inf), scores)
            mixed = (_softmax(scores)[:, :, None, :] @ values)[:, :, 0]
            hidden = hidden + mixed.reshape(count, -1) @ layer.output
            hidden = self._apply_inner(layer, hidden)
        return self._read_out(hidden)

    def _read_layer(self, weights: dict[str, Floats], index: int) -> Layer:
        def get(name: str) -> Floats:
            return weights[f"model.layers.{index}.{name}.weight"]

        def join(*names: str) -> Floats:
            return np.ascontiguousarray(np.concatenate([get(name) for name in names]).T)

        return Layer(
            before_attention=get("input_layernorm"),
            query_key_value=join("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
            output=join("self_attn.o_proj"),
            before_inner=get("post_attention_layernorm"),
            gate_up=join("mlp.gate_proj", "mlp.up_proj"),
            down=join("mlp.down_proj"),
        )

    def _project(
        self, layer: Layer, hidden: Floats, positions: NDArray[Any]
    ) -> tuple[Floats, Floats, Floats]:
        """Query, key and value, each (T, H, E), the first two turned to their positions."""
        shape = self.shape
        made = self._normalise(hidden, layer.before_attention) @ layer.query_key_value
        split = made.reshape(len(hidden), 3, shape.heads, shape.head_width)
        cosines, sines = self._cosines[positions][:, None], self._sines[positions][:, None]
        query = split[:, 0] * cosines + _turn(split[:, 0]) * sines
        key = split[:, 1] * cosines + _turn(split[:, 1]) * sines
        return query, key, split[:, 2]

    def _apply_inner(self, layer: Layer, hidden: Floats) -> Floats:
        gate, up = np.split(self._normalise(hidden, layer.before_inner) @ layer.gate_up, 2, axis=1)
        # The clip keeps exp within float32; beyond it the gate is zero anyway.
        active = gate / (1 + np.exp(-np.clip(gate, -80, None))) * up
        made: Floats = hidden + active @ layer.down
        return made

    def _normalise(self, hidden: Floats, weight: Floats) -> Floats:
        mean_square = np.mean(hidden * hidden, axis=-1, keepdims=True)
        made: Floats = hidden / np.sqrt(mean_square + np.float32(self.shape.epsilon)) * weight
        return made

    def _read_out(self, hidden: Floats) -> Floats:
        made: Floats = self._normalise(hidden, self._last_norm) @ self._embeddings.T
        return made


@lru_cache(maxsize=4)
def load_checkpoint(name: str) -> TinyModel:
    """A shipped checkpoint by name, read once per process; ValueError where there is none."""
    if name not in list_checkpoints():
        known = ", ".join(list_checkpoints())
        raise ValueError(f"There is no tiny checkpoint {name!r}; there are {known}.")
    return TinyModel(CHECKPOINTS / name)


def list_checkpoints() -> list[str]:
    """The names of the shipped checkpoints."""
    return sorted(path.parent.name for path in CHECKPOINTS.glob("*/model.safetensors"))


def _turn(parts: Floats) -> Floats:
    """The second half negated, before the first: the partner of each number in its rotation."""
    half = parts.shape[-1] // 2
    return np.concatenate([-parts[..., half:], parts[..., :half]], axis=-1)


def _softmax(scores: Floats) -> Floats:
    made: Floats = np.exp(scores - scores.max(axis=-1, keepdims=True))
    made /= made.sum(axis=-1, keepdims=True)
    return made
