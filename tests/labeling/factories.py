"""The cast, a project and a few items: small, so that a test says what it depends on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from labeling.models import (
    Injection,
    Membership,
    Problem,
    ProblemFamily,
    Project,
    ReviewItem,
    Solution,
    Source,
    Step,
    User,
)
from labeling.services.members import add_member
from labeling.services.projects import create_project

STEPS = ("First, $1+1=2$.", "Then $2+2=4$.", "So the answer is $\\boxed{4}$.")


def make_user(name: str, **fields: Any) -> User:
    """A user with an unusable password: tests sign in by `force_login`."""
    user = User(username=name, **fields)
    user.set_unusable_password()
    user.save()
    return user


def make_project(lead: User, slug: str = "algebra", **protocol: Any) -> Project:
    return create_project(name=slug.title(), slug=slug, by=lead, **protocol)


def join(project: Project, user: User, role: str) -> Membership:
    return add_member(project=project, user=user, role=role, by=None)


def make_solution(
    project: Project,
    key: str = "one",
    *,
    steps: Sequence[str] = STEPS,
    question: str = "What is $2+2$?",
    **fields: Any,
) -> Solution:
    """A solution with its steps, in the source "unit tests"."""
    now = timezone.now()
    source, _ = Source.objects.get_or_create(project=project, name="unit tests")
    family, _ = ProblemFamily.objects.get_or_create(project=project, key=key)
    problem, _ = Problem.objects.get_or_create(
        source=source,
        source_key=key,
        content_hash=str(hash(question))[:32],
        defaults={
            "project": project,
            "family": family,
            "text": question,
            "reference_answer": "4",
            "created_at": now,
        },
    )
    solution = Solution.objects.create(
        project=project,
        problem=problem,
        source=source,
        source_key=key,
        content_hash=str(hash(tuple(steps)))[:32],
        n_steps=len(steps),
        created_at=now,
        **fields,
    )
    Step.objects.bulk_create(
        Step(solution=solution, position=position, text=text) for position, text in enumerate(steps)
    )
    return solution


def enqueue(
    solution: Solution, task: str = ReviewItem.Task.RATE_STEPS, overlap: int | None = None
) -> ReviewItem:
    project = solution.project
    project.refresh_from_db()
    wanted = overlap or project.overlap
    item = ReviewItem.objects.create(
        project=project,
        solution=solution,
        task=task,
        overlap=wanted,
        free_slots=wanted,
        queue_order=project.next_queue_order,
        created_at=timezone.now(),
    )
    project.next_queue_order += 1
    project.save(update_fields=["next_queue_order"])
    return item


def make_items(project: Project, count: int, **kwargs: Any) -> list[ReviewItem]:
    return [
        enqueue(make_solution(project, key=f"item-{index}"), **kwargs) for index in range(count)
    ]


def make_injection_item(project: Project, key: str = "inj") -> ReviewItem:
    """A deception whose claim names step 2, queued for verification."""
    original = make_solution(project, key=f"{key}-original")
    modified = make_solution(
        project,
        key=key,
        steps=(STEPS[0], "Then $2+2=5$.", STEPS[2]),
        origin=Solution.Origin.INJECTED,
    )
    Injection.objects.create(
        project=project,
        original=original,
        modified=modified,
        error_type="deception",
        claimed_error_positions=[1],
        claimed_changed_positions=[1],
        reason="Step 2 adds wrongly.",
        producer="test",
        created_at=timezone.now(),
    )
    return enqueue(modified, task=ReviewItem.Task.VERIFY_INJECTION)


def rating(*validities: str | None, **extra: Any) -> dict[str, Any]:
    """A packed rating: one validity per step, None for a step not judged."""
    return {
        "task": "rate_steps",
        "steps": [
            {"position": position, "validity": validity}
            for position, validity in enumerate(validities)
            if validity is not None
        ],
        **extra,
    }


def verdict(value: str = "accept", **extra: Any) -> dict[str, Any]:
    return {
        "task": "verify_injection",
        "verdict": value,
        "error_positions": [1],
        "error_type": "deception",
        **extra,
    }
