"""What a start does to the installation before anybody is served."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
from pathlib import Path
from typing import IO

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

# Without letters and digits that look alike when a person copies them: 32 of them, so that
# each carries 5 bits.
PASSWORD_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # noqa: S105 - an alphabet
PASSWORD_GROUPS = 4
PASSWORD_GROUP_LENGTH = 4


class AlreadyRunning(Exception):
    """Another workbench serves this data folder."""


class AddressTaken(Exception):
    """The address cannot be listened on."""


def lock_data_folder(folder: Path) -> IO[str]:
    """Hold the data folder for this process until the file that comes back is closed."""
    stream = (folder / "serve.lock").open("a+", encoding="ascii")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.seek(0)
        owner = stream.read().strip() or "unknown"
        stream.close()
        raise AlreadyRunning(
            f"The workbench already runs on the data folder {str(folder)!r} (process {owner}). "
            "Stop it first, or set WORKBENCH_DATA_DIR to another folder."
        ) from None
    stream.truncate(0)
    stream.write(f"{os.getpid()}\n")
    stream.flush()
    return stream


def open_socket(host: str, port: int) -> socket.socket:
    """A socket that listens on the address and that a child may inherit."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise AddressTaken(f"WORKBENCH_HOST is {host!r}, which is no address: {error}") from None
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(256)
    except OSError as error:
        listener.close()
        raise AddressTaken(
            f"Port {port} on {host} cannot be used ({error.strerror}). Stop what listens there, "
            f"or choose another port: WORKBENCH_PORT={port + 1} make run"
        ) from None
    listener.set_inheritable(True)
    return listener


def migrate_if_needed() -> int:
    """Bring the database up to date; how many migrations it took."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        call_command("migrate", interactive=False, verbosity=0)
    return len(plan)


def build_password() -> str:
    """A password of 80 random bits in groups that a person can copy."""
    return "-".join(
        "".join(secrets.choice(PASSWORD_ALPHABET) for _ in range(PASSWORD_GROUP_LENGTH))
        for _ in range(PASSWORD_GROUPS)
    )


def create_first_admin() -> str | None:
    """Create `admin` in an installation without any user; its password, or None."""
    users = get_user_model().objects
    if users.exists():
        return None
    password = build_password()
    users.create_superuser(username="admin", email="", password=password)
    return password
