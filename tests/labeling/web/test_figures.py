"""Where plots draw their marks. The arithmetic stands beside each place."""

from __future__ import annotations

import pytest

from labeling.metrics.agreement import summarise_nominal
from labeling.metrics.ratings import pack_ratings
from labeling.web.figures import (
    Figure,
    describe_kinds,
    describe_raters,
    pick_heat,
    pick_tiles,
    plot_intervals,
    plot_pairs,
)


def figure(value: float | None, low: float | None = None, high: float | None = None) -> Figure:
    return Figure("steps.alpha", "Alpha", value, low, high, 10, "because" if value is None else "")


def test_the_axis_begins_at_the_fifth_below_the_lowest_bound():
    plot = plot_intervals([figure(0.7, 0.45, 0.8)])
    assert [tick.label for tick in plot.ticks] == ["1.0", "0.8", "0.6", "0.4"]


def test_a_mark_stands_in_proportion():
    [row] = plot_intervals([figure(0.7, 0.4, 1.0)]).rows
    # From 122 to 318 for 0.4 to 1: 0.7 is halfway, at 220.
    assert row.x == pytest.approx(220)
    assert (row.x_low, row.x_high) == (122, 318)


def test_the_axis_goes_below_nothing():
    plot = plot_intervals([figure(-0.15, -0.31, 0.1)])
    # -0.4 to 1 are eight ticks, of which every second one is drawn.
    assert [tick.label for tick in plot.ticks] == ["1.0", "0.6", "0.2", "−0.2"]


def test_an_undefined_figure_has_no_mark():
    [row] = plot_intervals([figure(None)]).rows
    assert (row.x, row.x_low, row.x_high) == (None, None, None)


def test_the_least_alpha_is_drawn_where_it_is_on_the_axis():
    assert plot_intervals([figure(0.5, 0.4, 0.6)]).target_x is not None
    assert plot_intervals([figure(0.95, 0.9, 0.99)]).target_x is None


@pytest.mark.parametrize(
    ("value", "heat"),
    [(None, 0), (-0.5, 0), (0.0, 0), (0.1, 1), (0.2, 2), (0.59, 3), (0.6, 4), (0.8, 5), (1.0, 5)],
)
def test_heat_has_a_shade_for_each_fifth(value, heat):
    assert pick_heat(value) == heat


def agreement_of(*rows: tuple[int, int, int]):
    """From rows of (unit, rater, category)."""
    unit, rater, value = zip(*rows, strict=True)
    return summarise_nominal(
        pack_ratings(unit=unit, rater=rater, value=value, categories=(-1, 0, 1))
    )


def test_pairs_stand_below_the_diagonal():
    three = agreement_of(*[(unit, rater, unit % 3) for unit in range(12) for rater in (1, 2, 3)])
    plot = plot_pairs(three, {1: "Wren", 2: "Finch", 3: "Heron"}, "/items/")
    assert [(cell.first, cell.second) for cell in plot.cells] == [
        *(("Wren", "Finch"), ("Wren", "Heron"), ("Finch", "Heron")),
    ]
    assert {cell.url for cell in plot.cells} >= {"/items/?first=1&second=2"}
    assert {cell.value for cell in plot.cells} == {1.0}


def test_people_who_never_met_have_no_cell():
    plot = plot_pairs(
        agreement_of((1, 1, 0), (1, 2, 1), (2, 2, 1), (2, 3, 1)), {1: "A", 2: "B", 3: "C"}, "/"
    )
    assert [(cell.first, cell.second) for cell in plot.cells] == [("A", "B"), ("B", "C")]
    assert all(cell.is_few for cell in plot.cells)


def test_whoever_has_met_nobody_has_no_row():
    plot = plot_pairs(agreement_of((1, 1, 0), (2, 2, 0), (2, 3, 1)), {1: "A", 2: "B", 3: "C"}, "/")
    assert [name for _x, name in plot.columns] == ["B"]
    assert [name for _y, name in plot.rows] == ["C"]


def test_too_many_people_are_a_table_alone():
    crowd = agreement_of(*[(unit, rater, unit % 3) for unit in range(3) for rater in range(11)])
    assert plot_pairs(crowd, {}, "/").cells == []


def test_agreement_of_one_person_with_all_others():
    # 1 and 2 agree on one of two units; 1 and 3 agree on their only one: 2 of 3 for rater 1.
    summary = agreement_of((1, 1, 0), (1, 2, 0), (2, 1, 1), (2, 2, 2), (3, 1, 1), (3, 3, 1))
    people = {
        person.name: person
        for person in describe_raters(
            summary,
            names={1: "a", 2: "b", 3: "c"},
            simulated={3},
            items={1: 3},
            seconds={1: 4.0, 2: None},
        )
    }
    assert people["a"].agreement == pytest.approx(2 / 3)
    assert people["b"].agreement == pytest.approx(1 / 2)
    assert (people["a"].compared, people["b"].compared, people["c"].compared) == (3, 2, 1)
    assert (people["c"].is_simulated, people["a"].is_simulated) == (True, False)
    assert (people["a"].seconds, people["b"].seconds) == (4.0, None)


def test_a_bar_goes_from_the_best_rating_to_the_worst():
    summary = agreement_of((1, 1, 2), (2, 1, 2), (3, 1, 0), (4, 1, 1), (1, 2, 2))
    [one] = [
        person
        for person in describe_raters(
            summary, names={1: "a"}, simulated=set(), items={}, seconds={}
        )
        if person.name == "a"
    ]
    assert [(category, count) for category, count, _share, _x, _width in one.shares] == [
        *((1, 2), (0, 1), (-1, 1)),
    ]
    # Of 150: 2 of 4 are 75, then 37.5 each.
    assert [x for *_rest, x, _width in one.shares] == [0.0, 75.0, 112.5]


def test_one_who_met_nobody_has_no_agreement():
    summary = agreement_of((1, 1, 2), (2, 2, 2))
    people = describe_raters(summary, names={}, simulated=set(), items={}, seconds={})
    assert [person.agreement for person in people] == [None, None]


def test_kinds_by_how_many_with_the_commonest_as_the_measure():
    rows = describe_kinds({"type": 5, "existence": 10, "severity": 0})
    assert [(row.kind, row.count, row.width) for row in rows] == [
        *(("existence", 10, 84.0), ("type", 5, 42.0)),
    ]


def test_a_kind_without_a_name_keeps_its_own():
    assert describe_kinds({"reopened": 1})[0].label == "reopened"


def test_tiles_of_steps_and_of_verdicts():
    def named(*keys: str) -> list[Figure]:
        return [Figure(key, key, 0.5, None, None, 3, "") for key in keys]

    steps = named("steps.alpha_ordinal", "steps.alpha_nominal", "steps.percent_agreement")
    assert [tile.key for tile in pick_tiles(steps)] == [
        *("steps.alpha_ordinal", "steps.percent_agreement"),
    ]
    verdicts = named("injections.percent_agreement", "injections.alpha_nominal")
    assert [tile.key for tile in pick_tiles(verdicts)] == [tile.key for tile in verdicts]
