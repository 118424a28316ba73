"""Queries whose SQL is put together once.

The ORM takes ten times as long to write a statement as the database takes to answer it. A claim
and a submission are a dozen statements each, the same every time but for a few values, and people
wait for them: these are compiled once for each connection and then only run.

    find_member = Prepared(
        lambda project, user: Membership.objects.filter(project=project, user=user),
        project=BigIntegerField(),
        user=BigIntegerField(),
    )
    member = find_member.first(project=3, user=7)

What may differ from run to run is a slot: one value of one field, never None and never a list,
since those are other statements. Everything else is fixed when the query is compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from django.db import connections
from django.db.models import Expression, Field, Model, QuerySet
from django.db.models.query import get_related_populators

Row = TypeVar("Row")

# No column holds a number beyond these, and a driver refuses to look for one.
LOWEST, HIGHEST = -(2**63), 2**63 - 1


class Slot(Expression):
    """A place in a query for a value that comes when it is run."""

    def __init__(self, name: str, field: Field[Any, Any]) -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """The slot stands among the parameters, where its value will."""
        return "%s", [self]

    def adapt(self, value: object, connection: Any) -> object:
        """The value as this database takes it."""
        return cast(Any, self.output_field).get_db_prep_value(value, connection)


class Prepared(Generic[Row]):
    """A query of models, with what `select_related` joins to them, or of `values_list` tuples."""

    def __init__(self, build: Callable[..., QuerySet[Any, Row]], **slots: Field[Any, Any]) -> None:
        self._build = build
        self._slots = {name: Slot(name, field) for name, field in slots.items()}

    def all(self, **values: object) -> list[Row]:
        """Every row, with these values in the slots."""
        if any(
            isinstance(value, int) and not LOWEST <= value <= HIGHEST for value in values.values()
        ):
            return []
        # A connection belongs to one thread; what was compiled for it is kept, and ends, with it.
        kept: dict[Prepared[Any], _Compiled]
        kept = vars(connections["default"]).setdefault("prepared_queries", {})
        compiled = kept.get(self)
        if compiled is None:
            compiled = kept[self] = _compile(self._build(**self._slots))
        return cast(list[Row], compiled.run(values))

    def first(self, **values: object) -> Row | None:
        """The first row, or None; a query that can find more should say `[:1]`."""
        return next(iter(self.all(**values)), None)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A statement of one connection, and how to read its rows."""

    connection: Any
    compiler: Any
    sql: str
    parameters: Sequence[object]
    converters: dict[int, Any]
    read: Callable[[Sequence[Any]], object]

    def run(self, values: dict[str, object]) -> list[object]:
        parameters = [
            parameter.adapt(values[parameter.name], self.connection)
            if isinstance(parameter, Slot)
            else parameter
            for parameter in self.parameters
        ]
        with self.connection.cursor() as cursor:
            cursor.execute(self.sql, parameters)
            rows = cursor.fetchall()
        if self.converters:
            rows = self.compiler.apply_converters(rows, self.converters)
        read = self.read
        return [read(row) for row in rows]


def _compile(queryset: QuerySet[Any, Any]) -> _Compiled:
    """Do once what iterating over a queryset does every time (see Django's ModelIterable)."""
    compiler = queryset.query.get_compiler(using="default")
    sql, parameters = compiler.as_sql()
    select = compiler.select
    if select is None:
        raise TypeError("Only queries that select something can be prepared.")
    return _Compiled(
        connection=compiler.connection,
        compiler=compiler,
        sql=sql,
        parameters=parameters,
        converters=compiler.get_converters([column[0] for column in select]),
        read=_model_reader(compiler) if cast(Any, queryset)._fields is None else tuple,
    )


def _model_reader(compiler: Any) -> Callable[[Sequence[Any]], Model]:
    info, select = compiler.klass_info, compiler.select
    model: type[Model] = info["model"]
    start, end = info["select_fields"][0], info["select_fields"][-1] + 1
    names = [column[0].target.attname for column in select[start:end]]
    related = cast(Any, get_related_populators)(info, select, "default")

    def read(row: Sequence[Any]) -> Model:
        instance = model.from_db("default", names, row[start:end])
        for populator in related:
            populator.populate(row, instance)
        return instance

    return read
