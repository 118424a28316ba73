"""In which order a queue gives out items that share an original: as they came, together, apart.

Only items that wait move, to fresh places above all others of the project; what machines sent to
people first (services.routing) keeps its places below them. It is a handful of statements however
long the queue is.
"""

from __future__ import annotations

from typing import Final

from django.db import connection, transaction

from labeling.models import Injection, Membership, Project, ReviewItem
from labeling.services.routing import LIFT, lock_queue, make_room

# After a new order the next place is a multiple of this, so that the place itself says how many
# items came in since: nothing else keeps that number.
ALIGN: Final = 2**20
# New items are put in their places once they are as many as this, and this share of what waits.
FEW: Final = 32
SHARE: Final = 8

# Which items move, with the solution that an injection was made from, or that is rated itself.
_MOVED: Final = """
    SELECT item.id AS id,
           COALESCE(injection.original_id, item.solution_id) AS original,
           CASE WHEN injection.id IS NULL THEN 0 ELSE 1 END AS is_made
    FROM {items} AS item
    LEFT JOIN {injections} AS injection ON injection.modified_id = item.solution_id
    WHERE item.project_id = %s AND item.state = %s AND item.queue_order > %s
"""
_IMPORTED: Final = "SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS place FROM ({moved}) AS moved"
# An original before what was made from it; originals in the order in which they came in.
_TOGETHER: Final = """
    SELECT id, ROW_NUMBER() OVER (ORDER BY original, is_made, id) AS place FROM ({moved}) AS moved
"""
# As many rounds as the largest original has items. All items, those of one original side by side
# and the largest original first, are dealt to the rounds in turn: two of one original are never in
# the same round, and at least a round less one apart. With as many items each this is round robin.
# What wraps around to the first rounds goes to an original's first items: they keep their order.
_SPREAD: Final = """
    SELECT id, ROW_NUMBER() OVER (ORDER BY slot %% rounds, slot) AS place
    FROM (
        SELECT id, rounds, start + (nth + size - wrapped) %% size AS slot
        FROM (
            SELECT id, nth, size, rounds, start,
                   CASE WHEN start %% rounds + size > rounds
                        THEN start %% rounds + size - rounds ELSE 0 END AS wrapped
            FROM (
                SELECT id, nth, size, MAX(size) OVER () AS rounds,
                       ROW_NUMBER() OVER (ORDER BY size DESC, original, nth) - 1 - nth AS start
                FROM (
                    SELECT id, original, COUNT(*) OVER (PARTITION BY original) AS size,
                           ROW_NUMBER() OVER (PARTITION BY original ORDER BY is_made, id) - 1 AS nth
                    FROM ({moved}) AS moved
                ) AS counted
            ) AS laid_out
        ) AS turned
    ) AS dealt
"""
_PLACES: Final = {
    Project.SourceOrder.IMPORTED: _IMPORTED,
    Project.SourceOrder.TOGETHER: _TOGETHER,
    Project.SourceOrder.SPREAD: _SPREAD,
}


@transaction.atomic
def reorder_queue(project: Project) -> int:
    """Put what waits into the order that the project asks for; how many items that are.

    Everybody's walk through the queue begins again, so that nothing is skipped; what somebody
    holds stays with them.
    """
    locked = lock_queue(project)
    # Once in a project's life everything moves above LIFT (unless routing has done so): from then
    # on only what is sent to people first stands at or below it.
    _floor, lifted = make_room(locked, LIFT // 2)
    following = locked.next_queue_order + lifted
    items = ReviewItem._meta.db_table
    moving = _MOVED.format(items=items, injections=Injection._meta.db_table)
    places = _PLACES[Project.SourceOrder(locked.source_order)].format(moved=moving)
    # The ORM has no UPDATE … FROM; both databases have it, in the same words.
    statement = (
        f"UPDATE {items} SET queue_order = %s + placed.place "  # noqa: S608 (names of tables)
        f"FROM ({places}) AS placed "
        f"WHERE {items}.id = placed.id"
    )
    # Above every place that is taken: no two meet on the way.
    parameters: list[int | str] = [following - 1, locked.pk, ReviewItem.State.WAITING.value, LIFT]
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        moved = int(cursor.rowcount)
    following = -(-(following + moved) // ALIGN) * ALIGN
    Project.objects.filter(pk=locked.pk).update(next_queue_order=following)
    Membership.objects.filter(project=locked).update(queue_cursor=0)
    return moved


def place_new_items(project: Project) -> int:
    """After items came in one by one: put the queue in order, if enough of them came; how many.

    Doing it for each would cost more than making them. What came since the last time stands at the
    end of the queue until then. `project` is locked, and its next place is the one in force.
    """
    if project.source_order == Project.SourceOrder.IMPORTED:
        return 0
    added = project.next_queue_order % ALIGN
    if added % FEW:
        return 0
    waiting = ReviewItem.objects.filter(project=project, state=ReviewItem.State.WAITING).count()
    return reorder_queue(project) if added * SHARE >= waiting else 0


def finish_order(project: Project) -> int:
    """After many items came in: put the queue in order, where the project wants one; how many."""
    in_force = Project.objects.values_list("source_order", flat=True).get(pk=project.pk)
    return 0 if in_force == Project.SourceOrder.IMPORTED else reorder_queue(project)
