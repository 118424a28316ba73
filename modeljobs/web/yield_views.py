"""What pages draw of a yield: rows by injector, with bars as wide as their counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from modeljobs.selectors_yield import Share, YieldRow

BAR_WIDTH = 96.0
# A bound that is hit can be seen, however narrow the interval.
LEAST_WIDTH = 2.0


@dataclass(frozen=True, slots=True)
class FunnelBar:
    """How wide the parts of a row's bar are: all that was asked, readable, and left in the end."""

    asked: float
    parsed: float
    differs: float


@dataclass(frozen=True, slots=True)
class IntervalBar:
    """Where an interval and its value stand on a bar from 0 to 1."""

    x: float
    length: float
    at: float


@dataclass(frozen=True, slots=True)
class YieldLine:
    """One row of the table; `interval` is None where nothing was reviewed."""

    row: YieldRow
    funnel: FunnelBar
    interval: IntervalBar | None
    width: float = BAR_WIDTH


@dataclass(frozen=True, slots=True)
class YieldGroup:
    """The classes of one model under one version of the prompts."""

    model: str
    prompt_version: str
    is_scripted: bool
    lines: tuple[YieldLine, ...]
    jobs: tuple[int, ...]


def build_lines(rows: Sequence[YieldRow]) -> tuple[YieldLine, ...]:
    """The rows with their bars, all on the scale of the longest."""
    most = max((row.asked for row in rows), default=0)
    return tuple(
        YieldLine(row, _plot_funnel(row, most), plot_interval(row.acceptance)) for row in rows
    )


def build_groups(rows: Iterable[YieldRow]) -> list[YieldGroup]:
    """The rows, which come in the order of model and prompts, by these."""
    groups = []
    for (model, prompts), some in groupby(rows, key=lambda row: (row.model, row.prompt_version)):
        found = list(some)
        groups.append(
            YieldGroup(
                model=model,
                prompt_version=prompts,
                is_scripted=any(row.is_scripted for row in found),
                lines=build_lines(found),
                jobs=tuple(sorted({pk for row in found for pk in row.jobs})),
            )
        )
    return groups


def _plot_funnel(row: YieldRow, most: int) -> FunnelBar:
    def scale(count: int) -> float:
        return round(BAR_WIDTH * count / most, 1) if most else 0.0

    return FunnelBar(scale(row.asked), scale(row.parsed), scale(row.differs))


def plot_interval(share: Share) -> IntervalBar | None:
    """The interval on its bar, None for a share of nothing."""
    if share.value is None or share.low is None or share.high is None:
        return None
    low = BAR_WIDTH * share.low
    at = min(BAR_WIDTH * share.value, BAR_WIDTH - LEAST_WIDTH)
    length = max(BAR_WIDTH * share.high - low, LEAST_WIDTH)
    return IntervalBar(round(low, 1), round(length, 1), round(at, 1))
