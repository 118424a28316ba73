"""What workers of the queue "models" are sent besides jobs: tests of engines."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="modeljobs.test_engine", ignore_result=True)
def test_engine(test_id: int) -> None:
    """Ask an engine what it can do. Safe to run twice, or for a test that is over."""
    from modeljobs.services.engine_tests import run_test  # the service pulls in engines

    run_test(test_id)
