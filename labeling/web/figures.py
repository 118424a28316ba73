"""The agreement report as a page shows it: figures with their intervals, and where plots draw them.

Everything that is drawn has its table: both are made from the same rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from labeling.metrics.agreement import NominalAgreement
from labeling.metrics.coefficients import Coefficient
from labeling.metrics.pairs import RaterPair
from labeling.selectors.agreement import FEW, AgreementReport

# The least alpha for tentative conclusions (Krippendorff 2004, section 11.4.2).
LEAST_ALPHA = 0.667
HEAT_STEPS = 6
# The plots stand in cards of a third of the page: their units are its pixels.
PLOT_WIDTH = 356.0
# More people than this do not fit into a picture; their table stays.
MOST_IN_HEAT = 10


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure with its interval; undefined where `value` is None, and `reason` says why."""

    key: str
    label: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    reason: str
    is_share: bool = False


class PlottedFigure(NamedTuple):
    """Where a figure stands in the interval plot, in the plot's own units."""

    figure: Figure
    y: float
    x: float | None
    x_low: float | None
    x_high: float | None


class Tick(NamedTuple):
    x: float
    label: str


class IntervalPlot(NamedTuple):
    """A dot with a line through it for each figure, on one axis."""

    rows: list[PlottedFigure]
    ticks: list[Tick]
    target_x: float | None
    left: float
    right: float
    bottom: float
    height: float
    width: float


class Cell(NamedTuple):
    """One pair in the heat table. `is_few`: too little in common to be read as a finding."""

    x: float
    y: float
    pair: RaterPair
    first: str
    second: str
    value: float | None
    heat: int
    is_few: bool
    is_dark: bool
    url: str


class HeatPlot(NamedTuple):
    """Pairs below the diagonal; empty `cells` where there are too many people for a picture."""

    cells: list[Cell]
    columns: list[tuple[float, str]]
    rows: list[tuple[float, str]]
    side: float
    height: float
    width: float
    few: int


def list_figures(report: AgreementReport) -> list[Figure]:
    """The figures of the page in order, those of steps first; None stands for no rating at all."""
    figures: list[Figure] = []

    def add(
        key: str, label: str, coefficient: Coefficient, interval: Any, *, is_share: bool = False
    ) -> None:
        known = interval is not None and interval.low is not None
        figures.append(
            Figure(
                key=key,
                label=label,
                value=coefficient.value,
                low=interval.low if known and coefficient.is_defined else None,
                high=interval.high if known and coefficient.is_defined else None,
                n=coefficient.n_units,
                reason=coefficient.explanation or (interval.explanation if interval else ""),
                is_share=is_share,
            )
        )

    if report.steps is not None and report.ranked is not None and report.step_intervals is not None:
        bounds = report.step_intervals
        if len(report.steps.categories) > 2:
            add(
                "steps.alpha_ordinal",
                _("Alpha, ordinal"),
                report.ranked.alpha_ordinal,
                bounds.alpha_ordinal,
            )
        add("steps.alpha_nominal", _("Alpha, nominal"), report.steps.alpha, bounds.alpha_nominal)
        if len(report.steps.categories) > 2:
            add("steps.ac2_linear", _("AC2, linear"), report.ranked.ac2_linear, bounds.ac2_linear)
        else:
            add("steps.ac1", _("AC1"), report.steps.ac1, bounds.ac1)
        add(
            "steps.percent_agreement",
            _("Same rating"),
            report.steps.percent_agreement,
            bounds.percent_agreement,
            is_share=True,
        )
    if report.first_error is not None and report.first_error_intervals is not None:
        found, limits = report.first_error, report.first_error_intervals
        add(
            "solutions.first_error",
            _("First error, exact"),
            found.exact,
            limits.exact,
            is_share=True,
        )
        add(
            "solutions.first_error_within_one",
            _("First error, ±1"),
            found.within_one,
            limits.within_one,
            is_share=True,
        )
        add(
            "solutions.has_error_alpha",
            _("Any error, alpha"),
            found.verdict_alpha,
            limits.verdict_alpha,
        )
    if report.verdicts is not None and report.verdict_intervals is not None:
        spread = report.verdict_intervals
        add(
            "injections.percent_agreement",
            _("Same verdict"),
            report.verdicts.percent_agreement,
            spread.percent_agreement,
            is_share=True,
        )
        add(
            "injections.alpha_nominal",
            _("Verdicts, alpha"),
            report.verdicts.alpha,
            spread.alpha_nominal,
        )
        add("injections.ac1", _("Verdicts, AC1"), report.verdicts.ac1, spread.ac1)
    return figures


def pick_tiles(figures: Sequence[Figure]) -> list[Figure]:
    """The few figures that stand at the head of the page, of those there are."""
    known = {figure.key: figure for figure in figures}
    wanted = ["steps.alpha_ordinal", "steps.ac2_linear", "steps.ac1", "steps.percent_agreement"]
    if "steps.alpha_ordinal" not in known:
        wanted[0] = "steps.alpha_nominal"
    wanted += ["solutions.first_error", "injections.percent_agreement"]
    if "steps.percent_agreement" not in known:
        wanted.append("injections.alpha_nominal")
    return [known[key] for key in wanted if key in known]


def plot_intervals(figures: Sequence[Figure]) -> IntervalPlot:
    """The figures on one axis, from the lowest bound (rounded down to a fifth) to 1."""
    left, right, top, step = 122.0, 318.0, 26.0, 32.0
    lows = [
        number for figure in figures for number in (figure.low, figure.value) if number is not None
    ]
    start = min(0.8, math.floor(min(lows, default=0.0) * 5 + 1e-9) / 5)
    start = max(-1.0, start)

    def place(number: float | None) -> float | None:
        if number is None:
            return None
        clipped = min(1.0, max(start, number))
        return round(left + (right - left) * (clipped - start) / (1.0 - start), 2)

    rows = [
        PlottedFigure(
            figure,
            top + index * step,
            place(figure.value),
            place(figure.low),
            place(figure.high),
        )
        for index, figure in enumerate(figures)
    ]
    n_ticks = round((1.0 - start) * 5)
    every = 1 if n_ticks <= 5 else 2
    marks = [1.0 - index * 0.2 for index in range(0, n_ticks + 1, every)]
    bottom = top + max(0, len(figures) - 1) * step + 20
    return IntervalPlot(
        rows=rows,
        ticks=[Tick(place(mark) or left, f"{mark + 0.0:.1f}".replace("-", "−")) for mark in marks],
        target_x=place(LEAST_ALPHA) if start < LEAST_ALPHA else None,
        left=left,
        right=right,
        bottom=bottom,
        height=bottom + 30,
        width=PLOT_WIDTH,
    )


def plot_pairs(agreement: NominalAgreement, names: dict[int, str], address: str) -> HeatPlot:
    """Nominal alpha of every two people as a triangle; each cell leads to what both judged."""
    paired = {rater for pair in agreement.pairs.pairs for rater in (pair.first, pair.second)}
    # Whoever has met nobody yet would be a row and a column of nothing.
    raters = [marginal.rater for marginal in agreement.marginals if marginal.rater in paired]
    side = 69.0
    left, top = 76.0, 24.0
    met = {frozenset((pair.first, pair.second)): pair for pair in agreement.pairs.pairs}
    if len(raters) > MOST_IN_HEAT or len(raters) < 2:
        return HeatPlot([], [], [], side, 0.0, 0.0, FEW)
    across, down = raters[:-1], raters[1:]
    scale = min(1.0, 4.0 / max(1, len(across)))
    side = round(side * scale, 2)
    cells = []
    for row, second in enumerate(down):
        for column, first in enumerate(across[: row + 1]):
            pair = met.get(frozenset((first, second)))
            if pair is None:
                continue
            value = pair.alpha.value
            heat = pick_heat(value)
            is_few = pair.n_units < FEW or value is None
            cells.append(
                Cell(
                    x=round(left + column * side, 2),
                    y=round(top + row * 57, 2),
                    pair=pair,
                    first=names.get(first, f"#{first}"),
                    second=names.get(second, f"#{second}"),
                    value=value,
                    heat=heat,
                    is_few=is_few,
                    is_dark=heat >= 4 and not is_few,
                    url=f"{address}?first={first}&second={second}",
                )
            )
    return HeatPlot(
        cells=cells,
        columns=[
            (round(left + index * side + (side - 4) / 2, 2), names.get(rater, f"#{rater}"))
            for index, rater in enumerate(across)
        ],
        rows=[
            (round(top + index * 57 + 25, 2), names.get(rater, f"#{rater}"))
            for index, rater in enumerate(down)
        ],
        side=round(side - 4, 2),
        height=top + len(down) * 57 + 6,
        width=PLOT_WIDTH,
        few=FEW,
    )


def pick_heat(value: float | None) -> int:
    """One of six shades, from nothing (0 and below) to 0.8 and above."""
    if value is None or value <= 0:
        return 0
    return min(HEAT_STEPS - 1, 1 + int(value / 0.2 + 1e-9))


class Habit(NamedTuple):
    """How one person rates: each category's count and place in a bar, and agreement with others.

    `agreement` is the share of this person's comparisons with others in which both said the same.
    """

    rater: int
    name: str
    is_simulated: bool
    items: int
    shares: tuple[tuple[object, int, float, float, float], ...]
    agreement: float | None
    compared: int
    seconds: float | None


BAR_WIDTH = 150.0


def describe_raters(
    agreement: NominalAgreement,
    *,
    names: dict[int, str],
    simulated: set[int],
    items: dict[int, int],
    seconds: dict[int, float | None],
) -> list[Habit]:
    """Each person's habits, in the order of their names."""
    habits = []
    for marginal in agreement.marginals:
        pairs = [
            pair
            for pair in agreement.pairs.pairs
            if marginal.rater in (pair.first, pair.second)
            and pair.percent_agreement.value is not None
        ]
        compared = sum(pair.n_units for pair in pairs)
        same = sum((pair.percent_agreement.value or 0.0) * pair.n_units for pair in pairs)
        habits.append(
            Habit(
                rater=marginal.rater,
                name=names.get(marginal.rater, f"#{marginal.rater}"),
                is_simulated=marginal.rater in simulated,
                items=items.get(marginal.rater, 0),
                shares=_lay_out(agreement.categories, marginal.counts, marginal.shares),
                agreement=same / compared if compared else None,
                compared=compared,
                seconds=seconds.get(marginal.rater),
            )
        )
    return sorted(habits, key=lambda habit: habit.name)


def _lay_out(
    categories: Sequence[object], counts: Sequence[int], shares: Sequence[float]
) -> tuple[tuple[object, int, float, float, float], ...]:
    """(category, count, share, x, width) from the best rating to the worst, as a stacked bar."""
    parts = []
    x = 0.0
    for category, number, share in reversed(list(zip(categories, counts, shares, strict=True))):
        width = BAR_WIDTH * share
        parts.append((category, number, share, round(x, 2), round(max(0.0, width - 1), 2)))
        x += width
    return tuple(parts)


@dataclass(frozen=True, slots=True)
class KindRow:
    """One kind of disagreement, with its share of the commonest as the length of a bar."""

    kind: str
    label: str
    detail: str
    count: int
    width: float


def describe_kinds(counts: dict[str, int]) -> list[KindRow]:
    """The kinds of disagreement in order, those that did not occur left out."""
    words = {
        "existence": (_("Existence"), _("one sees an error, the other none")),
        "location": (_("Location"), _("both see one, at another step")),
        "type": (_("Type"), _("same step, another type")),
        "severity": (_("Severity"), _("the same first error, other ratings")),
        "verdict": (_("Verdict"), _("one accepts the claim, the other does not")),
        "unsure": (_("Unsure"), _("somebody could not decide")),
    }
    most = max(counts.values(), default=0)
    rows = [
        KindRow(kind, *words.get(kind, (kind, "")), count, round(84 * count / most, 2))
        for kind, count in counts.items()
        if count
    ]
    return sorted(rows, key=lambda row: (-row.count, row.kind))
