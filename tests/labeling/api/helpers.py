"""Clients for the cast, and a world in which every endpoint has something to say."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.utils import timezone
from rest_framework.test import APIClient, ForceAuthClientHandler

from labeling.models import (
    Annotation,
    ApiToken,
    Assignment,
    Dispute,
    ImportBatch,
    Injection,
    Invitation,
    Membership,
    Project,
    Release,
    ReviewItem,
    Solution,
    Source,
    Suggestion,
    User,
)
from labeling.services.annotations import submit
from labeling.services.assignments import claim_next, skip
from labeling.services.members import invite, make_token
from labeling.services.releases import build_release, create_release
from labeling.services.transfers import create_import, run_import
from modeljobs.models import Engine, ModelJob
from modeljobs.services.engines import ensure_scripted_engine
from modeljobs.services.jobs import create_job
from tests.labeling.factories import (
    enqueue,
    join,
    make_injection_item,
    make_project,
    make_solution,
    make_user,
    rating,
)

API = "/api/v1"
ROLES = ("lead", "annotator", "adjudicator", "engineer", "outsider", "anonymous")

RIGHT = ("correct", "correct", "correct")
WRONG = ("correct", "wrong", "wrong")


@lru_cache
def find_handler(enforce_csrf_checks: bool) -> ForceAuthClientHandler:
    """One for all clients: each would load the middleware, and look through all static files."""
    return ForceAuthClientHandler(enforce_csrf_checks)


def make_client(*, enforce_csrf_checks: bool = False, **options: Any) -> APIClient:
    """A client of nobody's."""
    client = APIClient(enforce_csrf_checks=enforce_csrf_checks, **options)
    client.handler = find_handler(enforce_csrf_checks)
    return client


def sign_in(user: User | None, **options: Any) -> APIClient:
    """A client with the user's session, or an anonymous one."""
    client = make_client(**options)
    if user is not None:
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def with_token(user: User, *scopes: str, **options: Any) -> APIClient:
    """A client with a token of the user's."""
    return with_secret(make_secret(user, *scopes), **options)


def make_secret(user: User, *scopes: str) -> str:
    """A new token of the user's, as it was shown once."""
    return make_token(user=user, name="test", scopes=list(scopes), days=1).secret


def with_secret(secret: str, **options: Any) -> APIClient:
    client = make_client(**options)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def read_error(response: Any, status: int, code: str) -> dict[str, Any]:
    """The error of an answer, after checking its status, code and shape."""
    assert response.status_code == status, response.content
    body = json.loads(response.content)
    assert list(body) == ["error"]
    assert set(body["error"]) == {"code", "message", "detail"}
    assert body["error"]["code"] == code
    assert body["error"]["message"]
    error: dict[str, Any] = body["error"]
    return error


def new_key() -> str:
    return str(uuid.uuid4())


def submit_as(
    user: User, project: Project, content: dict[str, Any]
) -> tuple[Assignment, Annotation]:
    """Claim the user's next item and submit this of it."""
    assignment = claim_next(user=user, project=project)
    assert assignment is not None
    revision = submit(
        assignment=assignment,
        lease_token=assignment.lease_token,
        data=content,
        idempotency_key=uuid.uuid4(),
    )
    return assignment, revision.annotation


def make_dispute(project: Project, first: User, second: User, key: str = "disputed") -> Dispute:
    """An item on which two reviewers differ; they must have nothing else to do before it."""
    item = enqueue(make_solution(project, key=key))
    submit_as(first, project, rating(*RIGHT))
    submit_as(second, project, rating(*WRONG))
    return Dispute.objects.get(item=item, state=Dispute.State.OPEN)


def make_suggestion(solution: Solution) -> Suggestion:
    return Suggestion.objects.create(
        project=solution.project,
        solution=solution,
        method="critic",
        producer="unit test",
        labels=[None, {"validity": "wrong"}, None],
        first_error={"at": 1},
        identity="critic-1",
        created_at=timezone.now(),
    )


GSM_FILE = (
    b'{"question": "What is 2+2?", "answer": "2+2=4\\n#### 4"}\n'
    b'{"question": "What is 3+3?", "answer": "3+3=6\\n#### 6"}\n'
    b"not json\n"
)


@dataclass(frozen=True, slots=True)
class World:
    """A project with work under way; bob holds one item to rate and skipped another."""

    project: Project
    people: dict[str, User | None]
    second_annotator: User
    source: Source
    solution: Solution
    item: ReviewItem
    injection: Injection
    suggestion: Suggestion
    assignment: Assignment
    skipped: Assignment
    sealed: Assignment
    annotation: Annotation
    dispute: Dispute
    batch: ImportBatch
    release: Release
    engine: Engine
    job: ModelJob
    invitation: Invitation
    member: Membership
    token: ApiToken

    @property
    def filename(self) -> str:
        return self.release.files.get(format="native").filename


def build_world() -> World:
    """The world, made by the same services that the API calls."""
    lead, bob, erin = make_user("lead"), make_user("bob"), make_user("erin")
    carol, frank, dave = make_user("carol"), make_user("frank"), make_user("dave")
    project = make_project(lead)
    join(project, bob, Membership.Role.ANNOTATOR)
    join(project, carol, Membership.Role.ADJUDICATOR)
    join(project, frank, Membership.Role.ENGINEER)
    member = join(project, erin, Membership.Role.ANNOTATOR)
    dispute = make_dispute(project, bob, erin)
    # Settled: what a release is made of.
    enqueue(make_solution(project, key="agreed"))
    _assignment, annotation = submit_as(bob, project, rating(*RIGHT))
    submit_as(erin, project, rating(*RIGHT))
    sealed_item = make_injection_item(project)
    sealed = claim_next(user=erin, project=project)
    assert sealed is not None
    assert sealed.item == sealed_item
    skipped = claim_next(user=bob, project=project)
    assert skipped is not None
    skipped = skip(assignment=skipped, lease_token=skipped.lease_token, reason="not for me")
    solution = make_solution(project, key="open")
    item = enqueue(solution)
    assignment = claim_next(user=bob, project=project)
    assert assignment is not None
    assert assignment.item == item
    batch = create_import(
        project=project, by=frank, chunks=[GSM_FILE], filename="gsm.jsonl", send=False
    )
    batch = run_import(batch.pk)
    release = create_release(project=project, name="first", by=frank)
    release = build_release(release.pk)
    engine = ensure_scripted_engine()
    job = create_job(
        project=project,
        engine=engine,
        method="injection",
        parameters={},
        seed=1,
        selection={"solution_ids": [solution.pk]},
        by=lead,
    )
    invited, _secret = invite(project=project, role="annotator", by=lead)
    assert isinstance(invited, Invitation)
    token, _secret = make_token(user=bob, name="notebook", scopes=["read"], days=1)
    assert isinstance(token, ApiToken)
    return World(
        project=project,
        people={
            "lead": lead,
            "annotator": bob,
            "adjudicator": carol,
            "engineer": frank,
            "outsider": dave,
            "anonymous": None,
        },
        second_annotator=erin,
        source=solution.source,
        solution=solution,
        item=item,
        injection=Injection.objects.get(modified=sealed_item.solution),
        suggestion=make_suggestion(solution),
        assignment=assignment,
        skipped=skipped,
        sealed=sealed,
        annotation=annotation,
        dispute=dispute,
        batch=batch,
        release=release,
        engine=engine,
        job=job,
        invitation=invited,
        member=member,
        token=token,
    )
