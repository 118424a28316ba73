"""How good RPE's labels are, where the truth is known: generated problems with a planted error.

Each case is a problem with its right solution and one that goes wrong at a known step. A policy
rolls out the prefixes of both, by the method that jobs use. Two truths stand beside its labels:

- *planted*: every step of the right solution is correct, the planted one is wrong. Steps after it
  have no truth (they carry the error on), nor has a last step, which is judged by its answer.
- *exact*: what RPE estimates, relative progress MC(s_t, a_t) / MC(s_t) >= epsilon (GenPRM, Zhao et
  al. 2025, section 3.2), of this policy, computed over its completions instead of sampled.

A right step after which the policy goes astray is wrong in the second sense alone. Calibration is
measured against the second, which is what the posterior speaks of.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from labeling.metrics.additive import AdditiveStatistic, Parts, divide
from labeling.metrics.calibration import Calibration, Spacing, measure_calibration
from labeling.metrics.intervals import BootstrapInterval, bootstrap_intervals, wilson_interval
from labeling.records import Problem, Solution, Step
from modeljobs.engines.base import Engine
from modeljobs.engines.options import validate_options
from modeljobs.engines.tiny import encode_request
from modeljobs.evaluation.exact_rollouts import Explorer, SuccessBounds
from modeljobs.methods.answers import Extraction, extract_answer, normalise_answer
from modeljobs.methods.base import ItemInput, StepChecked, collect_events
from modeljobs.methods.parsing import Unparsed
from modeljobs.methods.rollouts import (
    MemoryRolloutCache,
    Plan,
    Prefix,
    Prompting,
    Sampler,
    build_chunk_request,
)
from modeljobs.methods.rpe import RpeMethod
from modeljobs.methods.rpe_labels import (
    CORRECT,
    TOLERANCE,
    UNKNOWN,
    WRONG,
    Counts,
    CountTable,
    LabelRule,
    VerdictArray,
    count_trials,
    estimate_progress,
    find_ambiguous,
    label_counts,
    pack_counts,
)
from modeljobs.methods.rpe_posteriors import Prior, find_prior_weight
from modeljobs.methods.rpe_work import KIND, KIND_START
from modeljobs.tiny.model import TinyModel
from modeljobs.tiny.problems import Attempt, draw_problem, plant_error

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# What was chosen was chosen on the one; what is reported was measured on the other.
DEVELOPMENT_SEED = 1
EVALUATION_SEED = 2
# How the tiny models are asked: they know no system message and do not number their steps. Their
# longest solutions have about 150 tokens.
TINY_SETTINGS: Mapping[str, Any] = {
    "template": "plain",
    "instruction_place": "user",
    "max_tokens": 400,
}
TINY_PROMPTING = Prompting("plain", "user")

Where = Literal["settled", "all"]


@dataclass(frozen=True, slots=True)
class PlantedCase:
    """A problem, and its solution with one wrong step, which is not the last."""

    attempt: Attempt

    @property
    def position(self) -> int:
        """The planted step, from 0."""
        if self.attempt.first_error is None:
            raise ValueError("An attempt without an error is no planted case.")
        return self.attempt.first_error

    @property
    def right(self) -> Solution:
        return self._build(self.attempt.problem.steps)

    @property
    def wrong(self) -> Solution:
        """As far as the step after the planted one: no rollout is spent on steps without a truth,
        and a solution's last step gets none.
        """
        return self._build(self.attempt.steps[: self.position + 2])

    @property
    def reference(self) -> str:
        return str(self.attempt.problem.answer)

    def _build(self, steps: Sequence[str]) -> Solution:
        problem = Problem(self.attempt.problem.text, reference_answer=self.reference)
        return Solution(problem, tuple([Step(text) for text in steps]))


class CaseCounts(NamedTuple):
    """What the rollouts of a case came to: from the problem, after each step of the right solution
    but the last, and after the planted step.
    """

    position: int
    start: Counts
    right: tuple[Counts, ...]
    planted: Counts


class CaseShares(NamedTuple):
    """The exact chances of success at the same places."""

    position: int
    start: SuccessBounds
    right: tuple[SuccessBounds, ...]
    planted: SuccessBounds


@dataclass(frozen=True, slots=True)
class Study:
    """All cases as arrays over N steps, ready to be labelled under any rule.

    Each case is two solutions in `table`: the right one, and the planted one up to its wrong step.
    `earlier`: N x 6, the counts that each step's are divided by. `truth`: CORRECT or WRONG as
    planted; UNKNOWN for the steps before the planted one, which are those of the right solution
    once more. `cluster`: the case. `low`, `high`: bounds of the exact relative progress, NaN where
    it was not computed or divides by nothing. `draws`: how many times each case's counts were
    drawn.
    """

    table: CountTable
    earlier: IntArray
    truth: VerdictArray
    cluster: IntArray
    low: FloatArray
    high: FloatArray
    draws: int = 1


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share with its 95 % interval; None where nothing was tried."""

    value: float | None
    low: float | None
    high: float | None
    hits: int
    trials: int


@dataclass(frozen=True, slots=True)
class LabelQuality:
    """How the label "wrong" does on the steps that a rule settles.

    `precision`: of the steps labelled wrong, those that are; `recall`: of the wrong steps, those
    labelled so. `n_steps` have a truth; `n_open` of them are left to people, `n_unknown` have no
    label because no rollout solved the problem.
    """

    precision: Estimate
    recall: Estimate
    n_steps: int
    n_open: int
    n_unknown: int


@dataclass(frozen=True, slots=True)
class RuleComparison:
    """How much better one rule's labels are than another's on the same `n_steps` steps.

    In accuracy, and in F1 of the label "wrong", each with a paired bootstrap interval over cases.
    """

    accuracy: float | None
    accuracy_interval: BootstrapInterval
    f1: float | None
    f1_interval: BootstrapInterval
    n_steps: int


# --- Cases ----------------------------------------------------------------------------------------


def draw_cases(seed: int, count: int) -> list[PlantedCase]:
    """Cases on problems that no tiny model was trained on."""
    rng = random.Random(seed)  # noqa: S311 (not a secret)
    return [_draw_case(rng) for _ in range(count)]


def _draw_case(rng: random.Random) -> PlantedCase:
    problem = draw_problem(rng, split="held_out", size="small")
    while True:
        attempt = plant_error(problem, rng)
        # An error in the last step needs no rollout to be seen: its answer is wrong.
        if attempt.first_error is not None and attempt.first_error < len(problem.changes) - 1:
            return PlantedCase(attempt)


async def sample_cases(
    cases: Sequence[PlantedCase],
    engine: Engine,
    *,
    seed: int,
    settings: Mapping[str, Any] | None = None,
    at_a_time: int = 8,
) -> list[CaseCounts]:
    """The counts of each case by the method itself; `settings` go over `TINY_SETTINGS`."""
    method = RpeMethod(cache=MemoryRolloutCache())
    options = validate_options(
        method.parameters, {**TINY_SETTINGS, "keep_texts": False, **(settings or {})}
    )
    slots = asyncio.Semaphore(at_a_time)

    async def roll_out(key: str, solution: Solution) -> dict[int, Counts]:
        """Counts by position, -1 for the problem alone."""
        async with slots:
            item = ItemInput(key, solution)
            events = method.run(item, engine=engine, settings=options, rng_seed=seed)
            result = await collect_events(events)
        if result.failure is not None:
            raise ValueError(f"A case could not be rolled out: {result.failure.message}")
        return dict(_read_counts(result.steps))

    async def sample(number: int, case: PlantedCase) -> CaseCounts:
        right = await roll_out(f"{number}/right", case.right)
        # Afterwards: what both begin with has been rolled out by then, and is shared.
        wrong = await roll_out(f"{number}/wrong", case.wrong)
        steps = tuple([right[position] for position in range(len(case.right.steps) - 1)])
        return CaseCounts(case.position, right[-1], steps, wrong[case.position])

    return await asyncio.gather(*[sample(number, case) for number, case in enumerate(cases)])


def _read_counts(steps: Iterable[StepChecked]) -> Iterator[tuple[int, Counts]]:
    for step in steps:
        if step.kind == KIND_START:
            yield -1, Counts(**step.summary["counts"])
        elif step.kind == KIND and step.summary["judged_by"] == "rollouts":
            yield step.position, Counts(**step.summary["counts"])


def compute_shares(
    cases: Iterable[PlantedCase],
    model: TinyModel,
    *,
    temperature: float,
    least_mass: float = 3e-4,
    extraction: Extraction = "any",
) -> Iterator[CaseShares]:
    """The exact chances of each case for a policy, at the places where it is rolled out.

    Takes 0.05 to 0.3 seconds for each prefix, the more the less sure the policy is.
    """
    explorer = Explorer(model, temperature=temperature, least_mass=least_mass)

    def find_share(case: PlantedCase, steps: Sequence[Step]) -> SuccessBounds:
        prefix = Prefix(case.attempt.problem.text, tuple([step.text for step in steps]))
        request = build_chunk_request(
            "", prefix, n=1, seed=0, prompting=TINY_PROMPTING, sampler=Sampler()
        )
        reference = normalise_answer(case.reference)

        def is_success(text: str) -> bool:
            found = extract_answer(text, extraction=extraction)
            return not isinstance(found, Unparsed) and normalise_answer(found.text) == reference

        return explorer.bound_success(encode_request(model.tokenizer, request), is_success)

    for case in cases:
        right, wrong = case.right.steps, case.wrong.steps
        yield CaseShares(
            case.position,
            find_share(case, ()),
            tuple([find_share(case, right[:end]) for end in range(1, len(right))]),
            find_share(case, wrong[: case.position + 1]),
        )


def draw_counts(shares: CaseShares, plan: Plan, rng: np.random.Generator) -> CaseCounts:
    """Counts that rollouts would come to: binomial draws at the exact chances.

    For plans that fix the numbers beforehand; ValueError for a sequential one.
    """
    if plan.kind == "sequential":
        raise ValueError("A sequential plan depends on what comes; it cannot be drawn at once.")

    def draw(bounds: SuccessBounds, trials: int) -> Counts:
        correct = int(rng.binomial(trials, bounds.share))
        return Counts(correct=correct, wrong=trials - correct)

    start = draw(shares.start, plan.start_samples)
    rollouts = plan.count_rollouts(start.correct / plan.start_samples)
    return CaseCounts(
        shares.position,
        start,
        tuple([draw(bounds, rollouts) for bounds in shares.right]),
        draw(shares.planted, rollouts),
    )


# --- Arrays ---------------------------------------------------------------------------------------


def build_study(counts: Sequence[CaseCounts], shares: Sequence[CaseShares] = ()) -> Study:
    """The cases' counts as arrays, with the exact chances where those are given, in that order."""
    if shares and len(shares) != len(counts):
        raise ValueError("Counts and exact chances must be of the same cases.")
    return _pack(counts, shares, range(len(counts)), draws=1)


def draw_study(shares: Sequence[CaseShares], plan: Plan, *, seed: int, draws: int) -> Study:
    """The same from exact chances alone, each case's counts drawn `draws` times.

    The chance of success is taken to be `SuccessBounds.share`, and so is the exact truth. Figures
    then depend on which problems were drawn, hardly on what the rollouts came to; their intervals
    still count each problem once.
    """
    rng = np.random.default_rng(seed)
    settled = [
        CaseShares(
            case.position,
            _settle(case.start),
            tuple([_settle(bounds) for bounds in case.right]),
            _settle(case.planted),
        )
        for case in shares
    ]
    numbers = [number for _ in range(draws) for number in range(len(shares))]
    counts = [draw_counts(settled[number], plan, rng) for number in numbers]
    return _pack(counts, [settled[number] for number in numbers], numbers, draws=draws)


def _settle(bounds: SuccessBounds) -> SuccessBounds:
    return SuccessBounds(bounds.share, 1.0 - bounds.share)


def _pack(
    counts: Sequence[CaseCounts],
    shares: Sequence[CaseShares],
    clusters: Sequence[int],
    *,
    draws: int,
) -> Study:
    solutions: list[tuple[Counts, tuple[Counts, ...]]] = []
    truth: list[int] = []
    cluster: list[int] = []
    bounds: list[tuple[float, float]] = []
    for number, case in enumerate(counts):
        wrong = (*case.right[: case.position], case.planted)
        solutions += [(case.start, case.right), (case.start, wrong)]
        truth += [CORRECT] * len(case.right) + [UNKNOWN] * case.position + [WRONG]
        cluster += [clusters[number]] * (len(case.right) + len(wrong))
        if shares:
            exact = shares[number]
            bounds += _bound_progress(exact.start, exact.right)
            bounds += _bound_progress(exact.start, (*exact.right[: exact.position], exact.planted))
    n = len(truth)
    low, high = np.asarray(bounds).T if bounds else np.full((2, n), np.nan)
    rows = [row for start, steps in solutions for row in (start, *steps[:-1])]
    return Study(
        table=pack_counts(solutions, last_is_exact=False),
        earlier=np.asarray(rows, dtype=np.int64).reshape(-1, len(Counts._fields)),
        truth=np.asarray(truth, dtype=np.int8),
        cluster=np.asarray(cluster, dtype=np.int64),
        low=low,
        high=high,
        draws=draws,
    )


def _bound_progress(
    start: SuccessBounds, steps: Sequence[SuccessBounds]
) -> list[tuple[float, float]]:
    """Bounds of each step's relative progress; NaN above where the divisor may be nothing."""
    bounds = []
    for earlier, step in zip((start, *steps[:-1]), steps, strict=True):
        low = step.low / earlier.high if earlier.high else np.nan
        bounds.append((low, step.high / earlier.low if earlier.low else np.nan))
    return bounds


def find_exact_truth(study: Study, epsilon: float) -> VerdictArray:
    """CORRECT where the exact relative progress reaches epsilon, WRONG where it does not, UNKNOWN
    where its bounds do not tell; and where the planted truth is UNKNOWN, for the same reason.
    """
    truth = np.full(len(study.truth), UNKNOWN, dtype=np.int8)
    truth[study.low >= epsilon - TOLERANCE] = CORRECT
    truth[study.high < epsilon - TOLERANCE] = WRONG
    truth[study.truth == UNKNOWN] = UNKNOWN
    return truth


# --- Figures --------------------------------------------------------------------------------------


def measure_labels(
    study: Study, rule: LabelRule, *, seed: int, truth: VerdictArray | None = None
) -> LabelQuality:
    """Precision and recall of the label "wrong" on the steps that the rule settles.

    Against the planted truth, or another one. Intervals are the wider of Wilson's (1927), which
    does not shrink to a point where nothing was missed, and of a bootstrap over cases, which knows
    that the steps of a problem stand together; with several draws of each case the latter alone.
    """
    known = study.truth if truth is None else truth
    verdicts, is_open = _label(study, rule)
    has_truth = known != UNKNOWN
    settled = has_truth & (verdicts != UNKNOWN) & ~is_open
    said, is_wrong = settled & (verdicts == WRONG), settled & (known == WRONG)
    return LabelQuality(
        precision=_estimate(said & is_wrong, said, study, seed=seed),
        recall=_estimate(said & is_wrong, is_wrong, study, seed=seed),
        n_steps=int(has_truth.sum()),
        n_open=int((has_truth & is_open).sum()),
        n_unknown=int((has_truth & (verdicts == UNKNOWN)).sum()),
    )


def compare_rules(
    study: Study, ours: LabelRule, theirs: LabelRule, *, seed: int, where: Where = "settled"
) -> RuleComparison:
    """Our rule's labels less theirs, against the planted truth.

    On the steps that our rule settles, or on all; steps to which either gives no label are left
    out of both.
    """
    first, is_open = _label(study, ours)
    second, _ = _label(study, theirs)
    chosen = (study.truth != UNKNOWN) & (first != UNKNOWN) & (second != UNKNOWN)
    if where == "settled":
        chosen &= ~is_open
    truth = study.truth[chosen]

    def list_columns(verdicts: VerdictArray) -> list[FloatArray]:
        """Hits, found errors, and errors said or there."""
        said, there = verdicts == WRONG, truth == WRONG
        parts = (verdicts == truth, said & there, said.astype(np.int64) + there)
        return [part.astype(np.float64) for part in parts]

    columns = [*list_columns(first[chosen]), *list_columns(second[chosen]), np.ones(len(truth))]

    def subtract_accuracy(totals: FloatArray) -> Parts:
        return _only(divide(totals[:, 0] - totals[:, 3], totals[:, 6]))

    def subtract_f1(totals: FloatArray) -> Parts:
        # 2 TP / (2 TP + FP + FN)
        return _only(
            divide(2.0 * totals[:, 1], totals[:, 2]) - divide(2.0 * totals[:, 4], totals[:, 5])
        )

    statistics = {
        "accuracy": AdditiveStatistic(lambda: iter(columns), subtract_accuracy),
        "f1": AdditiveStatistic(lambda: iter(columns), subtract_f1),
    }
    intervals = bootstrap_intervals(statistics, cluster=_number(study.cluster[chosen]), seed=seed)
    totals = np.asarray([[column.sum() for column in columns]])
    accuracy, f1 = (
        _or_none(statistic.evaluate(totals).value[0]) for statistic in statistics.values()
    )
    return RuleComparison(accuracy, intervals["accuracy"], f1, intervals["f1"], len(truth))


def measure_chances(
    study: Study,
    rule: LabelRule,
    *,
    seed: int,
    spacing: Spacing = "mass",
    unsure: tuple[float, float] | None = None,
) -> Calibration:
    """The calibration of P(progress >= epsilon | counts) of what the exact progress then is.

    `unsure` leaves only the chances between two bounds, ends included: most steps are clear, and
    their many chances of nearly 0 and 1 say little. Steps without a chance or whose exact progress
    is not known well enough are left out.
    """
    if rule.kind != "ratio":
        raise ValueError(f"The exact progress is a ratio; the rule is {rule.kind!r}.")
    chances = estimate_progress(study.table, rule)
    truth = find_exact_truth(study, rule.epsilon)
    chosen = (truth != UNKNOWN) & ~np.isnan(chances)
    if unsure is not None:
        chosen &= (chances >= unsure[0]) & (chances <= unsure[1])
    return measure_calibration(
        chances[chosen],
        truth[chosen] == CORRECT,
        cluster=_number(study.cluster[chosen]),
        seed=seed,
        spacing=spacing,
    )


def fit_neutral_share(study: Study, rule: LabelRule) -> float | None:
    """The share of steps that change nothing which makes the counts likeliest (empirical Bayes).

    Each step's two rates are one with probability w and independent otherwise, both under the
    rule's prior; w by EM (Dempster et al. 1977). Needs no truth. None where no step has counts.
    """
    successes, trials = count_trials(study.table.steps, rule)
    earlier, before = count_trials(study.earlier, rule)
    chosen = (trials > 0) & (before > 0) & (study.truth != UNKNOWN)
    if not chosen.any():
        return None
    evidence = _weigh_one_rate(
        successes[chosen], trials[chosen], earlier[chosen], before[chosen], rule.prior
    )
    share = 0.5
    for _ in range(200):
        share = float((share * evidence / (share * evidence + 1.0 - share)).mean())
    return share


def _weigh_one_rate(
    successes: IntArray, trials: IntArray, earlier: IntArray, before: IntArray, prior: Prior
) -> FloatArray:
    """How much likelier the counts are under one rate than under two."""
    weight = find_prior_weight(prior)
    logs = np.log(weight + np.arange(int((trials + before).max())))
    rising = np.concatenate([[0.0], np.cumsum(logs)])
    doubled = np.log(2.0 * weight + np.arange(int((trials + before).max())))
    rising_both = np.concatenate([[0.0], np.cumsum(doubled)])

    def find_marginal(count: IntArray, of: IntArray) -> FloatArray:
        """log B(count + a, of - count + a) - log B(a, a)"""
        marginal: FloatArray = rising[count] + rising[of - count] - rising_both[of]
        return marginal

    ratio: FloatArray = np.exp(
        find_marginal(successes + earlier, trials + before)
        - find_marginal(successes, trials)
        - find_marginal(earlier, before)
    )
    return ratio


def _label(study: Study, rule: LabelRule) -> tuple[VerdictArray, BoolArray]:
    """Each step's verdict, and whether it is left open."""
    labels = label_counts(study.table, rule)
    chances = estimate_progress(study.table, rule)
    return labels.verdicts, find_ambiguous(study.table, labels, chances, rule)


def _estimate(hits: BoolArray, of: BoolArray, study: Study, *, seed: int) -> Estimate:
    n_hits, n = int(hits.sum()), int(of.sum())
    if n == 0:
        return Estimate(None, None, None, 0, 0)
    columns = [hits[of].astype(np.float64), np.ones(n)]
    statistic = AdditiveStatistic(
        lambda: iter(columns), lambda totals: _only(divide(totals[:, 0], totals[:, 1]))
    )
    drawn = bootstrap_intervals(
        {"share": statistic}, cluster=_number(study.cluster[of]), seed=seed
    )["share"]
    lows, highs = [drawn.low], [drawn.high]
    if study.draws == 1:
        wilson = wilson_interval(n_hits, n)
        lows.append(wilson.low)
        highs.append(wilson.high)
    return Estimate(
        n_hits / n,
        min([low for low in lows if low is not None], default=None),
        max([high for high in highs if high is not None], default=None),
        n_hits,
        n,
    )


def _number(cluster: IntArray) -> IntArray:
    """Codes from 0 without gaps: a case of which nothing is left is none to draw."""
    _, codes = np.unique(cluster, return_inverse=True)
    return codes.astype(np.int64)


def _only(values: FloatArray) -> Parts:
    return Parts(values, values, np.full_like(values, np.nan))


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
