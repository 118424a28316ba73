"""What the page of a job of rollouts, or of a judge, says of comparisons with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from labeling.models import User
from modeljobs.methods.rpe_work import METHOD as RPE
from modeljobs.models import ConsensusRun, ModelJob
from modeljobs.selectors_consensus import list_judge_methods

NEWEST = 5
# The methods whose jobs can be one side of a comparison.
CONSENSUS_METHODS = list_judge_methods() | {RPE}


def build_consensus_section(job: ModelJob, user: User) -> Mapping[str, Any] | None:
    """The newest comparisons with this job, and the way to another."""
    side = "rpe_job" if job.method == RPE else "judge_job"
    runs = (
        ConsensusRun.objects.filter(Q(rpe_job=job) | Q(judge_job=job))
        .select_related("rpe_job__engine", "judge_job__engine")
        .order_by("-pk")[:NEWEST]
    )
    return {"runs": list(runs), "query": f"?{side}={job.pk}", "is_rpe": side == "rpe_job"}
