"""Oracles: positions derived by hand."""

import numpy as np
import pytest

from ontogeny.report.axes import extent_of, number, scale_of
from ontogeny.report.figure import Axis, Band, Heatmap, Line, Panel, Points, Rule, Shade


def test_a_window_holds_everything_that_is_drawn_and_a_margin():
    marks = [Band([0, 10], [-1, 2], [1, 5]), Points([5], [0], low=[-5], high=[1]), Rule(y=15), Shade(y=(-99, 99))]
    y = scale_of(Panel(marks=marks), "y")
    # from the whisker at -5 to the rule at 15: 20 long, 4 % kept free at either end; a shade asks for nothing
    assert (y.low, y.high) == pytest.approx((-5.8, 15.8))


def test_zero_has_a_place_on_a_log_axis():
    x = scale_of(Panel(x=Axis(log=True), marks=[Line([0, 1, 10, 100], [1, 2, 3, 4])]), "x")
    # 12 % of the two decades below the smallest: 10 ** -0.24
    assert x.place(np.array([0, 1, -1])).tolist() == pytest.approx([10**-0.24, 1, np.nan], nan_ok=True)
    assert x.ticks is not None
    assert x.ticks[0] == (pytest.approx(10**-0.24), "0")
    assert x.low < 10**-0.24
    assert x.high > 100


def test_without_zeros_a_log_axis_has_no_zero():
    x = scale_of(Panel(x=Axis(log=True), marks=[Line([1, 100], [1, 2])]), "x")
    assert x.zero is None
    assert np.isnan(x.place(0.0))


@pytest.mark.parametrize(
    ("log", "centres", "edges"),
    [
        (False, [0, 2, 3], [-1, 1, 2.5, 3.5]),
        (True, [1, 100, 1000], [0.1, 10, 10**2.5, 10**3.5]),
        (False, [4], [3.5, 4.5]),
    ],
)
def test_cells_meet_midway(log, centres, edges):
    x = scale_of(Panel(x=Axis(log=log), marks=[Heatmap(centres, [0], [range(len(centres))])]), "x")
    assert x.edges(np.array(centres, float)).tolist() == pytest.approx(edges)
    assert (x.low, x.high) == pytest.approx((edges[0], edges[-1]))


def test_ticks_of_a_log_axis_are_round_and_few():
    def ticks(low, high):
        return [
            text for _, text in scale_of(Panel(x=Axis(log=True), marks=[Line([low, high], [0, 1])]), "x").ticks or ()
        ]

    assert ticks(1, 1000) == ["1", "10", "100", "1,000"]
    assert ticks(1, 60) == ["1", "3", "10", "30"]
    assert len(ticks(1e-12, 1e12)) <= 6


def test_named_ticks_stand_where_they_are_asked_for():
    panel = Panel(
        x=Axis(log=True, ticks=(0, 1, 10)), y=Axis(ticks={0: "few", 1: "many"}), marks=[Line([0, 1, 10], [0, 1, 1])]
    )
    assert [text for _, text in scale_of(panel, "x").ticks or ()] == ["0", "1", "10"]
    assert scale_of(panel, "y").ticks == ((0, "few"), (1, "many"))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.02, "0.02"), (-0.5, "−0.5"), (3000, "3,000"), (1e-8, "10⁻⁸"), (2.5e-7, "2.5·10⁻⁷"), (1e9, "10⁹")],
)
def test_numbers_are_written_as_people_read_them(value, text):
    assert number(value) == text


def test_an_empty_or_constant_panel_still_has_a_window():
    for marks in ([], [Line([1, 1], [2, 2])], [Line([np.nan], [np.nan])]):
        for log in (False, True):
            y = scale_of(Panel(x=Axis(log=log), y=Axis(log=log), marks=marks), "y")
            assert y.low < y.high


def test_extent_of_colours():
    values = np.array([np.nan, 0, 2, 8])
    assert extent_of(values, Axis()) == (0, 8)
    assert extent_of(values, Axis(log=True)) == (2, 8)
    assert extent_of(values, Axis(limits=(-1, 1))) == (-1, 1)
    assert extent_of(values[:1], Axis()) == (0, 1)
