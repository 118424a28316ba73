"""Verdicts on injections as plain forms: flags, another solution, what is known of the original."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import AnnotationRevision, Injection, Project, ReviewItem, User
from labeling.services.assignments import claim_item
from labeling.services.reports import report_original
from tests.labeling.factories import enqueue, make_injection_item, make_solution, verdict
from tests.labeling.web.helpers import submit_as
from tests.labeling.web.test_review import form, post, start


@pytest.fixture
def as_bob(client: Client, bob: User) -> Client:
    client.force_login(bob)
    return client


def test_the_claimed_steps_are_flagged_once_the_claim_is_open(
    as_bob: Client, project: Project
) -> None:
    make_injection_item(project)
    assignment = start(as_bob, project)
    address = reverse("labeling:assignment", args=[assignment.pk])
    flagged = b'name="error" value="1" checked'
    assert flagged not in as_bob.get(address).content
    as_bob.post(address, form(assignment, action="reveal", blind="none"))
    assert flagged in as_bob.get(address).content


def test_other_flags_than_the_claimed_ones_are_edits(as_bob: Client, project: Project) -> None:
    make_injection_item(project)
    assignment = start(as_bob, project)
    post(as_bob, assignment, verdict="accept", error=["2"])
    content = AnnotationRevision.objects.get().content
    # Who accepts other steps than the claimed ones accepts with edits.
    assert (content["verdict"], content["error_positions"]) == ("accept_with_edits", [2])
    assert content["edits"] == [{"op": "unflag", "position": 1}, {"op": "flag", "position": 2}]


def test_nonsense_in_the_fields_of_a_verdict_is_left_out(as_bob: Client, project: Project) -> None:
    make_injection_item(project)
    assignment = start(as_bob, project)
    post(as_bob, assignment, verdict="accept", error=["1", "²", "-1", "99"], shift="--1")
    content = AnnotationRevision.objects.get().content
    assert (content["error_positions"], content["edits"]) == ([1], [])


def test_a_verdict_is_asked_for_in_words(as_bob: Client, project: Project) -> None:
    make_injection_item(project)
    answer = post(as_bob, start(as_bob, project))
    assert answer.status_code == 400
    assert b"Choose a verdict." in answer.content


def offer_solution(project: Project) -> ReviewItem:
    """An item whose claim points at no step: another correct solution."""
    item = make_injection_item(project)
    Injection.objects.filter(modified=item.solution).update(
        error_type="multi_solutions", claimed_error_positions=[], reason=""
    )
    return item


def test_what_kind_of_claim_it_is_is_sealed_too(
    as_bob: Client, project: Project, bob: User
) -> None:
    """Before the judgement nothing beside the steps tells another solution from an error."""
    sides = []
    for item in (offer_solution(project), make_injection_item(project, "wrong")):
        assignment = claim_item(user=bob, item=item)
        address = reverse("labeling:assignment", args=[assignment.pk])
        page = as_bob.get(address).content.decode().replace(address, "/assignments/1/")
        sides.append(page.split("<aside")[1].split("</aside>")[0])
        as_bob.post(address, form(assignment, action="reveal", blind="none"))
        opened = as_bob.get(address).content.decode()
        sides.append(opened.split("<aside")[1].split("</aside>")[0])
    offered, offered_open, wrong, wrong_open = sides
    assert offered == wrong
    assert 'data-claim-kind="solution"' in offered_open
    assert 'data-claim-kind="error"' in wrong_open


def test_a_verdict_on_another_solution(as_bob: Client, project: Project) -> None:
    offer_solution(project)
    assignment = start(as_bob, project)
    address = reverse("labeling:assignment", args=[assignment.pk])
    as_bob.post(address, form(assignment, action="reveal", blind="none"))
    assert post(as_bob, assignment, correct="yes", different="yes").status_code == 302
    revision = AnnotationRevision.objects.get()
    said = {name: revision.content[name] for name in ("correct", "different", "verdict")}
    assert said == {"correct": "yes", "different": "yes", "verdict": "accept"}
    assert revision.content["blind_first_error"] == {"none": True}
    # The claim was open when this was said, and the record says so.
    assert revision.after_reveal


def test_what_was_reported_of_an_original_is_sealed_with_the_claim(
    as_bob: Client, project: Project, bob: User, erin: User
) -> None:
    item = make_injection_item(project)
    sibling = make_sibling(item)
    submit_as(erin, sibling, verdict("reject", reject_code="original_wrong", error_positions=[]))
    report_original(item=sibling, reporter=erin)
    assignment = claim_item(user=bob, item=item)
    address = reverse("labeling:assignment", args=[assignment.pk])
    said = b"A reviewer reported the original as wrong"
    assert said not in as_bob.get(address).content.split(b'id="strings"')[0]
    as_bob.post(address, form(assignment, action="reveal", blind="1"))
    opened = as_bob.get(address).content.split(b'id="strings"')[0]
    assert said in opened
    assert b'data-others="1"' in opened


def make_sibling(item: ReviewItem) -> ReviewItem:
    """Another injection into the same original, in the queue."""
    first = Injection.objects.get(modified=item.solution)
    modified = make_solution(item.project, "sibling", steps=("First.", "Then $2+2=6$.", "So $6$."))
    Injection.objects.create(
        project=item.project,
        original=first.original,
        modified=modified,
        error_type="deception",
        claimed_error_positions=[1],
        claimed_changed_positions=[1],
        producer="test",
        created_at=first.created_at,
    )
    return enqueue(modified, task=ReviewItem.Task.VERIFY_INJECTION)
