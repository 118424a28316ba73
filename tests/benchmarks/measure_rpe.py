"""`rpe_precision`, `rpe_recall`, `rpe_ece`, `rpe_ratio_minus_hard`: RPE's labels beside the truth.

The shipped tiny models roll out solutions of generated problems that they were never trained on,
each once right and once with a planted wrong step, through the method and the engine that jobs use
and with its defaults. Beside the counts stand the policies' exact chances of success, which are
computed in a second process: they say which steps really lower the chance, and what other plans,
policies and rules would come to.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from labeling.metrics.calibration import Calibration
from labeling.metrics.intervals import BootstrapInterval
from modeljobs.engines.base import CompletionRequest, EngineReply
from modeljobs.engines.options import validate_options
from modeljobs.engines.tiny import TinyEngine, TinySettings, encode_request
from modeljobs.evaluation.rpe_study import (
    EVALUATION_SEED,
    TINY_PROMPTING,
    CaseCounts,
    CaseShares,
    Estimate,
    Study,
    build_study,
    compare_rules,
    compute_shares,
    draw_cases,
    draw_study,
    fit_neutral_share,
    measure_chances,
    measure_labels,
    sample_cases,
)
from modeljobs.methods.rollouts import Plan, Prefix, Sampler, build_chunk_request
from modeljobs.methods.rpe import RpeMethod
from modeljobs.methods.rpe_labels import LabelRule, read_rule
from modeljobs.tiny.model import load_checkpoint
from modeljobs.tiny.runtime import Batcher
from modeljobs.tiny.sampling import SamplingPlan
from modeljobs.tiny.threads import use_one_thread
from tests.benchmarks.job_figures import JobFigure
from tests.benchmarks.places import say
from tests.benchmarks.workload import SEED

SEQUENCES = 48
HARD = LabelRule(kind="hard")
# Between these two a step's label is not clear at a glance.
UNSURE = (0.02, 0.98)
# What the policy writes at 0.7 follows a wrong step to a wrong answer almost always; at its own
# distribution it slips often enough for lucky answers.
WARM = 1.0


@dataclass(frozen=True, slots=True)
class Labelling:
    """How many problems: rolled out, and computed for the better policy and for the worse. Counts
    are drawn `draws` times from what was computed.
    """

    sampled: int
    computed: int
    worse: int
    draws: int
    raw_prompts: int


FULL = Labelling(sampled=80, computed=80, worse=20, draws=50, raw_prompts=64)
QUICK = Labelling(sampled=2, computed=2, worse=2, draws=2, raw_prompts=1)


def measure(size: Labelling) -> Iterator[JobFigure]:
    """Precision, recall and calibration of default labels; the ratio rule beside the hard one."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as beside:
        mild = beside.submit(compute, "better", default_temperature(), size.sampled)
        warm = beside.submit(compute, "better", WARM, size.computed)
        worse = beside.submit(compute, "worse", default_temperature(), size.worse)
        raw = spend_bare(size.raw_prompts)
        say(f"Rolling out {size.sampled} problems …")
        sampled = asyncio.run(roll_out(size.sampled))
        say("Computing exact chances …")
        study = build_study(sampled.counts, mild.result())
        yield from make_label_figures(study)
        yield JobFigure(
            "rpe_tokens_per_s",
            sampled.tokens / sampled.seconds,
            "tokens/s",
            raw=raw,
            ratio=sampled.tokens / sampled.seconds / raw,
            more={"rollouts": sampled.rollouts, "problems": size.sampled},
        )
        yield make_comparison(warm.result(), size.draws)
        yield make_calibration(
            "rpe_ece_worse", draw_study(worse.result(), Plan(), seed=SEED, draws=size.draws)
        )


def default_rule(**fields: Any) -> LabelRule:
    """The method's defaults, but for the fields that are given."""
    return read_rule(validate_options(RpeMethod().parameters, {}) | fields)


def default_temperature() -> float:
    return float(validate_options(RpeMethod().parameters, {})["temperature"])


# --- Figures --------------------------------------------------------------------------------------


def make_label_figures(study: Study) -> Iterator[JobFigure]:
    """The default rule on real rollouts."""
    rule = default_rule()
    quality = measure_labels(study, rule, seed=SEED)
    more = describe(rule) | {
        "steps": quality.n_steps,
        "open": quality.n_open,
        "unknown": quality.n_unknown,
        "seed": EVALUATION_SEED,
    }
    yield make_share("rpe_precision", quality.precision, more)
    yield make_share("rpe_recall", quality.recall, more)
    yield make_calibration("rpe_ece", study)


def make_share(name: str, share: Estimate, more: Mapping[str, Any]) -> JobFigure:
    if share.value is None or share.low is None or share.high is None:
        raise AssertionError("No step was labelled wrong, or none was.")
    return JobFigure(
        name,
        100.0 * share.value,
        "%",
        interval=(100.0 * share.low, 100.0 * share.high),
        more={"n": share.trials, **more},
    )


def make_calibration(name: str, study: Study) -> JobFigure:
    """The default's calibration error, and those of other shares of neutral steps."""
    rule = default_rule()
    found = measure_chances(study, rule, seed=SEED)
    if found.value is None:
        raise AssertionError("No step has a chance.")
    fitted = fit_neutral_share(study, rule)
    shares = {0.0, 0.5, 0.8, *([] if fitted is None else [min(fitted, 0.99)])}
    by_share = {
        f"{share:.2f}": read_error(
            measure_chances(study, default_rule(neutral_share=share), seed=SEED)
        )
        for share in sorted(shares)
    }
    unsure = measure_chances(study, rule, seed=SEED, unsure=UNSURE)
    more = describe(rule) | {
        "n": found.n,
        "draws": study.draws,
        "floor": round_off(found.floor),
        "equal_width": read_error(measure_chances(study, rule, seed=SEED, spacing="width")),
        "unsure": read_error(unsure),
        "n_unsure": unsure.n,
        "by_neutral_share": by_share,
        "fitted_neutral_share": round_off(fitted),
    }
    return JobFigure(name, found.value, "", interval=read_interval(found.interval), more=more)


def make_comparison(shares: Sequence[CaseShares], draws: int) -> JobFigure:
    """F1 of the ratio rule less that of the hard rule on the steps that the first settles, at the
    published numbers of rollouts; and on all steps, where no band helps.
    """
    rule = default_rule()
    published = draw_study(shares, Plan(), seed=SEED, draws=draws)
    found = compare_rules(published, rule, HARD, seed=SEED)
    interval = read_interval(found.f1_interval)
    if found.f1 is None or interval is None:
        raise AssertionError("There are too few problems to compare two rules.")
    more: dict[str, Any] = describe(rule) | {
        "problems": len(shares),
        "draws": draws,
        "temperature": WARM,
        "accuracy": round_off(found.accuracy),
        "accuracy_interval": pack_interval(found.accuracy_interval),
    }
    for rollouts in (32, 64, 128, 256):
        study = draw_study(shares, Plan("fixed", rollouts, rollouts), seed=SEED, draws=draws)
        everywhere = compare_rules(study, rule, HARD, seed=SEED, where="all")
        more[f"all_steps_at_{rollouts}"] = [
            round_off(everywhere.f1),
            *(pack_interval(everywhere.f1_interval) or ()),
        ]
    return JobFigure("rpe_ratio_minus_hard", found.f1, "F1", interval=interval, more=more)


def describe(rule: LabelRule) -> dict[str, Any]:
    return {"rule": rule.sentence, "neutral_share": rule.neutral_share}


def read_error(calibration: Calibration) -> float | None:
    return round_off(calibration.value)


def read_interval(interval: BootstrapInterval) -> tuple[float, float] | None:
    if interval.low is None or interval.high is None:
        return None
    return interval.low, interval.high


def pack_interval(interval: BootstrapInterval) -> list[float | None] | None:
    return None if interval.low is None else [round_off(interval.low), round_off(interval.high)]


def round_off(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.4g}")


# --- Rollouts -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sampled:
    """What the method came to, and what it took, in seconds of this process's processor time."""

    counts: list[CaseCounts]
    rollouts: int
    tokens: int
    seconds: float


class CountingEngine(TinyEngine):
    """Counts what it makes."""

    def __init__(self, settings: TinySettings) -> None:
        super().__init__(settings)
        self.rollouts = 0
        self.tokens = 0

    async def complete(self, request: CompletionRequest) -> EngineReply:
        reply = await super().complete(request)
        self.rollouts += len(reply.completions)
        self.tokens += reply.completion_tokens or 0
        return reply


async def roll_out(count: int) -> Sampled:
    """The cases' counts by the method with its defaults."""
    engine = CountingEngine(TinySettings("better", max_concurrency=SEQUENCES))
    started = time.process_time()
    try:
        counts = await sample_cases(draw_cases(EVALUATION_SEED, count), engine, seed=SEED)
    finally:
        await engine.aclose()
    return Sampled(counts, engine.rollouts, engine.tokens, time.process_time() - started)


def compute(checkpoint: str, temperature: float, count: int) -> list[CaseShares]:
    """Exact chances, in a process of its own: as long as the rollouts take, beside them."""
    use_one_thread()
    cases = draw_cases(EVALUATION_SEED, count)
    return list(compute_shares(cases, load_checkpoint(checkpoint), temperature=temperature))


def spend_bare(prompts: int) -> float:
    """Tokens a second of the runtime alone, on prompts as the method writes them.

    Seconds of processor time, as everywhere here: the second process is not to count.
    """
    model = load_checkpoint("better")
    batcher = Batcher(model, slots=SEQUENCES)
    started = time.process_time()
    try:
        plan = SamplingPlan(temperature=default_temperature(), max_tokens=400, n=8, seed=SEED)
        waiting = [
            batcher.submit(encode_request(model.tokenizer, request), plan)
            for request in write_prompts(prompts)
        ]
        made = [answer for future in waiting for answer in future.result()]
    finally:
        batcher.close()
    return sum(len(answer.token_ids) for answer in made) / (time.process_time() - started)


def write_prompts(count: int) -> Iterator[CompletionRequest]:
    for case in draw_cases(EVALUATION_SEED, count):
        prefix = Prefix(case.attempt.problem.text, ())
        yield build_chunk_request(
            "", prefix, n=8, seed=SEED, prompting=TINY_PROMPTING, sampler=Sampler()
        )
