"""Oracles: curves that are straight in log(step), powers with a known exponent, and gaps by hand."""

import numpy as np
import pytest
import xarray as xr

from ontogeny.measures.skill_times import by_seed, curve, exponent_by_seed, last, rise_between, time_to

STEPS = np.array([0, 1, 10, 100, 1_000, 10_000])
NAN = np.nan


def dataset(*rows, **factors):
    coords = {"step": STEPS, **{name: ("member", list(levels)) for name, levels in factors.items()}}
    return xr.Dataset({"skill": (("member", "step"), np.array(rows, float))}, coords)


# Straight lines stay what they are when three neighbours are averaged, but for the ends.
LINE = [NAN, 0.0, 1.0, 2.0, 3.0, 4.0]  # log10(step)


def test_times_and_rises_on_a_line():
    ds = dataset(LINE, [5.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    steps, rows = curve(ds, "skill")
    assert steps.tolist() == [1, 10, 100, 1_000, 10_000]
    np.testing.assert_allclose(rows[0], [0.5, 1, 2, 3, 3.5])
    found = time_to(ds, "skill", 1.5)
    np.testing.assert_allclose(found, [10**1.5, np.inf])  # what was there at step 0 does not count
    ends = xr.DataArray([10**2.75, np.inf], dims="member")
    np.testing.assert_allclose(rise_between(ds, "skill", found, ends), [1.25, NAN])


def test_the_last_number_counts():
    ds = dataset([0, 1, 2, 3, NAN, NAN], [NAN] * 6, LINE)
    np.testing.assert_allclose(last(ds, "skill"), [3.0, NAN, 4.0])


def test_seeds_are_kept_apart():
    ds = dataset(*[LINE] * 4, seed=[7, 8, 7, 8])
    values = xr.DataArray([1.0, 2.0, 5.0, NAN], dims="member")
    for how, expected in (("mean", [3.0, NAN]), ("min", [1.0, NAN]), ("max", [5.0, NAN])):
        np.testing.assert_allclose(by_seed(ds, values, how), expected)


def test_exponents_of_powers():
    sizes = np.array([1.0, 1.0, 4.0, 4.0, 32.0, 32.0])
    ds = dataset(*[LINE] * 6, size=sizes, seed=[0, 1] * 3)
    powers = np.where(ds.seed.values == 0, 0.5, -2.0)
    times = xr.DataArray(3 * sizes**powers, dims="member")
    assert exponent_by_seed(ds, times, "size").values == pytest.approx([0.5, -2.0])
    times[4] = np.inf
    np.testing.assert_allclose(exponent_by_seed(ds, times, "size"), [NAN, -2.0])
