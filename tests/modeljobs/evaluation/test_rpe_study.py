"""RPE's labels on generated problems with a planted wrong step and a real tiny policy.

What is asserted of precision, recall, calibration and of the ratio rule beside the hard one was
chosen on the development seed and holds with room on the evaluation seed. Counts are drawn from
exact chances, which real rollouts are held against: that is quicker by far than rolling out as
much, and the same on every machine but for the last bits.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace

import numpy as np
import pytest

from modeljobs.engines.tiny import TinyEngine, TinySettings
from modeljobs.evaluation.exact_rollouts import SuccessBounds
from modeljobs.evaluation.rpe_study import (
    DEVELOPMENT_SEED,
    EVALUATION_SEED,
    CaseCounts,
    CaseShares,
    Study,
    build_study,
    compare_rules,
    compute_shares,
    draw_cases,
    draw_counts,
    draw_study,
    find_exact_truth,
    fit_neutral_share,
    measure_chances,
    measure_labels,
    sample_cases,
)
from modeljobs.methods.rollouts import Plan
from modeljobs.methods.rpe_labels import CORRECT, UNKNOWN, WRONG, Counts, LabelRule
from modeljobs.tiny.model import load_checkpoint

CASES = draw_cases(EVALUATION_SEED, 20)
# The policy's own distribution: at 0.7 it hardly ever comes to the answer by luck.
TEMPERATURE = 1.0
RATIO = LabelRule(neutral_share=0.5)
HARD = LabelRule(kind="hard")
SEED = 9


@pytest.fixture(scope="module")
def shares() -> list[CaseShares]:
    model = load_checkpoint("better")
    return list(compute_shares(CASES, model, temperature=TEMPERATURE, least_mass=1e-3))


def draw(shares: list[CaseShares], plan: Plan) -> Study:
    return draw_study(shares, plan, seed=SEED, draws=30)


@pytest.fixture(scope="module")
def published(shares: list[CaseShares]) -> Study:
    return draw(shares, Plan())


def sample(cases: int, **settings: object) -> list[CaseCounts]:
    async def run() -> list[CaseCounts]:
        engine = TinyEngine(TinySettings("better", max_concurrency=32))
        given = {"temperature": TEMPERATURE, **settings}
        try:
            return await sample_cases(CASES[:cases], engine, seed=SEED, settings=given)
        finally:
            await engine.aclose()

    return asyncio.run(run())


# --- The claims -----------------------------------------------------------------------------------


def test_outside_the_band_wrong_steps_are_found_and_right_ones_left_alone(published: Study):
    quality = measure_labels(published, RATIO, seed=SEED)
    for share in (quality.precision, quality.recall):
        assert share.value is not None
        assert share.low is not None
        assert share.value >= share.low >= 0.95
    # Not by leaving everything to people.
    assert quality.n_open + quality.n_unknown <= 0.1 * quality.n_steps


def test_the_chances_are_calibrated(published: Study):
    for spacing in ("mass", "width"):
        calibration = measure_chances(published, RATIO, seed=SEED, spacing=spacing)
        assert calibration.interval.high is not None
        assert calibration.interval.high <= 0.03


def test_independent_rates_are_less_sure_than_they_should_be(published: Study):
    told = measure_chances(published, RATIO, seed=SEED)
    untold = measure_chances(published, LabelRule(neutral_share=0.0), seed=SEED)
    assert untold.value is not None
    assert told.value is not None
    assert untold.value > 2 * told.value


def test_the_ratio_rule_beats_hard_labels(shares: list[CaseShares]):
    comparison = compare_rules(draw(shares, Plan("fixed", 128, 128)), RATIO, HARD, seed=SEED)
    for interval in (comparison.f1_interval, comparison.accuracy_interval):
        assert interval.low is not None
        assert interval.low > 0.0


def test_no_right_step_of_a_good_policy_is_really_a_loss(published: Study):
    exact = find_exact_truth(published, RATIO.epsilon)
    known = (exact != UNKNOWN) & (published.truth != UNKNOWN)
    assert known.sum() >= 0.9 * (published.truth != UNKNOWN).sum()
    assert (exact[known] == published.truth[known]).all()


# --- Real rollouts --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sampled() -> list[CaseCounts]:
    return sample(5, plan="sequential", samples=32, start_samples=16)


def test_real_rollouts_are_labelled_as_planted(sampled: list[CaseCounts]):
    quality = measure_labels(build_study(sampled), RATIO, seed=SEED)
    assert quality.recall.hits == quality.recall.trials >= 5
    # One false alarm would be no surprise in so many steps.
    assert quality.precision.trials - quality.precision.hits <= 1


def test_real_rollouts_succeed_as_often_as_computed(
    sampled: list[CaseCounts], shares: list[CaseShares]
):
    # Over all places together: four standard errors, and what was left out.
    hits = low = high = variance = 0.0
    for counts, exact in zip(sampled, shares, strict=False):
        places = zip(
            (counts.start, *counts.right, counts.planted),
            (exact.start, *exact.right, exact.planted),
            strict=True,
        )
        for count, bounds in places:
            n = sum(count)
            hits += count.correct
            low += n * bounds.low
            high += n * bounds.high
            variance += n * bounds.share * (1 - bounds.share)
    room = 4 * math.sqrt(variance)
    assert low - room <= hits <= high + room
    assert high - low < 0.15 * high


def test_the_same_seed_gives_the_same_counts():
    few = {"plan": "fixed", "samples": 8, "start_samples": 8}
    assert sample(1, **few) == sample(1, **few)


# --- Cases and arrays -----------------------------------------------------------------------------


def test_an_error_is_planted_before_the_last_step_of_a_problem_never_trained_on():
    for case in CASES:
        assert case.attempt.problem.is_held_out
        assert case.position < len(case.right.steps) - 1
        shared = case.wrong.steps[: case.position]
        assert shared == case.right.steps[: case.position]
        assert case.wrong.steps[case.position] != case.right.steps[case.position]
        assert len(case.wrong.steps) == case.position + 2


def test_the_two_seeds_have_other_problems():
    texts = {case.attempt.problem.text for case in CASES}
    assert texts.isdisjoint(case.attempt.problem.text for case in draw_cases(DEVELOPMENT_SEED, 20))


def tried(correct: int, trials: int = 10) -> Counts:
    return Counts(correct=correct, wrong=trials - correct)


def known(*shares: float) -> tuple[SuccessBounds, ...]:
    return tuple(SuccessBounds(share, 1 - share) for share in shares)


# Four steps, the second one planted.
COUNTS = CaseCounts(1, tried(8), (tried(8), tried(9), tried(10)), tried(1))
SHARES = CaseShares(1, known(0.8)[0], known(0.8, 0.88, 1.0), known(0.1)[0])


def test_each_step_has_one_truth_and_is_counted_once():
    study = build_study([COUNTS])
    assert study.truth.tolist() == [CORRECT, CORRECT, CORRECT, UNKNOWN, WRONG]
    assert study.table.steps[:, 0].tolist() == [8, 9, 10, 8, 1]
    assert study.earlier[:, 0].tolist() == [8, 8, 9, 8, 8]
    assert study.cluster.tolist() == [0] * 5


def test_the_exact_truth_is_the_relative_progress():
    study = build_study([COUNTS], [SHARES])
    assert study.low == pytest.approx([1.0, 1.1, 1 / 0.88, 1.0, 0.125])
    assert find_exact_truth(study, 0.8).tolist() == [CORRECT, CORRECT, CORRECT, UNKNOWN, WRONG]


def test_what_the_bounds_do_not_tell_is_unknown():
    # Between 0.6 / 0.8 and 0.7 / 0.8.
    vague = SHARES._replace(planted=SuccessBounds(0.6, 0.3))
    assert find_exact_truth(build_study([COUNTS], [vague]), 0.8).tolist()[-1] == UNKNOWN
    assert find_exact_truth(build_study([COUNTS], [vague]), 0.7).tolist()[-1] == CORRECT
    assert find_exact_truth(build_study([COUNTS], [vague]), 0.9).tolist()[-1] == WRONG


def test_a_step_after_nothing_has_no_exact_truth():
    hopeless = SHARES._replace(start=SuccessBounds(0.0, 1.0))
    assert find_exact_truth(build_study([COUNTS], [hopeless]), 0.8).tolist()[0] == UNKNOWN


def test_quality_is_counted_on_settled_steps():
    # Two cases: one wrong step found and one right step taken for wrong (1 of 10 after 8 of 10);
    # in the other the wrong step is missed.
    first = COUNTS._replace(right=(tried(8), tried(1), tried(10)))
    missed = COUNTS._replace(planted=tried(10))
    rule = replace(RATIO, neutral_share=0.0, band_low=0.5, band_high=0.5)
    quality = measure_labels(build_study([first, missed]), rule, seed=SEED)
    assert (quality.precision.hits, quality.precision.trials) == (1, 2)
    assert (quality.recall.hits, quality.recall.trials) == (1, 2)
    assert (quality.n_steps, quality.n_open, quality.n_unknown) == (8, 0, 0)


def test_nothing_labelled_wrong_has_no_precision():
    quality = measure_labels(build_study([COUNTS._replace(planted=tried(10))]), HARD, seed=SEED)
    assert (quality.precision.value, quality.precision.trials) == (None, 0)
    assert (quality.recall.value, quality.recall.trials) == (0.0, 1)


def test_an_interval_does_not_shrink_to_a_point():
    quality = measure_labels(build_study([COUNTS] * 10), RATIO, seed=SEED)
    # Wilson 1927 for 10 of 10: from 0.722.
    assert quality.recall.low == pytest.approx(0.7225, abs=1e-4)


def test_a_rule_beside_itself_is_no_better():
    comparison = compare_rules(build_study([COUNTS] * 5), RATIO, RATIO, seed=SEED)
    assert (comparison.accuracy, comparison.f1) == (0.0, 0.0)


def test_the_difference_of_two_rules_is_counted_on_the_same_steps():
    # Ratio: all 4 steps right. Hard: the planted one, 1 of 10, passes. Accuracy 1 - 3/4, F1 1 - 0.
    comparison = compare_rules(build_study([COUNTS] * 2), RATIO, HARD, seed=SEED, where="all")
    assert (comparison.accuracy, comparison.f1) == (0.25, 1.0)
    assert comparison.n_steps == 8


def test_chances_are_of_a_ratio():
    with pytest.raises(ValueError, match="ratio"):
        measure_chances(build_study([COUNTS], [SHARES]), HARD, seed=SEED)


def test_counts_are_drawn_at_the_exact_chances():
    rng = np.random.default_rng(3)
    drawn = [draw_counts(SHARES, Plan("fixed", 16, 32), rng) for _ in range(400)]
    assert {sum(case.start) for case in drawn} == {32}
    assert {sum(row) for case in drawn for row in (*case.right, case.planted)} == {16}
    # Four standard errors of a share of 400 x 16.
    share = np.mean([case.planted.correct for case in drawn]) / 16
    assert share == pytest.approx(0.1, abs=4 * (0.1 * 0.9 / 6_400) ** 0.5)


def test_a_sequential_plan_cannot_be_drawn():
    with pytest.raises(ValueError, match="sequential"):
        draw_counts(SHARES, Plan("sequential"), np.random.default_rng(1))


def test_counts_and_chances_are_of_the_same_cases():
    with pytest.raises(ValueError, match="same cases"):
        build_study([COUNTS, COUNTS], [SHARES])


def test_the_share_of_neutral_steps_is_found_again():
    rng = np.random.default_rng(6)
    cases = []
    for _ in range(1_500):
        start = rng.beta(0.5, 0.5)
        after = start if rng.random() < 0.7 else rng.beta(0.5, 0.5)
        start_hits, hits = rng.binomial(64, [start, after])
        # The planted step repeats the problem's own rate, and is left out below.
        cases.append(CaseCounts(0, tried(int(start_hits), 64), (tried(int(hits), 64),), tried(0)))
    study = build_study(cases)
    only_right = replace(study, truth=np.where(study.truth == WRONG, UNKNOWN, study.truth))
    assert fit_neutral_share(only_right, LabelRule()) == pytest.approx(0.7, abs=0.06)


def test_no_counts_have_no_neutral_share():
    nothing = CaseCounts(0, Counts(failed=8), (Counts(failed=8),), Counts(failed=8))
    assert fit_neutral_share(build_study([nothing]), LabelRule()) is None
