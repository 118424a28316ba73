"""Rows of a database as a file, and back into a database that stands where they were taken.

A snapshot names the migrations it was taken at. Loading goes through the models as those
migrations left them, never through today's: only so does a later migration meet old rows.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core import serializers
from django.core.management.color import no_style
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, models, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

FOLDER = Path(__file__).parent / "snapshots"
# Apps whose tables are ours; the others bring their own upgrades.
APPS = ("labeling", "modeljobs")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The rows, as {"model", "pk", "fields"}, and the newest migration of each app by then."""

    name: str
    migrations: dict[str, str]
    rows: tuple[dict[str, Any], ...]

    def count_rows(self) -> Counter[str]:
        """How many rows each table had, by model."""
        return Counter(row["model"] for row in self.rows)


def list_snapshots() -> list[Path]:
    """The files, oldest first."""
    return sorted(FOLDER.glob("[0-9][0-9][0-9][0-9].json"))


def read_snapshot(path: Path) -> Snapshot:
    data = json.loads(path.read_text(encoding="utf-8"))
    return Snapshot(path.stem, data["migrations"], tuple(data["rows"]))


def take_snapshot(name: str) -> Snapshot:
    """What the database holds now."""
    rows = [row for model in _list_models() for row in _pack_rows(model)]
    leaves = dict(MigrationLoader(connection).graph.leaf_nodes())
    return Snapshot(name, {app: leaves[app] for app in APPS}, tuple(rows))


def write_snapshot(snapshot: Snapshot, path: Path) -> None:
    """One row a line, so that a difference between two snapshots can be read."""
    rows = ",\n".join(
        json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in snapshot.rows
    )
    path.write_text(
        f'{{"migrations": {json.dumps(snapshot.migrations)}, "rows": [\n{rows}\n]}}\n',
        encoding="utf-8",
    )


def _list_models() -> Iterator[type[models.Model]]:
    for label in APPS:
        yield from apps.get_app_config(label).get_models()


def _pack_rows(model: type[models.Model]) -> Iterable[dict[str, Any]]:
    packed = serializers.serialize("python", model._default_manager.order_by("pk"))
    # Through JSON at once, so that dates and UUIDs are the texts that the file will hold.
    rows: list[dict[str, Any]] = json.loads(json.dumps(packed, cls=DjangoJSONEncoder))
    return rows


def load_snapshot(snapshot: Snapshot) -> None:
    """Bring an empty database to where the snapshot was taken, and store its rows."""
    executor = MigrationExecutor(connection)
    targets = [
        (app, snapshot.migrations.get(app, name))
        for app, name in executor.loader.graph.leaf_nodes()
    ]
    then = executor.migrate(targets).apps
    touched = {row["model"] for row in snapshot.rows}
    with transaction.atomic():
        # Foreign keys are checked at the end, so the order of the tables does not matter.
        for row in snapshot.rows:
            _store_row(then.get_model(row["model"]), row)
    statements = connection.ops.sequence_reset_sql(
        no_style(), [then.get_model(name) for name in sorted(touched)]
    )
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def migrate_to_newest() -> None:
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def _store_row(model: type[models.Model], row: dict[str, Any]) -> None:
    values: dict[str, Any] = {model._meta.pk.attname: row["pk"]}
    for name, value in row["fields"].items():
        field = model._meta.get_field(name)
        if field.many_to_many:
            assert not value, f"{row['model']}.{name} holds links, which are not carried over"
            continue
        assert isinstance(field, models.Field)
        # JSON stays as it is; a foreign key takes the other row's key.
        values[field.attname] = value if value is None else field.to_python(value)
    # Raw: nothing fills in today's date where the row says when it was.
    models.Model.save_base(model(**values), raw=True, force_insert=True)
