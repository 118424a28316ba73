"""How far apart two categories are: distances for alpha, weights for kappa and AC2."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

Level = Literal["nominal", "ordinal", "interval", "ratio"]
Weighting = Literal["unweighted", "linear", "quadratic", "ordinal"]


def build_distances(scale: FloatArray, *, level: Level) -> FloatArray:
    """Squared distance between each two categories, for the levels that the data do not alter.

    Krippendorff 2011, "Computing Krippendorff's alpha-reliability": nominal
    [c != k], interval (c - k)^2, ratio ((c - k) / (c + k))^2. The ordinal distance depends on how
    often each category was used; see `build_ordinal_distances`.
    """
    difference = scale[:, None] - scale[None, :]
    if level == "nominal":
        return 1.0 - np.eye(len(scale))
    if level == "interval":
        return np.asarray(difference**2, dtype=np.float64)
    if level == "ratio":
        if scale.min(initial=0.0) < 0:
            raise ValueError(
                f"The ratio level needs a scale from zero up, and this one holds {scale.min()}."
            )
        total = scale[:, None] + scale[None, :]
        # Zero against zero is no distance at all; everywhere else the sum is positive.
        ratio = np.divide(difference, total, out=np.zeros_like(difference), where=total > 0)
        return np.asarray(ratio**2, dtype=np.float64)
    raise ValueError(f"The distances of level {level!r} depend on the ratings.")


def build_ordinal_distances(marginals: FloatArray) -> FloatArray:
    """Squared ordinal distances, one q x q matrix for each row of category totals.

    Krippendorff 2011: delta^2_ck = (sum_{g=c..k} n_g - (n_c + n_k) / 2)^2. With the
    mid-rank R_c = sum_{g<c} n_g + n_c / 2 that sum is R_k - R_c.
    """
    mid_ranks = np.cumsum(marginals, axis=-1) - marginals / 2.0
    difference = mid_ranks[..., :, None] - mid_ranks[..., None, :]
    return np.asarray(difference**2, dtype=np.float64)


def build_weights(scale: FloatArray, *, weighting: Weighting) -> FloatArray:
    """Agreement weights: 1 on the diagonal, 0 for the two categories farthest apart.

    Cohen 1968; Gwet 2014, "Handbook of Inter-Rater Reliability". "ordinal" are Gwet's
    ordinal weights, 1 - C(|k - l| + 1, 2) / C(q, 2), which know ranks only and are not the
    ordinal distance of Krippendorff.
    """
    q = len(scale)
    if weighting == "unweighted" or q < 2:
        return np.eye(q)
    if weighting == "ordinal":
        ranks = np.arange(q)
        gap = np.abs(ranks[:, None] - ranks[None, :])
        return np.asarray(1.0 - (gap * (gap + 1)) / (q * (q - 1)), dtype=np.float64)
    relative = np.abs(scale[:, None] - scale[None, :]) / (scale.max() - scale.min())
    if weighting == "linear":
        return np.asarray(1.0 - relative, dtype=np.float64)
    if weighting == "quadratic":
        return np.asarray(1.0 - relative**2, dtype=np.float64)
    raise ValueError(
        f"Unknown weighting {weighting!r}; use unweighted, linear, quadratic or ordinal."
    )
