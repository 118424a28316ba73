"""Where rollouts and a judge agree: comparisons of two jobs, solution by solution."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from labeling.models import Project, Solution
from modeljobs.models.jobs import ModelJob


class ConsensusRun(models.Model):
    """One comparison of an RPE job's labels with a judge's first errors.

    `rule` is how they were compared (`methods.consensus.ConsensusRule`) and how the counts were
    read (`methods.rpe_labels.LabelRule`); `report` holds the funnel.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="consensus_runs")
    rpe_job = models.ForeignKey(ModelJob, on_delete=models.PROTECT, related_name="+")
    judge_job = models.ForeignKey(ModelJob, on_delete=models.PROTECT, related_name="+")
    rule = models.JSONField(default=dict)
    report = models.JSONField(default=dict)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"consensus {self.pk} of jobs {self.rpe_job_id} and {self.judge_job_id}"


class ConsensusFinding(models.Model):
    """What a comparison found of one solution: kept, or why not.

    `first_disagreement` is 0-based; `steps` has a pair [RPE, judge] of true, false or null each.
    """

    run = models.ForeignKey(ConsensusRun, on_delete=models.CASCADE, related_name="findings")
    solution = models.ForeignKey(Solution, on_delete=models.PROTECT, related_name="+")
    decision = models.CharField(max_length=20)
    first_disagreement = models.PositiveIntegerField(null=True, blank=True)
    steps = models.JSONField(default=list)
    judge_first_error = models.JSONField(default=dict)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["run", "solution"], name="consensus_finding_once"),
        ]
        indexes = [
            models.Index(fields=["run", "decision"], name="consensus_by_decision"),
        ]

    def __str__(self) -> str:
        return f"finding on solution {self.solution_id} in consensus {self.run_id}"
