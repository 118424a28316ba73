"""Labels by rollouts, frozen readings, doubts and evidence over REST."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
import pytest
from django.urls import reverse

from labeling.models import ApiToken
from modeljobs.methods.rpe_labels import LabelRule
from modeljobs.models import LabelReading, ModelJob
from modeljobs.readings import find_rule
from modeljobs.services.writing_runs import run_writing
from tests.labeling.api.helpers import sign_in, with_token
from tests.labeling.factories import join, make_user
from tests.modeljobs import writing_now
from tests.modeljobs.counting import (
    BROKEN,
    SOUND,
    UNSURE,
    add_doubt,
    add_evidence_of,
    add_scores,
    add_writing,
    count_job,
)
from tests.modeljobs.worlds import World


@pytest.fixture
def job(world: World) -> ModelJob:
    return count_job(world.project, world.alice, world.solutions, [SOUND, BROKEN, UNSURE])


@pytest.fixture
def client(world: World) -> Any:
    return sign_in(world.alice)


def url(name: str, *args: object) -> str:
    return reverse(f"api:{name}", args=args)


# --- Labels ---------------------------------------------------------------------------------------


def test_the_rule_in_force_and_its_figures(client, job):
    found = client.get(url("job-labels", job.pk)).json()
    assert found["rule"]["rule"] == "ratio"
    assert found["is_in_force"] is True
    assert found["tally"]["states"]["open"] == 1
    assert found["open_solutions"] == 1
    assert found["open_items"][0]["solution"] == job.items.order_by("pk")[2].solution_id


def test_a_preview_says_what_would_change(client, job):
    answer = client.post(url("job-labels-preview", job.pk), data={"rule": {"rule": "hard"}})
    found = answer.json()
    assert answer.status_code == 200
    assert found["flipped"] == 2
    assert {"before": "open", "after": "correct", "steps": 1} in found["flips"]
    assert ModelJob.objects.get(pk=job.pk).label_rule == {}


def test_a_rule_is_put_in_force_and_taken_back(client, job):
    answer = client.put(url("job-labels", job.pk), data={"rule": {"epsilon": 0.5}})
    assert answer.status_code == 200
    assert answer.json()["in_force"]["epsilon"] == 0.5
    assert find_rule(ModelJob.objects.get(pk=job.pk)).epsilon == 0.5
    client.put(url("job-labels", job.pk), data={"rule": None})
    assert ModelJob.objects.get(pk=job.pk).label_rule == {}


@pytest.mark.parametrize(
    "rule", [{"epsilon": 2}, {"rule": "harsh"}, {"epsilom": 0.5}, {"band_low": 0.9, "band_high": 0}]
)
def test_a_rule_that_is_none_is_refused(rule, client, job):
    answer = client.put(url("job-labels", job.pk), data={"rule": rule})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_input"


def test_open_steps_go_to_people(client, job):
    answer = client.post(url("job-labels-send", job.pk), data={})
    assert answer.json() == {"queued": 1, "moved": 0, "there": 0}


def test_a_job_of_another_method_has_no_labels(client, world):
    assert client.get(url("job-labels", world.draft_job().pk)).status_code == 404


# --- Readings -------------------------------------------------------------------------------------


def test_labels_are_frozen_listed_and_downloaded(client, job):
    asked = client.post(url("job-readings", job.pk), data={"note": "One."})
    assert asked.status_code == 202
    writing = asked.json()
    assert asked["Location"] == writing["url"] == url("writing", writing["id"])
    assert (writing["job"], writing["consensus"]) == (job.pk, None)
    assert (writing["state"], writing["done"], writing["total"]) == ("queued", 0, 3)
    assert writing["result"] is writing["file"] is None
    assert run_writing(writing["id"])
    writing = client.get(writing["url"]).json()
    assert (writing["state"], writing["done"], writing["total"]) == ("done", 3, 3)
    assert writing["file"] == url("job-reading-file", job.pk, 1)
    reading = client.get(writing["result"]).json()
    assert (reading["number"], reading["note"]) == (1, "One.")
    assert reading["formats"] == ["native", "trl", "math_shepherd", "processbench"]
    assert reading["counts"]["provenance"]["mc_s1_of"] == "completer"
    [listed] = client.get(url("job-readings", job.pk)).json()["results"]
    assert listed == client.get(url("job-reading", job.pk, 1)).json() == reading
    file = client.get(url("job-reading-file", job.pk, 1))
    data = b"".join(file.streaming_content)
    assert hashlib.sha256(data).hexdigest() == reading["sha256"]
    assert file["ETag"] == f'"{reading["sha256"]}"'
    known = client.get(url("job-reading-file", job.pk, 1), headers={"If-None-Match": file["ETag"]})
    assert known.status_code == 304


def test_the_same_request_sent_twice_is_one_writing(client, job):
    first, second = (client.post(url("job-readings", job.pk), data={}) for _ in range(2))
    assert first.json()["id"] == second.json()["id"]
    other = client.post(url("job-readings", job.pk), data={"rule": {"rule": "hard"}})
    assert other.status_code == 409
    assert other.json()["error"]["detail"]["writing"] == first.json()["id"]


def test_why_a_file_was_not_written_is_told(client, job):
    writing = add_writing(job, state="failed", error="No space left on device.")
    told = client.get(url("writing", writing.pk)).json()
    assert (told["state"], told["error"]) == ("failed", "No space left on device.")
    assert told["result"] is told["file"] is None


def freeze(job: ModelJob, rule: LabelRule | None = None) -> None:
    writing_now.freeze(job=job, rule=rule or LabelRule(), by=job.created_by)


def test_another_format_has_another_etag(client, job):
    freeze(job)
    address = url("job-reading-file", job.pk, 1)
    trl = client.get(address, {"file_format": "trl", "unjudged": "skip"})
    rows = [orjson.loads(line) for line in b"".join(trl.streaming_content).splitlines()]
    assert sorted(row["labels"] for row in rows) == [[False, False], [True, True]]
    native = client.get(address)
    native.getvalue()
    assert trl["ETag"] != native["ETag"]


def test_soft_labels_are_offered_where_they_can_be_said(client, job):
    freeze(job, LabelRule(kind="soft"))
    made = client.get(url("job-reading", job.pk, 1)).json()
    assert made["formats"] == ["native", "trl"]
    answer = client.get(url("job-reading-file", job.pk, 1), {"file_format": "processbench"})
    assert answer.status_code == 400


def test_what_may_not_go_out_is_refused_with_a_sentence(client, job):
    job.engine.output_may_train = False
    job.engine.save()
    answer = client.post(url("job-readings", job.pk), data={})
    assert answer.status_code == 409
    assert "do not allow training" in answer.json()["error"]["message"]
    assert not LabelReading.objects.exists()


def test_there_is_no_reading_that_was_not_frozen(client, job):
    assert client.get(url("job-reading", job.pk, 1)).status_code == 404
    assert client.get(url("job-reading-file", job.pk, 1)).status_code == 404


def test_a_token_of_exports_downloads_and_no_other(client, job, world):
    freeze(job)
    address = url("job-reading-file", job.pk, 1)
    answer = with_token(world.alice, ApiToken.Scope.EXPORT).get(address)
    assert answer.status_code == 200
    answer.getvalue()
    assert with_token(world.alice, ApiToken.Scope.READ).get(address).status_code == 403


# --- Doubts ---------------------------------------------------------------------------------------


def test_doubts_are_listed_decided_and_reopened(client, world):
    doubt = add_doubt(world.solutions[0].problem)
    add_doubt(world.solutions[1].problem, state="stands")
    listed = client.get(url("doubts", world.project.slug), {"state": "open"}).json()["results"]
    assert [row["id"] for row in listed] == [doubt.pk]
    assert (listed[0]["reference"], listed[0]["answer"]) == ("4", "5")
    answer = client.post(
        url("doubt-decide", doubt.pk), data={"state": "wrong", "corrected_answer": "5"}
    )
    assert answer.json()["state"] == "wrong"
    assert answer.json()["decided_by"] == "alice"
    again = client.post(url("doubt-decide", doubt.pk), data={"state": "stands"})
    assert again.status_code == 409
    assert client.post(url("doubt-reopen", doubt.pk)).json()["corrected_answer"] == ""
    assert client.get(url("doubt", doubt.pk)).json()["state"] == "open"


# --- Evidence -------------------------------------------------------------------------------------


def test_evidence_of_rollouts(client, job):
    item = job.items.order_by("pk")[1]
    add_evidence_of(item, BROKEN)
    start, first, last = client.get(url("job-item-evidence", item.pk)).json()["results"]
    assert start["rollouts"]["is_start"] is True
    assert start["rollouts"]["point"]["state"] == ""
    assert first["rollouts"]["mc"] == 0.0625
    assert first["rollouts"]["counts"]["wrong"] == 60
    assert first["rollouts"]["point"]["state"] == "wrong"
    assert first["rollouts"]["point"]["progress"] == pytest.approx(1 / 12)
    assert first["summary"] is None
    assert len(first["rollouts"]["samples"]) == 12
    assert last["rollouts"]["is_exact"] is True
    assert last["rollouts"]["low"] is None


def test_infinite_progress_is_no_number(client, world):
    """Something after nothing: JSON knows no infinity."""
    job = count_job(world.project, world.alice, world.solutions[:1], [((0, 8), (4, 4), (1, 0))])
    job.label_rule = {"rule": "ratio", "start_zero": "use"}
    job.save()
    item = job.items.get()
    add_evidence_of(item, ((0, 8), (4, 4), (1, 0)))
    answer = client.get(url("job-item-evidence", item.pk))
    assert answer.json()["results"][1]["rollouts"]["point"]["progress"] is None


def test_scores_of_a_prm(client, job):
    item = job.items.order_by("pk")[0]
    add_scores(item, 0, texts=["Because."])
    [found] = client.get(url("job-item-evidence", item.pk)).json()["results"]
    assert found["scores"]["verdict"] is False
    assert found["scores"]["token"] == 41
    assert [score["name"] for score in found["scores"]["scores"]] == ["validity", "redundancy"]
    assert found["scores"]["texts"] == ["Because."]


def test_a_reviewer_opens_one_step_and_sees_no_other(world, job):
    from labeling.services.assignments import claim_item
    from tests.labeling.factories import enqueue

    item = job.items.order_by("pk")[1]
    add_evidence_of(item, BROKEN)
    world.project.machine_evidence = "always"
    world.project.show_reference_answer = False
    world.project.save()
    bob = make_user("bob")
    join(world.project, bob, "annotator")
    held = claim_item(user=bob, item=enqueue(item.solution))
    mine = sign_in(bob)
    [opened] = mine.post(url("assignment-evidence", held.pk), data={"position": 1}).json()[
        "results"
    ]
    assert opened["position"] == 1
    assert opened["rollouts"]["hides_answers"] is True
    assert opened["rollouts"]["answers"] == opened["rollouts"]["samples"] == []
    seen = mine.get(url("job-item-evidence", item.pk)).json()["results"]
    assert [row["position"] for row in seen] == [1]
    assert seen[0]["rollouts"]["hides_answers"] is True
