"""A reviewer's work over REST: claim, draft, heartbeat, reveal, submit, skip."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from labeling.models import AnnotationRevision, Assignment, Draft, Exposure, ReviewItem
from labeling.services.assignments import expire_leases
from tests.labeling.api.helpers import API, RIGHT, WRONG, new_key, read_error, sign_in
from tests.labeling.factories import (
    enqueue,
    make_injection_item,
    make_items,
    make_solution,
    rating,
    verdict,
)
from workbench.api.schema import build_schema


class Desk:
    """Bob at work on one assignment: requests as his page sends them."""

    def __init__(self, client, workspace):
        self.client = client
        self.workspace = workspace
        self.urls = workspace["urls"]
        self.token = workspace["assignment"]["lease_token"]

    def save(self, version, content, **more):
        body = {"lease_token": self.token, "version": version, "content": content, **more}
        return self.client.put(self.urls["draft"], body)

    def submit(self, content, version=0, **more):
        body = {
            "lease_token": self.token,
            "version": version,
            "idempotency_key": new_key(),
            "content": content,
            "active_ms": 1234,
            **more,
        }
        return self.client.post(self.urls["submit"], body)

    def post(self, name, **body):
        return self.client.post(self.urls[name], {"lease_token": self.token, **body})


def sit_down(person, project) -> Desk:
    client = sign_in(person)
    answer = client.post(f"{API}/projects/{project.slug}/assignments/claim/")
    assert answer.status_code == 200, answer.content
    return Desk(client, answer.json())


def end_lease(desk):
    Assignment.objects.filter(pk=desk.workspace["assignment"]["id"]).update(
        lease_expires_at=timezone.now() - timedelta(seconds=1)
    )


@pytest.fixture
def desk(project, bob):
    make_items(project, 2)
    return sit_down(bob, project)


@pytest.fixture
def sealed(project, bob):
    make_injection_item(project)
    return sit_down(bob, project)


def test_a_claim_gives_all_that_the_page_needs(desk):
    workspace = desk.workspace
    assert workspace["assignment"]["task"] == "rate_steps"
    assert workspace["assignment"]["state"] == "open"
    assert workspace["problem"]["text"] == "What is $2+2$?"
    assert workspace["problem"]["reference_answer"] == "4"
    assert [step["number"] for step in workspace["steps"]] == [1, 2, 3]
    assert workspace["draft"] == {"version": 0, "content": {}}
    assert workspace["injection"] is None
    assert workspace["evidence"] == "sealed"
    assert workspace["project"]["asks_error_types"] is True
    assert "deception" in {kind["code"] for kind in workspace["error_types"]}


def list_fields(value):
    """The names in a document, those of objects inside it too."""
    if isinstance(value, list):
        return list_fields(value[0]) if value else None
    if isinstance(value, dict):
        return {name: list_fields(inner) for name, inner in value.items()}
    return None


def list_described(schema, name):
    """The names that the schema describes, of objects inside the object too."""
    described = {}
    for field, part in schema["components"]["schemas"][name]["properties"].items():
        inner = next(iter(part.get("oneOf", part.get("allOf", [part]))))
        inner = inner.get("items", inner)
        reference = inner.get("$ref", "").rpartition("/")[2]
        known = "properties" in schema["components"]["schemas"].get(reference, {})
        described[field] = list_described(schema, reference) if known else None
    return described


def test_a_workspace_is_what_the_schema_says(sealed):
    sealed.post("reveal", blind_first_error={"at": 1})
    url = f"{API}/assignments/{sealed.workspace['assignment']['id']}/"
    described = list_described(build_schema(), "Workspace")
    given = list_fields(sealed.client.get(url).json())
    for document in (described, given):
        # What a person wrote or said has a shape of its own.
        document["injection"]["blind_first_error"] = document["draft"]["content"] = None
        document["injection"]["claim"]["lints"] = None
    assert given == described


def test_claiming_again_gives_the_same(desk, project, bob):
    assert sit_down(bob, project).workspace["assignment"] == desk.workspace["assignment"]


def test_nothing_waits(project, bob):
    answer = sign_in(bob).post(f"{API}/projects/{project.slug}/assignments/claim/")
    assert answer.status_code == 204
    assert answer.content == b""


def test_what_is_hidden_does_not_reach_the_page(project, bob):
    project.show_reference_answer = False
    project.save()
    make_items(project, 1)
    assert sit_down(bob, project).workspace["problem"]["reference_answer"] is None


def test_a_workspace_is_its_owners(desk, erin, alice):
    url = f"{API}/assignments/{desk.workspace['assignment']['id']}/"
    assert desk.client.get(url).json()["assignment"] == desk.workspace["assignment"]
    for person in (erin, alice):
        read_error(sign_in(person).get(url), 404, "not_found")


def test_reading_does_not_extend_the_lease(desk):
    url = f"{API}/assignments/{desk.workspace['assignment']['id']}/"
    before = Assignment.objects.get().lease_expires_at
    desk.client.get(url)
    assert Assignment.objects.get().lease_expires_at == before


# --- Drafts ---------------------------------------------------------------------------------------


def test_drafts_are_versions(desk):
    first = desk.save(0, {"note": "a"})
    assert first.status_code == 200
    assert first.json()["version"] == 1
    assert first.json()["saved_at"]
    assert desk.save(1, {"note": "b"}).json()["version"] == 2
    url = f"{API}/assignments/{desk.workspace['assignment']['id']}/"
    assert desk.client.get(url).json()["draft"] == {"version": 2, "content": {"note": "b"}}


def test_a_stale_draft_is_answered_with_what_is_stored(desk):
    desk.save(0, {"note": "theirs"})
    error = read_error(desk.save(0, {"note": "ours"}), 409, "stale_draft")
    assert error["detail"]["version"] == 1
    assert error["detail"]["content"] == {"note": "theirs"}
    assert error["detail"]["saved_at"]
    assert Draft.objects.get().content == {"note": "theirs"}


def test_a_draft_under_a_lost_lease(desk):
    end_lease(desk)
    error = read_error(desk.save(0, {}), 409, "lease_lost")
    assert error["detail"]["state"] == "expired"
    assert error["detail"]["ended_at"]


def test_a_draft_under_another_token(desk):
    desk.token = str(uuid.uuid4())
    read_error(desk.save(0, {}), 409, "lease_lost")


@pytest.mark.parametrize(
    ("field", "value"),
    [("content", []), ("content", "x"), ("version", -1), ("version", "x"), ("lease_token", "x")],
)
def test_drafts_of_the_wrong_shape(desk, field, value):
    body = {"lease_token": desk.token, "version": 0, "content": {}, field: value}
    error = read_error(desk.client.put(desk.urls["draft"], body), 400, "invalid_input")
    assert error["detail"]["field"] == field


def test_a_draft_that_is_too_large(desk):
    error = read_error(desk.save(0, {"note": "x" * 2_000_001}), 400, "invalid_input")
    assert error["detail"]["field"] == "content"


# --- Lease ----------------------------------------------------------------------------------------


def test_a_heartbeat_extends_the_lease(desk):
    Assignment.objects.update(lease_expires_at=timezone.now() + timedelta(seconds=5))
    answer = desk.post("heartbeat")
    assert answer.status_code == 200
    [assignment] = Assignment.objects.all()
    assert assignment.lease_expires_at > timezone.now() + timedelta(minutes=50)
    assert answer.json() == {
        "lease_expires_at": assignment.lease_expires_at.isoformat().replace("+00:00", "Z")
    }


def test_a_heartbeat_too_late(desk):
    end_lease(desk)
    read_error(desk.post("heartbeat"), 409, "lease_lost")


def test_an_item_is_taken_again_with_its_draft(desk, bob):
    desk.save(0, {"note": "half-way"})
    end_lease(desk)
    expire_leases()
    item = desk.workspace["assignment"]["item"]
    answer = sign_in(bob).post(f"{API}/items/{item}/claim/")
    assert answer.status_code == 200
    assert answer.json()["assignment"]["item"] == item
    assert answer.json()["draft"]["content"] == {"note": "half-way"}
    assert answer.json()["assignment"]["lease_token"] != desk.token


def test_an_item_that_somebody_else_has_now(project, bob, erin):
    make_items(project, 1, overlap=1)
    desk = sit_down(bob, project)
    end_lease(desk)
    expire_leases()
    sit_down(erin, project)
    item = desk.workspace["assignment"]["item"]
    read_error(sign_in(bob).post(f"{API}/items/{item}/claim/"), 409, "lease_lost")


def test_nobody_picks_an_item_they_never_had(project, bob, alice):
    [item] = make_items(project, 1)
    for person in (bob, alice):
        read_error(sign_in(person).post(f"{API}/items/{item.pk}/claim/"), 404, "not_found")
    assert not Assignment.objects.exists()


# --- Submitting -----------------------------------------------------------------------------------


def test_submitting_freezes_a_revision(desk, bob):
    answer = desk.submit(rating(*RIGHT))
    assert answer.status_code == 201
    [revision] = AnnotationRevision.objects.all()
    assert answer.json() == {
        "annotation_id": revision.annotation_id,
        "revision": 1,
        "next_url": "/projects/algebra/work/",
    }
    assert revision.author == bob
    assert revision.active_ms == 1234


def test_pressed_twice_it_is_one_submission(desk):
    key = new_key()
    first = desk.submit(rating(*RIGHT), idempotency_key=key)
    second = desk.submit(rating(*RIGHT), idempotency_key=key)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert AnnotationRevision.objects.count() == 1


def test_what_is_missing_is_named_step_by_step(desk):
    error = read_error(desk.submit(rating("correct", None, None)), 400, "incomplete")
    assert error["detail"]["positions"] == [1, 2]
    assert error["detail"]["gaps"][0] == {
        "field": "steps[1]",
        "message": "Step 2 is not judged yet.",
        "position": 1,
    }
    assert error["message"] == "Step 2 is not judged yet."
    assert not AnnotationRevision.objects.exists()


def test_another_window_has_a_newer_draft(desk):
    desk.save(0, rating(*WRONG))
    error = read_error(desk.submit(rating(*RIGHT), version=0), 409, "stale_draft")
    assert error["detail"]["content"] == rating(*WRONG)
    assert not AnnotationRevision.objects.exists()
    assert desk.submit(rating(*RIGHT), version=1).status_code == 201


def test_a_retry_after_the_draft_is_gone(desk):
    desk.save(0, rating(*RIGHT))
    key = new_key()
    assert desk.submit(rating(*RIGHT), version=1, idempotency_key=key).status_code == 201
    assert desk.submit(rating(*RIGHT), version=1, idempotency_key=key).status_code == 201


def test_a_script_that_keeps_no_drafts(desk):
    assert desk.submit(rating(*RIGHT), version=None).status_code == 201


def test_a_submission_too_late(desk):
    end_lease(desk)
    error = read_error(desk.submit(rating(*RIGHT)), 409, "lease_lost")
    assert error["detail"]["state"] == "expired"


def test_a_submission_of_the_other_task(desk):
    error = read_error(desk.submit(verdict()), 400, "invalid_input")
    assert error["detail"]["field"] == "task"


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"task": "rate_steps", "steps": {}},
        {"task": "rate_steps", "steps": [{"position": 9, "validity": "wrong"}]},
        {"task": "rate_steps", "steps": [{"position": 0, "validity": "odd"}]},
        {"task": "rate_steps", "schema": 99},
    ],
)
def test_documents_that_say_nothing(desk, content):
    read_error(desk.submit(content), 400, "invalid_input")


def test_active_time_is_kept_with_the_draft_and_by_step(desk):
    activity = {"total": 5000, "steps": {"0": 3000, "2": 2000}}
    assert desk.save(0, {}, activity=activity).status_code == 200
    assert Draft.objects.get().activity == activity
    assert desk.save(1, {"note": "x"}).status_code == 200
    assert Draft.objects.get().activity == activity
    steps = {"0": 4000, "1": 1, "2": 2000}
    assert desk.submit(rating(*RIGHT), version=2, step_ms=steps, active_ms=6001).status_code == 201
    revision = AnnotationRevision.objects.get()
    assert (revision.step_ms, revision.active_ms) == (steps, 6001)


def test_time_that_nobody_measured_is_unknown(desk):
    assert desk.submit(rating(*RIGHT)).status_code == 201
    assert AnnotationRevision.objects.get().step_ms is None


@pytest.mark.parametrize("step_ms", [{"first": 1}, {"0": -1}, {"-1": 1}, [1], {"0": "x"}])
def test_times_of_steps_that_are_none(desk, step_ms):
    read_error(desk.submit(rating(*RIGHT), step_ms=step_ms), 400, "invalid_input")
    assert not AnnotationRevision.objects.exists()


@pytest.mark.parametrize("active_ms", [-1, 2**31, "x", 1.5, None])
def test_times_that_are_none(desk, active_ms):
    error = read_error(desk.submit(rating(*RIGHT), active_ms=active_ms), 400, "invalid_input")
    assert error["detail"]["field"] == "active_ms"


# --- Verifying an injection -----------------------------------------------------------------------


def test_a_sealed_claim_does_not_reach_the_page(sealed):
    injection = sealed.workspace["injection"]
    assert injection["claim"] is None
    assert injection["blind_first_error"] is None
    assert injection["original_steps"][1]["text"] == "Then $2+2=4$."
    assert [row["kind"] for row in injection["alignment"]] == ["same", "edited", "same"]
    # The claim's own words, wherever they might stand.
    assert "Step 2 adds wrongly" not in str(sealed.workspace)


def test_a_judgement_opens_the_claim(sealed, bob):
    answer = sealed.post("reveal", blind_first_error={"at": 1})
    assert answer.status_code == 200
    claim = answer.json()["claim"]
    assert claim["error_type"] == "deception"
    assert claim["error_type_name"]
    assert claim["error_positions"] == [1]
    assert claim["changed_positions"] == [1]
    assert claim["reason"] == "Step 2 adds wrongly."
    assert claim["lints"] == []
    assert answer.json()["blind_first_error"] == {"at": 1}
    assert Exposure.objects.get(what=Exposure.What.CLAIM).person == bob
    url = f"{API}/assignments/{sealed.workspace['assignment']['id']}/"
    assert sealed.client.get(url).json()["injection"]["claim"] == claim


def test_the_first_judgement_counts(sealed):
    sealed.post("reveal", blind_first_error={"none": True})
    answer = sealed.post("reveal", blind_first_error={"at": 1})
    assert answer.json()["blind_first_error"] == {"none": True}
    assert Exposure.objects.filter(what=Exposure.What.CLAIM).count() == 1


def test_one_may_not_know(sealed):
    answer = sealed.post("reveal", blind_first_error={"unknown": "cannot tell"})
    assert answer.json()["blind_first_error"] == {"unknown": "cannot tell"}


@pytest.mark.parametrize(
    "judgement",
    [
        None,
        {},
        {"at": -1},
        {"at": 3},
        {"at": "1"},
        {"at": True},
        {"none": False},
        {"at": 1, "none": True},
        {"unknown": 7},
        {"somewhere": 1},
        "at 1",
        7,
    ],
)
def test_judgements_that_are_none(sealed, judgement):
    error = read_error(sealed.post("reveal", blind_first_error=judgement), 400, "invalid_input")
    assert "blind_first_error" in error["detail"]["field"]
    assert not Exposure.objects.filter(what=Exposure.What.CLAIM).exists()


def test_a_verdict_carries_the_judgement_made_before(sealed):
    sealed.post("reveal", blind_first_error={"none": True})
    answer = sealed.submit(verdict("accept", blind_first_error={"at": 1}))
    assert answer.status_code == 201
    assert AnnotationRevision.objects.get().content["blind_first_error"] == {"none": True}


def test_a_rating_has_no_claim_to_open(desk):
    read_error(desk.post("reveal", blind_first_error={"at": 1}), 400, "invalid_input")


def test_a_claim_is_not_opened_after_the_lease(sealed):
    end_lease(sealed)
    read_error(sealed.post("reveal", blind_first_error={"at": 1}), 409, "lease_lost")


# --- Skipping -------------------------------------------------------------------------------------


def test_a_skipped_item_goes_to_somebody_else(desk, project, bob):
    answer = desk.post("skip", reason="I wrote this problem.")
    assert answer.json() == {"next_url": "/projects/algebra/work/"}
    item = ReviewItem.objects.get(pk=desk.workspace["assignment"]["item"])
    assert item.free_slots == 2
    assert sit_down(bob, project).workspace["assignment"]["item"] != item.pk


def test_skipping_needs_a_reason(desk):
    error = read_error(desk.post("skip", reason=" "), 400, "invalid_input")
    assert error["detail"]["field"] == "reason"


def test_a_skip_is_taken_back(desk):
    desk.post("skip", reason="oops")
    url = f"{API}/assignments/{desk.workspace['assignment']['id']}/undo-skip/"
    answer = desk.client.post(url)
    assert answer.status_code == 200
    assert answer.json()["assignment"]["item"] == desk.workspace["assignment"]["item"]
    assert answer.json()["assignment"]["state"] == "open"
    read_error(desk.client.post(url), 409, "conflict")


def test_a_skip_that_somebody_else_took_up(project, bob, erin):
    make_items(project, 1, overlap=1)
    desk = sit_down(bob, project)
    desk.post("skip", reason="oops")
    sit_down(erin, project)
    url = f"{API}/assignments/{desk.workspace['assignment']['id']}/undo-skip/"
    read_error(desk.client.post(url), 409, "lease_lost")
    # The skip stands: what could not be taken back is not lost on the way.
    assert Assignment.objects.get(annotator=bob).state == "skipped"


def test_an_assignment_in_a_project_one_has_left(desk, project, bob):
    project.memberships.filter(user=bob).update(is_active=False)
    read_error(desk.save(0, {}), 404, "not_found")


def test_a_superuser_who_is_no_annotator_claims_nothing(project, dave):
    dave.is_superuser = True
    dave.save()
    enqueue(make_solution(project))
    answer = sign_in(dave).post(f"{API}/projects/{project.slug}/assignments/claim/")
    read_error(answer, 403, "not_allowed")
