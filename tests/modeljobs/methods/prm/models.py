"""Small random reward models of the published architectures, made on the spot. They need torch.

Their tokenizers are trained on a few sentences: of the byte-level kind, as Qwen's and Llama 3's
are, and of the SentencePiece kind, as Llama 2's and Mistral's are, which puts a space before
whatever it is given. Ids are other than the published ones; tags are spelled as published.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

CONTEXT = 512
HIDDEN = 32
ENSEMBLE = 4
QWEN_SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<extra_0>")
LLAMA3_SPECIALS = (
    "<|begin_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
)
SPM_SPECIALS = ("<unk>", "<s>", "</s>")
# How Qwen's and Llama 3's tokenizers cut a text before they merge: line ends by themselves.
QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SENTENCES = [
    "What is 12 + 30 - 4? Let x be the sum of all numbers.",
    "Step 1: First we add, so 12 + 30 = 42. ки\nStep 2: Then 42 - 4 = 38. ки\n",
    "The answer is: 38 и\nHuman: How many?\n\nAssistant: Step 3: None и и и ки ки ки",
    "# Question\n\nWhy?\n\n# Solution\n\nBecause. \n\n\n\n\n + - + -",
    "Question:\nWhat?\nAnswer:\nLet's think step by step.\nuser\nassistant\nsystem\n",
    "Please reason step by step, and put your final answer within \\boxed{}.",
]


@cache
def make_byte_tokenizer(specials: tuple[str, ...]) -> Any:
    from tokenizers import (
        AddedToken,
        Regex,
        Tokenizer,
        decoders,
        models,
        pre_tokenizers,
        trainers,
    )
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    core.train_from_iterator(SENTENCES, trainer)
    # One token to Qwen's tokenizer, and to this one.
    core.add_tokens([AddedToken(" \n\n\n\n\n", normalized=False)])
    core.add_special_tokens(list(specials))
    return PreTrainedTokenizerFast(tokenizer_object=core)


@cache
def make_spm_tokenizer() -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE(unk_token="<unk>"))  # noqa: S106 - no secret
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex("\n"), "isolated"),
            pre_tokenizers.Metaspace(prepend_scheme="first"),
        ]
    )
    core.decoder = decoders.Metaspace(prepend_scheme="first")
    letters = [*map(chr, range(33, 127)), "\n", "▁"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=list(SPM_SPECIALS),
        initial_alphabet=letters,
        show_progress=False,
    )
    core.train_from_iterator(SENTENCES, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>")  # noqa: S106


def _configure(kind: str, vocabulary: int, **given: Any) -> Any:
    import transformers

    make = {
        "qwen2": transformers.Qwen2Config,
        "mistral": transformers.MistralConfig,
        "llama": transformers.LlamaConfig,
    }[kind]
    return make(
        vocab_size=vocabulary,
        hidden_size=HIDDEN,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        initializer_range=0.3,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=None,
        **({"sliding_window": None} if kind == "mistral" else {}),
        **given,
    )


Weights = dict[str, Any]


def _make_linear(name: str, inputs: int, outputs: int, *, bias: bool = True) -> Weights:
    import torch

    made: Weights = {f"{name}.weight": torch.randn(outputs, inputs) * 0.4}
    if bias:
        made[f"{name}.bias"] = torch.randn(outputs) * 0.4
    return made


def _make_process_head() -> Weights:
    return _make_linear("score.0", HIDDEN, HIDDEN) | _make_linear("score.2", HIDDEN, 2)


def _make_ensemble() -> Weights:
    import torch

    made: Weights = {}
    for part in ("model", "reg_model"):
        sizes = {"nn1": (HIDDEN, 16), "nn2": (16, 16), "nn_out": (16, 1)}
        for name, (inputs, outputs) in sizes.items():
            made[f"score.{part}.{name}.weight"] = torch.randn(ENSEMBLE, inputs, outputs) * 0.4
            made[f"score.{part}.{name}.bias"] = torch.randn(ENSEMBLE, outputs) * 0.4
    return made


@dataclass(frozen=True)
class Published:
    """How a family's checkpoint looks: the model beneath, its tokenizer, its head."""

    beneath: str
    specials: tuple[str, ...] | None
    # A class of the library, or a name of the model's own with the weights of its head.
    library_class: str = ""
    labels: int = 0
    architecture: str = ""
    model_type: str = ""
    make_head: Callable[[], Weights] | None = None
    as_bin: bool = False


PUBLISHED: Mapping[str, Published] = {
    "qwen_prm": Published(
        "qwen2",
        QWEN_SPECIALS,
        architecture="Qwen2ForProcessRewardModel",
        make_head=_make_process_head,
    ),
    "math_shepherd": Published("mistral", None, library_class="MistralForCausalLM"),
    "rlhflow": Published("llama", LLAMA3_SPECIALS, library_class="LlamaForCausalLM"),
    "skywork": Published(
        "qwen2",
        QWEN_SPECIALS,
        architecture="Qwen2ForPrmModel",
        make_head=lambda: _make_linear("v_head.summary", HIDDEN, 1),
    ),
    "reasoneval": Published(
        "mistral",
        None,
        architecture="ReasonEval_7B",
        make_head=lambda: _make_linear("score_head", HIDDEN, 3),
    ),
    "reasoneval_shifted": Published(
        "llama",
        None,
        architecture="ReasonEval_34B",
        make_head=lambda: _make_linear("score_head", HIDDEN, 3, bias=False),
        as_bin=True,
    ),
    "llemma": Published("llama", None, library_class="LlamaForCausalLM"),
    "mathminos": Published(
        "mistral", None, library_class="MistralForTokenClassification", labels=1
    ),
    "pure": Published(
        "qwen2", QWEN_SPECIALS, library_class="Qwen2ForTokenClassification", labels=2
    ),
    "math_psa": Published("qwen2", QWEN_SPECIALS, library_class="Qwen2ForCausalLM"),
    "actprm": Published(
        "qwen2",
        QWEN_SPECIALS,
        architecture="Qwen2ForEnsemblePRM",
        model_type="qwen2_of_its_own",
        make_head=_make_ensemble,
    ),
}


def make_tokenizer(family: str) -> Any:
    specials = PUBLISHED[family].specials
    return make_spm_tokenizer() if specials is None else make_byte_tokenizer(specials)


def save_reward_model(family: str, folder: Path) -> Path:
    """The family's model and tokenizer as a folder that looks as the published one does."""
    import torch
    import transformers

    published = PUBLISHED[family]
    tokenizer = make_tokenizer(family)
    torch.manual_seed(len(family))
    if published.library_class:
        more = {"num_labels": published.labels} if published.labels else {}
        config = _configure(published.beneath, len(tokenizer), **more)
        model = getattr(transformers, published.library_class)(config)
        model.save_pretrained(folder)
    else:
        config = _configure(published.beneath, len(tokenizer))
        beneath = transformers.AutoModel.from_config(config)
        assert published.make_head is not None
        weights = {f"model.{name}": one for name, one in beneath.state_dict().items()}
        weights |= published.make_head()
        _write(folder, config, published, weights)
    tokenizer.save_pretrained(folder)
    return folder


def _write(folder: Path, config: Any, published: Published, weights: Weights) -> None:
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    document = config.to_dict() | {
        "architectures": [published.architecture],
        # As published: the names of code that comes with the model, which is not run.
        "auto_map": {"AutoModel": "modeling.Model", "AutoConfig": "configuration.Config"},
    }
    if published.model_type:
        document["model_type"] = published.model_type
    (folder / "config.json").write_text(json.dumps(document), encoding="utf-8")
    if published.as_bin:
        torch.save(weights, folder / "pytorch_model.bin")
    else:
        save_file(
            {name: one.contiguous() for name, one in weights.items()}, folder / "model.safetensors"
        )
