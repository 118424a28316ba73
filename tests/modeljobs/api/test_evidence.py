"""Evidence and runs of code over REST."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from labeling.models import Exposure, Membership, ReviewItem, User
from labeling.services.assignments import claim_item
from modeljobs.models import CodeTrial, JobItem
from modeljobs.services import trials as service
from tests.labeling.api.helpers import API, read_error, sign_in
from tests.labeling.factories import enqueue, join, make_user
from tests.modeljobs.web.rows import add_evidence, add_trial, make_job, make_sample
from tests.modeljobs.worlds import World


@pytest.fixture(autouse=True)
def posted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sent: list[int] = []
    monkeypatch.setattr(service, "_send", sent.append)
    return sent


@pytest.fixture
def item(world: World) -> JobItem:
    found = make_job(world.project, world.alice, world.solutions[:1]).items.get()
    add_evidence(found, 0, [make_sample(0, 0.9), make_sample(1, None)])
    add_evidence(found, 1, [make_sample(0, 0.1, bound="at_most")])
    return found


@pytest.fixture
def lead(world: World) -> APIClient:
    return sign_in(world.alice)


@pytest.fixture
def bob(world: World) -> User:
    user = make_user("bob")
    join(world.project, user, Membership.Role.ANNOTATOR)
    return user


def evidence_url(item: JobItem) -> str:
    return f"{API}/job-items/{item.pk}/evidence/"


def trials_url(item: JobItem) -> str:
    return f"{API}/job-items/{item.pk}/trials/"


# --- Items ----------------------------------------------------------------------------------------


def test_the_items_of_a_job(lead: APIClient, item: JobItem):
    answer = lead.get(f"{API}/jobs/{item.job_id}/items/")
    assert answer.status_code == 200, answer.content
    [row] = answer.json()["results"]
    assert (row["id"], row["solution"], row["state"]) == (item.pk, item.solution_id, "done")
    assert (row["steps"], row["steps_checked"]) == (2, 2)


def test_items_by_state(lead: APIClient, item: JobItem):
    url = f"{API}/jobs/{item.job_id}/items/"
    assert lead.get(url, {"state": "failed"}).json()["results"] == []
    assert len(lead.get(url, {"state": "done"}).json()["results"]) == 1
    read_error(lead.get(url, {"state": "odd"}), 400, "invalid_input")


# --- Evidence -------------------------------------------------------------------------------------


def test_it_works(lead: APIClient, item: JobItem, world: World):
    add_trial(item, world.alice)
    first, second = lead.get(evidence_url(item)).json()["results"]
    assert (first["kind"], first["position"], second["position"]) == ("genprm", 0, 1)
    assert first["source"] == {
        "item": item.pk,
        "job": item.job_id,
        "method": "genprm",
        "engine": "scripted engine",
        "model": "",
        "is_scripted": True,
        "is_tiny": False,
    }
    summary = first["summary"]
    assert (summary["mean"], summary["verdict"], summary["majority"]) == (0.9, True, True)
    assert (summary["yes"], summary["no"], summary["unparsed"]) == (1, 0, 1)
    assert summary["unparsed_reasons"] == {"no_decision": 1}
    one, other = first["samples"]
    assert (one["verdict"], one["p_yes"], one["bound"]) == ("yes", 0.9, "exact")
    assert one["blocks"][0]["output"] == "4"
    # What is unknown is null, and says why.
    assert (other["verdict"], other["p_yes"]) == (None, None)
    assert other["unparsed"] == "There is no decision in the reply."
    assert [trial["output"] for trial in first["trials"]] == ["5"]
    assert second["samples"][0]["bound"] == "at_most"


def test_one_step(lead: APIClient, item: JobItem):
    [only] = lead.get(evidence_url(item), {"position": 1}).json()["results"]
    assert only["position"] == 1
    read_error(lead.get(evidence_url(item), {"position": -1}), 400, "invalid_input")
    read_error(lead.get(evidence_url(item), {"colour": "red"}), 400, "invalid_input")


def test_texts_that_are_gone_leave_the_figures(lead: APIClient, item: JobItem):
    item.evidence.update(chunk="")
    first, _second = lead.get(evidence_url(item)).json()["results"]
    assert first["summary"]["mean"] == 0.9
    assert first["samples"] == []
    assert "older than texts are kept" in first["missing"]


def test_an_outsider_learns_nothing(item: JobItem):
    dave = sign_in(make_user("dave"))
    read_error(dave.get(evidence_url(item)), 404, "not_found")
    read_error(dave.get(f"{API}/job-items/999999/evidence/"), 404, "not_found")


# --- A reviewer opens it --------------------------------------------------------------------------


def test_a_reviewer_opens_step_by_step(bob: User, item: JobItem, world: World):
    world.project.machine_evidence = "always"
    world.project.save()
    enqueue(item.solution)
    held = claim_item(user=bob, item=ReviewItem.objects.get())
    client = sign_in(bob)
    read_error(client.get(evidence_url(item)), 403, "not_allowed")
    answer = client.post(f"{API}/assignments/{held.pk}/evidence/", {"position": 1})
    assert answer.status_code == 200, answer.content
    assert [row["position"] for row in answer.json()["results"]] == [1]
    exposure = Exposure.objects.get(what="machine")
    assert (exposure.person, exposure.detail["position"]) == (bob, 1)
    # What was opened can be read again, and nothing else.
    assert [row["position"] for row in client.get(evidence_url(item)).json()["results"]] == [1]
    sealed = {"position": 0, "code": "print(1)"}
    read_error(client.post(trials_url(item), sealed), 403, "not_allowed")
    opened = {"position": 1, "code": "print(1)"}
    assert client.post(trials_url(item), opened).status_code == 201


def test_sealed_evidence_says_what_opens_it(bob: User, item: JobItem, world: World):
    enqueue(item.solution)
    held = claim_item(user=bob, item=ReviewItem.objects.get())
    answer = sign_in(bob).post(f"{API}/assignments/{held.pk}/evidence/", {"position": 0})
    error = read_error(answer, 409, "sealed")
    assert error["message"] == "Machine evidence opens after you submit."
    assert not Exposure.objects.filter(what="machine").exists()


# --- Runs of code ---------------------------------------------------------------------------------


def new_trial(**changes: Any) -> dict[str, Any]:
    return {"position": 0, "sample": 0, "block": 0, "code": "print(2 + 3)\n", **changes}


def test_code_is_run_again(
    lead: APIClient,
    item: JobItem,
    posted: list[int],
    django_capture_on_commit_callbacks: Any,
):
    with django_capture_on_commit_callbacks(execute=True):
        answer = lead.post(trials_url(item), new_trial())
    assert answer.status_code == 201, answer.content
    trial = answer.json()
    # Space at either end is the code's own.
    assert (trial["state"], trial["author"], trial["code"]) == (
        "queued",
        "alice",
        "print(2 + 3)\n",
    )
    assert posted == [trial["id"]]
    CodeTrial.objects.update(state="done", status="ok", output="5")
    again = lead.get(f"{API}/code-trials/{trial['id']}/").json()
    assert (again["state"], again["output"]) == ("done", "5")
    assert [row["id"] for row in lead.get(trials_url(item)).json()["results"]] == [trial["id"]]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"code": ""}, "code"),
        ({"code": "x" * 20_001}, "code"),
        ({"position": 7}, "position"),
        ({"sample": 7}, "sample"),
        ({"block": 7}, "block"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_runs_that_are_not_made(changes, field, lead: APIClient, item: JobItem):
    error = read_error(lead.post(trials_url(item), new_trial(**changes)), 400, "invalid_input")
    assert error["detail"]["field"] == field
    assert not CodeTrial.objects.exists()


def test_too_many_say_when_to_come_back(lead: APIClient, item: JobItem, world: World):
    for seconds in range(10):
        add_trial(item, world.alice, created_at=timezone.now() - timedelta(seconds=seconds))
    answer = lead.post(trials_url(item), new_trial())
    error = read_error(answer, 429, "too_many_trials")
    assert 1 <= error["detail"]["retry_after"] <= 60
    assert answer.headers["Retry-After"] == str(error["detail"]["retry_after"])


def test_a_run_of_somebody_elses_project(item: JobItem, world: World):
    trial = add_trial(item, world.alice)
    dave = sign_in(make_user("dave"))
    read_error(dave.get(f"{API}/code-trials/{trial.pk}/"), 404, "not_found")
    read_error(dave.get(f"{API}/code-trials/999999/"), 404, "not_found")


def test_the_analysis_goes_with_the_code(lead: APIClient, item: JobItem):
    body = {"position": 0, "code": "print(1)", "analysis": "It is 5."}
    said = lead.post(trials_url(item), body).json()
    assert (said["state"], said["analysis"]) == ("queued", "It is 5.")


def test_the_analysis_alone_is_kept(lead: APIClient, item: JobItem, posted: list[int]):
    said = lead.post(trials_url(item), {"position": 0, "analysis": "It is 5."}).json()
    assert (said["state"], said["status"], said["analysis"]) == ("done", "not_run", "It is 5.")
    assert posted == []
    answer = lead.post(trials_url(item), {"position": 0})
    read_error(answer, 400, "invalid_input")
