"""`agreement_1m`: every nominal statistic over a million ratings, beside numpy counting once."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.benchmarks.figures import Figure, compare, time_call
from tests.benchmarks.places import Scale
from tests.benchmarks.workload import SEED

RATERS = 25
# Each unit is rated by four of them.
OVERLAP = 4
CATEGORIES = (-1, 0, 1)


def measure(scale: Scale) -> Iterator[Figure]:
    """Seconds from columns of ids to every figure: packing, counting, coefficients, all pairs."""
    import numpy as np

    from labeling.metrics.agreement import summarise_nominal
    from labeling.metrics.ratings import pack_ratings

    n_units = scale.ratings // OVERLAP
    draw = random.Random(SEED)
    rotation = draw.sample(range(RATERS), RATERS)
    units = np.repeat(np.arange(n_units), OVERLAP)
    raters = np.array(
        [rotation[(unit + turn * 7) % RATERS] for unit in range(n_units) for turn in range(OVERLAP)]
    )
    truths = np.repeat(np.array(draw.choices((0, 1, 2), (2, 1, 7), k=n_units)), OVERLAP)
    slips = np.array(draw.choices((0, 1, 2), (8, 1, 1), k=len(units)))
    values = (truths + slips) % len(CATEGORIES)
    # As they come from a table: in no order.
    shuffled = np.random.default_rng(SEED).permutation(len(units))
    units, raters, values = units[shuffled], raters[shuffled], values[shuffled]

    def summarise() -> None:
        ratings = pack_ratings(unit=units, rater=raters, value=values, categories=CATEGORIES)
        agreement = summarise_nominal(ratings)
        if agreement.n_ratings != len(units) or agreement.alpha.value is None:
            raise AssertionError("The statistics left ratings out.")

    times = compare(
        lambda: time_call(summarise),
        lambda: time_call(lambda: np.bincount(units * len(CATEGORIES) + values)),
        repeat=scale.repeat,
    )
    yield Figure("agreement_1m", times.ours, "s", raw=times.raw)
