"""Oracle: losses drawn by hand."""

import numpy as np
import xarray as xr

from ontogeny.measures.stable_rate import largest_stable_rate, log_rate_gain

RATES, CHANCE = (0.1, 1.0, 10.0), 2.3


def test_by_hand():
    ends = np.array([[1.0, 1.0, 1.0], [1.0, 3.0, 1.0], [1.0, np.nan, 1.0], [3.0, 1.0, 1.0], [2.34, 2.36, np.inf]])
    losses = np.repeat(ends[..., None], 30, axis=-1)
    losses[..., :10] = 100.0  # only the last 20 count
    np.testing.assert_array_equal(largest_stable_rate(RATES, losses, CHANCE), [10.0, 0.1, 0.1, np.nan, 0.1])


def test_gain_by_hand():
    edge = {"with": (10.0, 1.0), "without": (0.1, 1.0)}  # the largest stable rates of two seeds
    rows = [(norm, lr, seed) for norm in edge for lr in (10.0, 0.1, 1.0) for seed in (0, 1)]
    losses = np.array([[1.0 if lr <= edge[norm][seed] else 3.0] * 20 for norm, lr, seed in rows])
    columns = dict(zip(("norm", "lr", "seed"), (list(c) for c in zip(*rows, strict=True)), strict=True))
    ds = xr.Dataset(
        {"train_loss": (("member", "update"), losses)}, {name: ("member", c) for name, c in columns.items()}
    )
    found = log_rate_gain(ds, "norm", "with", "without", chance=CHANCE)
    np.testing.assert_allclose(found.values, [np.log(100.0), 0.0])
