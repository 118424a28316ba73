"""A prepared query finds what the same query finds that is written anew each time."""

from __future__ import annotations

import threading
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import (
    BigIntegerField,
    CharField,
    DateTimeField,
    Exists,
    OuterRef,
    QuerySet,
    UUIDField,
)
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labeling.models import Assignment, Membership, Project, ReviewItem, User
from labeling.prepared import Prepared
from labeling.services.assignments import claim_next
from tests.labeling.factories import join, make_items, make_project, make_user

ID = BigIntegerField()

find_members = Prepared(
    lambda project, role: Membership.objects.filter(project=project, role=role).order_by("pk"),
    project=ID,
    role=CharField(),
)


def make_members() -> Project:
    project = make_project(make_user("lead"))
    for name in ("one", "two"):
        join(project, make_user(name), "annotator")
    return project


def test_it_works(db: None) -> None:
    project = make_members()
    expected = list(project.memberships.filter(role="annotator").order_by("pk"))
    found = find_members.all(project=project.pk, role="annotator")
    assert found == expected
    assert [vars_of(row) for row in found] == [vars_of(row) for row in expected]


def vars_of(row: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(row).items() if name != "_state"}


def test_other_values_find_other_rows(db: None) -> None:
    project = make_members()
    assert len(find_members.all(project=project.pk, role="annotator")) == 2
    assert len(find_members.all(project=project.pk, role="lead")) == 1
    assert find_members.all(project=project.pk + 1, role="lead") == []


def test_first_is_the_first_or_none(db: None) -> None:
    project = make_members()
    expected = project.memberships.filter(role="annotator").order_by("pk").first()
    assert find_members.first(project=project.pk, role="annotator") == expected
    assert find_members.first(project=project.pk, role="engineer") is None


def test_joined_rows_come_with_it(db: None) -> None:
    project = make_project(make_user("lead"))
    [item] = make_items(project, 1)
    find = Prepared(
        lambda pk: ReviewItem.objects.filter(pk=pk).select_related(
            "project__taxonomy", "solution__problem"
        ),
        pk=ID,
    )
    found = find.first(pk=item.pk)
    assert found is not None
    with CaptureQueriesContext(connection) as queries:
        text, taxonomy = found.solution.problem.text, found.project.taxonomy.content
    assert len(queries) == 0
    assert text == item.solution.problem.text
    # JSON came through its field's converter.
    assert taxonomy == project.taxonomy.content


def test_missing_joined_row_is_none(db: None) -> None:
    project = make_project(make_user("lead"))
    [item] = make_items(project, 1)
    find = Prepared(
        lambda pk: ReviewItem.objects.filter(pk=pk).select_related("agreed_revision"), pk=ID
    )
    found = find.first(pk=item.pk)
    assert found is not None
    assert found.agreed_revision is None


def test_columns_come_as_tuples(db: None) -> None:
    project = make_members()
    columns = Prepared(
        lambda project: (
            Membership.objects.filter(project=project)
            .order_by("pk")
            .values_list("pk", "is_active", "created_at")
        ),
        project=ID,
    )
    expected = list(project.memberships.order_by("pk").values_list("pk", "is_active", "created_at"))
    assert columns.all(project=project.pk) == expected


def test_times_and_uuids_are_values_as_any(db: None) -> None:
    project = make_project(make_user("lead"))
    person = make_user("one")
    join(project, person, "annotator")
    make_items(project, 1)
    assignment = claim_next(user=person, project=project)
    assert assignment is not None
    find = Prepared(
        lambda token, now: Assignment.objects.filter(lease_token=token, lease_expires_at__gt=now),
        token=UUIDField(),
        now=DateTimeField(),
    )
    now = timezone.now()
    assert find.first(token=assignment.lease_token, now=now) == assignment
    assert find.first(token=assignment.lease_token, now=now + timedelta(days=1)) is None
    assert find.first(token=uuid.uuid4(), now=now) is None


def test_a_slot_reaches_into_a_subquery(db: None) -> None:
    def build(user: Any) -> QuerySet[ReviewItem]:
        own = Assignment.objects.filter(item=OuterRef("pk"), annotator=user)
        return ReviewItem.objects.filter(~Exists(own)).order_by("pk")

    project = make_project(make_user("lead"))
    one, two = make_user("one"), make_user("two")
    join(project, one, "annotator")
    items = make_items(project, 2)
    claim_next(user=one, project=project)
    never_had = Prepared(build, user=ID)
    assert never_had.all(user=one.pk) == items[1:]
    assert never_had.all(user=two.pk) == items


def test_number_that_no_column_holds_finds_nothing(db: None) -> None:
    find = Prepared(lambda pk: User.objects.filter(pk=pk), pk=ID)
    assert find.all(pk=2**63) == []
    assert find.all(pk=-(2**70)) == []


def test_unknown_slot_is_refused(db: None) -> None:
    with pytest.raises(KeyError):
        find_members.all(project=1)


def test_its_sql_is_put_together_once(db: None) -> None:
    built = []

    def build(pk: Any) -> QuerySet[User]:
        built.append(1)
        return User.objects.filter(pk=pk)

    find = Prepared(build, pk=ID)
    for pk in (1, 2, 3):
        find.all(pk=pk)
    assert built == [1]


def test_every_thread_has_its_own(any_database: str) -> None:
    project = make_members()
    found: list[list[Membership]] = []

    def look() -> None:
        try:
            found.append(find_members.all(project=project.pk, role="annotator"))
        finally:
            connection.close()

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(rows) for rows in found] == [2, 2, 2]


def test_rows_can_be_locked(any_database: str) -> None:
    project = make_members()
    lock = Prepared(lambda pk: Project.objects.select_for_update(no_key=True).filter(pk=pk), pk=ID)
    for _ in range(2):
        with transaction.atomic(), CaptureQueriesContext(connection) as queries:
            assert lock.first(pk=project.pk) == project
        assert len(queries) == 1
        locks = "FOR NO KEY UPDATE" in queries.captured_queries[0]["sql"]
        assert locks == (any_database == "postgres")
