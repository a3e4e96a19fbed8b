"""Oracle: places by hand."""

import numpy as np

from ontogeny.report.rows import in_row, row_axis


def test_points_lie_about_their_row_in_order():
    points = in_row([3.0, np.inf, 5.0, np.nan, 1.0], 2, height=0.4, name="a")
    assert (points.x.tolist(), points.name) == ([3.0, 5.0, 1.0], "a")
    np.testing.assert_allclose(points.y, [-1.8, -2.0, -2.2])


def test_one_value_stands_in_the_middle_and_none_nowhere():
    assert in_row([7.0], 1).y.tolist() == [-1.0]
    assert in_row([], 1).y.tolist() == []


def test_rows_are_named_from_the_top():
    axis = row_axis(["one", "two", "three"])
    assert axis.ticks == {0.0: "one", -1.0: "two", -2.0: "three"}
    assert axis.limits == (-2.5, 0.5)
