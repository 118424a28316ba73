"""Workers killed in mid-job, at moments drawn by a seed: the rows left in the end are those of a
run that nothing happened to.

Real processes: Celery workers, a broker, SQLite in a data folder, and a model server in the test's
own process, which kills when it has been asked often enough.
"""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import demand
from tests.modeljobs.faults.desk import PROBLEMS, SOLUTIONS, STEPS
from tests.modeljobs.faults.system import PATIENCE, Fleet, Worker, run_fleet, run_own_redis
from tests.modeljobs.rolling import CHUNKS_A_PROBLEM
from tests.modeljobs.rolling import STEPS as ROLLED_STEPS

Left = list[dict[str, Any]]

SEED = 20_260_504
# Two for each step.
CALLS = SOLUTIONS * STEPS * 2
ROLLOUT_CALLS = PROBLEMS * CHUNKS_A_PROBLEM


@pytest.fixture(scope="module", params=["embedded", pytest.param("redis", marks=pytest.mark.redis)])
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "embedded":
        with run_fleet(folder) as fleet:
            yield fleet
        return
    demand("redis")
    program = shutil.which("redis-server")
    assert program is not None
    with (
        run_own_redis(program) as redis,
        run_fleet(folder, WORKBENCH_REDIS_URL=redis.broker_url) as fleet,
    ):
        fleet.redis = redis
        yield fleet


@pytest.fixture
def fleet(shared: Fleet) -> Iterator[Fleet]:
    """With no workers at first, and none left over."""
    yield shared
    shared.stop_workers()


@pytest.fixture(scope="module")
def undisturbed(shared: Fleet) -> Left:
    """What a job leaves that nothing happened to."""
    shared.start_worker()
    left: Left = shared.finish(shared.start_job())
    shared.stop_workers()
    check_undisturbed(shared, left)
    return left


def check_undisturbed(fleet: Fleet, left: Left) -> None:
    """Nothing is missing in what the others are compared with."""
    assert len(set(fleet.server.list_asked())) == CALLS
    assert [item["state"] for item in left] == ["done"] * SOLUTIONS
    for item in left:
        assert len(item["calls"]) == STEPS * 2
        assert len(item["runs"]) == len(item["run_places"]) == len(item["steps"]) == STEPS
        assert len(item["suggestions"]) == 1


class Killer:
    """Kills a worker once the model server was asked `number` times, before or after it answers.

    After an answer it waits for some thousandths of a second, so that what the worker does with
    it is met at any point.
    """

    def __init__(self, worker: Worker, *, number: int, when: str, wait_s: float) -> None:
        self.worker = worker
        self.number = number
        self.when = when
        self.wait_s = wait_s
        self.is_done = threading.Event()

    def __call__(self, number: int, when: str) -> None:
        if (number, when) == (self.number, self.when):
            time.sleep(self.wait_s)
            self.worker.kill()
            self.is_done.set()


def draw_killer(rng: random.Random, worker: Worker, *, calls: int = CALLS) -> Killer:
    when = rng.choice(("before", "after"))
    wait_s = rng.uniform(0, 0.03) if when == "after" else 0.0
    # The last call may be stored with the result: then there is nothing left to do again.
    return Killer(worker, number=rng.randint(1, calls - 1), when=when, wait_s=wait_s)


def test_a_killed_worker_leaves_the_rows_of_an_undisturbed_run(
    fleet: Fleet, undisturbed: Left, rounds: int
) -> None:
    rng = random.Random(SEED)
    worker = fleet.start_worker()
    met = 0
    for number in range(rounds):
        killer = draw_killer(rng, worker)
        fleet.server.at_answer = killer
        job = fleet.start_job()
        assert killer.is_done.wait(timeout=PATIENCE), fleet.read_log()
        # The dead store nothing more: what is stored by now is not asked for again.
        stored = set(fleet.ask("list_stored", job=job))
        before = len(fleet.server.list_asked())
        worker = fleet.start_worker()

        left = fleet.finish(job)

        moment = f"round {number}: call {killer.number}, {killer.when}, {killer.wait_s:.3f} s"
        assert left == undisturbed, moment
        assert stored.isdisjoint(fleet.server.list_asked()[before:]), moment
        met += fleet.ask("count_again", job=job)["again"]
    # The kills met items at work, or this would prove nothing.
    assert met > 0


def test_one_of_two_workers_is_killed(fleet: Fleet, undisturbed: Left) -> None:
    workers = [fleet.start_worker(), fleet.start_worker()]
    killer = Killer(workers[0], number=CALLS // 2, when="after", wait_s=0.0)
    fleet.server.at_answer = killer

    job = fleet.start_job(messages=2)

    assert fleet.finish(job) == undisturbed
    assert killer.is_done.wait(timeout=PATIENCE)


def test_a_broker_that_forgets_everything_loses_nothing(fleet: Fleet, undisturbed: Left) -> None:
    """Messages only wake workers up: those for a job that waits and for one at work are lost."""
    killer = Killer(fleet.start_worker(), number=CALLS // 2, when="before", wait_s=0.0)
    fleet.server.at_answer = killer
    job = fleet.start_job()
    assert killer.is_done.wait(timeout=PATIENCE), fleet.read_log()

    fleet.lose_messages()
    fleet.start_worker()

    assert fleet.finish(job) == undisturbed


# --- Rollouts -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rolled(shared: Fleet) -> dict[str, Any]:
    """What a job that labels by rollouts leaves when nothing happens to it."""
    shared.start_worker()
    left: dict[str, Any] = shared.finish(shared.start_rollouts(), read="read_rollouts")
    shared.stop_workers()
    check_rollouts(left)
    return left


def test_a_killed_worker_leaves_the_counts_of_an_undisturbed_run(
    fleet: Fleet, rolled: dict[str, Any], rounds: int
) -> None:
    """Solutions share what they begin with: which of them sampled it may differ, and no more."""
    rng = random.Random(SEED)
    worker = fleet.start_worker()
    met = 0
    # Two where the others have five.
    for number in range(max(1, rounds * 2 // 5)):
        killer = draw_killer(rng, worker, calls=ROLLOUT_CALLS)
        fleet.server.at_answer = killer
        job = fleet.start_rollouts()
        assert killer.is_done.wait(timeout=PATIENCE), fleet.read_log()
        stored = set(fleet.ask("list_rolled", job=job))
        before = len(fleet.server.list_asked())
        worker = fleet.start_worker()

        left = fleet.finish(job, read="read_rollouts")

        moment = f"round {number}: call {killer.number}, {killer.when}, {killer.wait_s:.3f} s"
        assert left == rolled, moment
        assert stored.isdisjoint(fleet.server.list_asked()[before:]), moment
        met += fleet.ask("count_again", job=job)["again"]
    assert met > 0


def test_two_workers_roll_out_as_one_does(fleet: Fleet, rolled: dict[str, Any]) -> None:
    """Both may ask for the same at once; they go on with what was stored first."""
    for _ in range(2):
        fleet.start_worker()

    left = fleet.finish(fleet.start_rollouts(messages=2), read="read_rollouts")

    assert {**left, "calls": sorted(set(left["calls"]))} == rolled


def check_rollouts(left: dict[str, Any]) -> None:
    """Nothing is missing in what the others are compared with, and nothing is there twice."""
    assert [item["state"] for item in left["items"]] == ["done"] * 2 * PROBLEMS
    assert len(left["calls"]) == len(set(left["calls"])) == ROLLOUT_CALLS
    assert len(left["chunks"]) == ROLLOUT_CALLS
    for item in left["items"]:
        # The problem alone, and each step.
        assert len(item["counts"]) == len(item["steps"]) == ROLLED_STEPS + 1
