"""Thin doors for workers: ids in, one service each. Safe to run twice."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="labeling.run_import")
def run_import(batch_id: int) -> None:
    """Read an import batch."""
    from labeling.services import transfers

    transfers.run_import(batch_id)


@shared_task(name="labeling.build_release")
def build_release(release_id: int) -> None:
    """Write the files of a release."""
    from labeling.services import releases

    releases.build_release(release_id)
