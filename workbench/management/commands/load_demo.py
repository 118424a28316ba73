"""manage.py load_demo: the demo project, once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling.models import Project, User
from labeling.services.demo import SEED, SOURCE, load_demo
from modeljobs.services.engines import ensure_scripted_engine
from modeljobs.services.jobs import create_job, start

JOB_SOLUTIONS = 4
JOB_TYPES = ("redundency", "confidence", "step_contradiction")


class Command(BaseCommand):
    help = (
        "Load the demo project: our own problems, injected errors with known truth, the work of "
        "three simulated annotators, and a job of the scripted engine. Does nothing where it is "
        "there already."
    )

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument(
            "--lead", default="", help="who leads it (default: the first superuser)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = options["lead"]
        users = User.objects.filter(is_active=True)
        lead = (
            users.filter(username=wanted).first()
            if wanted
            else users.filter(is_superuser=True).order_by("pk").first()
        )
        if lead is None:
            raise CommandError(
                f"There is no user {wanted!r}." if wanted else "There is no superuser to lead it."
            )
        project = load_demo(lead=lead)
        if project is None:
            self.stdout.write("The demo project is there already.")
            return
        self._start_job(project, lead)
        self.stdout.write(f"Loaded the demo project, led by {lead.username}.")

    def _start_job(self, project: Project, lead: User) -> None:
        """A small job for the worker, so that the jobs page has something to show."""
        job = create_job(
            project=project,
            engine=ensure_scripted_engine(),
            method="injection",
            parameters={"error_types": list(JOB_TYPES)},
            seed=SEED,
            selection={
                "source": SOURCE,
                "correct_only": True,
                "limit": JOB_SOLUTIONS,
                "shuffle": True,
            },
            by=lead,
        )
        start(job=job, by=lead)
