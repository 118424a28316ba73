"""Immutable, hashed exports."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from labeling.models.projects import Project


class Release(models.Model):
    """A frozen export: what was selected, by which options, with a manifest of its files.

    Built by a worker; immutable once ready (enforced by services.releases).
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        BUILDING = "building", _("Building")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="releases")
    name = models.CharField(max_length=80)
    note = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    options = models.JSONField(default=dict)
    manifest = models.JSONField(default=dict)
    records_done = models.PositiveIntegerField(default=0)
    records_total = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name"],
                name="release_name_once",
                condition=~Q(state="failed"),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ReleaseFile(models.Model):
    """One file of a release, by format, with its hash and size in bytes."""

    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="files")
    format = models.CharField(max_length=40)
    filename = models.CharField(max_length=120)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField()
    records = models.PositiveIntegerField()
    left_out = models.JSONField(default=dict)

    class Meta:
        ordering = ["filename"]
        constraints = [
            models.UniqueConstraint(fields=["release", "filename"], name="release_file_once"),
        ]

    def __str__(self) -> str:
        return self.filename
