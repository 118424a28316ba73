"""Append-only records of what was done and what people were shown."""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from django.utils import timezone
from django.utils.translation import get_language

from labeling.models import AuditEvent, Exposure, Project, ReviewItem, User


def record_event(
    *,
    project: Project | None,
    actor: User | None,
    verb: str,
    target: Model | None = None,
    **detail: Any,
) -> AuditEvent:
    """Note that `actor` did `verb` to `target`; `detail` is JSON-ready and holds no secrets."""
    return AuditEvent.objects.create(
        project=project,
        actor=actor,
        verb=verb,
        target_type="" if target is None else target._meta.model_name or "",
        target_id="" if target is None else str(target.pk),
        detail=detail,
        at=timezone.now(),
    )


def record_exposure(
    *, item: ReviewItem, person: User, what: Exposure.What, project: Project, **detail: Any
) -> Exposure:
    """Note that `person` was shown something about an item, at which guidelines and language."""
    return Exposure.objects.create(
        project=project,
        item=item,
        person=person,
        what=what,
        detail=detail,
        guideline_version=project.guideline_version,
        language=get_language() or "",
        at=timezone.now(),
    )
