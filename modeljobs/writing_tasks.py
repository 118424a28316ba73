"""What workers of the queue "io" are sent: files to write."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="modeljobs.write_file", ignore_result=True)
def write_file(writing_id: int) -> None:
    """Write a file that somebody asked for. Safe to run twice, or for one that is written."""
    from modeljobs.services.writing_runs import run_writing  # the service pulls in methods

    run_writing(writing_id)
