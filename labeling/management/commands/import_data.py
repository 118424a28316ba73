"""manage.py import_data PROJECT FILE: read a data set in this process, with progress."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling.formats import list_formats
from labeling.models import ImportBatch, Project
from labeling.services.transfers import create_import, run_import
from workbench.errors import WorkbenchError

PIECE = 1024 * 1024
SHOWN_ISSUES = 20


class Command(BaseCommand):
    help = "Import step-level data into a project. Importing the same file again adds nothing."

    def add_arguments(self, parser: Any) -> None:
        names = ", ".join(fmt.info.name for fmt in list_formats() if fmt.info.can_read)
        parser.add_argument("project", help="the project's address (slug)")
        parser.add_argument("file", type=Path, help="a file; .gz, .zip and .zst are opened")
        parser.add_argument("--format", default="", help=f"one of: {names} (default: told by it)")
        parser.add_argument("--source", default="", help="the source's name (default: the file's)")
        parser.add_argument("--licence", default="", help="SPDX identifier, for a new source")
        parser.add_argument("--url", default="", help="where it is from, for a new source")
        parser.add_argument("--no-queue", action="store_true", help="do not put it up for review")

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            known = ", ".join(Project.objects.values_list("slug", flat=True)) or "none"
            raise CommandError(f"There is no project {options['project']!r}; there are: {known}.")
        path: Path = options["file"]
        try:
            with path.open("rb") as file:
                batch = create_import(
                    project=project,
                    by=None,
                    chunks=iter(lambda: file.read(PIECE), b""),
                    filename=path.name,
                    format_name=options["format"],
                    source_name=options["source"],
                    enqueue=not options["no_queue"],
                    source_facts={"licence": options["licence"], "url": options["url"]},
                    send=False,
                )
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from None
        except WorkbenchError as error:
            raise CommandError(error.message) from None
        batch = run_import(batch.pk)
        self._report(batch)

    def _report(self, batch: ImportBatch) -> None:
        self.stdout.write(
            f"{batch.filename} as {batch.format}: {batch.records_read:,} records read, "
            f"{batch.solutions_added:,} solutions, {batch.problems_added:,} problems, "
            f"{batch.steps_added:,} steps and {batch.labels_added:,} labels added, "
            f"{batch.already_there:,} there already."
        )
        for issue in batch.issues.all()[:SHOWN_ISSUES]:
            where = f" ({issue.field})" if issue.field else ""
            self.stderr.write(f"line {issue.line}{where}: {issue.message}")
        if batch.issues_count > SHOWN_ISSUES:
            self.stderr.write(f"… and {batch.issues_count - SHOWN_ISSUES:,} more.")
        if batch.state == ImportBatch.State.FAILED:
            raise CommandError(batch.error)
