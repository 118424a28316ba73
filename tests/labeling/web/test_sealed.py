"""What is sealed is not in the page: in no address of a sealed item is a word of what it hides."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from labeling import panels
from labeling.models import Assignment, Exposure, Injection, Project, Solution, User
from labeling.services.assignments import claim_item
from modeljobs.models import JobItem
from modeljobs.panels import equality_desk, step_evidence_panel
from tests.labeling.factories import enqueue, make_injection_item, make_solution, rating
from tests.labeling.web.helpers import suggest
from tests.modeljobs.counting import SOUND, add_counts, add_evidence_of, add_scores, make_rpe_job
from tests.modeljobs.web.rows import (
    add_check,
    add_evidence,
    add_rating,
    add_trial,
    make_block,
    make_job,
    make_sample,
)

# Words that stand nowhere but in what is sealed.
EVIDENCE = (
    *("secret analysis", "secret_code", "secret output", "secret text", "0.0717", "secret critic"),
    *("Whole rollout", "secret engine", "reasoneval", "MC 0.", "P(Yes)"),
)
PEOPLE = ("secret version", "secret note", "40+2=43")
CLAIM = ("secret reason", "secret producer")
# Whose labels a project puts before its reviewers is part of its protocol; what they say is not.
PROPOSAL = ("unit-test-prm", '"proposal": {', '"proposal":{', "0.8765")


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labelling knows the panel of step evidence and who checks equalities, and no other."""
    monkeypatch.setattr(panels, "_panels", {step_evidence_panel.name: step_evidence_panel})
    monkeypatch.setattr(panels, "_equalities", [equality_desk])


@pytest.fixture(autouse=True)
def protocol(project: Project) -> None:
    """Nothing of machines before the own judgement, and no claim."""
    project.machine_evidence = "after_judgement"
    project.hide_claim = True
    project.blind_share = 100
    project.save()


def fill(solution: Solution, lead: User, carol: User) -> list[JobItem]:
    """Every kind of evidence on the first step, and what people made of it."""
    verified = make_job(solution.project, lead, [solution]).items.get()
    sample = make_sample(
        0,
        0.0717,
        text="secret text",
        analysis="secret analysis",
        blocks=[make_block("secret_code = 1", "secret output")],
    )
    verified.job.engine_snapshot["name"] = "secret engine"
    verified.job.save()
    add_evidence(verified, 0, [sample])
    add_trial(verified, carol, code="secret version", analysis="secret version", output="secret")
    add_rating(verified, carol, note="secret note")
    rolled = make_rpe_job(solution.project, lead, [solution]).items.get()
    add_counts(rolled, [*SOUND, (1, 0)][: solution.n_steps + 1])
    add_evidence_of(rolled, SOUND)
    scored = make_job(solution.project, lead, [solution]).items.get()
    add_scores(scored, 0, kind="prm")
    judged = make_job(solution.project, lead, [solution]).items.get()
    add_scores(judged, 0, kind="critic", texts=["secret critic"])
    suggest(
        solution,
        method="secret-prm",
        producer="unit-test-prm",
        labels=[{"validity": "wrong", "score": {"raw": 0.8765, "scale": "p", "rule": ">"}}]
        + [None] * (solution.n_steps - 1),
    )
    return [verified, rolled, scored, judged]


@pytest.fixture
def held(project: Project, alice: User, bob: User, carol: User) -> Assignment:
    """bob holds an item to rate; another with evidence of its own comes after it."""
    solution = make_solution(project, "one")
    fill(solution, alice, carol)
    project.proposal_method = "secret-prm"
    project.save()
    item = enqueue(solution)
    held = claim_item(user=bob, item=item)
    add_check(item, carol, text="40+2=43")
    following = make_solution(project, "two")
    fill(following, alice, carol)
    enqueue(following)
    return held


@pytest.fixture
def verifying(project: Project, alice: User, bob: User, carol: User) -> Assignment:
    """bob holds an injection whose claim he has not opened; another comes after it."""
    for key in ("inj", "next"):
        item = make_injection_item(project, key)
        Injection.objects.filter(modified=item.solution).update(
            reason="secret reason", producer="secret producer"
        )
        fill(item.solution, alice, carol)
    first = Solution.objects.get(source_key="inj").review_items.get()
    return claim_item(user=bob, item=first)


def list_pages(client: Client, held: Assignment) -> Iterator[tuple[str, Any]]:
    """Every address that has to do with the item, by GET and by POST, as its reviewer asks."""
    solution = held.item.solution_id
    runs = JobItem.objects.filter(solution=solution)
    own: dict[str, Any] = {"args": [held.pk]}
    gets = [
        reverse("labeling:assignment", **own),
        reverse("labeling:ahead", **own),
        reverse("labeling:assignment-comments", **own),
        reverse("modeljobs:assignment-evidence", **own),
        reverse("modeljobs:assignment-equalities", **own),
        f"{reverse('modeljobs:assignment-equalities', **own)}?fragment=list",
        reverse("modeljobs:solution-evidence", args=[solution]) + "?fragment=step&position=0",
        reverse("modeljobs:item-equalities", args=[held.item_id]),
        reverse("labeling:solution", args=[solution]),
        reverse("labeling:work", args=[held.project.slug]),
        *(f"/api/v1/{part}" for part in list_api(held)),
    ]
    for run in runs:
        gets += [
            reverse("modeljobs:item", args=[run.pk]),
            reverse("modeljobs:item-evidence", args=[run.pk]),
            reverse("modeljobs:item-evidence", args=[run.pk]) + "?fragment=step&position=0",
            reverse("modeljobs:trials", args=[run.pk]) + "?position=0&sample=0&block=0",
            reverse("modeljobs:rationales", args=[run.pk]) + "?position=0&sample=0",
            f"/api/v1/job-items/{run.pk}/evidence/",
            f"/api/v1/job-items/{run.pk}/trials/",
            f"/api/v1/job-items/{run.pk}/rationales/",
        ]
    for address in gets:
        yield address, client.get(address)
    evidence = reverse("modeljobs:assignment-evidence", **own)
    yield evidence, client.post(f"{evidence}?fragment=step", {"position": 0})
    equality = f"{reverse('modeljobs:assignment-equalities', **own)}?fragment=list"
    yield equality, client.post(equality, {"position": 0, "text": "40+2=42"})
    for part in ("evidence", "equalities"):
        body = json.dumps({"position": 0, "text": "40+2=42"} if part == "equalities" else {})
        address = f"/api/v1/assignments/{held.pk}/{part}/"
        yield address, client.post(address, body, content_type="application/json")


def list_api(held: Assignment) -> list[str]:
    return [
        f"assignments/{held.pk}/",
        f"items/{held.item_id}/equalities/",
        f"solutions/{held.item.solution_id}/",
        f"projects/{held.project.slug}/suggestions/",
        f"projects/{held.project.slug}/injections/",
        "annotations/",
    ]


def assert_sealed(address: str, answer: Any, words: tuple[str, ...]) -> None:
    assert answer.status_code < 500, address
    if answer.status_code in (302, 404):
        return
    said = b"".join(answer.streaming_content) if answer.streaming else answer.content
    # JSON writes the same characters in another way.
    text = said.decode().replace("\\u003C", "<").replace('\\"', '"')
    for word in words:
        assert word not in text, (address, word)


def test_a_sealed_rating_holds_no_word_of_machines_or_others(annotator: Client, held: Assignment):
    assert held.proposal == Assignment.Proposal.BLIND
    shown = Exposure.objects.filter(what=Exposure.What.MACHINE).count()
    for address, answer in list_pages(annotator, held):
        assert_sealed(address, answer, EVIDENCE + PEOPLE + PROPOSAL)
    assert Exposure.objects.filter(what=Exposure.What.MACHINE).count() == shown


def test_a_sealed_injection_holds_no_word_of_its_claim(annotator: Client, verifying: Assignment):
    for address, answer in list_pages(annotator, verifying):
        assert_sealed(address, answer, EVIDENCE + PEOPLE + CLAIM)


@pytest.mark.parametrize("kind", ["rate", "verify"])
def test_the_next_page_that_comes_with_a_submission_is_as_sealed(
    annotator: Client, request: pytest.FixtureRequest, kind: str
):
    held: Assignment = request.getfixturevalue("held" if kind == "rate" else "verifying")
    body = {
        "lease_token": str(held.lease_token),
        "version": 0,
        "idempotency_key": str(uuid.uuid4()),
        "content": rating("correct", "correct", "correct"),
        "active_ms": 10,
    }
    if kind == "verify":
        # Skipped: nothing is judged, so nothing opens.
        body = {"lease_token": str(held.lease_token), "reason": "another reason"}
    name = "labeling:submit-next" if kind == "rate" else "labeling:skip-next"
    address = reverse(name, args=[held.pk])
    answer = annotator.post(address, json.dumps(body), content_type="application/json")
    assert answer.status_code in (200, 201)
    assert answer.json()["page"]
    assert_sealed(address, answer, EVIDENCE + PEOPLE + CLAIM + PROPOSAL)


def test_whom_chance_keeps_evidence_from_is_not_told(
    annotator: Client, project: Project, held: Assignment
):
    """A note that it is sealed would say that there is something."""
    project.machine_evidence = "always"
    project.save()
    html = annotator.get(reverse("labeling:assignment", args=[held.pk])).content.decode()
    assert "h-evidence" not in html
    assert "data-evidence-url" not in html
    refused = annotator.post(
        reverse("modeljobs:assignment-evidence", args=[held.pk]) + "?fragment=step",
        {"position": 0},
    )
    assert refused.status_code == 409


def test_the_words_are_there_once_it_is_open(annotator: Client, project: Project, held: Assignment):
    """Else the tests above would find nothing anywhere."""
    project.machine_evidence = "always"
    project.save()
    Assignment.objects.filter(pk=held.pk).update(
        proposal="none", suggestion=None, blind_probability=None
    )
    address = reverse("modeljobs:assignment-evidence", args=[held.pk]) + "?fragment=step"
    text = annotator.post(address, {"position": 0}).content.decode()
    for word in ("secret analysis", "secret_code", "secret output", "secret critic", "reasoneval"):
        assert word in text
    # What other reviewers made of it is not for this one.
    for word in PEOPLE:
        assert word not in text


def test_the_curve_ends_where_steps_are_sealed(
    annotator: Client, project: Project, held: Assignment
):
    """Of rollouts the steps up to the opened one are shown, and no later one."""
    project.machine_evidence = "always"
    project.save()
    Assignment.objects.filter(pk=held.pk).update(
        proposal="none", suggestion=None, blind_probability=None
    )
    address = reverse("modeljobs:assignment-evidence", args=[held.pk]) + "?fragment=step"
    first = annotator.post(address, {"position": 0}).content.decode()
    table = first[first.index("Rollouts by step") :]
    assert "Step 1" in table
    assert "Step 2" not in table
    second = annotator.post(address, {"position": 1}).content.decode()
    table = second[second.index("Rollouts by step") :]
    assert "Step 1" in table
    assert "Step 2" in table
