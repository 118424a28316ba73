"""vLLM inside a GPU worker of its own: its speed without a server beside it.

vLLM pins its own torch and transformers, so that worker has an environment of its own, with this
software and vLLM and nothing else. The engine lives in one event loop for as long as the worker;
runs of jobs have loops of their own, minutes long, and reach it from there.
"""

from __future__ import annotations

import asyncio
import atexit
import itertools
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from modeljobs.engines.base import EnginePermanent, SamplingSettings
from modeljobs.engines.batching import Generated
from modeljobs.engines.in_process import InProcessEngine, LocalSettings, Runtime, TokenTexts
from modeljobs.engines.sampling import Likelihood
from modeljobs.engines.shelf import Shelf

INSTALL = "pip install 'vllm>=0.33'"
# vLLM's names for the types of numbers.
DTYPES = {"auto": "auto", "bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
# The longest list of alternatives that is asked for; vLLM's own bound is 20.
MOST_LOGPROBS = 100

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class VLLMLocalSettings(LocalSettings):
    """`gpu_memory_share` is the part of the card's memory that vLLM takes."""

    tensor_parallel: int = 1
    gpu_memory_share: float = 0.9
    enforce_eager: bool = False


class VLLMInProcessEngine(InProcessEngine):
    """Runs a model with vLLM in this worker."""

    kind = "vllm_in_process"

    def __init__(self, settings: VLLMLocalSettings, *, shelf: Shelf[Runtime] | None = None) -> None:
        super().__init__(settings, shelf=shelf)
        self._local = settings

    def load(self) -> VLLMRuntime:
        return VLLMRuntime(self._local)


class VLLMRuntime:
    """vLLM's engine and the loop that it lives in."""

    def __init__(self, settings: VLLMLocalSettings) -> None:
        self._parts = import_vllm()
        self._numbers = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="vllm-loop", daemon=True
        )
        self._thread.start()
        self.is_broken = False
        try:
            self._engine, self._texts, self._context_length = self._call(self._start(settings))
        except Exception as error:
            self._stop_loop()
            if isinstance(error, EnginePermanent):
                raise
            line = " ".join(str(error).split())[:300]
            raise EnginePermanent(
                f"vLLM could not load {settings.model!r}: {type(error).__name__}: {line}. The "
                "worker's log has the details.",
                code="model_not_found" if isinstance(error, OSError) else "engine_failed",
            ) from None
        # Said now, so that it comes before vLLM's processes are ended as children of this one.
        atexit.register(self.close)
        self._place = {
            "context_length": self._context_length,
            "tensor_parallel": settings.tensor_parallel,
            "vllm": self._parts.version,
        }

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
        work = self._generate(prompt, sampling, max_tokens=max_tokens)
        # Cancelling the wrapped future cancels the work in vLLM's loop, and with it the request.
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def close(self) -> None:
        """Stop vLLM's processes and the loop. Safe to call twice."""
        if self._loop.is_closed():
            return
        atexit.unregister(self.close)

        async def shut_down() -> None:
            self._engine.shutdown()
            # Let go of now: at the interpreter's end its own clean-up would find nothing any more.
            self._engine = None

        self._call(shut_down())
        self._stop_loop()

    # --- In vLLM's loop -----------------------------------------------------------------------

    async def _start(self, settings: VLLMLocalSettings) -> tuple[Any, TokenTexts, int]:
        parts = self._parts
        # vLLM would fetch what it does not find: here it is given a folder that is there.
        folder = parts.find_folder(
            settings.model, settings.revision or None, not settings.allow_download
        )
        arguments = parts.AsyncEngineArgs(
            model=folder,
            dtype=DTYPES[settings.dtype],
            max_model_len=settings.context_length,
            tensor_parallel_size=settings.tensor_parallel,
            gpu_memory_utilization=settings.gpu_memory_share,
            enforce_eager=settings.enforce_eager,
            # What a step of a solution has written is the beginning of the next one's prompt.
            enable_prefix_caching=True,
            max_logprobs=MOST_LOGPROBS,
            trust_remote_code=False,
            disable_log_stats=True,
        )
        engine = parts.AsyncLLM.from_engine_args(arguments)
        tokenizer = parts.AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        return engine, TokenTexts(tokenizer), int(engine.model_config.max_model_len)

    async def _generate(
        self, prompt: Sequence[int], sampling: SamplingSettings, *, max_tokens: int
    ) -> list[Generated]:
        parts = self._parts
        parameters = parts.SamplingParams(
            n=sampling.n,
            temperature=1.0 if sampling.temperature is None else sampling.temperature,
            top_p=1.0 if sampling.top_p is None else sampling.top_p,
            top_k=max(0, sampling.top_k or 0),
            max_tokens=max_tokens,
            seed=sampling.seed,
            stop=list(sampling.stop),
            logprobs=sampling.logprobs,
            output_kind=parts.RequestOutputKind.FINAL_ONLY,
        )
        outputs: AsyncIterator[Any] = self._engine.generate(
            prompt=parts.TokensPrompt(prompt_token_ids=list(prompt)),
            sampling_params=parameters,
            request_id=f"request-{next(self._numbers)}",
        )
        made: dict[int, Generated] = {}
        try:
            async for output in outputs:
                for one in output.outputs:
                    made[one.index] = read_output(one, wanted=sampling.logprobs)
        except parts.EngineDeadError:
            # Its processes are gone: the next engine loads the model anew.
            self.is_broken = True
            raise EnginePermanent(
                "vLLM's engine has ended; the worker's log says why.", code="engine_failed"
            ) from None
        except ValueError as error:
            raise EnginePermanent(
                f"vLLM refused the request: {' '.join(str(error).split())[:300]}.",
                code="bad_request",
            ) from None
        return [made[index] for index in sorted(made)]

    # --- From outside -------------------------------------------------------------------------

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _stop_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def read_output(output: Any, *, wanted: int | None) -> Generated:
    """One of vLLM's completions; `wanted` is how many alternatives were asked for."""
    likelihoods = None
    if wanted is not None and output.logprobs is not None:
        likelihoods = tuple(
            Likelihood(
                float(entries[token].logprob),
                # The chosen token comes along even where it is none of the best.
                {
                    one: float(entry.logprob)
                    for one, entry in entries.items()
                    if entry.rank is not None and entry.rank <= wanted
                },
            )
            for token, entries in zip(output.token_ids, output.logprobs, strict=True)
        )
    return Generated(
        text=output.text,
        token_ids=tuple(output.token_ids),
        finish_reason=output.finish_reason or "",
        likelihoods=likelihoods,
    )


@dataclass(frozen=True, slots=True)
class VLLMParts:
    """What is used of vLLM."""

    AsyncEngineArgs: Callable[..., Any]
    AsyncLLM: Any
    SamplingParams: Callable[..., Any]
    RequestOutputKind: Any
    TokensPrompt: Callable[..., Any]
    EngineDeadError: type[Exception]
    AutoTokenizer: Any
    find_folder: Callable[[str, str | None, bool], str]
    version: str


def import_vllm() -> VLLMParts:
    """vLLM, or EnginePermanent with the command that installs it."""
    try:
        import vllm
        from huggingface_hub import snapshot_download
        from transformers import AutoTokenizer
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.inputs import TokensPrompt
        from vllm.sampling_params import RequestOutputKind, SamplingParams
        from vllm.v1.engine.async_llm import AsyncLLM
        from vllm.v1.engine.exceptions import EngineDeadError
    except ImportError as error:
        raise EnginePermanent(
            f"This worker cannot run vLLM: the package {error.name!r} is not installed. vLLM lives "
            f"in an environment of its own; install it where the GPU worker runs with: {INSTALL}",
            code="missing_extra",
        ) from None

    def find_folder(model: str, revision: str | None, only_local: bool) -> str:
        if os.path.isdir(model):
            return model
        return str(snapshot_download(model, revision=revision, local_files_only=only_local))

    return VLLMParts(
        AsyncEngineArgs=AsyncEngineArgs,
        AsyncLLM=AsyncLLM,
        SamplingParams=SamplingParams,
        RequestOutputKind=RequestOutputKind,
        TokensPrompt=TokensPrompt,
        EngineDeadError=EngineDeadError,
        AutoTokenizer=AutoTokenizer,
        find_folder=find_folder,
        version=str(getattr(vllm, "__version__", "")),
    )
