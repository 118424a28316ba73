"""In which order a queue gives out what was made from one original."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labeling import records
from labeling.models import Injection, Membership, Project, ReviewItem, Solution, Source, User
from labeling.services.annotations import submit
from labeling.services.assignments import claim_next
from labeling.services.consistency import find_inconsistencies
from labeling.services.importing import store_records
from labeling.services.injections import record_injection
from labeling.services.ordering import ALIGN, FEW, place_new_items, reorder_queue
from labeling.services.routing import LIFT, send_to_people
from tests.labeling.factories import STEPS, enqueue, join, make_project, make_solution, make_user
from tests.labeling.factories import rating as packed_rating

TOGETHER, SPREAD, IMPORTED = "together", "spread", "imported"


def make_from(original: Solution, nth: int) -> ReviewItem:
    """An injection into the original, queued last."""
    key = f"{original.source_key}-{nth}"
    steps = (STEPS[0], f"Then $2+2={nth + 5}$.", STEPS[2])
    modified = make_solution(original.project, key=key, steps=steps)
    Injection.objects.create(
        project=original.project,
        original=original,
        modified=modified,
        error_type="deception",
        claimed_error_positions=[1],
        producer="test",
        created_at=timezone.now(),
    )
    return enqueue(modified, task=ReviewItem.Task.VERIFY_INJECTION)


def make_family(project: Project, key: str, count: int) -> tuple[Solution, list[ReviewItem]]:
    original = make_solution(project, key=key)
    return original, [make_from(original, nth) for nth in range(count)]


def list_queue(project: Project) -> list[int]:
    """The items in the order in which they are served."""
    items = ReviewItem.objects.filter(project=project).order_by("queue_order")
    return list(items.values_list("pk", flat=True))


def order(project: Project, kind: str) -> int:
    project.source_order = kind
    project.save(update_fields=["source_order"])
    return reorder_queue(project)


def names(project: Project) -> list[str]:
    """The queue by the keys of its solutions."""
    items = ReviewItem.objects.filter(project=project).order_by("queue_order")
    return list(items.values_list("solution__source_key", flat=True))


@pytest.fixture
def mixed(project: Project) -> Project:
    """Originals a, b and c, whose injections came in turns, and the rating of b at the end."""
    originals = [make_solution(project, key=key) for key in "abc"]
    for nth in range(2):
        for original in originals:
            make_from(original, nth)
    enqueue(originals[1])
    return project


def test_items_of_one_original_come_together_its_own_first(mixed: Project) -> None:
    assert order(mixed, TOGETHER) == 7
    assert names(mixed) == ["a-0", "a-1", "b", "b-0", "b-1", "c-0", "c-1"]


def test_items_of_one_original_come_in_turns(mixed: Project) -> None:
    order(mixed, TOGETHER)
    order(mixed, SPREAD)
    # Three rounds, since b has three items.
    assert names(mixed) == ["b", "a-0", "c-0", "b-0", "a-1", "b-1", "c-1"]


def test_as_many_items_of_each_original_come_round_robin(project: Project) -> None:
    for key in "abc":
        make_family(project, key, 3)
    order(project, SPREAD)
    assert names(project) == [f"{key}-{nth}" for nth in range(3) for key in "abc"]


def test_many_items_of_one_original_lie_evenly_among_others(project: Project) -> None:
    """Round robin alone would leave the last rounds to the one original that has many."""
    for index in range(8):
        make_family(project, f"few-{index}", 1)
    _original, many = make_family(project, "many", 4)
    order(project, SPREAD)
    places = [list_queue(project).index(item.pk) for item in many]
    assert places == [0, 3, 6, 9]


@pytest.mark.parametrize("sizes", [(5, 3, 3, 2, 1), (4, 4, 1), (7, 2, 6, 5, 3, 1, 1), (3,), (1, 1)])
def test_no_two_of_one_original_are_closer_than_a_round_less_one(
    project: Project, sizes: tuple[int, ...]
) -> None:
    families = [make_family(project, f"o{index}", size)[1] for index, size in enumerate(sizes)]
    order(project, SPREAD)
    queue = list_queue(project)
    round_length = sum(sizes) // max(sizes)
    for items in families:
        places = [queue.index(item.pk) for item in items]
        # In the order in which they were made, too.
        assert places == sorted(places)
        gaps = [after - before for before, after in itertools.pairwise(places)]
        assert all(gap >= max(1, round_length - 1) for gap in gaps)


def test_the_order_of_import_comes_back(mixed: Project) -> None:
    before = list_queue(mixed)
    order(mixed, SPREAD)
    assert list_queue(mixed) != before
    order(mixed, IMPORTED)
    assert list_queue(mixed) == before


def test_ordering_again_changes_nothing(mixed: Project) -> None:
    order(mixed, SPREAD)
    before = list_queue(mixed)
    order(mixed, SPREAD)
    assert list_queue(mixed) == before


def test_what_was_sent_to_people_first_stays_first(mixed: Project, alice: User) -> None:
    urgent = [make_solution(mixed, key=f"urgent-{index}").pk for index in range(2)]
    send_to_people(project=mixed, solution_ids=urgent, by=alice, reason="They disagree")
    order(mixed, TOGETHER)
    assert names(mixed)[:3] == ["urgent-0", "urgent-1", "a-0"]
    later = make_solution(mixed, key="later").pk
    moved = Solution.objects.get(source_key="b").pk
    send_to_people(project=mixed, solution_ids=[later, moved], by=alice, reason="They disagree")
    order(mixed, SPREAD)
    head = ["later", "b", "urgent-0", "urgent-1"]
    assert names(mixed) == [*head, "a-0", "b-0", "c-0", "a-1", "b-1", "c-1"]
    order(mixed, IMPORTED)
    assert names(mixed) == [*head, "a-0", "b-0", "c-0", "a-1", "b-1", "c-1"]


def test_new_places_lie_above_the_head(mixed: Project) -> None:
    order(mixed, TOGETHER)
    assert min(ReviewItem.objects.values_list("queue_order", flat=True)) > LIFT
    mixed.refresh_from_db()
    highest = max(ReviewItem.objects.values_list("queue_order", flat=True))
    assert mixed.next_queue_order > highest
    assert mixed.next_queue_order % ALIGN == 0


def submit_as(user: User, project: Project) -> ReviewItem:
    held = claim_next(user=user, project=project)
    assert held is not None
    data: dict[str, Any] = (
        packed_rating("correct", "correct", "correct")
        if held.item.task == ReviewItem.Task.RATE_STEPS
        else {"task": "verify_injection", "verdict": "reject", "reject_code": "not_an_error"}
    )
    submit(
        assignment=held,
        lease_token=held.lease_token,
        data=data,
        idempotency_key=held.lease_token,
    )
    return held.item


def test_nobody_misses_an_item_and_nobody_gets_one_twice(mixed: Project, bob: User) -> None:
    first = [submit_as(bob, mixed).pk for _ in range(3)]
    order(mixed, TOGETHER)
    rest = []
    while claim_next(user=bob, project=mixed) is not None:
        rest.append(submit_as(bob, mixed).pk)
    assert sorted([*first, *rest]) == sorted(list_queue(mixed))
    order_of = {pk: place for place, pk in enumerate(list_queue(mixed))}
    assert rest == sorted(rest, key=lambda pk: order_of[pk])


def test_what_somebody_holds_stays_with_them(mixed: Project, bob: User) -> None:
    held = claim_next(user=bob, project=mixed)
    assert held is not None
    order(mixed, SPREAD)
    again = claim_next(user=bob, project=mixed)
    assert again is not None
    assert again.pk == held.pk
    assert not [one for one in find_inconsistencies() if one.what.startswith("item")]


def test_what_is_settled_keeps_its_place(project: Project, bob: User, erin: User) -> None:
    original, items = make_family(project, "a", 2)
    before = items[0].queue_order
    for person in (bob, erin):
        submit_as(person, project)
    assert order(project, TOGETHER) == 1
    # Everything moved up once, so that what is sent to people first finds room below.
    settled = ReviewItem.objects.get(pk=items[0].pk)
    assert settled.state == ReviewItem.State.AGREED
    assert settled.queue_order == before + LIFT


def test_other_projects_are_left_alone(mixed: Project, alice: User) -> None:
    other = make_project(alice, slug="other")
    make_family(other, "o", 2)
    before = list(ReviewItem.objects.filter(project=other).values_list("pk", "queue_order"))
    order(mixed, SPREAD)
    after = ReviewItem.objects.filter(project=other).values_list("pk", "queue_order")
    assert list(after) == before


def test_a_longer_queue_takes_no_more_statements(project: Project) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            order(project, SPREAD)
        return len(queries)

    make_family(project, "a", 2)
    order(project, TOGETHER)
    few = count()
    for index in range(10):
        make_family(project, f"more-{index}", 3)
    assert count() == few


def test_an_empty_queue_is_in_order(project: Project) -> None:
    assert order(project, TOGETHER) == 0


# --- What comes in --------------------------------------------------------------------------------


def injection_record(key: str, nth: int) -> records.Solution:
    problem = records.Problem(text=f"What is $2+2$, {key}?", source_id=key)
    steps = tuple(records.Step(text) for text in (STEPS[0], f"Then $2+2={nth + 5}$.", STEPS[2]))
    return records.Solution(
        problem=problem,
        steps=steps,
        source_id=f"{key}-{nth}",
        injection=records.Injection(
            error_type="deception",
            original_problem=problem.text,
            original_steps=STEPS,
            claimed_error_positions=(1,),
            claimed_changed_positions=(1,),
            reason="It adds wrongly.",
        ),
    )


def import_all(project: Project, rows: Sequence[records.Solution]) -> None:
    source, _created = Source.objects.get_or_create(project=project, name="import")
    store_records(project=project, source=source, items=rows)


def test_an_import_ends_in_the_order_that_the_project_wants(project: Project) -> None:
    project.source_order = TOGETHER
    project.save(update_fields=["source_order"])
    import_all(project, [injection_record(key, nth) for nth in range(2) for key in "ab"])
    assert names(project) == ["a-0", "a-1", "b-0", "b-1"]
    import_all(project, [injection_record("a", 2)])
    assert names(project) == ["a-0", "a-1", "a-2", "b-0", "b-1"]


def test_without_a_wish_an_import_keeps_its_order(project: Project) -> None:
    import_all(project, [injection_record(key, nth) for nth in range(2) for key in "ab"])
    assert names(project) == ["a-0", "b-0", "a-1", "b-1"]
    project.refresh_from_db()
    assert project.next_queue_order == 5


def test_injections_that_come_one_by_one_are_put_in_order_now_and_then(project: Project) -> None:
    project.source_order = TOGETHER
    project.save(update_fields=["source_order"])
    originals = [make_solution(project, key=key) for key in "ab"]
    order(project, TOGETHER)
    for nth in range(FEW // 2):
        for original in originals:
            record_injection(
                original=original,
                proposal=injection_record(original.source_key, nth),
                producer="test",
                provenance={},
                is_scripted=True,
            )
    of = ReviewItem.objects.filter(project=project).order_by("queue_order")
    served = list(of.values_list("solution__injection__original__source_key", flat=True))
    assert served == ["a"] * (FEW // 2) + ["b"] * (FEW // 2)


def test_a_few_new_items_wait_at_the_end_of_a_long_queue(mixed: Project) -> None:
    order(mixed, TOGETHER)
    mixed.refresh_from_db()
    mixed.next_queue_order += FEW - 1
    assert place_new_items(mixed) == 0
    mixed.next_queue_order += 1
    assert place_new_items(mixed) == 7


# --- Two databases --------------------------------------------------------------------------------


@pytest.mark.postgres
@pytest.mark.parametrize("kind", [TOGETHER, SPREAD, IMPORTED])
def test_both_databases_order_alike(postgres_db: None, kind: str) -> None:
    lead = make_user("alice")
    project = make_project(lead)
    join(project, make_user("bob"), Membership.Role.ANNOTATOR)
    for key, count in (("many", 4), ("few", 1), ("two", 2), ("one", 1)):
        make_family(project, key, count)
    order(project, kind)
    expected = {
        TOGETHER: ["many-0", "many-1", "many-2", "many-3", "few-0", "two-0", "two-1", "one-0"],
        SPREAD: ["many-0", "two-0", "many-1", "two-1", "many-2", "few-0", "many-3", "one-0"],
        IMPORTED: ["many-0", "many-1", "many-2", "many-3", "few-0", "two-0", "two-1", "one-0"],
    }
    assert names(project) == expected[kind]
