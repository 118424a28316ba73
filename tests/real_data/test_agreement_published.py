"""Agreement of the three raters of StrictPRMBench, against the published figures.

The votes (CC-BY-4.0) are not part of this repository: WORKBENCH_REAL_DATA names the folder that
holds `agreement/iaa_*.csv`.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from labeling.metrics.agreement import (
    fleiss_kappa,
    gwet_ac1,
    krippendorff_alpha,
    percent_agreement,
    summarise_nominal,
)
from labeling.metrics.pairs import build_pairwise_table
from labeling.metrics.ratings import (
    Ratings,
    UnitCounts,
    encode_labels,
    pack_ratings,
    read_count_table,
)

FOLDER = Path(os.environ.get("WORKBENCH_REAL_DATA", "../shared/data")) / "agreement"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(
        not FOLDER.is_dir(),
        reason=f"No {FOLDER}: set WORKBENCH_REAL_DATA to the folder of public data sets.",
    ),
]


def read_rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def read_votes(*, cell: str | None = None) -> UnitCounts:
    """Votes for "gm" and for "product" on each card, of one cell or of all."""
    return read_count_table(
        [
            [int(row["gm"]), int(row["product"])]
            for row in read_rows("iaa_forced_choice_votes.csv")
            if cell in (None, row["cell"])
        ],
        categories=("gm", "product"),
    )


def read_ratings(name: str, *, categories: tuple[str, ...]) -> Ratings:
    rows = read_rows(name)
    return pack_ratings(
        unit=[row["card_id"] for row in rows],
        rater=[int(row["annotator"]) for row in rows],
        value=encode_labels([row["label"] for row in rows], categories=categories),
        categories=categories,
    )


@pytest.fixture(scope="module")
def no_preference() -> Ratings:
    return read_ratings(
        "iaa_no_preference_ratings.csv", categories=("gm", "no_preference", "product")
    )


@pytest.fixture(scope="module")
def natural_pool() -> Ratings:
    return read_ratings(
        "iaa_natural_pool_ratings.csv", categories=("native", "no_preference", "product")
    )


def test_forced_choice_pooled_fleiss_kappa() -> None:
    kappa = fleiss_kappa(read_votes())

    assert kappa.n_units == 365
    assert kappa.value == pytest.approx(0.7859237536656889, abs=1e-12)


@pytest.mark.parametrize(
    ("cell", "n_units", "expected"),
    [
        ("skywork_prm_gsm8k", 100, 0.8541666666666671),
        ("skywork_prm_math500", 71, 0.713555675094137),
        ("internlm2_7b_reward_gsm8k", 98, 0.8196982705752476),
        ("internlm2_7b_reward_math500", 96, 0.7023255813953481),
    ],
)
def test_forced_choice_fleiss_kappa_of_each_cell(cell: str, n_units: int, expected: float) -> None:
    kappa = fleiss_kappa(read_votes(cell=cell))

    assert kappa.n_units == n_units
    assert kappa.value == pytest.approx(expected, abs=1e-12)


def test_no_preference_reannotation(no_preference: Ratings) -> None:
    assert (no_preference.n_units, no_preference.n_raters) == (200, 3)
    assert percent_agreement(no_preference).value == pytest.approx(0.5266667, abs=1e-7)
    # Published as .071.
    assert fleiss_kappa(no_preference).value == pytest.approx(0.0709744954, abs=1e-10)
    alpha = krippendorff_alpha(no_preference, level="nominal")
    assert alpha.value == pytest.approx(0.0725228713, abs=1e-10)
    assert gwet_ac1(no_preference).value == pytest.approx(0.3648687433, abs=1e-10)


def test_no_preference_pairwise_cohen(no_preference: Ratings) -> None:
    pairs = build_pairwise_table(no_preference).pairs

    assert [(pair.first, pair.second) for pair in pairs] == [(1, 2), (1, 3), (2, 3)]
    assert [pair.kappa.value for pair in pairs] == pytest.approx(
        [0.0880392845, 0.4811245830, 0.0685437998], abs=1e-10
    )


def test_no_preference_is_one_raters_habit(no_preference: Ratings) -> None:
    # One of the three says "no preference" to 176 of 200 cards, the others to 82 and 47.
    marginals = summarise_nominal(no_preference).marginals
    shares = sorted(rater.shares[1] for rater in marginals)

    assert shares == pytest.approx([47 / 200, 82 / 200, 176 / 200])


def test_natural_pool(natural_pool: Ratings) -> None:
    assert (natural_pool.n_units, natural_pool.n_raters) == (420, 3)
    assert percent_agreement(natural_pool).value == pytest.approx(0.7944444, abs=1e-7)
    # Published as .317, beside 79 % agreement: the prevalence paradox on real data.
    assert fleiss_kappa(natural_pool).value == pytest.approx(0.3167428772, abs=1e-10)
    alpha = krippendorff_alpha(natural_pool, level="nominal")
    assert alpha.value == pytest.approx(0.3172851448, abs=1e-10)
    assert gwet_ac1(natural_pool).value == pytest.approx(0.7580494488, abs=1e-10)


def test_natural_pool_pairwise_cohen(natural_pool: Ratings) -> None:
    pairs = build_pairwise_table(natural_pool).pairs

    assert [pair.kappa.value for pair in pairs] == pytest.approx(
        [0.1921771456, 0.7984537457, 0.1781876504], abs=1e-10
    )
