"""Where data comes from, and what is asked: sources, problem families, problems."""

from __future__ import annotations

from django.db import models

from labeling.models.projects import Project


class Source(models.Model):
    """A data set as it was taken: where from, which revision, under what licence."""

    class Redistribution(models.TextChoices):
        UNKNOWN = "unknown", "Unknown"
        ALLOWED = "allowed", "Allowed"
        FORBIDDEN = "forbidden", "Forbidden"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="sources")
    name = models.CharField(max_length=120)
    url = models.URLField(blank=True, max_length=500)
    revision = models.CharField(max_length=120, blank=True)
    licence = models.CharField(max_length=60, blank=True, help_text="SPDX identifier")
    redistribution = models.CharField(
        max_length=10, choices=Redistribution, default=Redistribution.UNKNOWN
    )
    has_personal_data = models.BooleanField(default=False)
    split = models.CharField(max_length=60, blank=True)
    citation = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="source_name_once"),
        ]

    def __str__(self) -> str:
        return self.name


class ProblemFamily(models.Model):
    """A source problem with everything made from it: injections, re-solutions, changed questions.

    Splits, intervals and gold all work by family, so that siblings never stand on both sides.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="families")
    key = models.CharField(max_length=200)

    class Meta:
        verbose_name_plural = "problem families"
        constraints = [
            models.UniqueConstraint(fields=["project", "key"], name="family_key_once"),
        ]

    def __str__(self) -> str:
        return self.key


class Problem(models.Model):
    """A question as it is put to a reviewer. A changed question is another Problem, same family."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="problems")
    family = models.ForeignKey(ProblemFamily, on_delete=models.PROTECT, related_name="problems")
    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="problems")
    source_key = models.CharField(max_length=200)
    content_hash = models.CharField(max_length=32)
    text = models.TextField()
    reference_answer = models.TextField(null=True, blank=True)  # noqa: DJ001 - unknown is not ""
    reference_solution = models.TextField(null=True, blank=True)  # noqa: DJ001
    domain = models.CharField(max_length=60, blank=True)
    language = models.CharField(max_length=16, default="en")
    extra = models.JSONField(default=dict)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "source_key", "content_hash"], name="problem_identity"
            ),
        ]

    def __str__(self) -> str:
        return self.text[:80]
