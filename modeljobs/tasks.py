"""What workers are sent. A message names a row and wakes a worker up; the work is in the rows."""

from __future__ import annotations

from typing import Any

from celery import shared_task

# A worker finds tasks in this module alone; those of other queues stand in modules of their own.
from modeljobs.engine_tasks import test_engine
from modeljobs.equality_tasks import check_equality
from modeljobs.services.workers import find_own_name
from modeljobs.trial_tasks import run_code_trial
from modeljobs.writing_tasks import write_file

__all__ = ["check_equality", "run_batch", "run_code_trial", "test_engine", "write_file"]


@shared_task(name="modeljobs.run_batch", bind=True, ignore_result=True)
def run_batch(self: Any, job_id: int) -> None:
    """Work on a job for a while. Safe to run twice, or for a job that has nothing left to do."""
    from modeljobs.runner import run_job  # the runner pulls in engines and methods

    run_job(job_id=job_id, worker=self.request.hostname or find_own_name())
