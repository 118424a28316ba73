"""Model jobs over REST: made, watched, moved, tried again."""

from __future__ import annotations

import pytest

from labeling.models import Membership, Solution
from modeljobs.models import JobItem, ModelJob
from tests.labeling.api.helpers import API, read_error, sign_in
from tests.labeling.factories import join, make_project, make_solution, make_user

State = ModelJob.State


@pytest.fixture
def url(world):
    return f"{API}/projects/{world.project.slug}/jobs/"


@pytest.fixture
def lead(world):
    return sign_in(world.alice)


@pytest.fixture
def engineer(world):
    frank = make_user("frank")
    join(world.project, frank, Membership.Role.ENGINEER)
    return sign_in(frank)


def request(world, **changes):
    return {
        "method": "injection",
        "engine": world.engine.pk,
        "parameters": {"error_types": ["deception"]},
        "seed": 7,
        "selection": {"solution_ids": [solution.pk for solution in world.solutions]},
        **changes,
    }


def test_a_job_is_made_and_started(world, url, lead, sent, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        answer = lead.post(url, request(world))
    assert answer.status_code == 201, answer.content
    assert answer.json()["state"] == "running"
    assert answer.json()["is_scripted"] is True
    assert answer.json()["parameters"]["error_types"] == ["deception"]
    job = ModelJob.objects.get()
    assert job.items.count() == 3
    assert sent == [(job.pk, 1)]


def test_a_job_that_is_to_wait(world, url, lead, sent, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        answer = lead.post(url, request(world, start=False))
    assert answer.json()["state"] == "queued"
    assert sent == []
    job = answer.json()["id"]
    assert lead.post(f"{API}/jobs/{job}/start/").json()["state"] == "running"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"method": "magic"}, "method"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"parameters": []}, "parameters"),
        ({"selection": {"limit": 0}}, "selection.limit"),
        ({"selection": {"solution_ids": []}}, "selection.solution_ids"),
        ({"selection": {"solution_ids": ["x"]}}, "selection.solution_ids[0]"),
        ({"selection": {"source": "nowhere"}}, "source"),
        ({"selection": {"colour": "red"}}, "selection.colour"),
        ({"selection": {"solution_ids": [10**9]}}, "solution_ids"),
    ],
)
def test_jobs_that_are_not_made(world, url, lead, changes, field):
    error = read_error(lead.post(url, request(world, **changes)), 400, "invalid_input")
    assert error["detail"]["field"] == field
    assert not ModelJob.objects.exists()


def test_parameters_with_every_fault_named(world, url, lead):
    answer = lead.post(url, request(world, parameters={"error_types": ["none"], "colour": "red"}))
    error = read_error(answer, 400, "invalid_input")
    assert set(error["detail"]["problems"]) == {"error_types", "colour"}


def test_an_engine_that_is_not_there_or_switched_off(world, url, lead):
    read_error(lead.post(url, request(world, engine=10**9)), 404, "not_found")
    world.engine.is_active = False
    world.engine.save()
    error = read_error(lead.post(url, request(world)), 400, "invalid_input")
    assert error["detail"]["field"] == "engine"


def test_another_projects_solutions_are_not_taken(world, url, lead):
    foreign = make_solution(make_project(make_user("zoe"), slug="geometry"))
    body = request(world, selection={"solution_ids": [foreign.pk]})
    read_error(lead.post(url, body), 400, "invalid_input")
    assert not JobItem.objects.filter(solution=foreign).exists()


def test_jobs_are_listed_with_their_counts(world, url, engineer):
    first, second = world.make_job(), world.draft_job()
    first.items.filter(pk=first.items.first().pk).update(state=JobItem.State.DONE)
    rows = engineer.get(url).json()["results"]
    assert [row["job"]["id"] for row in rows] == [second.pk, first.pk]
    assert rows[1]["counts"] == {"done": 1, "pending": 2}
    assert (rows[1]["finished"], rows[1]["total"]) == (1, 3)


def test_a_job_at_this_moment(world, engineer):
    job = world.make_job()
    item = job.items.first()
    JobItem.objects.filter(pk=item.pk).update(
        state=JobItem.State.FAILED, reason_code="unparsed", reason="No JSON in the reply."
    )
    answer = engineer.get(f"{API}/jobs/{job.pk}/").json()
    assert answer["counts"] == {"failed": 1, "pending": 2}
    assert answer["failures"] == [
        {
            "state": "failed",
            "reason_code": "unparsed",
            "count": 1,
            "example": "No JSON in the reply.",
        }
    ]
    # Nothing was finished lately: no speed and no end in sight, rather than 0.
    assert answer["speed"]["items_per_s"] is None
    assert answer["eta_s"] is None
    assert answer["is_worker_alive"] is False
    [row] = answer["funnel"]
    assert (row["unit"], row["items"], row["accepted"]) == ("deception", 3, 0)


def test_pause_resume_cancel(world, lead, sent):
    job = world.make_job()
    url = f"{API}/jobs/{job.pk}/"
    assert lead.post(f"{url}pause/").json()["state"] == "paused"
    error = read_error(lead.post(f"{url}pause/"), 409, "conflict")
    assert error["detail"]["state"] == "paused"
    assert lead.post(f"{url}resume/").json()["state"] == "running"
    assert lead.post(f"{url}cancel/").json()["state"] == "cancelled"
    read_error(lead.post(f"{url}resume/"), 409, "conflict")


def test_failed_items_are_tried_again(world, lead, sent):
    job = world.make_job()
    job.items.update(state=JobItem.State.FAILED, reason_code="unparsed", reason="x")
    url = f"{API}/jobs/{job.pk}/retry/"
    read_error(lead.post(url, {"reason_code": "other"}), 400, "invalid_input")
    answer = lead.post(url, {"reason_code": "unparsed"})
    assert answer.status_code == 200
    assert answer.json()["items"] == 3
    assert job.items.filter(state=JobItem.State.PENDING).count() == 3
    # Nothing is left to try.
    read_error(lead.post(url), 400, "invalid_input")


def test_engineers_watch_and_do_not_touch(world, url, engineer):
    job = world.make_job()
    read_error(engineer.post(url, request(world)), 403, "not_allowed")
    for verb in ("start", "pause", "resume", "cancel", "retry"):
        read_error(engineer.post(f"{API}/jobs/{job.pk}/{verb}/"), 403, "not_allowed")
    job.refresh_from_db()
    assert job.state == State.RUNNING


def test_another_projects_job_is_not_there(world, lead):
    zoe = make_user("zoe")
    project = make_project(zoe, slug="geometry")
    solution = make_solution(project)
    job = world.draft_job(project=project, by=zoe, selection={"solution_ids": [solution.pk]})
    for address in (f"{API}/jobs/{job.pk}/", f"{API}/jobs/10000000/"):
        read_error(lead.get(address), 404, "not_found")
    read_error(lead.post(f"{API}/jobs/{job.pk}/cancel/"), 404, "not_found")
    assert Solution.objects.filter(project=project).count() == 1
