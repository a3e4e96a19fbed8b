"""The largest stable learning rate: how fast plain gradient descent may go before it no longer learns."""

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float

from ontogeny.measures.cells import by_factors

SLACK = 0.05  # nats above chance that still count as stable


def largest_stable_rate(
    rates: Sequence[float], losses: Float[np.ndarray, "*lead rate update"], chance: float, last: int = 20
) -> Float[np.ndarray, "*lead"]:
    """The largest of rising `rates` at which, as at every smaller one, training is stable. NaN where the least is not.

    Stable is a mean loss over the `last` updates below `chance` (that of a uniform guess) plus 0.05; a loss that is not
    finite is not.
    """
    with np.errstate(invalid="ignore"):  # an infinite loss beside one of minus infinity
        ends = losses[..., -last:].mean(-1)
    stable = np.isfinite(ends) & (ends < chance + SLACK)
    run = np.logical_and.accumulate(stable, axis=-1).sum(-1)
    table = np.array([math.nan, *rates])
    return table[run]


def log_rate_gain(ds: xr.Dataset, factor: str, level: str, less: str, *, chance: float) -> xr.DataArray:
    """Ln of the largest stable rate at one level of a factor over that at another, by seed.

    Rates are the factor `lr` of a run, losses its `train_loss`.
    """
    losses = by_factors(ds, "train_loss").train_loss.sortby("lr").transpose(factor, "seed", "lr", "update")
    found = largest_stable_rate(losses.lr.values.tolist(), losses.values, chance)
    by = losses.isel(lr=0, update=0, drop=True).copy(data=np.log(found))
    return by.sel({factor: level}, drop=True) - by.sel({factor: less}, drop=True)
