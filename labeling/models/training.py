"""Learning the job: items with a known answer, and what people said to them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from labeling.models.assignments import ReviewItem
from labeling.models.projects import Project


class TrainingItem(models.Model):
    """A settled item that people train on: its expected answer and why it is that.

    `expected` is packed content (labeling.content), frozen when it was chosen. One that is taken
    out stays, with the answers that were given to it.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="training_items")
    item = models.OneToOneField(ReviewItem, on_delete=models.PROTECT, related_name="training_item")
    expected = models.JSONField()
    explanation = models.TextField(blank=True)
    place = models.PositiveIntegerField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["place"]
        constraints = [
            models.UniqueConstraint(fields=["project", "place"], name="training_item_place_once"),
        ]

    def __str__(self) -> str:
        return f"training item {self.pk} ({self.item_id})"


class TrainingRound(models.Model):
    """One person's way through the training set, from its first item to its result.

    `pass_percent` and `size` are those in force when it began. None in `passed`: not finished.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="training_rounds")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="training_rounds"
    )
    number = models.PositiveSmallIntegerField(default=1)
    size = models.PositiveSmallIntegerField()
    pass_percent = models.PositiveSmallIntegerField()
    passed = models.BooleanField(null=True, blank=True)
    # A lead may let somebody in who has not passed, with a reason.
    excused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    excuse = models.TextField(blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "person", "number"], name="training_round_number_once"
            ),
            models.UniqueConstraint(
                fields=["project", "person"],
                name="training_round_one_open",
                condition=Q(passed__isnull=True),
            ),
            models.CheckConstraint(
                condition=Q(passed__isnull=True, finished_at__isnull=True)
                | Q(passed__isnull=False, finished_at__isnull=False),
                name="training_round_finished_or_not",
            ),
        ]

    def __str__(self) -> str:
        return f"training round {self.number} of {self.person_id}"


class TrainingAnswer(models.Model):
    """What a person said to a training item: frozen, with what was found right and wrong in it."""

    round = models.ForeignKey(TrainingRound, on_delete=models.CASCADE, related_name="answers")
    training_item = models.ForeignKey(
        TrainingItem, on_delete=models.PROTECT, related_name="answers"
    )
    content = models.JSONField()
    expected = models.JSONField()
    is_right = models.BooleanField()
    findings = models.JSONField(default=list)
    active_ms = models.PositiveIntegerField(default=0)
    language = models.CharField(max_length=16, blank=True)
    idempotency_key = models.UUIDField()
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["round", "training_item"], name="training_answer_once"),
            models.UniqueConstraint(
                fields=["round", "idempotency_key"], name="training_answer_submitted_once"
            ),
        ]

    def __str__(self) -> str:
        return f"answer {self.pk} to training item {self.training_item_id}"
