"""A person's own runs of code: asked for, run by a worker, and never lost without a word."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from modeljobs.models import CodeTrial, JobItem
from modeljobs.sandbox.base import CodeResult, CodeStatus, SandboxError, SandboxUnavailable
from modeljobs.services import trials
from modeljobs.services.trials import (
    TooManyTrials,
    keep_analysis,
    list_earlier_blocks,
    request_trial,
    run_trial,
    tend_trials,
)
from modeljobs.services.workers import record_beat
from tests.labeling.factories import make_user
from tests.modeljobs.web.rows import add_evidence, add_trial, make_block, make_job, make_sample
from tests.modeljobs.worlds import NOON, Clock, World
from workbench.errors import Conflict, InvalidInput


class FakeSession:
    """Notes what it is given, and answers what it was told to."""

    def __init__(self, answer: CodeResult | Exception) -> None:
        self.answer = answer
        self.remembered: list[str] = []
        self.ran: list[str] = []
        self.is_closed = False

    async def run(self, code: str) -> CodeResult:
        self.ran.append(code)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def remember(self, code: str) -> None:
        self.remembered.append(code)

    async def aclose(self) -> None:
        self.is_closed = True


class FakeSandbox:
    """Opens one session, or refuses to."""

    layers = ("rlimits",)

    def __init__(self, answer: CodeResult | Exception, *, refusal: Exception | None = None) -> None:
        self.session = FakeSession(answer)
        self.refusal = refusal
        self.is_closed = False

    async def open_session(self) -> FakeSession:
        if self.refusal is not None:
            raise self.refusal
        return self.session

    def describe(self) -> dict[str, Any]:
        return {"name": "fake"}

    async def aclose(self) -> None:
        self.is_closed = True


GOOD = CodeResult(CodeStatus.OK, "5", wall_ms=31, layers=("rlimits", "seccomp"))


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Messages are noted instead of sent."""
    sent: list[int] = []
    monkeypatch.setattr(trials, "_send", sent.append)
    monkeypatch.setattr(trials, "_resent", {})
    return sent


@pytest.fixture
def item(world: World) -> JobItem:
    """An item on whose first two steps two samples wrote two blocks each."""
    job = make_job(world.project, world.alice, world.solutions[:1])
    found = job.items.get()
    for position in (0, 1):
        add_evidence(
            found,
            position,
            [
                make_sample(
                    sample,
                    blocks=[make_block(f"p{position}s{sample}b{block}") for block in (0, 1)],
                )
                for sample in (0, 1)
            ],
        )
    return found


@pytest.fixture
def ask(item: JobItem, world: World, posted: list[int]) -> Callable[..., CodeTrial]:
    def make(**changes: Any) -> CodeTrial:
        given: dict[str, Any] = {
            "item": item,
            "position": 1,
            "sample": 1,
            "block": 1,
            "code": "print(2 + 3)",
            "by": world.alice,
            "now": NOON,
        }
        return request_trial(**(given | changes))

    return make


# --- Asking ---------------------------------------------------------------------------------------


def test_it_works(ask, posted, world, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        trial = ask()
    assert (trial.state, trial.author, trial.created_at) == ("queued", world.alice, NOON)
    assert posted == [trial.pk]
    sandbox = FakeSandbox(GOOD)
    assert run_trial(trial.pk, make_sandbox=lambda: sandbox, now=Clock())
    trial.refresh_from_db()
    assert (trial.state, trial.status, trial.output) == ("done", "ok", "5")
    assert (trial.milliseconds, trial.layers) == (31, ["rlimits", "seccomp"])
    assert (trial.started_at, trial.finished_at, trial.error) == (NOON, NOON, "")
    assert sandbox.session.ran == ["print(2 + 3)"]
    assert sandbox.session.is_closed
    assert sandbox.is_closed


def test_no_message_goes_out_when_nothing_was_stored(
    ask, posted, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        ask()
        transaction.set_rollback(True)
    assert posted == []
    assert not CodeTrial.objects.exists()


def test_line_ends_of_a_browser_are_those_of_python(ask):
    assert ask(code="a = 1\r\nprint(a)").code == "a = 1\nprint(a)"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"code": " \n"}, "code"),
        ({"code": "x" * 20_001}, "code"),
        ({"position": 2}, "position"),
        ({"sample": 2}, "sample"),
        ({"block": 3}, "block"),
        ({"block": -1}, "block"),
    ],
)
def test_what_is_not_there_is_refused(ask, changes, field):
    with pytest.raises(InvalidInput) as refused:
        ask(**changes)
    assert refused.value.extra["field"] == field
    assert not CodeTrial.objects.exists()


def test_the_block_after_the_last_is_code_of_ones_own(ask):
    assert ask(block=2).block == 2


def test_texts_that_are_gone_cannot_be_run_again(ask, item):
    add_evidence(item, 2, with_texts=False)
    with pytest.raises(Conflict, match="were removed"):
        ask(position=2, sample=0, block=0)


def test_one_run_at_a_time_for_each_person(ask, world):
    ask()
    with pytest.raises(TooManyTrials, match="still under way") as refused:
        ask()
    assert refused.value.status == 429
    assert refused.value.extra["retry_after"] == 5
    bob = make_user("bob")
    assert ask(by=bob).author == bob


def test_ten_a_minute(ask, item, world):
    for second in range(10):
        add_trial(item, world.alice, created_at=NOON + timedelta(seconds=second))
    with pytest.raises(TooManyTrials, match="Try again in 50 seconds") as refused:
        ask(now=NOON + timedelta(seconds=10))
    # The first of the ten leaves the window after a minute.
    assert refused.value.extra["retry_after"] == 50
    assert ask(now=NOON + timedelta(seconds=60)).pk


# --- The analysis ---------------------------------------------------------------------------------


def test_a_changed_analysis_goes_with_the_code(ask):
    assert ask(analysis="We check that $2+2=5$.").analysis == "We check that $2+2=5$."


@pytest.mark.parametrize("analysis", [None, "", " We check that $2+2=4$.\r\n"])
def test_an_unchanged_analysis_is_none(ask, analysis):
    assert ask(analysis=analysis).analysis == ""


@pytest.fixture
def keep(item: JobItem, world: World, posted: list[int]) -> Callable[..., CodeTrial]:
    def make(**changes: Any) -> CodeTrial:
        given: dict[str, Any] = {
            "item": item,
            "position": 1,
            "sample": 1,
            "block": 1,
            "analysis": "It is 5.",
            "by": world.alice,
            "now": NOON,
        }
        return keep_analysis(**(given | changes))

    return make


def test_an_analysis_alone_is_kept_and_nothing_runs(
    keep, posted, world, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        trial = keep()
    assert (trial.state, trial.status, trial.analysis) == ("done", "not_run", "It is 5.")
    assert (trial.code, trial.output, trial.author) == ("p1s1b1", "", world.alice)
    assert trial.finished_at == NOON
    assert posted == []
    assert not run_trial(trial.pk, make_sandbox=lambda: FakeSandbox(GOOD))


def test_code_as_it_was_may_come_along(keep):
    assert keep(code="p1s1b1\r\n").code == "p1s1b1"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"analysis": "We check that $2+2=4$."}, "analysis"),
        ({"analysis": " "}, "analysis"),
        ({"analysis": "x" * 20_001}, "analysis"),
        ({"code": "print(1)"}, "code"),
        ({"block": 9}, "block"),
        ({"sample": 2}, "sample"),
    ],
)
def test_what_cannot_be_kept_is_refused(keep, changes, field):
    with pytest.raises(InvalidInput) as refused:
        keep(**changes)
    assert refused.value.extra["field"] == field
    assert not CodeTrial.objects.exists()


def test_an_analysis_may_be_kept_while_code_runs(ask, keep):
    ask()
    assert keep().pk


def test_what_is_kept_counts_among_ten_a_minute(keep, item, world):
    for second in range(10):
        add_trial(item, world.alice, created_at=NOON - timedelta(seconds=second))
    with pytest.raises(TooManyTrials):
        keep()


# --- Running --------------------------------------------------------------------------------------


def test_the_blocks_before_it_are_run_first(ask):
    trial = ask()
    sandbox = FakeSandbox(GOOD)
    run_trial(trial.pk, make_sandbox=lambda: sandbox, now=Clock())
    # Its own sample's, of the steps before and of its own step, and not the one it replaces.
    assert sandbox.session.remembered == ["p0s1b0", "p0s1b1", "p1s1b0"]


def test_a_block_that_did_not_run_to_its_end_is_not_run_again(world, posted):
    item = make_job(world.project, world.alice, world.solutions[:1]).items.get()
    blocks = [
        make_block("good"),
        *(make_block(status, status=status) for status in ("error", "timeout", "imagined")),
    ]
    add_evidence(item, 0, [make_sample(0, blocks=blocks)])
    trial = CodeTrial(item=item, position=0, sample=0, block=4)
    # One that raised leaves names behind.
    assert list_earlier_blocks(trial) == ["good", "error"]


def test_a_shared_history_is_that_of_the_samples_that_went_into_it(world, posted):
    earlier = {}
    for sampling in ("step", "trajectory"):
        job = make_job(
            world.project, world.alice, world.solutions[:1], parameters={"sampling": sampling}
        )
        item = job.items.get()
        for position in (0, 1):
            samples = [make_sample(n, blocks=[make_block(f"p{position}s{n}")]) for n in (0, 1)]
            add_evidence(item, position, samples, chosen=1)
        trial = CodeTrial(item=item, position=1, sample=0, block=1)
        earlier[sampling] = list_earlier_blocks(trial)
    assert earlier == {"step": ["p0s1", "p1s0"], "trajectory": ["p0s0", "p1s0"]}


def test_a_name_that_cannot_be_made_again_says_so(ask, item):
    trial = ask()
    item.evidence.filter(position=0).update(chunk="")
    run_trial(trial.pk, make_sandbox=lambda: FakeSandbox(GOOD), now=Clock())
    trial.refresh_from_db()
    assert trial.state == "failed"
    assert "What the code of step 1 had defined cannot be made again" in trial.error


def test_a_message_that_comes_twice_runs_once(ask):
    trial = ask()
    sandbox = FakeSandbox(GOOD)
    assert run_trial(trial.pk, make_sandbox=lambda: sandbox, now=Clock())
    assert not run_trial(trial.pk, make_sandbox=lambda: sandbox, now=Clock())
    assert len(sandbox.session.ran) == 1


def test_a_trial_that_is_not_there_is_no_error(db):
    assert not run_trial(12345, make_sandbox=lambda: FakeSandbox(GOOD))


def test_an_error_of_the_code_is_its_output(ask):
    trial = ask()
    answer = CodeResult(CodeStatus.ERROR, "Code execute Error: NameError: name 'x'", True, 3)
    run_trial(trial.pk, make_sandbox=lambda: FakeSandbox(answer), now=Clock())
    trial.refresh_from_db()
    assert (trial.state, trial.status, trial.is_truncated) == ("done", "error", True)
    assert trial.output == answer.output
    assert trial.error == ""


@pytest.mark.parametrize(
    ("answer", "refusal", "status", "words"),
    [
        (GOOD, SandboxUnavailable("Landlock is missing here."), "unavailable", "Landlock"),
        (SandboxError("It used a call.", code="killed"), None, "killed", "It used a call."),
        (TimeoutError(), None, "timeout", "took too long"),
        (RuntimeError("secret path"), None, "unexpected_error", "in the software"),
    ],
)
def test_a_fault_of_ours_is_never_shown_as_output(ask, answer, refusal, status, words):
    trial = ask()
    sandbox = FakeSandbox(answer, refusal=refusal)
    run_trial(trial.pk, make_sandbox=lambda: sandbox, now=Clock())
    trial.refresh_from_db()
    assert (trial.state, trial.status, trial.output) == ("failed", status, "")
    assert words in trial.error
    assert "secret path" not in trial.error
    assert sandbox.is_closed


def test_what_comes_after_a_trial_was_given_up_is_not_stored(ask):
    trial = ask()

    readings = iter([NOON, NOON + timedelta(seconds=1)])

    def tell() -> datetime:
        # The second look at the clock comes when the run has ended.
        time = next(readings)
        if time > NOON:
            CodeTrial.objects.filter(pk=trial.pk).update(state="failed", error="lost")
        return time

    assert not run_trial(trial.pk, make_sandbox=lambda: FakeSandbox(GOOD), now=tell)
    trial.refresh_from_db()
    assert (trial.state, trial.output, trial.error) == ("failed", "", "lost")


def test_the_task_runs_the_trial(ask, monkeypatch):
    from modeljobs.trial_tasks import run_code_trial

    trial = ask()
    monkeypatch.setattr(trials, "open_sandbox", lambda: FakeSandbox(GOOD))
    run_code_trial(trial.pk)
    trial.refresh_from_db()
    assert trial.state == "done"


def test_the_task_goes_to_the_sandbox_queue():
    from workbench.celery import app

    route = app.amqp.router.route({}, "modeljobs.run_code_trial")
    assert route["queue"].name == "sandbox"


# --- Tending --------------------------------------------------------------------------------------


def test_a_trial_whose_worker_is_gone_fails_with_a_sentence(ask):
    trial = ask()
    CodeTrial.objects.filter(pk=trial.pk).update(state="running", started_at=NOON)
    assert tend_trials(now=NOON + trials.LOST_AFTER) == 0
    assert tend_trials(now=NOON + trials.LOST_AFTER + timedelta(seconds=1)) == 1
    trial.refresh_from_db()
    assert (trial.state, trial.status) == ("failed", "worker_lost")
    assert "Run it again" in trial.error


def test_a_trial_that_nobody_takes_is_given_up(ask):
    trial = ask()
    assert tend_trials(now=NOON + timedelta(minutes=16)) == 1
    trial.refresh_from_db()
    assert (trial.state, trial.status) == ("failed", "no_worker")


def test_a_lost_message_is_sent_again_now_and_then(ask, posted, django_capture_on_commit_callbacks):
    trial = ask()
    posted.clear()

    def tend(seconds: int) -> int:
        now = NOON + timedelta(seconds=seconds)
        record_beat(name="w", queues=["sandbox"], pid=1, started_at=NOON, now=now)
        with django_capture_on_commit_callbacks(execute=True):
            return tend_trials(now=now)

    assert [tend(10), tend(50), tend(60), tend(100)] == [0, 1, 0, 1]
    assert posted == [trial.pk, trial.pk]


def test_nothing_is_sent_again_where_nobody_listens(ask, posted):
    ask()
    now = NOON + timedelta(seconds=50)
    record_beat(name="w", queues=["models"], pid=1, started_at=NOON, now=now)
    assert tend_trials(now=now) == 0
