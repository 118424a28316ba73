from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from modeljobs.methods.rpe_labels import (
    CORRECT,
    UNKNOWN,
    WRONG,
    Counts,
    CountTable,
    LabelRule,
    StepLabels,
    describe_share,
    estimate_mc,
    estimate_progress,
    find_ambiguous,
    label_counts,
    label_shares,
    pack_counts,
    read_rule,
)
from modeljobs.methods.rpe_posteriors import Prior, compare_rates, find_prior_weight, rate_above

RATIO = LabelRule()


def one_solution(start: float, *shares: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.array(shares), np.array([start]), np.array([0, len(shares)])


def label(start: float, *shares: float, rule: LabelRule = RATIO) -> StepLabels:
    return label_shares(*one_solution(start, *shares), rule)


def verdicts(start: float, *shares: float, rule: LabelRule = RATIO) -> list[int]:
    return [int(verdict) for verdict in label(start, *shares, rule=rule).verdicts]


def sampled(correct: int, trials: int) -> Counts:
    return Counts(correct=correct, wrong=trials - correct)


# --- Rules ----------------------------------------------------------------------------------------


def test_the_ratio_rule_divides_by_the_value_before():
    # 0.9 / 0.9 = 1, 0.45 / 0.9 = 0.5, 0.45 / 0.45 = 1
    found = label(0.9, 0.9, 0.45, 0.45)
    assert found.progress == pytest.approx([1, 0.5, 1])
    assert found.verdicts.tolist() == [CORRECT, WRONG, CORRECT]


def test_the_first_step_is_divided_by_pass_at_1():
    assert label(0.5, 0.25).progress == pytest.approx([0.5])


def test_the_hard_rule_asks_for_one_success():
    assert verdicts(0.5, 0.01, 0.0, rule=LabelRule(kind="hard")) == [CORRECT, WRONG]


def test_the_soft_rule_gives_values_and_no_verdicts():
    found = label(0.5, 0.75, 0.25, rule=LabelRule(kind="soft"))
    assert found.progress == pytest.approx([0.75, 0.25])
    assert found.verdicts.tolist() == [UNKNOWN, UNKNOWN]


def test_the_difference_rule_compares_the_change():
    # 0.6 - 0.8 = -0.2, 0.2 - 0.6 = -0.4
    assert verdicts(0.8, 0.6, 0.2, rule=LabelRule(kind="difference")) == [CORRECT, WRONG]


@pytest.mark.parametrize(
    ("start", "share", "rule"),
    [
        # 0.72 / 0.9 comes to 0.7999999999999999, 0.5 - 0.8 to -0.30000000000000004.
        (0.9, 0.72, RATIO),
        (0.8, 0.5, LabelRule(kind="difference")),
    ],
)
def test_a_value_on_the_threshold_passes_in_spite_of_rounding(start, share, rule):
    assert verdicts(start, share, rule=rule) == [CORRECT]


def test_each_solution_begins_with_its_own_problem():
    found = label_shares(
        np.array([0.5, 0.5, 0.9]), np.array([0.5, 1.0]), np.array([0, 2, 3]), RATIO
    )
    assert found.progress == pytest.approx([1, 1, 0.9])


def test_a_solution_without_steps_takes_no_place():
    found = label_shares(np.array([0.5]), np.array([0.3, 0.5]), np.array([0, 0, 1]), RATIO)
    assert found.progress == pytest.approx([1])


# --- Edges ----------------------------------------------------------------------------------------


def test_zero_absorbs_what_comes_after_it():
    found = label(0.5, 0.5, 0.0, 0.4, 1.0)
    assert found.mc.tolist() == [0.5, 0, 0, 0]
    assert found.verdicts.tolist() == [CORRECT, WRONG, WRONG, WRONG]
    assert found.is_absorbed.tolist() == [False, False, True, True]


def test_zero_does_not_absorb_the_next_solution():
    found = label_shares(np.array([0.0, 0.5]), np.array([0.5, 0.5]), np.array([0, 1, 2]), RATIO)
    assert found.verdicts.tolist() == [WRONG, CORRECT]


def test_without_absorption_something_after_nothing_is_progress():
    rule = LabelRule(zero_absorbs=False)
    found = label(0.5, 0.0, 0.4, rule=rule)
    assert found.verdicts.tolist() == [WRONG, CORRECT]
    assert found.progress[1] == math.inf


@pytest.mark.parametrize(
    ("value", "verdict"), [("zero", WRONG), ("one", CORRECT), ("unknown", UNKNOWN)]
)
def test_nothing_after_nothing_is_a_setting(value, verdict):
    rule = LabelRule(zero_absorbs=False, zero_over_zero=value)
    assert verdicts(0.5, 0.0, 0.0, rule=rule) == [WRONG, verdict]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("unknown", [UNKNOWN, UNKNOWN]),
        ("absorb", [WRONG, WRONG]),
        ("use", [CORRECT, CORRECT]),
    ],
)
def test_a_problem_that_no_rollout_solves_is_a_setting(value, expected):
    assert verdicts(0.0, 0.2, 0.2, rule=LabelRule(start_zero=value)) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [("use", [CORRECT, WRONG]), ("unknown", [UNKNOWN, UNKNOWN])]
)
def test_a_problem_that_every_rollout_solves_is_a_setting(value, expected):
    assert verdicts(1.0, 0.9, 0.5, rule=LabelRule(start_one=value)) == expected


def test_an_unknown_value_leaves_its_step_and_the_next_without_a_verdict():
    assert verdicts(0.5, math.nan, 0.5, 0.5) == [UNKNOWN, UNKNOWN, CORRECT]


def test_failures_leave_the_denominator():
    counts = np.array([Counts(correct=3, wrong=1, failed=4)])
    assert estimate_mc(counts, RATIO) == pytest.approx([0.75])


@pytest.mark.parametrize("name", ["truncated", "unparsable"])
def test_truncated_and_unparsable_are_wrong_unless_told_otherwise(name):
    counts = np.array([Counts(correct=3, wrong=1)._replace(**{name: 4})])
    assert estimate_mc(counts, RATIO) == pytest.approx([3 / 8])
    told = read_rule({name: "leave_out"})
    assert estimate_mc(counts, told) == pytest.approx([3 / 4])


def test_few_undecided_answers_are_left_out():
    counts = np.array([Counts(correct=9, wrong=9, undecided=2)])
    assert estimate_mc(counts, RATIO) == pytest.approx([0.5])


def test_many_undecided_answers_leave_mc_unknown():
    counts = np.array([Counts(correct=9, wrong=0, undecided=2)])
    assert np.isnan(estimate_mc(counts, RATIO)).all()
    assert estimate_mc(counts, LabelRule(undecided="wrong")) == pytest.approx([9 / 11])


def test_no_rollout_at_all_is_unknown():
    assert np.isnan(estimate_mc(np.array([Counts(failed=8)]), RATIO)).all()
    assert describe_share(Counts(failed=8), RATIO).value is None


def test_an_mc_value_comes_with_wilsons_interval():
    # Wilson 1927 for 8 of 10 at 95 %: 0.490 to 0.943.
    share = describe_share(sampled(8, 10), RATIO)
    assert share.value == pytest.approx(0.8)
    assert (share.low, share.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_the_last_step_is_judged_by_its_answer_alone():
    table = pack_counts([(sampled(4, 8), [sampled(4, 8), Counts(wrong=1)])])
    assert table.is_exact.tolist() == [False, True]
    assert label_counts(table, RATIO).verdicts.tolist() == [CORRECT, WRONG]


def test_counts_become_the_labels_of_their_shares():
    table = pack_counts([(sampled(48, 64), [sampled(48, 64), sampled(12, 64), Counts(correct=1)])])
    assert label_counts(table, RATIO).progress == pytest.approx([1, 0.25, 1 / 0.1875])


def test_a_rule_is_read_from_settings():
    given = {"rule": "difference", "threshold": -0.5, "prior": "uniform", "chunk": 8}
    assert read_rule(given) == LabelRule(kind="difference", threshold=-0.5, prior="uniform")


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "vague"},
        {"epsilon": 0.0},
        {"threshold": -2.0},
        {"undecided_limit": 2.0},
        {"prior": "mine"},
        {"neutral_share": 1.0},
        {"band_low": 0.9, "band_high": 0.1},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(fields):
    with pytest.raises(ValueError, match="must"):
        LabelRule(**fields)


@pytest.mark.parametrize(
    ("steps", "offsets"),
    [
        (np.zeros((2, 5), dtype=np.int64), [0, 2]),
        (np.zeros((2, 6), dtype=np.int64), [0, 1]),
        (np.full((2, 6), -1, dtype=np.int64), [0, 2]),
    ],
)
def test_a_table_that_does_not_fit_together_is_refused(steps, offsets):
    with pytest.raises(ValueError, match="."):
        CountTable(steps, np.zeros((1, 6), np.int64), np.array(offsets), np.zeros(2, np.bool_))


def test_a_step_judged_by_its_answer_has_one_count():
    with pytest.raises(ValueError, match="one count"):
        pack_counts([(sampled(4, 8), [sampled(4, 8)])])


# --- Properties -----------------------------------------------------------------------------------

SHARES = st.lists(
    st.integers(0, 16).map(lambda count: count / 16) | st.just(math.nan), min_size=1, max_size=8
)


@settings(deadline=None)
@given(start=st.integers(1, 16), shares=SHARES, epsilons=st.tuples(*[st.floats(0.01, 1)] * 2))
def test_a_higher_epsilon_makes_no_step_correct(start, shares, epsilons):
    low, high = sorted(epsilons)
    lenient = verdicts(start / 16, *shares, rule=LabelRule(epsilon=low))
    strict = verdicts(start / 16, *shares, rule=LabelRule(epsilon=high))
    assert all(a >= b for a, b in zip(lenient, strict, strict=True))
    assert [a == UNKNOWN for a in lenient] == [b == UNKNOWN for b in strict]


@settings(deadline=None)
@given(
    start=st.integers(1, 16),
    shares=SHARES,
    kind=st.sampled_from(["ratio", "hard"]),
)
def test_after_a_zero_nothing_is_correct(start, shares, kind):
    found = label(start / 16, *shares, rule=LabelRule(kind=kind))
    if 0.0 in shares:
        after = shares.index(0.0)
        assert (found.verdicts[after + 1 :] == WRONG).all()
        assert (found.mc[after:] == 0).all()


@settings(deadline=None)
@given(
    solutions=st.lists(
        st.tuples(
            st.integers(0, 8),
            st.lists(st.integers(0, 8), min_size=1, max_size=5),
            st.integers(0, 1),
        ),
        min_size=1,
        max_size=6,
    ),
    order=st.randoms(use_true_random=False),
)
def test_solutions_do_not_depend_on_their_order(solutions, order):
    rows = [
        (sampled(start, 8), [*(sampled(count, 8) for count in counts), Counts(correct=ending)])
        for start, counts, ending in solutions
    ]
    places = list(range(len(rows)))
    order.shuffle(places)

    def read(chosen: list[int]) -> dict[int, tuple[list[float], list[float]]]:
        table = pack_counts([rows[place] for place in chosen])
        found, chances = label_counts(table, RATIO), estimate_progress(table, RATIO)
        bounds = table.offsets
        return {
            place: (
                found.verdicts[bounds[at] : bounds[at + 1]].tolist(),
                chances[bounds[at] : bounds[at + 1]].round(9).tolist(),
            )
            for at, place in enumerate(chosen)
        }

    assert repr(sorted(read(list(range(len(rows)))).items())) == repr(sorted(read(places).items()))


# --- Posteriors -----------------------------------------------------------------------------------


def integrate_exactly(
    counts: tuple[int, int, int, int], *, slope: float, offset: float, prior: Prior
) -> float:
    """P(X >= slope Y + offset) by adaptive integration over Y."""
    weight = find_prior_weight(prior)
    total = 0.0
    x = stats.beta(counts[0] + weight, counts[1] - counts[0] + weight)
    y = stats.beta(counts[2] + weight, counts[3] - counts[2] + weight)
    cuts = {0.0, 1.0, *(float(y.ppf(q)) for q in (0.001, 0.1, 0.5, 0.9, 0.999))}
    cuts |= {min(max(-offset / slope, 0.0), 1.0)}
    edges = sorted(cuts)
    for low, high in zip(edges, edges[1:], strict=False):
        total += integrate.quad(
            lambda at: y.pdf(at) * x.sf(slope * at + offset), low, high, limit=200
        )[0]
    return total


@pytest.mark.parametrize("prior", ["jeffreys", "uniform"])
@pytest.mark.parametrize(("slope", "offset"), [(0.8, 0.0), (1.0, 0.0), (1.0, -0.3), (1.0, 0.1)])
@pytest.mark.parametrize(
    "counts",
    [
        (0, 1, 0, 1),
        (1, 1, 1, 1),
        (0, 8, 7, 8),
        (8, 8, 2, 8),
        (30, 64, 32, 64),
        (64, 64, 60, 64),
        (3, 32, 100, 128),
        (900, 2000, 1000, 2000),
    ],
)
def test_the_quadrature_agrees_with_scipy(counts, slope, offset, prior):
    found = compare_rates(
        *(np.array([count]) for count in counts), slope=slope, offset=offset, prior=prior
    )
    expected = integrate_exactly(counts, slope=slope, offset=offset, prior=prior)
    assert found[0] == pytest.approx(expected, abs=1e-6)


def test_the_quadrature_agrees_with_monte_carlo():
    rng = np.random.default_rng(11)
    draws = 400_000
    for correct, earlier in ((20, 30), (28, 32), (0, 2)):
        x = rng.beta(correct + 0.5, 32 - correct + 0.5, draws)
        y = rng.beta(earlier + 0.5, 32 - earlier + 0.5, draws)
        found = compare_rates(
            np.array([correct]), np.array([32]), np.array([earlier]), np.array([32]), slope=0.8
        )
        # Four standard errors of a share of so many draws.
        assert found[0] == pytest.approx((x >= 0.8 * y).mean(), abs=4 * 0.5 / draws**0.5)


def test_many_rows_are_integrated_as_each_alone():
    rng = np.random.default_rng(3)
    trials = rng.choice([32, 64, 128], 300)
    successes, earlier = rng.binomial(trials, 0.6), rng.binomial(trials, 0.7)
    together = compare_rates(successes, trials, earlier, trials, slope=0.8)
    alone = [
        compare_rates(
            *(row[at : at + 1] for row in (successes, trials, earlier, trials)), slope=0.8
        )
        for at in range(20)
    ]
    assert together[:20] == pytest.approx(np.concatenate(alone), abs=1e-6)


def test_without_trials_there_is_no_posterior():
    nothing, some = np.array([0]), np.array([4])
    assert np.isnan(compare_rates(nothing, nothing, some, some, slope=0.8)).all()
    assert np.isnan(rate_above(nothing, nothing, 0.5)).all()


def test_a_rate_beside_a_known_one_is_the_beta_tail():
    found = rate_above(np.array([3, 8]), np.array([8, 8]), 0.5, prior="uniform")
    assert found == pytest.approx([stats.beta(4, 6).sf(0.5), stats.beta(9, 1).sf(0.5)], abs=1e-7)


def test_a_right_ending_passes_for_certain_and_a_wrong_one_never():
    for ending, chance in ((Counts(correct=1), 1.0), (Counts(wrong=1), 0.0)):
        table = pack_counts([(sampled(4, 8), [sampled(4, 8), ending])])
        assert estimate_progress(table, RATIO)[1] == pytest.approx(chance, abs=1e-9)


def test_a_wrong_ending_after_a_low_value_is_a_small_difference():
    rule = LabelRule(kind="difference")
    table = pack_counts([(sampled(1, 8), [sampled(1, 8), Counts(wrong=1)])])
    # 0 - Y >= -0.3 as Y <= 0.3
    assert estimate_progress(table, rule)[1] == pytest.approx(
        stats.beta(1.5, 7.5).cdf(0.3), abs=1e-7
    )


def test_the_posterior_is_calibrated_where_its_prior_holds():
    rng = np.random.default_rng(5)
    for prior in ("jeffreys", "uniform"):
        weight, n = find_prior_weight(prior), 40_000
        truth, earlier = rng.beta(weight, weight, (2, n))
        trials = rng.choice([32, 64, 128], n)
        found = compare_rates(
            rng.binomial(trials, truth),
            trials,
            rng.binomial(trials, earlier),
            trials,
            slope=0.8,
            prior=prior,
        )
        assert find_calibration_error(found, truth >= 0.8 * earlier) <= 0.03


def test_a_share_of_neutral_steps_weighs_one_rate_against_two():
    # Uniform prior, 1 of 1 and 1 of 1: as one rate B(3, 1) = 1/3, as two B(2, 1)^2 = 1/4.
    # At even odds the first has (1/3) / (1/3 + 1/4) = 4/7, and then the step passes.
    one = np.array([1])
    apart = compare_rates(one, one, one, one, slope=0.8, prior="uniform")[0]
    found = compare_rates(one, one, one, one, slope=0.8, prior="uniform", neutral_share=0.5)[0]
    assert found == pytest.approx(4 / 7 + 3 / 7 * apart, abs=1e-9)


def test_a_neutral_step_does_not_pass_where_an_increase_is_asked_for():
    row = np.array([30]), np.array([64]), np.array([30]), np.array([64])
    apart = compare_rates(*row, slope=1.0, offset=0.1)
    assert compare_rates(*row, slope=1.0, offset=0.1, neutral_share=0.5) < apart


def test_the_posterior_is_calibrated_where_most_steps_change_nothing():
    rng = np.random.default_rng(7)
    n, share = 40_000, 0.8
    earlier = rng.beta(0.5, 0.5, n)
    truth = np.where(rng.random(n) < share, earlier, rng.beta(0.5, 0.5, n))
    trials = np.full(n, 64)
    row = rng.binomial(trials, truth), trials, rng.binomial(trials, earlier), trials
    outcomes = truth >= 0.8 * earlier
    told = compare_rates(*row, slope=0.8, neutral_share=share)
    untold = compare_rates(*row, slope=0.8)
    assert find_calibration_error(told, outcomes) <= 0.03
    assert find_calibration_error(untold, outcomes) > 0.03


def find_calibration_error(chances: np.ndarray, outcomes: np.ndarray) -> float:
    """The mean over ten bins of |stated chance - share|, weighted by size."""
    bins = np.minimum((chances * 10).astype(int), 9)
    sizes = np.bincount(bins, minlength=10)
    gaps = np.bincount(bins, weights=chances - outcomes, minlength=10)
    return float(np.abs(gaps).sum() / sizes.sum())


# --- Open steps -----------------------------------------------------------------------------------


def find_open(*rows: Counts, start: Counts, rule: LabelRule = RATIO) -> list[bool]:
    table = pack_counts([(start, rows)])
    labels, chances = label_counts(table, rule), estimate_progress(table, rule)
    return [bool(one) for one in find_ambiguous(table, labels, chances, rule)]


def test_a_step_on_the_edge_is_open_and_a_clear_one_is_not():
    # 26/64 of 32/64 is 0.81; 2/64 of 26/64 is 0.08.
    assert find_open(sampled(26, 64), sampled(2, 64), Counts(wrong=1), start=sampled(32, 64)) == [
        True,
        False,
        False,
    ]


def test_absorbed_steps_are_as_open_as_their_zero():
    # 0/16 after 1/16 may well be chance, and so may all that is wrong because of it.
    apart = LabelRule(neutral_share=0.0)
    doubtful = find_open(
        *(sampled(1, 16), sampled(0, 16), sampled(0, 16), Counts(wrong=1)),
        start=sampled(8, 16),
        rule=apart,
    )
    assert doubtful == [False, True, True, True]
    certain = find_open(sampled(0, 64), sampled(0, 64), Counts(wrong=1), start=sampled(60, 64))
    assert certain == [False, False, False]


def test_a_step_without_a_verdict_is_unknown_and_not_open():
    assert find_open(sampled(3, 8), Counts(correct=1), start=sampled(0, 8)) == [False, False]


def test_rules_without_a_posterior_leave_nothing_open():
    for kind in ("hard", "soft"):
        rule = LabelRule(kind=kind)
        rows = sampled(26, 64), Counts(correct=1)
        assert find_open(*rows, start=sampled(32, 64), rule=rule) == [False, False]


# --- Label noise ----------------------------------------------------------------------------------

# (true MC before, true MC after, K, P(labelled 1)), as modelled with 4,000 draws each.
PUBLISHED_NOISE = [
    (0.95, 0.95, 32, 1.00),
    (0.8, 0.8, 64, 0.995),
    (0.5, 0.5, 64, 0.90),
    (0.3, 0.3, 64, 0.80),
    (0.2, 0.2, 64, 0.74),
    (0.1, 0.1, 64, 0.66),
    (0.05, 0.05, 128, 0.67),
    (0.5, 0.4, 64, 0.49),
    (0.5, 0.35, 64, 0.26),
    (0.5, 0.25, 64, 0.02),
    (0.95, 0.7, 32, 0.27),
    (0.2, 0.1, 64, 0.15),
    (0.05, 0.02, 128, 0.16),
]


@pytest.mark.parametrize(("before", "after", "rollouts", "share"), PUBLISHED_NOISE)
def test_label_noise_is_as_modelled(before, after, rollouts, share):
    draws = 40_000
    rng = np.random.default_rng(17)
    starts = np.zeros((draws, 6), dtype=np.int64)
    steps = np.zeros((draws, 6), dtype=np.int64)
    starts[:, 0], steps[:, 0] = rng.binomial(rollouts, [[before], [after]], (2, draws))
    starts[:, 1], steps[:, 1] = rollouts - starts[:, 0], rollouts - steps[:, 0]
    table = CountTable(steps, starts, np.arange(draws + 1), np.zeros(draws, dtype=np.bool_))
    rule = LabelRule(start_zero="absorb")
    found = (label_counts(table, rule).verdicts == CORRECT).mean()
    # Four standard errors of the stated share (4,000 draws) and of ours, and its rounding.
    error = 4 * (share * (1 - share) * (1 / 4_000 + 1 / draws)) ** 0.5
    assert found == pytest.approx(share, abs=error + 0.005)
