"""Serves a tiny arithmetic model over HTTP, as an OpenAI-compatible server on this machine."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from modeljobs.tiny.model import list_checkpoints, load_checkpoint
from modeljobs.tiny.server import TinyServer


class Command(BaseCommand):
    help = (
        "Serve a tiny arithmetic model on 127.0.0.1 with OpenAI's HTTP API, to try out engines "
        "without a model server. There is no key: never put it before a network."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8123, help="0 takes a free one")
        parser.add_argument("--checkpoint", default="better", choices=list_checkpoints())
        parser.add_argument(
            "--max-concurrency", type=int, default=16, help="sequences worked on at a time"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        model = load_checkpoint(options["checkpoint"])
        try:
            server = TinyServer(model, port=options["port"], slots=options["max_concurrency"])
        except (OSError, OverflowError, ValueError) as error:
            raise CommandError(f"The server cannot start: {error}") from None
        self.stdout.write(f"{server.model_name} at {server.url}")
        self.stdout.flush()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            self.stdout.write("Stopped.")
        finally:
            server.close()
