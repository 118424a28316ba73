"""The supervisor's rules, with a clock of our own and programs that only pretend."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field

import pytest

from workbench.supervisor import Program, Supervisor, build_delay, describe_exit

WEB = Program("web server", ("web",))
WORKER = Program("worker", ("work",))


@dataclass
class FakeProcess:
    name: str
    pid: int = 1
    code: int | None = None
    signals: list[int] = field(default_factory=list)
    ends_on_request: bool = True

    def poll(self):
        return self.code

    def send_signal(self, number):
        self.signals.append(number)
        if self.ends_on_request:
            self.code = -number


class World:
    """Time, messages and programs, for one supervisor."""

    def __init__(self):
        self.now = 0.0
        self.said: list[str] = []
        self.started: list[FakeProcess] = []
        self.killed: list[str] = []
        self.unstartable = False
        self.supervisor = Supervisor(
            spawn=self.spawn,
            say=self.said.append,
            clock=self.clock,
            sleep=self.sleep,
            kill=self.kill,
        )

    def spawn(self, program):
        if self.unstartable:
            raise OSError("no such file")
        process = FakeProcess(program.name)
        self.started.append(process)
        return process

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds

    def kill(self, process):
        self.killed.append(process.name)
        if process.code is None:
            process.code = -signal.SIGKILL


@pytest.fixture
def world():
    return World()


def test_delays_double_up_to_a_bound():
    assert [build_delay(n) for n in (1, 2, 3, 7, 1000)] == [0.5, 1.0, 2.0, 30.0, 30.0]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "ended by itself"),
        (3, "ended with exit code 3"),
        (-9, "was ended by SIGKILL"),
        (-64, "was ended by SIGRTMAX"),
        (-200, "was ended by signal 200"),
    ],
)
def test_how_it_ended(code, words):
    assert describe_exit(code) == words


def test_what_runs_is_left_alone(world):
    world.supervisor.start(WEB)
    world.now = 1000.0
    world.supervisor.check()
    assert len(world.started) == 1
    assert world.said == []


def test_what_dies_is_started_again_after_the_delay_and_said(world):
    world.supervisor.start(WEB)
    world.started[0].code = 1
    world.supervisor.check()
    assert world.said == ["The web server ended with exit code 1; starting it again in 0.5 s."]
    world.now = 0.49
    world.supervisor.check()
    assert len(world.started) == 1
    world.now = 0.5
    world.supervisor.check()
    assert len(world.started) == 2


def test_what_it_left_behind_is_killed_before_the_next_start(world):
    world.supervisor.start(WEB)
    world.started[0].code = -9
    world.supervisor.check()
    assert world.killed == ["web server"]


def test_the_others_go_on(world):
    world.supervisor.start(WEB)
    world.supervisor.start(WORKER)
    world.started[0].code = 1
    world.supervisor.check()
    world.now = 10.0
    world.supervisor.check()
    assert [process.name for process in world.started] == ["web server", "worker", "web server"]


def test_failures_in_a_row_wait_longer(world):
    world.supervisor.start(WEB)
    delays = []
    for _ in range(4):
        world.started[-1].code = 1
        world.supervisor.check()
        delays.append(world.supervisor.children[0].restart_at - world.now)
        world.now = world.supervisor.children[0].restart_at
        world.supervisor.check()
    assert delays == [0.5, 1.0, 2.0, 4.0]


def test_a_long_good_run_forgives_earlier_failures(world):
    world.supervisor.start(WEB)
    for _ in range(3):
        world.started[-1].code = 1
        world.supervisor.check()
        world.now = world.supervisor.children[0].restart_at
        world.supervisor.check()
    world.now += 60.0
    world.started[-1].code = 1
    world.supervisor.check()
    assert world.said[-1].endswith("in 0.5 s.")


def test_a_program_that_cannot_be_started_is_tried_again(world):
    world.unstartable = True
    world.supervisor.start(WEB)
    assert world.said == [
        "The web server could not be started (no such file); starting it again in 0.5 s."
    ]
    world.unstartable = False
    world.now = 1.0
    world.supervisor.check()
    assert len(world.started) == 1


def test_stop_asks_all_and_waits(world):
    world.supervisor.start(WEB)
    world.supervisor.start(WORKER)
    world.supervisor.stop(grace=5.0)
    assert [process.signals for process in world.started] == [[signal.SIGTERM]] * 2
    assert world.killed == []
    assert world.said == []


def test_stop_kills_what_does_not_end_in_time(world):
    world.supervisor.start(WORKER)
    world.started[0].ends_on_request = False
    world.supervisor.stop(grace=5.0)
    assert world.killed == ["worker"]
    assert world.said == ["The worker did not stop in time and was killed."]
    assert world.now == pytest.approx(5.0, abs=0.1)


def test_stop_in_a_hurry_does_not_wait(world):
    world.supervisor.start(WORKER)
    world.started[0].ends_on_request = False
    world.supervisor.stop(grace=5.0, hurry=lambda: True)
    assert world.killed == ["worker"]
    assert world.now < 0.1


def test_nothing_is_started_again_after_stop(world):
    world.supervisor.start(WEB)
    world.started[0].code = 1
    world.supervisor.check()
    world.supervisor.stop(grace=5.0)
    world.now = 100.0
    world.supervisor.check()
    assert len(world.started) == 1
