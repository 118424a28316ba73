"""manage.py load_demo: the demo project, once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling.models import User
from labeling.services.demo import load_demo
from modeljobs.services.demo import start_demo_jobs


class Command(BaseCommand):
    help = (
        "Load the demo project: our own problems, injected errors with known truth, the work of "
        "three simulated annotators, and two jobs: GenPRM by the shipped tiny model, injection by "
        "the scripted engine. Does nothing where it is there already."
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
        start_demo_jobs(project=project, lead=lead)
        self.stdout.write(f"Loaded the demo project, led by {lead.username}.")
