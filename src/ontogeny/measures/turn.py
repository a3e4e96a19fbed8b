"""Turn: the sharpest change of direction of a trajectory, and where it is."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Turn(NamedTuple):
    """The sharpest turn of each trajectory, `[...]`."""

    angle: np.ndarray  # degrees: 0 goes straight on, 180 goes back
    entry: np.ndarray  # the entry at which it turns


def sharpest_turn(trajectory: Float[np.ndarray, "*any step dimension"], window: int = 2, margin: float = 0.05) -> Turn:
    r"""The largest angle between the ways to and from an entry, $Z_i - Z_{i-w}$ and $Z_{i+w} - Z_i$, w = `window`.

    Ways over several entries are the smoothed displacements. Only entries with more than `margin` of the whole path's
    length on both sides count, so that the quiver of a trajectory that has hardly left, or that has arrived, is no
    turn. Nor do entries from or to which it stands still.

    What swings to and fro between two entries, by more than it gets on, is caught at any phase and seems to turn back:
    average it over a period first.

    A trajectory with NaN has entries passed over: it is read without them. NaN, and entry 0, where no entry counts.
    """
    rows = trajectory.reshape(-1, *trajectory.shape[-2:])
    found = [_of_one(row, window, margin) for row in rows]
    shape = trajectory.shape[:-2]
    return Turn(
        np.array([angle for angle, _ in found], float).reshape(shape),
        np.array([entry for _, entry in found], int).reshape(shape),
    )


def _of_one(row: Float[np.ndarray, "step dimension"], window: int, margin: float) -> tuple[float, int]:
    known = np.flatnonzero(np.isfinite(row).all(-1))
    z = row[known]
    if len(z) < 2 * window + 1:
        return np.nan, 0
    path = np.concatenate([[0.0], np.linalg.norm(np.diff(z, axis=0), axis=-1).cumsum()])
    i = np.arange(window, len(z) - window)
    before, after = z[i] - z[i - window], z[i + window] - z[i]
    lengths = np.linalg.norm(before, axis=-1) * np.linalg.norm(after, axis=-1)
    counts = (path[i] > margin * path[-1]) & (path[-1] - path[i] > margin * path[-1]) & (lengths > 0)
    if not counts.any():
        return np.nan, 0
    cosine = np.clip((before * after).sum(-1)[counts] / lengths[counts], -1.0, 1.0)
    sharpest = cosine.argmin()
    return float(np.degrees(np.arccos(cosine[sharpest]))), int(known[i[counts][sharpest]])
