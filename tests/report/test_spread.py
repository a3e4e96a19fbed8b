"""Oracle: medians and ranges by hand."""

import pytest
import xarray as xr

from ontogeny.errors import UserError
from ontogeny.report.spread import mean_and_range, spread, spreads


def test_median_and_range():
    values = xr.DataArray([[1.0, 2.0, 9.0], [0.0, 5.0, 7.0]], dims=("x", "seed"), coords={"x": [10.0, 20.0]})
    line, points = spread(values, name="a")
    assert line.x.tolist() == points.x.tolist() == [10.0, 20.0]
    assert line.y.tolist() == points.y.tolist() == [2.0, 5.0]
    assert (points.low.tolist(), points.high.tolist()) == ([1.0, 0.0], [9.0, 7.0])
    assert line.name == points.name == "a"


def test_refuses_more_dimensions():
    with pytest.raises(UserError, match="narrow the rest"):
        spread(xr.DataArray([[[1.0]]], dims=("x", "y", "seed")))


def test_a_band_is_the_range_and_its_line_the_mean():
    values = xr.DataArray([[1.0, 5.0], [2.0, 6.0], [6.0, 7.0]], dims=("member", "step"), coords={"step": [10, 20]})
    band, line = mean_and_range(values, "x", "accent", "step")
    assert (list(band.x), list(band.low), list(band.high)) == ([10, 20], [1.0, 5.0], [6.0, 7.0])
    assert (list(line.x), list(line.y)) == ([10, 20], [3.0, 6.0])


def test_a_spread_a_label():
    values = xr.DataArray(
        [[[1.0, 2.0], [3.0, 3.0]], [[5.0, 5.0], [7.0, 9.0]]],
        dims=("kind", "x", "seed"),
        coords={"kind": ["a", "b"], "x": [10.0, 20.0]},
    )
    marks = spreads(values, "kind", colours={"b": "accent"})
    assert [mark.colour for mark in marks] == [None, None, "accent", "accent"]
    assert [mark.name for mark in marks] == ["a", "a", "b", "b"]
    assert marks[0].y.tolist() == [1.5, 3.0]
    assert marks[3].high.tolist() == [5.0, 9.0]
