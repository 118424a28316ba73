"""Published and recomputed values, each with its source, to 1e-6 or to the digits printed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from labeling.metrics.additive import finish_alpha
from labeling.metrics.agreement import (
    brennan_prediger,
    conger_kappa,
    fleiss_kappa,
    fleiss_kappa_generalised,
    gwet_ac1,
    gwet_ac2,
    krippendorff_alpha,
    percent_agreement,
    summarise_nominal,
)
from labeling.metrics.coefficients import Coefficient
from labeling.metrics.pairs import (
    build_pairwise_table,
    cohen_kappa,
    expand_table,
    negative_agreement,
    positive_agreement,
    read_pair_table,
    tabulate_pair,
)
from labeling.metrics.ratings import (
    Category,
    Ratings,
    UnitCounts,
    count_values,
    encode_labels,
    order_labels,
    pack_ratings,
    read_count_table,
)
from labeling.metrics.standard_errors import cohen_standard_error, gwet_standard_error
from labeling.metrics.weights import Level, Weighting, build_weights


def pack_rows(rows: Sequence[str], *, categories: Sequence[Category] | None = None) -> Ratings:
    """One line of labels for each rater, a column for each unit; a dot is a missing rating."""
    labels = [None if label == "." else label for row in rows for label in row.split()]
    given = order_labels([label for label in labels if label is not None])
    listed = given if categories is None else categories
    n_units = len(rows[0].split())
    return pack_ratings(
        unit=np.tile(np.arange(n_units), len(rows)),
        rater=np.repeat(np.arange(len(rows)), n_units),
        value=encode_labels(labels, categories=listed),
        categories=listed,
    )


def read_counts(text: str) -> UnitCounts:
    """Counts for each unit, separated by bars or line ends."""
    rows = text.replace("\n", "|").split("|")
    return read_count_table([[int(n) for n in row.split()] for row in rows if row.strip()])


def value_of(coefficient: Coefficient) -> float:
    assert coefficient.value is not None, coefficient.explanation
    return coefficient.value


# K1: Krippendorff 2011, "Computing Krippendorff's alpha-reliability": 4 observers, 12 units.
K1 = pack_rows(
    [
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    ]
)
# K2: the worked example of Wikipedia, "Krippendorff's alpha": 3 coders, 15 units.
K2 = pack_rows(
    [
        ". . . . . 3 4 1 2 1 1 3 3 . 3",
        "1 . 2 1 3 3 4 3 . . . . . . .",
        ". . 2 1 3 4 4 . 2 1 1 3 3 . 4",
    ]
)
# K3, K4: Krippendorff 2011, sections on binary and nominal data with two observers.
K3 = pack_rows(["0 1 0 0 0 0 0 0 1 0", "1 1 1 0 0 1 0 0 0 0"])
K4 = pack_rows(["a a b b d c c c e d d a", "b a b b b c c c e d d d"])

# F1: Fleiss 1971, "Measuring nominal scale agreement among many raters", table 1.
F1 = read_counts(
    """0 0 0 6 0|0 3 0 0 3|0 1 4 0 1|0 0 0 0 6|0 3 0 3 0|2 0 4 0 0|0 0 4 0 2|2 0 3 1 0
    2 0 0 4 0|0 0 0 0 6|1 0 0 5 0|1 1 0 4 0|0 3 3 0 0|1 0 0 5 0|0 2 0 3 1|0 0 5 0 1
    3 0 0 1 2|5 1 0 0 0|0 2 0 4 0|1 0 2 0 3|0 0 0 0 6|0 1 0 5 0|0 2 0 1 3|2 0 0 4 0
    1 0 0 4 1|0 5 0 1 0|4 0 0 0 2|0 2 0 4 0|1 0 5 0 0|0 0 0 0 6"""
)
# F2: the worked example of Wikipedia, "Fleiss' kappa".
F2 = read_counts(
    """0 0 0 0 14|0 2 6 4 2|0 0 3 5 6|0 3 9 2 0|2 2 8 1 1|7 7 0 0 0|3 2 6 3 0|2 5 3 2 2
    6 5 2 1 0|0 2 2 3 7"""
)

# C1: Cohen 1960, "A coefficient of agreement for nominal scales".
C1 = read_pair_table([[88, 14, 18], [10, 40, 10], [2, 6, 12]])
# C2: the worked example of Wikipedia, "Cohen's kappa".
C2 = read_pair_table([[20, 5], [10, 15]])
# C3, C4: Feinstein & Cicchetti 1990, "High agreement but low kappa: I".
C3 = read_pair_table([[40, 9], [6, 45]])
C4 = read_pair_table([[80, 10], [5, 5]])
# G1: Gwet 2008, "Computing inter-rater reliability and its variance in the presence of high
# agreement".
G1 = read_pair_table([[118, 5], [2, 0]])
# G2: a prevalence like that of process labels, 95 % of the steps correct.
G2 = read_pair_table([[930, 25], [25, 20]])
# Weighted kappa check, published in CTA-Bench.
CTA = read_pair_table([[7, 1, 0], [6, 146, 8], [0, 9, 97]])

# Our own steps: 3 annotators, 5 solutions, 20 steps; c did not see s4 and stopped early in s1.
STEPS = pack_rows(
    [
        "1 1 -1 -1 -1  1 1 1 1  1 1 1 1 -1 -1   0 1 1  -1 -1",
        "1 1 -1 -1 -1  1 0 1 1  1 1 1 -1 -1 -1  1 1 1  1 -1",
        "1 0 -1 . .    1 1 1 1  1 1 1 1 -1 -1   . . .  -1 0",
    ],
    categories=("-1", "0", "1"),
)


@pytest.mark.parametrize(
    ("level", "expected", "published"),
    [
        ("nominal", 0.743421, 0.743),
        ("ordinal", 0.815388, 0.815),
        ("interval", 0.849107, 0.849),
        ("ratio", 0.797403, 0.797),
    ],
)
def test_k1_alpha(level: Level, expected: float, published: float) -> None:
    alpha = krippendorff_alpha(K1, level=level)

    assert alpha.value == pytest.approx(expected, abs=1e-6)
    assert round(value_of(alpha), 3) == published
    # Unit 12 has one rating: 11 units and 40 of the 41 ratings remain.
    assert (alpha.n_units, alpha.n_ratings, alpha.n_raters) == (11, 40, 4)


def test_k1_gwet_ac1() -> None:
    ac1 = gwet_ac1(K1)

    assert ac1.value == pytest.approx(0.77544, abs=5e-6)
    assert ac1.observed == pytest.approx(0.81818, abs=5e-6)
    # Over all 12 rated units, unit 12 with its one rating among them.
    assert ac1.expected == pytest.approx(0.19032, abs=5e-6)


def test_k1_gwet_ac1_standard_error() -> None:
    assert gwet_standard_error(K1) == pytest.approx(0.14295, abs=5e-6)


def test_k1_fleiss_generalised() -> None:
    assert fleiss_kappa_generalised(K1).value == pytest.approx(0.76117, abs=5e-6)


def test_k1_conger() -> None:
    assert conger_kappa(K1).value == pytest.approx(0.76207, abs=5e-6)


def test_k1_brennan_prediger() -> None:
    assert brennan_prediger(K1).value == pytest.approx(0.77273, abs=5e-6)


@pytest.mark.parametrize(
    ("weighting", "expected"),
    [("linear", 0.85874), ("quadratic", 0.91400), ("ordinal", 0.89894)],
)
def test_k1_gwet_ac2(weighting: Weighting, expected: float) -> None:
    assert gwet_ac2(K1, weighting=weighting).value == pytest.approx(expected, abs=5e-6)


@pytest.mark.parametrize(
    ("weighting", "expected"),
    [("ordinal", 0.83364), ("quadratic", 0.84911), ("linear", 0.80038)],
)
def test_k1_alpha_with_gwets_weights_is_another_figure(
    weighting: Weighting, expected: float
) -> None:
    # irrCAC's "Krippendorff" takes 1 - weight as the distance. Only its quadratic weights give a
    # level of Krippendorff's (interval); its ordinal ones do not give 0.815388.
    counts = count_values(K1)
    values = counts.counts[counts.pairable]
    distances = 1.0 - build_weights(counts.scale, weighting=weighting)
    within = ((values @ distances) * values).sum(axis=1) / (values.sum(axis=1) - 1.0)
    totals = values.sum(axis=0)[None]

    alpha = finish_alpha(np.array([within.sum()]), totals, distances).value[0]

    assert alpha == pytest.approx(expected, abs=5e-6)


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("nominal", 0.691358),
        ("ordinal", 0.806721),
        ("interval", 0.810845),
        ("ratio", 0.808944),
    ],
)
def test_k2_alpha(level: Level, expected: float) -> None:
    assert krippendorff_alpha(K2, level=level).value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_k3_binary_alpha(level: Level) -> None:
    assert krippendorff_alpha(K3, level=level).value == pytest.approx(0.095238, abs=1e-6)


def test_k4_nominal_alpha() -> None:
    assert krippendorff_alpha(K4, level="nominal").value == pytest.approx(0.691964, abs=1e-6)


def test_f1_fleiss_kappa() -> None:
    kappa = fleiss_kappa(F1)

    assert kappa.value == pytest.approx(0.430245, abs=1e-6)
    assert round(value_of(kappa), 3) == 0.430
    assert (kappa.n_units, kappa.n_ratings, kappa.n_raters) == (30, 180, None)


def test_f1_marginals() -> None:
    shares = F1.counts.sum(axis=0) / F1.counts.sum()

    assert shares == pytest.approx([0.14444, 0.14444, 0.16667, 0.30556, 0.23889], abs=5e-6)


def test_f2_fleiss_kappa() -> None:
    assert fleiss_kappa(F2).value == pytest.approx(0.209931, abs=1e-6)


@pytest.mark.parametrize(
    ("weighting", "expected"),
    [("unweighted", 0.491525), ("linear", 0.473684), ("quadratic", 0.454545)],
)
def test_c1_cohen_kappa(weighting: Weighting, expected: float) -> None:
    assert cohen_kappa(C1, weighting=weighting).value == pytest.approx(expected, abs=1e-6)


def test_c1_observed_agreement() -> None:
    assert cohen_kappa(C1).observed == pytest.approx(0.70)


def test_c1_standard_error_of_kappa() -> None:
    assert cohen_standard_error(C1) == pytest.approx(0.05100, abs=5e-6)


def test_c1_gwet_ac1() -> None:
    assert gwet_ac1(expand_table(C1)).value == pytest.approx(0.57597, abs=5e-6)


def test_c1_scotts_pi() -> None:
    assert fleiss_kappa(expand_table(C1)).value == pytest.approx(0.48718, abs=5e-6)


def test_c1_brennan_prediger() -> None:
    assert brennan_prediger(expand_table(C1)).value == pytest.approx(0.55)


def test_c1_alpha() -> None:
    alpha = krippendorff_alpha(expand_table(C1), level="nominal")

    assert alpha.value == pytest.approx(0.488462, abs=1e-6)


def test_c2_cohen_kappa() -> None:
    assert cohen_kappa(C2).value == pytest.approx(0.4)


def test_c2_gwet_ac1() -> None:
    assert gwet_ac1(expand_table(C2)).value == pytest.approx(0.40594, abs=5e-6)


def test_c2_scotts_pi() -> None:
    assert fleiss_kappa(expand_table(C2)).value == pytest.approx(0.39394, abs=5e-6)


def test_c2_alpha() -> None:
    assert krippendorff_alpha(expand_table(C2), level="nominal").value == pytest.approx(0.4)


def test_c3_balanced_marginals() -> None:
    kappa = cohen_kappa(C3)

    assert kappa.observed == pytest.approx(0.85)
    assert kappa.value == pytest.approx(0.699519, abs=1e-6)
    assert gwet_ac1(expand_table(C3)).value == pytest.approx(0.70075, abs=5e-6)


def test_c4_kappa_paradox() -> None:
    # The same 85 % as in C3: kappa and alpha collapse with the prevalence, AC1 does not.
    kappa, ratings = cohen_kappa(C4), expand_table(C4)

    assert kappa.observed == pytest.approx(0.85)
    assert kappa.value == pytest.approx(0.318182, abs=1e-6)
    assert gwet_ac1(ratings).value == pytest.approx(0.80800, abs=5e-6)
    assert krippendorff_alpha(ratings, level="nominal").value == pytest.approx(0.317714, abs=1e-6)


def test_g1_observed_and_cohen() -> None:
    kappa = cohen_kappa(G1)

    assert kappa.observed == pytest.approx(0.944)
    assert kappa.value == pytest.approx(-0.023392, abs=1e-6)


def test_g1_scotts_pi() -> None:
    assert fleiss_kappa(expand_table(G1)).value == pytest.approx(-0.02881, abs=5e-6)


def test_g1_gwet_ac1() -> None:
    assert gwet_ac1(expand_table(G1)).value == pytest.approx(0.94078, abs=5e-6)


def test_g1_brennan_prediger() -> None:
    assert brennan_prediger(expand_table(G1)).value == pytest.approx(0.888)


def test_g1_alpha() -> None:
    alpha = krippendorff_alpha(expand_table(G1), level="nominal")

    assert alpha.value == pytest.approx(-0.024691, abs=1e-6)


def test_g2_cohen() -> None:
    kappa = cohen_kappa(G2)

    assert kappa.observed == pytest.approx(0.95)
    assert kappa.value == pytest.approx(0.418266, abs=1e-6)


def test_g2_gwet_ac1() -> None:
    assert gwet_ac1(expand_table(G2)).value == pytest.approx(0.945298, abs=1e-6)


def test_g2_pabak() -> None:
    assert brennan_prediger(expand_table(G2)).value == pytest.approx(0.90)


def test_g2_alpha() -> None:
    alpha = krippendorff_alpha(expand_table(G2), level="nominal")

    assert alpha.value == pytest.approx(0.418557, abs=1e-6)


def test_g2_positive_and_negative_agreement() -> None:
    # 2 * 930 / (2 * 930 + 25 + 25) and 2 * 20 / (2 * 20 + 25 + 25)
    assert positive_agreement(G2, positive=0).value == pytest.approx(0.973822, abs=1e-6)
    assert negative_agreement(G2, positive=0).value == pytest.approx(0.444444, abs=1e-6)


@pytest.mark.parametrize(
    ("weighting", "expected"),
    [("unweighted", 0.8308728975), ("linear", 0.84), ("quadratic", 0.8555867885)],
)
def test_cta_bench_weighted_kappa(weighting: Weighting, expected: float) -> None:
    assert cohen_kappa(CTA, weighting=weighting).value == pytest.approx(expected, abs=1e-9)


def test_cta_bench_interval_alpha_has_its_small_sample_term() -> None:
    # The paper prints .85553, which lacks the n - 1.
    alpha = krippendorff_alpha(expand_table(CTA), level="interval")

    assert alpha.value == pytest.approx(0.855793, abs=1e-6)


@pytest.mark.parametrize(
    ("level", "expected"), [("nominal", 0.593985), ("ordinal", 0.726768), ("interval", 0.748837)]
)
def test_steps_alpha(level: Level, expected: float) -> None:
    # Checked with krippendorff 0.9.0.
    assert krippendorff_alpha(STEPS, level=level).value == pytest.approx(expected, abs=1e-6)


def test_steps_percent_agreement() -> None:
    assert percent_agreement(STEPS).value == pytest.approx(0.78333, abs=5e-6)


def test_steps_gwet() -> None:
    # Checked with irrCAC, which rounds to five decimals.
    assert gwet_ac1(STEPS).value == pytest.approx(0.70457, abs=5e-6)
    assert gwet_ac2(STEPS, weighting="linear").value == pytest.approx(0.74505, abs=5e-6)
    assert gwet_ac2(STEPS, weighting="quadratic").value == pytest.approx(0.77685, abs=5e-6)


def test_steps_other_kappas() -> None:
    assert fleiss_kappa_generalised(STEPS).value == pytest.approx(0.59364, abs=5e-6)
    assert conger_kappa(STEPS).value == pytest.approx(0.59248, abs=5e-6)
    assert brennan_prediger(STEPS).value == pytest.approx(0.67500, abs=5e-6)


@pytest.mark.parametrize(
    ("weighting", "expected"),
    [
        ("unweighted", [0.611650, 0.739130, 0.385246]),
        ("linear", [0.679144, 0.850000, 0.482759]),
        ("quadratic", [0.718310, 0.918919, 0.547945]),
    ],
)
def test_steps_pairwise_cohen(weighting: Weighting, expected: list[float]) -> None:
    table = build_pairwise_table(STEPS, weighting=weighting)

    assert [(pair.first, pair.second) for pair in table.pairs] == [(0, 1), (0, 2), (1, 2)]
    assert [pair.n_units for pair in table.pairs] == [20, 15, 15]
    assert [pair.kappa.value for pair in table.pairs] == pytest.approx(expected, abs=1e-6)


def test_steps_mean_pairwise_cohen() -> None:
    # scikit-learn and potato 2.12.1.
    assert build_pairwise_table(STEPS).mean_kappa == pytest.approx(0.578676, abs=1e-6)


def test_the_summary_gives_the_same_figures() -> None:
    summary = summarise_nominal(STEPS)

    assert summary.alpha == krippendorff_alpha(STEPS, level="nominal")
    assert summary.ac1 == gwet_ac1(STEPS)
    assert summary.fleiss_generalised == fleiss_kappa_generalised(STEPS)
    assert summary.conger == conger_kappa(STEPS)
    assert summary.percent_agreement == percent_agreement(STEPS)
    assert summary.pairs == build_pairwise_table(STEPS)


def test_a_table_and_its_ratings_say_the_same() -> None:
    ratings = expand_table(C1)

    again = tabulate_pair(
        ratings.value[ratings.rater == 0], ratings.value[ratings.rater == 1], categories=range(3)
    )

    assert again.counts.tolist() == C1.counts.tolist()
