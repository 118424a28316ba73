"""Who may do what over REST: every endpoint, by every role, by an outsider and by nobody.

The endpoints come from the URLs themselves: a new one without a line here fails.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from pytest_django import Settings

from labeling.models import ApiToken, Comment, Mention, Ruling, SourceReport, User
from labeling.selectors.guidance import find_edition
from labeling.services.comments import add_comment
from labeling.services.guidance import make_ruling
from labeling.services.reports import report_original
from modeljobs.models import (
    CodeTrial,
    ConsensusRun,
    EqualityCheck,
    FileWriting,
    ModelJob,
    ReferenceDoubt,
)
from tests.labeling.api.helpers import (
    GSM_FILE,
    ROLES,
    World,
    build_world,
    new_key,
    read_error,
    sign_in,
    with_token,
)
from tests.labeling.factories import rating, verdict
from tests.labeling.training_helpers import ensure_training, find_settled, find_training
from tests.modeljobs.consensus_rows import ensure_run, give_file
from tests.modeljobs.counting import add_doubt, ensure_labels
from tests.modeljobs.web.rows import add_check, add_evidence, add_trial

METHODS = ("get", "post", "put", "patch", "delete")

# Expected status by role: lead, annotator, adjudicator, engineer, outsider, anonymous.
MEMBERS = "200 200 200 200 404 401"
ANYBODY = "200 200 200 200 200 401"
LEADS = "200 403 403 403 404 401"
BROWSERS = "200 403 200 200 404 401"
HIS_OWN = "404 200 404 404 404 401"

MATRIX: dict[tuple[str, str], str] = {
    ("get", "root"): ANYBODY,
    ("get", "schema"): ANYBODY,
    ("get", "docs"): "200 200 200 200 200 302",
    ("get", "me"): ANYBODY,
    ("get", "keys"): ANYBODY,
    ("put", "keys"): ANYBODY,
    ("get", "preferences"): ANYBODY,
    ("patch", "preferences"): ANYBODY,
    ("get", "formats"): ANYBODY,
    ("get", "tokens"): ANYBODY,
    ("post", "tokens"): "201 201 201 201 201 401",
    ("delete", "token"): "404 204 404 404 404 401",
    # Projects: whoever leads one may make another.
    ("get", "projects"): ANYBODY,
    ("post", "projects"): "201 403 403 403 403 401",
    ("get", "project"): MEMBERS,
    ("patch", "project"): LEADS,
    ("get", "guidelines"): MEMBERS,
    ("post", "guidelines"): "201 403 403 403 404 401",
    ("post", "guidelines-read"): MEMBERS,
    ("get", "rulings"): MEMBERS,
    ("post", "rulings"): "201 403 403 403 404 401",
    ("post", "ruling-withdraw"): LEADS,
    # It is in force: whether one may comes first, then that.
    ("post", "ruling-restore"): "409 403 403 403 404 401",
    ("get", "taxonomies"): MEMBERS,
    ("post", "taxonomies"): "201 403 403 403 404 401",
    ("post", "taxonomy-use"): LEADS,
    ("get", "members"): LEADS,
    ("patch", "member"): LEADS,
    ("delete", "member"): "204 403 403 403 404 401",
    ("get", "invitations"): LEADS,
    ("post", "invitations"): "201 403 403 403 404 401",
    ("delete", "invitation"): "204 403 403 403 404 401",
    # Numbers and logs
    ("get", "overview"): MEMBERS,
    ("get", "progress"): MEMBERS,
    ("get", "agreement"): "200 403 200 403 404 401",
    ("get", "proposals"): "200 403 200 403 404 401",
    ("get", "lints"): BROWSERS,
    ("get", "audit-events"): LEADS,
    ("get", "exposures"): LEADS,
    # Data
    ("get", "sources"): BROWSERS,
    ("patch", "source"): "200 403 403 200 404 401",
    ("get", "problems"): BROWSERS,
    ("get", "solutions"): BROWSERS,
    ("get", "solution"): BROWSERS,
    ("get", "injections"): BROWSERS,
    ("get", "injection"): BROWSERS,
    ("get", "items"): BROWSERS,
    ("get", "suggestions"): BROWSERS,
    # Work: an assignment is its annotator's, and of nobody else.
    ("post", "assignments-claim"): "200 200 403 403 404 401",
    ("post", "item-claim"): HIS_OWN,
    ("get", "assignment"): HIS_OWN,
    ("put", "assignment-draft"): HIS_OWN,
    ("post", "assignment-heartbeat"): HIS_OWN,
    # This item has no claim to open: whose it is comes first, then that.
    ("post", "assignment-reveal"): "404 400 404 404 404 401",
    ("post", "assignment-submit"): "404 201 404 404 404 401",
    ("post", "assignment-skip"): HIS_OWN,
    ("post", "assignment-undo-skip"): HIS_OWN,
    ("get", "annotations"): MEMBERS,
    ("get", "annotation"): HIS_OWN,
    ("post", "annotation-revise"): "404 201 404 404 404 401",
    ("get", "own-work"): "200 200 403 403 404 401",
    # Training: the world's round is the annotator's; its set is the lead's.
    ("get", "training-items"): LEADS,
    ("post", "training-items"): "201 403 403 403 404 401",
    ("post", "training-choose"): "201 403 403 403 404 401",
    ("patch", "training-item"): LEADS,
    ("delete", "training-item"): "204 403 403 403 404 401",
    ("post", "training-put-back"): LEADS,
    ("post", "training-move"): LEADS,
    ("post", "training-let-in"): LEADS,
    ("post", "training-take-back"): "200 403 404 404 404 401",
    ("get", "training-rounds"): MEMBERS,
    ("post", "training-rounds"): "201 201 403 403 404 401",
    ("get", "training-round"): "200 200 404 404 404 401",
    ("get", "training-answer"): HIS_OWN,
    ("post", "training-answer"): "404 201 404 404 404 401",
    ("post", "training-reveal"): HIS_OWN,
    # Comments: the world's one is the annotator's, on the item that he holds, and names the lead.
    ("get", "comments"): MEMBERS,
    ("post", "comments"): "201 201 201 201 404 401",
    ("get", "comment"): "200 200 200 404 404 401",
    ("post", "comment-reply"): "201 201 201 404 404 401",
    ("post", "comment-resolve"): "200 200 200 404 404 401",
    # It is open: whether one may comes first, then that.
    ("post", "comment-reopen"): "409 409 409 404 404 401",
    ("post", "comment-withdraw"): "403 200 403 404 404 401",
    ("get", "mentions"): ANYBODY,
    ("post", "mention-seen"): "200 404 404 404 404 401",
    # Disputes
    ("get", "disputes"): "200 403 200 403 404 401",
    ("get", "dispute"): "200 403 200 403 404 401",
    ("post", "dispute-open"): "200 403 200 403 404 401",
    ("post", "dispute-decide"): "201 403 201 403 404 401",
    # Originals that were reported: the world's one is open.
    ("get", "source-reports"): "200 403 200 403 404 401",
    ("get", "source-report"): "200 403 200 403 404 401",
    ("post", "source-report-decide"): "200 403 200 403 404 401",
    ("post", "source-report-reopen"): "409 403 409 403 404 401",
    # In and out
    ("get", "imports"): "200 403 403 200 404 401",
    ("post", "imports"): "201 403 403 201 404 401",
    ("get", "import"): "200 403 403 200 404 401",
    ("get", "issues"): "200 403 403 200 404 401",
    ("get", "issues-file"): "200 403 403 200 404 401",
    ("get", "releases"): "200 403 403 200 404 401",
    ("post", "releases"): "201 403 403 201 404 401",
    ("get", "release"): "200 403 403 200 404 401",
    ("get", "release-file"): "200 403 403 200 404 401",
    # Machines: whoever leads a project may add an engine.
    ("get", "engines"): "200 403 403 200 403 401",
    ("post", "engines"): "201 403 403 403 403 401",
    ("get", "engine"): "200 403 403 200 403 401",
    ("patch", "engine"): "200 403 403 403 403 401",
    ("post", "engine-test"): "202 403 403 403 403 401",
    ("get", "engine-tests"): "200 403 403 200 403 401",
    ("get", "methods"): ANYBODY,
    ("get", "jobs"): "200 403 403 200 404 401",
    ("post", "jobs"): "201 403 403 403 404 401",
    ("get", "job"): "200 403 403 200 404 401",
    ("post", "job-start"): LEADS,
    ("post", "job-pause"): "409 403 403 403 404 401",
    ("post", "job-resume"): "409 403 403 403 404 401",
    ("post", "job-cancel"): LEADS,
    ("post", "job-retry"): "409 403 403 403 404 401",
    ("get", "job-items"): "200 403 403 200 404 401",
    ("put", "job-guards"): LEADS,
    ("get", "yields"): "200 403 403 200 404 401",
    ("post", "sources-verify"): LEADS,
    # Comparisons: the world's one compares a job with itself, which is refused, and found nothing.
    ("get", "consensus-runs"): "200 403 403 200 404 401",
    ("post", "consensus-runs"): "400 403 403 400 404 401",
    ("get", "consensus"): "200 403 403 200 404 401",
    ("get", "consensus-findings"): "200 403 403 200 404 401",
    ("get", "consensus-conversations"): "200 403 403 200 404 401",
    ("post", "consensus-conversations"): "409 403 403 409 404 401",
    ("post", "consensus-send"): LEADS,
    # Labels by rollouts, their frozen files, and references in doubt.
    ("get", "job-labels"): "200 403 403 200 404 401",
    ("put", "job-labels"): LEADS,
    ("post", "job-labels-preview"): "200 403 403 200 404 401",
    ("post", "job-labels-send"): LEADS,
    ("get", "job-readings"): "200 403 403 200 404 401",
    ("post", "job-readings"): "202 403 403 202 404 401",
    ("get", "job-reading"): "200 403 403 200 404 401",
    ("get", "job-reading-file"): "200 403 403 200 404 401",
    ("get", "writing"): "200 403 403 200 404 401",
    ("get", "doubts"): BROWSERS,
    ("get", "doubt"): BROWSERS,
    ("post", "doubt-decide"): "200 403 200 403 404 401",
    # It is open: whether one may comes first, then that.
    ("post", "doubt-reopen"): "409 403 409 403 404 401",
    # What machines found: for those who browse, and for a reviewer what they have opened.
    ("get", "job-item-evidence"): BROWSERS,
    ("get", "job-item-trials"): BROWSERS,
    ("get", "code-trial"): BROWSERS,
    ("post", "job-item-trials"): "201 403 201 403 404 401",
    ("get", "job-item-rationales"): BROWSERS,
    ("post", "job-item-rationales"): "201 403 201 403 404 401",
    ("get", "job-rationales"): "200 403 403 200 404 401",
    ("get", "job-rationales-tally"): "200 403 403 200 404 401",
    # Equalities: of one's own item once a step is judged, else for those who browse and decide.
    ("post", "assignment-equalities"): "404 409 404 404 404 401",
    ("get", "item-equalities"): BROWSERS,
    ("post", "item-equalities"): "201 403 201 403 404 401",
    ("get", "equality-check"): "200 404 200 200 404 401",
    # Sealed until this item is submitted: whose it is comes first, then that.
    ("post", "assignment-evidence"): "404 409 404 404 404 401",
}

# Scopes by endpoint: any one of them will do, and no other. Empty: for sessions only.
READ_SCOPES: dict[str, str] = {
    "annotation": "read annotate",
    "annotations": "read annotate",
    "assignment": "read annotate",
    "audit-events": "admin",
    "code-trial": "read jobs annotate",
    "comment": "read annotate",
    "comments": "read annotate",
    "consensus": "read jobs",
    "consensus-conversations": "export",
    "consensus-findings": "read jobs",
    "consensus-runs": "read jobs",
    "dispute": "read annotate",
    "disputes": "read annotate",
    "doubt": "read jobs",
    "doubts": "read jobs",
    "engine": "read jobs",
    "engine-tests": "read jobs",
    "engines": "read jobs",
    "exposures": "admin",
    "formats": "read annotate import export jobs admin",
    "guidelines": "read annotate import export jobs admin",
    "import": "read import",
    "imports": "read import",
    "invitations": "admin",
    "issues": "read import",
    "issues-file": "read import",
    "job": "read jobs",
    "equality-check": "read annotate",
    "job-item-evidence": "read jobs annotate",
    "job-item-rationales": "read jobs annotate",
    "job-rationales": "read jobs",
    "job-rationales-tally": "read jobs",
    "job-item-trials": "read jobs annotate",
    "job-items": "read jobs",
    "job-labels": "read jobs",
    "job-reading": "read export",
    "job-reading-file": "export",
    "job-readings": "read jobs",
    "jobs": "read jobs",
    "keys": "read annotate import export jobs admin",
    "me": "read annotate import export jobs admin",
    "members": "admin",
    "mentions": "read annotate",
    "methods": "read jobs",
    "preferences": "read annotate import export jobs admin",
    "own-work": "read annotate",
    "progress": "read annotate",
    "project": "read annotate import export jobs admin",
    "projects": "read annotate import export jobs admin",
    "release": "read export",
    "release-file": "export",
    "releases": "read export",
    "root": "read annotate import export jobs admin",
    "rulings": "read annotate",
    "schema": "read annotate import export jobs admin",
    "source-report": "read annotate",
    "source-reports": "read annotate",
    "sources": "read import export",
    "taxonomies": "read annotate import export jobs admin",
    "tokens": "read annotate import export jobs admin",
    "training-answer": "read annotate",
    "training-round": "read annotate",
    "training-rounds": "read annotate",
    "writing": "read export",
    "yields": "read jobs",
}
WRITE_SCOPES: dict[str, str] = {
    "annotation-revise": "annotate",
    "assignment-draft": "annotate",
    "assignment-equalities": "annotate",
    "assignment-evidence": "annotate",
    "item-equalities": "annotate",
    "job-item-rationales": "jobs annotate",
    "assignment-heartbeat": "annotate",
    "assignment-reveal": "annotate",
    "assignment-skip": "annotate",
    "assignment-submit": "annotate",
    "assignment-undo-skip": "annotate",
    "assignments-claim": "annotate",
    "comment-reopen": "annotate",
    "comment-reply": "annotate",
    "comment-resolve": "annotate",
    "comment-withdraw": "annotate",
    "comments": "annotate",
    "consensus-conversations": "export",
    "consensus-runs": "export",
    "dispute-decide": "annotate",
    "dispute-open": "annotate",
    "doubt-decide": "annotate",
    "doubt-reopen": "annotate",
    "guidelines-read": "annotate",
    "imports": "import",
    "item-claim": "annotate",
    "job-cancel": "jobs",
    "job-guards": "jobs",
    "job-item-trials": "jobs annotate",
    "job-labels": "jobs",
    "job-labels-preview": "read jobs",
    "job-labels-send": "jobs",
    "job-pause": "jobs",
    "job-readings": "export",
    "job-resume": "jobs",
    "job-retry": "jobs",
    "job-start": "jobs",
    "jobs": "jobs",
    "keys": "annotate",
    "mention-seen": "annotate",
    "preferences": "annotate",
    "releases": "export",
    "source": "import",
    "source-report-decide": "annotate",
    "source-report-reopen": "annotate",
    "token": "",
    "tokens": "",
    "training-answer": "annotate",
    "training-reveal": "annotate",
    "training-rounds": "annotate",
}


def find_scopes(method: str, name: str) -> set[str]:
    """The scopes that this table promises: reading takes `read`, changing takes `admin`, unless
    a line says otherwise.
    """
    if method == "get":
        return set(READ_SCOPES.get(name, "read").split())
    return set(WRITE_SCOPES.get(name, "admin").split())


def iterate_endpoints() -> Iterator[tuple[str, URLPattern]]:
    """Every (method, URL) of the API, from the URLs that the server answers by."""

    def walk(resolver: URLResolver) -> Iterator[URLPattern]:
        for entry in resolver.url_patterns:
            if isinstance(entry, URLResolver):
                yield from walk(entry)
            else:
                yield entry

    for entry in get_resolver().url_patterns:
        if isinstance(entry, URLResolver) and entry.app_name == "api":
            for pattern in walk(entry):
                view = getattr(pattern.callback, "cls", None)
                for method in METHODS if view else ("get",):
                    if (view is None or hasattr(view, method)) and pattern.name != "unknown":
                        yield method, pattern


ENDPOINTS = sorted({(method, str(pattern.name)) for method, pattern in iterate_endpoints()})
# The documentation is a page, for people.
ENDPOINTS_FOR_TOKENS = [pair for pair in ENDPOINTS if pair[1] != "docs"]


def build_arguments(name: str, world: World) -> dict[str, Any]:
    """What the address of an endpoint needs, taken from the world."""
    values: dict[str, Any] = {
        "slug": world.project.slug,
        "token_id": world.token.pk,
        "taxonomy_id": world.project.taxonomy_id,
        "member_id": world.member.pk,
        "invitation_id": world.invitation.pk,
        "source_id": world.source.pk,
        "solution_id": world.solution.pk,
        "injection_id": world.injection.pk,
        "item_id": world.item.pk,
        "assignment_id": (
            world.skipped.pk if name == "assignment-undo-skip" else world.assignment.pk
        ),
        "annotation_id": world.annotation.pk,
        "dispute_id": world.dispute.pk,
        "batch_id": world.batch.pk,
        "release_id": world.release.pk,
        "filename": world.filename,
        "engine_id": world.engine.pk,
        "job_id": world.job.pk,
    }
    check = EqualityCheck.objects.order_by("pk").first()
    values["check_id"] = check.pk if check else 1
    if name in ("job-item-evidence", "job-item-trials", "job-item-rationales", "code-trial"):
        # A world of another test may hold no run of code: there is none of this id then.
        trial = CodeTrial.objects.first()
        item = trial.item if trial else world.job.items.order_by("pk")[0]
        values |= {"job_item_id": item.pk, "trial_id": trial.pk if trial else 1}
    if name.startswith(("job-labels", "job-reading")):
        labelled = ModelJob.objects.filter(method="rpe").order_by("pk").first()
        values |= {"job_id": labelled.pk if labelled else world.job.pk, "number": 1}
    comment = Comment.objects.order_by("pk").first()
    values["comment_id"] = comment.pk if comment else 1
    mention = Mention.objects.order_by("pk").first()
    values["mention_id"] = mention.pk if mention else 1
    ruling = Ruling.objects.order_by("pk").first()
    values["ruling_id"] = ruling.pk if ruling else 1
    report = SourceReport.objects.order_by("pk").first()
    values["report_id"] = report.pk if report else 1
    doubt = ReferenceDoubt.objects.order_by("pk").first()
    values["doubt_id"] = doubt.pk if doubt else 1
    writing = FileWriting.objects.order_by("pk").first()
    values["writing_id"] = writing.pk if writing else 1
    if name.startswith("consensus"):
        run = ConsensusRun.objects.order_by("pk").first()
        values["consensus_id"] = run.pk if run else 1
    values |= find_training()
    pattern = next(pattern for _method, pattern in iterate_endpoints() if pattern.name == name)
    return {key: values[key] for key in pattern.pattern.converters}


RIGHT = rating("correct", "correct", "correct")

Body = Callable[[World], Any]
BODIES: dict[tuple[str, str], Body] = {
    ("put", "keys"): lambda w: {"keys": {"problem": ["q"]}},
    ("patch", "preferences"): lambda w: {"single_keys": True},
    ("post", "tokens"): lambda w: {"name": "script", "scopes": ["read"], "days": 7},
    ("post", "projects"): lambda w: {"slug": "geometry", "name": "Geometry"},
    ("patch", "project"): lambda w: {"version": w.project.version, "overlap": 3},
    ("post", "guidelines"): lambda w: {"text": "Be kind.", "version": w.project.guideline_version},
    ("post", "guidelines-read"): lambda w: asdict(find_edition(w.project)),
    ("post", "rulings"): lambda w: {
        "question": "Is a rounding a mistake?",
        "answer": "No.",
        "error_type": "deception",
        "translations": {"zh-hans": {"question": "算吗？", "answer": "不算。"}},
    },
    ("post", "taxonomies"): lambda w: {
        "content": w.project.taxonomy.content,
        "taxonomy": w.project.taxonomy_id,
    },
    ("patch", "member"): lambda w: {"role": "engineer"},
    ("post", "invitations"): lambda w: {"role": "annotator"},
    ("patch", "source"): lambda w: {"licence": "MIT"},
    ("put", "assignment-draft"): lambda w: {
        "lease_token": w.assignment.lease_token,
        "version": 0,
        "content": {},
    },
    ("post", "assignment-heartbeat"): lambda w: {"lease_token": w.assignment.lease_token},
    ("post", "assignment-reveal"): lambda w: {
        "lease_token": w.assignment.lease_token,
        "blind_first_error": {"none": True},
    },
    ("post", "assignment-submit"): lambda w: {
        "lease_token": w.assignment.lease_token,
        "version": 0,
        "idempotency_key": new_key(),
        "content": RIGHT,
        "active_ms": 1000,
    },
    ("post", "assignment-skip"): lambda w: {
        "lease_token": w.assignment.lease_token,
        "reason": "I know its author.",
    },
    ("post", "annotation-revise"): lambda w: {
        "number": 1,
        "idempotency_key": new_key(),
        "content": RIGHT,
        "reason": "I looked again.",
    },
    ("post", "training-items"): lambda w: {"items": [find_settled(w.project)]},
    ("patch", "training-item"): lambda w: {"explanation": "$2+2=4$."},
    ("post", "training-move"): lambda w: {"later": True},
    ("post", "training-let-in"): lambda w: {"member": w.member.pk, "reason": "Knows the job."},
    ("post", "training-answer"): lambda w: {
        "idempotency_key": new_key(),
        "content": verdict(),
        "active_ms": 1000,
    },
    ("post", "training-reveal"): lambda w: {"blind_first_error": {"none": True}},
    ("post", "comments"): lambda w: {
        "item": w.item.pk,
        "text": "Is this a rounding?",
        "idempotency_key": new_key(),
    },
    ("post", "comment-reply"): lambda w: {"text": "No.", "idempotency_key": new_key()},
    ("post", "dispute-decide"): lambda w: {
        "version": w.dispute.version,
        "idempotency_key": new_key(),
        "content": RIGHT,
        "reason": "Every step follows.",
    },
    ("post", "source-report-decide"): lambda w: {"state": "dismissed", "reason": "It is right."},
    ("post", "releases"): lambda w: {"name": "second"},
    ("post", "engines"): lambda w: {"name": "Another", "kind": "scripted"},
    ("patch", "engine"): lambda w: {"is_active": False},
    ("post", "jobs"): lambda w: {
        "method": "injection",
        "engine": w.engine.pk,
        "selection": {"solution_ids": [w.solution.pk]},
    },
    ("post", "consensus-runs"): lambda w: {"rpe_job": w.job.pk, "judge_job": w.job.pk},
    ("put", "job-labels"): lambda w: {"rule": {"rule": "hard"}},
    ("post", "doubt-decide"): lambda w: {"state": "wrong", "corrected_answer": "5"},
    ("post", "job-item-trials"): lambda w: {"position": 0, "code": "print(2 + 2)"},
    ("post", "assignment-evidence"): lambda w: {"position": 0},
    ("post", "job-item-rationales"): lambda w: {"position": 0, "value": "sound"},
    ("post", "assignment-equalities"): lambda w: {"text": "1 + 1 = 2", "position": 0},
    ("post", "item-equalities"): lambda w: {"text": "1 + 1 = 2", "position": 0},
}


def call(client: Any, method: str, name: str, world: World) -> Any:
    """Send a request that would be done if its sender may; undo what it did."""
    url = reverse(f"api:{name}", kwargs=build_arguments(name, world))
    with transaction.atomic():
        if (method, name) == ("post", "imports"):
            answer = client.post(
                f"{url}?filename=more.jsonl",
                data=GSM_FILE,
                content_type="application/octet-stream",
            )
        else:
            body = BODIES.get((method, name), lambda w: None)(world)
            answer = getattr(client, method)(url, data=body)
        if answer.streaming:
            answer.getvalue()
        transaction.set_rollback(True)
    return answer


@pytest.fixture
def world(db: None, settings: Settings, tmp_path: Path) -> World:
    """The world, and in it a step that a machine has checked and somebody has run again."""
    settings.MEDIA_ROOT = tmp_path / "files"
    world = build_world()
    item = world.job.items.order_by("pk")[0]
    lead = world.people["lead"]
    assert lead is not None
    add_evidence(item)
    add_trial(item, lead)
    add_check(world.item, lead)
    ensure_labels(world.project, lead, world.solution)
    add_doubt(world.solution.problem)
    bob = world.people["annotator"]
    assert bob is not None
    add_comment(item=world.item, by=bob, text="?", idempotency_key=uuid.uuid4(), names=[lead.pk])
    report_original(item=world.sealed.item, reporter=bob)
    give_file(ensure_run(world.job))
    ensure_training(world.project, lead, bob)
    make_ruling(project=world.project, by=lead, question="Is it rounded?", answer="No.")
    return world


def split(method: str, name: str) -> dict[str, str]:
    """The expected status by role."""
    return dict(zip(ROLES, MATRIX[method, name].split(), strict=True))


def pick(world: World, method: str, name: str) -> User:
    """Somebody who may: then a refusal is for another reason than the role."""
    statuses = split(method, name)
    role = next((role for role in ROLES if statuses[role][0] in "23"), "lead")
    person = world.people[role]
    assert person is not None
    return person


def test_every_endpoint_has_a_line():
    assert sorted(MATRIX) == ENDPOINTS


def test_who_may(world):
    clients = {role: sign_in(world.people[role]) for role in ROLES}
    got = {
        (method, name): " ".join(
            str(call(clients[role], method, name, world).status_code) for role in ROLES
        )
        for method, name in ENDPOINTS
    }
    assert got == MATRIX


def test_a_token_does_what_its_scopes_say(world):
    for method, name in ENDPOINTS_FOR_TOKENS:
        person = pick(world, method, name)
        good = find_scopes(method, name)
        for scope in ApiToken.Scope.values:
            answer = call(with_token(person, scope), method, name, world)
            if scope in good:
                assert answer.status_code not in (401, 403), (method, name, scope)
            else:
                error = read_error(answer, 403, "scope_missing")
                assert set(error["detail"]["needed"]) == good, (method, name)
                assert error["detail"]["held"] == [scope]


def test_all_scopes_together_give_an_outsider_nothing(world):
    dave = world.people["outsider"]
    for method, name in ENDPOINTS_FOR_TOKENS:
        answer = call(with_token(dave, *ApiToken.Scope.values), method, name, world)
        if find_scopes(method, name):
            assert str(answer.status_code) == split(method, name)["outsider"], (method, name)
        else:
            read_error(answer, 403, "scope_missing")


def test_whoever_was_a_member_is_an_outsider(world):
    bob = world.people["annotator"]
    world.project.memberships.filter(user=bob).update(is_active=False)
    client = sign_in(bob)
    for method, name in ENDPOINTS:
        if split(method, name)["outsider"] == "404" and name != "token":
            assert call(client, method, name, world).status_code == 404, (method, name)


def test_a_person_switched_off_is_nobody(world):
    bob = world.people["annotator"]
    session, token = sign_in(bob), with_token(bob, *ApiToken.Scope.values)
    User.objects.filter(pk=bob.pk).update(is_active=False)
    for method, name in ENDPOINTS_FOR_TOKENS:
        assert call(session, method, name, world).status_code == 401, (method, name)
        assert call(token, method, name, world).status_code == 401, (method, name)


def test_reading_writes_nothing(world):
    for method, name in ENDPOINTS:
        if method != "get":
            continue
        client = sign_in(pick(world, method, name))
        with CaptureQueriesContext(connection) as captured:
            assert call(client, method, name, world).status_code == 200
        words = {query["sql"].split()[0] for query in captured.captured_queries}
        assert words, name
        assert words <= {"SELECT", "SAVEPOINT", "ROLLBACK", "RELEASE"}, (name, words)
