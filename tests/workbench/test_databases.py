"""DATABASES entries from URLs."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.databases import build_database_from_url, build_sqlite_database
from workbench.env import EnvError


def test_postgres_url_with_everything():
    entry = build_database_from_url(
        "postgres://me:p%40ss%2Fword@db.example:5433/work?sslmode=require", max_age=5
    )
    assert entry == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "work",
        "USER": "me",
        "PASSWORD": "p@ss/word",
        "HOST": "db.example",
        "PORT": "5433",
        "OPTIONS": {"sslmode": "require"},
        "CONN_MAX_AGE": 5,
        "CONN_HEALTH_CHECKS": True,
    }


def test_postgres_on_a_socket():
    entry = build_database_from_url("postgresql://me@/work?host=/run/postgresql")
    assert (entry["HOST"], entry["PORT"], entry["OPTIONS"]) == ("/run/postgresql", "", {})


def test_sqlite_url_relative_and_absolute():
    assert build_database_from_url("sqlite:///a/b.sqlite3")["NAME"] == "a/b.sqlite3"
    assert build_database_from_url("sqlite:////a/b.sqlite3")["NAME"] == "/a/b.sqlite3"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://me:s3cret@h/db", "starts with 'mysql'"),
        ("postgres://me:s3cret@h", "no database name"),
        ("postgres://me:s3cret@h:port/db", "port"),
        ("sqlite://s3cret/db", "sqlite:///"),
    ],
)
def test_what_is_wrong_is_said_without_the_password(url, message):
    with pytest.raises(EnvError, match=message) as caught:
        build_database_from_url(url)
    assert "s3cret" not in str(caught.value)


def test_sqlite_waits_for_its_turn_instead_of_failing():
    options = build_sqlite_database(Path("/x/db.sqlite3"))["OPTIONS"]
    assert isinstance(options, dict)
    assert options["transaction_mode"] == "IMMEDIATE"
    assert options["timeout"] >= 20
