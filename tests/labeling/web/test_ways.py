"""The pages of work in other ways than taking items from the queue: revising, and training."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.db import connection
from django.http import HttpRequest
from django.shortcuts import render
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from labeling.models import Assignment, Draft, Exposure, Project, User
from labeling.selectors.review import get_workspace
from labeling.services.annotations import submit
from labeling.services.assignments import claim_next, save_draft
from labeling.web.workspace_context import build_context
from tests.labeling.factories import make_injection_item, make_items, rating
from tests.labeling.web.helpers import check_html

URLS = {"form": "/training/5/", "submit": "/training/5/answer/"}


@pytest.fixture
def request_of_bob(bob: User) -> HttpRequest:
    request = RequestFactory().get("/training/5/")
    request.user = bob
    return request


def draw(request: HttpRequest, context: dict[str, Any]) -> str:
    verifying = context["item"]["task"] == "verify_injection"
    template = "labeling/verify.html" if verifying else "labeling/rate.html"
    html = render(request, template, context).content.decode()
    check_html(html)
    return html


def read_data(html: str) -> dict[str, Any]:
    found = re.search(r'<script id="page" type="application/json">(.*?)</script>', html)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def claim(user: User, project: Project) -> Assignment:
    assignment = claim_next(user=user, project=project)
    assert assignment is not None
    return assignment


def test_an_item_of_the_queue_is_work(
    request_of_bob: HttpRequest, project: Project, bob: User
) -> None:
    make_items(project, 1)
    held = claim(bob, project)
    data = read_data(draw(request_of_bob, build_context(get_workspace(held), gaps=[])))
    assert data["way"] == {"kind": "work", "asks_reason": False, "extra": {}}
    assert data["keys"] == {}
    assert data["single_keys"] is True
    assert data["proposal"] is None
    assert data["urls"]["submit_next"] == reverse("labeling:submit-next", args=[held.pk])
    assert data["urls"]["heartbeat"]


def test_training_needs_no_assignment_and_writes_nothing(
    request_of_bob: HttpRequest, project: Project, bob: User
) -> None:
    [item] = make_items(project, 1)
    unsaved = Assignment(project=project, item=item, annotator=bob)
    with CaptureQueriesContext(connection) as queries:
        context = build_context(
            get_workspace(unsaved), gaps=[], urls=URLS, way={"kind": "training"}
        )
        html = draw(request_of_bob, context)
    assert not [each for each in queries if not each["sql"].startswith("SELECT")]
    assert not Assignment.objects.exists()
    assert not Exposure.objects.exists()
    assert "Then $2+2=4$." in html
    data = read_data(html)
    assert data["way"]["kind"] == "training"
    assert data["assignment"] == {"id": 0, "lease_token": "", "lease_expires_at": ""}
    urls = data["urls"]
    assert (urls["form"], urls["submit"]) == (URLS["form"], URLS["submit"])
    assert urls["submit_next"] == URLS["submit"]
    assert urls["login"].endswith(f"?next={URLS['form']}")
    assert {urls[name] for name in ("draft", "heartbeat", "skip", "again", "comments")} == {""}


def test_training_has_no_part_in_the_drafts_of_work(project: Project, bob: User) -> None:
    make_items(project, 1)
    held = claim(bob, project)
    save_draft(
        assignment=held, lease_token=held.lease_token, content={"note": "mine"}, seen_version=0
    )
    at_work = build_context(get_workspace(held), gaps=[])
    unsaved = Assignment(project=project, item=held.item, annotator=bob)
    training = build_context(get_workspace(unsaved), gaps=[], urls=URLS, way={"kind": "training"})
    assert at_work["draft"]["content"] == {"note": "mine"}
    assert training["draft"]["content"] == {}
    assert training["draft"]["key"] != at_work["draft"]["key"]


def test_a_page_of_training_starts_from_what_it_is_given(project: Project, bob: User) -> None:
    [item] = make_items(project, 1)
    unsaved = Assignment(project=project, item=item, annotator=bob)
    content = rating("correct", None, "wrong")
    context = build_context(
        get_workspace(unsaved, content=content), gaps=[], urls=URLS, way={"kind": "training"}
    )
    assert context["draft"]["content"] == content


def test_the_claim_of_a_training_item_opens_with_what_the_content_says(
    request_of_bob: HttpRequest, project: Project, bob: User
) -> None:
    item = make_injection_item(project)
    unsaved = Assignment(project=project, item=item, annotator=bob)
    sealed = build_context(get_workspace(unsaved), gaps=[], urls=URLS, way={"kind": "training"})
    assert "Step 2 adds wrongly" not in draw(request_of_bob, sealed)
    judged = get_workspace(unsaved, content={"blind_first_error": {"at": 1}})
    opened = build_context(judged, gaps=[], urls=URLS, way={"kind": "training"})
    assert "Step 2 adds wrongly" in draw(request_of_bob, opened)
    assert opened["blind_first_error"] == {"at": 1}
    assert not Exposure.objects.exists()


def test_revising_starts_from_what_was_submitted_and_asks_for_a_reason(
    request_of_bob: HttpRequest, project: Project, bob: User
) -> None:
    make_items(project, 1)
    held = claim(bob, project)
    revision = submit(
        assignment=held,
        lease_token=held.lease_token,
        data=rating("correct", "correct", "wrong"),
        idempotency_key=held.lease_token,
    )
    held.refresh_from_db()
    context = build_context(
        get_workspace(held, content=revision.content),
        gaps=[],
        urls={"form": "/r/", "submit": "/r/send/"},
        way={"kind": "revise", "asks_reason": True, "extra": {"number": 1}},
    )
    data = read_data(draw(request_of_bob, context))
    assert data["draft"]["content"] == revision.content
    assert data["way"] == {
        "kind": "revise",
        "asks_reason": True,
        "extra": {"number": 1},
    }
    assert data["assignment"]["id"] == held.pk
    assert data["assignment"]["lease_token"] == ""
    assert data["urls"]["comments"] == reverse("labeling:assignment-comments", args=[held.pk])
    assert {data["urls"][name] for name in ("draft", "heartbeat", "skip")} == {""}
    assert not Draft.objects.exists()


def test_whoever_has_submitted_sees_what_opens_then(project: Project, bob: User) -> None:
    make_items(project, 1)
    held = claim(bob, project)
    assert get_workspace(held).evidence == "sealed"
    held.state = Assignment.State.SUBMITTED
    assert get_workspace(held).evidence == "open"


def test_what_chance_keeps_back_is_sealed_until_then(project: Project, bob: User) -> None:
    project.machine_evidence = Project.Evidence.ALWAYS
    project.save()
    make_items(project, 1)
    held = claim(bob, project)
    assert get_workspace(held).evidence == "open"
    held.proposal = Assignment.Proposal.BLIND
    assert get_workspace(held).evidence == "sealed"


def test_active_time_comes_back_with_the_draft(project: Project, bob: User) -> None:
    make_items(project, 1)
    held = claim(bob, project)
    assert build_context(get_workspace(held), gaps=[])["draft"]["activity"] is None
    activity = {"total": 900, "steps": {"0": 400}}
    save_draft(
        assignment=held,
        lease_token=held.lease_token,
        content={},
        seen_version=0,
        activity=activity,
    )
    assert build_context(get_workspace(held), gaps=[])["draft"]["activity"] == activity
