"""What a figure takes, what it refuses, and which colour a name gets."""

import numpy as np
import pytest

from ontogeny.errors import UserError
from ontogeny.report.figure import (
    Axis,
    Band,
    Contour,
    Figure,
    Heatmap,
    Line,
    Panel,
    Points,
    Rule,
    Shade,
    category,
    level,
    palette_of,
)
from ontogeny.report.legend import legend_of


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Line([1, 2], [1]), "x 2, y 1"),
        (lambda: Line([[1]], [[1]]), r"shape \(1, 1\)"),
        (lambda: Line([1], [1], colour="blue"), "no colour 'blue'"),
        (lambda: Points([1], [1], low=[0]), "both low and high"),
        (lambda: Heatmap([1, 2], [1], [[1], [2]]), r"shape \(2, 1\), not \(y, x\) = \(1, 2\)"),
        (lambda: Heatmap([2, 1], [1], [[1, 2]]), "x must rise"),
        (lambda: Heatmap([1], [1], [[1]], opacity=[[1]]), "without categories"),
        (lambda: Heatmap([1], [1], [[2]], categories=("a", "b")), "below 2"),
        (lambda: Heatmap([1], [1], [[0]], categories=("a", "b"), colours=("ink",)), "2 categories and 1 colours"),
        (lambda: Contour([1, 1], [1, 2], [[1, 2], [3, 4]]), "x must rise"),
        (lambda: Rule(), "either x or y"),
        (lambda: Rule(x=1, y=1), "either x or y"),
        (lambda: Shade(), "either x or y"),
        (lambda: Axis("loss", limits=(1, 0)), "goes from 1 to 0"),
        (lambda: Axis("loss", log=True, limits=(0, 1)), "starts at 0"),
        (lambda: Figure("empty", []), "no panels"),
        (lambda: Figure("odd", [Panel()], columns=0), "0 columns"),
    ],
)
def test_what_cannot_be_drawn_is_refused(wrong, message):
    with pytest.raises(UserError, match=message):
        wrong()


def test_a_mark_keeps_its_own_numbers():
    x = np.array([1.0, 2.0])
    line = Line(x, x)
    x[0] = 99
    assert line.x.tolist() == [1, 2]


def test_names_share_a_colour_and_free_names_take_the_next():
    figure = Figure(
        "",
        [
            Panel(marks=[Line([1], [1], name="a"), Line([1], [1], name="oracle", colour="grey")]),
            Panel(marks=[Band([1], [0], [1], name="b"), Line([1], [1], name="a"), Line([1], [1])]),
        ],
    )
    assert palette_of(figure) == {"a": category(0), "oracle": "grey", "b": category(1)}


def test_the_legend_has_one_entry_a_name():
    marks = [
        Band([1], [0], [1], name="a"),
        Line([1], [1], name="a", colour=level(1, of=2)),
        Heatmap([1], [1], [[0]], categories=("p", "q"), colours=("ink", "grey")),
        Line([1], [1]),
    ]
    entries = legend_of(Figure("", [Panel(marks=marks), Panel(marks=marks)]))
    assert [(entry.name, entry.colour, entry.cell) for entry in entries] == [
        ("a", "level-1.000", False),
        ("p", "ink", True),
        ("q", "grey", True),
    ]
    assert entries[0].line is marks[1]
    assert entries[0].band is marks[0]


@pytest.mark.parametrize(
    ("count", "columns", "across"), [(1, None, 1), (2, None, 2), (4, None, 2), (6, None, 3), (2, 4, 2)]
)
def test_panels_in_a_row(count, columns, across):
    assert Figure("", [Panel()] * count, columns=columns).across == across


def test_an_axis_names_its_unit():
    assert Axis("loss", "nats").text == "loss (nats)"
    assert Axis("step").text == "step"
