"""A running workbench: `manage.py serve` with a data folder, a port and static files of its own.

Nothing in it is replaced: web server, Celery worker and reaper are those of `make run`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 90.0
DEMO_PATIENCE = 180.0
ADMIN = "admin"
# Lines of the log that say that something went wrong inside.
FAULTS = re.compile(r"Traceback|Internal Server Error|\b(?:ERROR|CRITICAL)\b")


class SystemFailed(AssertionError):
    """The system did not start, or did not do in time what was waited for; with its log."""


@dataclass(frozen=True, slots=True)
class System:
    """A workbench that serves: where it is, who may sign in, and what it has said."""

    url: str
    password: str
    folder: Path
    log: Path
    env: dict[str, str]

    def read_log(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def find_faults(self) -> list[str]:
        """What the programs said of tracebacks, errors and failed requests."""
        return [line for line in self.read_log().splitlines() if FAULTS.search(line)]

    def manage(self, *arguments: str) -> str:
        """What a management command prints, run on the same data."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        if done.returncode != 0:
            raise SystemFailed(f"{arguments[0]} failed: {done.stderr}")
        return done.stdout

    def request(
        self,
        method: str,
        path: str,
        *,
        token: str,
        body: bytes | None = None,
        content_type: str = "application/json",
    ) -> bytes:
        """What the REST API answers to a script that holds this token."""
        request = urllib.request.Request(
            f"{self.url}{path}",
            data=body,
            method=method,
            headers={"Authorization": f"Bearer {token}", "Content-Type": content_type},
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            raise SystemFailed(
                f"{method} {path} answered {error.code}: {error.read().decode()}"
            ) from None

    def get_json(self, path: str, *, token: str) -> Any:
        return json.loads(self.request("GET", path, token=token))

    def wait_for(
        self, condition: Callable[[], bool], what: str, patience: float = PATIENCE
    ) -> None:
        """Return once the condition holds; SystemFailed with the log where it never does."""
        wait_until(condition, f"{what} did not happen", self.log, patience=patience)


def wait_until(
    condition: Callable[[], bool], complaint: str, log: Path, *, patience: float = PATIENCE
) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            said = log.read_text(encoding="utf-8", errors="replace")
            raise SystemFailed(f"{complaint} within {patience:.0f} s:\n{said}")
        time.sleep(0.05)


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def run_system(folder: Path, *, demo: bool = False, **settings: str) -> Iterator[System]:
    """A workbench on an empty data folder, stopped afterwards; with the demo project if asked.

    `settings` are further WORKBENCH_* variables.
    """
    port = find_free_port()
    log = folder / "serve.log"
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "WORKBENCH_DATA_DIR": str(folder / "data"),
        "WORKBENCH_STATIC_ROOT": str(folder / "static"),
        "WORKBENCH_PORT": str(port),
        "WORKBENCH_DEMO": "on" if demo else "off",
        **settings,
    }
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve"],
            cwd=ROOT,
            env=env,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )

    def has_said(words: str) -> bool:
        if process.poll() is not None:
            raise SystemFailed(f"It ended with {process.returncode}:\n{log.read_text()}")
        return words in log.read_text(encoding="utf-8", errors="replace")

    try:
        wait_until(lambda: has_said("PRM Workbench is at"), "It did not start", log)
        if demo:
            ready = "The demo project is ready"
            wait_until(lambda: has_said(ready), "No demo project", log, patience=DEMO_PATIENCE)
        password = re.search(r"with password (\S+)", log.read_text())
        if password is None:
            raise SystemFailed(f"It printed no password:\n{log.read_text()}")
        yield System(
            url=f"http://127.0.0.1:{port}",
            password=password[1],
            folder=folder,
            log=log,
            env=env,
        )
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=PATIENCE)


def stage(system: System, *arguments: str) -> Any:
    """What staging.py answers, run on the data of the system."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.staging", *arguments],
        cwd=ROOT,
        env=system.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    if done.returncode != 0:
        raise SystemFailed(f"Staging {arguments} failed: {done.stderr}")
    return json.loads(done.stdout)


def stage_demo(system: System) -> dict[str, str]:
    """Every page of the demo project, name to path, once each has something to show."""
    pages: dict[str, str] = stage(system, "pages")
    return pages
