"""Imports: what was read, what was stored, and what was wrong with the rest."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from labeling.models.problems import Source
from labeling.models.projects import Project


class ImportBatch(models.Model):
    """One file's way into a project. Counts are final once the state is done."""

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="import_batches")
    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="import_batches")
    format = models.CharField(max_length=40)
    filename = models.CharField(max_length=255)
    stored_as = models.CharField(max_length=80, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    size = models.PositiveBigIntegerField(default=0)
    options = models.JSONField(default=dict)
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    records_read = models.PositiveIntegerField(default=0)
    solutions_added = models.PositiveIntegerField(default=0)
    problems_added = models.PositiveIntegerField(default=0)
    steps_added = models.PositiveIntegerField(default=0)
    labels_added = models.PositiveIntegerField(default=0)
    already_there = models.PositiveIntegerField(default=0)
    issues_count = models.PositiveIntegerField(default=0)
    bytes_done = models.PositiveBigIntegerField(default=0)
    error = models.TextField(blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "import batches"

    def __str__(self) -> str:
        return f"{self.filename} ({self.format})"


class ImportIssue(models.Model):
    """A defect of one line: where, which field, and what to do."""

    batch = models.ForeignKey(ImportBatch, on_delete=models.CASCADE, related_name="issues")
    line = models.PositiveBigIntegerField()
    field = models.CharField(max_length=200, blank=True)
    message = models.TextField()
    fatal = models.BooleanField(default=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"
