"""Equality checks as workers of the queue "sandbox" are sent them."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="modeljobs.check_equality", ignore_result=True)
def check_equality(check_id: int) -> None:
    """Answer a check in the sandbox. Safe to run twice, or for one that is over."""
    from modeljobs.services.equalities import run_check  # the service pulls in the sandbox

    run_check(check_id)
