from __future__ import annotations

import csv
import io
import uuid
from typing import Any

import pytest

from labeling.models import Assignment, Project, User
from labeling.selectors.agreement import load_words
from labeling.selectors.influence import build_influence, list_proposed_steps
from labeling.services.annotations import submit
from labeling.services.assignments import claim_next
from tests.labeling.factories import make_items, rating
from tests.labeling.services.test_proposals import METHOD, propose
from tests.labeling.web.helpers import sign_in


@pytest.fixture
def judged(project: Project, bob: User) -> Project:
    """Two items that Bob judged: one with the proposal, overriding a step, and one without it."""
    project.proposal_method, project.blind_share = METHOD, 0
    project.save()
    first, second = make_items(project, 2)
    propose(first.solution, 1, 1, -1)
    propose(second.solution, 1, None, -1)
    hand_in(bob, project, rating("correct", "wrong", "wrong"), 1)
    project.blind_share = 100
    project.save()
    hand_in(bob, project, rating("correct", "wrong", "correct"))
    return project


def hand_in(user: User, project: Project, data: dict[str, Any], *overridden: int) -> Assignment:
    held = claim_next(user=user, project=project)
    assert held is not None
    data["overrides"] = [
        {"position": position, "reason": "missed_error"} for position in overridden
    ]
    submit(
        assignment=held,
        lease_token=held.lease_token,
        data=data,
        idempotency_key=uuid.uuid4(),
    )
    return held


def test_the_two_arms_are_counted_apart(judged: Project) -> None:
    report = build_influence(judged)
    assert (report.items_shown, report.items_blind) == (1, 1)
    assert (report.on_all.shown.successes, report.on_all.shown.trials) == (2, 3)
    assert (report.on_all.blind.successes, report.on_all.blind.trials) == (1, 2)
    assert report.reasons == {"missed_error": 1}


def test_without_a_decision_nobody_knows_where_the_machine_was_wrong(judged: Project) -> None:
    report = build_influence(judged)
    assert report.on_wrong.shown.trials == 0
    assert report.on_wrong.difference is None


def test_each_number_leads_to_its_steps(judged: Project, alice: User) -> None:
    client = sign_in(alice)
    page = client.get(f"/projects/{judged.slug}/agreement/proposals/?reason=missed_error")
    assert page.status_code == 200
    [step] = page.context["steps"]
    assert (step.position, step.proposed, step.said) == (1, 1, -1)


def test_the_table_has_every_step(judged: Project, alice: User) -> None:
    client = sign_in(alice)
    answer = client.get(f"/projects/{judged.slug}/agreement/proposals.csv")
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(list(list_proposed_steps(judged))) == 5
    assert {row["arm"] for row in rows} == {"shown", "blind"}
    assert [row["reason"] for row in rows if row["reason"]] == ["missed_error"]


def test_reviewers_have_no_access(judged: Project, bob: User) -> None:
    client = sign_in(bob)
    assert client.get(f"/projects/{judged.slug}/agreement/proposals/").status_code == 403


def test_before_anything_was_judged_the_page_says_what_to_do(project: Project, alice: User) -> None:
    page = sign_in(alice).get(f"/projects/{project.slug}/agreement/proposals/")
    assert page.status_code == 200
    assert "/settings/" in page.content.decode()


def test_who_saw_the_machine_is_no_witness_of_agreement(judged: Project) -> None:
    assert [word.item_id for word in load_words(judged)] == [
        Assignment.objects.get(proposal="blind").item_id
    ]
