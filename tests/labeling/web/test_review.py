"""The workspace as plain forms: every step works where no script runs."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import AnnotationRevision, Assignment, Draft, Project, User
from labeling.records import At
from labeling.selectors.exposures import find_blind_judgement
from labeling.services.assignments import expire_leases
from tests.labeling.factories import make_injection_item, make_items


@pytest.fixture
def as_bob(client: Client, bob: User) -> Client:
    client.force_login(bob)
    return client


def start(client: Client, project: Project) -> Assignment:
    answer = client.post(reverse("labeling:work", args=[project.slug]))
    assert answer.status_code == 302
    assignment = Assignment.objects.latest("pk")
    assert answer.headers["Location"] == reverse("labeling:assignment", args=[assignment.pk])
    return assignment


def form(assignment: Assignment, **fields: Any) -> dict[str, Any]:
    return {
        "lease_token": str(assignment.lease_token),
        "version": "0",
        "idempotency_key": str(uuid.uuid4()),
        "action": "submit",
        **fields,
    }


def ratings(*values: str) -> dict[str, str]:
    return {f"rating-{position}": value for position, value in enumerate(values)}


def post(client: Client, assignment: Assignment, **fields: Any) -> Any:
    address = reverse("labeling:assignment", args=[assignment.pk])
    return client.post(address, form(assignment, **fields))


def test_it_works(as_bob: Client, project: Project) -> None:
    make_items(project, 2)
    assignment = start(as_bob, project)
    page = as_bob.get(reverse("labeling:assignment", args=[assignment.pk]))
    assert b"Then $2+2=4$." in page.content
    answer = post(as_bob, assignment, **ratings("1", "0", "-1"), **{"note-2": "not so"})
    # The next item comes at once.
    following = Assignment.objects.latest("pk")
    assert following != assignment
    assert answer.headers["Location"] == reverse("labeling:assignment", args=[following.pk])
    content = AnnotationRevision.objects.get().content
    assert [step["rating"] for step in content["steps"]] == [1, 0, -1]
    assert content["steps"][2]["note"] == "not so"


def test_looking_at_the_queue_writes_nothing(as_bob: Client, project: Project) -> None:
    make_items(project, 1)
    page = as_bob.get(reverse("labeling:work", args=[project.slug]))
    assert b"1 item waits for you" in page.content
    assert not Assignment.objects.exists()


def test_gaps_are_said_and_the_work_is_kept(as_bob: Client, project: Project) -> None:
    make_items(project, 1)
    assignment = start(as_bob, project)
    answer = post(as_bob, assignment, **ratings("1"))
    assert answer.status_code == 400
    assert b"Step 2 is not judged yet" in answer.content
    assert not AnnotationRevision.objects.exists()
    assert Draft.objects.get().content["steps"][0]["rating"] == 1


def test_the_claim_is_not_in_the_page_before_the_judgement(
    as_bob: Client, project: Project, bob: User
) -> None:
    item = make_injection_item(project)
    assignment = start(as_bob, project)
    address = reverse("labeling:assignment", args=[assignment.pk])
    sealed = as_bob.get(address).content
    assert b"Step 2 adds wrongly" not in sealed
    assert b'"claim": null' in sealed or b'"claim":null' in sealed
    as_bob.post(address, form(assignment, action="reveal", blind="1"))
    assert b"Step 2 adds wrongly" in as_bob.get(address).content
    assert find_blind_judgement(item=item, person=bob) == At(1)
    answer = post(as_bob, assignment, verdict="accept", error=["1"])
    assert answer.status_code == 302
    content = AnnotationRevision.objects.get().content
    assert (content["verdict"], content["error_positions"]) == ("accept", [1])
    assert content["blind_first_error"] == {"at": 1}


def test_a_shift_moves_all_flags(as_bob: Client, project: Project) -> None:
    make_injection_item(project)
    assignment = start(as_bob, project)
    post(as_bob, assignment, verdict="accept_with_edits", error=["1"], shift="1")
    content = AnnotationRevision.objects.get().content
    assert content["error_positions"] == [2]
    assert content["edits"] == [{"op": "shift", "by": 1}]


def test_work_can_be_saved_for_later(as_bob: Client, project: Project) -> None:
    make_items(project, 1)
    assignment = start(as_bob, project)
    answer = post(as_bob, assignment, action="save", **ratings("1", "1"))
    assert answer.headers["Location"] == reverse("labeling:work", args=[project.slug])
    page = as_bob.get(reverse("labeling:work", args=[project.slug]))
    assert b"Continue where you stopped" in page.content


def test_skipping_gives_the_item_away(as_bob: Client, project: Project) -> None:
    make_items(project, 1)
    assignment = start(as_bob, project)
    post(as_bob, assignment, action="skip", reason="unclear", note="step 3")
    assignment.refresh_from_db()
    assert assignment.skip_reason == "the problem or a step cannot be read: step 3"
    closed = as_bob.get(reverse("labeling:assignment", args=[assignment.pk]))
    assert b"You skipped this item" in closed.content


def test_a_lease_that_ended_says_so_and_can_be_taken_again(
    as_bob: Client, project: Project
) -> None:
    make_items(project, 1)
    assignment = start(as_bob, project)
    post(as_bob, assignment, action="save", **ratings("1"))
    expire_leases(now=assignment.lease_expires_at)
    closed = as_bob.get(reverse("labeling:assignment", args=[assignment.pk]))
    assert b"Your draft is safe" in closed.content
    late = post(as_bob, assignment, **ratings("1", "1", "1"))
    assert late.status_code == 409
    as_bob.post(reverse("labeling:take-again", args=[assignment.item_id]))
    again = Assignment.objects.latest("pk")
    assert again.state == Assignment.State.OPEN
    assert Draft.objects.get().content["steps"][0]["rating"] == 1


def test_an_old_page_is_refused_with_a_sentence(as_bob: Client, project: Project) -> None:
    make_items(project, 1)
    assignment = start(as_bob, project)
    address = reverse("labeling:assignment", args=[assignment.pk])
    answer = as_bob.post(address, form(assignment, lease_token="nonsense"))
    assert answer.status_code == 400


def test_others_have_no_business_here(
    client: Client, project: Project, bob: User, erin: User, carol: User, dave: User
) -> None:
    make_items(project, 1)
    client.force_login(bob)
    assignment = start(client, project)
    address = reverse("labeling:assignment", args=[assignment.pk])
    for person, work, page in ((erin, 200, 404), (carol, 403, 404), (dave, 404, 404)):
        client.force_login(person)
        assert client.get(reverse("labeling:work", args=[project.slug])).status_code == work
        assert client.get(address).status_code == page


def test_my_submitted_items_can_be_searched(as_bob: Client, project: Project) -> None:
    make_items(project, 1)
    address = reverse("labeling:submitted", args=[project.slug])
    assert b"You have not submitted anything here yet" in as_bob.get(address).content
    post(as_bob, start(as_bob, project), **ratings("1", "1", "1"))
    assert b"no error" in as_bob.get(address, {"q": "2+2"}).content
    nothing = as_bob.get(address, {"q": "<script>"}).content
    assert b"<script>\xe2\x80\x9d" not in nothing
    assert b"No submitted item has" in nothing


def test_the_home_page_leads_to_the_next_thing(as_bob: Client, project: Project) -> None:
    make_items(project, 1)
    assert b"Start" in as_bob.get("/").content
    start(as_bob, project)
    assert b"Continue where you stopped" in as_bob.get("/").content
