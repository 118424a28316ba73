"""Reward models of the transformers library, in this process: scores for the tokens of texts.

The published process reward models are known models with a head of their own, told apart by the
names of its weights. The known part is loaded by the library and the head by the few lines below,
so that no code that came with a model is run:

    lm_head                            a language model as it is: its logits are the numbers
    score                              one linear layer (…ForTokenClassification; PURE, MATH-Minos)
    score.0, score.2                   two layers, ReLU between (Qwen2.5-Math-PRM, two numbers)
    v_head.summary                     one number (Skywork-o1-Open-PRM)
    score_head                         three numbers (ReasonEval)
    score.model.nn1, .nn2, .nn_out     an ensemble of heads, a number each (ActPRM)

Heads are computed in single precision, whatever the model is in.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from modeljobs.engines.base import EngineError, EnginePermanent

logger = logging.getLogger(__name__)

# So many tokens, padding among them, go through the model in one pass; a longer text goes alone.
PASS_TOKENS = 8_192
# What the published configurations call models that the library does not know, and the known model
# beneath each.
BENEATH: Mapping[str, str] = {
    "Qwen2ForEnsemblePRM": "qwen2",
    "Qwen2ForPrmModel": "qwen2",
    "Qwen2ForProcessRewardModel": "qwen2",
    "ReasonEval_7B": "mistral",
    "ReasonEval_34B": "llama",
}
ENSEMBLE = ("score.model.nn1", "score.model.nn2", "score.model.nn_out")
# Heads by the names of their layers, the most telling first.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("v_head.summary",),
    ("score_head",),
    ENSEMBLE,
    ("score.0", "score.2"),
)
# Language models of these settings change their logits behind their last layer.
ALTERING = ("final_logit_softcapping", "logit_scale", "logits_scaling")
INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
SINGLES = ("model.safetensors", "pytorch_model.bin")

Rows = tuple[tuple[float, ...], ...]
Deliver = Callable[[Rows | EngineError], None]
Resolve = Callable[[str], str | None]


class Head(Protocol):
    """What makes numbers of a token's last state."""

    @property
    def is_vocabulary(self) -> bool:
        """True where a row is as long as the vocabulary."""

    def __call__(self, states: Any, columns: Sequence[int] | None) -> Any:
        """Rows [tokens, numbers] in single precision for states [tokens, width].

        `columns` are given to a head that is a vocabulary, and to no other.
        """


@dataclass(frozen=True, slots=True)
class LanguageHead:
    """The output layer of a language model. Only the wanted rows of its matrix are multiplied."""

    torch: Any
    layer: Any
    is_vocabulary: bool = True

    def __call__(self, states: Any, columns: Sequence[int] | None) -> Any:
        if columns is None:
            return self.layer(states).float()
        chosen = self.torch.tensor(list(columns), device=states.device)
        bias = getattr(self.layer, "bias", None)
        return self.torch.nn.functional.linear(
            states.float(),
            self.layer.weight[chosen].float(),
            None if bias is None else bias[chosen].float(),
        )


@dataclass(frozen=True, slots=True)
class LayeredHead:
    """Linear layers (weight [out, in], bias [out] or None) with ReLU between."""

    torch: Any
    layers: tuple[tuple[Any, Any], ...]
    is_vocabulary: bool = False

    def __call__(self, states: Any, columns: Sequence[int] | None) -> Any:
        functional = self.torch.nn.functional
        for place, (weight, bias) in enumerate(self.layers):
            states = functional.linear(states.float(), weight, bias)
            if place < len(self.layers) - 1:
                states = functional.relu(states)
        return states


@dataclass(frozen=True, slots=True)
class EnsembleHead:
    """Heads side by side (weight [heads, in, out], bias [heads, out]): a number from each."""

    torch: Any
    layers: tuple[tuple[Any, Any], ...]
    is_vocabulary: bool = False

    def __call__(self, states: Any, columns: Sequence[int] | None) -> Any:
        torch = self.torch
        heads = self.layers[0][0].shape[0]
        values = states.float()[None].expand(heads, -1, -1)
        for place, (weight, bias) in enumerate(self.layers):
            values = torch.einsum("eth,ehm->etm", values, weight) + bias[:, None, :]
            if place < len(self.layers) - 1:
                values = torch.nn.functional.relu(values)
        return values[:, :, 0].T


@dataclass(eq=False, slots=True)
class ScoreJob:
    """A text to be scored. `deliver` is called once, in the scorer's thread."""

    ids: Sequence[int]
    deliver: Deliver
    positions: tuple[int, ...] | None = None
    columns: tuple[int, ...] | None = None
    reduce: str = ""
    # Set from any thread; looked at before a pass.
    is_cancelled: bool = False


class Scorer:
    """Scores texts in a thread of its own, those that wait together in one pass.

    Texts are padded at their ends, where nothing that is scored sees it: a text's scores do not
    depend on its neighbours, but for the rounding of sums.
    """

    def __init__(self, torch: Any, backbone: Any, head: Head, *, rows: int) -> None:
        self._torch = torch
        self._backbone = backbone
        self._head = head
        self._device = next(backbone.parameters()).device
        self._most = rows
        self._woken = threading.Condition()
        self._waiting: deque[ScoreJob] = deque()
        self._is_closing = False
        self._thread: threading.Thread | None = None
        # Sizes of the passes so far, for tests and measuring.
        self.passes: list[int] = []

    @property
    def is_vocabulary(self) -> bool:
        return self._head.is_vocabulary

    def submit(self, job: ScoreJob) -> None:
        """Put a text in line; it is delivered, also when the scorer is closed before."""
        with self._woken:
            if not self._is_closing:
                self._waiting.append(job)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="scorer", daemon=True)
                    self._thread.start()
                self._woken.notify()
                return
        job.deliver(_closed())

    def close(self) -> None:
        """End the thread; what waits is refused. Safe to call twice."""
        with self._woken:
            self._is_closing = True
            thread = self._thread
            self._woken.notify()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        with self._torch.inference_mode():
            while batch := self._take_batch():
                self._answer(batch)
        while self._waiting:
            self._waiting.popleft().deliver(_closed())

    def _take_batch(self) -> list[ScoreJob]:
        """The texts of the next pass, in the order in which they came; none at the end."""
        with self._woken:
            while True:
                while not (self._waiting or self._is_closing):
                    self._woken.wait()
                if self._is_closing:
                    return []
                batch: list[ScoreJob] = []
                longest = 0
                while self._waiting and len(batch) < self._most:
                    width = max(longest, len(self._waiting[0].ids))
                    if batch and width * (len(batch) + 1) > PASS_TOKENS:
                        break
                    job = self._waiting.popleft()
                    if not job.is_cancelled:
                        batch.append(job)
                        longest = width
                if batch:
                    return batch

    def _answer(self, batch: Sequence[ScoreJob]) -> None:
        try:
            found = self._score(batch)
        except self._torch.OutOfMemoryError:
            self._fail(batch, _out_of_memory(self._device))
        except Exception as error:
            # Whatever it was, those who wait must hear of it, and others may come.
            logger.exception("A pass of the scorer failed.")
            self._fail(batch, _broken(error))
        else:
            self.passes.append(len(batch))
            for job, rows in zip(batch, found, strict=True):
                job.deliver(rows)

    def _fail(self, batch: Sequence[ScoreJob], error: EngineError) -> None:
        for job in batch:
            job.deliver(error)

    def _score(self, batch: Sequence[ScoreJob]) -> list[Rows]:
        torch = self._torch
        lengths = [len(job.ids) for job in batch]
        width = max(lengths)
        padded = [[*job.ids, *([0] * (width - len(job.ids)))] for job in batch]
        tokens = torch.tensor(padded, device=self._device)
        mask = None
        if min(lengths) < width:
            ends = torch.tensor(lengths, device=self._device)[:, None]
            mask = (torch.arange(width, device=self._device) < ends).long()
        output = self._backbone(input_ids=tokens, attention_mask=mask, use_cache=False)
        states = output.last_hidden_state
        return [self._read(job, states[place]) for place, job in enumerate(batch)]

    def _read(self, job: ScoreJob, states: Any) -> Rows:
        wanted = range(len(job.ids)) if job.positions is None else job.positions
        rows = self._head(states[list(wanted)], job.columns)
        if job.reduce == "mean":
            rows = rows.mean(dim=-1, keepdim=True)
        return tuple([tuple(row) for row in rows.float().tolist()])


def build_language_scorer(torch: Any, model: Any, *, rows: int) -> Scorer | None:
    """A scorer of a language model's own logits; None where it changes them at the very end."""
    config = model.config.get_text_config()
    layer = model.get_output_embeddings()
    if layer is None or any(getattr(config, name, None) for name in ALTERING):
        return None
    return Scorer(torch, model.base_model, LanguageHead(torch, layer), rows=rows)


# --- Loading --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RewardPlan:
    """What is to be loaded: the model beneath, and the head's layers with the files they are in."""

    raw_config: Mapping[str, Any]
    architecture: str
    layers: tuple[str, ...]
    # Weight name to file, as a path.
    files: Mapping[str, str] = field(default_factory=dict)


def find_reward_plan(transformers: Any, model: str, source: Mapping[str, Any]) -> RewardPlan | None:
    """How to load the model as a reward model; None for one that is no reward model by its
    configuration and its weights. OSError where there is no such model.
    """
    place = {name: source[name] for name in ("local_files_only", "revision")}
    raw, _ = transformers.PretrainedConfig.get_config_dict(model, **place)
    named = [str(one) for one in raw.get("architectures") or ()]
    architecture = named[0] if named else ""
    files = _list_weights(_make_resolver(model, place))
    layers = _find_layers(files, architecture)
    if layers is None:
        return None
    return RewardPlan(raw, architecture, layers, files)


def load_reward_model(
    torch: Any, transformers: Any, plan: RewardPlan, model: str, *, dtype: Any, source: Any
) -> tuple[Any, LayeredHead | EnsembleHead]:
    """The model beneath and its head, on the CPU. EnginePermanent where they do not fit."""
    config = _build_config(transformers, plan, model, source)
    backbone, info = transformers.AutoModel.from_pretrained(
        model,
        config=config,
        dtype=dtype,
        attn_implementation="sdpa",
        output_loading_info=True,
        **source,
    )
    if missing := sorted(info["missing_keys"]):
        # The library would fill them with random numbers.
        raise EnginePermanent(
            f"The model {model!r} lacks {len(missing)} of its weights, {missing[0]} among them: "
            "it is not of the kind that its configuration names.",
            code="unsupported_model",
        )
    layers = tuple(_read_layer(plan.files, name) for name in plan.layers)
    width = layers[0][0].shape[1]
    if width != config.hidden_size:
        raise EnginePermanent(
            f"The head of {model!r} takes states of {width} numbers and the model has "
            f"{config.hidden_size}.",
            code="unsupported_model",
        )
    if plan.layers == ENSEMBLE:
        return backbone, EnsembleHead(torch, layers)
    return backbone, LayeredHead(torch, layers)


def move_head(
    head: LayeredHead | EnsembleHead, device: str, torch: Any
) -> LayeredHead | EnsembleHead:
    """The head where the model is, in single precision."""
    layers = tuple(
        (weight.float().to(device), None if bias is None else bias.float().to(device))
        for weight, bias in head.layers
    )
    return type(head)(torch, layers)


def _build_config(
    transformers: Any, plan: RewardPlan, model: str, source: Mapping[str, Any]
) -> Any:
    """The configuration of the model beneath; also where its type is a name of the model's own."""
    given = plan.raw_config
    kind = str(given.get("model_type", ""))
    known = transformers.models.auto.configuration_auto.CONFIG_MAPPING
    if kind in known:
        return transformers.AutoConfig.from_pretrained(model, **source)
    beneath = BENEATH.get(plan.architecture)
    if beneath is None:
        raise EnginePermanent(
            f"The model {model!r} is of the kind {kind!r}, which the transformers library does not "
            "know without code of the model's own, and that is not run.",
            code="unsupported_model",
        )
    values = {
        name: value for name, value in given.items() if name not in {"model_type", "auto_map"}
    }
    return transformers.AutoConfig.for_model(beneath, **values)


def _find_layers(files: Mapping[str, str], architecture: str) -> tuple[str, ...] | None:
    for layers in LAYERS:
        if all(f"{name}.weight" in files for name in layers):
            return layers
    # Models that score a whole text have a `score` as well.
    if architecture.endswith("ForTokenClassification") and "score.weight" in files:
        return ("score",)
    if architecture in BENEATH:
        raise EnginePermanent(
            f"The model is a {architecture} by its configuration, and its weights hold no head of "
            "a kind that is known here.",
            code="unsupported_model",
        )
    return None


def _make_resolver(model: str, place: Mapping[str, Any]) -> Resolve:
    """Finds a file of the model by its name, in its folder or in the hub's cache."""
    from transformers.utils.hub import cached_file

    def resolve(name: str) -> str | None:
        try:
            found = cached_file(
                model, name, _raise_exceptions_for_missing_entries=False, **dict(place)
            )
        except OSError:
            return None
        return None if found is None else str(found)

    return resolve


def _list_weights(resolve: Resolve) -> dict[str, str]:
    """The names of all weights, each with its file; none where there are no weights of a known
    form, which whoever loads the model says better.
    """
    for name in INDEXES:
        path = resolve(name)
        if path is not None:
            with open(path, encoding="utf-8") as file:
                named = json.load(file)["weight_map"]
            paths = {part: resolve(part) for part in set(named.values())}
            return {weight: path for weight, part in named.items() if (path := paths[part])}
    for name in SINGLES:
        path = resolve(name)
        if path is not None:
            return dict.fromkeys(_list_names(path), path)
    return {}


def _list_names(path: str) -> list[str]:
    if path.endswith(".safetensors"):
        from safetensors import safe_open

        with safe_open(path, framework="pt") as weights:
            return list(weights.keys())
    return list(_open_pickle(path))


def _open_pickle(path: str) -> dict[str, Any]:
    """The weights of a .bin file: tensors alone are unpickled, and read when they are wanted."""
    import torch

    try:
        loaded: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError:
        # Files of torch before 1.6 are read as a whole.
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    return loaded


def _read_layer(files: Mapping[str, str], name: str) -> tuple[Any, Any]:
    """A layer's weight, and its bias where it has one."""
    weight = _read_weight(files, f"{name}.weight")
    bias = _read_weight(files, f"{name}.bias") if f"{name}.bias" in files else None
    return weight, bias


def _read_weight(files: Mapping[str, str], name: str) -> Any:
    path = files[name]
    if path.endswith(".safetensors"):
        from safetensors import safe_open

        with safe_open(path, framework="pt") as weights:
            return weights.get_tensor(name)
    return _open_pickle(path)[name].clone()


def _closed() -> EngineError:
    return EnginePermanent("The engine was closed before it could answer.", code="closed")


def _out_of_memory(device: Any) -> EngineError:
    return EnginePermanent(
        f"The memory of {device} does not suffice for the texts scored at once: set fewer "
        "sequences in the batch, or a shorter context.",
        code="out_of_memory",
    )


def _broken(error: Exception) -> EngineError:
    line = " ".join(str(error).split())[:300]
    return EnginePermanent(
        f"The model failed while it scored texts: {type(error).__name__}: {line}.",
        code="engine_failed",
    )
