"""A project with people in it and their finished work, made quickly in the shape of the services.

Work is inserted as rows, since a benchmark needs more of it than requests could make in its time.
`python manage.py check_consistency` has nothing to say about what is made here.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from labeling.bulk import insert_rows, reserve_ids
from labeling.content import RatingContent, StepJudgement, pack_content
from labeling.models import (
    Annotation,
    AnnotationRevision,
    Assignment,
    Membership,
    Project,
    ReviewItem,
    Step,
    StepRating,
    User,
)
from labeling.records import Contribution, StepLabel, Validity
from labeling.services.annotations import first_error_columns, rating_rows
from labeling.services.members import add_member
from labeling.services.projects import create_project
from labeling.services.transfers import create_import, run_import
from tests.benchmarks.workload import generate, to_native_lines

CHUNK = 1_000
RIGHT = StepLabel(validity=Validity.CORRECT, contribution=Contribution.ADVANCES)
WRONG = StepLabel(validity=Validity.WRONG, error_types=("step_contradiction",))


class Desk(NamedTuple):
    """A project with imported solutions in its queue, and its annotators."""

    project: Project
    annotators: list[User]


def open_desk(n: int, *, annotators: int, overlap: int = 2, name: str = "bench") -> Desk:
    """A project with `n` solutions of the workload, each wanted from `overlap` people."""
    lead, _ = User.objects.get_or_create(username="lead")
    project = create_project(name=name, slug=name, by=lead, overlap=overlap)
    people = []
    for number in range(annotators):
        person = User.objects.create(username=f"{name}-{number}")
        add_member(project=project, user=person, role=Membership.Role.ANNOTATOR, by=lead)
        people.append(person)
    batch = create_import(
        project=project,
        by=lead,
        chunks=to_native_lines(generate(n)),
        filename="workload.jsonl",
        format_name="native",
        send=False,
    )
    batch = run_import(batch.pk)
    if batch.solutions_added != n:
        raise AssertionError(f"{batch.solutions_added} of {n} solutions came in: {batch.error}")
    project.refresh_from_db()
    return Desk(project, people)


def build_content(index: int, n_steps: int) -> RatingContent:
    """What everybody says of item `index`: in every third one step is wrong."""
    labels = [RIGHT] * n_steps
    if index % 3 == 0:
        labels[index % n_steps] = WRONG
    return RatingContent(
        steps=tuple(StepJudgement(position, label) for position, label in enumerate(labels))
    )


def judge_items(desk: Desk, people: Sequence[User], *, items: int) -> None:
    """Let each of these people submit the first `items` of the queue, all saying the same."""
    queue = list(
        ReviewItem.objects.filter(project=desk.project)
        .order_by("queue_order")
        .values_list("pk", "solution_id", "solution__n_steps")[:items]
    )
    for start in range(0, len(queue), CHUNK):
        with transaction.atomic():
            _judge_chunk(desk.project, people, queue[start : start + CHUNK], first=start)
    Membership.objects.filter(project=desk.project, user__in=people).update(queue_cursor=items)


def _judge_chunk(
    project: Project,
    people: Sequence[User],
    chunk: Sequence[tuple[int, int, int]],
    *,
    first: int,
) -> None:
    now = timezone.now()
    expires = now + timedelta(minutes=project.lease_minutes)
    n_words = len(chunk) * len(people)
    assignment_ids = reserve_ids(Assignment, n_words)
    annotation_ids = reserve_ids(Annotation, n_words)
    revision_ids = reserve_ids(AnnotationRevision, n_words)
    steps: dict[int, list[int]] = {solution_id: [] for _item, solution_id, _n in chunk}
    for solution_id, pk in (
        Step.objects.filter(solution_id__in=steps)
        .order_by("solution_id", "position")
        .values_list("solution_id", "pk")
    ):
        steps[solution_id].append(pk)
    assignments: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    revisions: list[dict[str, Any]] = []
    ratings: list[dict[str, Any]] = []
    ids = iter(zip(assignment_ids, annotation_ids, revision_ids, strict=True))
    agreed: list[ReviewItem] = []
    for index, (item_id, solution_id, n_steps) in enumerate(chunk, start=first):
        content = build_content(index, n_steps)
        packed = pack_content(content)
        first_error = first_error_columns(content.first_error(n_steps))
        judged = rating_rows(content)
        for slot, person in enumerate(people):
            assignment_id, annotation_id, revision_id = next(ids)
            if slot == 0:
                agreed.append(ReviewItem(pk=item_id, agreed_revision_id=revision_id))
            assignments.append(
                {
                    "id": assignment_id,
                    "project": project.pk,
                    "item": item_id,
                    "annotator": person.pk,
                    "slot": slot,
                    "state": Assignment.State.SUBMITTED.value,
                    "purpose": Assignment.Purpose.PLANNED.value,
                    "probability": 1.0,
                    "proposal": "none",
                    "lease_token": uuid.uuid4(),
                    "lease_expires_at": expires,
                    "skip_reason": "",
                    "active_ms": 0,
                    "created_at": now,
                    "closed_at": now,
                }
            )
            annotations.append(
                {
                    "id": annotation_id,
                    "project": project.pk,
                    "solution": solution_id,
                    "item": item_id,
                    "annotator": person.pk,
                    "kind": Annotation.Kind.PERSON.value,
                    "rater": "",
                    "ordinal": 0,
                    "current_number": 1,
                    "created_at": now,
                }
            )
            revisions.append(
                {
                    "id": revision_id,
                    "annotation": annotation_id,
                    "number": 1,
                    "content": packed,
                    "verdict": "",
                    **first_error,
                    "author": person.pk,
                    "assignment": assignment_id,
                    "reason": "",
                    "after_reveal": False,
                    "guideline_version": project.guideline_version,
                    "taxonomy": project.taxonomy_id,
                    "language": "en",
                    "active_ms": 0,
                    "idempotency_key": uuid.uuid4(),
                    "created_at": now,
                }
            )
            step_ids = steps[solution_id]
            ratings += [
                {
                    "annotation": annotation_id,
                    "step": step_ids[row["position"]],
                    **{name: value for name, value in row.items() if name != "position"},
                }
                for row in judged
            ]
    for model, rows in (
        (Assignment, assignments),
        (Annotation, annotations),
        (AnnotationRevision, revisions),
        (StepRating, ratings),
    ):
        insert_rows(model, tuple(rows[0]), (tuple(row.values()) for row in rows))
    ReviewItem.objects.filter(pk__in=[item_id for item_id, _solution, _n in chunk]).update(
        free_slots=F("free_slots") - len(people)
    )
    if len(people) >= project.overlap:
        for item in agreed:
            item.state = ReviewItem.State.AGREED
        ReviewItem.objects.bulk_update(agreed, ["state", "agreed_revision"], batch_size=200)
