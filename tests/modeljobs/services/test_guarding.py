from __future__ import annotations

import pytest

from modeljobs.models import JobItem
from modeljobs.services.guarding import tend_guards
from tests.modeljobs.services.test_acceptance import guard, put_reviewed
from tests.modeljobs.worlds import World

pytestmark = pytest.mark.usefixtures("sent")


def test_it_pauses_a_job_whose_injector_people_reject(world: World) -> None:
    job = guard(world.make_job())
    assert tend_guards() == 0
    put_reviewed(job, accepted=0, rejected=5)

    assert tend_guards() == 1

    job.refresh_from_db()
    assert job.state == "paused"
    assert job.note.startswith("People accepted 0 of 5 of class 'deception'")
    assert tend_guards() == 0


def test_jobs_without_a_guard_and_jobs_that_rest_are_left_alone(world: World) -> None:
    plain, draft = world.make_job(), guard(world.draft_job())
    put_reviewed(plain, accepted=0, rejected=9)
    assert tend_guards() == 0
    draft.refresh_from_db()
    assert draft.state == "queued"


def test_a_job_that_is_done_with_its_items_is_not_paused(world: World) -> None:
    job = guard(world.make_job())
    put_reviewed(job, accepted=0, rejected=9)
    JobItem.objects.filter(job=job).update(state="failed")
    assert tend_guards() == 0
