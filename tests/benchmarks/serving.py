"""Web servers to measure, and a client that costs little beside them."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from tests.benchmarks.places import ROOT, find_free_port

PATIENCE = 60.0
OURS = "workbench.wsgi:application"
BARE = "tests.benchmarks.bare_wsgi:application"


class Answer(NamedTuple):
    """What came back, and after how many milliseconds."""

    status: int
    body: bytes
    ms: float

    def read(self) -> Any:
        """The body as JSON."""
        return orjson.loads(self.body)


class Client:
    """One connection, kept open. Speaks just enough HTTP: a full client would slow the server
    down, with which it shares the machine.
    """

    def __init__(self, port: int, *, token: str = "") -> None:
        self.port = port
        self.head = "Host: localhost\r\nContent-Type: application/json\r\n"
        if token:
            self.head += f"Authorization: Bearer {token}\r\n"
        self.connection: socket.socket | None = None

    def get(self, path: str) -> Answer:
        return self.ask("GET", path, b"")

    def post(self, path: str, data: object = None) -> Answer:
        return self.ask("POST", path, b"{}" if data is None else orjson.dumps(data))

    def ask(self, method: str, path: str, body: bytes) -> Answer:
        """Send a request and read its answer to the end."""
        request = (
            f"{method} {path} HTTP/1.1\r\n{self.head}Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        start = time.perf_counter()
        try:
            received = self._send(request)
        except ConnectionError:
            # The server ends connections that were quiet for some seconds.
            self.close()
            received = self._send(request)
        while b"\r\n\r\n" not in received:
            received += self._receive()
        head, _, received = received.partition(b"\r\n\r\n")
        fields = head.lower().split(b"\r\n")
        lengths = [line for line in fields if line.startswith(b"content-length:")]
        length = int(lengths[0].partition(b":")[2]) if lengths else 0
        while len(received) < length:
            received += self._receive()
        ms = (time.perf_counter() - start) * 1000
        if b"connection: close" in fields:
            self.close()
        return Answer(int(head.split(None, 2)[1]), received, ms)

    def _send(self, request: bytes) -> bytes:
        """Send it; the first bytes of the answer."""
        if self.connection is None:
            self.connection = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection.sendall(request)
        return self._receive()

    def _receive(self) -> bytes:
        if self.connection is None:
            raise ConnectionError("The connection is closed.")
        data = self.connection.recv(65536)
        if not data:
            raise ConnectionError("The server closed the connection.")
        return data

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None


@contextlib.contextmanager
def run_server(application: str, *, log: Path) -> Iterator[int]:
    """gunicorn as `manage.py serve` starts it; the port. Ended afterwards."""
    port = find_free_port()
    command = [sys.executable, "-m", "gunicorn", "--config", "python:workbench.webserver"]
    env: Mapping[str, str] = {**os.environ, "MALLOC_ARENA_MAX": "2", "OPENBLAS_NUM_THREADS": "1"}
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [*command, "--bind", f"127.0.0.1:{port}", application],
            cwd=ROOT,
            env=env,
            stdout=stream,
            stderr=stream,
        )
    try:
        wait_for_answer(port, "/health/", process=process, log=log)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


def wait_for_answer(port: int, path: str, *, process: subprocess.Popen[bytes], log: Path) -> float:
    """Wait until the page answers with 200; `time.perf_counter()` of that moment."""
    deadline = time.perf_counter() + PATIENCE
    while time.perf_counter() < deadline:
        client = Client(port)
        try:
            if client.get(path).status == 200:
                return time.perf_counter()
        except OSError:
            pass
        finally:
            client.close()
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise RuntimeError(f"{path} did not answer:\n{log.read_text(errors='replace')[-4000:]}")
