"""Equality checks: who may ask and when, what is logged, and that no check hangs."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from labeling.models import Assignment, Exposure, Membership, Project, ReviewItem, User
from labeling.records import At
from labeling.services.annotations import reveal_claim, submit
from labeling.services.assignments import claim_item, expire_leases, save_draft
from modeljobs.methods.equalities.asking import EqualityFinding, PairFinding
from modeljobs.models import EqualityCheck
from modeljobs.sandbox.base import SandboxUnavailable
from modeljobs.services import equalities as service
from modeljobs.services.equalities import (
    TooManyChecks,
    ask_in_assignment,
    ask_of_item,
    find_equality_state,
    get_item_to_ask,
    run_check,
    tend_checks,
)
from modeljobs.services.reveals import Sealed
from modeljobs.services.workers import record_beat
from tests.labeling.factories import enqueue, join, make_injection_item, make_user, rating
from tests.modeljobs.web.rows import add_check
from tests.modeljobs.worlds import NOON, Clock, World
from workbench.errors import Conflict, InvalidInput, NotAllowed, NotFound

# As it is outside of these tests.
SEND = service._send
PAIR = PairFinding("1+1", "=", "2", "true", "exact", {"left": "2", "right": "2"}, ())
FOUND = EqualityFinding("true", (PAIR,), milliseconds=31, layers=("rlimits", "seccomp"))


@pytest.fixture(autouse=True)
def posted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Messages are noted instead of sent."""
    sent: list[int] = []
    monkeypatch.setattr(service, "_send", sent.append)
    monkeypatch.setattr(service, "_resent", {})
    return sent


@pytest.fixture
def bob(world: World) -> User:
    user = make_user("bob")
    join(world.project, user, Membership.Role.ANNOTATOR)
    return user


@pytest.fixture
def item(world: World) -> ReviewItem:
    return enqueue(world.solutions[0])


@pytest.fixture
def held(item: ReviewItem, bob: User) -> Assignment:
    return claim_item(user=bob, item=item)


def allow(held: Assignment, when: str) -> None:
    """Set when the project's reviewers may ask."""
    held.project.equality_checks = when
    held.project.save(update_fields=["equality_checks"])


def rate_first_step(held: Assignment) -> None:
    save_draft(
        assignment=held,
        lease_token=held.lease_token,
        content={"task": "rate_steps", "steps": [{"position": 0, "validity": "wrong"}]},
        seen_version=0,
    )


def ask(held: Assignment, position: int | None = 0, text: str = "1+1=2") -> EqualityCheck:
    return ask_in_assignment(assignment=held, position=position, text=text, now=NOON)


def answer(monkeypatch: pytest.MonkeyPatch, finding: EqualityFinding | Exception) -> list[str]:
    """What the sandbox would say; the texts that it was asked about."""
    asked: list[str] = []

    def check_in(_make: object, text: str) -> EqualityFinding:
        asked.append(text)
        if isinstance(finding, Exception):
            raise finding
        return finding

    monkeypatch.setattr(service, "check_in", check_in)
    return asked


# --- Asking ---------------------------------------------------------------------------------------


def test_it_works(
    held: Assignment,
    posted: list[int],
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Callable[..., Any],
):
    allow(held, "always")
    with django_capture_on_commit_callbacks(execute=True):
        check = ask(held, text=" 1+1=2 ")
    assert (check.text, check.state, check.author) == ("1+1=2", "queued", held.annotator)
    assert posted == [check.pk]
    asked = answer(monkeypatch, FOUND)
    assert run_check(check.pk, now=Clock())
    check.refresh_from_db()
    assert asked == ["1+1=2"]
    assert (check.state, check.answer, check.left, check.right) == ("done", "true", "1+1", "2")
    assert (check.milliseconds, check.layers) == (31, ["rlimits", "seccomp"])
    assert (check.started_at, check.finished_at) == (NOON, NOON)
    assert json.loads(check.reason)["pairs"][0]["code"] == "exact"


def test_that_one_asked_is_on_record(held: Assignment):
    allow(held, "after_judgement")
    rate_first_step(held)
    check = ask(held)
    [shown] = Exposure.objects.filter(what=Exposure.What.MACHINE)
    assert (shown.person, shown.item) == (held.annotator, held.item)
    assert shown.detail == {
        "panel": "equality",
        "position": 0,
        "check": check.pk,
        "text": "1+1=2",
        "own_word": {"validity": "wrong"},
        "submitted": False,
    }


def test_nothing_is_sent_or_logged_when_nothing_was_stored(
    held: Assignment, posted: list[int], django_capture_on_commit_callbacks: Callable[..., Any]
):
    allow(held, "always")
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        ask(held)
        transaction.set_rollback(True)
    assert posted == []
    assert not EqualityCheck.objects.exists()
    assert not Exposure.objects.filter(what=Exposure.What.MACHINE).exists()


@pytest.mark.parametrize("text", ["", " \n", "x" * 2_001])
def test_there_is_something_to_check(held: Assignment, text: str):
    allow(held, "always")
    with pytest.raises(InvalidInput) as refused:
        ask(held, text=text)
    assert refused.value.extra["field"] == "text"


@pytest.mark.parametrize("position", [-1, 2, 10**9])
def test_a_step_that_is_none(held: Assignment, position: int):
    allow(held, "always")
    with pytest.raises(InvalidInput) as refused:
        ask(held, position)
    assert refused.value.extra["field"] == "position"


def test_what_no_database_stores_is_replaced(held: Assignment):
    allow(held, "always")
    assert "\x00" not in ask(held, text="1\x00=1").text


def test_one_at_a_time(held: Assignment):
    allow(held, "always")
    ask(held)
    with pytest.raises(TooManyChecks, match="still being checked") as refused:
        ask(held)
    assert (refused.value.status, refused.value.extra["retry_after"]) == (429, 5)


def test_ten_a_minute(held: Assignment):
    allow(held, "always")
    for second in range(10):
        add_check(held.item, held.annotator, created_at=NOON - timedelta(seconds=second))
    with pytest.raises(TooManyChecks, match="Ask again in 51 seconds"):
        ask(held)


# --- When -----------------------------------------------------------------------------------------


def test_never(held: Assignment):
    allow(held, "never")
    rate_first_step(held)
    with pytest.raises(NotAllowed):
        ask(held)


def test_after_ones_own_judgement_of_the_step(held: Assignment):
    allow(held, "after_judgement")
    with pytest.raises(Sealed, match="Rate this step first"):
        ask(held)
    rate_first_step(held)
    assert ask(held).position == 0
    # The second step is not rated yet, and no step is none that was rated.
    assert find_equality_state(held, 1) == "sealed"
    assert find_equality_state(held, None) == "sealed"


def test_after_the_judgement_of_an_injection(world: World, bob: User):
    held = claim_item(user=bob, item=make_injection_item(world.project))
    allow(held, "after_judgement")
    with pytest.raises(Sealed, match="once you have judged the injection"):
        ask(held)
    reveal_claim(assignment=held, lease_token=held.lease_token, blind_first_error=At(1))
    assert ask(held).pk


def test_after_submitting(held: Assignment):
    allow(held, "after_submit")
    rate_first_step(held)
    with pytest.raises(Sealed, match="after you submit"):
        ask(held)
    submit(
        assignment=held,
        lease_token=held.lease_token,
        data=rating("correct", "correct"),
        idempotency_key=held.lease_token,
    )
    held.refresh_from_db()
    check = ask(held)
    [shown] = Exposure.objects.filter(what=Exposure.What.MACHINE)
    assert (shown.detail["check"], shown.detail["submitted"]) == (check.pk, True)


def test_whom_chance_keeps_labels_from_may_calculate(held: Assignment):
    """The two groups are to differ in the labels alone."""
    allow(held, "always")
    held.proposal = Assignment.Proposal.BLIND
    assert find_equality_state(held, 0) == "open"


def test_an_item_one_no_longer_holds(held: Assignment):
    allow(held, "always")
    expire_leases(now=held.lease_expires_at)
    held.refresh_from_db()
    with pytest.raises(Conflict):
        ask(held)


# --- Those who browse -----------------------------------------------------------------------------


def test_those_who_decide_ask_of_any_item(world: World, item: ReviewItem):
    assert get_item_to_ask(world.alice, item.pk) == item
    check = ask_of_item(item=item, position=None, text="1+1=2", by=world.alice, now=NOON)
    assert (check.author, check.position) == (world.alice, None)
    # They too are shown something, and it is on record.
    assert Exposure.objects.get(what=Exposure.What.MACHINE).person == world.alice


def test_who_may_not(world: World, item: ReviewItem, bob: User):
    frank = make_user("frank")
    join(world.project, frank, Membership.Role.ENGINEER)
    for user in (bob, frank):
        with pytest.raises(NotAllowed):
            get_item_to_ask(user, item.pk)
    with pytest.raises(NotFound):
        get_item_to_ask(make_user("dave"), item.pk)


def test_who_holds_the_item_asks_by_its_rules(world: World, item: ReviewItem):
    claim_item(user=world.alice, item=item)
    with pytest.raises(Conflict, match="You hold this item"):
        ask_of_item(item=item, position=0, text="1+1=2", by=world.alice)


# --- Running --------------------------------------------------------------------------------------


@pytest.fixture
def check(world: World, item: ReviewItem) -> EqualityCheck:
    return ask_of_item(item=item, position=0, text="1+1=2", by=world.alice, now=NOON)


def test_a_message_that_comes_twice_is_answered_once(
    check: EqualityCheck, monkeypatch: pytest.MonkeyPatch
):
    asked = answer(monkeypatch, FOUND)
    assert run_check(check.pk)
    assert not run_check(check.pk)
    assert len(asked) == 1


def test_a_check_that_is_not_there_is_no_error(db: None):
    assert not run_check(12345)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (SandboxUnavailable("Landlock is missing here."), "unavailable"),
        (RuntimeError("secret path"), "unexpected_error"),
    ],
)
def test_a_fault_of_ours_is_no_answer(
    check: EqualityCheck, monkeypatch: pytest.MonkeyPatch, fault: Exception, code: str
):
    answer(monkeypatch, fault)
    assert run_check(check.pk)
    check.refresh_from_db()
    assert (check.state, check.answer) == ("failed", "")
    assert json.loads(check.reason)["code"] == code
    assert "secret path" not in check.reason


def test_an_answer_without_pairs_has_no_sides(
    check: EqualityCheck, monkeypatch: pytest.MonkeyPatch
):
    answer(monkeypatch, EqualityFinding("unknown", (), code="timeout"))
    run_check(check.pk)
    check.refresh_from_db()
    assert (check.state, check.answer, check.left, check.right) == ("done", "unknown", "", "")


def test_what_comes_after_a_check_was_given_up_is_not_stored(
    check: EqualityCheck, monkeypatch: pytest.MonkeyPatch
):
    answer(monkeypatch, FOUND)
    readings = iter([NOON, NOON + timedelta(seconds=1)])

    def tell() -> datetime:
        time = next(readings)
        if time > NOON:
            EqualityCheck.objects.filter(pk=check.pk).update(state="failed")
        return time

    assert not run_check(check.pk, now=tell)
    check.refresh_from_db()
    assert (check.state, check.answer) == ("failed", "")


def test_the_task_answers_the_check(check: EqualityCheck, monkeypatch: pytest.MonkeyPatch):
    from modeljobs.equality_tasks import check_equality

    answer(monkeypatch, FOUND)
    check_equality(check.pk)
    check.refresh_from_db()
    assert check.state == "done"


def test_the_task_goes_to_the_sandbox_queue(monkeypatch: pytest.MonkeyPatch):
    from modeljobs.tasks import check_equality

    sent: list[Any] = []
    monkeypatch.setattr(
        check_equality, "apply_async", lambda args, queue: sent.append((args, queue))
    )
    SEND(7)
    assert sent == [((7,), "sandbox")]


# --- Tending --------------------------------------------------------------------------------------


def test_a_check_whose_worker_is_gone_fails(check: EqualityCheck):
    EqualityCheck.objects.filter(pk=check.pk).update(state="running", started_at=NOON)
    assert tend_checks(now=NOON + service.LOST_AFTER) == 0
    assert tend_checks(now=NOON + service.LOST_AFTER + timedelta(seconds=1)) == 1
    check.refresh_from_db()
    assert (check.state, json.loads(check.reason)["code"]) == ("failed", "worker_lost")


def test_a_check_that_nobody_takes_is_given_up(check: EqualityCheck):
    assert tend_checks(now=NOON + timedelta(minutes=16)) == 1
    check.refresh_from_db()
    assert (check.state, json.loads(check.reason)["code"]) == ("failed", "no_worker")


def test_a_lost_message_is_sent_again_where_somebody_listens(
    check: EqualityCheck,
    posted: list[int],
    django_capture_on_commit_callbacks: Callable[..., Any],
):
    posted.clear()
    now = NOON + timedelta(seconds=50)
    assert tend_checks(now=now) == 0
    record_beat(name="w", queues=["sandbox"], pid=1, started_at=NOON, now=now)
    with django_capture_on_commit_callbacks(execute=True):
        assert tend_checks(now=now) == 1
    assert posted == [check.pk]


def test_a_project_allows_it_after_the_judgement_unless_it_says_otherwise():
    assert Project().equality_checks == "after_judgement"
