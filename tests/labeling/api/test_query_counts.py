"""Every list costs the same number of queries, whatever its length."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from labeling.models import (
    Annotation,
    AnnotationRevision,
    Dispute,
    Exposure,
    Guideline,
    ImportBatch,
    ImportIssue,
    Release,
    ReleaseFile,
    Source,
    Taxonomy,
    TrainingItem,
    TrainingRound,
)
from labeling.services.audit import record_event, record_exposure
from labeling.services.comments import add_comment
from labeling.services.guidance import make_ruling
from labeling.services.members import invite, make_token
from labeling.services.reports import report_original
from modeljobs.models import CodeTrial, Engine, JobItem, ModelJob
from tests.labeling.api.helpers import World, build_world, make_suggestion, sign_in
from tests.labeling.factories import (
    enqueue,
    join,
    make_injection_item,
    make_project,
    make_solution,
    make_user,
)
from tests.modeljobs.consensus_rows import add_finding, ensure_run, make_run
from tests.modeljobs.counting import add_doubt, add_reading, ensure_labels
from tests.modeljobs.web.rows import add_check, add_rating
from tests.test_permission_matrix import build_arguments
from workbench.api.schema import build_schema

LISTS = (
    *("annotations", "audit-events", "disputes", "engines", "exposures", "guidelines", "imports"),
    *("injections", "invitations", "issues", "items", "jobs", "members", "problems", "projects"),
    *("releases", "solutions", "sources", "suggestions", "taxonomies", "tokens"),
    *("job-rationales", "job-item-rationales", "item-equalities"),
    *("job-items", "job-item-trials", "job-readings", "doubts"),
    *("consensus-runs", "consensus-findings"),
    *("comments", "mentions", "rulings"),
    *("training-items", "training-rounds"),
    "source-reports",
)


def add_one_of_each(world: World, number: int) -> None:
    """One more row for every list, with everything that a row can carry."""
    project, lead = world.project, world.people["lead"]
    assert lead is not None
    person = make_user(f"person-{number}")
    join(project, person, "annotator")
    solution = make_solution(project, key=f"more-{number}")
    item = enqueue(solution)
    made = make_injection_item(project, key=f"more-inj-{number}")
    report_original(item=made, reporter=person, note="Step 1.")
    make_suggestion(solution)
    annotation = Annotation.objects.create(
        project=project,
        solution=solution,
        item=item,
        annotator=person,
        current_number=1,
        created_at=item.created_at,
    )
    AnnotationRevision.objects.create(
        annotation=annotation,
        number=1,
        content={},
        first_error_state="none",
        idempotency_key=uuid.uuid4(),
        created_at=item.created_at,
    )
    Dispute.objects.create(project=project, item=item, created_at=item.created_at)
    source = Source.objects.create(project=project, name=f"source {number}")
    ImportBatch.objects.create(
        project=project, source=source, format="native", filename="x", created_by=person
    )
    ImportIssue.objects.create(batch=world.batch, line=number, message="x")
    release = Release.objects.create(project=project, name=f"r{number}", created_by=person)
    ReleaseFile.objects.create(
        release=release, format="native", filename="n.jsonl", sha256="0", size=1, records=1
    )
    Guideline.objects.create(project=project, version=100 + number, author=person)
    Taxonomy.objects.create(
        project=project, slug="own", version=number, title="x", content={}, author=person
    )
    invite(project=project, role="annotator", by=person)
    make_token(user=lead, name="x", scopes=["read"], days=1)
    record_event(project=project, actor=person, verb="test.noted")
    record_exposure(item=item, person=person, what=Exposure.What.ITEM, project=project)
    engine = Engine.objects.create(name=f"engine {number}", kind="scripted", model="scripted")
    job = ModelJob.objects.create(
        project=project, engine=engine, method="injection", created_by=person
    )
    JobItem.objects.create(job=job, solution=solution)
    JobItem.objects.create(job=world.job, solution=solution)
    CodeTrial.objects.create(
        item_id=build_arguments("job-item-trials", world)["job_item_id"],
        position=0,
        author=person,
        code="print(1)",
        created_at=item.created_at,
    )
    asked = build_arguments("job-item-rationales", world)["job_item_id"]
    add_rating(JobItem.objects.get(pk=asked), lead, sample=number)
    add_rating(world.job.items.order_by("pk")[0], person, position=number)
    add_check(world.item, person)
    make_project(lead, slug=f"project-{number}")
    add_reading(ensure_labels(project, lead, world.solution), number + 1)
    add_doubt(solution.problem, decided_by=person)
    add_comment(
        item=item,
        by=person,
        text="Look.",
        idempotency_key=uuid.uuid4(),
        reason="other",
        names=[lead.pk],
    )
    make_ruling(project=project, by=person, question=f"Question {number}?", answer="No.")
    TrainingItem.objects.create(
        project=project,
        item=item,
        expected={},
        place=100 + number,
        author=lead,
        created_at=item.created_at,
    )
    TrainingRound.objects.create(
        project=project, person=person, size=1, pass_percent=75, started_at=item.created_at
    )
    make_run(world.job)
    add_finding(ensure_run(world.job), solution)


@pytest.fixture
def world(db: None) -> World:
    return build_world()


def count_queries(client, name, world) -> tuple[int, int]:
    """(rows, queries) of one page."""
    url = reverse(f"api:{name}", kwargs=build_arguments(name, world))
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(url, {"page_size": 500})
    assert answer.status_code == 200
    return len(answer.json()["results"]), len(captured)


def test_all_lists_are_here():
    paged = {
        path
        for path, methods in build_schema()["paths"].items()
        if any(p["name"] == "cursor" for p in methods.get("get", {}).get("parameters", ()))
    }
    assert len(paged) == len(LISTS)


def test_a_longer_list_asks_no_more(world):
    client = sign_in(world.people["lead"])
    add_one_of_each(world, 1)
    before = {name: count_queries(client, name, world) for name in LISTS}
    for number in range(2, 8):
        add_one_of_each(world, number)
    after = {name: count_queries(client, name, world) for name in LISTS}
    for name in LISTS:
        assert after[name][0] >= before[name][0] + 6, name
        assert after[name][1] <= before[name][1], name
    # A session, a user, a project and a membership, then the list itself.
    assert max(queries for _rows, queries in after.values()) <= 10


def test_a_workspace_costs_the_same_for_any_number_of_steps(world):
    client = sign_in(world.people["annotator"])
    url = reverse("api:assignment", args=[world.assignment.pk])
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    short = len(captured)
    long = make_solution(world.project, key="long", steps=[f"Step {n}." for n in range(200)])
    item = enqueue(long)
    world.assignment.item = item
    world.assignment.save(update_fields=["item"])
    with CaptureQueriesContext(connection) as captured:
        assert len(client.get(url).json()["steps"]) == 200
    assert len(captured) == short > 0
