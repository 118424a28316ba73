from __future__ import annotations

from typing import Any

import pytest

from labeling.models import AuditEvent, Membership, User
from modeljobs.engines.base import EnginePermanent
from modeljobs.engines.scripted import ScriptedEngine
from modeljobs.models import Engine
from modeljobs.services import engines
from tests.labeling.factories import join, make_project, make_user
from workbench.errors import Conflict, InvalidInput, NotAllowed

SERVER = {"base_url": "http://127.0.0.1:8000/v1", "model": "tiny", "max_concurrency": 12}


@pytest.fixture
def alice(db: None) -> User:
    alice = make_user("alice")
    make_project(alice)
    return alice


def make(by: User, **changes: Any) -> Engine:
    given: dict[str, Any] = {"name": "Local", "kind": "openai_compatible", "settings": SERVER}
    return engines.create_engine(by=by, **(given | changes))


def test_it_works(alice: User) -> None:
    engine = make(alice, output_terms="Apache-2.0", output_may_train=True)

    assert (engine.base_url, engine.model) == ("http://127.0.0.1:8000/v1", "tiny")
    assert engine.options["max_concurrency"] == 12
    assert engine.options["timeout_s"] == 600.0
    assert "base_url" not in engine.options
    assert not engine.is_scripted
    event = AuditEvent.objects.get(verb="engine.created")
    assert (event.actor, event.target_id) == (alice, str(engine.pk))


def test_a_superuser_may(db: None) -> None:
    assert make(make_user("root", is_superuser=True)).pk


@pytest.mark.parametrize("role", ["annotator", "adjudicator", "engineer"])
def test_other_roles_may_not(alice: User, role: str) -> None:
    bob = make_user("bob")
    join(make_project(alice, slug="other"), bob, role)

    with pytest.raises(NotAllowed, match="leads a project"):
        make(bob)


def test_a_former_lead_may_not(alice: User) -> None:
    Membership.objects.update(is_active=False)

    with pytest.raises(NotAllowed):
        make(alice)


def test_a_kind_that_is_not_there(alice: User) -> None:
    with pytest.raises(InvalidInput, match="no engine kind 'magic'"):
        make(alice, kind="magic")


def test_every_fault_of_the_settings_is_named(alice: User) -> None:
    with pytest.raises(InvalidInput) as caught:
        make(alice, settings={"max_concurrency": 0, "colour": "red"})

    assert set(caught.value.extra["problems"]) == {  # type: ignore[call-overload]
        "base_url",
        "model",
        "max_concurrency",
        "colour",
    }
    assert not Engine.objects.exists()


@pytest.mark.parametrize("name", ["", "   ", "x" * 81])
def test_a_name_that_is_none(alice: User, name: str) -> None:
    with pytest.raises(InvalidInput, match="1 to 80 characters"):
        make(alice, name=name)


def test_a_setting_that_is_too_long_to_store(alice: User) -> None:
    with pytest.raises(InvalidInput, match="'model' has 201 characters"):
        make(alice, settings=SERVER | {"model": "m" * 201})


def test_a_name_is_used_once(alice: User) -> None:
    make(alice)

    with pytest.raises(Conflict, match="an engine named 'Local' already"):
        make(alice)


def test_updating_changes_what_is_given(alice: User) -> None:
    engine = make(alice, output_terms="mine")

    changed = engines.update_engine(engine=engine, by=alice, settings=SERVER | {"model": "big"})

    assert changed.model == "big"
    assert changed.output_terms == "mine"
    assert AuditEvent.objects.get(verb="engine.updated").detail["fields"] == ["settings"]


def test_updating_is_for_leads_too(alice: User) -> None:
    engine = make(alice)

    with pytest.raises(NotAllowed):
        engines.update_engine(engine=engine, by=make_user("bob"), name="Mine")


def test_switching_off(alice: User) -> None:
    engine = engines.update_engine(engine=make(alice), by=alice, is_active=False)

    assert not engine.is_active


def test_the_scripted_engine_is_made_once(db: None) -> None:
    first, second = engines.ensure_scripted_engine(), engines.ensure_scripted_engine()

    assert first == second
    assert first.is_scripted
    assert first.output_may_train is True


def test_a_snapshot_makes_the_engine_again(db: None) -> None:
    row = engines.ensure_scripted_engine()
    row.options = row.options | {"seed": 5}
    snapshot = engines.snapshot_engine(row)

    running = engines.build_running_engine(snapshot)

    assert isinstance(running, ScriptedEngine)
    assert running.describe()["seed"] == 5


def test_a_snapshot_holds_no_key(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_ENGINE_KEY_LOCAL", "sk-secret")
    engine = make(alice, settings=SERVER | {"key_name": "LOCAL"})

    snapshot = engines.snapshot_engine(engine)

    assert snapshot["settings"]["key_name"] == "LOCAL"
    assert "sk-secret" not in repr(snapshot)


def test_an_engine_whose_key_is_missing_cannot_be_made(alice: User) -> None:
    snapshot = engines.snapshot_engine(make(alice, settings=SERVER | {"key_name": "LOCAL"}))

    with pytest.raises(EnginePermanent, match="no key 'LOCAL'"):
        engines.build_running_engine(snapshot, environ={})


def test_concurrency_is_the_engines_own(alice: User) -> None:
    assert engines.find_concurrency(engines.snapshot_engine(make(alice))) == 12
    scripted = engines.snapshot_engine(engines.ensure_scripted_engine())
    assert engines.find_concurrency(scripted) == engines.DEFAULT_CONCURRENCY
