"""Injections: modified solutions with a claim about what is wrong in them."""

from __future__ import annotations

from django.db import models

from labeling.models.projects import Project
from labeling.models.solutions import Solution


class Injection(models.Model):
    """A claim that named steps of the modified solution carry an error of a type.

    Claimed positions are 0-based and kept as given, even past the end. `lints` and
    `blocking_lints` are cached by services.injections; `check_consistency` finds them again.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="injections")
    original = models.ForeignKey(
        Solution, on_delete=models.PROTECT, related_name="injections_made_from_it"
    )
    modified = models.OneToOneField(Solution, on_delete=models.PROTECT, related_name="injection")
    error_type = models.CharField(max_length=60)
    claimed_error_positions = models.JSONField(default=list)
    claimed_changed_positions = models.JSONField(default=list)
    reason = models.TextField(blank=True)
    question_changed = models.BooleanField(default=False)
    # Who made it: "import", "demo", or a method with its engine; details in provenance.
    producer = models.CharField(max_length=120)
    is_scripted = models.BooleanField(default=False)
    provenance = models.JSONField(default=dict)
    # What is known for certain of one that was made by rule (see services.injections); {} of any
    # other. Nobody who reviews it may see it.
    truth = models.JSONField(default=dict)
    lints = models.JSONField(default=list)
    blocking_lints = models.PositiveSmallIntegerField(default=0)
    extra = models.JSONField(default=dict)
    created_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["project", "error_type"], name="injection_by_type"),
        ]

    def __str__(self) -> str:
        return f"injection {self.pk} ({self.error_type})"
