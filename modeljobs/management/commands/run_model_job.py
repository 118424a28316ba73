"""Works on a model job in the foreground, beside whatever workers there are."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from modeljobs.models import ModelJob
from modeljobs.runner import RunLimits, run_job
from modeljobs.services.workers import find_own_name


class Command(BaseCommand):
    help = (
        "Work on a started job here, without a message broker, until nothing is left for now. "
        "Ctrl-C hands back what was begun."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("job", type=int, help="the job's number")

    def handle(self, *args: Any, **options: Any) -> None:
        job = ModelJob.objects.filter(pk=options["job"]).first()
        if job is None:
            raise CommandError(f"There is no job {options['job']}.")
        if job.state != ModelJob.State.RUNNING:
            raise CommandError(
                f"The job is {job.get_state_display().lower()}; only a running one can be done."
            )
        # Nobody else waits for this process: it goes on for as long as there is work.
        limits = RunLimits(items=10**9, seconds=float("inf"))
        report = run_job(job_id=job.pk, worker=find_own_name(), limits=limits)
        self.stdout.write(
            f"{report.done} done, {report.failed} failed, {report.waiting} wait for another try, "
            f"{report.set_aside} set aside, {report.lost} taken over by others, "
            f"{report.handed_back} handed back: {report.ended}."
        )
        job.refresh_from_db()
        if job.state == ModelJob.State.PAUSED and job.note:
            self.stdout.write(f"The job is paused. {job.note}")
