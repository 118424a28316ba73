"""What people set for themselves: the name that others see, and their language."""

from __future__ import annotations

from django.conf import settings

from labeling.models import User
from labeling.services.audit import record_event
from workbench.errors import InvalidInput

LONGEST_NAME = 150


def set_language(*, user: User, language: str) -> User:
    """Remember the person's language; pages follow it on every device."""
    known = [code for code, _name in settings.LANGUAGES]
    if language not in known:
        raise InvalidInput(
            f"There is no language {language!r}; there are {', '.join(known)}.", field="language"
        )
    user.language = language
    user.save(update_fields=["language"])
    return user


def set_display_name(*, user: User, display_name: str) -> User:
    """Call the person by another name where names are shown; their sign-in name stays."""
    name = " ".join(display_name.split())
    if len(name) > LONGEST_NAME:
        raise InvalidInput(
            f"A name has at most {LONGEST_NAME} characters, not {len(name)}.", field="display_name"
        )
    user.display_name = name
    user.save(update_fields=["display_name"])
    record_event(project=None, actor=user, verb="account.renamed", target=user)
    return user
