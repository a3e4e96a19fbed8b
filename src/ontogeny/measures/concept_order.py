"""Concept order: when a generator learns each concept, which comes first for which signal, and how sharply it turns.

They are statistics of a run's dataset whose members differ in `colour_signal` and seed, and read `z`, as
`ontogeny.measures.concept_elicitation` labels it, and `signal`, of `ontogeny.measures.concept_signal`.
"""

import numpy as np
import xarray as xr

from ontogeny.claims import unfold
from ontogeny.measures.crossing import lasting_crossing
from ontogeny.measures.turn import Turn, sharpest_turn
from ontogeny.tasks.coloured_discs import COMBINATIONS

LEARNED = 0.8  # of the way between two corners
UNSEEN = COMBINATIONS[3]


def of_members(ds: xr.Dataset, values: np.ndarray) -> xr.DataArray:
    """One value a member, with the members' factors."""
    return ds.signal.isel(step=0, concept=0, drop=True).copy(data=values)


def by_signal(ds: xr.Dataset, **values: xr.DataArray) -> xr.Dataset:
    """Values of members by seed and colour separation, the weakest first."""
    table = unfold(xr.Dataset(values))
    table = table.expand_dims([name for name in ("seed", "colour_signal") if name not in table.dims])  # of one level
    return table.sortby("colour_signal").transpose("seed", "colour_signal", ...)


def learning_time(ds: xr.Dataset, concept: str) -> xr.DataArray:
    """The step from which on a concept is told apart in combinations that are shown; infinite if it never is."""
    present = dict(colour="blue large", size="red small")[concept]
    z = ds.z.sel(concept=concept)
    apart = z.sel(combination=present) - z.sel(combination="red large")
    curves = apart.transpose("member", "step").values
    return of_members(ds, lasting_crossing(ds.step.values.astype(float), curves, LEARNED))


def lateness(ds: xr.Dataset) -> xr.DataArray:
    """ln of how many times later colour is learned than size, in each member; NaN where neither is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = learning_time(ds, "colour") / learning_time(ds, "size")
        return ratio.copy(data=np.log(ratio.values))


def log_signal(ds: xr.Dataset, concept: str) -> xr.DataArray:
    """ln of a concept's signal in each member."""
    signal = ds.signal.isel(step=0, drop=True).sel(concept=concept, drop=True)
    return signal.copy(data=np.log(signal.values))


def slope(ds: xr.Dataset, concept: str) -> xr.DataArray:
    """How ln of a concept's learning time changes with ln of colour's signal, one slope a seed.

    Not finite where the concept is never learned in a member, or for one separation alone.
    """
    return _slope(ds, learning_time(ds, concept))


def slope_beyond_signal(ds: xr.Dataset, concept: str) -> xr.DataArray:
    """The same for the learning time times the concept's own signal: 0 where time goes inversely as this signal does.

    Size has to be judged so, since colours that are farther apart are also darker and stand out more against the
    background: the signal of size grows with that of colour.
    """
    time = learning_time(ds, concept)
    return _slope(ds, time.copy(data=time.values * np.exp(log_signal(ds, concept).values)))


def _slope(ds: xr.Dataset, time: xr.DataArray) -> xr.DataArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        table = by_signal(ds, time=time.copy(data=np.log(time.values)), signal=log_signal(ds, "colour"))
        x = table.signal - table.signal.mean("colour_signal")
        return (x * table.time).sum("colour_signal", skipna=False) / (x * x).sum("colour_signal")


def flips(ds: xr.Dataset) -> xr.DataArray:
    """Whether colour is learned before size where its signal is strongest, and after it where it is weakest."""
    late = by_signal(ds, late=lateness(ds)).late
    return (late.isel(colour_signal=-1) < 0) & (late.isel(colour_signal=0) > 0)


def crossing_signals(ds: xr.Dataset) -> xr.DataArray:
    """ln of colour's signal over size's where both are learned at one time, between separations; one a seed.

    NaN where colour is never overtaken.
    """
    ratio = log_signal(ds, "colour") - log_signal(ds, "size")
    table = by_signal(ds, late=lateness(ds), ratio=ratio)
    found = table.late.isel(colour_signal=0, drop=True).astype(float)
    for i, (late, x) in enumerate(zip(table.late.values, table.ratio.values, strict=True)):
        before = np.flatnonzero((late[:-1] > 0) & (late[1:] <= 0))
        j = before[0] if len(before) else 0
        share = late[j] / (late[j] - late[j + 1]) if len(before) and np.isfinite(late[j : j + 2]).all() else np.nan
        found[i] = x[j] + share * (x[min(j + 1, len(x) - 1)] - x[j])
    return found


def turn(ds: xr.Dataset) -> Turn:
    """The sharpest turn of each member's way to the unseen combination."""
    return sharpest_turn(ds.z.sel(combination=UNSEEN).transpose("member", "step", "concept").values)


def angles(ds: xr.Dataset) -> xr.DataArray:
    """Angle of the sharpest turn to the unseen combination by seed and colour separation, in degrees."""
    return by_signal(ds, angle=of_members(ds, turn(ds).angle)).angle


def least_angle(ds: xr.Dataset) -> xr.DataArray:
    """The smaller of the angles at the separations looked at, one a seed."""
    return angles(ds).min("colour_signal", skipna=False)


def sharper_than_balanced(ds: xr.Dataset) -> xr.DataArray:
    """Mean angle at the weakest and the strongest colours, less that where both concepts come at nearly one time."""
    late = abs(by_signal(ds, late=lateness(ds)).late).mean("seed").fillna(np.inf)
    angle = angles(ds)
    ends = 0.5 * (angle.isel(colour_signal=0, drop=True) + angle.isel(colour_signal=-1, drop=True))
    return ends - angle.isel(colour_signal=int(late.argmin("colour_signal")), drop=True)
