"""A job of 100,000 items: made, listed, looked at, paused and resumed, beside a job of ten.

Pages are asked for through the test client, without a server: what is measured is what a page
makes the database do. Half of the items have ended, with calls and evidence, a tenth of them
failed. `raw` is the same with a job of ten items in the same database; `ratio` is one over the
other, and should stay near one where size does not matter.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from tests.benchmarks.job_figures import JobFigure
from tests.benchmarks.places import say, start_django
from tests.benchmarks.workload import SEED

if TYPE_CHECKING:
    from django.test import Client

    from labeling.models import User
    from modeljobs.models import ModelJob

SMALL = 10
REPEAT = 5
# A step of an ended item has evidence, and each ended item this many.
STEPS = 4


@dataclass(frozen=True, slots=True)
class Scale:
    """How many items the large job has."""

    items: int


FULL = Scale(100_000)
QUICK = Scale(200)


def measure(size: Scale) -> Iterator[JobFigure]:
    """Seconds to make the job; milliseconds of the list, of its page, and of pausing and resuming
    it, each the best of some.
    """
    start_django()
    from django.core.management import call_command
    from django.test import Client

    from labeling.models import User
    from modeljobs.services.jobs import start
    from tests.benchmarks.people import open_desk

    say(f"{size.items} solutions are brought in …")
    desk = open_desk(size.items, annotators=0)
    lead = User.objects.get(username="lead")
    before, made_small = make_job(desk.project.slug, SMALL)
    seconds, made = make_job(desk.project.slug, size.items)
    yield JobFigure(
        name="job_create_s",
        value=seconds,
        unit="s",
        raw=before,
        more={"items": size.items, "raw_items": SMALL},
    )
    for job in (made_small, made):
        start(job=job, by=lead)
        end_half(job)

    # Pages name their static files by hashes, which stand in a manifest.
    call_command("collectstatic", interactive=False, verbosity=0)
    client = Client(HTTP_HOST="localhost")
    client.force_login(lead)
    small, large = f"/jobs/{made_small.pk}/", f"/jobs/{made.pk}/"

    def time_page(path: str) -> float:
        return find_best(partial(open_page, client, path))

    pages = (
        ("job_list_ms", time_page(f"/projects/{desk.project.slug}/jobs/"), None),
        ("job_page_ms", time_page(large), time_page(small)),
        ("job_items_ms", time_page(f"{large}items/"), time_page(f"{small}items/")),
        (
            "job_pause_resume_ms",
            find_best(partial(rest, made, lead)),
            find_best(partial(rest, made_small, lead)),
        ),
    )
    for name, value, raw in pages:
        yield JobFigure(
            name=name,
            value=value,
            unit="ms",
            raw=raw,
            ratio=value / raw if raw else None,
            more={"items": size.items} | ({"raw_items": SMALL} if raw else {}),
        )


def rest(job: ModelJob, lead: User) -> None:
    """Pause the job and let it go on."""
    from modeljobs.services.jobs import pause, resume

    pause(job=job, by=lead)
    resume(job=job, by=lead)


def make_job(slug: str, items: int) -> tuple[float, ModelJob]:
    """A job over so many solutions, and the seconds that its making took."""
    from labeling.models import Project, User
    from modeljobs.services.engines import ensure_scripted_engine
    from modeljobs.services.jobs import create_job

    began = time.perf_counter()
    job = create_job(
        project=Project.objects.get(slug=slug),
        engine=ensure_scripted_engine(),
        method="genprm",
        parameters={},
        seed=SEED,
        selection={"limit": items},
        by=User.objects.get(username="lead"),
    )
    return time.perf_counter() - began, job


def end_half(job: ModelJob) -> None:
    """Let the first half of the items have ended, with what work leaves behind."""
    from django.utils import timezone

    from labeling.bulk import insert_rows
    from modeljobs.models import JobItem, ModelCall, StepEvidence

    now = timezone.now()
    keys = list(job.items.order_by("pk").values_list("pk", flat=True))
    last = keys[len(keys) // 2]
    ended = JobItem.objects.filter(job=job, pk__lt=last)
    ended.update(
        state=JobItem.State.DONE,
        attempts=1,
        prompt_tokens=900,
        completion_tokens=300,
        started_at=now,
        finished_at=now,
    )
    failed = keys[: len(keys) // 20]
    ended.filter(pk__lte=failed[-1] if failed else 0).update(
        state=JobItem.State.FAILED, reason_code="unparsed", reason="The reply has no verdict."
    )
    gone = [pk for pk in keys if pk < last]
    insert_rows(StepEvidence, EVIDENCE_COLUMNS, list_evidence(gone, now))
    insert_rows(
        ModelCall,
        CALL_COLUMNS,
        ((pk, 1, 0, "analyze", "ok", "stop", 900, 300, 20, {}, "", now) for pk in gone),
    )


EVIDENCE_COLUMNS = ("item", "position", "kind", "summary", "chunk", "created_at")
CALL_COLUMNS = (
    *("item", "attempt", "place", "purpose", "outcome", "finish_reason", "prompt_tokens"),
    *("completion_tokens", "milliseconds", "settings", "chunk", "created_at"),
)


def list_evidence(items: list[int], now: datetime) -> Iterator[tuple[object, ...]]:
    """Rows of evidence, for each step of each item."""
    summary = {"mean": 0.9, "verdict": True, "samples": 1, "yes": 1, "no": 0, "unparsed": 0}
    for pk in items:
        for position in range(STEPS):
            yield (pk, position, "genprm", summary, "", now)


def open_page(client: Client, path: str) -> None:
    """The page, which must be there."""
    response = client.get(path)
    if response.status_code != 200:
        raise RuntimeError(f"{path} answered {response.status_code}.")


def find_best(act: Callable[[], None]) -> float:
    """Milliseconds of the fastest of some runs: others are slowed down by other programs."""
    times = []
    for _ in range(REPEAT):
        began = time.perf_counter()
        act()
        times.append(1000.0 * (time.perf_counter() - began))
    return min(times)
