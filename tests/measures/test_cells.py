"""Oracles: SciPy's t interval and ratios by hand."""

import numpy as np
import scipy.stats
import xarray as xr

from ontogeny.measures.cells import (
    by_factors,
    every_cell,
    interval_ends,
    log_interval_ends,
    paired_difference,
    paired_ratio,
)

RUN = xr.Dataset(
    {"a": ("member", [1.0, 2.0, 3.0, 6.0, 10.0, 12.0]), "b": ("member", [1.0, 1.0, 1.0, 2.0, 2.0, 2.0])},
    {"x": ("member", [0, 0, 0, 1, 1, 1]), "seed": ("member", [5, 6, 7, 5, 6, 7])},
)


def scipys(values):
    return scipy.stats.t.interval(0.95, len(values) - 1, np.mean(values), scipy.stats.sem(values))


def test_interval_ends():
    low, high = scipys([1, 2, 3])
    low1, high1 = scipys([6, 10, 12])
    np.testing.assert_allclose(interval_ends(by_factors(RUN, "a").a).values, [low, low1, high, high1])
    logs = scipys(np.log([1, 2, 3]))
    np.testing.assert_allclose(log_interval_ends(by_factors(RUN.isel(member=slice(3)), "a").a).values, np.exp(logs))


def test_paired_ratio():
    ratio = paired_ratio(RUN, "a", "b")
    np.testing.assert_allclose(ratio.sel(x=1).values, [3.0, 5.0, 6.0])
    assert every_cell(ratio.median("seed")).values.tolist() == [2.0, 5.0]
    assert every_cell(xr.DataArray(3.0)).values.tolist() == [3.0]


def test_paired_difference():
    swapped = RUN.isel(member=[5, 0, 4, 1, 3, 2])  # paired by seed, whatever the order of members
    assert paired_difference(swapped, "a", "x", 1, 0).sortby("seed").values.tolist() == [5.0, 8.0, 9.0]


def test_one_seed_has_no_interval():
    assert interval_ends(xr.DataArray([[1.0], [2.0]], dims=("x", "seed"))).isnull().all()
