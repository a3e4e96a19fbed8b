"""Concept dynamics: what the trajectories of concepts say about a member, as statistics of a run's dataset.

They read `concept_output`, `ood_loss` and `jacobian`, as `ontogeny.measures.concept_trajectory` labels them, and give
a value a member unless said otherwise.
"""

import numpy as np
import xarray as xr

from ontogeny.claims import unfold
from ontogeny.measures.learning_times import in_order, lasting_time
from ontogeny.measures.swing import swing, turning_points

LEARNED = 0.8  # of its distance, from which on a concept counts as learned once it stays above
STILL = 0.01  # a rise of the loss by less than this share of its start is no swing


def times(ds: xr.Dataset) -> xr.DataArray:
    """The step from which on each concept stays learned; infinite for one that is not, NaN for one that is not there.

    Dims member and concept.
    """
    output = ds.concept_output.transpose("member", "concept", "step")
    return output.isel(step=0, drop=True).copy(data=lasting_time(output.values, ds.step.values, LEARNED))


def strongest_first(ds: xr.Dataset) -> xr.DataArray:
    """Whether the concepts are learned one by one, the last first: distances and spreads rise with their number."""
    found = times(ds).dropna("concept", how="all")
    return found.isel(concept=0, drop=True).copy(data=in_order(found.values[:, ::-1]))


def all_learned(ds: xr.Dataset) -> xr.DataArray:
    """Whether all concepts are learned by the end."""
    return (times(ds) < np.inf).all("concept")


def lateness(ds: xr.Dataset) -> xr.DataArray:
    """How many times later the first concept is learned than the second, in doublings.

    Infinite where the first one is never learned, NaN where neither is.
    """
    found = times(ds)
    ratio = found.sel(concept=1, drop=True) / found.sel(concept=2, drop=True)
    return ratio.copy(data=np.log2(ratio.values))


def losses(ds: xr.Dataset) -> xr.DataArray:
    """The loss at the unseen combination, dims member and step."""
    return ds.ood_loss.transpose("member", "step")


def amplitude(ds: xr.Dataset) -> xr.DataArray:
    """How far that loss comes back up, in shares of its start."""
    loss = losses(ds)
    return loss.isel(step=0, drop=True).copy(data=swing(loss.values).amplitude)


def turns(ds: xr.Dataset) -> xr.DataArray:
    """How often that loss turns, counting ways longer than a hundredth of its start."""
    loss = losses(ds)
    return loss.isel(step=0, drop=True).copy(data=turning_points(loss.values).astype(float))


def growth(ds: xr.Dataset, along: str) -> xr.DataArray:
    """What each level of a factor adds to the amplitude of the level below, at every level of the others."""
    by = unfold(amplitude(ds).to_dataset(name="amplitude").drop_vars("steps", errors="ignore")).amplitude.sortby(along)
    steps = by.diff(along)
    return steps.stack(step_up=steps.dims) if steps.ndim > 1 else steps


def tops(ds: xr.Dataset, of: tuple[int, int]) -> xr.Dataset:
    """The members that swing: the step at which an entry of the Jacobian is largest, and that of the loss's new top.

    Variables `entry` and `loss`. Members whose amplitude is below `STILL` have no top and are left out.
    """
    swinging = ds.isel(member=amplitude(ds).values >= STILL)
    entry = swinging.jacobian.sel(output=of[0], input=of[1], drop=True).transpose("member", "step")
    largest, top = entry.values.argmax(-1), swing(losses(swinging).values).peak
    first = entry.isel(step=0, drop=True)
    steps = ds.step.values
    return xr.Dataset({"entry": first.copy(data=steps[largest]), "loss": first.copy(data=steps[top])})


def peaks_first(ds: xr.Dataset, of: tuple[int, int]) -> xr.DataArray:
    """Whether an entry of the Jacobian is largest before the loss is back at its top, in the members that swing."""
    found = tops(ds, of)
    return found.entry < found.loss
