"""Sandboxes that are shared by the tests of a module, and the loop that they live in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from modeljobs.sandbox.isolated import IsolatedSandbox
from tests.modeljobs.sandbox.needs import PATIENT, demand_layers

Await = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def run(loop: asyncio.Runner) -> Await:
    """Runs a coroutine in the module's loop."""
    return loop.run


@pytest.fixture(scope="module")
def patient(run: Await) -> Iterator[IsolatedSandbox]:
    """One for good code: the standard library alone, and time in plenty."""
    demand_layers()
    sandbox = IsolatedSandbox(PATIENT, packages=())
    yield sandbox
    run(sandbox.aclose())
