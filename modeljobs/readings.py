"""The counts of a job's rollouts, read from the database and under a rule. Nothing here writes.

A rule makes labels of counts (`modeljobs.methods.rpe_labels`). Here are the counts of a whole job
as arrays, what a rule says of them in figures, and which rule is in force.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from django.db import connection

from labeling.bulk import steady_heap
from modeljobs.methods.rpe_labels import (
    CORRECT,
    UNKNOWN,
    WRONG,
    Counts,
    CountTable,
    LabelRule,
    estimate_mc,
    estimate_progress,
    find_ambiguous,
    label_counts,
    read_rule,
)
from modeljobs.methods.rpe_posteriors import IntArray
from modeljobs.methods.rpe_reading import Reading
from modeljobs.methods.rpe_work import METHOD
from modeljobs.models import JobItem, ModelJob, ReferenceDoubt, StepCounts
from workbench.errors import Conflict, NotFound

StateArray = npt.NDArray[np.int8]

# What a step comes to under a rule, in the order of every list of them. SCORED is a number without
# a verdict, which is all that the soft rule gives.
STATES: Final = ("correct", "wrong", "open", "unknown", "scored")
IS_CORRECT, IS_WRONG, IS_OPEN, IS_UNKNOWN, IS_SCORED = range(len(STATES))
NO_ERROR: Final = -1
NOT_KNOWN: Final = -2

_WIDTH = len(Counts._fields)
_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True)
class JobCounts:
    """The counts of a job's finished items, one behind the other in the order of the items.

    `item_ids` and `solution_ids` say whose they are: M of each, with `table` of M solutions.
    `unfinished` items have not ended, or not well; of `mistaken` ones the reference was found wrong
    after they were counted. Neither are in the table.
    """

    table: CountTable
    item_ids: IntArray
    solution_ids: IntArray
    unfinished: int
    mistaken: int


@dataclass(frozen=True, slots=True)
class Tally:
    """What a rule makes of a job: steps by state, and solutions by their first error.

    `whole` solutions have a verdict (or, under the soft rule, a number) on every step, and
    `settled_steps` counts the steps before the first one without, over all solutions.
    """

    solutions: int
    steps: int
    states: Mapping[str, int]
    with_error: int
    without_error: int
    first_error_unknown: int
    whole: int
    settled_steps: int

    @property
    def labelled(self) -> int:
        """Steps with a verdict, or with a number under the soft rule."""
        return sum(self.states[name] for name in ("correct", "wrong", "scored"))

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self), "states": dict(self.states)}


@dataclass(frozen=True, slots=True)
class OpenItem:
    """An item with steps that the counts leave open, and how many."""

    item_id: int
    solution_id: int
    steps: int


@dataclass(frozen=True, slots=True)
class Flip:
    """So many steps are something else under another rule."""

    before: str
    after: str
    steps: int


@dataclass(frozen=True, slots=True)
class Bar:
    """Steps whose number lies from `low` up to `high`; None beyond which there is no bound."""

    low: float | None
    high: float | None
    steps: int


# --- Rules ----------------------------------------------------------------------------------------


def pack_rule(rule: LabelRule) -> dict[str, Any]:
    """The rule as a job's settings name its fields; `read_rule` reads it back."""
    fields = asdict(rule)
    return {"rule": fields.pop("kind"), **fields}


def find_rule(job: ModelJob) -> LabelRule:
    """The rule by which the job's counts are read: the one in force, else its own parameters'.

    Conflict where the parameters make none; such a job labels nothing.
    """
    try:
        return read_rule(job.label_rule or job.parameters)
    except (TypeError, ValueError) as error:
        raise Conflict(f"The settings of job {job.pk} make no rule: {error}") from None


def require_counts(job: ModelJob) -> None:
    """NotFound for a job whose method leaves no counts of rollouts."""
    if job.method != METHOD:
        raise NotFound(f"Job {job.pk} has no labels by rollouts: its method is another one.")


# --- Counts ---------------------------------------------------------------------------------------


def load_counts(job: ModelJob) -> JobCounts:
    """The counts of all items that are done, in four queries however many there are.

    Rows come in any order and are put in their places here. A step of which no row is stored has no
    rollout, and is unknown. Counts that were made against a reference that a person has found wrong
    since are left out: they say nothing of the steps.
    """
    items = np.asarray(
        JobItem.objects.filter(job=job, state=JobItem.State.DONE)
        .order_by("pk")
        .values_list("pk", "solution_id", "solution__n_steps"),
        dtype=np.int64,
    ).reshape(-1, 3)
    unfinished = JobItem.objects.filter(job=job).exclude(state=JobItem.State.DONE).count()
    mistaken = find_mistaken(job)
    items = items[~np.isin(items[:, 0], mistaken)]
    rows = fetch_rows(job)
    offsets = np.concatenate([[0], np.cumsum(items[:, 2])])
    at = np.searchsorted(items[:, 0], rows[:, 0])
    position = rows[:, 1]
    # Items that are not done yet, or begin again: their rows are not whole.
    known = at < len(items)
    known[known] = items[at[known], 0] == rows[known, 0]
    known[known] = position[known] < items[at[known], 2]
    starts = np.zeros((len(items), _WIDTH), dtype=np.int64)
    is_start = known & (position < 0)
    starts[at[is_start]] = rows[is_start, 2 : 2 + _WIDTH]
    steps = np.zeros((int(offsets[-1]), _WIDTH), dtype=np.int64)
    is_exact = np.zeros(len(steps), dtype=np.bool_)
    is_step = known & (position >= 0)
    places = offsets[at[is_step]] + position[is_step]
    steps[places] = rows[is_step, 2 : 2 + _WIDTH]
    is_exact[places] = rows[is_step, 2 + _WIDTH] != 0
    table = CountTable(steps, starts, offsets, is_exact)
    return JobCounts(table, items[:, 0], items[:, 1], unfinished, len(mistaken))


def find_mistaken(job: ModelJob) -> list[int]:
    """Items that ended before a person found the reference wrong that they were compared with."""
    rows = JobItem.objects.filter(
        job=job,
        state=JobItem.State.DONE,
        solution__problem__doubt__state=ReferenceDoubt.State.WRONG,
    ).values_list("pk", "finished_at", "solution__problem__doubt__decided_at")
    return [pk for pk, ended, decided in rows if not ended or not decided or ended <= decided]


def fetch_rows(job: ModelJob) -> IntArray:
    """Every stored row of the job's rollouts: item, position, the six counts, whether exact.

    One array of whole numbers, without a model or a list for each row.
    """
    statement, width = build_statement(), 3 + _WIDTH
    with steady_heap(), connection.cursor() as cursor:
        cursor.execute(statement, [job.pk])
        numbers = chain.from_iterable(chain.from_iterable(_iterate_batches(cursor)))
        return np.fromiter(numbers, dtype=np.int64).reshape(-1, width)


def build_statement() -> str:
    """The SELECT of `fetch_rows`; its one parameter is the job."""
    quote = connection.ops.quote_name
    counts, items = quote(StepCounts._meta.db_table), quote(JobItem._meta.db_table)
    columns = ", ".join(quote(name) for name in ("item_id", "position", *Counts._fields))
    # A number on either database.
    exact = f"CASE WHEN {quote('is_exact')} THEN 1 ELSE 0 END"
    return (
        f"SELECT {columns}, {exact} FROM {counts} "  # noqa: S608 - names of our own tables
        f"WHERE item_id IN (SELECT id FROM {items} WHERE job_id = %s)"
    )


def _iterate_batches(cursor: Any) -> Iterator[list[tuple[Any, ...]]]:
    while batch := cursor.fetchmany(_AT_ONCE):
        yield batch


# --- Under a rule ---------------------------------------------------------------------------------


def read_table(table: CountTable, rule: LabelRule) -> Reading:
    """What a rule says of every step of the table."""
    labels = label_counts(table, rule)
    chances = estimate_progress(table, rule)
    return Reading(table, labels, chances, find_ambiguous(table, labels, chances, rule))


def find_states(reading: Reading, rule: LabelRule) -> StateArray:
    """What each step comes to, as a place in STATES."""
    verdicts = reading.labels.verdicts
    states = np.full(len(verdicts), IS_UNKNOWN, dtype=np.int8)
    states[verdicts == CORRECT] = IS_CORRECT
    states[verdicts == WRONG] = IS_WRONG
    states[reading.is_ambiguous] = IS_OPEN
    if rule.kind == "soft":
        states[(verdicts == UNKNOWN) & np.isfinite(reading.labels.progress)] = IS_SCORED
    return states


def find_first_errors(states: StateArray, offsets: IntArray) -> IntArray:
    """For each solution the position of its first wrong step, NO_ERROR, or NOT_KNOWN where a step
    before it, or any, has no verdict.
    """
    stops = _find_stops(states != IS_CORRECT, offsets)
    begins, ends = offsets[:-1], offsets[1:]
    found: IntArray = np.full(len(begins), NO_ERROR, dtype=np.int64)
    has_stop = stops < ends
    is_wrong = np.zeros(len(begins), dtype=np.bool_)
    is_wrong[has_stop] = states[stops[has_stop]] == IS_WRONG
    found[has_stop] = NOT_KNOWN
    found[is_wrong] = (stops - begins)[is_wrong]
    found[begins == ends] = NOT_KNOWN
    return found


def tally(states: StateArray, offsets: IntArray) -> Tally:
    """The figures of a whole job."""
    found = find_first_errors(states, offsets)
    per_state = np.bincount(states, minlength=len(STATES))
    silent = _find_stops((states == IS_OPEN) | (states == IS_UNKNOWN), offsets)
    settled = np.minimum(silent, offsets[1:]) - offsets[:-1]
    lengths = np.diff(offsets)
    return Tally(
        solutions=len(lengths),
        steps=len(states),
        states={name: int(n) for name, n in zip(STATES, per_state, strict=True)},
        with_error=int((found >= 0).sum()),
        without_error=int((found == NO_ERROR).sum()),
        first_error_unknown=int((found == NOT_KNOWN).sum()),
        whole=int(((settled == lengths) & (lengths > 0)).sum()),
        settled_steps=int(settled.sum()),
    )


def count_flips(before: StateArray, after: StateArray) -> list[Flip]:
    """Steps that are something else now, the commonest change first."""
    size = len(STATES)
    pairs = np.bincount(before.astype(np.int64) * size + after, minlength=size * size)
    flips = [
        Flip(STATES[place // size], STATES[place % size], int(n))
        for place, n in enumerate(pairs)
        if n and place // size != place % size
    ]
    return sorted(flips, key=lambda flip: -flip.steps)


def find_open_items(counts: JobCounts, states: StateArray) -> list[OpenItem]:
    """The items with a step that the counts leave open, those of most such steps first."""
    n = len(counts.solution_ids)
    of_step = np.repeat(np.arange(n), np.diff(counts.table.offsets))
    opens = np.bincount(of_step[states == IS_OPEN], minlength=n)
    order = np.lexsort((counts.solution_ids, -opens))
    return [
        OpenItem(int(counts.item_ids[at]), int(counts.solution_ids[at]), int(opens[at]))
        for at in order
        if opens[at]
    ]


def bin_progress(reading: Reading, rule: LabelRule) -> list[Bar]:
    """How the numbers that the rule looks at are spread; steps without one are left out.

    The ratio may be anything from 0 on, so that its last bar has no upper bound.
    """
    numbers = reading.labels.progress[~np.isnan(reading.labels.progress)]
    low, high = {"ratio": (0.0, 2.0), "difference": (-1.0, 1.0)}.get(rule.kind, (0.0, 1.0))
    edges = np.linspace(low, high, 21)
    # What passes the rule stands above the edge that it reaches.
    places = np.floor((numbers - low) / (edges[1] - edges[0]) + 1e-6)
    is_open = rule.kind == "ratio"
    last = len(edges) - 1 if is_open else len(edges) - 2
    heights = np.bincount(np.clip(places, 0, last).astype(np.int64), minlength=last + 1)
    bars = [
        Bar(round(float(edge), 6), round(float(edges[at + 1]), 6), int(heights[at]))
        for at, edge in enumerate(edges[:-1])
    ]
    return [*bars, Bar(high, None, int(heights[last]))] if is_open else bars


def bin_starts(table: CountTable, rule: LabelRule) -> tuple[list[Bar], int]:
    """MC(s1) of the solutions in ten bars, and of how many it is unknown."""
    shares = estimate_mc(table.starts, rule)
    known = shares[~np.isnan(shares)]
    heights = np.bincount(np.clip(np.floor(known * 10 + 1e-9), 0, 9).astype(np.int64), minlength=10)
    bars = [Bar(at / 10, (at + 1) / 10, int(n)) for at, n in enumerate(heights)]
    return bars, len(shares) - len(known)


def _find_stops(is_stop: npt.NDArray[np.bool_], offsets: IntArray) -> IntArray:
    """For each solution the place of its first stop, or one that is not its own."""
    n = len(is_stop)
    places = np.where(is_stop, np.arange(n), n)
    following = np.append(np.minimum.accumulate(places[::-1])[::-1], n)
    stops: IntArray = following[offsets[:-1]]
    return stops
