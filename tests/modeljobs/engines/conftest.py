"""A real HTTP server on this machine that answers as a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Exchange:
    """A request as the server got it."""

    verb: str
    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass
class LocalServer:
    """Answers every request by `answer`; `seen` is what it was asked."""

    url: str
    answer: Callable[[BaseHTTPRequestHandler], None]
    # Set when the test is over: a handler that waits for it holds its answer back till then.
    over: threading.Event
    seen: list[Exchange] = field(default_factory=list)

    def reply_with(
        self, body: object, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer so from now on: a str or bytes as it stands, anything else as JSON."""
        text = body if isinstance(body, str | bytes) else json.dumps(body)
        raw = text.encode() if isinstance(text, str) else text

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, value in (headers or {}).items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(raw)))
            handler.end_headers()
            handler.wfile.write(raw)

        self.answer = answer

    def reply_by_path(self, bodies: Mapping[str, Callable[[Any], object]]) -> None:
        """Answer each path with what its function makes of the request's body; others with 404."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            make = bodies.get(handler.path)
            asked = next(one for one in reversed(self.seen) if one.path == handler.path)
            raw = json.dumps(make(asked.body) if make else {"detail": "Not Found"}).encode()
            handler.send_response(200 if make else 404)
            handler.send_header("Content-Length", str(len(raw)))
            handler.end_headers()
            handler.wfile.write(raw)

        self.answer = answer

    def list_bodies(self, path: str) -> list[Any]:
        """What was asked at a path, in order."""
        return [one.body for one in self.seen if one.path == path]


def run_server() -> Iterator[LocalServer]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Keep quiet."""

        def handle_any(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen = Exchange(
                self.command, self.path, dict(self.headers), json.loads(raw) if raw else None
            )
            local.seen.append(seen)
            try:
                local.answer(self)
            except ConnectionError:
                # The client hung up, as it may.
                self.close_connection = True

        do_GET = handle_any
        do_POST = handle_any

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    local = LocalServer(
        f"http://127.0.0.1:{server.server_address[1]}",
        lambda handler: handler.send_error(500),
        threading.Event(),
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield local
    finally:
        local.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server() -> Iterator[LocalServer]:
    yield from run_server()


@pytest.fixture
def other_server() -> Iterator[LocalServer]:
    yield from run_server()
