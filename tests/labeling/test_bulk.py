"""Rows written in bulk equal rows written through the models, on every database and driver."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import psycopg
import psycopg2
import pytest
from django.db import IntegrityError, transaction

from labeling.bulk import copy_rows, insert_rows, reserve_ids
from labeling.models import Assignment, Problem, ProblemFamily, Project, Source, Step
from tests.labeling.factories import make_items, make_project, make_solution, make_user
from tests.servers import PostgresServer

NASTY = "tab\t newline\n return\r back\\slash \\N \\. $x$ 数学 “quotes” 'single' %s \u2028 end"


@pytest.fixture
def project(any_database: str) -> Project:
    return make_project(make_user("alice"))


def test_it_works(project: Project) -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    family = ProblemFamily.objects.create(project=project, key="f")
    source = Source.objects.create(project=project, name="s")
    fields: dict[str, Any] = {
        "text": NASTY,
        "reference_answer": None,
        "language": "en",
        "extra": {"a": [1, None, True, NASTY]},
        "created_at": now,
    }
    with transaction.atomic():
        [pk] = reserve_ids(Problem, 1)
        names = ("id", "project", "family", "source", "source_key", "content_hash", "domain")
        values = (pk, project.pk, family.pk, source.pk, "bulk", "h", "")
        assert insert_rows(Problem, (*names, *fields), [(*values, *fields.values())]) == 1
    by_model = Problem.objects.create(
        project=project,
        family=family,
        source=source,
        source_key="model",
        content_hash="h",
        **fields,
    )
    bulk = Problem.objects.get(pk=pk)
    for name in fields:
        assert getattr(bulk, name) == getattr(by_model, name), name
    # As they are stored, not only as Django reads them.
    raw = Problem.objects.raw(
        "SELECT id, CAST(created_at AS text) AS stored FROM labeling_problem ORDER BY id"
    )
    assert len({vars(row)["stored"] for row in raw}) == 1
    assert by_model.pk > pk


def test_reserved_ids_are_never_given_out_again(project: Project) -> None:
    solution = make_solution(project)
    with transaction.atomic():
        ids = reserve_ids(Step, 3)
        insert_rows(
            Step,
            ("id", "solution", "position", "text", "kind", "extra"),
            [(pk, solution.pk, 10 + index, "x", "text", None) for index, pk in enumerate(ids)],
        )
    later = Step.objects.create(solution=solution, position=99, text="y")
    assert later.pk > max(ids)
    assert reserve_ids(Step, 0) == []


def test_a_violated_constraint_is_djangos_error(project: Project) -> None:
    solution = make_solution(project)
    columns = ("solution", "position", "text", "kind", "extra")
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_rows(Step, columns, [(solution.pk, 0, "again", "text", None)])
    assert solution.steps.count() == 3


def test_uuids_and_booleans(project: Project) -> None:
    [item] = make_items(project, 1)
    token = uuid.uuid4()
    now = datetime(2026, 1, 1, tzinfo=UTC)
    alice = project.memberships.get().user
    insert_rows(
        Assignment,
        (
            *("project", "item", "annotator", "slot", "state", "purpose", "probability"),
            "proposal",
            *("lease_token", "lease_expires_at", "skip_reason", "active_ms", "created_at"),
            "closed_at",
        ),
        [
            (
                *(project.pk, item.pk, alice.pk, 0, "open", "planned", 0.5),
                "none",
                *(token, now, "", 0, now, None),
            )
        ],
    )
    stored = Assignment.objects.get(lease_token=token)
    assert (stored.probability, stored.closed_at, stored.created_at) == (0.5, None, now)


@pytest.mark.postgres
@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_both_postgres_drivers_copy_alike(postgres_server: PostgresServer, driver: str) -> None:
    module: Any = psycopg if driver == "psycopg" else psycopg2
    with module.connect(postgres_server.url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE t (a integer, b text, c boolean, d jsonb, e text)")
        rows = [(1, NASTY, True, '{"x": "\\\\n"}', None), (2, "", False, "[]", "\\N")]
        assert copy_rows(cursor, "COPY t (a, b, c, d, e) FROM STDIN", rows) == 2
        cursor.execute("SELECT a, b, c, d, e FROM t ORDER BY a")
        assert cursor.fetchall() == [
            (1, NASTY, True, {"x": "\\n"}, None),
            (2, "", False, [], "\\N"),
        ]
