"""The one loop that joins pure methods, engines and the database.

A run works on one job for a while. It has two threads. The one that called it owns the database
connection and does nothing but serve it; the other runs an asyncio loop, in which every item is a
coroutine of its own: nobody waits for the slowest. Django's ORM therefore never meets an event
loop, whatever pool the worker uses, and SQLite sees one writer per run.

    claim items -> run the method on each -> store calls, code runs and steps as they come
                -> store products

The truth is in the rows (see `services.leases`). A run that is killed at any point leaves items
whose lease ends, and calls and code runs that the next attempt does not make again.

The bound on requests in flight is the engine's, kept by each run for itself: two workers on one
job, or two jobs of one engine, keep twice as many in flight. A server that must not be asked so
much is given a lower bound, or says so itself (429), and is then asked more slowly.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.utils import timezone

from modeljobs.books import Books
from modeljobs.checkpoints import Checkpoints
from modeljobs.desk import DatabaseDesk
from modeljobs.endings import MACHINE_FAULTS, Crash, Ending, save_if_possible, store_ending
from modeljobs.engines.base import Engine, EnginePermanent, EngineTransient
from modeljobs.engines.options import InvalidOptions, validate_options
from modeljobs.item_engine import ItemEngine
from modeljobs.item_sandbox import MakeSandbox, RunSandbox, open_sandbox
from modeljobs.methods.base import CallMade, CodeRan, CodeRunner, Failed, Produced, StepChecked
from modeljobs.methods.catalog import get_method
from modeljobs.methods.sharing import Shared, bind_method
from modeljobs.models import JobItem, ModelJob
from modeljobs.sandbox.base import SandboxError, SandboxUnavailable
from modeljobs.services import leases, results
from modeljobs.services.calls import Tokens
from modeljobs.services.engines import build_running_engine, find_concurrency
from modeljobs.services.jobs import (
    complete_if_done,
    pause_for_cause,
    pause_if_open,
    send_batches,
)
from modeljobs.services.leases import Lease, LeaseLost
from modeljobs.services.results import JobContext, OpenItem
from modeljobs.services.rollouts import ItemRollouts, StoredChunks
from modeljobs.services.verdicts import StoredVerdicts
from modeljobs.services.workers import stopping
from modeljobs.texts import TextStoreError
from workbench.errors import WorkbenchError

logger = logging.getLogger(__name__)

MakeEngine = Callable[[Mapping[str, Any]], Engine]

# Refusals that are about the engine and not about the item: all items would meet the same one.
ENGINE_WIDE = frozenset(
    {
        "bad_certificate",
        "bad_host_list",
        "bad_url",
        "host_not_allowed",
        "insecure_url",
        "key_missing",
        "key_not_bound",
        "engine_failed",
        "missing_extra",
        "model_not_found",
        "no_chat",
        "no_chat_template",
        "no_checkpoint",
        "no_device",
        "no_generation",
        "no_pooling",
        "unsupported_model",
        "not_found",
        "redirect",
        "wrong_key",
    }
)


@dataclass(frozen=True, slots=True)
class RunLimits:
    """How long a run goes on and how it keeps in touch.

    After `items` begun or `seconds`, it lets other jobs have a turn. Leases outlive several missed
    looks; a look asks whether the job still runs. After `refusals` engine-wide refusals in a row
    the job is paused.
    """

    items: int = 512
    seconds: float = 600.0
    lease: timedelta = timedelta(seconds=120)
    look_s: float = 2.0
    refusals: int = 5


def load_limits() -> RunLimits:
    """The limits with the lease that the settings name."""
    seconds = float(settings.WORKBENCH_JOB_LEASE_SECONDS)
    return RunLimits(lease=timedelta(seconds=seconds), look_s=min(2.0, seconds / 8))


@dataclass(slots=True)
class RunReport:
    """What a run did, counted in items; `ended` says why it stopped."""

    done: int = 0
    failed: int = 0
    waiting: int = 0
    set_aside: int = 0
    lost: int = 0
    handed_back: int = 0
    ended: str = "nothing left"


# Runs of this process by worker and job: a second run of the same worker would add nothing but
# requests beyond the engine's bound.
_running: set[tuple[str, int]] = set()
_running_lock = threading.Lock()


def run_job(
    *,
    job_id: int,
    worker: str,
    limits: RunLimits | None = None,
    now: Callable[[], datetime] = timezone.now,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    make_engine: MakeEngine = build_running_engine,
    make_sandbox: MakeSandbox = open_sandbox,
    should_stop: Callable[[], bool] = stopping.is_set,
) -> RunReport:
    """Work on the job until nothing is left for now, it is stopped, or the limits are reached.

    Safe to call for any job at any time, and from several workers at once. Returns what was done;
    raises only for faults of the machinery, after handing back what was begun.
    """
    place = (worker, job_id)
    with _running_lock:
        if place in _running:
            return RunReport(ended="already running in this worker")
        _running.add(place)
    try:
        report = _run_once(
            job_id=job_id,
            worker=worker,
            limits=limits or load_limits(),
            now=now,
            clock=clock,
            sleep=sleep,
            make_engine=make_engine,
            make_sandbox=make_sandbox,
            should_stop=should_stop,
        )
    finally:
        with _running_lock:
            _running.discard(place)
    if not complete_if_done(job_id=job_id, now=now()) and not should_stop():
        _go_on(job_id, now=now())
    logger.info(
        "Job %s: %s done, %s failed, %s waiting, %s set aside, %s lost, %s handed back; %s.",
        job_id,
        report.done,
        report.failed,
        report.waiting,
        report.set_aside,
        report.lost,
        report.handed_back,
        report.ended,
    )
    return report


def _go_on(job_id: int, *, now: datetime) -> None:
    """Send the job again where there is more to do: what came back or was added meanwhile."""
    job = ModelJob.objects.filter(pk=job_id, state=ModelJob.State.RUNNING).first()
    if job is not None and leases.list_claimable(now).filter(job=job).exists():
        send_batches(job, items=1)


def _run_once(
    *,
    job_id: int,
    worker: str,
    limits: RunLimits,
    now: Callable[[], datetime],
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
    make_engine: MakeEngine,
    make_sandbox: MakeSandbox,
    should_stop: Callable[[], bool],
) -> RunReport:
    leases.reap_expired_items(now=now(), job_id=job_id)
    job = ModelJob.objects.filter(pk=job_id).first()
    if job is None or job.state != ModelJob.State.RUNNING:
        return RunReport(ended="the job does not run")
    try:
        context = build_context(job)
    except (ValueError, InvalidOptions) as error:
        # A method that an upgrade removed or changed: a person must decide.
        pause_for_cause(job_id=job_id, reason=str(error))
        return RunReport(ended="the job cannot be run")
    run = Run(
        context=context,
        snapshot=job.engine_snapshot,
        worker=worker,
        limits=limits,
        now=now,
        clock=clock,
        sleep=sleep,
        make_engine=make_engine,
        should_stop=should_stop,
        sandbox=RunSandbox(make_sandbox),
    )
    return run.execute()


def build_context(job: ModelJob) -> JobContext:
    """The job as its run needs it; ValueError where its method is not there any more."""
    method = get_method(job.method)
    return JobContext(
        job_id=job.pk,
        method=method,
        engine_name=str(job.engine_snapshot["name"]),
        is_scripted=job.is_scripted,
        # From JSON back to the types that the method declares.
        parameters=validate_options(method.parameters, job.parameters),
        seed=job.seed,
        prompt_version=job.prompt_version,
        code_version=job.code_version,
        output_may_train=job.engine_snapshot.get("output_may_train"),
        engine_model=str(job.engine_snapshot["settings"].get("model") or ""),
    )


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a run lets go of everything and pauses its job: somebody must act. `why` is for the
    run's report, `reason` a sentence for people.
    """

    why: str
    reason: str


@dataclass(slots=True)
class Run:
    """One run: made, executed once, and thrown away."""

    context: JobContext
    snapshot: Mapping[str, Any]
    worker: str
    limits: RunLimits
    now: Callable[[], datetime]
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    make_engine: MakeEngine
    should_stop: Callable[[], bool]
    sandbox: RunSandbox

    report: RunReport = field(default_factory=RunReport)
    desk: DatabaseDesk = field(default_factory=DatabaseDesk)
    stop: Stop | None = None
    books: Books = field(init=False)
    checkpoints: Checkpoints = field(init=False)
    chunks: StoredChunks = field(init=False)
    verdicts: StoredVerdicts = field(init=False)
    in_flight: dict[asyncio.Task[None], OpenItem] = field(default_factory=dict)
    # Items whose method has ended: these are stored, whatever happens to the run.
    storing: set[int] = field(default_factory=set)
    # Items that were let go of before their end.
    dropped: list[OpenItem] = field(default_factory=list)
    is_interrupted: bool = False
    # May new items be begun? Not while the job is paused, or its engine refuses everything.
    may_begin: bool = True
    # Was the queue empty at the last claim? Asked again at the next look.
    is_dry: bool = False
    is_aborted: bool = False
    begun: int = 0
    refusals: int = 0
    fault: BaseException | None = None
    extended_at: datetime | None = None

    def __post_init__(self) -> None:
        self.books = Books(job_id=self.job_id, snapshot=self.snapshot, clock=self.clock)
        self.checkpoints = Checkpoints(self.desk, self._store_together)
        self.chunks = StoredChunks(desk=self.desk, job_id=self.job_id)
        self.verdicts = StoredVerdicts(desk=self.desk, now=self.now)

    @property
    def job_id(self) -> int:
        return self.context.job_id

    def execute(self) -> RunReport:
        """Run the loop in a thread of its own and serve it the database from this one."""
        thread = threading.Thread(target=self._drive, name=f"job-{self.job_id}", daemon=True)
        thread.start()
        self.desk.serve(interrupted=self._interrupt)
        thread.join()
        if self.fault is not None:
            raise self.fault
        return self.report

    def _interrupt(self) -> None:
        self.is_interrupted = True

    def _drive(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:
            self.fault = error
        finally:
            self.desk.close()

    async def _main(self) -> None:
        """1. Make the engine. 2. Work, and look up now and then. 3. Put everything away."""
        try:
            engine = self.make_engine(self.snapshot)
        except (InvalidOptions, EnginePermanent) as error:
            self.report.ended = "the engine cannot be used"
            await self.desk.call(pause_for_cause, job_id=self.job_id, reason=f"Paused: {error}")
            return
        try:
            await self.desk.call(self.books.open)
            watcher = asyncio.create_task(self._watch())
            try:
                await self._work_through(engine)
            finally:
                watcher.cancel()
                await asyncio.gather(watcher, return_exceptions=True)
                await self._put_away()
                await self.desk.call(self._close_books)
        finally:
            await self.sandbox.aclose()
            await engine.aclose()

    async def _work_through(self, engine: Engine) -> None:
        concurrency = find_concurrency(self.snapshot)
        slots = asyncio.Semaphore(concurrency)
        # Twice as many items as requests: while some are being stored, others keep the engine busy.
        most = 2 * concurrency
        began = self.clock()
        self._heed_excess()
        while True:
            if not self.is_aborted and self.clock() - began < self.limits.seconds:
                for item in await self._claim(most):
                    task = asyncio.create_task(self._work(item, engine, slots))
                    self.in_flight[task] = item
            elif not self.is_aborted:
                self.report.ended = "time for other jobs"
            if not self.in_flight:
                break
            finished, _ = await asyncio.wait(self.in_flight, return_when=asyncio.FIRST_COMPLETED)
            for task in finished:
                item = self.in_flight.pop(task)
                if task.cancelled():
                    self.dropped.append(item)
                elif (error := task.exception()) is not None:
                    self.dropped.append(item)
                    self._stop_for(error)

    async def _claim(self, most: int) -> list[OpenItem]:
        """The next items to begin: a handful at a time, and none where none may be begun."""
        together = len(self.in_flight)
        free = most - together
        left = self.limits.items - self.begun
        if left <= 0:
            self.report.ended = "time for other jobs"
        if not self.may_begin or left <= 0 or (together and self.is_dry):
            return []
        if together and free < max(1, most // 4):
            return []
        companies = [leases.find_company(item.tally.losses) for item in self.in_flight.values()]
        bounds = [company - together for company in companies if company is not None]
        wanted = min(free, left, *bounds)
        if wanted < 1:
            return []
        items = await self.desk.call(self._claim_rows, wanted, together)
        self.begun += len(items)
        self.is_dry = len(items) < wanted
        return items

    def _claim_rows(self, wanted: int, together: int) -> list[OpenItem]:
        rows = leases.claim_items(
            job_id=self.job_id,
            limit=wanted,
            in_flight=together,
            worker=self.worker,
            now=self.now(),
            ttl=self.limits.lease,
        )
        self.books.hold([row.lease_token for row in rows])
        return [results.open_item(row) for row in rows]

    # --- One item ---------------------------------------------------------------------------------

    async def _work(self, item: OpenItem, engine: Engine, slots: asyncio.Semaphore) -> None:
        """Run the method on an item and store how it ended. A lost lease stores nothing."""
        try:
            ending = await self._ask(item, engine, slots)
            self.storing.add(item.row.pk)
            await self._store(item, ending)
        except LeaseLost:
            self.report.lost += 1
        finally:
            self.storing.discard(item.row.pk)

    async def _ask(self, item: OpenItem, engine: Engine, slots: asyncio.Semaphore) -> Ending:
        """How the method ends on the item. Raises LeaseLost, SandboxUnavailable and faults of the
        machinery alone.
        """
        save = partial(self._save, item)
        asked = ItemEngine(engine, item=item, save=save, slots=slots)
        try:
            async with self._open_code(item) as code:
                return await self._follow(item, asked, code, save)
        except (EngineTransient, EnginePermanent) as error:
            return error
        except (LeaseLost, SandboxUnavailable, *MACHINE_FAULTS):
            raise
        except SandboxError as error:
            return error
        except Exception as error:
            logger.exception("Item %s ended in an error.", item.row.pk)
            return Crash(error)

    async def _follow(
        self,
        item: OpenItem,
        engine: ItemEngine,
        code: CodeRunner | None,
        save: Callable[[], Awaitable[None]],
    ) -> Ending:
        """Take each event of the method as it comes."""
        products: list[Produced] = []
        method = bind_method(self.context.method, self._share(item, save))
        events = method.run(
            item.input,
            engine=engine,
            settings=self.context.parameters,
            rng_seed=self.context.seed,
            code=code,
        )
        # A method is written as a generator: ending it early runs its `finally`.
        async with contextlib.aclosing(events) as stream:
            async for event in stream:
                match event:
                    case CallMade(call):
                        item.calls.add(call)
                        self.refusals = 0
                    case CodeRan(run):
                        item.evidence.add_run(run)
                    case StepChecked():
                        item.evidence.add_step(event)
                        # At once, so that people see it while the rest goes on.
                        await save()
                    case Produced():
                        products.append(event)
                    case Failed():
                        return event
        if not products:
            return Failed("no_product", "The method came to an end without making anything.")
        return products

    def _share(self, item: OpenItem, save: Callable[[], Awaitable[None]]) -> Shared:
        """What the item may have of others, and they of it."""
        rollouts = ItemRollouts(
            stored=self.chunks,
            attach=item.evidence.attach_chunk,
            keep=item.evidence.keep_chunk,
            save=save,
        )
        return Shared(rollouts=rollouts, verdicts=self.verdicts)

    @contextlib.asynccontextmanager
    async def _open_code(self, item: OpenItem) -> AsyncIterator[CodeRunner | None]:
        """Where the item's code is run, or None for a method that runs none."""
        if not self.context.method.needs_sandbox(self.context.parameters):
            yield None
            return
        runner = self.sandbox.open(item)
        try:
            yield runner
        finally:
            await runner.aclose()

    async def _save(self, item: OpenItem) -> None:
        """Have everything stored that the item has so far."""
        await self.checkpoints.save(item)
        self._heed_excess()

    async def _store(self, item: OpenItem, ending: Ending) -> None:
        try:
            state = await self.desk.call(self._store_ending, item, ending)
        except (LeaseLost, *MACHINE_FAULTS):
            raise
        except WorkbenchError as error:
            refused = Failed("refused", f"The result could not be taken in: {error.message}")
            state = await self.desk.call(self._store_ending, item, refused)
        except Exception as error:
            logger.exception("The result of item %s cannot be stored.", item.row.pk)
            state = await self.desk.call(self._store_ending, item, Crash(error))
        match state:
            case JobItem.State.DONE:
                self.report.done += 1
            case JobItem.State.FAILED:
                self.report.failed += 1
            case JobItem.State.PENDING:
                self.report.waiting += 1
            case JobItem.State.SET_ASIDE:
                self.report.set_aside += 1
            case _:
                self.report.lost += 1
        self._heed_excess()
        if isinstance(ending, EnginePermanent) and ending.code in ENGINE_WIDE:
            await self._count_refusal(ending)

    def _store_together(self, items: Sequence[OpenItem]) -> Mapping[int, Exception]:
        """Store what the items have; by item's key what kept one from being stored."""
        try:
            tokens, faults = results.checkpoint_together(items, now=self.now())
        except MACHINE_FAULTS:
            raise
        except Exception:
            # What one of them brings cannot be stored: alone, it fails alone.
            return self._store_apart(items)
        self.books.spend(tokens)
        return faults

    def _store_apart(self, items: Sequence[OpenItem]) -> Mapping[int, Exception]:
        faults: dict[int, Exception] = {}
        for item in items:
            try:
                self.books.spend(results.checkpoint(item, now=self.now()))
            except MACHINE_FAULTS:
                raise
            except Exception as error:
                faults[item.row.pk] = error
        return faults

    def _store_ending(self, item: OpenItem, ending: Ending) -> str:
        """Store how an item ended, and return the state that it is in now."""
        state, tokens = store_ending(self.context, item, ending, now=self.now())
        self.books.spend(tokens)
        return state

    async def _count_refusal(self, refusal: EnginePermanent) -> None:
        """Pause the job when its engine refuses one item after the other for reasons of its own."""
        self.refusals += 1
        if self.refusals == self.limits.refusals:
            self.may_begin = False
            self.report.ended = "the engine refuses everything"
            await self.desk.call(
                pause_for_cause,
                job_id=self.job_id,
                reason=f"Paused after {self.refusals} refusals in a row: {refusal.message}",
            )

    # --- Looking up -------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Every few seconds: is this still wanted, and is it still ours?

        A fault of the machinery ends the run, since nobody would keep its leases.
        """
        try:
            while not self.is_aborted:
                await self.sleep(self.limits.look_s)
                if self.is_interrupted or self.should_stop():
                    self._abort("the worker is asked to end")
                else:
                    await self._look()
        except Exception as error:
            self.fault = error
            self._abort("a fault of the machinery")

    async def _look(self) -> None:
        tasks = dict(self.in_flight)
        now = self.now()
        due = self.extended_at is None or now - self.extended_at >= self.limits.lease / 4
        held = {item.lease for item in tasks.values()}
        state, kept = await self.desk.call(self._read_state, list(held), due, now)
        if due:
            self.extended_at = now
            for task, item in tasks.items():
                if item.lease.item_id not in kept:
                    # Somebody else has it: whatever is still being asked is asked in vain.
                    self._let_go(task, item)
        if state == ModelJob.State.CANCELLED:
            self._abort("the job was cancelled")
        elif self.refusals < self.limits.refusals:
            if state != ModelJob.State.RUNNING:
                self.report.ended = f"the job is {state}"
            self.may_begin = state == ModelJob.State.RUNNING
        self._heed_excess()
        self.is_dry = False

    def _read_state(
        self, held: Sequence[Lease], due: bool, now: datetime
    ) -> tuple[str, frozenset[int]]:
        kept = frozenset[int]()
        if due:
            kept = leases.extend_leases(leases=held, now=now, ttl=self.limits.lease)
        self.books.count_time()
        job = ModelJob.objects.get(pk=self.job_id)
        self.books.read(job)
        return job.state, kept

    def _close_books(self) -> None:
        """Count the rest of the time, and pause the job where somebody must act."""
        self.books.count_time()
        if self.stop is not None:
            pause_if_open(job_id=self.job_id, reason=self.stop.reason)

    def _heed_excess(self) -> None:
        if self.books.excess:
            self._stop(Stop("a budget is used up", self.books.excess))

    # --- Stopping ---------------------------------------------------------------------------------

    def _stop_for(self, fault: BaseException) -> None:
        """What a fault that is not the item's means for the run; it is raised where it ends it."""
        match fault:
            case SandboxUnavailable():
                self._stop(Stop("there is no sandbox", f"Paused: {fault.message}"))
            case TextStoreError():
                # Every call would be paid for and lost, again and again.
                logger.error("Job %s is paused: %s", self.job_id, fault)
                self._stop(Stop("texts cannot be stored", f"Paused: {fault}"))
            case _:
                raise fault

    def _stop(self, stop: Stop) -> None:
        """Let go of everything; once it is put away, the job is paused with the reason."""
        if self.stop is None:
            self.stop = stop
            self._abort(stop.why)

    def _abort(self, why: str) -> None:
        """Begin nothing more and let go of what is in flight."""
        self.is_aborted = True
        self.report.ended = why
        for task, item in self.in_flight.items():
            self._let_go(task, item)

    def _let_go(self, task: asyncio.Task[None], item: OpenItem) -> None:
        if item.row.pk not in self.storing:
            task.cancel()

    async def _put_away(self) -> None:
        """End what is in flight and hand it back, with the calls that were paid for."""
        for task, item in self.in_flight.items():
            self._let_go(task, item)
        await asyncio.gather(*self.in_flight, return_exceptions=True)
        # One that was stored after all is no longer ours, and stays as it is.
        self.dropped.extend(
            item
            for task, item in self.in_flight.items()
            if task.cancelled() or task.exception() is not None
        )
        self.in_flight.clear()
        for item in self.dropped:
            count = await self.desk.call(self._hand_back, item)
            self.report.handed_back += count
            self.report.lost += 1 - count

    def _hand_back(self, item: OpenItem) -> int:
        """1 where the item is in the queue again, 0 where it is no longer ours to return."""
        try:
            if item.is_unsaved:
                self.books.spend(self._save_last(item))
            return leases.hand_back(leases=[item.lease])
        except LeaseLost:
            return 0
        except MACHINE_FAULTS:
            # What cannot be handed back now comes back when its lease ends.
            logger.warning("Item %s could not be handed back.", item.row.pk, exc_info=True)
            return 0

    def _save_last(self, item: OpenItem) -> Tokens:
        try:
            return save_if_possible(item, now=self.now())
        except TextStoreError:
            # The disk is full: the item goes back without what cannot be kept.
            logger.warning("Calls of item %s could not be stored.", item.row.pk, exc_info=True)
            return Tokens(0, 0)
