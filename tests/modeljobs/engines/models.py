"""Small random models, made on the spot: nothing is downloaded. They need torch."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

CONTEXT = 256
# A token for each, so that every token spells something.
LETTERS = "\n" + "".join(map(chr, range(32, 127)))
END = "<end>"
END_ID = len(LETTERS)
CHAT_TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}"
    "{% if not loop.last or add_generation_prompt %}</{{ m.role }}>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@cache
def make_tokenizer() -> Any:
    """A token for every letter, and one that ends a text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    written = [split.pre_tokenize_str(letter)[0][0] for letter in LETTERS]
    core = Tokenizer(models.BPE(vocab={one: i for i, one in enumerate(written)}, merges=[]))
    core.pre_tokenizer = split
    core.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token=END)
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


@cache
def make_model(family: str = "qwen2") -> Any:
    """A random model that is sure enough of what comes next for its best token to be clear."""
    import torch
    import transformers

    torch.manual_seed(7)
    shared = {
        "vocab_size": len(LETTERS) + 1,
        "initializer_range": 0.3,
        "eos_token_id": END_ID,
        "bos_token_id": END_ID,
    }
    config: Any
    if family == "gpt2":
        config = transformers.GPT2Config(
            n_embd=32, n_layer=2, n_head=4, n_positions=CONTEXT, **shared
        )
    else:
        make = {"qwen2": transformers.Qwen2Config, "llama": transformers.LlamaConfig}[family]
        config = make(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=CONTEXT,
            **shared,
        )
    return transformers.AutoModelForCausalLM.from_config(config).eval()


def save_model(folder: Path) -> Path:
    """The model and its tokenizer as a folder that can be loaded."""
    make_model().save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


def find_logprobs(model: Any, tokens: list[int], start: int) -> Any:
    """The model's own word on tokens[start:], each given all before it, by one plain pass."""
    import torch

    with torch.inference_mode():
        logits = model(torch.tensor([tokens])).logits[0, start - 1 : -1]
    return torch.log_softmax(logits.float(), dim=-1)
