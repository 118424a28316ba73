"""The workspace as plain forms: every step works where no script runs."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import reverse

from labeling.models import AnnotationRevision, Assignment, Draft, Project, User
from labeling.records import At
from labeling.selectors.exposures import find_blind_judgement
from labeling.services.assignments import expire_leases
from labeling.web.content_forms import read_rating_form
from tests.labeling.factories import make_injection_item, make_items
from tests.labeling.services.test_proposals import METHOD, propose


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
    assert b"no error" in as_bob.get(address, {"text": "2+2"}).content
    nothing = as_bob.get(address, {"text": '"><script>alert'}).content
    assert b"<script>alert" not in nothing
    assert b"Nothing of yours fits" in nothing


def test_the_home_page_leads_to_the_next_thing(as_bob: Client, project: Project) -> None:
    make_items(project, 1)
    assert b"Start" in as_bob.get("/").content
    start(as_bob, project)
    assert b"Continue where you stopped" in as_bob.get("/").content


# --- In bulk, giving up, stopping ---------------------------------------------------------------


def submitted() -> dict[str, Any]:
    """The only submission, as it was stored."""
    content: dict[str, Any] = AnnotationRevision.objects.get().content
    return content


def test_the_rest_is_correct_and_stored_as_bulk(as_bob: Client, project: Project) -> None:
    make_items(project, 1)
    post(as_bob, start(as_bob, project), **ratings("0"), **{"unsure-1": "1"}, rest="1")
    content = submitted()
    # What was judged, if only as unsure, is not left.
    assert [step.get("rating") for step in content["steps"]] == [0, None, 1]
    assert content["bulk"] == [2]


def test_what_was_rated_in_bulk_stays_so_until_it_is_rated_otherwise(
    as_bob: Client, project: Project
) -> None:
    make_items(project, 1)
    assignment = start(as_bob, project)
    post(as_bob, assignment, action="save", rest="1")
    page = as_bob.get(reverse("labeling:assignment", args=[assignment.pk])).content.decode()
    bulk = {f"bulk-{position}": "1" for position in range(3)}
    assert all(f'name="{name}" value="1"' in page for name in bulk)
    post(as_bob, assignment, version="1", **bulk, **ratings("1", "0", "1"))
    assert submitted()["bulk"] == [0, 2]


@pytest.mark.parametrize(
    ("action", "outcome"), [("give_up", "gave_up"), ("bad_problem", "bad_problem")]
)
def test_ending_without_judging_needs_a_reason(
    as_bob: Client, project: Project, action: str, outcome: str
) -> None:
    make_items(project, 1)
    assignment = start(as_bob, project)
    refused = post(as_bob, assignment, action=action, **ratings("1"))
    assert refused.status_code == 400
    assert b"Say why, in a word or two" in refused.content
    post(as_bob, assignment, action=action, note="the figure is missing", **ratings("1"))
    assert (submitted()["outcome"], len(submitted()["steps"])) == (outcome, 1)


def test_who_thought_better_of_giving_up_can_submit(as_bob: Client, project: Project) -> None:
    make_items(project, 1)
    assignment = start(as_bob, project)
    post(as_bob, assignment, action="give_up")
    post(as_bob, assignment, **ratings("1", "1", "1"))
    assert submitted()["outcome"] == "complete"


def test_prm800k_stops_at_the_first_bad_step(as_bob: Client, project: Project) -> None:
    project.mode = Project.Mode.PRM800K
    project.save()
    make_items(project, 1)
    assignment = start(as_bob, project)
    page = as_bob.get(reverse("labeling:assignment", args=[assignment.pk])).content.decode()
    assert 'name="stops" value="1"' in page
    assert 'value="give_up"' in page
    assert "origin-0" not in page
    assert "Great: correct" in page
    post(as_bob, assignment, stops="1", **ratings("1", "-1", "1"))
    content = submitted()
    assert [step["rating"] for step in content["steps"]] == [1, -1]
    assert content["outcome"] == "first_error"


# --- Proposals ----------------------------------------------------------------------------------


@pytest.fixture
def confirming(project: Project) -> Project:
    """A project with one item, whose reviewers confirm what a machine says of it."""
    project.proposal_method, project.blind_share = METHOD, 0
    project.save()
    [item] = make_items(project, 1)
    propose(item.solution, 1, -1, None)
    return project


def proposed(*values: str) -> dict[str, str]:
    return {f"proposed-{position}": value for position, value in enumerate(values) if value}


def test_a_proposal_is_on_the_page_and_chosen_by_nobody(
    as_bob: Client, confirming: Project
) -> None:
    assignment = start(as_bob, confirming)
    page = as_bob.get(reverse("labeling:assignment", args=[assignment.pk])).content.decode()
    assert all(
        f'name="{name}" value="{value}"' in page for name, value in proposed("1", "-1").items()
    )
    assert "proposed-2" not in page
    assert "unconfirmed" in page
    assert 'type="radio" name="rating-0" value="1" checked' not in page


def test_an_override_without_a_reason_is_a_gap(as_bob: Client, confirming: Project) -> None:
    assignment = start(as_bob, confirming)
    shown = proposed("1", "-1")
    answer = post(as_bob, assignment, **shown, **ratings("1", "1", "1"))
    assert answer.status_code == 400
    assert b"Say why step 2 is not what was proposed" in answer.content
    reasons = {"override-0": "other", "override-1": "false_alarm"}
    post(as_bob, assignment, **shown, **reasons, **ratings("1", "1", "1"))
    content = submitted()
    # The first step is as proposed: a reason for nothing is not kept.
    assert content["overrides"] == [{"position": 1, "reason": "false_alarm"}]
    assert content["proposal"]["ratings"] == [1, -1, None]


def test_the_rest_is_confirmed_as_it_was_proposed(as_bob: Client, confirming: Project) -> None:
    assignment = start(as_bob, confirming)
    shown = proposed("1", "-1")
    refused = post(as_bob, assignment, **shown, rest="1")
    # Where nothing was proposed, nothing is confirmed.
    assert b"Step 3 is not judged yet" in refused.content
    post(as_bob, assignment, **shown, rest="1", **{"rating-2": "0"})
    content = submitted()
    assert [step["rating"] for step in content["steps"]] == [1, -1, 0]
    assert content["bulk"] == [0, 1]
    assert "overrides" not in content


def test_a_blind_page_tells_nothing(as_bob: Client, confirming: Project) -> None:
    confirming.blind_share = 100
    confirming.save()
    assignment = start(as_bob, confirming)
    page = as_bob.get(reverse("labeling:assignment", args=[assignment.pk])).content.decode()
    assert '"proposal": null' in page
    for trace in ("proposed-", "override-", "unconfirmed</span>", "mark--machine"):
        assert trace not in page


# --- The form's fields as a document ------------------------------------------------------------


def read(fields: dict[str, str], n_steps: int = 3) -> dict[str, Any]:
    data = QueryDict(mutable=True)
    data.update(fields)
    return read_rating_form(data, n_steps=n_steps)


def test_filling_the_rest_ends_at_the_first_error() -> None:
    content = read({"stops": "1", "rest": "1", **ratings("", "-1")})
    assert [step["position"] for step in content["steps"]] == [0, 1]
    assert (content["bulk"], content["outcome"]) == ([0], "first_error")


def test_a_contribution_can_be_what_differs() -> None:
    fields = {**ratings("1"), **proposed("1"), "contribution-0": "redundant", "override-0": "other"}
    assert read(fields)["overrides"] == [{"position": 0, "reason": "other"}]


@pytest.mark.parametrize(
    "fields",
    [
        {"proposed-0": "7", "override-0": "other", "rating-0": "1"},
        {"proposed-9": "1", "override-9": "other", "rating-9": "-1"},
        {"bulk-0": "1", "override-1": "other"},
    ],
)
def test_fields_of_no_step_say_nothing(fields: dict[str, str]) -> None:
    content = read(fields)
    assert "overrides" not in content
    assert "bulk" not in content
