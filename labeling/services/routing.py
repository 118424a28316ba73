"""Putting solutions before reviewers: what machines could not settle goes to people first.

The head of a queue is the lowest places in it. Room for it is made by moving every place of the
project up at once, by so much that this happens once in a project's life; all else that it takes
is a few statements for each five hundred solutions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from django.db import transaction
from django.db.models import F, Min
from django.utils import timezone

from labeling.access import Capability, require
from labeling.bulk import insert_rows
from labeling.models import Membership, Project, ReviewItem, Solution, User
from labeling.services.audit import record_event
from workbench.errors import InvalidInput

# Within what a statement of either database takes as parameters.
CHUNK: Final = 500
# How far places are moved up when the head has no room: a trillion places, which JSON still holds.
LIFT: Final = 2**40
MAX_REASON: Final = 500
ITEM_COLUMNS: Final = (
    *("project", "solution", "task", "overlap", "free_slots", "queue_order", "state"),
    "created_at",
)


class Routed(NamedTuple):
    """What became of the solutions, each counted once.

    `queued` are new to the queue, `moved` waited and now come first; `there` need nothing: they
    come first already, are in somebody's hands, or are settled or in dispute.
    """

    queued: int
    moved: int
    there: int


class _Place(NamedTuple):
    """A waiting item that somebody could take, and where it stands."""

    item_id: int
    order: int


@transaction.atomic
def send_to_people(
    *, project: Project, solution_ids: Iterable[int], by: User, reason: str
) -> Routed:
    """Put solutions at the head of the project's queue, to have their steps rated.

    Whoever claims next gets them, new ones first and in the order given, then those that waited
    already, in their order. Doing the same again changes nothing. NotAllowed where `by` does not
    manage the project; InvalidInput without a reason, or where a solution is not the project's.
    """
    require(by, project, Capability.MANAGE)
    reason = reason.strip()
    if not reason:
        raise InvalidInput("Say why these solutions go to people.", field="reason")
    wanted = list(dict.fromkeys(solution_ids))
    locked = lock_queue(project)
    _check_solutions(locked, wanted)
    known, movable = _find_items(wanted)
    new = [solution_id for solution_id in wanted if solution_id not in known]
    late = _leave_out_head(locked, movable)
    if new or late:
        _fill_head(locked, new, late, now=timezone.now())
        Membership.objects.filter(project=locked).update(queue_cursor=0)
        record_event(
            project=locked,
            actor=by,
            verb="items.sent_to_people",
            reason=reason[:MAX_REASON],
            queued=len(new),
            moved=len(late),
            there=len(wanted) - len(new) - len(late),
        )
    return Routed(len(new), len(late), len(wanted) - len(new) - len(late))


def lock_queue(project: Project) -> Project:
    """The project and everybody's walk through its queue, held until the transaction ends.

    An import locks the project and a claim its membership before they touch an item, so nobody
    sees the queue while it moves, and nobody is told that it is empty because its rows are locked.
    """
    locked = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    walks = Membership.objects.select_for_update(no_key=True).filter(project=locked)
    list(walks.order_by("pk").values_list("pk"))
    return locked


def _check_solutions(project: Project, wanted: Sequence[int]) -> None:
    found = set[int]()
    for some in _chunk(wanted):
        mine = Solution.objects.filter(project=project, pk__in=some)
        found.update(mine.values_list("pk", flat=True))
    missing = [solution_id for solution_id in wanted if solution_id not in found]
    if missing:
        raise InvalidInput(
            f"There is no solution {missing[0]} in {project.name!r}; nothing was sent.",
            field="solutions",
        )


def _find_items(wanted: Sequence[int]) -> tuple[set[int], list[_Place]]:
    """The solutions that have an item, and which of these items wait for somebody to take them."""
    known = set[int]()
    movable = []
    for some in _chunk(wanted):
        items = ReviewItem.objects.filter(task=ReviewItem.Task.RATE_STEPS, solution__in=some)
        rows = items.values_list("solution_id", "pk", "queue_order", "state", "free_slots")
        for solution_id, item_id, order, state, free_slots in rows:
            known.add(solution_id)
            if state == ReviewItem.State.WAITING and free_slots:
                movable.append(_Place(item_id, order))
    return known, movable


def _leave_out_head(project: Project, movable: Sequence[_Place]) -> list[_Place]:
    """Those before which something else would be served."""
    if not movable:
        return []
    ours = {place.item_id for place in movable}
    queue = ReviewItem.objects.filter(project=project, free_slots__gt=0).order_by("queue_order")
    at_head = set[int]()
    for item_id in queue.values_list("pk", flat=True)[: len(ours)]:
        if item_id not in ours:
            break
        at_head.add(item_id)
    return [place for place in movable if place.item_id not in at_head]


def _fill_head(
    project: Project, new: Sequence[int], late: Sequence[_Place], *, now: datetime
) -> None:
    """Give new items and moved ones places below all others of the project."""
    orders = [place.order for place in late]
    # What is moved keeps its order and its gaps: all of it goes down by the same number, so that
    # one statement moves many and no two meet on the way.
    span = max(orders) - min(orders) + 1 if orders else 0
    floor, lifted = make_room(project, len(new) + span)
    if orders:
        down = max(orders) + lifted - floor + 1
        for some in _chunk([place.item_id for place in late]):
            ReviewItem.objects.filter(pk__in=some).update(queue_order=F("queue_order") - down)
    first = floor - span - len(new)
    overlap = project.overlap
    insert_rows(
        ReviewItem,
        ITEM_COLUMNS,
        (
            (
                *(project.pk, solution_id, ReviewItem.Task.RATE_STEPS.value, overlap, overlap),
                *(first + index, ReviewItem.State.WAITING.value, now),
            )
            for index, solution_id in enumerate(new)
        ),
    )


def make_room(project: Project, places: int) -> tuple[int, int]:
    """The lowest place taken, with as many free above zero below it; how far all was moved up.

    A walk begins at zero, so no place may lie below it.
    """
    items = ReviewItem.objects.filter(project=project)
    floor = items.aggregate(lowest=Min("queue_order"))["lowest"] or project.next_queue_order
    if floor > places:
        return floor, 0
    # Further than from the lowest place to the highest, so no row meets another on its way.
    lift = max(LIFT, project.next_queue_order + places)
    items.update(queue_order=F("queue_order") + lift)
    Project.objects.filter(pk=project.pk).update(next_queue_order=F("next_queue_order") + lift)
    return floor + lift, lift


def _chunk(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]
