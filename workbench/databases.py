"""Django's DATABASES entry for a data folder or a URL. PURE."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from workbench.env import EnvError

# IMMEDIATE takes the write lock when a transaction starts, where waiting for it works. SQLite's
# default takes it at the first write, where a reader that became a writer fails at once, whatever
# the timeout: that is where "database is locked" comes from.
SQLITE_OPTIONS: dict[str, object] = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    # WAL lets readers go on while one writes. NORMAL loses no committed transaction when the
    # process dies; only a power cut can take the last ones, and never damages the file.
    "init_command": (
        "PRAGMA journal_mode=WAL;"
        "PRAGMA synchronous=NORMAL;"
        "PRAGMA temp_store=MEMORY;"
        "PRAGMA cache_size=-8000;"
        "PRAGMA journal_size_limit=67108864;"
    ),
}

POSTGRES_SCHEMES = frozenset({"postgres", "postgresql"})


def build_sqlite_database(path: Path) -> dict[str, object]:
    """The entry for an SQLite file."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": dict(SQLITE_OPTIONS),
        "CONN_MAX_AGE": None,
    }


def build_database_from_url(url: str, *, max_age: int = 60) -> dict[str, object]:
    """The entry for postgres://user:password@host:port/name?option=value or sqlite:///path.

    For a Unix socket give its folder as an option: postgres:///name?host=/run/postgresql.
    Messages never show the URL, since it holds the password.
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        path = unquote(parts.path).removeprefix("/")
        if parts.netloc or not path:
            raise EnvError("A SQLite database URL looks like sqlite:///folder/db.sqlite3.")
        return build_sqlite_database(Path(path))
    if parts.scheme not in POSTGRES_SCHEMES:
        raise EnvError(
            f"The database URL starts with {parts.scheme!r}; use postgres:// or sqlite:///."
        )
    name = unquote(parts.path).removeprefix("/")
    if not name:
        raise EnvError("The database URL has no database name after the host.")
    try:
        port = parts.port
    except ValueError:
        raise EnvError("The port in the database URL is not a number.") from None
    options: dict[str, object] = dict(parse_qsl(parts.query))
    host = str(options.pop("host", "") or unquote(parts.hostname or ""))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(port or ""),
        "OPTIONS": options,
        "CONN_MAX_AGE": max_age,
        "CONN_HEALTH_CHECKS": True,
    }
