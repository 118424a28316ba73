"""Reports that an original solution is wrong: one speaks of all injections made from it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from labeling.models.assignments import ReviewItem
from labeling.models.projects import Project
from labeling.models.solutions import Solution


class SourceReport(models.Model):
    """A reviewer found the original of an injection wrong; a lead decides.

    One open report for an original at a time: later reviewers who say the same are counted from
    their verdicts. Confirmed, its items leave the queue; dismissed, they go on.
    """

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        CONFIRMED = "confirmed", _("Original is wrong")
        DISMISSED = "dismissed", _("Original is right")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="source_reports")
    original = models.ForeignKey(Solution, on_delete=models.PROTECT, related_name="reports")
    # The item on which it was found first, and by whom.
    item = models.ForeignKey(ReviewItem, on_delete=models.PROTECT, related_name="+")
    reporter = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    note = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField(blank=True)
    # What was taken out of the queue when it was confirmed, so that it can be put back.
    withdrawn_items = models.JSONField(default=list)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["original"], name="source_report_one_open", condition=Q(state="open")
            ),
            models.CheckConstraint(
                condition=Q(state="open", decided_at__isnull=True)
                | (~Q(state="open") & Q(decided_at__isnull=False, decided_by__isnull=False)),
                name="source_report_decided_by_somebody",
            ),
        ]
        indexes = [models.Index(fields=["project", "state", "id"], name="source_report_by_state")]

    def __str__(self) -> str:
        return f"report {self.pk} on solution {self.original_id}"
