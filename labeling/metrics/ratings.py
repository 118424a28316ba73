"""Judgements packed into arrays: one row for each word of one rater on one unit.

A million ratings are three integer arrays; every statistic is then a few numpy calls. A *unit* is
what is judged (a step, a solution, an injection), a *cluster* what units are drawn in (the
solution of a step, the family of a solution).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
AnyArray = npt.NDArray[Any]

# A category is a label as people see it: -1, 0, 1, "correct", "wrong".
Category = int | float | str

# A rater who saw the unit and left it unmarked; also a step after the first error.
MISSING = -1

# A table over (unit, rater) cells is the fastest way to sort and deduplicate; above this many
# cells for each row it would be mostly empty, and sorting is cheaper.
_DENSE_CELLS_PER_ROW = 32
_DENSE_CELLS_AT_LEAST = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Ratings:
    """Packed ratings: sorted by unit, then rater; at most one for each (unit, rater).

    `unit`, `rater` and `value` are codes from 0; `unit_ids` and `rater_ids` say whose they are.
    `categories` lists *every* category that could be chosen, used or not, in rank order, and
    `scale` gives each its place on the number line. `cluster` holds a cluster code for each unit,
    or None where nobody said.
    """

    unit: IntArray
    rater: IntArray
    value: IntArray
    unit_ids: AnyArray
    rater_ids: AnyArray
    categories: tuple[Category, ...]
    scale: FloatArray
    cluster: IntArray | None
    n_superseded: int
    n_missing: int
    n_excluded: int

    @property
    def n_units(self) -> int:
        return len(self.unit_ids)

    @property
    def n_raters(self) -> int:
        return len(self.rater_ids)

    @property
    def n_categories(self) -> int:
        return len(self.categories)

    def __len__(self) -> int:
        return len(self.value)


@dataclass(frozen=True, slots=True, eq=False)
class UnitCounts:
    """How often each unit was put into each category.

    `counts` is units x categories; `sizes` the ratings of each unit. `n_raters` counts the people
    in all, `n_pairable_raters` those on units with two ratings or more; both are None for a bare
    table, which does not tell who rated.
    """

    counts: FloatArray
    sizes: FloatArray
    scale: FloatArray
    cluster: IntArray | None
    n_raters: int | None
    n_pairable_raters: int | None

    @property
    def pairable(self) -> BoolArray:
        """Which units have two ratings or more."""
        return self.sizes >= 2


class PairIndex(NamedTuple):
    """Rows of `Ratings` that judge the same unit: `first[i]` and `second[i]` form a pair."""

    first: IntArray
    second: IntArray


def pack_ratings(
    *,
    unit: npt.ArrayLike,
    rater: npt.ArrayLike,
    value: npt.ArrayLike,
    categories: Sequence[Category],
    cluster: npt.ArrayLike | None = None,
    order: npt.ArrayLike | None = None,
    eligible: npt.ArrayLike | None = None,
    scale: Sequence[float] | None = None,
) -> Ratings:
    """Pack rows of (unit, rater, value) into `Ratings`, in three steps.

    1. Rows that `eligible` marks False are left out: gold and screening items, deactivated
       annotators, edits made after a suggestion was revealed.
    2. Of several rows by one rater on one unit the latest counts: the one highest in `order`,
       or the last given where no order is given or the order ties.
    3. Rows whose value is `MISSING` are left out. This comes last, so that a rater who took a
       mark back has no rating, rather than the mark they took back.

    `unit` and `rater` are any ids (integers or strings); `value` holds positions in `categories`
    (see `encode_labels`). `cluster` is given for each row; a unit lies in one cluster. Categories
    must ascend where they are numbers; `scale` defaults to those numbers, else to ranks.
    """
    unit_array, rater_array = np.asarray(unit), np.asarray(rater)
    values = np.asarray(value, dtype=np.int64)
    clusters = None if cluster is None else np.asarray(cluster)
    orders = None if order is None else np.asarray(order)
    for name, array in (
        ("rater", rater_array),
        ("value", values),
        ("cluster", clusters),
        ("order", orders),
    ):
        if array is not None and array.shape != unit_array.shape:
            raise ValueError(
                f"Each row needs a {name}: {unit_array.shape} units, {array.shape} of {name}."
            )
    _check_values(values, n_categories=len(categories))
    numbers = _read_scale(categories, scale=scale)

    n_given = len(values)
    if eligible is not None:
        kept = np.asarray(eligible, dtype=np.bool_)
        if kept.shape != unit_array.shape:
            raise ValueError(
                f"Each row needs an eligible mark: {unit_array.shape} units, {kept.shape} marks."
            )
        unit_array, rater_array, values = unit_array[kept], rater_array[kept], values[kept]
        clusters = None if clusters is None else clusters[kept]
        orders = None if orders is None else orders[kept]
    n_eligible = len(values)

    latest = find_latest(unit_array, rater_array, order=orders)
    marked = latest[values[latest] != MISSING]

    unit_ids, unit_codes = _number(unit_array[marked])
    rater_ids, rater_codes = _number(rater_array[marked])
    return Ratings(
        unit=unit_codes,
        rater=rater_codes,
        value=values[marked],
        unit_ids=unit_ids,
        rater_ids=rater_ids,
        categories=tuple(categories),
        scale=numbers,
        cluster=(
            None
            if clusters is None
            else _read_clusters(clusters[marked], unit_codes, unit_ids=unit_ids)
        ),
        n_superseded=n_eligible - len(latest),
        n_missing=len(latest) - len(marked),
        n_excluded=n_given - n_eligible,
    )


def find_latest(
    unit: npt.ArrayLike, rater: npt.ArrayLike, *, order: npt.ArrayLike | None = None
) -> IntArray:
    """Row numbers of the latest row of each (unit, rater), sorted by unit, then rater.

    The latest is the row highest in `order`; without an order, and among ties, the row given last.
    """
    unit_ids, unit_codes = _number(np.asarray(unit))
    rater_ids, rater_codes = _number(np.asarray(rater))
    n = len(unit_codes)
    rows = np.arange(n)
    if order is not None:
        rows = np.argsort(np.asarray(order), kind="stable")
    cell = unit_codes[rows] * len(rater_ids) + rater_codes[rows]
    n_cells = len(unit_ids) * len(rater_ids)
    if n_cells <= max(_DENSE_CELLS_AT_LEAST, _DENSE_CELLS_PER_ROW * n):
        # Of several writes to one cell numpy keeps the last.
        last = np.full(n_cells, -1, dtype=np.int64)
        last[cell] = rows
        return last[last >= 0]
    by_cell = np.argsort(cell, kind="stable")
    ends = np.flatnonzero(np.diff(cell[by_cell], append=-1))
    return np.asarray(rows[by_cell[ends]], dtype=np.int64)


def order_labels(labels: Sequence[Category]) -> tuple[Category, ...]:
    """The distinct labels in rank order: by number where all are numbers, else by their text.

    "-1", "0", "1" are numbers here; by their text "-1" and "-2" would trade places.
    """
    distinct = list(dict.fromkeys(labels))
    numbers = [_read_number(label) for label in distinct]
    if all(number is not None for number in numbers):
        return tuple(sorted(distinct, key=lambda label: float(label)))
    return tuple(sorted(distinct, key=str))


def encode_labels(labels: Sequence[Category | None], *, categories: Sequence[Category]) -> IntArray:
    """Each label's position in `categories`; `MISSING` for None."""
    codes: dict[Category | None, int] = {label: code for code, label in enumerate(categories)}
    codes[None] = MISSING
    unknown = set(labels) - codes.keys()
    if unknown:
        raise ValueError(
            f"The label {min(unknown, key=str)!r} is not among the categories {list(categories)}."
        )
    return np.fromiter((codes[label] for label in labels), dtype=np.int64, count=len(labels))


def number_step_units(solution: npt.ArrayLike, position: npt.ArrayLike) -> IntArray:
    """A unit number for each (solution, position): step 3 of two solutions is two units."""
    positions = np.asarray(position, dtype=np.int64)
    if positions.size and positions.min() < 0:
        raise ValueError(f"A step's position counts from 0; {positions.min()} is below.")
    _, codes = _number(np.asarray(solution))
    width = int(positions.max(initial=0)) + 1
    return codes * width + positions


def count_values(ratings: Ratings) -> UnitCounts:
    """The units x categories table of the ratings."""
    q = ratings.n_categories
    cells = np.bincount(ratings.unit * q + ratings.value, minlength=ratings.n_units * q)
    counts = cells.reshape(ratings.n_units, q).astype(np.float64)
    sizes = np.bincount(ratings.unit, minlength=ratings.n_units).astype(np.float64)
    on_pairable = ratings.rater[(sizes >= 2)[ratings.unit]]
    return UnitCounts(
        counts=counts,
        sizes=sizes,
        scale=ratings.scale,
        cluster=ratings.cluster,
        n_raters=ratings.n_raters,
        n_pairable_raters=int(np.count_nonzero(np.bincount(on_pairable))),
    )


def read_count_table(
    table: npt.ArrayLike,
    *,
    categories: Sequence[Category] | None = None,
    cluster: npt.ArrayLike | None = None,
) -> UnitCounts:
    """Counts from a table of units x categories, where nobody kept who said what."""
    counts = np.asarray(table, dtype=np.float64)
    if counts.ndim != 2:
        raise ValueError(
            f"A table of counts has units and categories, not {counts.ndim} dimensions."
        )
    if counts.size and (counts.min() < 0 or not np.array_equal(counts, np.round(counts))):
        raise ValueError("A table of counts holds whole numbers from 0 up.")
    names: Sequence[Category] = range(counts.shape[1]) if categories is None else categories
    if len(names) != counts.shape[1]:
        raise ValueError(f"The table has {counts.shape[1]} columns for {len(names)} categories.")
    return UnitCounts(
        counts=counts,
        sizes=counts.sum(axis=1),
        scale=_read_scale(names, scale=None),
        cluster=None if cluster is None else _number(np.asarray(cluster))[1],
        n_raters=None,
        n_pairable_raters=None,
    )


def count_by_rater(ratings: Ratings) -> IntArray:
    """Raters x categories: how often each rater chose each category."""
    q = ratings.n_categories
    cells = np.bincount(ratings.rater * q + ratings.value, minlength=ratings.n_raters * q)
    return cells.reshape(ratings.n_raters, q).astype(np.int64)


def iterate_pairs(ratings: Ratings) -> Iterator[PairIndex]:
    """Yield every pair of ratings on one unit once, in chunks; the lower rater code comes first.

    The rows are sorted by unit, so the partners of a row are those 1, 2, 3, ... rows on, as long
    as the unit is the same.
    """
    for lag in range(1, len(ratings)):
        first = np.flatnonzero(ratings.unit[lag:] == ratings.unit[:-lag])
        if not first.size:
            return
        yield PairIndex(first, first + lag)


def _number(ids: AnyArray) -> tuple[AnyArray, IntArray]:
    """The distinct ids in ascending order, and for each row the position of its id among them."""
    if ids.dtype.kind in "iu" and ids.size:
        low, high = int(ids.min()), int(ids.max())
        if high - low < max(_DENSE_CELLS_AT_LEAST, _DENSE_CELLS_PER_ROW * ids.size):
            # np.unique sorts; a table of the ids present gives the same in a tenth of the time.
            offset = ids.astype(np.int64) - low
            present = np.zeros(high - low + 1, dtype=np.bool_)
            present[offset] = True
            distinct = np.flatnonzero(present)
            if distinct.size == present.size:
                return distinct + low, offset
            return distinct + low, (np.cumsum(present) - 1)[offset]
    distinct_ids, codes = np.unique(ids, return_inverse=True)
    return distinct_ids, codes.astype(np.int64)


def _check_values(values: IntArray, *, n_categories: int) -> None:
    if not n_categories:
        raise ValueError("The list of categories is empty; give every category that exists.")
    outside = values[(values < MISSING) | (values >= n_categories)]
    if outside.size:
        raise ValueError(
            f"The value {int(outside[0])} is not the position of one of {n_categories} categories."
        )


def _read_number(label: Category) -> float | None:
    try:
        number = float(label)
    except ValueError:
        return None
    # float() also reads the words "nan" and "infinity", which are labels like any other.
    return number if math.isfinite(number) else None


def _read_scale(categories: Sequence[Category], *, scale: Sequence[float] | None) -> FloatArray:
    if len(set(categories)) != len(categories):
        raise ValueError(f"A category is listed twice in {list(categories)}.")
    if scale is None:
        given = [_read_number(label) for label in categories]
        numbers = [number for number in given if number is not None]
        if len(numbers) < len(given):
            numbers = [float(rank) for rank in range(len(categories))]
    else:
        numbers = [float(number) for number in scale]
        if len(numbers) != len(categories):
            raise ValueError(f"{len(categories)} categories have a scale of {len(numbers)}.")
    array = np.array(numbers, dtype=np.float64)
    if not np.all(np.isfinite(array)) or np.any(np.diff(array) <= 0):
        raise ValueError(
            f"The categories {list(categories)} do not ascend; order_labels puts them in order."
        )
    return array


def _read_clusters(clusters: AnyArray, unit: IntArray, *, unit_ids: AnyArray) -> IntArray:
    _, codes = _number(clusters)
    of_unit = np.zeros(len(unit_ids), dtype=np.int64)
    of_unit[unit] = codes
    strays = np.flatnonzero(of_unit[unit] != codes)
    if strays.size:
        raise ValueError(f"The unit {unit_ids[unit[strays[0]]]!r} is given in two clusters.")
    return of_unit
