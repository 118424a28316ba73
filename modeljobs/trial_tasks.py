"""What workers of the queue "sandbox" are sent."""

from __future__ import annotations

from celery import shared_task


@shared_task(name="modeljobs.run_code_trial", ignore_result=True)
def run_code_trial(trial_id: int) -> None:
    """Run a person's code in the sandbox. Safe to run twice, or for a trial that is over."""
    from modeljobs.services.trials import run_trial  # the service pulls in the sandbox

    run_trial(trial_id)
