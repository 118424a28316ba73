"""A database apart from the one that other tests share, brought here from an earlier version."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connections

from tests.servers import PostgresServer
from tests.upgrade.snapshots import (
    Snapshot,
    list_snapshots,
    load_snapshot,
    migrate_to_newest,
    read_snapshot,
)
from workbench.databases import build_database_from_url, build_sqlite_database


@dataclass(frozen=True, slots=True)
class Loaded:
    """A snapshot, and the settings of the database that it was loaded into."""

    snapshot: Snapshot
    entry: dict[str, Any]


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def database_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture(scope="module", params=list_snapshots(), ids=lambda path: str(path.stem))
def loaded(
    request: pytest.FixtureRequest,
    database_kind: str,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: Any,
) -> Loaded:
    """A snapshot in a database of its own, migrated from where it was taken to the newest."""
    if database_kind == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        entry = build_database_from_url(server.create_database(f"upgrade_{uuid.uuid4().hex}"))
    else:
        entry = build_sqlite_database(tmp_path_factory.mktemp("upgrade") / "db.sqlite3")
    snapshot = read_snapshot(request.param)
    with django_db_blocker.unblock(), _default_is(entry):
        load_snapshot(snapshot)
        migrate_to_newest()
    return Loaded(snapshot, entry)


@pytest.fixture
def upgraded(loaded: Loaded, django_db_blocker: Any) -> Iterator[Snapshot]:
    """`connection` means the database that held this snapshot."""
    # For each test anew: what `connection` means is kept apart for a thread with an event loop,
    # and a browser that an earlier test opened leaves one.
    with django_db_blocker.unblock(), _default_is(loaded.entry):
        yield loaded.snapshot


@contextmanager
def _default_is(entry: dict[str, Any]) -> Iterator[None]:
    before = _point_to(entry)
    try:
        yield
    finally:
        _point_to(before)


def _point_to(entry: dict[str, Any]) -> dict[str, Any]:
    before: dict[str, Any] = connections.settings["default"]
    connections["default"].close()
    del connections["default"]
    connections.settings["default"] = connections.configure_settings({"default": entry})["default"]
    return before
