"""People's word on a machine's reasoning, and equalities they had checked."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from labeling.models import Project, ReviewItem
from modeljobs.models.jobs import JobItem


class RationaleRating(models.Model):
    """What a person thinks of one sample's reasoning on one step. The newest of a person counts;
    rows are only ever added.
    """

    class Value(models.TextChoices):
        SOUND = "sound", _("Sound")
        WRONG_REASON = "wrong_reason", _("Right verdict for the wrong reason")
        WRONG = "wrong", _("Wrong")

    item = models.ForeignKey(JobItem, on_delete=models.CASCADE, related_name="rationale_ratings")
    position = models.PositiveIntegerField()
    sample = models.PositiveSmallIntegerField(default=0)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="rationale_ratings"
    )
    value = models.CharField(max_length=12, choices=Value)
    note = models.TextField(blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["item", "position"], name="rationale_rating_of_step")]

    def __str__(self) -> str:
        return f"{self.value}: sample {self.sample + 1} of step {self.position + 1}"


class EqualityCheck(models.Model):
    """A person asked whether an equality is true; a worker answers, in the sandbox.

    `answer` is empty until it is done, and "unknown" where the algebra system cannot tell;
    `reason` says why, and what it took the two sides to be.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    class Answer(models.TextChoices):
        TRUE = "true", _("True")
        FALSE = "false", _("False")
        UNKNOWN = "unknown", _("Cannot tell")

    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="equality_checks_made"
    )
    review_item = models.ForeignKey(
        ReviewItem, on_delete=models.CASCADE, null=True, blank=True, related_name="equality_checks"
    )
    position = models.PositiveIntegerField(null=True, blank=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.TextField()
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    answer = models.CharField(max_length=10, choices=Answer, blank=True)
    left = models.TextField(blank=True)
    right = models.TextField(blank=True)
    reason = models.TextField(blank=True)
    milliseconds = models.PositiveIntegerField(default=0)
    layers = models.JSONField(default=list)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["author", "created_at"], name="equality_check_of_person"),
        ]

    def __str__(self) -> str:
        return f"equality check {self.pk}"
