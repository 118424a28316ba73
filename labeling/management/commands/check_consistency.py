"""manage.py check_consistency: is what is cached what the rows say?"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling.services.consistency import find_inconsistencies


class Command(BaseCommand):
    help = "Compare cached states, free slots, ratings and lints with the rows they come from."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--repair", action="store_true", help="write the right values")

    def handle(self, *args: Any, **options: Any) -> None:
        found = list(find_inconsistencies(repair=options["repair"]))
        for inconsistency in found:
            self.stdout.write(str(inconsistency))
        if not found:
            self.stdout.write("Everything that is cached is what the rows say.")
        elif not options["repair"]:
            raise CommandError(f"{len(found)} differ. Run again with --repair to mend them.")
        else:
            self.stdout.write(f"Mended {len(found)}.")
