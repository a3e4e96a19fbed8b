"""Cells: statistics over seeds for every combination of the other factors at once, as claims about many cells need.

A claim whose replicates are cells asks all of them; where it is about means it asks both ends of every interval.
"""

from typing import Any

import numpy as np
import xarray as xr

from ontogeny.claims import unfold
from ontogeny.intervals import t_interval


def by_factors(ds: xr.Dataset, *names: str) -> xr.Dataset:
    """Some variables of a run's dataset, with a dimension a factor instead of `member`."""
    return unfold(ds[list(names)])


def paired_ratio(ds: xr.Dataset, above: str, below: str) -> xr.DataArray:
    """One variable over another of the same member, with a dimension a factor."""
    both = by_factors(ds, above, below)
    return both[above] / both[below]


def paired_difference(ds: xr.Dataset, name: str, factor: str, level: Any, less: Any) -> xr.DataArray:
    """A variable at one level of a factor less that at another, paired by all other factors, one dimension each."""
    values = by_factors(ds, name)[name]
    return values.sel({factor: level}, drop=True) - values.sel({factor: less}, drop=True)


def interval_ends(values: xr.DataArray, over: str = "seed") -> xr.DataArray:
    """Both ends of the 95 % t interval of the mean over seeds in every cell: first all low ones, then all high ones."""
    low, high = t_interval(values.transpose(..., over).values.astype(float))
    return xr.DataArray(np.concatenate([np.ravel(low), np.ravel(high)]), dims="end")


def log_interval_ends(values: xr.DataArray, over: str = "seed") -> xr.DataArray:
    """The same of the geometric mean, for values above 0."""
    ends = interval_ends(values.copy(data=np.log(values.values)), over)
    return ends.copy(data=np.exp(ends.values))


def every_cell(values: xr.DataArray) -> xr.DataArray:
    """A value a cell as a one-dimensional array, a lone one as well."""
    return xr.DataArray(values.values.reshape(-1), dims="cell")
