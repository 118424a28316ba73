"""Makes a model job, and starts it unless told not to."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from labeling.models import Project, User
from modeljobs.models import Engine
from modeljobs.services.jobs import create_job, start
from workbench.errors import WorkbenchError


class Command(BaseCommand):
    help = "Make a model job on solutions of a project and start it; prints the job's number."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", required=True, help="the project's address (slug)")
        parser.add_argument("--engine", required=True, help="the engine's name")
        parser.add_argument("--by", required=True, help="who does it: a lead's user name")
        parser.add_argument("--method", default="injection")
        parser.add_argument("--parameters", default="{}", help="JSON object; see the method")
        parser.add_argument(
            "--selection",
            default="{}",
            help='JSON object, such as {"limit": 20, "correct_only": true, "source": "mine"}',
        )
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--draft", action="store_true", help="do not start it")

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        engine = Engine.objects.filter(name=options["engine"]).first()
        user = User.objects.filter(username__iexact=options["by"]).first()
        for what, found in (("project", project), ("engine", engine), ("by", user)):
            if found is None:
                raise CommandError(f"--{what} names {options[what]!r}, which is not there.")
        assert project is not None  # noqa: S101 - said above
        assert engine is not None  # noqa: S101
        assert user is not None  # noqa: S101
        try:
            with transaction.atomic():
                job = create_job(
                    project=project,
                    engine=engine,
                    method=options["method"],
                    parameters=self._read(options, "parameters"),
                    seed=options["seed"],
                    selection=self._read(options, "selection"),
                    by=user,
                )
                if not options["draft"]:
                    job = start(job=job, by=user)
        except WorkbenchError as error:
            raise CommandError(error.message) from None
        self.stdout.write(f"{job.pk}")

    def _read(self, options: dict[str, Any], name: str) -> dict[str, Any]:
        try:
            value = json.loads(options[name])
        except ValueError as error:
            raise CommandError(f"--{name} is not JSON: {error}") from None
        if not isinstance(value, dict):
            raise CommandError(f"--{name} is a JSON object, not {value!r}.")
        return value
