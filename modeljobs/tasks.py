"""What workers are sent. A message names a job and wakes a worker up; the work is in the rows."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from modeljobs.services.workers import find_own_name


@shared_task(name="modeljobs.run_batch", bind=True, ignore_result=True)
def run_batch(self: Any, job_id: int) -> None:
    """Work on a job for a while. Safe to run twice, or for a job that has nothing left to do."""
    from modeljobs.runner import run_job  # the runner pulls in engines and methods

    run_job(job_id=job_id, worker=self.request.hostname or find_own_name())
