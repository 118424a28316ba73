"""Writes a checkpoint folder that this package and transformers both read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modeljobs.tiny.model import ModelShape
from modeljobs.tiny.safetensors_file import write_safetensors
from modeljobs.tiny.tokenizer import (
    ASSISTANT,
    BEGIN,
    END,
    PADDING,
    SPECIALS,
    USER,
    Tokenizer,
)

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] }}"
    "{% elif message['role'] == 'user' %}{{ '" + USER + "' + message['content'] }}"
    "{% else %}{{ '" + ASSISTANT + "' + message['content'] }}"
    "{% if not loop.last %}{{ eos_token }}{% endif %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '" + ASSISTANT + "' }}{% endif %}"
)


def write_checkpoint(
    folder: Path,
    tensors: Mapping[str, NDArray[np.float32]],
    *,
    shape: ModelShape,
    inner: int,
    tokenizer: Tokenizer,
) -> None:
    """Store weights, configuration and tokenizer; what lies there is written over."""
    folder.mkdir(parents=True, exist_ok=True)
    write_safetensors(folder / "model.safetensors", tensors)
    documents = {
        "config.json": _build_config(shape, inner, tokenizer),
        "tokenizer.json": build_tokenizer_document(tokenizer),
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": BEGIN,
            "eos_token": END,
            "pad_token": PADDING,
            "clean_up_tokenization_spaces": False,
            "model_max_length": shape.context_length,
            "chat_template": CHAT_TEMPLATE,
        },
        "generation_config.json": {
            "bos_token_id": tokenizer.begin_id,
            "eos_token_id": tokenizer.end_id,
            "pad_token_id": tokenizer.padding_id,
        },
    }
    for name, document in documents.items():
        text = json.dumps(document, ensure_ascii=False, indent=1)
        (folder / name).write_text(f"{text}\n", encoding="utf-8")


def build_tokenizer_document(tokenizer: Tokenizer) -> dict[str, Any]:
    """The tokenizer as the library `tokenizers` reads it.

    A regular expression with the longest tokens first cuts the text as our longest match does;
    each part is one token, or, where the vocabulary lacks it, the bytes of its UTF-8.
    """
    spelt = [
        token
        for number, token in enumerate(tokenizer.vocabulary)
        if token not in SPECIALS and tokenizer.bytes_of(number) == token.encode()
    ]
    phrases = sorted([token for token in spelt if len(token) > 1], key=lambda t: -len(t))
    pattern = "|".join([*(_escape(phrase) for phrase in phrases), r"[\s\S]"])
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": tokenizer.id_of(token),
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for token in SPECIALS
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": pattern},
            "behavior": "Isolated",
            "invert": False,
        },
        "post_processor": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": True,
            "ignore_merges": True,
            "vocab": {token: number for number, token in enumerate(tokenizer.vocabulary)},
            "merges": [],
        },
    }


def _build_config(shape: ModelShape, inner: int, tokenizer: Tokenizer) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.width,
        "intermediate_size": inner,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "head_dim": shape.head_width,
        "hidden_act": "silu",
        "max_position_embeddings": shape.context_length,
        "rms_norm_eps": shape.epsilon,
        "rope_theta": shape.theta,
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "bos_token_id": tokenizer.begin_id,
        "eos_token_id": tokenizer.end_id,
        "pad_token_id": tokenizer.padding_id,
        "dtype": "float16",
        "torch_dtype": "float16",
    }


def _escape(phrase: str) -> str:
    """The phrase for the regular expressions of `tokenizers`, which know no escaped space."""
    return re.escape(phrase).replace("\\ ", " ").replace("\\\n", "\n")
