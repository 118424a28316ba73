"""Many rows at once, in and out: the only module that knows the database driver.

`bulk_create` is four to fourteen times slower than this (see docs/decisions). A test proves
that rows written here equal rows written through the models.
"""

from __future__ import annotations

import gc
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain, islice
from typing import Any, cast

import orjson
from django.db import connection, models

Row = Sequence[Any]
# Every SQLite takes 999 parameters in a statement, whatever it was built with.
BATCH_PARAMETERS = 900


def dump_json(value: object) -> str:
    """JSON text as both databases store it."""
    return orjson.dumps(value).decode()


@contextmanager
def steady_heap() -> Iterator[None]:
    """Leave what there is out of garbage collection while many records pass through.

    Records come and go in chunks; each time enough of them are alive, the collector would look
    through all of Django again, which takes a fifth of the time of an import. Safe in threads:
    nothing is lost, only looked at later.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def reserve_ids(model: type[models.Model], count: int) -> list[int]:
    """Primary keys for `count` new rows, never given to anybody else. In a transaction."""
    if count == 0:
        return []
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
                [table, count],
            )
            return [row[0] for row in cursor.fetchall()]
        # SQLite: the transaction holds the one write lock, and AUTOINCREMENT never goes back.
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
        row = cursor.fetchone()
        last = row[0] if row else 0
    return list(range(last + 1, last + 1 + count))


def insert_rows(model: type[models.Model], columns: Sequence[str], rows: Iterable[Row]) -> int:
    """Insert rows given as tuples of Python values in the order of `columns` (field names).

    Returns how many. JSON, dates and UUIDs are converted as the model's fields would.
    """
    fields = tuple(model._meta.get_field(name) for name in columns)
    names = [cast(Any, field).column for field in fields]
    converters = [
        (index, converter)
        for index, field in enumerate(fields)
        if (converter := _converter(cast(Any, type(field)), connection.vendor)) is not None
    ]
    converted = _convert(rows, converters)
    if connection.vendor == "postgresql":
        return _copy_in(model._meta.db_table, names, converted)
    return _insert_in_batches(model._meta.db_table, names, converted)


def _insert_in_batches(table: str, names: Sequence[str], rows: Iterable[Row]) -> int:
    """Insert by statements of many rows each: half the time of a statement for each row."""
    quoted = ", ".join(connection.ops.quote_name(name) for name in names)
    start = f"INSERT INTO {connection.ops.quote_name(table)} ({quoted}) VALUES "  # noqa: S608
    one = "(" + ", ".join(["?"] * len(names)) + ")"
    size = max(1, BATCH_PARAMETERS // len(names))
    whole = start + ", ".join([one] * size)
    count = 0
    stream = iter(rows)
    connection.ensure_connection()
    # The driver's own cursor: Django's would rewrite and log each parameter list.
    cursor = cast(Any, connection.connection).cursor()
    try:
        with connection.wrap_database_errors:
            while batch := list(islice(stream, size)):
                statement = whole if len(batch) == size else start + ", ".join([one] * len(batch))
                cursor.execute(statement, list(chain.from_iterable(batch)))
                count += len(batch)
    finally:
        cursor.close()
    return count


def _convert(
    rows: Iterable[Row], converters: Sequence[tuple[int, Callable[[Any], Any]]]
) -> Iterator[Row]:
    if not converters:
        yield from rows
        return
    for row in rows:
        changed: list[Any] | None = None
        for index, converter in converters:
            value = row[index]
            if value is not None:
                # Copied only where something is converted: most steps have nothing of the kind.
                if changed is None:
                    changed = list(row)
                changed[index] = converter(value)
        yield row if changed is None else changed


@lru_cache(maxsize=64)
def _converter(kind: type[models.Field[Any, Any]], vendor: str) -> Callable[[Any], Any] | None:
    if issubclass(kind, models.JSONField):
        return dump_json
    if issubclass(kind, models.DateTimeField):
        return _isoformat if vendor == "postgresql" else _sqlite_datetime
    if issubclass(kind, models.UUIDField):
        return str if vendor == "postgresql" else _hex
    if issubclass(kind, models.BooleanField) and vendor != "postgresql":
        return int
    return None


def _isoformat(value: Any) -> str:
    return cast(str, value.isoformat())


# The rows of one chunk share their time.
@lru_cache(maxsize=64)
def _sqlite_datetime(value: Any) -> str:
    return str(connection.ops.adapt_datetimefield_value(value))


def _hex(value: Any) -> str:
    return cast(str, value.hex)


def _copy_in(table: str, names: Sequence[str], rows: Iterable[Row]) -> int:
    quoted = ", ".join(f'"{name}"' for name in names)
    statement = f'COPY "{table}" ({quoted}) FROM STDIN'
    connection.ensure_connection()
    cursor = cast(Any, connection.connection).cursor()
    with cursor, connection.wrap_database_errors:
        return copy_rows(cursor, statement, rows)


def copy_rows(cursor: Any, statement: str, rows: Iterable[Row]) -> int:
    """COPY rows through a PostgreSQL driver's own cursor, psycopg 3's or psycopg2's."""
    count = 0
    if hasattr(cursor, "copy"):
        with cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
                count += 1
        return count
    # psycopg2 reads COPY's text form from a file.
    buffer = io.StringIO()
    for row in rows:
        buffer.write("\t".join([_copy_text(value) for value in row]))
        buffer.write("\n")
        count += 1
    buffer.seek(0)
    cursor.copy_expert(statement, buffer)
    return count


_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def _copy_text(value: object) -> str:
    if value is None:
        return "\\N"
    if value is True:
        return "t"
    if value is False:
        return "f"
    return str(value).translate(_ESCAPES)
