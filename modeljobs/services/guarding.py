"""The reaper's look at guards: people's verdicts come in whether or not a worker is at a job."""

from __future__ import annotations

from datetime import datetime

from modeljobs.models import ModelJob
from modeljobs.services.acceptance import check_job
from modeljobs.services.jobs import pause_if_open


def tend_guards(*, now: datetime | None = None) -> int:
    """Pause each running job whose injector fell below its guard; how many."""
    guarded = (
        ModelJob.objects.filter(state=ModelJob.State.RUNNING)
        .exclude(guards={})
        .select_related("project", "engine")
        .order_by("pk")
    )
    paused = 0
    for job in guarded:
        reason = check_job(job)
        if reason and pause_if_open(job_id=job.pk, reason=reason):
            paused += 1
    return paused
