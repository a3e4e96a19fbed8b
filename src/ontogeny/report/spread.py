"""Spread: a curve over seeds as a line, with their range as whiskers at every level or as a band."""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from ontogeny.errors import UserError
from ontogeny.report.figure import Band, Line, Mark, Points


def spread(values: xr.DataArray, *, over: str = "seed", **look: Any) -> list[Mark]:
    """The median as points on a line, with a whisker over the range.

    `values` have the dimension `over` and one other, along whose labels the curve runs.

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


def spreads(values: xr.DataArray, by: str, *, colours: Mapping[str, str] | None = None) -> list[Mark]:
    """A `spread` over seeds for every label along `by`, named by its label and in its colour, where one is given.

    Raises as `spread` does.
    """
    marks: list[Mark] = []
    for label in values[by].values.tolist():
        marks += spread(values.sel({by: label}, drop=True), name=f"{label}", colour=(colours or {}).get(label))
    return marks


def mean_and_range(values: xr.DataArray, name: str, colour: str, along: str) -> list[Mark]:
    """The mean over members as a line along a dimension, in a band from the least to the greatest."""
    low, mean, high = (getattr(values, f)("member").values for f in ("min", "mean", "max"))
    at = values[along].values
    return [Band(at, low, high, name=name, colour=colour), Line(at, mean, name=name, colour=colour)]
