"""Comparisons over REST: made, read, sent to people, and downloaded."""

from __future__ import annotations

import hashlib

import pytest

from labeling.models import Membership, Project, ReviewItem
from modeljobs.models import ConsensusRun, ModelJob
from modeljobs.services.writing_runs import run_writing
from tests.labeling.api.helpers import API, read_error, sign_in
from tests.labeling.factories import join, make_project, make_user
from tests.modeljobs.consensus_rows import (
    add_judgement,
    add_rollouts,
    make_job,
    make_rpe_job,
    make_solutions,
)

RIGHT = ("right", "right", "right")
YES = (True, True, True)


@pytest.fixture
def alice(db):
    return make_user("alice")


@pytest.fixture
def project(alice) -> Project:
    return make_project(alice)


@pytest.fixture
def lead(alice, project):
    return sign_in(alice)


@pytest.fixture
def jobs(project, alice) -> tuple[ModelJob, ModelJob]:
    """Rollouts and a judge of three solutions: one kept, one in dispute, one left open."""
    rpe, judge = make_rpe_job(project, alice), make_job(project, alice, "genprm")
    words = [RIGHT, RIGHT, ("right", "open", "right")]
    verdicts = [YES, (True, True, False), YES]
    for solution, word, verdict in zip(make_solutions(project, 3), words, verdicts, strict=True):
        add_rollouts(rpe, solution, word)
        add_judgement(judge, solution, verdict)
    return rpe, judge


@pytest.fixture
def url(project) -> str:
    return f"{API}/projects/{project.slug}/consensus/"


def request(jobs, **changes):
    return {"rpe_job": jobs[0].pk, "judge_job": jobs[1].pk, **changes}


@pytest.fixture
def made(lead, url, jobs) -> str:
    """The address of a comparison."""
    return f"{API}/consensus/{lead.post(url, request(jobs)).json()['id']}/"


def test_two_jobs_are_compared(lead, url, jobs):
    answer = lead.post(url, request(jobs, vote="majority", scope="prefix", open_steps="label"))
    assert answer.status_code == 201, answer.content
    told = answer.json()
    assert (told["rule"]["vote"], told["rule"]["scope"]) == ("majority", "prefix")
    assert told["report"]["decisions"] == {"disagreement": 1, "kept": 2}
    assert told["created_by"] == "alice"


def test_the_list_and_one_of_them(lead, url, made):
    [listed] = lead.get(url).json()["results"]
    told = lead.get(made).json()
    assert told == listed
    assert told["report"]["funnel"]["given"] == 3


def test_findings_by_decision(lead, made):
    every = lead.get(f"{made}findings/").json()["results"]
    assert [one["decision"] for one in every] == ["kept", "disagreement", "rpe_open"]
    [one] = lead.get(f"{made}findings/", {"decision": "disagreement"}).json()["results"]
    assert one["first_disagreement"] == 2
    assert one["steps"] == [[True, True], [True, True], [True, False]]
    assert one["judge_first_error"] == {"at": 2}
    read_error(lead.get(f"{made}findings/", {"decision": "lost"}), 400, "invalid_input")


def test_a_label_rule_of_its_own(lead, url, jobs):
    answer = lead.post(url, request(jobs, label_rule={"rule": "hard"}))
    assert answer.json()["rule"]["labels"]["rule"] == "hard"
    for wrong in ({"epsilon": 7}, {"espilon": 0.5}, {"rule": "soft"}):
        read_error(lead.post(url, request(jobs, label_rule=wrong)), 400, "invalid_input")


def test_what_cannot_be_compared_is_refused(lead, url, jobs, alice):
    elsewhere = make_rpe_job(make_project(alice, "geometry"), alice)
    for wrong in ({"rpe_job": elsewhere.pk}, {"rpe_job": jobs[1].pk}, {"vote": "most"}):
        read_error(lead.post(url, request(jobs, **wrong)), 400, "invalid_input")
    assert not ConsensusRun.objects.exists()


def test_what_was_dropped_goes_to_people(lead, made):
    answer = lead.post(f"{made}send/", {"decisions": ["disagreement"], "reason": "To be settled."})
    assert answer.json() == {"queued": 1, "moved": 0, "there": 0}
    assert lead.post(f"{made}send/", {}).json() == {"queued": 1, "moved": 0, "there": 1}
    assert ReviewItem.objects.count() == 2
    read_error(lead.post(f"{made}send/", {"decisions": ["kept"]}), 400, "invalid_input")
    read_error(lead.post(f"{made}send/", {"decisions": []}), 400, "invalid_input")


def test_conversations_are_written_and_downloaded(lead, made):
    url = f"{made}conversations/"
    read_error(lead.get(url), 404, "not_found")
    asked = lead.post(url)
    assert asked.status_code == 202
    writing = asked.json()
    assert (writing["state"], writing["done"], writing["total"]) == ("queued", 0, 1)
    assert lead.post(url).json()["id"] == writing["id"]
    run_writing(writing["id"])
    written = lead.get(writing["url"]).json()
    assert (written["state"], written["done"], written["error"]) == ("done", 1, "")
    assert (written["result"], written["file"]) == (made, url)
    told = lead.get(written["result"]).json()["report"]["conversations"]
    assert told["rows"] == 1
    answer = lead.get(url)
    content = answer.getvalue()
    assert hashlib.sha256(content).hexdigest() == told["sha256"]
    assert answer.headers["ETag"] == f'"{told["sha256"]}"'
    assert lead.get(url, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    head = lead.head(url)
    assert (head.status_code, head.headers["ETag"]) == (200, answer.headers["ETag"])


def test_terms_close_the_gate(lead, made, project):
    project.sources.update(redistribution="forbidden")
    read_error(lead.post(f"{made}conversations/"), 409, "conflict")


def test_an_engineer_compares_and_sends_nobody_anything(made, url, jobs, project):
    frank = make_user("frank")
    join(project, frank, Membership.Role.ENGINEER)
    engineer = sign_in(frank)
    assert engineer.post(url, request(jobs)).status_code == 201
    read_error(engineer.post(f"{made}send/", {}), 403, "not_allowed")


def test_an_outsider_learns_nothing(made, project):
    read_error(sign_in(make_user("dave")).get(made), 404, "not_found")
