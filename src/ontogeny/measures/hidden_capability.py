"""Hidden capability: how long a generator can draw an unseen combination before it does so when plainly asked.

They are statistics of a run's dataset, and read `z`, `right` and `capability` as
`ontogeny.measures.concept_elicitation` labels them. `means` is what the combination is drawn by: `prompts`, or a
`vector`.
"""

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from ontogeny.measures.concept_order import UNSEEN, by_signal, of_members, turn
from ontogeny.measures.learning_times import first_time

KNOWN = 0.5  # share of samples above which a combination counts as drawn


def naive(ds: xr.Dataset) -> xr.DataArray:
    """Share of pictures that are right when the unseen combination is plainly asked for."""
    return ds.right.sel(combination=UNSEEN, drop=True)


def by_means(ds: xr.Dataset, means: str) -> xr.DataArray:
    """Share of pictures of the unseen combination that are right by other means."""
    return ds.capability.sel(means=means, drop=True)


def pairs(ds: xr.Dataset, means: str = "prompts") -> xr.DataArray:
    """Share of members that draw the unseen combination by these means and, sooner or later, plainly: one number."""
    return xr.DataArray(float(_both(ds, means)[2].mean()))


def hidden(ds: xr.Dataset, means: str = "prompts") -> xr.DataArray:
    """ln of how many times later the plain prompt works than other means do, mean over a seed's members.

    They work from the first of two measurements running with more than half of the samples right. Members in which one
    of them never does are left out, and so are seeds without any other.
    """
    can, does, both = _both(ds, means)
    with np.errstate(divide="ignore", invalid="ignore"):
        return per_seed(ds, np.log(steps_at(ds, does) / steps_at(ds, can)), both)


def measurements_apart(ds: xr.Dataset) -> xr.DataArray:
    """How many measurements lie between the two, whichever comes first; mean over the same members of a seed."""
    can, does, both = _both(ds)
    with np.errstate(invalid="ignore"):
        return per_seed(ds, np.abs(does - can), both)


def random_gain(ds: xr.Dataset, means: str = "prompts") -> xr.DataArray:
    """What random pushes score above the plain prompt at the two measurements at which capability appears.

    They are as strong as those of the means. In the members that `hidden` looks at.
    """
    can, _, both = _both(ds, means)
    gain = _curve(by_means(ds, f"random {means}") - naive(ds))
    rows, here = np.arange(len(can)), np.where(both, can, 0).astype(int)
    return per_seed(ds, 0.5 * (gain[rows, here] + gain[rows, np.minimum(here + 1, gain.shape[1] - 1)]), both)


def before_the_turn(ds: xr.Dataset) -> xr.DataArray:
    """The best capability by prompts at any measurement before the turn, mean over a seed's members that turn."""
    can, entry = _curve(by_means(ds, "prompts")), turn(ds).entry
    early = np.where(np.arange(can.shape[1]) < entry[:, None], can, 0.0)
    return per_seed(ds, early.max(-1), entry > 0)


def best(ds: xr.Dataset, means: str = "prompts") -> xr.DataArray:
    """The best capability at any time, mean over a seed's members."""
    can = _curve(by_means(ds, means)).max(-1)
    return per_seed(ds, can, np.ones(len(can), bool))


def turn_and_capability(ds: xr.Dataset) -> xr.DataArray:
    """How far apart the turn and the capability by prompts are, |ln| of the ratio of steps; members that have both."""
    apart, keep = _turn_and_capability(ds)
    return xr.DataArray(apart[keep], dims=("member",))


def turns_with_capability(ds: xr.Dataset) -> xr.DataArray:
    """How many members have both: a single number."""
    return xr.DataArray(float(_turn_and_capability(ds)[1].sum()))


def log_times(ds: xr.Dataset) -> tuple[Float[np.ndarray, "member"], Float[np.ndarray, "member"]]:
    """ln of the steps from which on the best of the prompts, and the plain one, work; infinite where they never do."""
    can, does, _ = _both(ds)
    return np.log(steps_at(ds, can)), np.log(steps_at(ds, does))


def masking_delays(ds: xr.Dataset, plainly: bool, strongest: float = 0.6) -> xr.DataArray:
    """ln of how many times later masked labels make the unseen combination, by seed.

    Plainly asked for; otherwise how much more the plain prompt is delayed than the best of all. Mean over the
    separations where all of these times are there.
    """
    can, does = (of_members(ds, values) for values in log_times(ds))
    times = by_signal(ds, can=can, does=does)
    with np.errstate(invalid="ignore"):
        delay = times.sel(masked=strongest, drop=True) - times.sel(masked=0.0, drop=True)
        found = delay.does if plainly else delay.does - delay.can
    return found.where(np.isfinite(found)).mean("colour_signal").dropna("seed")


def per_seed(ds: xr.Dataset, values: Float[np.ndarray, "member"], keep: Bool[np.ndarray, "member"]) -> xr.DataArray:
    """Mean over the members of a seed that are kept; seeds with none are left out."""
    kept = ds.seed.values[keep]
    found = {seed: values[keep][kept == seed].mean() for seed in np.unique(kept).tolist()}
    return xr.DataArray(np.array(list(found.values()), float), dims=("seed",), coords={"seed": list(found)})


def steps_at(ds: xr.Dataset, places: Float[np.ndarray, "member"]) -> Float[np.ndarray, "member"]:
    """The steps of measurements that are counted from 0; infinite for infinite places."""
    known = np.isfinite(places)
    return np.where(known, ds.step.values[np.where(known, places, 0).astype(int)], np.inf)


def _both(ds: xr.Dataset, means: str = "prompts") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places of capability and of plain prompting among the measurements, and who has both."""
    places = np.arange(ds.sizes["step"])
    can, does = (first_time(_curve(share) > KNOWN, places, hold=2) for share in (by_means(ds, means), naive(ds)))
    return can, does, np.isfinite(can) & np.isfinite(does)


def _turn_and_capability(ds: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    can, found = _both(ds)[0], turn(ds)
    keep = np.isfinite(can) & np.isfinite(found.angle)
    with np.errstate(divide="ignore"):
        return np.abs(np.log(ds.step.values[found.entry] / steps_at(ds, can))), keep


def _curve(values: xr.DataArray) -> Float[np.ndarray, "member step"]:
    return values.transpose("member", "step").values
