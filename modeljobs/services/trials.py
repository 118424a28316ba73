"""A person's own version of a model's analysis and code: asked for by a page, run by a worker.

A trial stands beside what the model wrote and what came of it, with its author and time, and never
takes their place. No web process runs code; an analysis that was put otherwise needs none.

    request_trial -> a row and a message -> run_trial in a worker on the queue "sandbox"
    keep_analysis -> a row that is done
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.utils import timezone

from labeling.models import User
from modeljobs.engines.wire import clean_text
from modeljobs.evidence_views import GENPRM, SampleView, build_evidence, build_source
from modeljobs.item_sandbox import MakeSandbox, open_sandbox
from modeljobs.models import CodeTrial, JobItem, StepEvidence
from modeljobs.sandbox.base import CodeResult, CodeStatus, SandboxError
from modeljobs.services.pacing import PER_WINDOW, SOON_SECONDS, find_wait
from modeljobs.services.workers import pick_due
from workbench.errors import Conflict, InvalidInput

logger = logging.getLogger(__name__)

# Blocks that ran to their end, also by an exception, leave names behind.
FINISHED = (CodeStatus.OK, CodeStatus.ERROR)
State = CodeTrial.State
UNDER_WAY = (State.QUEUED, State.RUNNING)

QUEUE = "sandbox"
MAX_CODE_CHARS = 20_000
MAX_ANALYSIS_CHARS = 20_000
# What became of the code of a trial in which only the analysis was changed.
NOT_RUN = "not_run"
# Blocks have their own bound; this one is for all of them, and for the sandbox to start.
MOST_SECONDS = 180.0
# A worker that was at a trial for longer than this is gone.
LOST_AFTER = timedelta(seconds=MOST_SECONDS + 60)
# A trial that nobody took is sent again, and given up when nobody takes it for so long.
RESEND_AFTER = timedelta(seconds=45)
GIVE_UP_AFTER = timedelta(minutes=15)

LOST = "The worker that ran this code was lost. Run it again."
NOBODY = "No worker for the sandbox took this code in time. Run it again when one is there."
TOO_LONG = "The run was ended: the blocks before this one and the block itself took too long."
BROKEN = "Something failed in the software, not in the code. It is in the worker's log."

# When this process last sent a trial again: only the reaper's.
_resent: dict[int, datetime] = {}


class TooManyTrials(Conflict):
    """The person runs too much code at once; `retry_after` says in seconds when to come back."""

    code = "too_many_trials"
    status = 429


class TrialImpossible(Exception):
    """The trial cannot be run any more; the message is a sentence for people."""


# --- Asking ---------------------------------------------------------------------------------------


@transaction.atomic
def request_trial(
    *,
    item: JobItem,
    position: int,
    sample: int,
    block: int,
    code: str,
    by: User,
    analysis: str | None = None,
    now: datetime | None = None,
) -> CodeTrial:
    """A trial of a block of one sample, edited, to be run by a worker once this has committed.

    `block` may also be the one after the sample's last: code of one's own. `analysis` is the
    sample's as this person would put it; nothing is kept of one that is unchanged. InvalidInput
    names what is not there, TooManyTrials says when to come back. Whether the person may is asked
    before.
    """
    now = now or timezone.now()
    text = _tidy(code)
    if not text.strip():
        raise InvalidInput("There is no code to run.", field="code")
    if len(text) > MAX_CODE_CHARS:
        raise InvalidInput(
            f"The code has {len(text):,} characters; at most {MAX_CODE_CHARS:,} are run.",
            field="code",
        )
    # Whoever asks twice at once is served one after the other: the second sees the first.
    User.objects.select_for_update().get(pk=by.pk)
    _refuse_haste(by, now=now)
    word = _find_block(item, position, sample, block)
    trial = CodeTrial.objects.create(
        item=item,
        position=position,
        sample=sample,
        block=block,
        author=by,
        code=text,
        analysis=_find_change(word, analysis),
        created_at=now,
    )
    transaction.on_commit(partial(_send, trial.pk), robust=True)
    return trial


@transaction.atomic
def keep_analysis(
    *,
    item: JobItem,
    position: int,
    sample: int,
    block: int,
    analysis: str,
    by: User,
    code: str | None = None,
    now: datetime | None = None,
) -> CodeTrial:
    """The analysis as this person puts it, beside the model's own; no code is run.

    The trial has the model's own code, and is done at once with the status "not_run". InvalidInput
    where the analysis is unchanged, or where `code` is not the model's: that is to be run.
    """
    now = now or timezone.now()
    User.objects.select_for_update().get(pk=by.pk)
    _refuse_many(by, now=now)
    word = _find_block(item, position, sample, block)
    written = word.blocks[block].code if block < len(word.blocks) else ""
    if code is not None and _tidy(code).strip() != written.strip():
        raise InvalidInput(
            "The code was changed too. Run it, or put it back as the model wrote it.",
            field="code",
        )
    changed = _find_change(word, analysis)
    if not changed:
        raise InvalidInput("The analysis is as the model wrote it.", field="analysis")
    return CodeTrial.objects.create(
        item=item,
        position=position,
        sample=sample,
        block=block,
        author=by,
        code=written,
        analysis=changed,
        state=State.DONE,
        status=NOT_RUN,
        created_at=now,
        finished_at=now,
    )


def _tidy(text: str) -> str:
    """With Python's line ends, and without what no database stores."""
    return clean_text(text.replace("\r\n", "\n"))


def _find_change(word: SampleView, analysis: str | None) -> str:
    """The analysis, unless it is the sample's own or nothing at all."""
    text = _tidy(analysis or "").strip()
    if len(text) > MAX_ANALYSIS_CHARS:
        raise InvalidInput(
            f"The analysis has {len(text):,} characters; at most {MAX_ANALYSIS_CHARS:,} are kept.",
            field="analysis",
        )
    return "" if text == word.analysis.strip() else text


def _refuse_haste(by: User, *, now: datetime) -> None:
    if CodeTrial.objects.filter(author=by, state__in=UNDER_WAY).exists():
        raise TooManyTrials(
            "One of your runs is still under way. Try again when it has ended, in a few seconds.",
            retry_after=SOON_SECONDS,
        )
    _refuse_many(by, now=now)


def _refuse_many(by: User, *, now: datetime) -> None:
    seconds = find_wait(CodeTrial.objects.filter(author=by), now=now)
    if seconds:
        raise TooManyTrials(
            f"You have run code {PER_WINDOW} times in the last minute. "
            f"Try again in {seconds} seconds.",
            retry_after=seconds,
        )


def _find_block(item: JobItem, position: int, sample: int, block: int) -> SampleView:
    """The sample that has such a block, or as many as to have one more."""
    word = _find_sample(item, position, sample)
    if not 0 <= block <= len(word.blocks):
        raise InvalidInput(f"This sample has no block {block + 1}.", field="block")
    return word


def _find_sample(item: JobItem, position: int, sample: int) -> SampleView:
    row = StepEvidence.objects.filter(item=item, position=position, kind=GENPRM).first()
    if row is None:
        raise InvalidInput(f"Nothing was found of step {position + 1}.", field="position")
    view = build_evidence(row, build_source(item, item.job), with_texts=True)
    if view.missing:
        raise Conflict(view.missing)
    if not 0 <= sample < len(view.samples):
        raise InvalidInput(f"There is no sample {sample + 1} of this step.", field="sample")
    return view.samples[sample]


def _send(trial_id: int) -> None:
    # A task is a door, and doors import services: it is looked up only when one is sent.
    from modeljobs.trial_tasks import run_code_trial

    run_code_trial.delay(trial_id)


# --- Running --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _End:
    """How a trial ended. `error` is ours: what the code printed or raised is `output`."""

    state: State
    status: str
    result: CodeResult | None = None
    error: str = ""


def run_trial(
    trial_id: int,
    *,
    make_sandbox: MakeSandbox | None = None,
    now: Callable[[], datetime] = timezone.now,
) -> bool:
    """Run a trial that waits; False where there is none, or somebody else took it.

    1. Take it by compare and set. 2. Run the sample's earlier blocks and then this one. 3. Store
    what came of it, unless it was given up meanwhile. Raises nothing that the trial can say itself.
    """
    began = now()
    taken = CodeTrial.objects.filter(pk=trial_id, state=State.QUEUED).update(
        state=State.RUNNING, started_at=began
    )
    if taken != 1:
        return False
    trial = CodeTrial.objects.select_related("item__job").get(pk=trial_id)
    end = _execute(trial, make_sandbox or open_sandbox)
    result = end.result
    stored = CodeTrial.objects.filter(pk=trial_id, state=State.RUNNING, started_at=began).update(
        state=end.state,
        status=end.status,
        output=result.output if result else "",
        is_truncated=result.is_truncated if result else False,
        milliseconds=result.wall_ms if result else 0,
        layers=list(result.layers) if result else [],
        error=end.error,
        finished_at=now(),
    )
    return stored == 1


def _execute(trial: CodeTrial, make_sandbox: MakeSandbox) -> _End:
    try:
        earlier = list_earlier_blocks(trial)
        result = asyncio.run(_run_in_sandbox(make_sandbox, earlier, trial.code))
    except TrialImpossible as error:
        return _End(State.FAILED, "impossible", error=str(error))
    except SandboxError as error:
        return _End(State.FAILED, error.code, error=error.message)
    except TimeoutError:
        return _End(State.FAILED, "timeout", error=TOO_LONG)
    except Exception:
        # A person waits for this: they are told, and the trial does not hang until it is reaped.
        logger.exception("Trial %s failed unexpectedly.", trial.pk)
        return _End(State.FAILED, "unexpected_error", error=BROKEN)
    return _End(State.DONE, str(result.status), result)


async def _run_in_sandbox(
    make_sandbox: MakeSandbox, earlier: Sequence[str], code: str
) -> CodeResult:
    sandbox = make_sandbox()
    try:
        session = await sandbox.open_session()
        try:
            for block in earlier:
                session.remember(block)
            return await asyncio.wait_for(session.run(code), timeout=MOST_SECONDS)
        finally:
            await session.aclose()
    finally:
        await sandbox.aclose()


def list_earlier_blocks(trial: CodeTrial) -> list[str]:
    """The blocks that had ended well in the trial's trajectory before its own, in their order.

    Names live on from step to step. Where all samples shared a history (`sampling` is "step"), the
    one that a step chose went into it; else a trajectory is the sample of the same number.
    """
    shares_history = trial.item.job.parameters.get("sampling") == "step"
    rows = StepEvidence.objects.filter(
        item=trial.item, kind=GENPRM, position__lte=trial.position
    ).order_by("position")
    source = build_source(trial.item, trial.item.job)
    blocks: list[str] = []
    for row in rows:
        view = build_evidence(row, source, with_texts=True)
        if view.missing:
            raise TrialImpossible(
                f"What the code of step {view.number} had defined cannot be made again: "
                f"{view.missing}"
            )
        is_own = row.position == trial.position
        place = trial.sample
        if shares_history and not is_own and view.summary and view.summary.chosen is not None:
            place = view.summary.chosen
        before = view.samples[place].blocks if place < len(view.samples) else ()
        if is_own:
            before = before[: trial.block]
        blocks += [block.code for block in before if block.status in FINISHED]
    return blocks


# --- Tending --------------------------------------------------------------------------------------


def tend_trials(*, now: datetime | None = None) -> int:
    """The reaper's chore; how many things were done.

    1. A trial whose worker is gone fails, and says so: running it again is the person's choice.
    2. One that nobody took for long fails too. 3. One whose message may be lost is sent again.
    """
    now = now or timezone.now()
    done = CodeTrial.objects.filter(state=State.RUNNING, started_at__lt=now - LOST_AFTER).update(
        state=State.FAILED, status="worker_lost", error=LOST, finished_at=now
    )
    waiting = CodeTrial.objects.filter(state=State.QUEUED)
    done += waiting.filter(created_at__lt=now - GIVE_UP_AFTER).update(
        state=State.FAILED, status="no_worker", error=NOBODY, finished_at=now
    )
    return done + _send_again(now=now)


def _send_again(*, now: datetime) -> int:
    late = set(
        CodeTrial.objects.filter(state=State.QUEUED, created_at__lt=now - RESEND_AFTER).values_list(
            "pk", flat=True
        )
    )
    due = pick_due(late, _resent, now=now, after=RESEND_AFTER, queue=QUEUE)
    for trial_id in due:
        transaction.on_commit(partial(_send, trial_id), robust=True)
    return len(due)
