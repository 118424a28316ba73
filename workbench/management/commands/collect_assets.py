"""collectstatic and the catalogues of translations, but only what changed since the last time."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from workbench.assets import collect_if_changed
from workbench.messages import compile_if_changed


class Command(BaseCommand):
    help = "Collect the static files and compile the translations, where something changed."
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's own form

    def handle(self, *args: Any, **options: Any) -> None:
        compile_if_changed()
        if not collect_if_changed():
            self.stdout.write("The static files are up to date.")
