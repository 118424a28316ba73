from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from modeljobs.engines.base import EnginePermanent
from modeljobs.engines.catalog import BUILDERS, KINDS, build_engine, validate_engine
from modeljobs.engines.openai_compatible import OpenAICompatibleEngine
from modeljobs.engines.options import InvalidOptions
from modeljobs.engines.retrying import RetryingEngine
from modeljobs.engines.transformers_local import TransformersEngine
from modeljobs.engines.vllm import VLLMEngine
from modeljobs.engines.vllm_in_process import VLLMInProcessEngine

SERVER = {"kind": "openai_compatible", "base_url": "http://127.0.0.1:8000/v1", "model": "m"}


def find_problems(settings: dict[str, object]) -> dict[str, str]:
    with pytest.raises(InvalidOptions) as caught:
        build_engine(settings, environ={})
    return caught.value.problems


def test_it_builds_a_server() -> None:
    engine = build_engine(SERVER | {"max_attempts": 2, "max_response_mib": 1}, environ={})
    assert isinstance(engine, RetryingEngine)
    assert isinstance(engine.wrapped, OpenAICompatibleEngine)
    assert (engine.name, engine.is_scripted) == ("m", False)
    described = engine.describe()
    asyncio.run(engine.aclose())
    assert described["max_attempts"] == 2
    assert json.loads(json.dumps(described)) == described


def test_it_builds_a_script() -> None:
    engine = build_engine({"kind": "scripted", "seed": 4, "drift_rate": "0.5"}, environ={})
    assert engine.is_scripted
    assert engine.describe() | {"seed": 4, "drift_rate": 0.5} == engine.describe()


def test_fields_that_a_kind_does_not_have_may_stay_empty() -> None:
    settings = {"kind": "scripted", "base_url": "", "model": "", "key_name": ""}
    assert build_engine(settings, environ={}).is_scripted


def test_settings_are_stored_as_they_were_checked() -> None:
    values = validate_engine(SERVER)
    assert validate_engine(values) == values


def test_an_unknown_kind_is_named() -> None:
    assert "'magic'" in find_problems({"kind": "magic"})["kind"]
    assert "openai_compatible, vllm, " in find_problems({})["kind"]


def test_missing_settings_are_named() -> None:
    assert set(find_problems({"kind": "openai_compatible"})) == {"base_url", "model"}


def test_further_fields_cannot_change_what_is_asked() -> None:
    assert "messages" in find_problems(SERVER | {"extra_body": {"messages": []}})["extra_body"]


def test_a_host_that_is_not_allowed_is_refused_before_any_call() -> None:
    with pytest.raises(EnginePermanent, match="Engines may not call https://far.test"):
        build_engine(SERVER | {"base_url": "https://far.test"}, environ={})


def test_every_kind_has_valid_defaults() -> None:
    for kind in KINDS.values():
        for option in kind.options:
            assert option.title
            given = {o.name: "x" for o in kind.options if o.required}
            assert validate_engine({"kind": kind.name} | given)[option.name] == (
                "x" if option.required else option.default
            )


def test_scripts_say_so_before_they_are_built() -> None:
    assert [kind.name for kind in KINDS.values() if kind.is_scripted] == ["scripted"]
    assert "Scripted" in KINDS["scripted"].title


def test_only_servers_are_sent_data() -> None:
    sending = {kind.name for kind in KINDS.values() if kind.sends_data_away}
    assert sending == {"openai_compatible", "vllm"}
    assert set(BUILDERS) == set(KINDS)


def test_a_vllm_server_speaks_in_tokens_unless_told_not_to() -> None:
    engine = build_engine(SERVER | {"kind": "vllm"}, environ={})
    assert isinstance(engine, RetryingEngine)
    assert isinstance(engine.wrapped, VLLMEngine)
    assert (engine.capabilities.token_ids, engine.capabilities.pooling) == (True, True)
    assert engine.describe()["kind"] == "vllm"
    asyncio.run(engine.aclose())


@pytest.mark.parametrize(
    ("kind", "made"),
    [("transformers_local", TransformersEngine), ("vllm_in_process", VLLMInProcessEngine)],
)
def test_engines_in_this_process_are_made_without_loading_anything(
    kind: str, made: type[Any]
) -> None:
    engine = build_engine({"kind": kind, "model": "/models/none", "dtype": "bf16"}, environ={})
    assert isinstance(engine, made)
    assert (engine.name, engine.is_scripted) == ("/models/none", False)
    described = engine.describe()
    assert (described["kind"], described["dtype"]) == (kind, "bf16")
    assert json.loads(json.dumps(described)) == described
    asyncio.run(engine.aclose())


def test_it_builds_the_tiny_model() -> None:
    engine = build_engine({"kind": "tiny", "checkpoint": "better"}, environ={})
    assert "better" in engine.name
    assert not engine.is_scripted
    asyncio.run(engine.aclose())


def test_prices_need_a_currency() -> None:
    assert "currency" in find_problems(SERVER | {"price_prompt": 0.15})
    values = validate_engine(SERVER | {"price_prompt": "0.15", "currency": "USD"})
    assert (values["price_prompt"], values["price_completion"]) == (0.15, None)
    asyncio.run(build_engine(values, environ={}).aclose())


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "../cpu"])
def test_a_device_that_is_none(device: str) -> None:
    settings: dict[str, object] = {"kind": "transformers_local", "model": "m"}
    assert device in find_problems(settings | {"device": device})["device"]


@pytest.mark.parametrize("field", ["include_stop_str_in_output", "echo", "continue_final_message"])
def test_further_fields_cannot_change_what_stands_in_the_text(field: str) -> None:
    assert field in find_problems(SERVER | {"extra_body": {field: True}})["extra_body"]
