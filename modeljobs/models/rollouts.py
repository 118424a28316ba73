"""Rollouts: their counts step by step, what of them is shared between items, and what follows.

Counts are columns, so that another rule labels a million steps without reading a text. Labels are
no column anywhere: a rule makes them of the counts (`modeljobs.methods.rpe_labels`).
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from labeling.models import Problem
from modeljobs.models.jobs import JobItem, ModelJob


class StepCounts(models.Model):
    """What the rollouts from one place of a solution came to (see `rpe_labels.Counts`).

    `position` is the step after which they begin, -1 for the problem alone (Pass@1). A step that
    was judged by the solution's own answer is `is_exact` and has one count.
    """

    item = models.ForeignKey(
        JobItem, on_delete=models.CASCADE, related_name="step_counts", db_index=False
    )
    position = models.SmallIntegerField()
    correct = models.PositiveIntegerField(default=0)
    wrong = models.PositiveIntegerField(default=0)
    unparsable = models.PositiveIntegerField(default=0)
    truncated = models.PositiveIntegerField(default=0)
    undecided = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    is_exact = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["item", "position"], name="step_counts_once"),
            models.CheckConstraint(condition=Q(position__gte=-1), name="step_counts_position"),
        ]

    def __str__(self) -> str:
        return f"rollouts of item {self.item_id} from step {self.position + 1}"


class RolloutChunk(models.Model):
    """Rollouts of one prefix that were sampled together, for whoever needs the same.

    `key` is a SHA-256 over all that they depend on: policy and its revision, template, sampler, the
    prefix, and the chunk's number. `chunk` names the texts (see `modeljobs.texts`).
    """

    key = models.CharField(max_length=64, unique=True)
    fingerprint = models.CharField(max_length=64)
    number = models.PositiveIntegerField()
    revision = models.CharField(max_length=200, blank=True)
    # The request that made them, and the model that the server says it used.
    origin = models.CharField(max_length=200)
    seed = models.BigIntegerField()
    model = models.CharField(max_length=200, blank=True)
    rollouts = models.PositiveIntegerField()
    chunk = models.CharField(max_length=64)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"chunk {self.number} of {self.fingerprint}"


class AnswerVerdict(models.Model):
    """Whether an answer is the reference, as one version of one checker said.

    `is_equal` is None where it could not be decided, with a `reason`. `key` is a SHA-256 over the
    checker, its version, the answer and the reference.
    """

    key = models.CharField(max_length=64, unique=True)
    checker = models.CharField(max_length=60)
    version = models.CharField(max_length=60)
    answer = models.TextField()
    reference = models.TextField()
    is_equal = models.BooleanField(null=True)
    reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"verdict {self.pk} by {self.checker}"


class ReferenceDoubt(models.Model):
    """A reference answer that most rollouts contradict, for people to decide on.

    `corrected_answer` is what a person put in its place; later jobs compare with it.
    """

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        STANDS = "stands", _("The reference stands")
        WRONG = "wrong", _("The reference is wrong")

    problem = models.OneToOneField(Problem, on_delete=models.CASCADE, related_name="doubt")
    # The newest item that raised it.
    item = models.ForeignKey(JobItem, on_delete=models.SET_NULL, null=True, related_name="+")
    reference = models.TextField()
    answer = models.TextField()
    rollouts = models.PositiveIntegerField()
    answered = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    corrected_answer = models.TextField(blank=True)
    note = models.TextField(blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"doubt about problem {self.problem_id}"


class LabelReading(models.Model):
    """Labels of a job's counts under one rule, frozen: the file, its hash, and how it came about.

    The file is content-addressed, and made again from counts and rule it has the same bytes.
    """

    job = models.ForeignKey(ModelJob, on_delete=models.CASCADE, related_name="readings")
    number = models.PositiveIntegerField()
    rule = models.JSONField(default=dict)
    note = models.TextField(blank=True)
    # How many solutions and steps, and of these how many of each verdict.
    counts = models.JSONField(default=dict)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="label_reading_number_once"),
        ]

    def __str__(self) -> str:
        return f"reading {self.number} of job {self.job_id}"
