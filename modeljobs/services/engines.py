"""Engines: configured once, checked when they are, and frozen into the jobs that use them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction

from labeling.models import Membership, User
from labeling.services.audit import record_event
from modeljobs.engines import catalog
from modeljobs.engines.base import Engine as RunningEngine
from modeljobs.engines.options import InvalidOptions
from modeljobs.models import Engine
from workbench.errors import Conflict, InvalidInput, NotAllowed

SCRIPTED_NAME = "Scripted"
TINY_NAME = "Tiny arithmetic model"
# Settings of an engine kind that are columns, and how long they may be; others are in `options`.
COLUMNS = {"base_url": 500, "model": 200, "key_name": 60}
NAME_LIMIT = 80
DEFAULT_CONCURRENCY = 8


def may_manage_engines(user: User) -> bool:
    """Engines are shared by all projects: whoever leads one may add and change them."""
    if not user.is_active:
        return False
    leads = Membership.objects.filter(user=user, role=Membership.Role.LEAD, is_active=True)
    return user.is_superuser or leads.exists()


@transaction.atomic
def create_engine(
    *,
    name: str,
    kind: str,
    settings: Mapping[str, Any],
    by: User,
    output_terms: str = "",
    output_may_train: bool | None = None,
) -> Engine:
    """A new engine. `settings` are those that the kind declares (see `engines.catalog.KINDS`), all
    checked here; InvalidInput names each fault. No request is made.
    """
    _require_manager(by)
    values = _read_settings(kind, settings)
    engine = Engine(
        name=_read_name(name),
        kind=kind,
        output_terms=output_terms.strip(),
        output_may_train=output_may_train,
        created_by=by,
    )
    _apply(engine, values)
    _save(engine)
    record_event(
        project=None, actor=by, verb="engine.created", target=engine, name=name, engine_kind=kind
    )
    return engine


@transaction.atomic
def update_engine(
    *,
    engine: Engine,
    by: User,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    output_terms: str | None = None,
    output_may_train: bool | None = None,
    is_active: bool | None = None,
) -> Engine:
    """Change what is given and leave the rest. Jobs that have started keep the engine as it was."""
    _require_manager(by)
    engine = Engine.objects.select_for_update().get(pk=engine.pk)
    before = snapshot_engine(engine)
    if name is not None:
        engine.name = _read_name(name)
    if settings is not None:
        _apply(engine, _read_settings(engine.kind, settings))
    if output_terms is not None:
        engine.output_terms = output_terms.strip()
    if output_may_train is not None:
        engine.output_may_train = output_may_train
    if is_active is not None:
        engine.is_active = is_active
    _save(engine)
    after = snapshot_engine(engine)
    changed = sorted(key for key in after if after[key] != before[key])
    if is_active is not None:
        changed.append("is_active")
    record_event(
        project=None,
        actor=by,
        verb="engine.updated",
        target=engine,
        name=engine.name,
        fields=changed,
    )
    return engine


def ensure_scripted_engine() -> Engine:
    """The shipped engine that holds no model; made where it is missing."""
    options = catalog.validate_engine({"kind": Engine.Kind.SCRIPTED})
    del options["kind"]
    engine, _created = Engine.objects.get_or_create(
        name=SCRIPTED_NAME,
        defaults={
            "kind": Engine.Kind.SCRIPTED,
            "model": "scripted",
            "options": options,
            "output_terms": "Made by seeded rules of this software; no terms of a provider apply.",
            "output_may_train": True,
        },
    )
    return engine


def ensure_tiny_engine() -> Engine:
    """The shipped tiny arithmetic model, as an engine; made where it is missing."""
    options = catalog.validate_engine({"kind": Engine.Kind.TINY})
    del options["kind"]
    engine, _created = Engine.objects.get_or_create(
        name=TINY_NAME,
        defaults={
            "kind": Engine.Kind.TINY,
            "model": "tiny",
            "options": options,
            "output_terms": "Written by a model that comes with this software; no terms of a "
            "provider apply.",
            "output_may_train": True,
        },
    )
    return engine


def settings_of(engine: Engine) -> dict[str, Any]:
    """The engine's settings as its kind declares them: what a form shows and `catalog` takes."""
    kind = catalog.KINDS[engine.kind]
    values = dict(engine.options)
    for option in kind.options:
        if option.name in COLUMNS:
            values[option.name] = getattr(engine, option.name)
    return values


def snapshot_engine(engine: Engine) -> dict[str, Any]:
    """The engine as a job keeps it: all but the key itself, which stays in the environment."""
    return {
        "id": engine.pk,
        "name": engine.name,
        "kind": engine.kind,
        "settings": settings_of(engine),
        "is_scripted": engine.is_scripted,
        "output_terms": engine.output_terms,
        "output_may_train": engine.output_may_train,
    }


def build_running_engine(
    snapshot: Mapping[str, Any], *, environ: Mapping[str, str] | None = None
) -> RunningEngine:
    """The engine of a snapshot, ready to be asked; InvalidOptions or EnginePermanent where it
    cannot be. To be made within the event loop that uses it.
    """
    settings = {"kind": snapshot["kind"], **snapshot["settings"]}
    return catalog.build_engine(settings, environ=os.environ if environ is None else environ)


def find_concurrency(snapshot: Mapping[str, Any]) -> int:
    """How many requests an engine takes at a time."""
    given = snapshot["settings"].get("max_concurrency")
    return DEFAULT_CONCURRENCY if given is None else int(given)


def _require_manager(user: User) -> None:
    if not may_manage_engines(user):
        raise NotAllowed("Only someone who leads a project may add or change engines.")


def _read_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > NAME_LIMIT:
        raise InvalidInput(f"An engine's name has 1 to {NAME_LIMIT} characters.", field="name")
    return name


def _read_settings(kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    try:
        values = catalog.validate_engine({**settings, "kind": kind})
    except InvalidOptions as error:
        raise InvalidInput(str(error), problems=error.problems) from None
    del values["kind"]
    return values


def _apply(engine: Engine, values: dict[str, Any]) -> None:
    for column in COLUMNS:
        given = values.pop(column, "") or ""
        limit = COLUMNS[column]
        if len(given) > limit:
            raise InvalidInput(
                f"The setting {column!r} has {len(given)} characters; {limit} are allowed.",
                field=column,
            )
        setattr(engine, column, given)
    engine.options = values
    if engine.is_scripted:
        engine.model = "scripted"
    elif engine.kind == Engine.Kind.TINY:
        engine.model = f"tiny-{values['checkpoint']}"


def _save(engine: Engine) -> None:
    try:
        with transaction.atomic():
            engine.save()
    except IntegrityError:
        raise Conflict(f"There is an engine named {engine.name!r} already.") from None
