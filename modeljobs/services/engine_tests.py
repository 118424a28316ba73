"""Tests of engines: asked for by a person, made by a worker, which reaches what jobs will reach.

    request_test -> a row and a message -> run_test in a worker on the queue "models"

An engine has one test under way at most: whoever asks for a second gets the first.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from labeling.models import User
from labeling.services.audit import record_event
from modeljobs.engines.base import Engine as RunningEngine
from modeljobs.engines.base import EnginePermanent
from modeljobs.engines.options import InvalidOptions
from modeljobs.engines.probe import probe_engine
from modeljobs.models import Engine, EngineTest
from modeljobs.services.engines import build_running_engine, may_manage_engines, snapshot_engine
from modeljobs.services.workers import pick_due
from workbench.errors import NotAllowed

logger = logging.getLogger(__name__)

MakeEngine = Callable[[Mapping[str, Any]], RunningEngine]
State = EngineTest.State
UNDER_WAY = (State.QUEUED, State.RUNNING)

QUEUE = "models"
# How long a server may take for one short answer, and everything together: a worker may have to
# load a model of its own first.
MOST_SECONDS_A_CALL = 60.0
MOST_SECONDS = 900.0
# A worker that was at a test for longer than this is gone.
LOST_AFTER = timedelta(seconds=MOST_SECONDS + 60)
# A test that nobody took is sent again, and given up when nobody takes it for so long. A worker
# that is at a job takes up to ten minutes to have a turn for others.
RESEND_AFTER = timedelta(seconds=60)
GIVE_UP_AFTER = timedelta(minutes=30)
SHOWN_TESTS = 10

LOST = "The worker that made this test was lost. Test the engine again."
NOBODY = "No worker took this test in time. Test the engine again when one is there."
TOO_LONG = f"The engine did not come to an end within {MOST_SECONDS:g} seconds."
BROKEN = "Something failed in the software, not in the engine. It is in the worker's log."

# When this process last sent a test again: only the reaper's.
_resent: dict[int, datetime] = {}


# --- Asking ---------------------------------------------------------------------------------------


@transaction.atomic
def request_test(
    *, engine: Engine, by: User, now: datetime | None = None
) -> tuple[EngineTest, bool]:
    """The engine's test, to be made by a worker once this has committed, and whether it is new.

    NotAllowed for those who may not change engines: a test costs what a call costs.
    """
    if not may_manage_engines(by):
        raise NotAllowed("Only someone who leads a project may test engines.")
    now = now or timezone.now()
    # Whoever presses twice is served one after the other: the second sees the first.
    Engine.objects.select_for_update().get(pk=engine.pk)
    _settle(now=now, engine=engine)
    waiting = EngineTest.objects.filter(engine=engine, state__in=UNDER_WAY).first()
    if waiting is not None:
        return waiting, False
    test = EngineTest.objects.create(engine=engine, requested_by=by, created_at=now)
    record_event(
        project=None, actor=by, verb="engine.test_requested", target=engine, name=engine.name
    )
    transaction.on_commit(partial(_send, test.pk), robust=True)
    return test, True


def _send(test_id: int) -> None:
    # A task is a door, and doors import services: it is looked up only when one is sent.
    from modeljobs.engine_tasks import test_engine

    test_engine.delay(test_id)


# --- Making ---------------------------------------------------------------------------------------


def run_test(
    test_id: int,
    *,
    make_engine: MakeEngine = build_running_engine,
    now: Callable[[], datetime] = timezone.now,
) -> bool:
    """Make a test that waits; False where there is none, or somebody else took it.

    1. Take it by compare and set. 2. Ask the engine. 3. Store what came of it, unless it was given
    up meanwhile. Raises nothing that the test can say itself.
    """
    began = now()
    taken = EngineTest.objects.filter(pk=test_id, state=State.QUEUED).update(
        state=State.RUNNING, started_at=began
    )
    if taken != 1:
        return False
    test = EngineTest.objects.select_related("engine").get(pk=test_id)
    state, result = _execute(test, make_engine)
    stored = EngineTest.objects.filter(pk=test_id, state=State.RUNNING, started_at=began).update(
        state=state, result=result, finished_at=now()
    )
    return stored == 1


def _execute(test: EngineTest, make_engine: MakeEngine) -> tuple[State, dict[str, Any]]:
    snapshot = hasten(snapshot_engine(test.engine))
    try:
        result = asyncio.run(_probe(snapshot, make_engine))
    except (EnginePermanent, InvalidOptions) as error:
        code = error.code if isinstance(error, EnginePermanent) else "invalid_settings"
        return State.FAILED, _refuse(code, str(error))
    except TimeoutError:
        return State.FAILED, _refuse("timeout", TOO_LONG)
    except Exception:
        # A person waits for this: they are told, and the test does not hang until it is reaped.
        logger.exception("Test %s of an engine failed unexpectedly.", test.pk)
        return State.FAILED, _refuse("unexpected_error", BROKEN)
    return (State.DONE if result["answered"] else State.FAILED), result


async def _probe(snapshot: Mapping[str, Any], make_engine: MakeEngine) -> dict[str, Any]:
    engine = make_engine(snapshot)
    try:
        report = await asyncio.wait_for(probe_engine(engine), timeout=MOST_SECONDS)
    finally:
        await engine.aclose()
    return report.build_json()


def hasten(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """The engine as a test asks it: a person waits, and hears of the first failure."""
    settings = dict(snapshot["settings"])
    given = settings.get("timeout_s")
    if given is not None:
        settings["timeout_s"] = min(float(given), MOST_SECONDS_A_CALL)
    return {**snapshot, "settings": settings}


def _refuse(code: str, sentence: str) -> dict[str, Any]:
    return {"answered": False, "code": code, "error": sentence}


# --- Looking --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TestView:
    """A test as it stands now: one whose worker is gone has failed before anybody wrote so."""

    # What pytest would otherwise take for a class of tests.
    __test__ = False

    test: EngineTest
    state: str
    result: Mapping[str, Any]

    @property
    def is_final(self) -> bool:
        return self.state not in UNDER_WAY

    @property
    def state_word(self) -> str:
        return str(State(self.state).label)


def view_test(test: EngineTest, *, now: datetime) -> TestView:
    """The test at a moment, without writing anything."""
    refusal = _find_refusal(test, now=now)
    if refusal is None:
        return TestView(test, test.state, test.result)
    return TestView(test, State.FAILED, refusal)


def list_tests(engine: Engine, *, now: datetime, limit: int = SHOWN_TESTS) -> list[TestView]:
    """The engine's latest tests, newest first."""
    rows = EngineTest.objects.filter(engine=engine).select_related("requested_by")
    return [view_test(test, now=now) for test in rows.order_by("-pk")[:limit]]


def find_last_tests(engines: Iterable[Engine], *, now: datetime) -> dict[int, TestView]:
    """The latest test of each engine that has one, by the engine's id: one query for all."""
    tests = EngineTest.objects.filter(engine__in=[engine.pk for engine in engines])
    latest = tests.order_by().values("engine").annotate(last=Max("pk")).values("last")
    return {
        test.engine_id: view_test(test, now=now)
        for test in EngineTest.objects.filter(pk__in=latest)
    }


def _find_refusal(test: EngineTest, *, now: datetime) -> dict[str, Any] | None:
    """Why a test that stands as under way will come to nothing."""
    if test.state == State.RUNNING and test.started_at and test.started_at < now - LOST_AFTER:
        return _refuse("worker_lost", LOST)
    if test.state == State.QUEUED and test.created_at < now - GIVE_UP_AFTER:
        return _refuse("no_worker", NOBODY)
    return None


# --- Tending --------------------------------------------------------------------------------------


def tend_tests(*, now: datetime | None = None) -> int:
    """The reaper's chore; how many things were done: tests that came to nothing are ended, and one
    whose message may be lost is sent again.
    """
    now = now or timezone.now()
    return _settle(now=now) + _send_again(now=now)


def _settle(*, now: datetime, engine: Engine | None = None) -> int:
    """End the tests that came to nothing; how many."""
    rows = EngineTest.objects.filter(state__in=UNDER_WAY)
    if engine is not None:
        rows = rows.filter(engine=engine)
    lost = rows.filter(state=State.RUNNING, started_at__lt=now - LOST_AFTER)
    waited = rows.filter(state=State.QUEUED, created_at__lt=now - GIVE_UP_AFTER)
    return sum(
        found.update(state=State.FAILED, result=_refuse(code, sentence), finished_at=now)
        for found, code, sentence in ((lost, "worker_lost", LOST), (waited, "no_worker", NOBODY))
    )


def _send_again(*, now: datetime) -> int:
    late = set(
        EngineTest.objects.filter(
            state=State.QUEUED, created_at__lt=now - RESEND_AFTER
        ).values_list("pk", flat=True)
    )
    due = pick_due(late, _resent, now=now, after=RESEND_AFTER, queue=QUEUE)
    for test_id in due:
        transaction.on_commit(partial(_send, test_id), robust=True)
    return len(due)
