"""What the database does at all: bare tables, the driver's own cursor, nothing else.

Runs on Django's connection, so on the same file or server with the same settings as ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

from django.db import connection, transaction

from labeling.bulk import copy_rows
from tests.benchmarks.workload import Sample


class BareRows(NamedTuple):
    """The rows of solutions and of their steps, ready to be inserted."""

    solutions: list[tuple[int, str, str, str, int]]
    steps: list[tuple[int, int, int, str]]


def build_rows(samples: Sequence[Sample]) -> BareRows:
    """Rows with keys of our own, in the order of the workload."""
    rows = BareRows([], [])
    for pk, sample in enumerate(samples, start=1):
        rows.solutions.append((pk, sample.id, sample.problem, sample.model, len(sample.steps)))
        for position, text in enumerate(sample.steps):
            rows.steps.append((len(rows.steps) + 1, pk, position, text))
    return rows


@contextmanager
def bare_tables(*, keyed: bool) -> Iterator[None]:
    """Two tables for solutions and their steps.

    Keyed ones refuse what no such table may hold: a solution of one name twice, a step without
    its solution, two steps in one place. The others have a primary key and nothing else.
    """
    unique_key = " UNIQUE" if keyed else ""
    reference = " REFERENCES bare_solution DEFERRABLE INITIALLY DEFERRED" if keyed else ""
    unique_place = ", UNIQUE (solution_id, position)" if keyed else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE bare_solution (id integer PRIMARY KEY, key text{unique_key},"
            " problem text, model text, n_steps integer)"
        )
        cursor.execute(
            f"CREATE TABLE bare_step (id integer PRIMARY KEY, solution_id integer{reference},"
            f" position integer, text text{unique_place})"
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE bare_step")
            cursor.execute("DROP TABLE bare_solution")


def insert_bare(rows: BareRows) -> None:
    """Insert everything in one transaction, in the fastest way that the driver has."""
    driver = cast(Any, connection.connection)
    if connection.vendor == "postgresql":
        with driver.transaction(), driver.cursor() as cursor:
            copy_rows(cursor, "COPY bare_solution FROM STDIN", rows.solutions)
            copy_rows(cursor, "COPY bare_step FROM STDIN", rows.steps)
        return
    cursor = driver.cursor()
    cursor.execute("BEGIN IMMEDIATE")
    cursor.executemany("INSERT INTO bare_solution VALUES (?, ?, ?, ?, ?)", rows.solutions)
    cursor.executemany("INSERT INTO bare_step VALUES (?, ?, ?, ?)", rows.steps)
    cursor.execute("COMMIT")
    cursor.close()


def read_bare(sql: str, parameters: Sequence[Any]) -> int:
    """How many rows the query has; each was fetched."""
    cursor = (
        connection.chunked_cursor() if connection.vendor == "postgresql" else connection.cursor()
    )
    count = 0
    with transaction.atomic(), cursor:
        cursor.execute(sql, parameters)
        while rows := cursor.fetchmany(2000):
            count += len(rows)
    return count
