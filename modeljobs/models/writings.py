"""Files that a worker writes because a person asked for them, and how far it is."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from modeljobs.models.consensus import ConsensusRun
from modeljobs.models.jobs import ModelJob
from modeljobs.models.rollouts import LabelReading


class FileWriting(models.Model):
    """One writing: a job's labels under a rule (`job`), or a comparison's conversations (`run`).

    `request` is what was asked for, as the service packs it. `beat_at` is when its worker was last
    heard of. One of a kind is open at a time.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    job = models.ForeignKey(
        ModelJob, on_delete=models.CASCADE, null=True, blank=True, related_name="writings"
    )
    run = models.ForeignKey(
        ConsensusRun, on_delete=models.CASCADE, null=True, blank=True, related_name="writings"
    )
    # What came of a job's.
    reading = models.ForeignKey(
        LabelReading, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    request = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    beat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(job__isnull=False, run__isnull=True)
                | Q(job__isnull=True, run__isnull=False),
                name="file_writing_of_one_thing",
            ),
            models.UniqueConstraint(
                fields=["job"],
                name="file_writing_of_job_once",
                condition=Q(state__in=["queued", "running"]),
            ),
            models.UniqueConstraint(
                fields=["run"],
                name="file_writing_of_run_once",
                condition=Q(state__in=["queued", "running"]),
            ),
        ]

    def __str__(self) -> str:
        return f"writing {self.pk}"
