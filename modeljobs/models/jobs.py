"""A run of a method over solutions, and its units."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from labeling.models import Project, Solution
from modeljobs.models.engines import Engine


class ModelJob(models.Model):
    """One run: a method, an engine, parameters, a seed and the solutions it was started on.

    Cancelling and pausing are rows here, not messages to workers.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        PAUSED = "paused", _("Paused")
        CANCELLED = "cancelled", _("Cancelled")
        DONE = "done", _("Done")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="model_jobs")
    engine = models.ForeignKey(Engine, on_delete=models.PROTECT, related_name="jobs")
    method = models.CharField(max_length=60)
    parameters = models.JSONField(default=dict)
    prompt_version = models.CharField(max_length=80, blank=True)
    seed = models.BigIntegerField(default=0)
    selection = models.JSONField(default=dict)
    # The engine as it was when the job started: a later edit of the row changes nothing here.
    engine_snapshot = models.JSONField(default=dict)
    is_scripted = models.BooleanField(default=False)
    code_version = models.CharField(max_length=80, blank=True)
    # What stops the job when it is used up: max_tokens, max_cost, max_seconds; none by default.
    budgets = models.JSONField(default=dict)
    # What stops the job when people reject too much of what it makes (see services.acceptance).
    guards = models.JSONField(default=dict)
    # For counts of rollouts: the rule in force, by which labels are read; {} for the parameters'.
    label_rule = models.JSONField(default=dict)
    # Items by state and their tokens, kept once the job has ended: a list of large jobs then costs
    # what one of small ones does. None while it can still change (see selectors.count_items).
    tally = models.JSONField(null=True, blank=True)
    # Wall time in which a worker was at it, pauses left out.
    ran_seconds = models.FloatField(default=0)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    note = models.CharField(max_length=200, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"job {self.pk}: {self.method}"


class JobItem(models.Model):
    """One unit of a job: a solution, and what of it (`unit`, an error type for injection).

    A worker owns it by lease; a result is stored only while the lease is its own.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("Waiting")
        LEASED = "leased", _("In flight")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        SET_ASIDE = "set_aside", _("Set aside")

    job = models.ForeignKey(ModelJob, on_delete=models.CASCADE, related_name="items")
    solution = models.ForeignKey(Solution, on_delete=models.PROTECT, related_name="+")
    unit = models.CharField(max_length=60, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    worker = models.CharField(max_length=120, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    reason_code = models.CharField(max_length=60, blank=True)
    reason = models.TextField(blank=True)
    result = models.JSONField(default=dict)
    prompt_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "solution", "unit"], name="job_item_once"),
            models.CheckConstraint(
                condition=~Q(state="leased")
                | Q(lease_token__isnull=False, lease_expires_at__isnull=False),
                name="job_item_lease_has_token_and_end",
            ),
        ]
        indexes = [
            models.Index(fields=["job", "state", "id"], name="job_item_by_state"),
            # What a page counts while the job runs stands in the index alone.
            models.Index(
                fields=["job", "state", "prompt_tokens", "completion_tokens"],
                name="job_item_tally",
            ),
            models.Index(
                fields=["job", "finished_at"],
                name="job_item_by_end",
                condition=Q(finished_at__isnull=False),
            ),
            models.Index(
                fields=["lease_expires_at"],
                name="job_item_leases",
                condition=Q(state="leased"),
            ),
        ]

    def __str__(self) -> str:
        return f"item {self.pk} of job {self.job_id}"


class WorkerBeat(models.Model):
    """When a worker was last heard of: pages say so when none is alive."""

    name = models.CharField(max_length=120, unique=True)
    queues = models.JSONField(default=list)
    pid = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
