"""Where pages draw the curve of rollouts, and how numbers are spread.

Whatever is drawn stands in a table too: both are made from the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from django.utils.translation import gettext as _

from labeling.templatetags.desk import decimal
from modeljobs.methods.rpe_labels import LabelRule
from modeljobs.readings import Bar
from modeljobs.rollout_views import Curve, Point

# --- The curve of rollouts ------------------------------------------------------------------------

# The symbol of a rating that stands for each state; a dashed line where nothing is said.
SYMBOLS: Final = {
    "correct": "1",
    "wrong": "-1",
    "open": "unsure",
    "unknown": "skip",
    "scored": "",
    "": "",
}


class PlottedPoint(NamedTuple):
    """Where a point stands in the plot; `y` and the interval are None where nothing is known."""

    point: Point
    x: float
    y: float | None
    y_low: float | None
    y_high: float | None
    symbol: str
    is_named: bool


class Tick(NamedTuple):
    at: float
    label: str


class CurvePlot(NamedTuple):
    """The share after each step with its interval, in the plot's own units, which are pixels."""

    points: list[PlottedPoint]
    lines: list[str]
    ticks: list[Tick]
    left: float
    right: float
    bottom: float
    symbols_y: float
    has_words: bool
    width: float
    height: float


def plot_curve(curve: Curve) -> CurvePlot:
    """The points from the problem on the left to the last step; lines only between neighbours, so
    that nothing is drawn where nothing is known.
    """
    left, top, height = 40.0, 14.0, 150.0
    last = curve.n_steps
    has_words = last <= 10
    gap = 48.0 if has_words else max(24.0, 528.0 / last)
    # Numbers under the axis keep apart.
    every = 1 if gap >= 28.0 else 2
    bottom = top + height

    def place(share: float | None) -> float | None:
        return None if share is None else round(bottom - height * share, 2)

    points = []
    for point in curve.points:
        share = point.share
        points.append(
            PlottedPoint(
                point=point,
                x=round(left + 24.0 + gap * point.number, 2),
                y=place(share.value),
                y_low=None if point.is_exact else place(share.low),
                y_high=None if point.is_exact else place(share.high),
                symbol=SYMBOLS[point.state],
                is_named=point.number % every == 0,
            )
        )
    right = left + 24.0 + gap * last + 24.0
    return CurvePlot(
        points=points,
        lines=[
            f"{one.x},{one.y} {two.x},{two.y}"
            for one, two in zip(points, points[1:], strict=False)
            if one.y is not None and two.y is not None and two.point.number == one.point.number + 1
        ],
        ticks=[
            Tick(place(mark) or bottom, decimal(mark, 2)) for mark in (0.0, 0.25, 0.5, 0.75, 1.0)
        ],
        left=left,
        right=right,
        bottom=bottom,
        symbols_y=bottom + 26.0,
        has_words=has_words,
        width=right + 8.0,
        height=bottom + (58.0 if has_words else 46.0),
    )


# --- How numbers are spread -----------------------------------------------------------------------


class PlottedBar(NamedTuple):
    """One bar; `label` names its range in words for the table."""

    bar: Bar
    x: float
    y: float
    width: float
    height: float
    label: str


class BarPlot(NamedTuple):
    """Bars over an axis of numbers; `target_x` is where the rule draws its line."""

    bars: list[PlottedBar]
    ticks: list[Tick]
    target_x: float | None
    most: int
    left: float
    right: float
    bottom: float
    width: float
    height: float


def plot_bars(bars: Sequence[Bar], *, target: float | None = None) -> BarPlot:
    """The bars as high as they have steps; the last may have no upper bound."""
    left, top, height, width = 8.0, 18.0, 110.0, 356.0
    bottom = top + height
    most = max((bar.steps for bar in bars), default=0)
    step = (width - 2 * left) / max(1, len(bars))
    low = bars[0].low or 0.0
    span = (bars[0].high or 1.0) - low

    def place(number: float) -> float:
        return left + step * (number - low) / span

    plotted = []
    for at, bar in enumerate(bars):
        tall = round(height * bar.steps / most, 2) if most else 0.0
        # What is there can be seen, however little of all it is.
        tall = max(tall, 1.5) if bar.steps else 0.0
        plotted.append(
            PlottedBar(
                bar,
                round(left + at * step + 1, 2),
                round(bottom - tall, 2),
                round(step - 2, 2),
                tall,
                name_range(bar),
            )
        )
    closed = [bar for bar in bars if bar.high is not None]
    edges = [closed[0].low or 0.0, *(bar.high for bar in closed if bar.high is not None)]
    marks = [edge for at, edge in enumerate(edges) if at % max(1, (len(edges) - 1) // 4) == 0]
    return BarPlot(
        bars=plotted,
        # A quarter needs two digits.
        ticks=[
            Tick(round(place(mark), 2), decimal(mark, 1 if round(mark * 20) % 2 == 0 else 2))
            for mark in marks
        ],
        target_x=None if target is None else round(place(target), 2),
        most=most,
        left=left,
        right=width - left,
        bottom=bottom,
        width=width,
        height=bottom + 22.0,
    )


def name_range(bar: Bar) -> str:
    """The numbers of a bar in words: "0.20 to 0.30", "2.00 and more"."""
    low = decimal(bar.low or 0.0, 2)
    if bar.high is None:
        return _("%(low)s and more") % {"low": low}
    high = decimal(bar.high, 2)
    return _("%(low)s to %(high)s") % {"low": low, "high": high}


def find_target(rule: LabelRule) -> float | None:
    """Where a rule parts right from wrong, on the numbers that it looks at."""
    return {"ratio": rule.epsilon, "difference": rule.threshold}.get(rule.kind)
