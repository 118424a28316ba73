"""What a method found step by step, the code that was run on the way, and people's own runs of it.

Counts and small facts are columns; texts live in content-addressed chunks (see `modeljobs.texts`).
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from modeljobs.models.jobs import JobItem


class StepEvidence(models.Model):
    """What was found of one step: stored when the step is finished, under the item's lease.

    `summary` is described by the method that made it; `chunk` names the detail with the texts.
    """

    item = models.ForeignKey(JobItem, on_delete=models.CASCADE, related_name="evidence")
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=20)
    summary = models.JSONField(default=dict)
    chunk = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["item_id", "position"]
        constraints = [
            models.UniqueConstraint(fields=["item", "position", "kind"], name="evidence_once"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of step {self.position + 1}, item {self.item_id}"


class CodeRun(models.Model):
    """A block that a model wrote, as it was run. `place` counts the item's blocks over attempts."""

    item = models.ForeignKey(JobItem, on_delete=models.CASCADE, related_name="code_runs")
    attempt = models.PositiveSmallIntegerField()
    place = models.PositiveIntegerField()
    key = models.CharField(max_length=200)
    status = models.CharField(max_length=20)
    milliseconds = models.PositiveIntegerField(default=0)
    layers = models.JSONField(default=list)
    chunk = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["item", "place"], name="code_run_place_once"),
        ]

    def __str__(self) -> str:
        return f"block {self.place} of item {self.item_id}"


class CodeTrial(models.Model):
    """A person's own run of verification code beside the model's: attributed, never in its place.

    The sample's own blocks before `block` are run first, so that their names are there.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    item = models.ForeignKey(JobItem, on_delete=models.CASCADE, related_name="trials")
    position = models.PositiveIntegerField()
    sample = models.PositiveSmallIntegerField(default=0)
    block = models.PositiveSmallIntegerField(default=0)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    code = models.TextField()
    # The analysis as this person would put it; "" where they changed nothing of it.
    analysis = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    status = models.CharField(max_length=20, blank=True)
    output = models.TextField(blank=True)
    is_truncated = models.BooleanField(default=False)
    milliseconds = models.PositiveIntegerField(default=0)
    layers = models.JSONField(default=list)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["author", "created_at"], name="code_trial_of_person"),
        ]

    def __str__(self) -> str:
        return f"trial {self.pk} of step {self.position + 1}, item {self.item_id}"
