"""Removes call texts that nothing refers to, and on request those of old jobs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from modeljobs.services.retention import prune_texts


class Command(BaseCommand):
    help = (
        "Remove texts of model calls that no row refers to; with --older-than-days, also those of "
        "ended jobs. Counts, results and injections stay."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--older-than-days", type=float, help="age of calls to forget")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")

    def handle(self, *args: Any, **options: Any) -> None:
        days = options["older_than_days"]
        if days is not None and days < 0:
            raise CommandError(f"--older-than-days is {days:g}; it must not be negative.")
        pruned = prune_texts(
            now=timezone.now(),
            older_than=None if days is None else timedelta(days=days),
            dry_run=options["dry_run"],
        )
        verb = "Would remove" if options["dry_run"] else "Removed"
        self.stdout.write(
            f"{verb} {pruned.files:,} files ({pruned.bytes:,} bytes); "
            f"{pruned.calls:,} calls without their texts."
        )
