"""Disagreement between reviewers, and the decision on it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from labeling.models.assignments import ReviewItem
from labeling.models.projects import Project


class Dispute(models.Model):
    """An item on which the reviewers differ. One open at a time.

    `kinds` says how they differ: existence, location, type, severity, verdict.
    """

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        DECIDED = "decided", _("Decided")
        CLOSED = "closed", _("Closed without a decision")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="disputes")
    item = models.ForeignKey(ReviewItem, on_delete=models.PROTECT, related_name="disputes")
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    kinds = models.JSONField(default=list)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["item"], name="dispute_one_open", condition=Q(state="open")
            ),
        ]
        indexes = [models.Index(fields=["project", "state", "id"], name="dispute_by_state")]

    def __str__(self) -> str:
        return f"dispute {self.pk} on item {self.item_id}"


class Adjudication(models.Model):
    """A decision with its reason. A later one on the same item is another row, never an update."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="adjudications")
    item = models.ForeignKey(ReviewItem, on_delete=models.PROTECT, related_name="adjudications")
    dispute = models.ForeignKey(
        Dispute, on_delete=models.PROTECT, null=True, blank=True, related_name="adjudications"
    )
    adjudicator = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="adjudications"
    )
    number = models.PositiveIntegerField()
    content = models.JSONField()
    reason = models.TextField()
    idempotency_key = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["item", "number"], name="adjudication_number_once"),
            models.UniqueConstraint(
                fields=["item", "idempotency_key"],
                name="adjudication_submitted_once",
                condition=Q(idempotency_key__isnull=False),
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="adjudication_has_a_reason"),
        ]

    def __str__(self) -> str:
        return f"adjudication {self.number} of item {self.item_id}"
