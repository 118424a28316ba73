"""The kinds of engine there are, their settings, and the making of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from modeljobs.engines.base import Engine
from modeljobs.engines.openai_compatible import OpenAICompatibleEngine, ServerSettings
from modeljobs.engines.options import InvalidOptions, Option, validate_options
from modeljobs.engines.retrying import RetryingEngine, RetryPolicy
from modeljobs.engines.scripted import ScriptedEngine, ScriptSettings
from modeljobs.engines.wire import OWN_FIELDS

MEBIBYTE = 1024 * 1024


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


KINDS: Mapping[str, EngineKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            EngineKind(
                "openai_compatible",
                "OpenAI-compatible server",
                "Any server with OpenAI's HTTP API: vLLM, llama.cpp, or a provider.",
                (
                    Option(
                        "base_url",
                        "text",
                        "Base URL",
                        help="For example http://127.0.0.1:8000/v1. The operator lists the hosts "
                        "that may be called.",
                        required=True,
                    ),
                    Option("model", "text", "Model", help="As the server names it.", required=True),
                    Option(
                        "key_name",
                        "text",
                        "Key",
                        help="The NAME of an environment variable WORKBENCH_ENGINE_KEY_NAME; empty "
                        "for a server that needs none.",
                        default="",
                    ),
                    Option("revision", "text", "Revision", default=""),
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
                    Option(
                        "max_concurrency",
                        "int",
                        "Requests at a time",
                        default=64,
                        minimum=1,
                        maximum=2048,
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
                    Option(
                        "uses_max_completion_tokens",
                        "bool",
                        "Send max_completion_tokens",
                        help="For servers whose chats refuse max_tokens.",
                        default=False,
                    ),
                    Option(
                        "context_length",
                        "int",
                        "Context length, in tokens",
                        minimum=1,
                        maximum=100_000_000,
                    ),
                    Option(
                        "extra_body",
                        "json",
                        "Further fields of each request",
                        help="A JSON object, for what this server knows beyond the common API.",
                    ),
                ),
                sends_data_away=True,
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
    own = sorted(OWN_FIELDS & set(values.get("extra_body") or ()))
    if own:
        problem = f"The setting 'extra_body' must not hold {', '.join(own)}: requests set these."
        raise InvalidOptions({"extra_body": problem})
    return {"kind": kind.name, **values}


def build_engine(settings: Mapping[str, Any], *, environ: Mapping[str, str]) -> Engine:
    """An engine that retries what may pass; InvalidOptions or EnginePermanent where it cannot be.

    `environ` is where keys and lists of hosts are read from. No request is made.
    """
    values = validate_engine(settings)
    if values.pop("kind") == "scripted":
        return ScriptedEngine(ScriptSettings(**values))
    attempts = values.pop("max_attempts")
    max_response_bytes = values.pop("max_response_mib") * MEBIBYTE
    values["extra_body"] = values["extra_body"] or {}
    engine = OpenAICompatibleEngine(
        ServerSettings(max_response_bytes=max_response_bytes, **values), environ=environ
    )
    return RetryingEngine(engine, policy=RetryPolicy(max_attempts=attempts))
