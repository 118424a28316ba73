"""How often a person may ask the sandbox for something: one at a time, and so many a minute."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import TypeVar

from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)

PER_WINDOW = 10
WINDOW = timedelta(minutes=1)
# How soon to come back when something is still under way.
SOON_SECONDS = 5


def find_wait(asked: QuerySet[M], *, now: datetime) -> int:
    """Seconds until the person may ask again, 0 for at once. `asked` are their rows, with
    `created_at`.
    """
    recent = list(
        asked.filter(created_at__gt=now - WINDOW)
        .order_by("-created_at")
        .values_list("created_at", flat=True)[:PER_WINDOW]
    )
    if len(recent) < PER_WINDOW:
        return 0
    oldest: datetime = recent[-1]
    return max(1, math.ceil((oldest + WINDOW - now).total_seconds()))
