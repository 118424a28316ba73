"""What a machine proposes: never an annotation."""

from __future__ import annotations

from django.db import models

from labeling.models.projects import Project
from labeling.models.solutions import Solution


class Suggestion(models.Model):
    """One machine's proposal for one solution: labels and scores per step, with provenance.

    `labels` holds a packed StepLabel or null for each step; scores in it keep raw value, scale and
    threshold rule. `identity` names the producer and its settings, so that a second delivery of
    the same result stores nothing.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="suggestions")
    solution = models.ForeignKey(Solution, on_delete=models.CASCADE, related_name="suggestions")
    method = models.CharField(max_length=80)
    producer = models.CharField(max_length=200, blank=True)
    is_scripted = models.BooleanField(default=False)
    labels = models.JSONField(default=list)
    first_error = models.JSONField(default=dict)
    payload = models.JSONField(default=dict)
    provenance = models.JSONField(default=dict)
    identity = models.CharField(max_length=64)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["solution", "identity"], name="suggestion_once"),
        ]

    def __str__(self) -> str:
        return f"suggestion {self.pk} by {self.method}"
