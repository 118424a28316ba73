"""What people are told beside the guidelines, and what they have read: rulings and readings."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from labeling.models.projects import Project


class Ruling(models.Model):
    """A lead's answer to a question that the guidelines leave open, with its date.

    `error_type` names the class on whose card it stands; "" is for all. `translations` has
    {"zh-hans": {"question": …, "answer": …}}. A ruling is never changed: it is withdrawn, and
    another takes its place.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="rulings")
    error_type = models.CharField(max_length=60, blank=True)
    question = models.CharField(max_length=300)
    answer = models.TextField()
    translations = models.JSONField(default=dict, blank=True)
    guideline_version = models.PositiveIntegerField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(question="") & ~Q(answer=""), name="ruling_has_words"
            ),
            models.CheckConstraint(
                condition=Q(withdrawn_at__isnull=True, withdrawn_by__isnull=True)
                | Q(withdrawn_at__isnull=False, withdrawn_by__isnull=False),
                name="ruling_withdrawn_by_somebody",
            ),
        ]
        indexes = [models.Index(fields=["project", "-id"], name="ruling_by_project")]

    def __str__(self) -> str:
        return f"ruling {self.pk} of {self.project_id}"


class GuidelineReading(models.Model):
    """A person said to have read a version of the guidelines. Rows are only ever added.

    `last_ruling` is the newest ruling that stood there then; None where there was none.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="readings")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="guideline_readings"
    )
    version = models.PositiveIntegerField()
    last_ruling = models.ForeignKey(
        Ruling, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    language = models.CharField(max_length=16, blank=True)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["person", "project", "-id"], name="reading_of_person")]

    def __str__(self) -> str:
        return f"{self.person_id} read guidelines {self.version}"
