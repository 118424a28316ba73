"""A person's records: annotations, their frozen revisions, and the ratings projected from them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from labeling.models.assignments import Assignment, ReviewItem
from labeling.models.projects import Project
from labeling.models.solutions import Solution, Step
from labeling.models.taxonomies import Taxonomy


class Annotation(models.Model):
    """What one person says of one solution, over all revisions.

    `imported` ones come from a data set and have a rater's name instead of a user; `simulated`
    ones come from the demo's invented annotators and say so wherever they show.
    """

    class Kind(models.TextChoices):
        PERSON = "person", "Person"
        IMPORTED = "imported", "Imported"
        SIMULATED = "simulated", "Simulated"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="annotations")
    solution = models.ForeignKey(Solution, on_delete=models.PROTECT, related_name="annotations")
    item = models.ForeignKey(
        ReviewItem, on_delete=models.PROTECT, null=True, blank=True, related_name="annotations"
    )
    annotator = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="annotations",
    )
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.PERSON)
    rater = models.CharField(max_length=120, blank=True)
    # Which of the label sets that came with an imported solution this is.
    ordinal = models.PositiveSmallIntegerField(default=0)
    current_number = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["item", "annotator"],
                name="annotation_once_per_person",
                condition=Q(annotator__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["solution", "ordinal"],
                name="annotation_imported_once",
                condition=Q(kind="imported"),
            ),
            models.CheckConstraint(
                condition=Q(kind="imported", annotator__isnull=True)
                | Q(annotator__isnull=False, item__isnull=False),
                name="annotation_has_an_author",
            ),
        ]

    def __str__(self) -> str:
        return f"annotation {self.pk} of solution {self.solution_id}"


class AnnotationRevision(models.Model):
    """One submission, frozen. `content` is the packed truth; the other columns are read from it.

    A change is a new revision with author, time and reason; none is ever overwritten.
    """

    class FirstErrorState(models.TextChoices):
        AT = "at", "At a step"
        NONE = "none", "No error"
        UNKNOWN = "unknown", "Unknown"

    annotation = models.ForeignKey(Annotation, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    content = models.JSONField()
    verdict = models.CharField(max_length=20, blank=True)
    first_error_state = models.CharField(max_length=8, choices=FirstErrorState)
    first_error_position = models.PositiveIntegerField(null=True, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    assignment = models.ForeignKey(
        Assignment, on_delete=models.PROTECT, null=True, blank=True, related_name="revisions"
    )
    reason = models.TextField(blank=True)
    after_reveal = models.BooleanField(default=False)
    guideline_version = models.PositiveIntegerField(null=True, blank=True)
    taxonomy = models.ForeignKey(
        Taxonomy, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    language = models.CharField(max_length=16, blank=True)
    active_ms = models.PositiveIntegerField(default=0)
    # {"0": ms}: active time while that step was the current one; None where nobody measured it.
    step_ms = models.JSONField(null=True, blank=True)
    idempotency_key = models.UUIDField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(
                fields=["annotation", "number"], name="annotation_revision_number_once"
            ),
            models.UniqueConstraint(
                fields=["annotation", "idempotency_key"],
                name="annotation_revision_submitted_once",
                condition=Q(idempotency_key__isnull=False),
            ),
            models.CheckConstraint(
                condition=Q(first_error_state="at", first_error_position__isnull=False)
                | (~Q(first_error_state="at") & Q(first_error_position__isnull=True)),
                name="annotation_revision_first_error",
            ),
        ]

    def __str__(self) -> str:
        return f"revision {self.number} of annotation {self.annotation_id}"


class StepRating(models.Model):
    """One step's judgement in the current revision: a projection, for queries.

    Its one writer is services.annotations; the packed content stays the truth.
    """

    annotation = models.ForeignKey(Annotation, on_delete=models.CASCADE, related_name="ratings")
    step = models.ForeignKey(Step, on_delete=models.CASCADE, related_name="ratings")
    validity = models.CharField(max_length=8, blank=True)
    contribution = models.CharField(max_length=10, blank=True)
    origin = models.CharField(max_length=10, blank=True)
    error_type = models.CharField(max_length=60, blank=True)
    unsure = models.BooleanField(default=False)
    rating = models.SmallIntegerField(null=True, blank=True)
    # Rated with others in one action ("the rest is correct").
    is_bulk = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["annotation", "step"], name="step_rating_once"),
            models.CheckConstraint(
                condition=Q(rating__isnull=True) | Q(rating__in=[-1, 0, 1]),
                name="step_rating_range",
            ),
        ]

    def __str__(self) -> str:
        return f"rating of step {self.step_id}"
