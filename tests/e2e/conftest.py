"""The running systems that the tests share, and the people who use them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.e2e.browsing import sign_in
from tests.e2e.system import ADMIN, System, run_system, stage_demo

if TYPE_CHECKING:
    from playwright.sync_api import Browser


# A machine that runs everything at once may be slow; what never comes still fails.
PATIENCE_MS = 20_000


@pytest.fixture(scope="session", autouse=True)
def patience() -> None:
    expect.set_options(timeout=PATIENCE_MS)


@dataclass(frozen=True, slots=True)
class Demo:
    """A system with the demo project: its pages by name, and its lead's session."""

    system: System
    pages: dict[str, str]
    session: Any


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Demo]:
    """The demo project, served; every page of it has something to show."""
    folder: Path = tmp_path_factory.mktemp("demo")
    with run_system(folder, demo=True) as system:
        pages = stage_demo(system)
        context = browser.new_context()
        sign_in(context.new_page(), system.url, ADMIN, system.password)
        session = context.storage_state()
        context.close()
        yield Demo(system, pages, session)
