"""Agreement between two raters, and the table of every two raters who met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from labeling.metrics.additive import (
    correct_for_chance,
    divide,
    finish_alpha,
)
from labeling.metrics.coefficients import Coefficient, Reason
from labeling.metrics.ratings import (
    MISSING,
    Category,
    Ratings,
    iterate_pairs,
    pack_ratings,
)
from labeling.metrics.weights import (
    Level,
    Weighting,
    build_distances,
    build_ordinal_distances,
    build_weights,
)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# The largest table of (rater, rater, category, category) that is kept whole: 64 MB of counts.
_DENSE_TALLY = 8_000_000


@dataclass(frozen=True, slots=True, eq=False)
class PairTable:
    """Categories x categories: how often the first rater said the row and the second the column."""

    counts: IntArray
    categories: tuple[Category, ...]
    scale: FloatArray

    @property
    def n_units(self) -> int:
        return int(self.counts.sum())


@dataclass(frozen=True, slots=True)
class RaterPair:
    """Two raters, and how they agree on the `n_units` that both rated."""

    first: Any
    second: Any
    n_units: int
    percent_agreement: Coefficient
    alpha: Coefficient
    kappa: Coefficient


@dataclass(frozen=True, slots=True)
class PairwiseTable:
    """Every two raters with a unit in common; those without are counted, not listed."""

    pairs: tuple[RaterPair, ...]
    n_pairs_without_overlap: int
    level: Level
    weighting: Weighting

    @property
    def mean_kappa(self) -> float | None:
        """The plain mean of the defined kappas (Light 1971); None where no pair has one."""
        values = [pair.kappa.value for pair in self.pairs if pair.kappa.value is not None]
        return sum(values) / len(values) if values else None


def tabulate_pair(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    *,
    categories: Sequence[Category],
    scale: Sequence[float] | None = None,
) -> PairTable:
    """Cross-tabulate two aligned arrays of category positions over the full list of categories.

    Units where either holds `MISSING` are left out.
    """
    row, column = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
    if row.shape != column.shape or row.ndim != 1:
        raise ValueError(
            f"Two raters' aligned arrays have one length, not {row.shape} and {column.shape}."
        )
    units = np.arange(len(row))
    # Packing checks the values and the categories, and reads the scale.
    packed = pack_ratings(
        unit=np.concatenate([units, units]),
        rater=np.repeat([0, 1], len(row)),
        value=np.concatenate([row, column]),
        categories=categories,
        scale=scale,
    )
    both = (row != MISSING) & (column != MISSING)
    q = len(categories)
    cells = np.bincount(row[both] * q + column[both], minlength=q * q)
    return PairTable(cells.reshape(q, q).astype(np.int64), packed.categories, packed.scale)


def read_pair_table(
    table: npt.ArrayLike, *, categories: Sequence[Category] | None = None
) -> PairTable:
    """A table as papers print it: rows are the first rater's categories, columns the second's."""
    counts = np.asarray(table, dtype=np.int64)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"Two raters' table is square, not {counts.shape}.")
    if counts.size and counts.min() < 0:
        raise ValueError(f"A count cannot be {counts.min()}.")
    names: Sequence[Category] = range(len(counts)) if categories is None else categories
    if len(names) != len(counts):
        raise ValueError(f"The table has {len(counts)} rows for {len(names)} categories.")
    empty = tabulate_pair([], [], categories=names)
    return PairTable(counts, empty.categories, empty.scale)


def expand_table(table: PairTable) -> Ratings:
    """The ratings of raters 0 and 1 behind a table, for the statistics of many raters."""
    q = len(table.categories)
    cells = np.repeat(np.arange(q * q), table.counts.ravel())
    units = np.arange(len(cells))
    return pack_ratings(
        unit=np.concatenate([units, units]),
        rater=np.repeat([0, 1], len(cells)),
        value=np.concatenate([cells // q, cells % q]),
        categories=table.categories,
        scale=table.scale.tolist(),
    )


def cohen_kappa(table: PairTable, *, weighting: Weighting = "unweighted") -> Coefficient:
    """Cohen's kappa (1960), or weighted kappa (1968).

    A rater who said one thing only agrees with the other exactly as often as chance would have it,
    and kappa is 0; when both said the same one thing it is undefined.
    """
    return _build_kappas(table.counts[None], table.scale, weighting=weighting)[0]


def category_agreement(table: PairTable, *, category: Category) -> Coefficient:
    """Given that one of the two raters says `category`, how often the other does.

    2 n_kk / (n_k. + n_.k): Cicchetti & Feinstein 1990, "High agreement but low kappa: II".
    """
    if category not in table.categories:
        raise ValueError(f"{category!r} is not among the categories {list(table.categories)}.")
    k = table.categories.index(category)
    said = int(table.counts[k].sum() + table.counts[:, k].sum())
    return _build_specific_agreement(table, agreed=int(table.counts[k, k]), said=said)


def positive_agreement(table: PairTable, *, positive: Category) -> Coefficient:
    """Agreement on the positive category; see `category_agreement`."""
    return category_agreement(table, category=positive)


def negative_agreement(table: PairTable, *, positive: Category) -> Coefficient:
    """Agreement on "not the positive category", all the others taken as one."""
    if positive not in table.categories:
        raise ValueError(f"{positive!r} is not among the categories {list(table.categories)}.")
    k = table.categories.index(positive)
    others = np.arange(len(table.categories)) != k
    agreed = int(table.counts[np.ix_(others, others)].sum())
    said = int(table.counts[others].sum() + table.counts[:, others].sum())
    return _build_specific_agreement(table, agreed=agreed, said=said)


def build_pairwise_table(
    ratings: Ratings, *, level: Level = "nominal", weighting: Weighting = "unweighted"
) -> PairwiseTable:
    """Alpha, Cohen's kappa and percent agreement of every two raters with units in common."""
    codes, tables = _tally_pairs(ratings)
    n = ratings.n_raters
    counts = tables.astype(np.float64)
    total = counts.sum(axis=(1, 2))
    agreement = divide(np.einsum("pkk->p", counts), total)
    kappas = _build_kappas(tables, ratings.scale, weighting=weighting)

    coincidences = counts + counts.transpose(0, 2, 1)
    marginals = coincidences.sum(axis=2)
    distances = (
        build_ordinal_distances(marginals)
        if level == "ordinal"
        else build_distances(ratings.scale, level=level)
    )
    disagreement = (coincidences * distances).sum(axis=(1, 2))
    alphas = finish_alpha(disagreement, marginals, distances).value

    ids = ratings.rater_ids.tolist()
    pairs = tuple(
        RaterPair(
            first=ids[code // n],
            second=ids[code % n],
            n_units=units,
            percent_agreement=_build_coefficient(agreed, n_units=units),
            alpha=_build_coefficient(alpha, n_units=units, fixed_by_one_unit=True),
            kappa=kappa,
        )
        for code, units, agreed, alpha, kappa in zip(
            codes.tolist(),
            total.astype(np.int64).tolist(),
            agreement.tolist(),
            alphas.tolist(),
            kappas,
            strict=True,
        )
    )
    return PairwiseTable(
        pairs=pairs,
        n_pairs_without_overlap=n * (n - 1) // 2 - len(pairs),
        level=level,
        weighting=weighting,
    )


def _tally_pairs(ratings: Ratings) -> tuple[IntArray, IntArray]:
    """Codes first * n_raters + second of the pairs who met, and their table each."""
    q, n = ratings.n_categories, ratings.n_raters
    size = n * n * q * q
    dense = np.zeros(size if size <= _DENSE_TALLY else 0, dtype=np.int64)
    sparse_keys: list[IntArray] = []
    sparse_counts: list[IntArray] = []
    for first, second in iterate_pairs(ratings):
        pair = ratings.rater[first] * n + ratings.rater[second]
        key = (pair * q + ratings.value[first]) * q + ratings.value[second]
        if dense.size:
            dense += np.bincount(key, minlength=size)
        else:
            keys, counts = np.unique(key, return_counts=True)
            sparse_keys.append(keys)
            sparse_counts.append(counts)
    if dense.size or not sparse_keys:
        tables = dense.reshape(-1, q, q)
        met = np.flatnonzero(tables.any(axis=(1, 2)))
        return met, tables[met]
    keys = np.concatenate(sparse_keys)
    met, row = np.unique(keys // (q * q), return_inverse=True)
    tally = np.zeros((len(met), q * q), dtype=np.int64)
    np.add.at(tally, (row, keys % (q * q)), np.concatenate(sparse_counts))
    return met, tally.reshape(-1, q, q)


def _build_kappas(
    tables: IntArray, scale: FloatArray, *, weighting: Weighting
) -> tuple[Coefficient, ...]:
    """Cohen's kappa of each table: p_o = sum w_kl p_kl, p_e = sum w_kl p_k. p_.l."""
    weights = build_weights(scale, weighting=weighting)
    counts = tables.astype(np.float64)
    total = counts.sum(axis=(1, 2))
    observed = divide((counts * weights).sum(axis=(1, 2)), total)
    rows, columns = counts.sum(axis=2), counts.sum(axis=1)
    expected = divide(((rows @ weights) * columns).sum(axis=1), total**2)
    kappas = correct_for_chance(observed, expected)
    return tuple(
        _build_coefficient(
            kappa, n_units=int(units), observed=agreed, expected=chance, fixed_by_one_unit=True
        )
        for kappa, units, agreed, chance in zip(
            kappas.tolist(), total.tolist(), observed.tolist(), expected.tolist(), strict=True
        )
    )


def _build_coefficient(
    value: float,
    *,
    n_units: int,
    observed: float | None = None,
    expected: float | None = None,
    fixed_by_one_unit: bool = False,
) -> Coefficient:
    reason: Reason | None = None
    if n_units == 0:
        reason, observed, expected = Reason.NO_OVERLAP, None, None
    elif not np.isfinite(value):
        reason = Reason.NO_VARIATION
    elif n_units == 1 and fixed_by_one_unit:
        reason = Reason.ONE_UNIT
    return Coefficient(
        value=None if reason else value,
        reason=reason,
        n_units=n_units,
        n_ratings=2 * n_units,
        n_raters=2 if n_units else 0,
        observed=observed,
        expected=expected,
    )


def _build_specific_agreement(table: PairTable, *, agreed: int, said: int) -> Coefficient:
    n_units = table.n_units
    reason: Reason | None = None
    if n_units == 0:
        reason = Reason.NO_OVERLAP
    elif said == 0:
        reason = Reason.CATEGORY_UNUSED
    return Coefficient(
        value=None if reason else 2 * agreed / said,
        reason=reason,
        n_units=n_units,
        n_ratings=2 * n_units,
        n_raters=2 if n_units else 0,
    )
