"""Twenty people at once, on SQLite and on PostgreSQL: nothing served twice, lost or doubled."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable

import pytest
from django.db import connections

from labeling.models import (
    Annotation,
    AnnotationRevision,
    Assignment,
    Membership,
    Project,
    ReviewItem,
    User,
)
from labeling.services.annotations import submit
from labeling.services.assignments import (
    LeaseLost,
    claim_next,
    expire_leases,
    save_draft,
    skip,
)
from labeling.services.reviewing import count_free_slots
from tests.labeling.factories import join, make_items, make_project, make_user, rating

PEOPLE = 20


def run_together(work: Callable[[int], None], count: int) -> list[BaseException]:
    """Run `work(0..count-1)` in as many threads, started together; the errors they ended with."""
    barrier = threading.Barrier(count)
    errors: list[BaseException] = []

    def run(index: int) -> None:
        try:
            barrier.wait()
            work(index)
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def make_crowd(overlap: int) -> tuple[Project, list[User]]:
    lead = make_user("lead")
    project = make_project(lead, overlap=overlap, strategy="majority")
    people = [make_user(f"person-{index}") for index in range(PEOPLE)]
    for person in people:
        join(project, person, Membership.Role.ANNOTATOR)
    return project, people


@pytest.mark.parametrize("overlap", [1, 2])
def test_twenty_people_empty_the_queue(any_database: str, overlap: int) -> None:
    project, people = make_crowd(overlap)
    n_items = 60
    make_items(project, n_items, overlap=overlap)
    done: list[tuple[int, int]] = []

    def work(index: int) -> None:
        person = people[index]
        while (assignment := claim_next(user=person, project=project)) is not None:
            save_draft(
                assignment=assignment,
                lease_token=assignment.lease_token,
                content={"note": person.username},
                seen_version=0,
            )
            key = uuid.uuid4()
            # Pressed twice, as impatient people do.
            for _press in range(2):
                submit(
                    assignment=assignment,
                    lease_token=assignment.lease_token,
                    data=rating("correct", "correct", "correct", note=person.username),
                    idempotency_key=key,
                )
            done.append((assignment.item_id, person.pk))

    assert run_together(work, PEOPLE) == []
    assert len(done) == n_items * overlap
    assert len(set(done)) == len(done)
    assert set(Counter(item for item, _person in done).values()) == {overlap}
    stored = AnnotationRevision.objects.values_list("annotation__item_id", "author_id")
    assert sorted(stored) == sorted(done)
    assert Annotation.objects.count() == n_items * overlap
    assert all(
        revision.content["note"] == revision.author.username
        for revision in AnnotationRevision.objects.select_related("author")
        if revision.author is not None
    )
    # Everybody saw the others' last word: no item was left waiting by two who ended together.
    assert set(ReviewItem.objects.values_list("state", flat=True)) == {"agreed"}


def test_leases_skips_and_expiry_under_load(any_database: str) -> None:
    project, people = make_crowd(2)
    make_items(project, 40, overlap=2)

    def work(index: int) -> None:
        person = people[index]
        for turn in range(12):
            assignment = claim_next(user=person, project=project)
            if assignment is None:
                return
            if (index + turn) % 3 == 1:
                expire_leases(now=assignment.lease_expires_at)
                continue
            try:
                if (index + turn) % 3 == 0:
                    skip(assignment=assignment, lease_token=assignment.lease_token, reason="no")
                else:
                    hand_in(assignment)
            except LeaseLost:
                # Another thread's expiry took it a moment before: refused, not half-stored.
                assignment.refresh_from_db()
                assert assignment.state == Assignment.State.EXPIRED

    def hand_in(assignment: Assignment) -> None:
        submit(
            assignment=assignment,
            lease_token=assignment.lease_token,
            data=rating("correct", "correct", "correct"),
            idempotency_key=uuid.uuid4(),
        )

    assert run_together(work, PEOPLE) == []
    for item in ReviewItem.objects.all():
        assert item.free_slots == count_free_slots(item)
        live = item.assignments.filter(state__in=["open", "submitted"])
        assert live.count() <= item.overlap
        assert live.values("slot").distinct().count() == live.count()
        assert live.values("annotator").distinct().count() == live.count()
    assert (
        AnnotationRevision.objects.count()
        == Assignment.objects.filter(state=Assignment.State.SUBMITTED).count()
    )
