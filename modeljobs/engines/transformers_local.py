"""A model of the transformers library, in this process, on a CPU or a GPU.

For models that no server has loaded, and for trying things out: one forward pass a step, written in
plain torch, without a server's kernels. See `engines.batching` for how requests share it, and
`engines.transformers_pooling` for models that score texts.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import random
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

from modeljobs.engines.base import (
    Capabilities,
    EngineError,
    EnginePermanent,
    SamplingSettings,
)
from modeljobs.engines.batching import Decoder, Generated, Trajectory
from modeljobs.engines.detokenizing import TextStream
from modeljobs.engines.in_process import InProcessEngine, LocalSettings, Runtime, TokenTexts
from modeljobs.engines.pooling import PoolingReply, PoolingRequest
from modeljobs.engines.shelf import Shelf
from modeljobs.engines.transformers_pooling import (
    EnsembleHead,
    LayeredHead,
    Rows,
    ScoreJob,
    Scorer,
    build_language_scorer,
    find_reward_plan,
    load_reward_model,
    move_head,
)

logger = logging.getLogger(__name__)

DTYPES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
INSTALL = "pip install 'torch>=2.13' 'transformers>=5.23,<6'"
# What a model's configuration calls its longest text, by family.
LENGTH_NAMES = ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length")
SUPPORTED_LAYERS = frozenset({"full_attention", "sliding_attention"})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TransformersSettings(LocalSettings):
    """`device` is "auto" (a GPU where there is one), "cpu", "cuda" or "cuda:1".

    `max_sequences` are in a batch at once, `remembered` finished ones are kept for prompts that
    begin as they do. Memory for both: rows times the longest text times what a token takes.
    """

    device: str = "auto"
    max_sequences: int = 64
    remembered: int = 64


class TransformersEngine(InProcessEngine):
    """Runs a model of a local folder: to go on from texts, or to score them.

    A language model does both: its scores are its logits. A reward model scores and does no more.
    """

    kind = "transformers_local"

    def __init__(
        self, settings: TransformersSettings, *, shelf: Shelf[Runtime] | None = None
    ) -> None:
        super().__init__(settings, shelf=shelf)
        self._local = settings

    def load(self) -> LocalRuntime:
        return load_runtime(self._local)

    async def open(self) -> LocalRuntime:
        return cast(LocalRuntime, await super().open())

    @property
    def capabilities(self) -> Capabilities:
        """Which of the two the model does is known once it is loaded."""
        known = super().capabilities
        runtime = self._runtime
        if isinstance(runtime, TransformersRuntime):
            return dataclasses.replace(known, pooling=runtime.scorer is not None)
        if runtime is not None:
            return Capabilities(pooling=True, context_length=known.context_length)
        return dataclasses.replace(known, pooling=True)

    async def pool(self, request: PoolingRequest) -> PoolingReply:
        """The head's numbers, or the logits, for the wanted tokens of the text."""
        runtime = await self.open()
        ids = self._encode_pieces(request.pieces, runtime.texts)
        self._check_text(ids, request, runtime)
        async with self._slots:
            started = time.monotonic()
            rows = await runtime.score(ids, request)
            latency_ms = round((time.monotonic() - started) * 1000)
        return PoolingReply(rows, model=self.name, prompt_tokens=len(ids), latency_ms=latency_ms)

    def _check_text(
        self, ids: Sequence[int], request: PoolingRequest, runtime: LocalRuntime
    ) -> None:
        """Refuse what cannot be scored as a whole: nothing is cut to fit."""
        if not ids:
            raise EnginePermanent("The text is empty: it has no tokens.", code="bad_request")
        if len(ids) > runtime.context_length:
            raise EnginePermanent(
                f"The text has {len(ids):,} tokens and the model takes "
                f"{runtime.context_length:,}: it is not scored, because a text that is cut loses "
                "its last steps.",
                code="context_overflow",
            )
        outside = [one for one in request.positions or () if not 0 <= one < len(ids)]
        if outside:
            raise EnginePermanent(
                f"Token {outside[0]} of {len(ids):,} was asked for: there is none.",
                code="bad_request",
            )


class LocalRuntime:
    """A loaded model that scores texts. `scorer` is None where its numbers are no scores."""

    def __init__(
        self,
        texts: TokenTexts,
        scorer: Scorer | None,
        *,
        context_length: int,
        place: Mapping[str, Any],
    ) -> None:
        # A thread whose pass failed starts afresh by itself.
        self.is_broken = False
        self.scorer = scorer
        self._texts = texts
        self._context_length = context_length
        self._place = place

    @property
    def texts(self) -> TokenTexts:
        return self._texts

    @property
    def context_length(self) -> int:
        return self._context_length

    @property
    def place(self) -> Mapping[str, Any]:
        return self._place

    async def generate(
        self, prompt: Sequence[int], sampling: SamplingSettings, *, max_tokens: int
    ) -> list[Generated]:
        raise EnginePermanent(
            "The model scores texts and does not go on from them: use it with a method for reward "
            "models.",
            code="no_generation",
        )

    async def score(self, ids: Sequence[int], request: PoolingRequest) -> Rows:
        """The numbers for the request's tokens, whose ids are `ids`."""
        scorer = self.scorer
        if scorer is None:
            raise EnginePermanent(
                "The model changes its logits behind its last layer: they are no scores.",
                code="no_pooling",
            )
        wants_words = request.columns is not None or request.reduce == "mean"
        if wants_words != scorer.is_vocabulary:
            raise EnginePermanent(
                "The model has a head of its own for scores, and was asked about words of its "
                "vocabulary: choose the kind of reward model that it is."
                if wants_words
                else "The model is a language model without a head for scores, and was not asked "
                "about words of its vocabulary: choose the kind of reward model that it is.",
                code="unsupported_model",
            )
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Rows] = loop.create_future()
        job = ScoreJob(
            ids,
            partial(_deliver, loop, future),
            positions=request.positions,
            columns=request.columns,
            reduce=request.reduce,
        )
        scorer.submit(job)
        try:
            return await future
        finally:
            job.is_cancelled = True

    def close(self) -> None:
        if self.scorer is not None:
            self.scorer.close()


class TransformersRuntime(LocalRuntime):
    """A loaded language model and the threads that run it."""

    def __init__(
        self,
        texts: TokenTexts,
        decoder: Decoder,
        scorer: Scorer | None,
        *,
        context_length: int,
        place: Mapping[str, Any],
    ) -> None:
        super().__init__(texts, scorer, context_length=context_length, place=place)
        self.decoder = decoder

    async def generate(
        self, prompt: Sequence[int], sampling: SamplingSettings, *, max_tokens: int
    ) -> list[Generated]:
        """The continuations, in the order of their seeds."""
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Generated]] = []
        trajectories: list[Trajectory] = []
        for sample in range(sampling.n):
            future: asyncio.Future[Generated] = loop.create_future()
            futures.append(future)
            trajectories.append(
                Trajectory(
                    prompt=prompt,
                    max_tokens=max_tokens,
                    stream=TextStream(self._texts.decode, prompt=prompt, stop=sampling.stop),
                    deliver=partial(_deliver, loop, future),
                    temperature=1.0 if sampling.temperature is None else sampling.temperature,
                    top_p=1.0 if sampling.top_p is None else sampling.top_p,
                    top_k=max(0, sampling.top_k or 0),
                    logprobs=sampling.logprobs,
                    rng=_make_rng(sampling.seed, sample),
                )
            )
        self.decoder.submit(*trajectories)
        try:
            return list(await asyncio.gather(*futures))
        finally:
            self.decoder.cancel(*trajectories)

    def close(self) -> None:
        self.decoder.close()
        super().close()


def _deliver(
    loop: asyncio.AbstractEventLoop,
    future: asyncio.Future[T],
    made: T | EngineError,
) -> None:
    """Hand what a thread made to the loop that waits for it. Called in that thread."""

    def settle() -> None:
        if future.done():
            return
        if isinstance(made, EngineError):
            future.set_exception(made)
        else:
            future.set_result(made)

    try:
        loop.call_soon_threadsafe(settle)
    except RuntimeError:
        # The loop is closed: nobody waits any more.
        logger.debug("A sequence ended after its loop had.")


def _make_rng(seed: int | None, sample: int) -> random.Random:
    """The random numbers of one sample: its own, and the same for the same seed."""
    return random.Random() if seed is None else random.Random(f"{seed}:{sample}")  # noqa: S311


def load_runtime(settings: TransformersSettings) -> LocalRuntime:
    """Load the model and start its threads; EnginePermanent says what is missing or wrong."""
    torch, transformers = import_libraries()
    device = _find_device(torch, settings.device)
    dtype = _find_dtype(torch, settings.dtype, device)
    source: dict[str, Any] = {
        "local_files_only": not settings.allow_download,
        "revision": settings.revision or None,
        # A model's own Python code is not run.
        "trust_remote_code": False,
    }
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(settings.model, **source)
        plan = find_reward_plan(transformers, settings.model, source)
        if plan is not None:
            backbone, head = load_reward_model(
                torch, transformers, plan, settings.model, dtype=dtype, source=source
            )
            backbone = _place(torch, backbone, device, settings)
            head = move_head(head, device, torch)
            return _build_reward_runtime(torch, backbone, head, tokenizer, settings)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            settings.model, dtype=dtype, attn_implementation="sdpa", **source
        )
    except (OSError, ValueError, KeyError) as error:
        raise EnginePermanent(
            f"The model {settings.model!r} cannot be loaded: {_shorten(error)} Models are taken "
            "from folders of the worker's machine or from its cache of the hub; the setting "
            "allow_download lets it fetch one.",
            code="model_not_found",
        ) from None
    return build_runtime(torch, _place(torch, model, device, settings), tokenizer, settings)


def _place(torch: Any, model: Any, device: str, settings: TransformersSettings) -> Any:
    """The model where it is to run."""
    try:
        return model.to(device).eval()
    except torch.OutOfMemoryError:
        raise EnginePermanent(
            f"The model {settings.model!r} does not fit into the memory of {device!r}.",
            code="out_of_memory",
        ) from None


def _build_reward_runtime(
    torch: Any,
    backbone: Any,
    head: LayeredHead | EnsembleHead,
    tokenizer: Any,
    settings: TransformersSettings,
) -> LocalRuntime:
    """A runtime of a model that scores and does no more."""
    context_length = find_context_length(backbone.config, settings.context_length)
    return LocalRuntime(
        TokenTexts(tokenizer),
        Scorer(torch, backbone, head, rows=settings.max_sequences),
        context_length=context_length,
        place=_describe_place(torch, backbone, context_length),
    )


def build_runtime(
    torch: Any, model: Any, tokenizer: Any, settings: TransformersSettings
) -> TransformersRuntime:
    """A runtime of a model that is in its place already. Tried with one token before it is used."""
    context_length = find_context_length(model.config, settings.context_length)
    decoder = Decoder(
        torch,
        model,
        rows=settings.max_sequences,
        kept=settings.remembered,
        context_length=context_length,
        ends=_find_ends(model, tokenizer),
    )
    _try_out(decoder)
    return TransformersRuntime(
        TokenTexts(tokenizer),
        decoder,
        build_language_scorer(torch, model, rows=settings.max_sequences),
        context_length=context_length,
        place=_describe_place(torch, model, context_length),
    )


def _describe_place(torch: Any, model: Any, context_length: int) -> dict[str, Any]:
    parameter = next(model.parameters())
    return {
        "device": _name_device(torch, parameter.device),
        "dtype": str(parameter.dtype).removeprefix("torch."),
        "context_length": context_length,
        "torch": str(torch.__version__),
    }


def import_libraries() -> tuple[Any, Any]:
    """torch and transformers, or EnginePermanent with the command that installs them."""
    try:
        import torch
        import transformers
    except ImportError as error:
        raise EnginePermanent(
            f"This worker cannot run models by itself: the package {error.name!r} is not "
            f"installed. Install it where the worker runs with: {INSTALL}",
            code="missing_extra",
        ) from None
    return torch, transformers


def find_context_length(config: Any, wanted: int | None) -> int:
    """The longest text in tokens: the model's own bound, or a lower one that is wanted.

    EnginePermanent where the model's layers are none that the batch can keep, or no bound is known.
    """
    config = config.get_text_config()
    layers = set(getattr(config, "layer_types", None) or ())
    if layers - SUPPORTED_LAYERS:
        raise EnginePermanent(
            f"Models with layers of the kind {', '.join(sorted(layers - SUPPORTED_LAYERS))} do not "
            "run in this process: serve the model with vLLM instead.",
            code="unsupported_model",
        )
    bounds = [wanted] if wanted else []
    bounds += [value for name in LENGTH_NAMES if (value := getattr(config, name, None))]
    window = getattr(config, "sliding_window", None)
    if window and ("sliding_attention" in layers or not layers):
        # Within its window a sliding layer sees all there is, as the others do.
        bounds.append(window)
    if not bounds:
        raise EnginePermanent(
            "The model does not say how long a text it takes: set the context length.",
            code="unsupported_model",
        )
    return int(min(bounds))


def _find_device(torch: Any, wanted: str) -> str:
    has_gpu = torch.cuda.is_available()
    if wanted == "auto":
        return "cuda" if has_gpu else "cpu"
    if wanted.startswith("cuda") and not has_gpu:
        raise EnginePermanent(
            f"The device {wanted!r} is not there: this worker sees no GPU.", code="no_device"
        )
    return wanted


def _find_dtype(torch: Any, wanted: str, device: str) -> Any:
    """Half precision on a GPU; on a CPU it would be slower than single."""
    name = ("fp32" if device == "cpu" else "bf16") if wanted == "auto" else wanted
    return getattr(torch, DTYPES[name])


def _name_device(torch: Any, device: Any) -> str:
    return str(torch.cuda.get_device_name(device)) if device.type == "cuda" else str(device)


def _find_ends(model: Any, tokenizer: Any) -> frozenset[int]:
    """The tokens that end a text: those of the model's generation settings and the tokenizer's."""
    named = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    several = named if isinstance(named, list) else [named]
    return frozenset(
        one for one in (*several, getattr(tokenizer, "eos_token_id", None)) if one is not None
    )


def _try_out(decoder: Decoder) -> None:
    """One token of one sequence, so that a model that does not run this way is refused at once."""
    outcome: Future[Generated | EngineError] = Future()
    decoder.submit(
        Trajectory(
            prompt=(0,),
            max_tokens=1,
            stream=TextStream(lambda ids: "", prompt=()),
            deliver=outcome.set_result,
            temperature=0.0,
        )
    )
    made = outcome.result()
    if isinstance(made, EngineError):
        decoder.close()
        raise EnginePermanent(
            f"The model does not run in this process: {made} Serve it with vLLM instead.",
            code="unsupported_model",
        )


def _shorten(error: Exception) -> str:
    line = " ".join(str(error).split())
    return line if len(line) <= 300 else line[:300] + "…"
