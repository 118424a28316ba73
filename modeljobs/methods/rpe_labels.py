"""Step labels derived from counts of rollouts: never stored alone, always made again.

MC(s_t, a_t) is the share of rollouts after step t that reach the reference answer; relative
progress is P_t = MC(s_t, a_t) / MC(s_t), with MC(s_1) the Pass@1 of the problem (GenPRM, Zhao et
al. 2025, section 3.2). Everything here works on arrays over many solutions at once.

What a rollout came to is one of six counts. Failures of the machinery and comparisons that nobody
could decide are no wrong answers; which of the others are is the rule's to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, TypeVar, get_args

import numpy as np
import numpy.typing as npt

from labeling.metrics.intervals import wilson_interval
from modeljobs.methods.rpe_posteriors import (
    PRIORS,
    BoolArray,
    FloatArray,
    IntArray,
    Prior,
    compare_rates,
    rate_above,
)

VerdictArray = npt.NDArray[np.int8]
Number = TypeVar("Number", np.float64, np.int64)

Kind = Literal["ratio", "difference", "hard", "soft"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
Treatment = Literal["wrong", "leave_out"]
TREATMENTS: Final[tuple[Treatment, ...]] = get_args(Treatment)
ZeroStart = Literal["unknown", "absorb", "use"]
ZERO_STARTS: Final[tuple[ZeroStart, ...]] = get_args(ZeroStart)
OneStart = Literal["use", "unknown"]
ONE_STARTS: Final[tuple[OneStart, ...]] = get_args(OneStart)
ZeroOverZero = Literal["zero", "one", "unknown"]
ZERO_OVER_ZEROS: Final[tuple[ZeroOverZero, ...]] = get_args(ZeroOverZero)

# 0.72 / 0.9 is 0.7999999999999999 in floating point, and reaches 0.8 all the same.
TOLERANCE = 1e-9

CORRECT, WRONG, UNKNOWN = 1, 0, -1


class Counts(NamedTuple):
    """What the rollouts from one place came to. The order is that of the columns of a table.

    `unparsable`: no final answer found; `truncated`: cut off at the token limit; `undecided`: an
    answer that the checker could not compare; `failed`: the machinery's fault.
    """

    correct: int = 0
    wrong: int = 0
    unparsable: int = 0
    truncated: int = 0
    undecided: int = 0
    failed: int = 0

    def as_dict(self) -> dict[str, int]:
        """Plain JSON."""
        return dict(zip(self._fields, map(int, self), strict=True))


@dataclass(frozen=True, slots=True)
class LabelRule:
    """How counts become labels. Defaults are the paper's where it has one (see docs/rpe.md).

    `start_zero` and `start_one` say what becomes of a solution whose MC(s_1) is 0 or 1 under the
    ratio and the difference: "unknown" leaves all of its steps without a label, "absorb" makes them
    wrong, "use" goes on with the number as it is. `undecided_limit` is the share of undecided
    comparisons above which MC is unknown: leaving out many of them would favour the others.
    `neutral_share` is how many steps are taken, before any rollout, to change nothing at all; 0 has
    the two rates of a step independent.
    """

    kind: Kind = "ratio"
    epsilon: float = 0.8
    threshold: float = -0.3
    zero_absorbs: bool = True
    zero_over_zero: ZeroOverZero = "zero"
    start_zero: ZeroStart = "unknown"
    start_one: OneStart = "use"
    truncated: Treatment = "wrong"
    unparsable: Treatment = "wrong"
    undecided: Treatment = "leave_out"
    undecided_limit: float = 0.1
    prior: Prior = "jeffreys"
    neutral_share: float = 0.5
    band_low: float = 0.05
    band_high: float = 0.95

    def __post_init__(self) -> None:
        for name, allowed in (
            ("kind", KINDS),
            ("zero_over_zero", ZERO_OVER_ZEROS),
            ("start_zero", ZERO_STARTS),
            ("start_one", ONE_STARTS),
            ("truncated", TREATMENTS),
            ("unparsable", TREATMENTS),
            ("undecided", TREATMENTS),
            ("prior", PRIORS),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(allowed)}, not {getattr(self, name)!r}."
                )
        if not 0.0 < self.epsilon <= 1.0:
            raise ValueError(f"epsilon must be above 0 and at most 1, not {self.epsilon!r}.")
        if not -1.0 <= self.threshold <= 1.0:
            raise ValueError(f"threshold must be between -1 and 1, not {self.threshold!r}.")
        if not 0.0 <= self.undecided_limit <= 1.0:
            raise ValueError(
                f"undecided_limit must be between 0 and 1, not {self.undecided_limit!r}."
            )
        if not 0.0 <= self.neutral_share < 1.0:
            raise ValueError(
                f"neutral_share must be at least 0 and below 1, not {self.neutral_share!r}."
            )
        if not 0.0 <= self.band_low <= self.band_high <= 1.0:
            raise ValueError(
                "The band must have 0 <= band_low <= band_high <= 1, not "
                f"{self.band_low!r} and {self.band_high!r}."
            )

    @property
    def sentence(self) -> str:
        """The threshold in short, as a score carries it; "" for a rule without one."""
        return {
            "ratio": f"ratio >= {self.epsilon:g}",
            "difference": f"difference >= {self.threshold:g}",
            "hard": "mc > 0",
            "soft": "",
        }[self.kind]

    @property
    def scale(self) -> str:
        """What the number is that the threshold is for."""
        return {
            "ratio": "relative progress",
            "difference": "mc difference",
            "hard": "mc_estimate",
            "soft": "mc_estimate",
        }[self.kind]

    @property
    def has_posterior(self) -> bool:
        """Whether a posterior says anything: under it MC > 0 is certain from the outset."""
        return self.kind in ("ratio", "difference")


@dataclass(frozen=True, slots=True)
class CountTable:
    """Counts of many solutions, one behind the other.

    `steps`: N x 6, the rollouts after each step; `starts`: M x 6, those from each problem alone;
    `offsets`: M + 1, where each solution's steps begin and, at last, N. `is_exact`: N, true where a
    step was judged by the solution's own answer: its one count is no sample.
    """

    steps: IntArray
    starts: IntArray
    offsets: IntArray
    is_exact: BoolArray

    def __post_init__(self) -> None:
        width = len(Counts._fields)
        n, m = len(self.steps), len(self.starts)
        if self.steps.shape != (n, width) or self.starts.shape != (m, width):
            raise ValueError(f"A table of counts has {width} columns: {', '.join(Counts._fields)}.")
        if self.is_exact.shape != (n,):
            raise ValueError("is_exact needs one value for each step.")
        if (self.steps < 0).any() or (self.starts < 0).any():
            raise ValueError("A count cannot be below zero.")
        if (self.steps[self.is_exact].sum(axis=1) > 1).any():
            raise ValueError("A step judged by its answer has one count at most.")
        _check_offsets(self.offsets, n=n, m=m)


@dataclass(frozen=True, slots=True)
class StepLabels:
    """What a rule makes of each step, N of each.

    `mc`: MC(s_t, a_t) with the absorbing zero put in, NaN where unknown. `progress`: the number the
    rule looks at (see `LabelRule.scale`); infinite where something follows nothing. `verdicts`:
    CORRECT, WRONG or UNKNOWN; the soft rule gives none. `is_absorbed`: after a step with MC = 0.
    """

    mc: FloatArray
    progress: FloatArray
    verdicts: VerdictArray
    is_absorbed: BoolArray


class Share(NamedTuple):
    """An MC value with its 95 % interval (Wilson 1927); None where no rollout counts."""

    value: float | None
    low: float | None
    high: float | None
    successes: int
    trials: int


def pack_counts(
    solutions: Iterable[tuple[Counts, Sequence[Counts]]], *, last_is_exact: bool = True
) -> CountTable:
    """A table of (rollouts from the problem, rollouts after each step) of each solution.

    With `last_is_exact`, the last step's count is that of its own answer.
    """
    starts: list[Counts] = []
    steps: list[Counts] = []
    offsets = [0]
    for start, rows in solutions:
        starts.append(start)
        steps.extend(rows)
        offsets.append(len(steps))
    bounds = np.asarray(offsets, dtype=np.int64)
    is_exact = np.zeros(len(steps), dtype=np.bool_)
    if last_is_exact:
        filled = bounds[1:] > bounds[:-1]
        is_exact[bounds[1:][filled] - 1] = True
    width = len(Counts._fields)
    return CountTable(
        np.asarray(steps, dtype=np.int64).reshape(-1, width),
        np.asarray(starts, dtype=np.int64).reshape(-1, width),
        bounds,
        is_exact,
    )


def count_trials(counts: IntArray, rule: LabelRule) -> tuple[IntArray, IntArray]:
    """(Successes, trials) of each row: what the rule takes as wrong is in the trials.

    Trials are 0 where too many comparisons are undecided.
    """
    correct, wrong, unparsable, truncated, undecided, _ = counts.T
    trials = correct + wrong
    for column, treatment in (
        (unparsable, rule.unparsable),
        (truncated, rule.truncated),
        (undecided, rule.undecided),
    ):
        if treatment == "wrong":
            trials = trials + column
    if rule.undecided == "leave_out":
        answered = counts[:, :5].sum(axis=1)
        is_doubtful = undecided > rule.undecided_limit * answered
        trials = np.where(is_doubtful, 0, trials)
        correct = np.where(is_doubtful, 0, correct)
    return correct, trials


def estimate_mc(counts: IntArray, rule: LabelRule) -> FloatArray:
    """MC of each row, NaN where there is no trial."""
    successes, trials = count_trials(counts, rule)
    with np.errstate(invalid="ignore"):
        shares: FloatArray = np.where(trials > 0, successes / np.maximum(trials, 1), np.nan)
    return shares


def describe_share(counts: Counts, rule: LabelRule) -> Share:
    """One MC value with its interval."""
    successes, trials = count_trials(np.asarray([counts], dtype=np.int64), rule)
    interval = wilson_interval(int(successes[0]), int(trials[0]))
    if interval.low is None:
        return Share(None, None, None, 0, 0)
    value = interval.successes / interval.trials
    return Share(value, interval.low, interval.high, interval.successes, interval.trials)


def label_counts(table: CountTable, rule: LabelRule) -> StepLabels:
    """The labels that a rule makes of stored counts."""
    return label_shares(
        estimate_mc(table.steps, rule), estimate_mc(table.starts, rule), table.offsets, rule
    )


def label_shares(
    shares: FloatArray, starts: FloatArray, offsets: IntArray, rule: LabelRule
) -> StepLabels:
    """The labels that a rule makes of MC values: N after steps, M of problems, M + 1 offsets.

    1. After the first MC = 0 of a solution all are 0 (section 3.2), if the rule says so.
    2. Divide by, or subtract, the value before: for a first step that of the problem.
    3. Compare.
    """
    _check_offsets(offsets, n=len(shares), m=len(starts))
    lengths = np.diff(offsets)
    is_absorbed = _find_absorbed(shares, offsets, lengths)
    if not rule.zero_absorbs:
        is_absorbed = np.zeros_like(is_absorbed)
    mc = np.where(is_absorbed, 0.0, shares)
    progress = _find_progress(mc, starts, offsets, rule)
    verdicts = _compare(progress, rule)
    if rule.has_posterior:
        verdicts, progress = _apply_starts(verdicts, progress, starts, lengths, rule)
    return StepLabels(mc, progress, verdicts, is_absorbed)


def estimate_progress(table: CountTable, rule: LabelRule) -> FloatArray:
    """P(the step passes the rule | counts) for each step, from two independent Beta posteriors.

    A step judged by its answer has MC 0 or 1 for certain. NaN where either side has no trials, for
    absorbed steps (their label is that of the zero before) and for rules without a posterior.
    """
    n = len(table.steps)
    if not rule.has_posterior or n == 0:
        return np.full(n, np.nan)
    successes, trials = count_trials(table.steps, rule)
    first_successes, first_trials = count_trials(table.starts, rule)
    earlier_successes = _shift(successes, first_successes, table.offsets)
    earlier_trials = _shift(trials, first_trials, table.offsets)
    slope, offset = (rule.epsilon, 0.0) if rule.kind == "ratio" else (1.0, rule.threshold)
    is_sampled = ~table.is_exact
    chances = np.full(n, np.nan)
    chances[is_sampled] = compare_rates(
        successes[is_sampled],
        trials[is_sampled],
        earlier_successes[is_sampled],
        earlier_trials[is_sampled],
        slope=slope,
        offset=offset,
        prior=rule.prior,
        neutral_share=rule.neutral_share,
    )
    exact = np.flatnonzero(table.is_exact & (trials > 0))
    chances[exact] = _compare_exact(
        successes[exact] / trials[exact],
        earlier_successes[exact],
        earlier_trials[exact],
        slope=slope,
        offset=offset,
        prior=rule.prior,
    )
    if rule.zero_absorbs:
        shares = estimate_mc(table.steps, rule)
        chances[_find_absorbed(shares, table.offsets, np.diff(table.offsets))] = np.nan
    return chances


def find_ambiguous(
    table: CountTable, labels: StepLabels, chances: FloatArray, rule: LabelRule
) -> BoolArray:
    """Which steps the counts leave open: their chance lies within the band, ends included.

    An absorbed step is as open as the zero it follows. A step without a verdict is unknown, which
    is something else.
    """
    is_open: BoolArray = (chances >= rule.band_low) & (chances <= rule.band_high)
    if labels.is_absorbed.any():
        at = np.arange(len(chances))
        source = np.where(labels.is_absorbed, 0, at)
        is_open = is_open[np.maximum.accumulate(source)]
    is_ambiguous: BoolArray = is_open & (labels.verdicts != UNKNOWN)
    return is_ambiguous


def read_rule(settings: Mapping[str, Any]) -> LabelRule:
    """The rule out of a method's settings: its fields under their names, the kind under "rule"."""
    names = LabelRule.__dataclass_fields__.keys() & settings.keys()
    fields = {name: settings[name] for name in names - {"kind"}}
    if "rule" in settings:
        fields["kind"] = settings["rule"]
    return LabelRule(**fields)


def _find_absorbed(shares: FloatArray, offsets: IntArray, lengths: IntArray) -> BoolArray:
    """Which steps come after one with MC = 0 in their solution."""
    zeros = np.concatenate([[0], np.cumsum(shares == 0.0)])
    before = zeros[:-1] - np.repeat(zeros[offsets[:-1]], lengths)
    absorbed: BoolArray = before > 0
    return absorbed


def _find_progress(
    mc: FloatArray, starts: FloatArray, offsets: IntArray, rule: LabelRule
) -> FloatArray:
    if not rule.has_posterior:
        return mc
    earlier = _shift(mc, starts, offsets)
    if rule.kind == "difference":
        return mc - earlier
    with np.errstate(divide="ignore", invalid="ignore"):
        progress: FloatArray = mc / earlier
    is_empty = (mc == 0.0) & (earlier == 0.0)
    value = {"zero": 0.0, "one": 1.0, "unknown": np.nan}[rule.zero_over_zero]
    return np.where(is_empty, value, progress)


def _compare(progress: FloatArray, rule: LabelRule) -> VerdictArray:
    if rule.kind == "soft":
        return np.full(len(progress), UNKNOWN, dtype=np.int8)
    if rule.kind == "hard":
        passes = progress > 0.0
    else:
        bound = rule.epsilon if rule.kind == "ratio" else rule.threshold
        passes = progress >= bound - TOLERANCE
    verdicts: VerdictArray = np.where(np.isnan(progress), UNKNOWN, passes).astype(np.int8)
    return verdicts


def _apply_starts(
    verdicts: VerdictArray,
    progress: FloatArray,
    starts: FloatArray,
    lengths: IntArray,
    rule: LabelRule,
) -> tuple[VerdictArray, FloatArray]:
    """What the rule says of solutions whose problem is never or always solved."""
    is_dropped = np.zeros(len(starts), dtype=np.bool_)
    if rule.start_zero == "unknown":
        is_dropped |= starts == 0.0
    if rule.start_one == "unknown":
        is_dropped |= starts == 1.0
    if is_dropped.any():
        of_step = np.repeat(is_dropped, lengths)
        verdicts = np.where(of_step, np.int8(UNKNOWN), verdicts)
        progress = np.where(of_step, np.nan, progress)
    if rule.start_zero == "absorb" and (starts == 0.0).any():
        of_step = np.repeat(starts == 0.0, lengths)
        verdicts = np.where(of_step, np.int8(WRONG), verdicts)
        progress = np.where(of_step, 0.0, progress)
    return verdicts, progress


def _compare_exact(
    shares: FloatArray,
    earlier_successes: IntArray,
    earlier_trials: IntArray,
    *,
    slope: float,
    offset: float,
    prior: Prior,
) -> FloatArray:
    """P(x >= slope * Y + offset) for a known x of 0 or 1: P(Y <= (x - offset) / slope)."""
    chances = np.empty(len(shares))
    for value in (0.0, 1.0):
        chosen = shares == value
        chances[chosen] = 1.0 - rate_above(
            earlier_successes[chosen],
            earlier_trials[chosen],
            (value - offset) / slope,
            prior=prior,
        )
    return chances


def _shift(
    values: npt.NDArray[Number], starts: npt.NDArray[Number], offsets: IntArray
) -> npt.NDArray[Number]:
    """The value before each step: that of the step before, or of its problem."""
    earlier = np.empty_like(values)
    earlier[1:] = values[:-1]
    filled = offsets[:-1] < offsets[1:]
    earlier[offsets[:-1][filled]] = starts[filled]
    return earlier


def _check_offsets(offsets: IntArray, *, n: int, m: int) -> None:
    fits = len(offsets) == m + 1 and offsets[0] == 0 and offsets[-1] == n
    if not fits or (np.diff(offsets) < 0).any():
        raise ValueError(
            f"The offsets must rise from 0 to {n:,}, with one more than {m:,} of them."
        )
