"""Analytic standard errors, as papers report them. They take units to be independent.

The steps of one solution are not: for them use the intervals over solutions in `intervals`, and
these only to compare with a publication.
"""

from __future__ import annotations

import numpy as np

from labeling.metrics.additive import percent_agreement_statistic
from labeling.metrics.agreement import gwet_ac2
from labeling.metrics.pairs import PairTable, cohen_kappa
from labeling.metrics.ratings import Ratings, UnitCounts, count_values
from labeling.metrics.weights import Weighting, build_weights


def gwet_standard_error(
    data: Ratings | UnitCounts, *, weighting: Weighting = "unweighted"
) -> float | None:
    """The standard error of AC1 or AC2; None where it is undefined or there is one unit.

    Gwet 2008, the variance by linearisation: each unit i has
    g_i = (n / n2) (p_ai - p_e) / (1 - p_e) - 2 (1 - g) (p_ei - p_e) / (1 - p_e), the first term 0
    for units with one rating, p_ei = T_w / (q (q - 1)) sum_k (r_ik / r_i) (1 - pi_k), and
    v = sum (g_i - g)^2 / (n (n - 1)) over the n rated units, n2 of them with two ratings or more.
    """
    counts = count_values(data) if isinstance(data, Ratings) else data
    coefficient = gwet_ac2(counts, weighting=weighting)
    rated = counts.sizes > 0
    n = int(np.count_nonzero(rated))
    if coefficient.value is None or coefficient.expected is None or n < 2:
        return None
    weights = build_weights(counts.scale, weighting=weighting)
    q = len(weights)
    _, agreement = (
        column[rated]
        for column in percent_agreement_statistic(counts, weighting=weighting).columns()
    )
    pairable = counts.pairable[rated]
    shares = counts.counts[rated] / counts.sizes[rated, None]
    chance = coefficient.expected
    own_chance = weights.sum() / (q * (q - 1)) * (shares @ (1.0 - shares.mean(axis=0)))
    own = np.where(pairable, (agreement - chance) / (1.0 - chance), 0.0)
    own *= n / np.count_nonzero(pairable)
    own -= 2.0 * (1.0 - coefficient.value) * (own_chance - chance) / (1.0 - chance)
    return float(np.sqrt(((own - coefficient.value) ** 2).sum() / (n * (n - 1.0))))


def cohen_standard_error(table: PairTable) -> float | None:
    """The large-sample standard error of unweighted kappa; None where kappa is undefined.

    Fleiss, Cohen & Everitt 1969, "Large sample standard errors of kappa and weighted kappa":
    v = [sum_i p_ii (1 - (p_i. + p_.i) (1 - k))^2 + (1 - k)^2 sum_{i != j} p_ij (p_.i + p_j.)^2
    - (k - p_e (1 - k))^2] / (n (1 - p_e)^2).
    """
    kappa = cohen_kappa(table)
    if kappa.value is None or kappa.expected is None:
        return None
    shares = table.counts / table.n_units
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    rest, chance = 1.0 - kappa.value, kappa.expected
    diagonal = np.diag(shares) * (1.0 - (rows + columns) * rest) ** 2
    crossed = shares * (columns[:, None] + rows[None, :]) ** 2
    off_diagonal = crossed.sum() - np.trace(crossed)
    variance = (diagonal.sum() + rest**2 * off_diagonal - (kappa.value - chance * rest) ** 2) / (
        table.n_units * (1.0 - chance) ** 2
    )
    # Perfect agreement leaves a rounding error on either side of zero.
    return float(np.sqrt(max(variance, 0.0)))
