"""What tests may need of the machine, and what happens where the machine has it not.

A test says what it needs by a mark (`postgres`, `redis`, `browser`, `real_data`, `models`) and
takes the fixture of that name. Where the need is not met, the test is skipped with the reason;
with WORKBENCH_REQUIRE=services,browser,real_data,models it fails instead, so that a build that
should have everything cannot pass by skipping.
"""

from __future__ import annotations

import asyncio
import atexit
import importlib.util
import os
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.servers import (
    PostgresServer,
    RedisServer,
    find_chromium,
    find_postgres_programs,
    run_postgres,
    run_redis,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

ROOT = Path(__file__).resolve().parent.parent
REQUIRABLE = frozenset({"services", "browser", "real_data", "models"})
# Never run by accident: the first needs the hardware, the second somebody's server and money.
OFF_UNLESS_CHOSEN = frozenset({"gpu", "live"})
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# --- Needs ----------------------------------------------------------------------------------------


def read_required() -> frozenset[str]:
    """The needs that must be met, from WORKBENCH_REQUIRE."""
    raw = os.environ.get("WORKBENCH_REQUIRE", "")
    names = frozenset(part.strip() for part in raw.split(",") if part.strip())
    unknown = names - REQUIRABLE
    if unknown:
        raise pytest.UsageError(
            f"WORKBENCH_REQUIRE names {sorted(unknown)}; it may name {sorted(REQUIRABLE)}."
        )
    return names


def find_real_data() -> Path:
    """Where the public data sets would lie."""
    named = os.environ.get("WORKBENCH_REAL_DATA")
    return Path(named) if named else ROOT.parent / "shared" / "data"


def find_lack(mark: str) -> str | None:
    """Why tests with this mark cannot run here, or None when they can."""
    if mark == "postgres" and find_postgres_programs() is None:
        return "PostgreSQL's initdb is not installed"
    if mark == "redis" and shutil.which("redis-server") is None:
        return "redis-server is not installed"
    if mark == "browser" and find_chromium() is None:
        return "Chromium is not installed (WORKBENCH_TEST_CHROMIUM may name one)"
    if mark == "real_data" and not find_real_data().is_dir():
        return (
            f"there are no data sets at {find_real_data()} (WORKBENCH_REAL_DATA names the folder)"
        )
    if mark == "models":
        for package in ("torch", "transformers"):
            if importlib.util.find_spec(package) is None:
                return f"{package} is not installed (the extra `transformers`)"
    return None


NEEDS = {
    "postgres": "services",
    "redis": "services",
    "browser": "browser",
    "real_data": "real_data",
    "models": "models",
}


def demand(mark: str) -> None:
    """Skip the test that runs, or fail it where the need was required, unless it is met."""
    lack = find_lack(mark)
    if lack is None:
        return
    if NEEDS[mark] in read_required():
        pytest.fail(f"WORKBENCH_REQUIRE asks for {NEEDS[mark]}, but {lack}.", pytrace=False)
    pytest.skip(lack)


def pytest_configure(config: pytest.Config) -> None:
    # The same examples in every run: what a build finds was there before. To look for new ones:
    # pytest --hypothesis-profile=default
    settings.register_profile("fixed", derandomize=True)
    settings.load_profile("fixed")
    read_required()
    make_data_folder()


def make_data_folder() -> None:
    """Make the data folder that the test settings name, and remove it when this process ends."""
    from django.conf import settings

    from workbench.datafolder import prepare_data_folder

    folder = Path(settings.WORKBENCH_DATA_DIR)
    root = folder.parent
    owner = os.getpid()
    # Not `exist_ok`: a folder that somebody else made could be anybody's.
    root.mkdir(mode=0o700)
    prepare_data_folder(folder)

    def remove() -> None:
        # A forked child ends too, and the folder is not its own.
        if os.getpid() == owner:
            shutil.rmtree(root, ignore_errors=True)

    atexit.register(remove)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give tests that `any_database` runs on SQLite real transactions.

    pytest-django decides that before fixtures run, so a fixture cannot ask for it.
    """
    callspec = getattr(item, "callspec", None)
    if callspec is not None and callspec.params.get("any_database") == "sqlite":
        item.add_marker(pytest.mark.django_db(transaction=True))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is off unless chosen by `-m`."""
    chosen = config.getoption("-m") or ""
    off = [mark for mark in OFF_UNLESS_CHOSEN if mark not in chosen]
    left_out = [item for item in items if any(item.get_closest_marker(mark) for mark in off)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in NEEDS:
        if item.get_closest_marker(mark):
            demand(mark)


# --- Services -------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A private PostgreSQL for this run; `.url` is what WORKBENCH_DATABASE_URL takes."""
    demand("postgres")
    programs = find_postgres_programs()
    assert programs is not None
    with run_postgres(programs) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A private Redis for this run; `.broker_url` is what WORKBENCH_REDIS_URL takes."""
    demand("redis")
    program = shutil.which("redis-server")
    assert program is not None
    with run_redis(program) as server:
        yield server


def _replace_default_database(entry: dict[str, Any]) -> dict[str, Any]:
    """Make `connection` mean another database, in every thread; what it meant before."""
    from django.db import connections

    before: dict[str, Any] = connections.settings["default"]
    connections["default"].close()
    del connections["default"]
    connections.settings["default"] = connections.configure_settings({"default": entry})["default"]
    return before


@pytest.fixture(scope="session")
def _migrated_postgres(
    postgres_server: PostgresServer, django_db_setup: None, django_db_blocker: Any
) -> dict[str, Any]:
    """The settings of a PostgreSQL database in which every table was made."""
    from django.core.management import call_command

    from workbench.databases import build_database_from_url

    entry = build_database_from_url(postgres_server.url)
    with django_db_blocker.unblock():
        before = _replace_default_database(entry)
        try:
            call_command("migrate", interactive=False, verbosity=0)
        finally:
            _replace_default_database(before)
    return entry


@pytest.fixture
def postgres_db(_migrated_postgres: dict[str, Any], django_db_blocker: Any) -> Iterator[None]:
    """The ORM on PostgreSQL, in this thread and in those that the test starts.

    Transactions are real, and all rows are removed afterwards. Not together with `db`.
    """
    from django.core.management import call_command
    from django.db import connections

    with django_db_blocker.unblock():
        before = _replace_default_database(_migrated_postgres)
        try:
            yield
        finally:
            connections["default"].close()
            call_command("flush", interactive=False, verbosity=0, inhibit_post_migrate=False)
            _replace_default_database(before)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def any_database(request: pytest.FixtureRequest) -> str:
    """Runs the test twice, on SQLite and on PostgreSQL, with real transactions; the name."""
    name: str = request.param
    if name == "postgres":
        request.getfixturevalue("postgres_db")
    return name


@pytest.fixture
def real_data() -> Path:
    """The folder with the public data sets."""
    demand("real_data")
    return find_real_data()


@pytest.fixture(autouse=True)
def _own_event_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let tests without a browser start an event loop of their own.

    Playwright's synchronous interface leaves its loop marked as running in this thread for as long
    as the browser is open; nothing of it runs while another test does.
    """
    marked = asyncio._get_running_loop()
    if marked is None or "browser" in request.fixturenames:
        yield
        return
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(marked)


# --- Browser --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def browser() -> Generator[Browser]:
    """Chromium, headless, driven by Playwright; one for the run."""
    demand("browser")
    from playwright.sync_api import sync_playwright

    # Playwright's synchronous interface keeps an event loop running in this thread, in which
    # Django then refuses its database. No task of that loop ever touches it.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    try:
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(
                executable_path=find_chromium(), headless=True, args=CHROMIUM_FLAGS
            )
            yield chromium
            chromium.close()
    finally:
        if before is None:
            del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
        else:
            os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Makes pages, each in a browser context (a person) of its own.

    `open_page(base_url=live_server.url, viewport=…)` takes what Playwright's new_context takes.
    When the test ends, an uncaught error in a page, or anything that the content security
    policy stopped, fails it.
    """
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def note_message(text: str) -> None:
        if "Content Security Policy" in text or "Content-Security-Policy" in text:
            problems.append(text)

    def make(**options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: note_message(message.text))
        return page

    yield make
    for context in contexts:
        context.close()
    assert problems == []
