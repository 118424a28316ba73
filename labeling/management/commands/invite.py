"""manage.py invite PROJECT ROLE: a one-time link into a project."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from labeling.models import Membership, Project
from labeling.services.members import invite


class Command(BaseCommand):
    help = "Make a one-time invitation link."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("project", help="the project's address (slug)")
        parser.add_argument("role", choices=Membership.Role.values)
        parser.add_argument("--note", default="", help="for whom it is")

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"There is no project {options['project']!r}.")
        lead = project.memberships.filter(role=Membership.Role.LEAD, is_active=True).first()
        if lead is None:
            raise CommandError(f"{project.name!r} has no lead in whose name to invite.")
        issued = invite(project=project, role=options["role"], by=lead.user, note=options["note"])
        path = reverse("labeling:invitation", args=[issued.secret])
        self.stdout.write(
            f"This link works once, until {issued.row.expires_at:%Y-%m-%d %H:%M} UTC: {path}"
        )
