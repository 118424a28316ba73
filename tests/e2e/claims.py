"""Injections with claims of a known kind, and disputes over them, for tests in the browser.

What staging.py makes with Django set up; each in a project of its own, so that nothing else is
waiting there.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.urls import reverse

from labeling.models import Dispute, Injection, Membership, Project, ReviewItem, Solution, User
from labeling.records import NoError
from labeling.services.annotations import reveal_claim, submit
from labeling.services.assignments import claim_item
from tests.labeling.factories import (
    STEPS,
    enqueue,
    join,
    make_project,
    make_solution,
    make_user,
    rating,
    verdict,
)

ANOTHER = ("Two and two are twice two.", "Twice two is $\\boxed{4}$.")
WRONG = (STEPS[0], "Then $2+2=5$.", STEPS[2])
LONG = tuple(f"Step {number}: ${number}+1={number + 1}$." for number in range(1, 108))
LONG_AND_WRONG = (*LONG[:59], "Step 60: $60+1=62$.", *LONG[60:])


# What each test has for itself: a person's name, and the kind of claim that they are given.
CLAIMS = {
    "right-one": "right",
    "right-two": "right",
    "near": "off_by_one",
    "another": "solution",
    "another-plain": "solution",
    "another-light": "solution",
    "another-dark": "solution",
    "long": "long",
}
ADJUDICATORS = ("deciding", "asking")


def stage_verifying() -> dict[str, dict[str, str]]:
    """What the tests of verifying work on, by the name of the person who has it."""
    given = {name: _give_claim(name, kind) for name, kind in CLAIMS.items()}
    return given | {name: make_disputes(name) for name in ADJUDICATORS}


def _give_claim(name: str, kind: str) -> dict[str, str]:
    """Make the person, with their name as the password, and give them an injection.

    `kind`: "right", "off_by_one" (the claim names the step before), "solution" (another correct
    one), or "long" (107 steps, and another question).
    """
    project = make_project(_find_lead(), f"verify-{name}")
    user = User.objects.create_user(name, password=name)
    join(project, user, Membership.Role.ANNOTATOR)
    held = claim_item(user=user, item=make_claim(project, kind))
    path = reverse("labeling:assignment", args=[held.pk])
    return {"path": path}


def make_claim(project: Project, kind: str, overlap: int = 1) -> ReviewItem:
    """An injection in the queue, with a claim of that kind: see `_give_claim`."""
    if kind == "solution":
        return _make_injection(project, STEPS, ANOTHER, [], overlap=overlap)
    if kind == "long":
        return _make_injection(project, LONG, LONG_AND_WRONG, [59], question="What is $2+3$?")
    return _make_injection(project, STEPS, WRONG, [0 if kind == "off_by_one" else 1])


def _make_injection(
    project: Project,
    before: Sequence[str],
    after: Sequence[str],
    claimed: list[int],
    *,
    question: str = "What is $2+2$?",
    overlap: int = 1,
) -> ReviewItem:
    modified = make_solution(
        project, "modified", steps=after, question=question, origin=Solution.Origin.INJECTED
    )
    original = make_solution(project, "original", steps=before)
    Injection.objects.create(
        project=project,
        original=original,
        modified=modified,
        error_type="deception" if claimed else "multi_solutions",
        claimed_error_positions=claimed,
        claimed_changed_positions=claimed,
        question_changed=question != original.problem.text,
        producer="test",
        created_at=original.created_at,
    )
    return enqueue(modified, task=ReviewItem.Task.VERIFY_INJECTION, overlap=overlap)


def make_disputes(name: str) -> dict[str, str]:
    """Make the adjudicator, and in a project a dispute over ratings and one over a solution.

    Two of three say that the second step is wrong; of two one accepts the solution, and one finds
    that it does not really differ.
    """
    project = make_project(_find_lead(), f"disputes-{name}")
    user = User.objects.create_user(name, password=name)
    join(project, user, Membership.Role.ADJUDICATOR)
    people = [make_user(f"{name}-{bird}") for bird in ("heron", "wren", "finch")]
    for person in people:
        join(project, person, Membership.Role.ANNOTATOR)
    offer = {"error_positions": [], "error_type": "multi_solutions", "correct": "yes"}
    wrong, right = rating("correct", "wrong", "correct"), rating(*["correct"] * 3)
    same = verdict("reject", reject_code="not_different", different="no", **offer)
    rated = enqueue(make_solution(project, "rated"), overlap=3)
    offered = make_claim(project, "solution", overlap=2)
    for item, words in (
        (rated, (wrong, wrong, right)),
        (offered, (verdict("accept", different="yes", **offer), same)),
    ):
        for person, word in zip(people, words, strict=False):
            _submit_as(person, item, word)
    first, second = Dispute.objects.filter(project=project).order_by("pk")
    return {
        "slug": project.slug,
        "rating": reverse("labeling:dispute", args=[first.pk]),
        "solution": reverse("labeling:dispute", args=[second.pk]),
    }


def _submit_as(person: User, item: ReviewItem, data: dict[str, Any]) -> None:
    held = claim_item(user=person, item=item)
    submit(
        assignment=held,
        lease_token=held.lease_token,
        data=data,
        idempotency_key=uuid.uuid4(),
    )


def stage_solutions(lead: User) -> dict[str, str]:
    """Another correct solution to be verified by the lead, and a dispute over one."""
    project = make_project(lead, "another-solution")
    held = claim_item(user=lead, item=make_claim(project, "solution"))
    reveal_claim(assignment=held, lease_token=held.lease_token, blind_first_error=NoError())
    return {
        "verify-solution": reverse("labeling:assignment", args=[held.pk]),
        "dispute-solution": make_disputes("adjudicator")["solution"],
    }


def _find_lead() -> User:
    return User.objects.get(username="admin")
