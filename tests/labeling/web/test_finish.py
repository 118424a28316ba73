"""Submitting or skipping brings the next item's page in the same answer, and only its owner's."""

from __future__ import annotations

import uuid
from typing import Any, cast

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import AnnotationRevision, Assignment, Exposure, Project, User
from labeling.services.assignments import claim_next, expire_leases
from tests.labeling.factories import make_items, rating
from tests.labeling.web.helpers import check_html, sign_in
from workbench.errors import Conflict


@pytest.fixture
def held(project: Project, bob: User) -> Assignment:
    """The first of two items, in Bob's hands."""
    make_items(project, 2)
    assignment = claim_next(user=bob, project=project)
    assert assignment is not None
    return assignment


@pytest.fixture
def as_bob(bob: User) -> Client:
    return sign_in(bob)


def send(client: Client, held: Assignment, action: str = "submit", **changes: Any) -> Any:
    body: dict[str, Any] = {"lease_token": str(held.lease_token)}
    if action == "skip":
        body["reason"] = "unclear"
    else:
        body |= {"idempotency_key": str(uuid.uuid4()), "content": rating(*["correct"] * 3)}
    address = reverse(f"labeling:{action}-next", args=[held.pk])
    return client.post(address, body | changes, content_type="application/json")


def find_open(user: User) -> Assignment:
    return Assignment.objects.get(annotator=user, state=Assignment.State.OPEN)


@pytest.mark.parametrize(("action", "status"), [("submit", 201), ("skip", 200)])
def test_the_next_page_comes_with_the_answer(
    as_bob: Client, held: Assignment, bob: User, action: str, status: int
) -> None:
    answer = send(as_bob, held, action)
    assert answer.status_code == status
    assert answer["Cache-Control"].startswith("max-age=0")
    following = find_open(bob)
    said = answer.json()
    address = reverse("labeling:assignment", args=[following.pk])
    assert said["next_url"] == address
    assert "Then $2+2=4$." in check_html(said["page"])
    assert str(following.lease_token) in said["page"]
    # After a lost session one comes back to the item, not to the address that sent the last one.
    assert f"?next={address}" in said["page"]
    # The very page that a browser without scripts would be led to.
    again = as_bob.get(address).content.decode()
    assert len(again) == len(said["page"])


def test_active_time_comes_with_the_submission(as_bob: Client, held: Assignment) -> None:
    send(as_bob, held, active_ms=4200, step_ms={"0": 3000, "2": 1200})
    revision = AnnotationRevision.objects.get()
    assert (revision.active_ms, revision.step_ms) == (4200, {"0": 3000, "2": 1200})


NONSENSE: dict[str, list[Any]] = {
    "lease_token": ["x", 7, None],
    "idempotency_key": ["x", [], None],
    "content": ["x", [], None],
    "version": [-1, 1.5, "2", True, 2**31],
    "active_ms": [-1, 1.5, "2", True, 2**31],
    "step_ms": [[], {"x": 1}, {"0": -1}, {"123456": 1}, {"0": "1"}],
}


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field, values in NONSENSE.items() for value in values],
)
def test_what_a_field_cannot_be_is_refused(
    as_bob: Client, held: Assignment, field: str, value: Any
) -> None:
    answer = send(as_bob, held, **cast(dict[str, Any], {field: value}))
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["detail"]["field"]) == ("invalid_input", field)
    assert not AnnotationRevision.objects.exists()


def test_a_skip_needs_a_reason(as_bob: Client, held: Assignment) -> None:
    for reason in ("", 7):
        assert send(as_bob, held, "skip", reason=reason).status_code == 400
    held.refresh_from_db()
    assert held.state == Assignment.State.OPEN


def test_it_is_logged_as_shown_when_it_is_handed_over(
    as_bob: Client, held: Assignment, bob: User
) -> None:
    shown = Exposure.objects.filter(person=bob, what=Exposure.What.ITEM)
    assert [exposure.item_id for exposure in shown] == [held.item_id]
    send(as_bob, held)
    assert set(shown.values_list("item_id", flat=True)) == {held.item_id, find_open(bob).item_id}


def test_sent_twice_it_counts_once_and_leads_to_the_same_item(
    as_bob: Client, held: Assignment, bob: User
) -> None:
    key = str(uuid.uuid4())
    first, second = (send(as_bob, held, idempotency_key=key).json() for _press in range(2))
    assert AnnotationRevision.objects.count() == 1
    assert first["next_url"] == second["next_url"]
    assert first["annotation_id"] == second["annotation_id"]
    assert find_open(bob).pk != held.pk


def test_after_the_last_item_there_is_the_queue(
    as_bob: Client, project: Project, bob: User
) -> None:
    make_items(project, 1)
    last = claim_next(user=bob, project=project)
    assert last is not None
    said = send(as_bob, last).json()
    assert said["page"] is None
    assert said["next_url"] == reverse("labeling:work", args=[project.slug])


def test_a_refusal_takes_no_item(as_bob: Client, held: Assignment, bob: User) -> None:
    answer = send(as_bob, held, content=rating("correct", None, "correct"))
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == "incomplete"
    assert error["detail"]["positions"] == [1]
    assert find_open(bob) == held


def test_a_lease_that_is_lost_is_said_and_takes_no_item(
    as_bob: Client, held: Assignment, bob: User
) -> None:
    expire_leases(now=held.lease_expires_at)
    answer = send(as_bob, held)
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "lease_lost"
    assert not Assignment.objects.filter(annotator=bob, state=Assignment.State.OPEN).exists()


def test_work_is_in_also_where_the_queue_gives_nothing(
    as_bob: Client, held: Assignment, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_who: Any) -> None:
        raise Conflict("The queue is busy.")

    monkeypatch.setattr("labeling.web.views.review.claim_next", refuse)
    answer = send(as_bob, held)
    assert answer.status_code == 201
    assert answer.json()["page"] is None
    assert answer.json()["next_url"] == reverse("labeling:work", args=[project.slug])
    assert AnnotationRevision.objects.count() == 1


@pytest.mark.parametrize("person", ["erin", "carol", "dave", "alice"])
@pytest.mark.parametrize("action", ["submit", "skip"])
def test_nobody_else_finishes_it(
    held: Assignment, person: str, action: str, request: pytest.FixtureRequest
) -> None:
    answer = send(sign_in(request.getfixturevalue(person)), held, action)
    assert answer.status_code == 404
    held.refresh_from_db()
    assert held.state == Assignment.State.OPEN
    assert not AnnotationRevision.objects.exists()


def test_whoever_is_signed_out_is_asked_to_sign_in(client: Client, held: Assignment) -> None:
    answer = send(client, held)
    assert answer.status_code == 302
    assert "/accounts/login/" in answer["Location"]


def test_another_site_cannot_send_it(held: Assignment, bob: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(bob)
    assert send(client, held).status_code == 403
    assert not AnnotationRevision.objects.exists()


@pytest.mark.parametrize("body", [b"", b"[]", b'{"lease_token": 7}', b"\xff", b"{" * 2000])
def test_nonsense_is_refused_in_words(as_bob: Client, held: Assignment, body: bytes) -> None:
    address = reverse("labeling:submit-next", args=[held.pk])
    answer = as_bob.post(address, body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_reading_the_address_is_not_possible(as_bob: Client, held: Assignment) -> None:
    assert as_bob.get(reverse("labeling:submit-next", args=[held.pk])).status_code == 405
