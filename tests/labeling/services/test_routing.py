"""Solutions that machines could not settle come before people first."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from labeling.models import AuditEvent, Membership, Project, ReviewItem, User
from labeling.services.assignments import claim_next
from labeling.services.consistency import find_inconsistencies
from labeling.services.routing import LIFT, Routed, send_to_people
from tests.labeling.factories import (
    enqueue,
    join,
    make_injection_item,
    make_items,
    make_project,
    make_solution,
    make_user,
)
from tests.labeling.services.test_concurrency import run_together
from workbench.errors import InvalidInput, NotAllowed, NotFound


def list_queue(project: Project) -> list[int]:
    """The solutions in the order in which they are served."""
    items = ReviewItem.objects.filter(project=project).order_by("queue_order")
    return list(items.values_list("solution_id", flat=True))


def test_a_solution_without_an_item_gets_one_at_the_head(project: Project, alice: User) -> None:
    make_items(project, 2)
    solution = make_solution(project, "new")
    sent = send_to_people(project=project, solution_ids=[solution.pk], by=alice, reason="RPE open")
    assert sent == Routed(queued=1, moved=0, there=0)
    item = ReviewItem.objects.get(solution=solution)
    assert (item.task, item.overlap, item.free_slots) == (
        ReviewItem.Task.RATE_STEPS,
        project.overlap,
        project.overlap,
    )
    assert list_queue(project)[0] == solution.pk


def test_waiting_ones_move_ahead_and_keep_their_order(project: Project, alice: User) -> None:
    items = make_items(project, 6)
    new = make_solution(project, "new")
    ids = [items[5].solution_id, new.pk, items[2].solution_id]
    sent = send_to_people(project=project, solution_ids=ids, by=alice, reason="They disagree")
    assert sent == Routed(queued=1, moved=2, there=0)
    rest = [items[at].solution_id for at in (0, 1, 3, 4)]
    assert list_queue(project) == [new.pk, items[2].solution_id, items[5].solution_id, *rest]


def test_pressing_twice_changes_nothing(project: Project, alice: User) -> None:
    items = make_items(project, 3)
    ids = [items[2].solution_id, make_solution(project, "new").pk]
    send_to_people(project=project, solution_ids=ids, by=alice, reason="open")
    before = list(ReviewItem.objects.order_by("pk").values_list("pk", "queue_order"))
    sent = send_to_people(project=project, solution_ids=ids, by=alice, reason="open")
    assert sent == Routed(queued=0, moved=0, there=2)
    assert list(ReviewItem.objects.order_by("pk").values_list("pk", "queue_order")) == before
    assert AuditEvent.objects.filter(verb="items.sent_to_people").count() == 1


def test_a_solution_named_twice_counts_once(project: Project, alice: User) -> None:
    solution = make_solution(project, "new")
    ids = [solution.pk, solution.pk]
    sent = send_to_people(project=project, solution_ids=ids, by=alice, reason="open")
    assert sent == Routed(queued=1, moved=0, there=0)


@pytest.mark.parametrize("state", ["agreed", "disputed", "decided", "discarded"])
def test_what_is_settled_or_disputed_stays(project: Project, alice: User, state: str) -> None:
    first, second = make_items(project, 2)
    ReviewItem.objects.filter(pk=second.pk).update(state=state)
    ids = [second.solution_id]
    sent = send_to_people(project=project, solution_ids=ids, by=alice, reason="open")
    assert sent == Routed(queued=0, moved=0, there=1)
    assert list_queue(project) == [first.solution_id, second.solution_id]


def test_what_is_in_somebodys_hands_stays(project: Project, alice: User, bob: User) -> None:
    [held] = make_items(project, 1, overlap=1)
    claim_next(user=bob, project=project)
    enqueue(make_solution(project, "other"))
    sent = send_to_people(project=project, solution_ids=[held.solution_id], by=alice, reason="open")
    assert sent == Routed(queued=0, moved=0, there=1)


def test_an_injection_to_verify_is_no_rating_of_its_steps(project: Project, alice: User) -> None:
    item = make_injection_item(project)
    sent = send_to_people(project=project, solution_ids=[item.solution_id], by=alice, reason="open")
    assert sent == Routed(queued=1, moved=0, there=0)
    assert ReviewItem.objects.filter(solution=item.solution).count() == 2


def test_the_next_claim_gets_it_wherever_the_walk_stands(
    project: Project, alice: User, bob: User
) -> None:
    make_items(project, 4)
    Membership.objects.filter(user=bob).update(queue_cursor=3)
    solution = make_solution(project, "new")
    send_to_people(project=project, solution_ids=[solution.pk], by=alice, reason="open")
    assignment = claim_next(user=bob, project=project)
    assert assignment is not None
    assert assignment.item.solution == solution


def test_later_imports_still_come_last(project: Project, alice: User) -> None:
    make_items(project, 2)
    head = make_solution(project, "head")
    send_to_people(project=project, solution_ids=[head.pk], by=alice, reason="open")
    tail = enqueue(make_solution(project, "tail"))
    assert list_queue(project)[-1] == tail.solution_id


def test_places_are_lifted_once_and_then_there_is_room(project: Project, alice: User) -> None:
    items = make_items(project, 3)
    for item in items[1:]:
        ids = [item.solution_id]
        send_to_people(project=project, solution_ids=ids, by=alice, reason="open")
    project.refresh_from_db()
    assert project.next_queue_order == 4 + LIFT
    assert list_queue(project) == [items[at].solution_id for at in (2, 1, 0)]


def test_an_empty_queue_can_be_filled_from_its_head(project: Project, alice: User) -> None:
    ids = [make_solution(project, str(at)).pk for at in range(3)]
    send_to_people(project=project, solution_ids=ids, by=alice, reason="open")
    assert list_queue(project) == ids
    assert list(find_inconsistencies()) == []


def test_other_projects_queues_stay_as_they_are(project: Project, alice: User) -> None:
    other = make_project(alice, "geometry")
    [theirs] = make_items(other, 1)
    make_items(project, 1)
    ids = [make_solution(project, "new").pk]
    send_to_people(project=project, solution_ids=ids, by=alice, reason="open")
    assert ReviewItem.objects.get(pk=theirs.pk).queue_order == theirs.queue_order


def test_the_reason_is_asked_for_and_recorded(project: Project, alice: User) -> None:
    ids = [make_solution(project, "new").pk]
    with pytest.raises(InvalidInput, match="Say why"):
        send_to_people(project=project, solution_ids=ids, by=alice, reason=" ")
    send_to_people(project=project, solution_ids=ids, by=alice, reason="The judge is split.")
    event = AuditEvent.objects.get(verb="items.sent_to_people")
    assert event.actor == alice
    assert event.detail == {"reason": "The judge is split.", "queued": 1, "moved": 0, "there": 0}


def test_solutions_of_another_project_are_refused_whole(project: Project, alice: User) -> None:
    other = make_solution(make_project(alice, "geometry"), "theirs")
    mine = make_solution(project, "mine")
    with pytest.raises(InvalidInput, match=f"no solution {other.pk}"):
        send_to_people(project=project, solution_ids=[mine.pk, other.pk], by=alice, reason="open")
    assert not ReviewItem.objects.exists()


def test_only_who_manages_the_project_may(project: Project, bob: User) -> None:
    solution = make_solution(project, "new")
    with pytest.raises(NotAllowed):
        send_to_people(project=project, solution_ids=[solution.pk], by=bob, reason="open")
    with pytest.raises(NotFound):
        send_to_people(
            project=project, solution_ids=[solution.pk], by=make_user("mallory"), reason="open"
        )


def test_it_costs_the_same_for_one_and_for_many(project: Project, alice: User) -> None:
    items = make_items(project, 60)

    def count(ids: list[int]) -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            send_to_people(project=project, solution_ids=ids, by=alice, reason="open")
        return len(queries)

    # The first lifts the places.
    count([items[59].solution_id])
    new = [make_solution(project, f"new-{at}").pk for at in range(40)]
    assert count([items[58].solution_id, new[0]]) == count(
        [*(item.solution_id for item in items[20:50]), *new[1:]]
    )


def test_claims_and_two_routings_at_once_lose_nothing(any_database: str) -> None:
    lead = make_user("lead")
    project = make_project(lead, overlap=1, strategy="single")
    people = [make_user(f"person-{index}") for index in range(8)]
    for person in people:
        join(project, person, Membership.Role.ANNOTATOR)
    items = make_items(project, 30)
    ids = [item.solution_id for item in items[20:]]
    ids += [make_solution(project, f"new-{at}").pk for at in range(5)]
    claimed: list[int] = []

    def work(index: int) -> None:
        if index >= len(people):
            send_to_people(project=project, solution_ids=ids, by=lead, reason="open")
            return
        assignment = claim_next(user=people[index], project=project)
        assert assignment is not None
        claimed.append(assignment.item_id)

    assert run_together(work, len(people) + 2) == []
    assert len(set(claimed)) == len(people)
    assert ReviewItem.objects.count() == 35
    free = ReviewItem.objects.filter(free_slots__gt=0).order_by("queue_order")
    served = list(free.values_list("solution_id", flat=True))
    ours = [solution_id for solution_id in served if solution_id in ids]
    assert served[: len(ours)] == ours
    assert list(find_inconsistencies()) == []
