"""A training set, and people on their way through it."""

from __future__ import annotations

import uuid
from typing import Any

from labeling.models import (
    Membership,
    Project,
    ReviewItem,
    TrainingAnswer,
    TrainingItem,
    TrainingRound,
    User,
)
from labeling.selectors.training import find_answer, find_round, list_settled_items
from labeling.services.training import add_items, answer_item, start_round
from tests.labeling.factories import (
    enqueue,
    join,
    make_injection_item,
    make_solution,
    make_user,
    rating,
    verdict,
)
from tests.labeling.web.helpers import submit_as

RIGHT = rating("correct", "wrong", "correct")
WRONG = rating("correct", "correct", "correct")


def settle(project: Project, content: dict[str, Any] | None = None, key: str = "") -> ReviewItem:
    """An item that two people, who do nothing else, agreed on; its second step is wrong."""
    project.refresh_from_db()
    name = key or uuid.uuid4().hex[:8]
    said = RIGHT if content is None else content
    if said["task"] == "verify_injection":
        item = make_injection_item(project, name)
    else:
        item = enqueue(make_solution(project, name))
    return agree_on(item, said)


def agree_on(item: ReviewItem, said: dict[str, Any]) -> ReviewItem:
    """Let people who do nothing else say the same of a waiting item."""
    for _index in range(item.overlap):
        judge = make_user(f"judge-{uuid.uuid4().hex[:8]}")
        join(item.project, judge, Membership.Role.ANNOTATOR)
        submit_as(judge, item, said)
    item.refresh_from_db()
    assert item.state == ReviewItem.State.AGREED
    return item


def make_set(project: Project, by: User, *contents: dict[str, Any] | None) -> list[TrainingItem]:
    """A set over settled items: None is one whose second step is wrong."""
    items = [settle(project, content).pk for content in contents]
    return add_items(project=project, by=by, items=items)


def give_answer(
    found: TrainingRound, place: int, data: dict[str, Any], *, key: uuid.UUID | None = None
) -> TrainingAnswer:
    """Answer an item of the round, by its place from 1."""
    row = find_answer(found, place)
    return answer_item(row=row, data=data, idempotency_key=key or uuid.uuid4(), active_ms=4_000)


def give_right_answers(found: TrainingRound) -> TrainingRound:
    """Answer everything as expected."""
    for place in range(1, found.size + 1):
        give_answer(found, place, find_answer(found, place).expected)
    return find_round(found.person, found.pk)


def ensure_training(project: Project, lead: User, learner: User) -> TrainingRound:
    """A set of an injection and a rating, the learner's round over it, and one more settled item.

    What the learner has worked on is left out of a round, and so it is none of that.
    """
    make_set(project, lead, verdict(), None)
    found = start_round(user=learner, project=project)
    settle(project, key="settled")
    return found


def find_training() -> dict[str, int]:
    """What addresses of training name, where there is any."""
    row = TrainingItem.objects.order_by("pk").first()
    found = TrainingRound.objects.order_by("pk").first()
    return {
        "training_item_id": row.pk if row else 1,
        "round_id": found.pk if found else 1,
        "place": 1,
    }


def find_settled(project: Project) -> int:
    """A settled item that is not in the set; a number that no item has where there is none."""
    rows = list_settled_items(project).filter(solution__source_key="settled")
    return rows.values_list("pk", flat=True).first() or 10**9
