"""collectstatic, but only when a static file changed since the last time."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from workbench.assets import collect_if_changed


class Command(BaseCommand):
    help = "Collect the static files, unless nothing changed since they were last collected."
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's own form

    def handle(self, *args: Any, **options: Any) -> None:
        if not collect_if_changed():
            self.stdout.write("The static files are up to date.")
