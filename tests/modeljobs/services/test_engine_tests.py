from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from labeling.models import AuditEvent, Membership
from modeljobs.engines.base import (
    Capabilities,
    Completion,
    CompletionRequest,
    EnginePermanent,
    EngineReply,
)
from modeljobs.models import Engine, EngineTest
from modeljobs.services import engine_tests
from modeljobs.services.engine_tests import (
    GIVE_UP_AFTER,
    LOST_AFTER,
    RESEND_AFTER,
    find_last_tests,
    list_tests,
    request_test,
    run_test,
    tend_tests,
    view_test,
)
from modeljobs.services.workers import record_beat
from tests.labeling.factories import join, make_user
from tests.modeljobs.worlds import NOON, Clock, World
from workbench.errors import NotAllowed

State = EngineTest.State


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The tests that a worker would have been told of."""
    sent: list[int] = []
    monkeypatch.setattr(engine_tests, "_send", sent.append)
    monkeypatch.setattr(engine_tests, "_resent", {})
    return sent


@dataclass
class AnsweringEngine:
    """Answers, or raises what it is given; notes that it was closed."""

    error: Exception | None = None
    name: str = "m"
    revision: str = ""
    is_scripted: bool = False
    capabilities: Capabilities = field(default_factory=Capabilities)
    is_closed: bool = False

    async def complete(self, request: CompletionRequest) -> EngineReply:
        if self.error is not None:
            raise self.error
        return EngineReply((Completion("4"),) * request.sampling.n, model="m-2", latency_ms=3)

    def describe(self) -> dict[str, Any]:
        return {}

    async def aclose(self) -> None:
        self.is_closed = True


def ask(world: World, *, now: Any = NOON) -> EngineTest:
    test, is_new = request_test(engine=world.engine, by=world.alice, now=now)
    assert is_new
    return test


def run(test: EngineTest, engine: AnsweringEngine, *, clock: Clock | None = None) -> EngineTest:
    assert run_test(test.pk, make_engine=lambda snapshot: engine, now=clock or Clock())
    test.refresh_from_db()
    return test


# Asking


def test_it_works(
    world: World, messages: list[int], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        test = ask(world)
    assert messages == [test.pk]
    assert (test.state, test.requested_by) == (State.QUEUED, world.alice)
    assert AuditEvent.objects.get(verb="engine.test_requested").target_id == str(world.engine.pk)


def test_an_engine_has_one_test_under_way(
    world: World, messages: list[int], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        first = ask(world)
        for state in (State.QUEUED, State.RUNNING):
            EngineTest.objects.update(state=state, started_at=NOON)
            assert request_test(engine=world.engine, by=world.alice, now=NOON) == (first, False)
    assert messages == [first.pk]


def test_another_engine_is_tested_beside_it(world: World, messages: list[int]) -> None:
    ask(world)
    other = Engine.objects.create(name="other", kind="scripted")
    assert request_test(engine=other, by=world.alice, now=NOON)[1]


def test_a_test_that_has_ended_makes_room(world: World, messages: list[int]) -> None:
    run(ask(world), AnsweringEngine())
    assert ask(world).state == State.QUEUED


@pytest.mark.parametrize("role", ["annotator", "adjudicator", "engineer"])
def test_only_who_manages_engines_may_test_them(
    world: World, messages: list[int], role: Membership.Role
) -> None:
    bob = make_user("bob")
    join(world.project, bob, role)
    with pytest.raises(NotAllowed):
        request_test(engine=world.engine, by=bob)
    assert not EngineTest.objects.exists()


# Making


def test_what_came_of_it_is_stored(world: World, messages: list[int], clock: Clock) -> None:
    engine = AnsweringEngine()
    test = run(ask(world), engine, clock=clock)
    assert (test.state, test.started_at, test.finished_at) == (State.DONE, NOON, NOON)
    assert (test.result["answered"], test.result["model"]) == (True, "m-2")
    assert (test.result["several"], test.result["logprobs"]) == (True, False)
    assert engine.is_closed


def test_a_refusal_is_a_sentence_and_a_code(world: World, messages: list[int]) -> None:
    engine = AnsweringEngine(EnginePermanent("Check the engine's key.", code="wrong_key"))
    test = run(ask(world), engine)
    assert test.state == State.FAILED
    assert (test.result["code"], test.result["error"]) == ("wrong_key", "Check the engine's key.")
    assert engine.is_closed


def test_an_engine_that_cannot_be_made(world: World, messages: list[int]) -> None:
    def fail(snapshot: Mapping[str, Any]) -> Any:
        raise EnginePermanent("There is no key 'LAB'.", code="key_missing")

    test = ask(world)
    assert run_test(test.pk, make_engine=fail)
    test.refresh_from_db()
    assert (test.state, test.result["code"]) == (State.FAILED, "key_missing")


def test_a_fault_of_ours_is_told_without_its_details(
    world: World, messages: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    test = run(ask(world), AnsweringEngine(KeyError("secret detail")))
    assert (test.state, test.result["code"]) == (State.FAILED, "unexpected_error")
    assert "secret detail" not in str(test.result)
    assert "failed unexpectedly" in caplog.text


def test_the_shipped_engine_is_tested_for_real(world: World, messages: list[int]) -> None:
    test = ask(world)
    assert run_test(test.pk)
    test.refresh_from_db()
    assert test.state == State.DONE
    assert test.result["text"].startswith("This is the scripted engine")


def test_a_message_that_comes_twice_does_nothing_more(world: World, messages: list[int]) -> None:
    test = run(ask(world), AnsweringEngine())
    engine = AnsweringEngine()
    assert not run_test(test.pk, make_engine=lambda snapshot: engine)
    assert not engine.is_closed
    assert not run_test(10**6)


def test_what_was_given_up_meanwhile_stays_so(world: World, messages: list[int]) -> None:
    test = ask(world)

    looks: list[int] = []

    def now() -> Any:
        """Between the beginning and the end the reaper comes by."""
        if looks:
            EngineTest.objects.update(state=State.FAILED, result={"code": "worker_lost"})
        looks.append(1)
        return NOON

    assert not run_test(test.pk, make_engine=lambda snapshot: AnsweringEngine(), now=now)
    test.refresh_from_db()
    assert test.result == {"code": "worker_lost"}


def test_a_person_does_not_wait_as_long_as_a_job(world: World, messages: list[int]) -> None:
    seen: list[Any] = []

    def note(snapshot: Mapping[str, Any]) -> Any:
        seen.append(snapshot["settings"])
        return AnsweringEngine()

    world.engine.kind = "openai_compatible"
    world.engine.base_url = "http://127.0.0.1:8000"
    world.engine.options = {"timeout_s": 600.0}
    world.engine.save()
    run_test(ask(world).pk, make_engine=note)
    assert seen[0]["timeout_s"] == 60.0


# Looking


def test_a_stuck_test_reads_as_failed_before_anybody_wrote_so(
    world: World, messages: list[int]
) -> None:
    test = ask(world)
    assert not view_test(test, now=NOON + GIVE_UP_AFTER).is_final
    late = NOON + GIVE_UP_AFTER + timedelta(seconds=1)
    view = view_test(test, now=late)
    assert (view.state, view.result["code"]) == (State.FAILED, "no_worker")
    EngineTest.objects.update(state=State.RUNNING, started_at=NOON)
    test.refresh_from_db()
    view = view_test(test, now=NOON + LOST_AFTER + timedelta(seconds=1))
    assert (view.state, view.result["code"]) == (State.FAILED, "worker_lost")
    test.refresh_from_db()
    assert test.state == State.RUNNING


def test_a_stuck_test_does_not_keep_others_from_theirs(world: World, messages: list[int]) -> None:
    stuck = ask(world)
    EngineTest.objects.update(state=State.RUNNING, started_at=NOON)
    ask(world, now=NOON + LOST_AFTER + timedelta(seconds=1))
    stuck.refresh_from_db()
    assert (stuck.state, stuck.result["code"]) == (State.FAILED, "worker_lost")


def test_the_latest_come_first(world: World, messages: list[int]) -> None:
    first = run(ask(world), AnsweringEngine())
    second = ask(world)
    views = list_tests(world.engine, now=NOON)
    assert [view.test.pk for view in views] == [second.pk, first.pk]
    assert [view.is_final for view in views] == [False, True]
    last = find_last_tests([world.engine], now=NOON)
    assert last[world.engine.pk].test == second


def test_engines_without_tests_have_no_last_one(world: World) -> None:
    assert find_last_tests([world.engine], now=NOON) == {}


# Tending


def test_the_reaper_ends_what_came_to_nothing(world: World, messages: list[int]) -> None:
    waited = ask(world)
    late = NOON + GIVE_UP_AFTER + timedelta(seconds=1)
    assert tend_tests(now=late) == 1
    waited.refresh_from_db()
    assert (waited.state, waited.finished_at) == (State.FAILED, late)
    assert tend_tests(now=late) == 0


def test_a_lost_message_is_sent_again_while_a_worker_is_there(
    world: World, messages: list[int], django_capture_on_commit_callbacks: Any
) -> None:
    test = ask(world)
    late = NOON + RESEND_AFTER + timedelta(seconds=1)
    with django_capture_on_commit_callbacks(execute=True):
        assert tend_tests(now=late) == 0
    record_beat(name="w", queues=["models"], pid=1, started_at=NOON, now=late)
    with django_capture_on_commit_callbacks(execute=True):
        assert tend_tests(now=late) == 1
        # Not at every round: a worker may be busy.
        assert tend_tests(now=late + timedelta(seconds=1)) == 0
    assert messages == [test.pk]


def test_the_task_makes_the_test(world: World, messages: list[int]) -> None:
    from modeljobs.engine_tasks import test_engine

    test = ask(world)
    test_engine.run(test.pk)
    test.refresh_from_db()
    assert test.state == State.DONE
