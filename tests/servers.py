"""Starts the private PostgreSQL and Redis servers that tests use, without fixed ports."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 30.0
# Nothing here outlives the tests, so nothing has to reach a disk.
POSTGRES_OPTIONS = {
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "max_connections": "120",
    "synchronous_commit": "off",
}


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A private cluster on a Unix socket; its one database is `workbench`."""

    folder: Path
    user: str

    @property
    def url(self) -> str:
        """What WORKBENCH_DATABASE_URL takes."""
        return self.build_url("workbench")

    def create_database(self, name: str) -> str:
        """Make an empty database; its URL."""
        import psycopg
        from psycopg import sql

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.build_url(name)

    def build_url(self, database: str) -> str:
        """The URL of a database in this cluster."""
        return f"postgres://{self.user}@/{database}?host={self.folder}"


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A private Redis on a Unix socket."""

    socket: Path

    @property
    def url(self) -> str:
        """What redis-py takes."""
        return f"unix://{self.socket}"

    @property
    def broker_url(self) -> str:
        """What Celery, and so WORKBENCH_REDIS_URL, takes."""
        return f"redis+socket://{self.socket}"


def find_postgres_programs() -> Path | None:
    """The folder with initdb and pg_ctl, newest version first; Debian keeps it off the PATH."""
    found = shutil.which("initdb")
    if found:
        # The link on the PATH may have no pg_ctl beside it.
        return Path(found).resolve().parent
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(folders, key=lambda folder: int(folder.parent.name), default=None)


def find_server_user() -> str | None:
    """Whom to become before starting PostgreSQL, which refuses root; None to stay who we are."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    return None


def find_chromium() -> str | None:
    """The Chromium of the machine, or the one that WORKBENCH_TEST_CHROMIUM names."""
    named = os.environ.get("WORKBENCH_TEST_CHROMIUM")
    if named:
        return named
    for name in ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    return None


@contextlib.contextmanager
def run_postgres(programs: Path) -> Iterator[PostgresServer]:
    """A running cluster in a temporary folder; stopped and removed afterwards."""
    user = find_server_user()
    # A socket's path may have 107 characters at most: no deep folder.
    folder = Path(tempfile.mkdtemp(prefix="prmw-pg-", dir="/tmp"))
    data = folder / "data"
    if user is not None:
        shutil.chown(folder, user)

    def call(program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(programs / program), *arguments],
            user=user,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(folder)},
            # Not a pipe: the server inherits it, and reading to its end would wait for ever.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode != 0:
            log = folder / "log"
            raise RuntimeError(f"{program} failed: {log.read_text() if log.exists() else 'no log'}")

    try:
        call(
            *("initdb", "--pgdata", str(data), "--username", "workbench", "--auth", "trust"),
            *("--encoding", "UTF8", "--no-sync"),
        )
        options = " ".join(f"-c {name}='{value}'" for name, value in POSTGRES_OPTIONS.items())
        call(
            *("pg_ctl", "--pgdata", str(data), "--wait", "--log", str(folder / "log")),
            *("--options", f"-k {folder} {options}", "start"),
        )
        try:
            call("createdb", "--host", str(folder), "--username", "workbench", "workbench")
            yield PostgresServer(folder=folder, user="workbench")
        finally:
            call("pg_ctl", "--pgdata", str(data), "--wait", "--mode", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def run_redis(program: str) -> Iterator[RedisServer]:
    """A running Redis in a temporary folder; stopped and removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="prmw-redis-", dir="/tmp"))
    socket = folder / "redis.sock"
    process = subprocess.Popen(
        [program, "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"]
        + ["--save", "", "--appendonly", "no", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not socket.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{program} did not start.")
            time.sleep(0.02)
        yield RedisServer(socket=socket)
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)
