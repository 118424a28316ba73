"""The published way of scoring, for each family, in the plainest code: texts joined and tokenised
as a whole wherever the published code does so, tags searched for, one forward pass, no batch.

Good for texts that hold no tag; whether the adapters agree on these is what is tested.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

QWEN_SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."


class Reference(NamedTuple):
    """All tokens, the scored ones, and a number for each."""

    ids: list[int]
    tokens: list[int]
    values: list[float]
    more: list[float] | None = None


def read_weights(folder: Path) -> dict[str, Any]:
    import torch
    from safetensors.torch import load_file

    if (folder / "pytorch_model.bin").exists():
        loaded: dict[str, Any] = torch.load(folder / "pytorch_model.bin", weights_only=True)
        return loaded
    weights: dict[str, Any] = load_file(folder / "model.safetensors")
    return weights


def find_states(folder: Path, beneath: str, ids: Sequence[int]) -> Any:
    """The model's last states for the tokens, by the library's class for the model beneath."""
    import torch
    import transformers

    names = {"qwen2": "Qwen2", "mistral": "Mistral", "llama": "Llama"}
    config = getattr(transformers, f"{names[beneath]}Config").from_pretrained(folder)
    model = getattr(transformers, f"{names[beneath]}Model")(config).eval()
    weights = read_weights(folder)
    own = {k.removeprefix("model."): v for k, v in weights.items() if k.startswith("model.")}
    model.load_state_dict(own)
    with torch.no_grad():
        return model(torch.tensor([list(ids)])).last_hidden_state[0]


def find_logits(folder: Path, ids: Sequence[int], kind: str) -> Any:
    """The logits of a library class with a head."""
    import torch
    import transformers

    model = getattr(transformers, kind).from_pretrained(folder).eval()
    with torch.no_grad():
        return model(torch.tensor([list(ids)])).logits[0]


def load_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def score_qwen_prm(folder: Path, problem: str, steps: Sequence[str]) -> Reference:
    ids, tokens = _write_qwen_chat(folder, problem, steps)
    values = _run_process_head(folder, find_states(folder, "qwen2", ids))[tokens]
    return Reference(ids, tokens, values.softmax(-1)[:, 1].tolist())


def score_actprm(folder: Path, problem: str, steps: Sequence[str]) -> Reference:
    import torch

    ids, tokens = _write_qwen_chat(folder, problem, steps)
    states = find_states(folder, "qwen2", ids)[tokens]
    weights = read_weights(folder)
    heads = weights["score.model.nn1.weight"].shape[0]
    chances = []
    for head in range(heads):
        x = states
        for name in ("nn1", "nn2", "nn_out"):
            weight = weights[f"score.model.{name}.weight"][head]
            x = x @ weight + weights[f"score.model.{name}.bias"][head]
            if name != "nn_out":
                x = torch.relu(x)
        chances.append(torch.sigmoid(x[:, 0]))
    stacked = torch.stack(chances)
    return Reference(ids, tokens, stacked.mean(0).tolist(), stacked.std(0).tolist())


def score_math_shepherd(folder: Path, problem: str, steps: Sequence[str]) -> Reference:
    tokenizer = load_tokenizer(folder)
    output = "".join(f"Step {k}: {step} ки\n" for k, step in enumerate(steps, 1))
    ids = [tokenizer.convert_tokens_to_ids("<s>"), *tokenizer.encode(f"{problem} {output}")]
    candidates = tokenizer.encode("+ -")
    tag = tokenizer.encode("ки")[-1]
    tokens = [place for place, one in enumerate(ids) if one == tag]
    logits = find_logits(folder, ids, "MistralForCausalLM")[:, candidates]
    return Reference(ids, tokens, logits.softmax(-1)[tokens, 0].tolist())


def score_mathminos(folder: Path, problem: str, steps: Sequence[str]) -> Reference:
    tokenizer = load_tokenizer(folder)
    output = "".join(f"Step {k}: {step} и\n" for k, step in enumerate(steps, 1))
    text = f"Human: {problem}\n\nAssistant:{output}"
    ids = [tokenizer.convert_tokens_to_ids("<s>"), *tokenizer.encode(text)]
    tag = tokenizer.encode("и")[-1]
    tokens = [place for place, one in enumerate(ids) if one == tag]
    logits = find_logits(folder, ids, "MistralForTokenClassification")
    return Reference(ids, tokens, logits[tokens, 0].tolist())


def score_rlhflow(folder: Path, problem: str, steps: Sequence[str]) -> Reference:
    """Step after step, as the published script: the conversation so far, the third token from its
    end.
    """
    tokenizer = load_tokenizer(folder)
    candidates = [tokenizer.encode("+")[-1], tokenizer.encode("-")[-1]]
    text, tokens, values = "<|begin_of_text|>", [], []
    for k, step in enumerate(steps):
        said = f"{problem} {step}" if k == 0 else step
        for role, content in (("user", said), ("assistant", "+")):
            text += f"<|start_header_id|>{role}<|end_header_id|>\n\n{content}<|eot_id|>"
        ids = tokenizer.encode(text)
        logits = find_logits(folder, ids, "LlamaForCausalLM")[-3, candidates]
        tokens.append(len(ids) - 3)
        values.append(float(logits.softmax(-1)[0]))
    return Reference(ids, tokens, values)


def score_skywork(folder: Path, problem: str, steps: Sequence[str]) -> Reference:
    import torch

    tokenizer = load_tokenizer(folder)
    ids = tokenizer.encode("<|endoftext|>" + problem + "\n")
    tag = tokenizer.encode("\n")[-1]
    tokens = []
    for step in steps:
        ids += [*tokenizer.encode(step), tag]
        tokens.append(len(ids) - 1)
    weights = read_weights(folder)
    states = find_states(folder, "qwen2", ids)[tokens]
    values = states @ weights["v_head.summary.weight"].T + weights["v_head.summary.bias"]
    return Reference(ids, tokens, torch.sigmoid(values[:, 0]).tolist())


def score_reasoneval(folder: Path, problem: str, steps: Sequence[str]) -> Reference:
    """Separators between, then taken out again, as the published code for the 34B model."""
    ids, tokens = _lay_reasoneval(folder, problem, steps)
    return _run_reasoneval(folder, "mistral", ids, tokens)


def score_reasoneval_shifted(folder: Path, problem: str, steps: Sequence[str]) -> Reference:
    """The published code for the 7B model: counted without the first token, and then it is put
    in front.
    """
    ids, tokens = _lay_reasoneval(folder, problem, steps)
    return _run_reasoneval(folder, "llama", ids, [token - 1 for token in tokens])


def score_llemma(folder: Path, problem: str, steps: Sequence[str]) -> Reference:
    import torch

    tokenizer = load_tokenizer(folder)
    text = f"# Question\n\n{problem}\n\n# Solution\n\n" + "".join(f"{step}\n\n" for step in steps)
    ids = [tokenizer.convert_tokens_to_ids("<s>"), *tokenizer.encode(text)]
    begin = tokenizer.encode("\n\n# Solution")[1:]
    scoring = tokenizer.encode("\n\n")[1:]
    tokens, has_begun = [], False
    for place in range(len(ids)):
        has_begun = has_begun or ids[place : place + len(begin)] == begin
        if has_begun and ids[place : place + len(scoring)] == scoring:
            tokens.append(place)
    # Before and behind "# Solution".
    tokens = tokens[2:]
    logits = find_logits(folder, ids, "LlamaForCausalLM")
    return Reference(ids, tokens, torch.sigmoid(logits.mean(-1))[tokens].tolist())


def score_pure(folder: Path, problem: str, steps: Sequence[str]) -> Reference:
    tokenizer = load_tokenizer(folder)
    ids = tokenizer.encode(problem)
    tokens = []
    for step in steps:
        ids += [*tokenizer.encode(step), *tokenizer.encode("\n")]
        tokens.append(len(ids) - 1)
    chances = find_logits(folder, ids, "Qwen2ForTokenClassification")[tokens].softmax(-1)
    return Reference(ids, tokens, (chances[:, 1] - chances[:, 0]).tolist())


def score_math_psa(folder: Path, problem: str, steps: Sequence[str]) -> Reference:
    tokenizer = load_tokenizer(folder)
    answer = "".join(f" Step {k}: {step} \n\n\n\n\n" for k, step in enumerate(steps, 1))
    ids = tokenizer.encode(f"{problem}{answer}")
    candidates = tokenizer.encode(" + -")
    [tag] = tokenizer.encode(" \n\n\n\n\n")
    tokens = [place for place, one in enumerate(ids) if one == tag]
    logits = find_logits(folder, ids, "Qwen2ForCausalLM")[:, candidates]
    return Reference(ids, tokens, logits.softmax(-1)[tokens, 0].tolist())


Score = Callable[[Path, str, Sequence[str]], Reference]

REFERENCES: Mapping[str, Score] = {
    "qwen_prm": score_qwen_prm,
    "math_shepherd": score_math_shepherd,
    "rlhflow": score_rlhflow,
    "skywork": score_skywork,
    "reasoneval": score_reasoneval,
    "reasoneval_shifted": score_reasoneval_shifted,
    "llemma": score_llemma,
    "mathminos": score_mathminos,
    "pure": score_pure,
    "math_psa": score_math_psa,
    "actprm": score_actprm,
}


def _write_qwen_chat(
    folder: Path, problem: str, steps: Sequence[str]
) -> tuple[list[int], list[int]]:
    tokenizer = load_tokenizer(folder)
    assistant = "<extra_0>".join(steps) + "<extra_0>"
    turns = (("system", QWEN_SYSTEM), ("user", problem), ("assistant", assistant))
    ids = tokenizer.encode("".join(f"<|im_start|>{r}\n{c}<|im_end|>\n" for r, c in turns))
    tag = tokenizer.encode("<extra_0>")[0]
    return ids, [place for place, one in enumerate(ids) if one == tag]


def _run_process_head(folder: Path, states: Any) -> Any:
    import torch

    weights = read_weights(folder)
    hidden = torch.relu(states @ weights["score.0.weight"].T + weights["score.0.bias"])
    return hidden @ weights["score.2.weight"].T + weights["score.2.bias"]


def _lay_reasoneval(
    folder: Path, problem: str, steps: Sequence[str]
) -> tuple[list[int], list[int]]:
    tokenizer = load_tokenizer(folder)
    prompt = f"Question:\n{problem}\nAnswer:\nLet's think step by step.\n"
    ids = [tokenizer.convert_tokens_to_ids("<s>")]
    tokens = []
    # A separator is a token of the tokenizer's own, at which it cuts the text.
    for place, part in enumerate((prompt, *steps)):
        ids += tokenizer.encode(part)
        if place:
            tokens.append(len(ids) - 1)
    return ids, tokens


def _run_reasoneval(folder: Path, beneath: str, ids: list[int], tokens: list[int]) -> Reference:
    weights = read_weights(folder)
    logits = find_states(folder, beneath, ids)[tokens] @ weights["score_head.weight"].T
    if "score_head.bias" in weights:
        logits = logits + weights["score_head.bias"]
    chances = logits.softmax(-1)
    return Reference(ids, tokens, (chances[:, 1] + chances[:, 2]).tolist(), chances[:, 1].tolist())
