"""Skill times: when each of several skills is there, and what else rises meanwhile, as statistics of a run's dataset.

A skill is a variable with the dims member and step. Members may be measured at different steps: what is NaN was not
measured. Curves are the mean of three measurements; time is logarithmic.
"""

from typing import Literal

import numpy as np
import xarray as xr
from jaxtyping import Float

from ontogeny.measures.crossing import crossing, smooth


def curve(ds: xr.Dataset, skill: str) -> tuple[Float[np.ndarray, "step"], Float[np.ndarray, "member step"]]:
    """Steps after the start, and a skill there, each the mean of three measurements."""
    there = ds[skill].isel(step=ds.step.values > 0)
    return there.step.values.astype(float), smooth(there.transpose("member", "step").values)


def time_to(ds: xr.Dataset, skill: str, level: float) -> xr.DataArray:
    """The step at which a skill reaches a level, a value a member; infinite if it never does."""
    return xr.DataArray(crossing(*curve(ds, skill), level), dims="member")


def rise_between(ds: xr.Dataset, skill: str, begins: xr.DataArray, ends: xr.DataArray) -> xr.DataArray:
    """How much a skill rises between two steps, each a value a member; NaN where the end is not finite."""
    steps, values = curve(ds, skill)
    rise = []
    for row, t0, t1 in zip(values, begins.values, ends.values, strict=True):
        known = np.isfinite(row)
        at = np.interp(np.log([t0, t1]), np.log(steps[known]), row[known]) if np.isfinite(t1) else [np.nan] * 2
        rise.append(at[1] - at[0])
    return xr.DataArray(rise, dims="member")


def last(ds: xr.Dataset, name: str) -> xr.DataArray:
    """The last measurement of every member that is a number, NaN where none is."""
    known = ds[name].notnull().transpose("member", "step").values
    place = known.shape[1] - 1 - known[:, ::-1].argmax(1)
    return ds[name].isel(step=xr.DataArray(place, dims="member")).drop_vars("step")


def by_seed(ds: xr.Dataset, values: xr.DataArray, how: Literal["mean", "min", "max"] = "mean") -> xr.DataArray:
    """Mean, least or greatest over the members of each seed; NaN where one of them is."""
    return getattr(values.assign_coords(seed=("member", ds.seed.values)).groupby("seed"), how)(skipna=False)


def exponent_by_seed(ds: xr.Dataset, times: xr.DataArray, factor: str) -> xr.DataArray:
    """Slope of ln(time) on ln(factor) by least squares over each seed's members; NaN where a time is not finite."""
    log_x, slopes = np.log(ds[factor].values), []
    log_t = np.log(times.where(np.isfinite(times)).values)
    for seed in dict.fromkeys(ds.seed.values.tolist()):
        here = ds.seed.values == seed
        x = log_x[here] - log_x[here].mean()
        slopes.append((x * log_t[here]).sum() / (x * x).sum())
    return xr.DataArray(slopes, dims="seed")
