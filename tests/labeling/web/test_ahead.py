"""The next item's page before it is anybody's: nothing is taken, only the same item is shown."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from django.db import connection
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from labeling.models import (
    AnnotationRevision,
    Assignment,
    Draft,
    Exposure,
    Membership,
    Project,
    User,
)
from labeling.records import NoError
from labeling.services import proposals
from labeling.services.annotations import reveal_claim
from labeling.services.assignments import (
    claim_item,
    claim_next,
    expire_leases,
    lock_item,
    save_draft,
)
from labeling.services.comments import add_comment
from labeling.web.ahead import digest_page, look_ahead
from tests.labeling.factories import make_injection_item, make_items, rating
from tests.labeling.web.helpers import check_html, sign_in, suggest

# What is made by chance for every page, whoever gets it.
CHANCE = re.compile(
    r'(?<=name="csrfmiddlewaretoken" value=")[^"]+|(?<=name="csrf-token" content=")[^"]+'
    r'|(?<=name="idempotency_key" value=")[^"]+|(?<="lease_expires_at": ")[^"]+'
)
# How much is done.
PROGRESS = re.compile(r"(?<=data-progress-words>)[^<]+|<progress [^>]+>")


@pytest.fixture
def as_bob(bob: User) -> Client:
    return sign_in(bob)


@pytest.fixture
def held(project: Project, bob: User) -> Assignment:
    """The first of three items, in Bob's hands."""
    make_items(project, 3)
    return claim(bob, project)


def claim(user: User, project: Project) -> Assignment:
    assignment = claim_next(user=user, project=project)
    assert assignment is not None
    return assignment


def look(client: Client, held: Assignment, **query: str) -> Any:
    return client.get(reverse("labeling:ahead", args=[held.pk]), query)


def send(
    client: Client, held: Assignment, at_hand: str, action: str = "submit", **changes: Any
) -> Any:
    body: dict[str, Any] = {"lease_token": str(held.lease_token)}
    if action == "skip":
        body["reason"] = "unclear"
    else:
        body |= {"idempotency_key": str(uuid.uuid4()), "content": rating(*["correct"] * 3)}
    address = reverse(f"labeling:{action}-next", args=[held.pk])
    return client.post(
        f"{address}?at_hand={at_hand}", body | changes, content_type="application/json"
    ).json()


def open_of(user: User) -> Assignment:
    return Assignment.objects.get(annotator=user, state=Assignment.State.OPEN)


def level(page: str) -> str:
    return PROGRESS.sub("", CHANCE.sub("", page))


def fill(seen: dict[str, Any], values: dict[str, Any]) -> str:
    """What the browser makes of the page that it has."""
    page: str = seen["page"]
    for name, stand_in in seen["stand_ins"].items():
        page = page.replace(stand_in, str(values["assignment"][name]))
    return page


def test_looking_ahead_writes_nothing(as_bob: Client, held: Assignment) -> None:
    before = list(Membership.objects.values()), list(Exposure.objects.values())
    with CaptureQueriesContext(connection) as queries:
        answer = look(as_bob, held)
    assert not [query for query in queries if not query["sql"].startswith("SELECT")]
    assert (list(Membership.objects.values()), list(Exposure.objects.values())) == before
    assert list(Assignment.objects.all()) == [held]
    assert answer["Cache-Control"].startswith("max-age=0")
    check_html(answer.json()["page"])


@pytest.mark.parametrize("action", ["submit", "skip"])
def test_filled_in_it_is_the_very_page_of_the_claim(
    as_bob: Client, held: Assignment, bob: User, action: str
) -> None:
    seen = look(as_bob, held).json()
    said = send(as_bob, held, seen["digest"], action)
    following = open_of(bob)
    assert said["page"] is None
    assert said["next_url"] == reverse("labeling:assignment", args=[following.pk])
    assert said["values"]["assignment"]["lease_token"] == str(following.lease_token)
    page = as_bob.get(said["next_url"]).content.decode()
    assert level(fill(seen, said["values"])) == level(page)
    progress = said["values"]["progress"]
    assert f">{progress['words']}<" in page
    assert f'value="{progress["done"]}" max="{progress["total"]}"' in page


def test_the_same_for_an_injection(as_bob: Client, project: Project, bob: User) -> None:
    make_items(project, 1)
    make_injection_item(project)
    seen = look(as_bob, claim(bob, project)).json()
    assert "Step 2 adds wrongly" not in seen["page"]
    said = send(as_bob, open_of(bob), seen["digest"])
    page = as_bob.get(said["next_url"]).content.decode()
    assert level(fill(seen, said["values"])) == level(page)


def test_what_is_handed_over_is_logged_as_shown(
    as_bob: Client, held: Assignment, bob: User
) -> None:
    send(as_bob, held, look(as_bob, held).json()["digest"])
    shown = Exposure.objects.filter(person=bob, what=Exposure.What.ITEM)
    assert set(shown.values_list("item_id", flat=True)) == {held.item_id, open_of(bob).item_id}


def test_sent_twice_it_brings_the_same_values(as_bob: Client, held: Assignment) -> None:
    digest = look(as_bob, held).json()["digest"]
    key = str(uuid.uuid4())
    first, second = (send(as_bob, held, digest, idempotency_key=key) for _press in range(2))
    assert first == second
    assert AnnotationRevision.objects.count() == 1


def test_an_item_that_somebody_else_got_is_not_shown(
    as_bob: Client, held: Assignment, bob: User, erin: User, project: Project
) -> None:
    seen = look(as_bob, held).json()
    # Both places of the next item go to others.
    project.review_items.exclude(pk=held.item_id).filter(
        pk=project.review_items.order_by("queue_order")[1].pk
    ).update(free_slots=0)
    said = send(as_bob, held, seen["digest"])
    assert "values" not in said
    assert str(open_of(bob).lease_token) in said["page"]


@pytest.mark.parametrize(
    "change",
    [{"show_reference_answer": False}, {"guideline_version": 2}, {"mode": "first_error"}],
)
def test_what_the_lead_changed_meanwhile_is_shown(
    as_bob: Client, held: Assignment, project: Project, change: dict[str, Any]
) -> None:
    seen = look(as_bob, held).json()
    Project.objects.filter(pk=project.pk).update(**change)
    said = send(as_bob, held, seen["digest"])
    assert "values" not in said
    assert said["page"]


def test_another_language_is_another_page(as_bob: Client, held: Assignment) -> None:
    english = look(as_bob, held).json()["digest"]
    as_bob.cookies["django_language"] = "zh-hans"
    assert look(as_bob, held).json()["digest"] != english


def test_what_was_said_of_the_item_meanwhile_is_shown(
    as_bob: Client, held: Assignment, project: Project, alice: User, bob: User
) -> None:
    seen = look(as_bob, held).json()
    following = project.review_items.order_by("queue_order")[1]
    add_comment(
        item=following,
        by=alice,
        text="Look at step 2.",
        names=[bob.pk],
        idempotency_key=uuid.uuid4(),
    )
    assert look(as_bob, held).json()["digest"] != seen["digest"]


def test_what_was_begun_before_is_not_ready(as_bob: Client, project: Project, bob: User) -> None:
    """The draft of a lease that ran out comes with the page of the claim."""
    make_items(project, 2)
    first = claim(bob, project)
    save_draft(
        assignment=first, lease_token=first.lease_token, content={"note": "a"}, seen_version=0
    )
    expire_leases(now=first.lease_expires_at)
    second = claim_item(user=bob, item=project.review_items.order_by("queue_order")[1])
    assert look(as_bob, second).status_code == 204
    said = send(as_bob, second, "0" * 32)
    assert Draft.objects.filter(annotator=bob).exists()
    assert str(open_of(bob).lease_token) in said["page"]


def test_a_claim_that_was_opened_before_is_open(
    as_bob: Client, project: Project, bob: User
) -> None:
    make_injection_item(project)
    make_items(project, 1)
    first = claim(bob, project)
    reveal_claim(assignment=first, lease_token=first.lease_token, blind_first_error=NoError())
    expire_leases(now=first.lease_expires_at)
    second = claim_item(user=bob, item=project.review_items.order_by("queue_order")[1])
    seen = look(as_bob, second).json()
    said = send(as_bob, second, seen["digest"])
    page = as_bob.get(said["next_url"]).content.decode()
    assert "Step 2 adds wrongly" in page
    assert level(fill(seen, said["values"])) == level(page)


def test_who_has_it_already_is_told_nothing_new(as_bob: Client, held: Assignment) -> None:
    digest = look(as_bob, held).json()["digest"]
    answer = look(as_bob, held, have=digest)
    assert (answer.status_code, answer.content) == (204, b"")


def test_there_is_nothing_after_the_last_item(as_bob: Client, project: Project, bob: User) -> None:
    make_items(project, 1)
    assert look(as_bob, claim(bob, project)).status_code == 204


@pytest.mark.parametrize("state", ["submitted", "skipped", "expired"])
def test_who_holds_nothing_sees_nothing(as_bob: Client, held: Assignment, state: str) -> None:
    Assignment.objects.filter(pk=held.pk).update(state=state)
    assert look(as_bob, held).status_code == 204


def test_a_lease_that_has_run_out_is_no_hold(as_bob: Client, held: Assignment) -> None:
    Assignment.objects.filter(pk=held.pk).update(lease_expires_at=held.created_at)
    assert look(as_bob, held).status_code == 204


@pytest.mark.parametrize("person", ["erin", "carol", "dave", "alice"])
def test_nobody_else_looks(held: Assignment, person: str, request: pytest.FixtureRequest) -> None:
    assert look(sign_in(request.getfixturevalue(person)), held).status_code == 404


class Chance:
    """Draws what a test says."""

    def __init__(self, number: float) -> None:
        self.number = number

    def random(self) -> float:
        return self.number


@pytest.fixture
def proposing(held: Assignment, project: Project) -> Assignment:
    """The next item has a machine's labels, which its reviewers confirm."""
    project.proposal_method = "genprm"
    project.blind_share = 50
    project.save()
    following = project.review_items.select_related("solution").order_by("queue_order")[1]
    suggest(following.solution, method="genprm", producer="a model of its own")
    return held


def test_what_a_machine_proposes_comes_with_the_claim_alone(
    as_bob: Client, proposing: Assignment, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = look(as_bob, proposing).json()
    assert "a model of its own" not in seen["page"]
    monkeypatch.setattr(proposals, "_chance", Chance(0.9))
    said = send(as_bob, proposing, seen["digest"])
    assert "values" not in said
    assert "a model of its own" in said["page"]


def test_what_chance_keeps_back_looks_like_nothing_at_all(
    as_bob: Client, proposing: Assignment, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = look(as_bob, proposing).json()
    monkeypatch.setattr(proposals, "_chance", Chance(0.1))
    said = send(as_bob, proposing, seen["digest"])
    assert open_of(bob).proposal == Assignment.Proposal.BLIND
    # The same answer as where there is nothing to confirm.
    assert set(said) == {"annotation_id", "revision", "next_url", "page", "values"}
    assert set(said["values"]) == {"assignment", "progress"}
    page = as_bob.get(said["next_url"]).content.decode()
    assert level(fill(seen, said["values"])) == level(page)


def test_the_digest_asks_for_all_that_a_template_asks_for(held: Assignment, bob: User) -> None:
    """What a tag reads from the database while the page is drawn would be missing in the digest."""
    request: HttpRequest = RequestFactory().get("/")
    request.user = bob
    seen = look_ahead(held)
    assert seen is not None
    nobodys = Assignment(pk=1, project=held.project, item=lock_item(seen.context["item"]["id"]))
    nobodys.annotator = bob
    with CaptureQueriesContext(connection) as digesting:
        digest_page(seen.context, nobodys)
    with CaptureQueriesContext(connection) as drawing:
        render_to_string("labeling/rate.html", seen.context, request)
    known = {query["sql"] for query in digesting}
    assert {query["sql"] for query in drawing} <= known
