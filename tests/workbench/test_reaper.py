"""The reaper's registry and its rounds."""

from __future__ import annotations

import threading
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from workbench import reaper

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def chores(monkeypatch):
    """An empty registry, as if no app had registered anything."""
    found: dict[str, reaper.Chore] = {}
    monkeypatch.setattr(reaper, "_chores", found)
    return found


def test_each_chore_runs_once_a_round_in_order(chores):
    calls = []
    reaper.register("first", lambda: calls.append("first"))
    reaper.register("second", lambda: calls.append("second"))
    reaper.run_once()
    assert calls == ["first", "second"]
    assert reaper.list_chores() == ["first", "second"]


def test_a_failing_chore_is_logged_and_the_next_one_runs(chores, caplog):
    def fail():
        raise RuntimeError("disk full")

    reaper.register("bad", fail)
    reaper.register("good", lambda: 2)
    bad, good = reaper.run_once()
    assert isinstance(bad.error, RuntimeError)
    assert good == reaper.ChoreResult("good", 2)
    assert "The chore 'bad' failed" in caplog.text
    assert "disk full" in caplog.text


def test_two_chores_of_one_name_are_a_mistake(chores):
    reaper.register("leases", lambda: None)
    with pytest.raises(ValueError, match="'leases'"):
        reaper.register("leases", lambda: None)


def test_registering_the_same_chore_again_changes_nothing(chores):
    def chore():
        return None

    reaper.register("leases", chore)
    reaper.register("leases", chore)
    assert reaper.list_chores() == ["leases"]
    reaper.unregister("leases")
    reaper.unregister("leases")
    assert reaper.list_chores() == []


def test_rounds_go_on_until_the_event_is_set(chores):
    stop = threading.Event()
    rounds = []

    def chore():
        rounds.append(1)
        if len(rounds) == 3:
            stop.set()

    reaper.register("counts", chore)
    reaper.run_until(stop, seconds=0.0)
    assert len(rounds) == 3


def test_command_says_what_each_chore_did(chores):
    reaper.register("leases", lambda: 3)
    reaper.register("idle", lambda: 0)
    out = StringIO()
    call_command("reap", "--once", stdout=out)
    assert out.getvalue().splitlines() == ["leases: 3", "idle: nothing"]


def test_command_fails_when_a_chore_does(chores):
    def fail():
        raise RuntimeError("disk full")

    reaper.register("bad", fail)
    out = StringIO()
    with pytest.raises(CommandError, match="failed"):
        call_command("reap", "--once", stdout=out)
    assert "bad: disk full" in out.getvalue()
