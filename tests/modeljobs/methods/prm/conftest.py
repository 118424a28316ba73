"""Engines with tiny reward models, each made once for the run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from modeljobs.engines.in_process import Runtime
from modeljobs.engines.shelf import Shelf
from modeljobs.engines.transformers_local import TransformersEngine, TransformersSettings
from tests.modeljobs.methods.prm.models import save_reward_model

T = TypeVar("T")
Folder = Callable[[str], Path]
Use = Callable[..., Any]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """The folder of a family's model."""
    made: dict[str, Path] = {}

    def find(family: str) -> Path:
        if family not in made:
            made[family] = save_reward_model(family, tmp_path_factory.mktemp("prm") / family)
        return made[family]

    return find


@pytest.fixture(scope="session")
def _shelves() -> Iterator[dict[Any, Shelf[Runtime]]]:
    """A shelf for each model, so that none is put away for the next."""
    shelves: dict[Any, Shelf[Runtime]] = {}
    yield shelves
    for shelf in shelves.values():
        shelf.clear()


@pytest.fixture
def use(folder: Folder, _shelves: dict[Any, Shelf[Runtime]]) -> Use:
    """Lets a coroutine function use the engine of a family's model."""

    def run(family: str, work: Callable[[TransformersEngine], Awaitable[T]], **given: Any) -> T:
        async def main() -> T:
            settings = TransformersSettings(model=str(folder(family)), device="cpu", **given)
            shelf = _shelves.setdefault(settings, Shelf())
            engine = TransformersEngine(settings, shelf=shelf)
            try:
                return await work(engine)
            finally:
                await engine.aclose()

        return asyncio.run(main())

    return run
