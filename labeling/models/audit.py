"""Append-only logs: what people were shown, and what was done."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from labeling.models.assignments import ReviewItem
from labeling.models.projects import Project


class Exposure(models.Model):
    """What a person was shown about an item, and when. Rows are only ever added."""

    class What(models.TextChoices):
        # The item as it was claimed; the detail says whether the known answer was shown.
        ITEM = "item", "Item"
        CLAIM = "claim", "Claim"
        MACHINE = "machine", "Machine evidence"
        OTHERS = "others", "Others' work"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="exposures")
    item = models.ForeignKey(ReviewItem, on_delete=models.CASCADE, related_name="exposures")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="exposures"
    )
    what = models.CharField(max_length=20, choices=What)
    detail = models.JSONField(default=dict)
    guideline_version = models.PositiveIntegerField(null=True, blank=True)
    language = models.CharField(max_length=16, blank=True)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["item", "person"], name="exposure_of_person")]

    def __str__(self) -> str:
        return f"{self.person_id} saw {self.what} of item {self.item_id}"


class AuditEvent(models.Model):
    """Who did what to which thing. Rows are only ever added."""

    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, null=True, blank=True, related_name="audit_events"
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    verb = models.CharField(max_length=60)
    target_type = models.CharField(max_length=60, blank=True)
    target_id = models.CharField(max_length=60, blank=True)
    detail = models.JSONField(default=dict)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["project", "-id"], name="audit_event_by_project")]

    def __str__(self) -> str:
        return f"{self.verb} {self.target_type} {self.target_id}"
