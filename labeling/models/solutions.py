"""Candidate answers and their steps. Solutions are versioned; a step never changes."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from labeling.models.problems import Problem, Source
from labeling.models.projects import Project


class Solution(models.Model):
    """One candidate answer. Editing or re-segmenting it makes a new version with step links.

    Identity of an imported row: (source, source_key, content_hash). `source_key` is the row's own
    id in its source, or its ordinal there.
    """

    class Origin(models.TextChoices):
        IMPORTED = "imported", "Imported"
        INJECTED = "injected", "Injected"
        EDITED = "edited", "Edited"
        GENERATED = "generated", "Generated"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="solutions")
    problem = models.ForeignKey(Problem, on_delete=models.PROTECT, related_name="solutions")
    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="solutions")
    source_key = models.CharField(max_length=200)
    content_hash = models.CharField(max_length=32)
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.IMPORTED)
    version = models.PositiveIntegerField(default=1)
    previous = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="next_versions"
    )
    generator = models.CharField(max_length=200, blank=True)
    final_answer = models.TextField(null=True, blank=True)  # noqa: DJ001 - unknown is not ""
    final_answer_correct = models.BooleanField(null=True, blank=True)
    answer_checker = models.CharField(max_length=80, blank=True)
    n_steps = models.PositiveIntegerField()
    extra = models.JSONField(default=dict)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source", "source_key", "content_hash", "version"],
                name="solution_identity",
            ),
            models.UniqueConstraint(
                fields=["previous"],
                name="solution_one_next_version",
                condition=Q(previous__isnull=False),
            ),
        ]
        indexes = [models.Index(fields=["project", "id"], name="solution_by_project")]

    def __str__(self) -> str:
        return f"solution {self.pk} ({self.n_steps} steps)"


class Step(models.Model):
    """One step, immutable, with a stable id. `alternatives` are candidates not gone on with."""

    solution = models.ForeignKey(Solution, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveIntegerField()
    text = models.TextField()
    kind = models.CharField(max_length=12, default="text")
    extra = models.JSONField(null=True, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["solution", "position"], name="step_position_once"),
        ]

    def __str__(self) -> str:
        return f"step {self.position + 1} of solution {self.solution_id}"


class StepLink(models.Model):
    """How a step of one solution stands to a step of another: of a version to the next, or of an
    original to its modified solution. An inserted step has no `before`, a deleted one no `after`.
    """

    class Kind(models.TextChoices):
        SAME = "same", "Same"
        EDITED = "edited", "Edited"
        INSERTED = "inserted", "Inserted"
        DELETED = "deleted", "Deleted"
        SPLIT = "split", "Split"
        MERGED = "merged", "Merged"

    from_solution = models.ForeignKey(Solution, on_delete=models.CASCADE, related_name="links_out")
    to_solution = models.ForeignKey(Solution, on_delete=models.CASCADE, related_name="links_in")
    before = models.ForeignKey(
        Step, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    after = models.ForeignKey(
        Step, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    kind = models.CharField(max_length=8, choices=Kind)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(before__isnull=False) | Q(after__isnull=False),
                name="step_link_has_an_end",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.before_id} to {self.after_id}"
