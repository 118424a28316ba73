from __future__ import annotations

import io
import json
import socket
import urllib.request
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from modeljobs.tiny.server import TinyServer


def test_it_says_where_it_listens_and_answers_there(monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[Any] = []
    said = io.StringIO()

    def answer_once(server: TinyServer) -> None:
        server.start()
        with urllib.request.urlopen(f"{server.url}/models", timeout=60) as response:
            listed.append(json.load(response))
        raise KeyboardInterrupt

    monkeypatch.setattr(TinyServer, "start", start_serving(TinyServer.serve_forever))
    monkeypatch.setattr(TinyServer, "serve_forever", answer_once)
    call_command("serve_tiny", port=0, checkpoint="worse", stdout=said)
    assert listed[0]["data"][0]["id"] == "tiny-worse"
    assert said.getvalue().startswith("tiny-worse at http://127.0.0.1:")
    assert said.getvalue().endswith("Stopped.\n")


def start_serving(serve: Any) -> Any:
    """What TinyServer.start does, with the server's own loop."""
    import threading

    def start(server: TinyServer) -> None:
        server._thread = threading.Thread(target=serve, args=(server,), daemon=True)
        server._thread.start()

    return start


def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(CommandError, match="The server cannot start"):
            call_command("serve_tiny", port=taken.getsockname()[1])


def test_an_unknown_checkpoint_is_refused() -> None:
    with pytest.raises(CommandError, match="invalid choice: 'best'"):
        call_command("serve_tiny", "--checkpoint", "best")
