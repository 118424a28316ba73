"""Is this equality true? Asked for by a page, answered by a worker in the sandbox.

    ask_in_assignment -> a row, an entry in the exposure log and a message
    ask_of_item          -> run_check in a worker on the queue "sandbox"

An answer is a machine's word: a reviewer gets one only when the project's protocol allows it, and
that they asked is logged.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from labeling.access import Capability, capabilities_of, get_review_item
from labeling.blinding import Evidence, EvidenceState, evidence_state
from labeling.models import Assignment, Exposure, Project, ReviewItem, User
from labeling.selectors.review import blinding_of
from labeling.services.audit import record_exposure
from modeljobs.engines.wire import clean_text
from modeljobs.item_sandbox import MakeSandbox
from modeljobs.methods.equalities.asking import (
    LIMITS,
    PACKAGES,
    EqualityFinding,
    check_in,
)
from modeljobs.models import EqualityCheck
from modeljobs.sandbox.base import Sandbox, SandboxError
from modeljobs.services.pacing import PER_WINDOW, SOON_SECONDS, find_wait
from modeljobs.services.reveals import Sealed, find_own_word, has_judged
from modeljobs.services.workers import pick_due
from workbench.errors import Conflict, InvalidInput, NotAllowed

logger = logging.getLogger(__name__)

PANEL = "equality"
QUEUE = "sandbox"
MAX_CHARS = 2_000
State = EqualityCheck.State
UNDER_WAY = (State.QUEUED, State.RUNNING)

# A worker that was at a check for longer than this is gone.
LOST_AFTER = timedelta(minutes=2)
# A check that nobody took is sent again, and given up when nobody takes it for so long.
RESEND_AFTER = timedelta(seconds=45)
GIVE_UP_AFTER = timedelta(minutes=15)

# When this process last sent a check again: only the reaper's.
_resent: dict[int, datetime] = {}


class TooManyChecks(Conflict):
    """The person asks too much at once; `retry_after` says in seconds when to come back."""

    code = "too_many_checks"
    status = 429


# --- Who may ask ----------------------------------------------------------------------------------


def find_equality_state(assignment: Assignment, position: int | None) -> EvidenceState:
    """Whether the reviewer may have equalities of the step checked by now.

    Those whom chance keeps a machine's labels from may calculate as the others do: what is measured
    there is the labels.
    """
    kind: Evidence = assignment.project.equality_checks  # type: ignore[assignment]  # choices
    is_submitted = assignment.state == Assignment.State.SUBMITTED
    return evidence_state(
        replace(blinding_of(assignment.project), machine_evidence=kind),
        judged=is_submitted or has_judged(assignment, position),
        submitted=is_submitted,
    )


def explain_seal(assignment: Assignment) -> str:
    """When equalities can be checked."""
    if assignment.project.equality_checks == Project.Evidence.AFTER_SUBMIT:
        return "Equalities can be checked after you submit."
    if assignment.item.task == ReviewItem.Task.VERIFY_INJECTION:
        return "Equalities can be checked once you have judged the injection."
    return "Rate this step first: then its equalities can be checked."


@transaction.atomic
def ask_in_assignment(
    *, assignment: Assignment, position: int | None, text: str, now: datetime | None = None
) -> EqualityCheck:
    """A check asked for by whoever holds or has submitted the item; that they asked is logged.

    NotAllowed where the project has none, Sealed before their time, TooManyChecks with when to
    come back, InvalidInput where there is no such step or nothing to check.
    """
    if position is not None and not 0 <= position < assignment.item.solution.n_steps:
        raise InvalidInput(f"There is no step {position + 1}.", field="position")
    if assignment.state not in (Assignment.State.OPEN, Assignment.State.SUBMITTED):
        raise Conflict("You do not hold this item any more.")
    state = find_equality_state(assignment, position)
    if state == "absent":
        raise NotAllowed("This project checks no equalities for its reviewers.")
    if state == "sealed":
        raise Sealed(explain_seal(assignment), field="position")
    check = _ask(assignment.item, position, text, by=assignment.annotator, now=now)
    _record(
        check,
        own_word=dict(find_own_word(assignment, position)),
        submitted=assignment.state == Assignment.State.SUBMITTED,
    )
    return check


def get_item_to_ask(user: User, item_id: int) -> ReviewItem:
    """An item that this person browses and judges or decides on; NotFound or NotAllowed else."""
    item = get_review_item(user, item_id)
    if not may_ask(user, item.project):
        raise NotAllowed("Your role in this project does not allow you to check equalities.")
    return item


def may_ask(user: User, project: Project) -> bool:
    """May they have equalities checked of whatever they browse?"""
    held = capabilities_of(user, project)
    return Capability.BROWSE in held and bool(held & {Capability.ADJUDICATE, Capability.ANNOTATE})


@transaction.atomic
def ask_of_item(
    *, item: ReviewItem, position: int | None, text: str, by: User, now: datetime | None = None
) -> EqualityCheck:
    """A check asked for by somebody who browses the project. Whether they may is asked before; who
    holds the item asks in its assignment, by its rules.
    """
    if position is not None and not 0 <= position < item.solution.n_steps:
        raise InvalidInput(f"There is no step {position + 1}.", field="position")
    held = Assignment.objects.filter(item=item, annotator=by, state=Assignment.State.OPEN)
    if held.exists():
        raise Conflict("You hold this item: ask on the page where you judge it.")
    check = _ask(item, position, text, by=by, now=now)
    _record(check, own_word={}, submitted=False)
    return check


def _ask(
    item: ReviewItem, position: int | None, text: str, *, by: User, now: datetime | None
) -> EqualityCheck:
    now = now or timezone.now()
    statement = clean_text(text).strip()
    if not statement:
        raise InvalidInput("There is nothing to check.", field="text")
    if len(statement) > MAX_CHARS:
        raise InvalidInput(
            f"The text has {len(statement):,} characters; at most {MAX_CHARS:,} are checked.",
            field="text",
        )
    # Whoever asks twice at once is served one after the other: the second sees the first.
    User.objects.select_for_update().get(pk=by.pk)
    _refuse_haste(by, now=now)
    check = EqualityCheck.objects.create(
        project=item.project,
        review_item=item,
        position=position,
        author=by,
        text=statement,
        created_at=now,
    )
    transaction.on_commit(partial(_send, check.pk), robust=True)
    return check


def _refuse_haste(by: User, *, now: datetime) -> None:
    own = EqualityCheck.objects.filter(author=by)
    if own.filter(state__in=UNDER_WAY).exists():
        raise TooManyChecks(
            "One of your equalities is still being checked. Ask again in a few seconds.",
            retry_after=SOON_SECONDS,
        )
    seconds = find_wait(own, now=now)
    if seconds:
        raise TooManyChecks(
            f"You have had {PER_WINDOW} equalities checked in the last minute. "
            f"Ask again in {seconds} seconds.",
            retry_after=seconds,
        )


def _record(check: EqualityCheck, *, own_word: Mapping[str, Any], submitted: bool) -> None:
    if check.review_item is None:
        raise ValueError(f"Check {check.pk} is of no item.")
    record_exposure(
        item=check.review_item,
        person=check.author,
        what=Exposure.What.MACHINE,
        project=check.project,
        panel=PANEL,
        position=check.position,
        check=check.pk,
        text=check.text,
        own_word=own_word,
        submitted=submitted,
    )


def _send(check_id: int) -> None:
    # A task is a door, and doors import services: it is looked up only when one is sent.
    from modeljobs.equality_tasks import check_equality

    check_equality.apply_async((check_id,), queue=QUEUE)


# --- Running --------------------------------------------------------------------------------------


def open_small_sandbox() -> Sandbox:
    """The sandbox of this machine with what a check needs, which starts sooner than all of it."""
    from modeljobs.sandbox.isolated import IsolatedSandbox  # no web process needs it

    return IsolatedSandbox(LIMITS, packages=PACKAGES)


def run_check(
    check_id: int,
    *,
    make_sandbox: MakeSandbox | None = None,
    now: Callable[[], datetime] = timezone.now,
) -> bool:
    """Answer a check that waits; False where there is none, or somebody else took it."""
    began = now()
    taken = EqualityCheck.objects.filter(pk=check_id, state=State.QUEUED).update(
        state=State.RUNNING, started_at=began
    )
    if taken != 1:
        return False
    statement = EqualityCheck.objects.values_list("text", flat=True).get(pk=check_id)
    changes = _answer(check_id, statement, make_sandbox or open_small_sandbox)
    stored = EqualityCheck.objects.filter(
        pk=check_id, state=State.RUNNING, started_at=began
    ).update(**changes, finished_at=now())
    return stored == 1


def _answer(check_id: int, statement: str, make_sandbox: MakeSandbox) -> dict[str, Any]:
    try:
        return _pack(check_in(make_sandbox, statement))
    except SandboxError as error:
        return {"state": State.FAILED, "reason": pack_failure(error.code, error.message)}
    except Exception:
        # A person waits for this: they are told, and the check does not hang until it is reaped.
        logger.exception("Equality check %s failed unexpectedly.", check_id)
        return {"state": State.FAILED, "reason": pack_failure("unexpected_error")}


def _pack(finding: EqualityFinding) -> dict[str, Any]:
    """The columns of a check that was answered; `reason` is JSON, which pages put into words."""
    said = asdict(finding)
    reason = {name: said[name] for name in ("code", "values", "pairs", "ended")}
    return {
        "state": State.DONE,
        "answer": finding.answer,
        "left": clean_text(finding.pairs[0].left) if finding.pairs else "",
        "right": clean_text(finding.pairs[-1].right) if finding.pairs else "",
        "reason": clean_text(json.dumps(reason, ensure_ascii=False)),
        "milliseconds": finding.milliseconds,
        "layers": list(finding.layers),
    }


def pack_failure(code: str, message: str = "") -> str:
    """Why a check was not answered, as `reason` has it."""
    return json.dumps({"code": code, "values": {"message": clean_text(message)}})


# --- Tending --------------------------------------------------------------------------------------


def tend_checks(*, now: datetime | None = None) -> int:
    """The reaper's chore; how many things were done.

    1. A check whose worker is gone fails, and says so. 2. One that nobody took for long fails too.
    3. One whose message may be lost is sent again.
    """
    now = now or timezone.now()
    checks = EqualityCheck.objects
    done = checks.filter(state=State.RUNNING, started_at__lt=now - LOST_AFTER).update(
        state=State.FAILED, reason=pack_failure("worker_lost"), finished_at=now
    )
    done += checks.filter(state=State.QUEUED, created_at__lt=now - GIVE_UP_AFTER).update(
        state=State.FAILED, reason=pack_failure("no_worker"), finished_at=now
    )
    late = set(
        checks.filter(state=State.QUEUED, created_at__lt=now - RESEND_AFTER).values_list(
            "pk", flat=True
        )
    )
    due = pick_due(late, _resent, now=now, after=RESEND_AFTER, queue=QUEUE)
    for check_id in due:
        transaction.on_commit(partial(_send, check_id), robust=True)
    return done + len(due)
