"""Critics against a real server with a real model behind it, which never learnt to judge.

Whatever it answers is kept, and either read or explained.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from labeling.records import Solution, Step
from modeljobs.engines.base import EnginePermanent
from modeljobs.engines.openai_compatible import OpenAICompatibleEngine, ServerSettings
from modeljobs.engines.options import validate_options
from modeljobs.methods.base import ItemInput, ItemResult, Outcome, collect_events
from modeljobs.methods.catalog import get_method
from modeljobs.tiny.model import load_checkpoint
from modeljobs.tiny.server import TinyServer, run_server
from tests.modeljobs.methods.critic_fakes import N_STEPS, SOLUTION


@pytest.fixture(scope="module")
def server() -> Iterator[TinyServer]:
    with run_server(load_checkpoint("worse"), slots=4) as made:
        yield made


def ask(
    server: TinyServer, method: str, solution: Solution = SOLUTION, **settings: Any
) -> ItemResult:
    async def work() -> ItemResult:
        engine = OpenAICompatibleEngine(
            ServerSettings(server.url, server.model_name, context_length=2048), environ={}
        )
        found = get_method(method)
        try:
            return await collect_events(
                found.run(
                    ItemInput("item", solution),
                    engine=engine,
                    settings=validate_options(found.parameters, settings),
                    rng_seed=7,
                )
            )
        finally:
            await engine.aclose()

    return asyncio.run(work())


CASES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "first error": ("critic", {"samples": 2, "max_tokens": 64}),
    "ratings": ("critic", {"style": "prmbench", "examples": 0, "max_tokens": 64}),
    "r_prm": ("r_prm", {"samples": 1, "max_tokens": 64}),
    "think_prm": ("think_prm", {"samples": 2, "max_tokens": 64}),
}


@pytest.mark.parametrize("case", CASES)
def test_every_reply_of_a_poor_model_is_kept_and_explained(server: TinyServer, case: str) -> None:
    method, settings = CASES[case]

    result = ask(server, method, **settings)

    assert result.calls
    assert all(call.reply.completions[0].finish_reason for call in result.calls)
    assert {call.reply.model for call in result.calls} == {"tiny-worse"}
    assert len(result.steps) == N_STEPS
    for step in result.steps:
        # Either there is a verdict, or a sentence on why there is none.
        assert (step.summary["verdict"] is None) == bool(step.summary["reason"])
        assert all("text" in sample for sample in step.detail["samples"])
    if result.outcome is Outcome.UNPARSED:
        assert result.failure is not None
        assert result.failure.message.endswith(".")
        assert any(not call.is_usable for call in result.calls)
    else:
        assert result.products


def test_a_prompt_that_is_too_long_for_the_model_is_a_clear_error(server: TinyServer) -> None:
    endless = replace(SOLUTION, steps=(Step("Once more. " * 1_000),))

    with pytest.raises(EnginePermanent, match="context|tokens"):
        ask(server, "r_prm", endless, samples=1)
