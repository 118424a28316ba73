"""A tiny project with a little of everything that people and machines leave behind.

Made through services alone, so that a snapshot of it is what an installation would hold.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.utils import timezone

from labeling.models import (
    ApiToken,
    Assignment,
    Dispute,
    Membership,
    Project,
    ReviewItem,
    Source,
    User,
)
from labeling.records import At
from labeling.services.adjudications import decide
from labeling.services.annotations import reveal_claim, revise, submit
from labeling.services.assignments import claim_item, save_draft, skip
from labeling.services.members import add_member, invite, make_token
from labeling.services.projects import create_project, publish_guidelines
from labeling.services.releases import build_release, create_release
from labeling.services.transfers import create_import, run_import
from modeljobs.models import CodeTrial, Engine, EngineTest, JobItem
from modeljobs.runner import run_job
from modeljobs.services.engines import ensure_scripted_engine, ensure_tiny_engine
from modeljobs.services.jobs import create_job, start

SLUG = "tiny"
RELEASE = "first"
SUM = {
    "prompt": "What is $2+3\\cdot 4$?",
    "completions": ["Multiply first: $3\\cdot 4=12$.", "Then $2+12=14$. The answer is 14."],
    "labels": [True, True],
}
PERIMETER = {
    "prompt": "A square has the area $49$. What is its perimeter?",
    "completions": ["Its side is $\\sqrt{49}=7$.", "So the perimeter is $4\\cdot 7=28$."],
    "labels": [True, True],
}
# The claim is right about the step; the reviewers will not both see it.
INJECTED = {
    "idx": "one",
    "original_question": "What is $5^2-3^2$?",
    "original_process": ["$5^2=25$ and $3^2=9$.", "So the answer is $25-9=16$."],
    "modified_question": "What is $5^2-3^2$?",
    "modified_process": ["$5^2=25$ and $3^2=6$.", "So the answer is $25-6=19$."],
    "modified_steps": [1, 2],
    "error_steps": [1],
    "reason": "Step 1 multiplies 3 by 2 instead of squaring it.",
    "classification": "deception",
}
SCORED = {
    "input": "What is half of 14? Step 1: Half of 14 is 7. ки\nStep 2: The answer is: 7 ки",
    "label": "What is half of 14? Step 1: Half of 14 is 7. +\nStep 2: The answer is: 7 -",
    "task": "GSM8K",
}


def build_world() -> Project:
    """The project, led by lena; ada and ben annotate, cleo adjudicates."""
    lena, ada, ben, cleo = (_make_user(name) for name in ("lena", "ada", "ben", "cleo"))
    project = create_project(name="Tiny", slug=SLUG, by=lena, description="A little of all.")
    for person, role in (
        (ada, Membership.Role.ANNOTATOR),
        (ben, Membership.Role.ANNOTATOR),
        (cleo, Membership.Role.ADJUDICATOR),
    ):
        add_member(project=project, user=person, role=role, by=lena)
    publish_guidelines(
        project=project, by=lena, text="Judge each step.", seen_version=project.guideline_version
    )
    project.refresh_from_db()
    _import(project, lena, "sums.jsonl", "trl", SUM, PERIMETER, {"prompt": 7, "completions": []})
    _import(project, lena, "injected.jsonl", "prmbench", INJECTED)
    _import(project, lena, "scored.jsonl", "math_shepherd", SCORED, enqueue=False)
    rated, started, claimed = ReviewItem.objects.filter(project=project).order_by("queue_order")
    _rate(rated, ada, ben)
    _leave_half_done(started, ada, ben)
    _dispute(claimed, ada, ben, cleo)
    _run_job(
        project,
        lena,
        engine=ensure_scripted_engine(),
        method="injection",
        parameters={"error_types": ["deception"]},
    )
    _verify_steps(project, lena)
    invite(project=project, role=Membership.Role.ENGINEER, by=lena, note="for the pipeline")
    make_token(user=lena, name="pipeline", scopes=[ApiToken.Scope.EXPORT], days=30)
    release = create_release(
        project=project, name=RELEASE, by=lena, options={"on_blocking": "leave_out"}
    )
    build_release(release.pk)
    return project


def _make_user(name: str) -> User:
    user = User(username=name, display_name=name.title())
    user.set_unusable_password()
    user.save()
    return user


def _import(
    project: Project, by: User, filename: str, name: str, *rows: Any, enqueue: bool = True
) -> None:
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    batch = create_import(
        project=project,
        by=by,
        chunks=[lines.encode()],
        filename=filename,
        format_name=name,
        enqueue=enqueue,
        source_facts={
            "licence": "Apache-2.0",
            "redistribution": Source.Redistribution.ALLOWED,
            "citation": "Written for this project.",
        },
        send=False,
    )
    run_import(batch.pk)


def _rate(item: ReviewItem, ada: User, ben: User) -> None:
    """Two people rate the steps alike; one of them adds a second word."""
    for person in (ada, ben):
        _submit(claim_item(user=person, item=item), _rating("correct", "correct"))
    annotation = item.annotations.get(annotator=ben)
    revise(
        annotation=annotation,
        by=ben,
        data=_rating("correct", "correct", note="Checked twice."),
        reason="A note was missing.",
        seen_number=1,
        idempotency_key=uuid.uuid4(),
    )


def _leave_half_done(item: ReviewItem, ada: User, ben: User) -> None:
    held = claim_item(user=ada, item=item)
    save_draft(
        assignment=held,
        lease_token=held.lease_token,
        content=_rating("correct"),
        seen_version=0,
    )
    given_back = claim_item(user=ben, item=item)
    skip(assignment=given_back, lease_token=given_back.lease_token, reason="too hard")


def _dispute(item: ReviewItem, ada: User, ben: User, cleo: User) -> None:
    """One accepts the claim, the other rejects it; the adjudicator accepts."""
    for person, content in (
        (ada, _verdict("accept", error_positions=[0], error_type="deception")),
        (ben, _verdict("reject", reject_code="not_an_error")),
    ):
        held = claim_item(user=person, item=item)
        reveal_claim(assignment=held, lease_token=held.lease_token, blind_first_error=At(0))
        _submit(held, content)
    dispute = Dispute.objects.get(item=item)
    decide(
        dispute=dispute,
        by=cleo,
        data=_verdict("accept", error_positions=[0], error_type="deception"),
        reason="$3^2$ is $9$.",
        seen_version=dispute.version,
        idempotency_key=uuid.uuid4(),
    )


def _run_job(
    project: Project, lead: User, *, engine: Engine, method: str, parameters: dict[str, Any]
) -> JobItem:
    job = create_job(
        project=project,
        engine=engine,
        method=method,
        parameters=parameters,
        seed=1,
        selection={"limit": 1},
        by=lead,
    )
    start(job=job, by=lead)
    run_job(job_id=job.pk, worker="worker")
    # Where tasks run at once, starting the job ran it too, under the name of this machine.
    JobItem.objects.filter(job=job).update(worker="worker")
    return job.items.get()


def _verify_steps(project: Project, lead: User) -> None:
    """GenPRM by the tiny model; a person's run of code and a test of the engine, not made yet."""
    tiny = ensure_tiny_engine()
    item = _run_job(project, lead, engine=tiny, method="genprm", parameters={"early_stop": False})
    CodeTrial.objects.create(
        item=item, position=0, author=lead, code="print(3 * 4)", created_at=timezone.now()
    )
    EngineTest.objects.create(engine=tiny, requested_by=lead, created_at=timezone.now())


def _submit(held: Assignment, content: dict[str, Any]) -> None:
    submit(
        assignment=held,
        lease_token=held.lease_token,
        data=content,
        idempotency_key=uuid.uuid4(),
        active_ms=41_000,
    )


def _rating(*validities: str, **more: Any) -> dict[str, Any]:
    steps = [{"position": place, "validity": said} for place, said in enumerate(validities)]
    return {"task": "rate_steps", "steps": steps, **more}


def _verdict(value: str, **more: Any) -> dict[str, Any]:
    return {"task": "verify_injection", "verdict": value, **more}
