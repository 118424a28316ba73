"""How likely it is that one success rate reaches another, given counts of both.

Both rates have a Beta prior that is named (Jeffreys: Beta(1/2, 1/2), uniform: Beta(1, 1)) and are
independent given their counts. With p = sin²(t) the posterior's density in t is proportional to
sin(t)^(2a - 1) cos(t)^(2b - 1), which has no pole at either end, so that Simpson's rule on an even
grid converges quickly; scipy is not needed.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

Prior = Literal["jeffreys", "uniform"]
PRIORS: Final[tuple[Prior, ...]] = get_args(Prior)

# A posterior of n trials is about 1 / (2 sqrt(n)) wide in t: at 40 sqrt(n) cells over pi / 2 a cell
# is a twelfth of that, and the error of the whole is below 1e-6.
_CELLS_PER_ROOT = 40
_CELLS_LEAST = 128
_CELLS_MOST = 20_000
# Numbers in one block of the integration: 32 MB.
_BLOCK = 4_000_000
# Rates in one block, of either side: a table of their pairs is as large.
_RATES = 2_000
# How many times cheaper a pair is in a product of matrices than by itself; measured.
_PRODUCT_GAIN = 30


def find_prior_weight(prior: Prior) -> float:
    """Both parameters of the prior: 1/2 for Jeffreys, 1 for uniform."""
    return 0.5 if prior == "jeffreys" else 1.0


def compare_rates(
    successes: IntArray,
    trials: IntArray,
    earlier_successes: IntArray,
    earlier_trials: IntArray,
    *,
    slope: float,
    offset: float = 0.0,
    prior: Prior = "jeffreys",
    neutral_share: float = 0.0,
) -> FloatArray:
    """P(X >= slope * Y + offset) for each row: X the rate, Y the earlier one.

    With `neutral_share` w the prior says that with probability w both are the same rate, and
    independent otherwise; the counts then weigh the two against each other.

    Each distinct pair of counts is integrated once. NaN where either rate has no trial: a prior
    alone is no evidence. All arrays are as long as each other.
    """
    result = np.full(len(trials), np.nan)
    known = (trials > 0) & (earlier_trials > 0)
    if not known.any():
        return result
    rows = (successes[known], trials[known], earlier_successes[known], earlier_trials[known])
    size = int(max(rows[1].max(), rows[3].max())) + 1
    rates, rate_at = _list_distinct(rows[0] * size + rows[1], size * size)
    earliers, earlier_at = _list_distinct(rows[2] * size + rows[3], size * size)
    pairs, pair_at = _list_distinct(
        rate_at * len(earliers) + earlier_at, len(rates) * len(earliers)
    )
    x_at, y_at = np.divmod(pairs, len(earliers))
    cells = _count_cells(size)
    path = _lay_path(cells, slope=slope, offset=offset)
    bounds = _to_angle(slope * np.sin(path.angles) ** 2 + offset)
    at_once = min(_RATES, max(1, _BLOCK // (2 * cells + 1)))
    values = np.empty(len(pairs))
    # Pairs stand in the order of their rates: a block of rates is a block of pairs.
    edges = np.arange(0, len(rates) + at_once, at_once)
    cuts = np.searchsorted(x_at, edges)
    for first, start, end in zip(edges, cuts, cuts[1:], strict=False):
        x = rates[first : first + at_once]
        reached = _survive(x // size, x % size, cells, bounds, prior)
        wanted, wanted_at = _list_distinct(y_at[start:end], len(earliers))
        for low in range(0, len(wanted), at_once):
            y = earliers[wanted[low : low + at_once]]
            weights = _weigh(y // size, y % size, cells, path, prior)
            below = 1.0 - _survive(y // size, y % size, cells, path.angles[:1], prior)[:, 0]
            chosen = np.flatnonzero((wanted_at >= low) & (wanted_at < low + at_once))
            row, column = x_at[start + chosen] - first, wanted_at[chosen] - low
            values[start + chosen] = _add_products(reached, weights, row, column) + below[column]
    if neutral_share > 0.0:
        x, y = rates[x_at], earliers[y_at]
        same = _weigh_same(
            x // size, x % size, y // size, y % size, prior=prior, neutral_share=neutral_share
        )
        # A rate passes beside itself if p >= slope * p + offset: always, or never.
        passes = slope <= 1.0 and offset <= 0.0
        values = same * passes + (1.0 - same) * values
    result[known] = np.clip(values, 0.0, 1.0)[pair_at]
    return result


def rate_above(
    successes: IntArray, trials: IntArray, bound: float, *, prior: Prior = "jeffreys"
) -> FloatArray:
    """P(X >= bound) for each row; NaN where there was no trial. For a rate beside a known one."""
    result = np.full(len(trials), np.nan)
    known = trials > 0
    if not known.any():
        return result
    size = int(trials.max()) + 1
    rates, at = np.unique(successes[known] * size + trials[known], return_inverse=True)
    cells = _count_cells(size)
    angle = _to_angle(np.asarray([bound]))
    at_once = max(1, _BLOCK // (2 * cells + 1))
    values = np.empty(len(rates))
    for start in range(0, len(rates), at_once):
        chosen = rates[start : start + at_once]
        mass = _survive(chosen // size, chosen % size, cells, angle, prior)
        values[start : start + at_once] = mass[:, 0]
    result[known] = np.clip(values, 0.0, 1.0)[at]
    return result


def _list_distinct(codes: IntArray, limit: int) -> tuple[IntArray, IntArray]:
    """The distinct codes, which lie below the limit, in order; and where each code is among them.

    As `np.unique` does it, but by marking them in a table, which takes a fraction of sorting them;
    where the table would be far larger than the codes, they are sorted.
    """
    if limit > 8 * len(codes) + 65_536:
        distinct, places = np.unique(codes, return_inverse=True)
        return distinct, places
    is_there = np.zeros(limit, dtype=np.bool_)
    is_there[codes] = True
    return np.flatnonzero(is_there), (np.cumsum(is_there) - 1)[codes]


def _add_products(
    reached: FloatArray, weights: FloatArray, row: IntArray, column: IntArray
) -> FloatArray:
    """The sum over all angles of reached[row] * weights[column], for each pair of the two."""
    if _PRODUCT_GAIN * len(row) >= len(reached) * len(weights):
        table: FloatArray = reached @ weights.T
        return table[row, column]
    sums = np.empty(len(row))
    at_once = max(1, _BLOCK // reached.shape[1])
    for start in range(0, len(row), at_once):
        part = slice(start, start + at_once)
        sums[part] = np.einsum("ij,ij->i", reached[row[part]], weights[column[part]])
    return sums


def _count_cells(size: int) -> int:
    return int(np.clip(_CELLS_PER_ROOT * np.sqrt(size), _CELLS_LEAST, _CELLS_MOST))


def _weigh_same(
    successes: IntArray,
    trials: IntArray,
    earlier_successes: IntArray,
    earlier_trials: IntArray,
    *,
    prior: Prior,
    neutral_share: float,
) -> FloatArray:
    """P(both rates are one | counts): Bayes' rule over the two marginal likelihoods."""
    weight = find_prior_weight(prior)

    def find_likelihood(count: IntArray, of: IntArray) -> FloatArray:
        """log B(count + a, of - count + a) - log B(a, a), for a the prior's weight."""
        return _rise(weight, count) + _rise(weight, of - count) - _rise(2.0 * weight, of)

    together = find_likelihood(successes + earlier_successes, trials + earlier_trials)
    apart = find_likelihood(successes, trials) + find_likelihood(earlier_successes, earlier_trials)
    if neutral_share >= 1.0:
        return np.ones(len(trials))
    odds = np.log(neutral_share) - np.log1p(-neutral_share) + together - apart
    chance: FloatArray = 1.0 / (1.0 + np.exp(-np.clip(odds, -700.0, 700.0)))
    return chance


def _rise(start: float, counts: IntArray) -> FloatArray:
    """log(Gamma(start + count) / Gamma(start)), by adding up logarithms."""
    logs = np.log(start + np.arange(int(counts.max(initial=0)), dtype=np.float64))
    table: FloatArray = np.concatenate([[0.0], np.cumsum(logs)])
    return table[counts]


class _Path(NamedTuple):
    """Angles to integrate over, and how far apart they lie per step of an even grid."""

    angles: FloatArray
    stretch: FloatArray


def _lay_path(cells: int, *, slope: float, offset: float) -> _Path:
    """The angles of Y at which the bound lies between 0 and 1.

    Below them X passes for certain, above them never. The chance may rise like a square root at
    either end; angles that close up there like sin² make it smooth.
    """
    low, high = _to_angle(np.asarray([-offset / slope, (1.0 - offset) / slope]))
    turn = _grid(cells)
    return _Path(low + (high - low) * np.sin(turn) ** 2, (high - low) * np.sin(2.0 * turn))


def _weigh(
    successes: IntArray, trials: IntArray, cells: int, path: _Path, prior: Prior
) -> FloatArray:
    """Rates x path: Simpson's weights times the density, that of a whole posterior being 1."""
    simpson = np.ones(2 * cells + 1)
    simpson[1::2], simpson[2:-1:2] = 4.0, 2.0
    logs = _find_logs(successes, trials, _grid(cells), prior)
    peak = logs.max(axis=1, keepdims=True)
    whole = (np.exp(logs - peak) * simpson).sum(axis=1, keepdims=True)
    on_path = np.exp(_find_logs(successes, trials, path.angles, prior) - peak)
    weights: FloatArray = on_path * path.stretch * simpson / whole
    return weights


def _survive(
    successes: IntArray, trials: IntArray, cells: int, angles: FloatArray, prior: Prior
) -> FloatArray:
    """Rates x angles: the posterior's mass from each angle on.

    The mass up to each cell's edge is Simpson's; within a cell a cubic takes the mass and the
    density at both edges.
    """
    density = _density(successes, trials, cells, prior)
    edges = density[:, ::2]
    masses = (edges[:, :-1] + 4.0 * density[:, 1::2] + edges[:, 1:]) / 6.0
    below = np.concatenate([np.zeros((len(masses), 1)), np.cumsum(masses, axis=1)], axis=1)
    # In units of cells, so that a slope is the density itself.
    place = angles / (np.pi / 2) * cells
    cell = np.minimum(place.astype(np.int64), cells - 1)
    t = place - cell
    cubic = (
        below[:, cell] * (1 + 2 * t) * (1 - t) ** 2
        + below[:, cell + 1] * t**2 * (3 - 2 * t)
        + edges[:, cell] * t * (1 - t) ** 2
        - edges[:, cell + 1] * t**2 * (1 - t)
    )
    mass: FloatArray = 1.0 - cubic / below[:, -1:]
    return mass


def _density(successes: IntArray, trials: IntArray, cells: int, prior: Prior) -> FloatArray:
    """Rates x grid: the density in t up to a factor, its largest value being 1."""
    logs = _find_logs(successes, trials, _grid(cells), prior)
    density: FloatArray = np.exp(logs - logs.max(axis=1, keepdims=True))
    return density


def _find_logs(
    successes: IntArray, trials: IntArray, angles: FloatArray, prior: Prior
) -> FloatArray:
    """Rates x angles: the logarithm of the density in t, up to a summand of each rate."""
    weight = find_prior_weight(prior)
    on_sine: FloatArray = _raise(successes, weight)
    on_cosine: FloatArray = _raise(trials - successes, weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs: FloatArray = _times(on_sine, np.log(np.sin(angles)))
        logs += _times(on_cosine, np.log(np.cos(angles)))
    return logs


def _raise(counts: IntArray, weight: float) -> FloatArray:
    """Rates x 1: the exponent that a count gives its sine or cosine."""
    return 2.0 * (counts.astype(np.float64)[:, None] + weight) - 1.0


def _times(exponent: FloatArray, log: FloatArray) -> FloatArray:
    """exponent * log, with 0 * -inf = 0: a power of zero is 1 at zero too."""
    product: FloatArray = np.where(exponent == 0.0, 0.0, exponent * log)
    return product


def _grid(cells: int) -> FloatArray:
    return np.linspace(0.0, np.pi / 2, 2 * cells + 1)


def _to_angle(rate: FloatArray) -> FloatArray:
    angle: FloatArray = np.arcsin(np.sqrt(np.clip(rate, 0.0, 1.0)))
    return angle
