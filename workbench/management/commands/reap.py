"""Runs the reaper by itself, where `serve` is not used."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from workbench import reaper


class Command(BaseCommand):
    help = "Return expired leases and send lost work again, every WORKBENCH_REAPER_SECONDS."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="do one round and end")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["once"]:
            results = reaper.run_once()
            for result in results:
                self.stdout.write(f"{result.name}: {result.error or result.done or 'nothing'}")
            if any(result.error for result in results):
                raise CommandError("Some chores failed; the lines above say which.")
            return
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        reaper.run_until(stop, seconds=settings.WORKBENCH_REAPER_SECONDS)
