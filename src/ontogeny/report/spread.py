"""Spread: a curve's median over seeds as a line, with a point and a whisker over their range at every level."""

from typing import Any

import xarray as xr

from ontogeny.errors import UserError
from ontogeny.report.figure import Line, Mark, Points


def spread(values: xr.DataArray, *, over: str = "seed", **look: Any) -> list[Mark]:
    """Marks of `values`, which have the dimension `over` and one other, along whose labels the curve runs.

    `look` is what line and points share: a name, a colour.

    Raises: `UserError` for other dimensions than these two.
    """
    along = [str(dim) for dim in values.dims if dim != over]
    if over not in values.dims or len(along) != 1:
        raise UserError(f"a spread needs {over!r} and one other dimension, got {values.dims}: narrow the rest")
    at, middle = values[along[0]].values, values.median(over)
    return [
        Line(at, middle, **look),
        Points(at, middle, low=values.min(over), high=values.max(over), **look),
    ]
