"""The embedded default, started for real on an empty data folder."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0


@dataclass
class Served:
    process: subprocess.Popen[str]
    port: int
    log: Path
    env: dict[str, str]

    def get(self, path):
        """The status of a page, or None while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as page:
                return page.status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return None

    def wait_for(self, condition, what):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"{what} did not happen in {PATIENCE} s:\n{self.log.read_text()}")
            time.sleep(0.05)

    def list_children(self):
        """Process ids and command lines of the programs that `serve` started."""
        listing = subprocess.run(
            ["ps", "-e", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
        ).stdout
        rows = [line.split(maxsplit=2) for line in listing.splitlines()]
        return {int(row[0]): row[2] for row in rows if int(row[1]) == self.process.pid}


def find_free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serve(folder, **changes):
    port = find_free_port()
    log = folder / f"log-{port}"
    env = {
        "PATH": os.environ["PATH"],
        "WORKBENCH_DATA_DIR": str(folder / "data"),
        "WORKBENCH_STATIC_ROOT": str(folder / "static"),
        "WORKBENCH_PORT": str(port),
        "WORKBENCH_DEMO": "off",
        **changes,
    }
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve"],
            cwd=ROOT,
            env=env,
            stdout=stream,
            stderr=subprocess.STDOUT,
            text=True,
        )
    served = Served(process, port, log, env)
    try:
        served.wait_for(lambda: "PRM Workbench is at" in log.read_text(), "the start")
        yield served
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=PATIENCE)


# `celery inspect ping` waits its whole time for more workers; one answer is enough. A worker that
# is still starting does not hear the question, so it is asked again.
PING = """
import django
django.setup()
from workbench.celery import app
for _ in range(30):
    replies = app.control.broadcast("ping", reply=True, limit=1, timeout=1)
    if replies:
        break
print(replies)
"""


def ping_workers(served):
    """What a message to all workers through the broker brings back."""
    done = subprocess.run(
        [sys.executable, "-c", PING],
        cwd=ROOT,
        env={**served.env, "DJANGO_SETTINGS_MODULE": "workbench.settings.dev"},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    return done.stdout + done.stderr


def find_password(log):
    found = re.search(r"with password (\S+)", log.read_text())
    return found.group(1) if found else None


def refuse_second_start(folder):
    """What a second `serve` on the same data folder says before it ends."""
    done = subprocess.run(
        [sys.executable, "manage.py", "serve"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "WORKBENCH_DATA_DIR": str(folder / "data"),
            "WORKBENCH_PORT": str(find_free_port()),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    return done.stderr


def test_first_start_serves_and_second_start_keeps_the_data(tmp_path):
    with serve(tmp_path) as served:
        assert served.get("/health/") == 200
        children = served.list_children()
        assert len(children) == 2, children
        assert find_password(served.log)
        assert "'pong'" in ping_workers(served)
        said = refuse_second_start(tmp_path)
        assert f"process {served.process.pid}" in said
        assert "Traceback" not in said
    assert served.process.returncode == 0
    assert served.get("/health/") is None
    # Nothing that it started is left.
    for pid in children:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    key = (tmp_path / "data" / "keys" / "secret_key").read_text()

    with serve(tmp_path) as again:
        assert again.get("/health/") == 200
        assert find_password(again.log) is None
    assert (tmp_path / "data" / "keys" / "secret_key").read_text() == key


def test_what_dies_is_started_again_and_nothing_outlives_the_supervisor(tmp_path):
    with serve(tmp_path) as served:
        before = served.list_children()
        for pid in before:
            os.kill(pid, signal.SIGKILL)

        def both_are_back():
            after = served.list_children()
            return len(after) == 2 and not set(after) & set(before)

        served.wait_for(both_are_back, "the new start of both")
        served.wait_for(lambda: served.get("/health/") == 200, "the first page after it")
        assert "The web server was ended by SIGKILL" in served.log.read_text()
        assert "The worker was ended by SIGKILL" in served.log.read_text()

        children = served.list_children()
        served.process.kill()
        served.process.wait()
        if sys.platform.startswith("linux"):
            served.wait_for(
                lambda: not any(Path(f"/proc/{pid}").exists() for pid in children),
                "the children's end",
            )
        else:
            for pid in children:
                os.killpg(pid, signal.SIGKILL)


@pytest.mark.postgres
@pytest.mark.redis
def test_the_same_command_on_postgresql_and_redis(tmp_path, postgres_server, redis_server):
    with serve(
        tmp_path,
        WORKBENCH_DATABASE_URL=postgres_server.create_database("served"),
        WORKBENCH_REDIS_URL=redis_server.broker_url,
    ) as served:
        assert served.get("/health/") == 200
        assert find_password(served.log)
        assert "'pong'" in ping_workers(served)
        assert not (tmp_path / "data" / "db.sqlite3").exists()
