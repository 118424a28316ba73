"""manage.py reset_password NAME: a new generated password, printed once."""

from __future__ import annotations

import secrets
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling.models import User
from labeling.services.audit import record_event


class Command(BaseCommand):
    help = "Give a user a new password. It is printed once and kept nowhere."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username__iexact=options["username"]).first()
        if user is None:
            raise CommandError(f"There is no user {options['username']!r}.")
        if user.is_simulated:
            raise CommandError(f"{user.username!r} is simulated; nobody signs in as an invention.")
        password = secrets.token_urlsafe(12)
        user.set_password(password)
        user.save(update_fields=["password"])
        record_event(project=None, actor=None, verb="user.password_reset", target=user)
        self.stdout.write(f"The new password of {user.username} is: {password}")
        self.stdout.write("It is shown this once. All of this user's sessions have ended.")
