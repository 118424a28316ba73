"""The kinds of engine there are, their settings, and the making of one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from modeljobs.engines.base import Engine
from modeljobs.engines.openai_compatible import OpenAICompatibleEngine, ServerSettings
from modeljobs.engines.options import InvalidOptions, Option, validate_options
from modeljobs.engines.retrying import RetryingEngine, RetryPolicy
from modeljobs.engines.scripted import ScriptedEngine, ScriptSettings
from modeljobs.engines.transformers_local import TransformersEngine, TransformersSettings
from modeljobs.engines.vllm import VLLMEngine
from modeljobs.engines.vllm_in_process import VLLMInProcessEngine, VLLMLocalSettings
from modeljobs.engines.wire import OWN_FIELDS

MEBIBYTE = 1024 * 1024
DEVICE = re.compile(r"auto|cpu|cuda(:[0-9]{1,2})?")


@dataclass(frozen=True, slots=True)
class EngineKind:
    """A kind of engine as a person choosing one sees it."""

    name: str
    title: str
    description: str
    options: tuple[Option, ...]
    is_scripted: bool = False
    # True where problems and solutions leave this machine for a server that may be anybody's.
    sends_data_away: bool = False


def _rate(name: str, title: str) -> Option:
    default = getattr(ScriptSettings(), name)
    return Option(name, "float", title, default=default, minimum=0, maximum=1)


def _concurrency(default: int, maximum: int) -> Option:
    return Option(
        "max_concurrency",
        "int",
        "Requests at a time",
        default=default,
        minimum=1,
        maximum=maximum,
    )


def _price(name: str, title: str) -> Option:
    return Option(name, "float", title, minimum=0, maximum=1_000_000)


CONTEXT_LENGTH = Option(
    "context_length", "int", "Context length, in tokens", minimum=1, maximum=100_000_000
)
REVISION = Option("revision", "text", "Revision", default="")

SERVER_OPTIONS = (
    Option(
        "base_url",
        "text",
        "Base URL",
        help="For example http://127.0.0.1:8000/v1. The operator lists the hosts that may be "
        "called.",
        required=True,
    ),
    Option("model", "text", "Model", help="As the server names it.", required=True),
    Option(
        "key_name",
        "text",
        "Key",
        help="The NAME of an environment variable WORKBENCH_ENGINE_KEY_NAME; empty for a server "
        "that needs none.",
        default="",
    ),
    REVISION,
    Option(
        "timeout_s",
        "float",
        "Seconds to wait for a reply",
        default=600.0,
        minimum=1,
        maximum=7200,
    ),
    Option(
        "connect_timeout_s",
        "float",
        "Seconds to wait for a connection",
        default=10.0,
        minimum=0.1,
        maximum=120,
    ),
    _concurrency(64, 2048),
    Option(
        "requests_per_minute",
        "int",
        "Requests a minute, at most",
        help="Kept by each worker for itself: with two workers, give half of what the server "
        "allows. Empty for no bound.",
        minimum=1,
        maximum=1_000_000,
    ),
    Option(
        "tokens_per_minute",
        "int",
        "Tokens a minute, at most",
        help="Prompts and answers together, by each worker. Empty for no bound.",
        minimum=1,
        maximum=1_000_000_000,
    ),
    Option(
        "max_attempts",
        "int",
        "Attempts per request",
        help="Only failures that may pass are tried again.",
        default=5,
        minimum=1,
        maximum=20,
    ),
    Option(
        "max_response_mib",
        "int",
        "Largest reply, in MiB",
        default=32,
        minimum=1,
        maximum=1024,
    ),
    CONTEXT_LENGTH,
    _price("price_prompt", "Price of a million tokens read"),
    _price("price_completion", "Price of a million tokens written"),
    Option("currency", "text", "Currency of the prices", help="For example USD.", default=""),
    Option(
        "extra_body",
        "json",
        "Further fields of each request",
        help="A JSON object, for what this server knows beyond the common API.",
    ),
)


def _vllm_fields(default: bool) -> tuple[Option, ...]:
    """What vLLM knows beyond the common API, and some other servers too."""
    return (
        Option(
            "returns_token_ids",
            "bool",
            "Tokens by number",
            help="The server takes prompts as token ids and names those that it wrote "
            "(return_token_ids).",
            default=default,
        ),
        Option(
            "continues_final_message",
            "bool",
            "Goes on from a begun answer",
            help="The server continues a last turn by the assistant (continue_final_message).",
            default=default,
        ),
    )


def _structured_output(default: str) -> Option:
    return Option(
        "structured_output",
        "choice",
        "Structured output",
        help="Hold replies to the schema that a method gives (response_format). A server that "
        "refuses the field is asked without it.",
        default=default,
        choices=(("off", "off"), ("json_schema", "JSON schema")),
    )


LOCAL_OPTIONS = (
    Option(
        "model",
        "text",
        "Model",
        help="A folder on the worker's machine, or a name in its cache of the Hugging Face hub.",
        required=True,
    ),
    REVISION,
    Option(
        "dtype",
        "choice",
        "Numbers",
        help="bf16 on a GPU and fp32 on a CPU, if nothing else is wanted.",
        default="auto",
        choices=(("auto", "auto"), ("bf16", "bf16"), ("fp16", "fp16"), ("fp32", "fp32")),
    ),
    CONTEXT_LENGTH,
    Option(
        "allow_download",
        "bool",
        "Fetch the model where it is missing",
        help="From the Hugging Face hub, by the worker. Off: only what is on its disk.",
        default=False,
    ),
)

KINDS: Mapping[str, EngineKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            EngineKind(
                "openai_compatible",
                "OpenAI-compatible server",
                "Any server with OpenAI's HTTP API: a provider, llama.cpp, or another.",
                (
                    *SERVER_OPTIONS,
                    Option(
                        "uses_max_completion_tokens",
                        "bool",
                        "Send max_completion_tokens",
                        help="For servers whose chats refuse max_tokens.",
                        default=False,
                    ),
                    *_vllm_fields(default=False),
                    _structured_output("off"),
                ),
                sends_data_away=True,
            ),
            EngineKind(
                "vllm",
                "vLLM server",
                "A vLLM server beside a GPU: tokens by number, so that its prefix cache is of use, "
                "and reward models.",
                (
                    *SERVER_OPTIONS,
                    *_vllm_fields(default=True),
                    _structured_output("json_schema"),
                ),
                sends_data_away=True,
            ),
            EngineKind(
                "vllm_in_process",
                "vLLM in a GPU worker",
                "vLLM inside the worker itself, in an environment of its own on a machine with a "
                "GPU.",
                (
                    *LOCAL_OPTIONS,
                    _concurrency(256, 4096),
                    Option(
                        "tensor_parallel",
                        "int",
                        "GPUs that share the model",
                        default=1,
                        minimum=1,
                        maximum=64,
                    ),
                    Option(
                        "gpu_memory_share",
                        "float",
                        "Share of the GPU's memory",
                        default=0.9,
                        minimum=0.05,
                        maximum=1,
                    ),
                    Option(
                        "enforce_eager",
                        "bool",
                        "Without CUDA graphs",
                        help="Starts sooner and runs slower.",
                        default=False,
                    ),
                ),
            ),
            EngineKind(
                "transformers_local",
                "Transformers in a worker",
                "A model of the transformers library inside the worker, on its CPU or GPU, for "
                "small models, reward models and trying things out.",
                (
                    *LOCAL_OPTIONS,
                    Option(
                        "device",
                        "text",
                        "Device",
                        help="auto, cpu, cuda, or one of several GPUs such as cuda:1.",
                        default="auto",
                    ),
                    _concurrency(32, 1024),
                    Option(
                        "max_sequences",
                        "int",
                        "Sequences in the batch",
                        help="Memory grows with it, and with the longest of them.",
                        default=64,
                        minimum=1,
                        maximum=1024,
                    ),
                    Option(
                        "remembered",
                        "int",
                        "Finished sequences kept",
                        help="So that a prompt that begins as one of them is not read again.",
                        default=64,
                        minimum=0,
                        maximum=1024,
                    ),
                ),
            ),
            EngineKind(
                "tiny",
                "Tiny arithmetic model",
                "A real model, shipped with this software, of generated arithmetic and nothing "
                "else: for trying methods out on any machine.",
                (
                    Option(
                        "checkpoint",
                        "choice",
                        "Checkpoint",
                        help="The worse one errs more often.",
                        default="better",
                        choices=(("better", "better"), ("worse", "worse")),
                    ),
                    _concurrency(16, 256),
                ),
            ),
            EngineKind(
                "scripted",
                "Scripted (no model)",
                "Seeded rules in place of a model, for trying things out. Its work is marked as "
                "scripted wherever it shows.",
                (
                    Option("seed", "int", "Seed", default=0, minimum=0, maximum=2**31 - 1),
                    _rate("malformed_rate", "Share of unreadable replies"),
                    _rate("off_by_one_rate", "Share of claims one step too far"),
                    _rate("fence_rate", "Share of replies with talk around the JSON"),
                    _rate("raw_backslash_rate", "Share of replies with single backslashes"),
                    _rate("drift_rate", "Share of replies with an altered copy of the original"),
                ),
                is_scripted=True,
            ),
        )
    }
)


def validate_engine(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with defaults filled in and `kind` kept, or InvalidOptions with every fault."""
    kind = KINDS.get(str(settings.get("kind", "")))
    if kind is None:
        problem = f"There is no engine kind {settings.get('kind')!r}; the kinds are "
        raise InvalidOptions({"kind": f"{problem}{', '.join(KINDS)}."})
    given = {name: value for name, value in settings.items() if name != "kind"}
    values = validate_options(kind.options, given)
    problems = _find_problems(values)
    if problems:
        raise InvalidOptions(problems)
    return {"kind": kind.name, **values}


def _find_problems(values: Mapping[str, Any]) -> dict[str, str]:
    """Faults that no setting shows by itself."""
    problems = {}
    own = sorted(OWN_FIELDS & set(values.get("extra_body") or ()))
    if own:
        problems["extra_body"] = (
            f"The setting 'extra_body' must not hold {', '.join(own)}: requests set these."
        )
    prices = [values.get(name) for name in ("price_prompt", "price_completion")]
    if prices != [None, None] and not values.get("currency"):
        problems["currency"] = "The setting 'currency' is needed where a price is set."
    device = values.get("device")
    if device is not None and not DEVICE.fullmatch(device):
        problems["device"] = (
            f"The setting 'device' must be auto, cpu, cuda or cuda:N, not {device!r}."
        )
    return problems


def build_engine(settings: Mapping[str, Any], *, environ: Mapping[str, str]) -> Engine:
    """An engine, of a server one that retries what may pass; InvalidOptions or EnginePermanent
    where it cannot be.

    `environ` is where keys and lists of hosts are read from. No request is made, no model loaded.
    """
    values = validate_engine(settings)
    return BUILDERS[values.pop("kind")](values, environ)


def _build_server(
    make: type[OpenAICompatibleEngine], values: dict[str, Any], environ: Mapping[str, str]
) -> Engine:
    attempts = values.pop("max_attempts")
    # Whoever counts the cost reads the prices from the stored settings; a server is not told them.
    for name in ("price_prompt", "price_completion", "currency"):
        del values[name]
    values["max_response_bytes"] = values.pop("max_response_mib") * MEBIBYTE
    values["extra_body"] = values["extra_body"] or {}
    engine = make(ServerSettings(**values), environ=environ)
    return RetryingEngine(engine, policy=RetryPolicy(max_attempts=attempts))


def _build_tiny(values: dict[str, Any], environ: Mapping[str, str]) -> Engine:
    # Read when it is wanted: its weights come along.
    from modeljobs.engines.tiny import TinyEngine, TinySettings

    return TinyEngine(TinySettings(**values))


Builder = Callable[[dict[str, Any], Mapping[str, str]], Engine]

BUILDERS: Mapping[str, Builder] = MappingProxyType(
    {
        "openai_compatible": lambda values, environ: _build_server(
            OpenAICompatibleEngine, values, environ
        ),
        "vllm": lambda values, environ: _build_server(VLLMEngine, values, environ),
        "vllm_in_process": lambda values, _: VLLMInProcessEngine(VLLMLocalSettings(**values)),
        "transformers_local": lambda values, _: TransformersEngine(TransformersSettings(**values)),
        "tiny": _build_tiny,
        "scripted": lambda values, _: ScriptedEngine(ScriptSettings(**values)),
    }
)
