"""Swing: how far a loss comes back up on its way down, how often it turns, and how it ends."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Real


class Swing(NamedTuple):
    """The largest way back up of each trace, `[...]`."""

    amplitude: np.ndarray
    peak: np.ndarray  # the entry at its top


def swing(loss: Float[np.ndarray, "*any step"]) -> Swing:
    r"""$\max_t [L(t) - \min_{t' \le t} L(t')] / L(0)$, 0 or more, and the entry t at which it is reached.

    0 for a loss that never rises, and its peak is then entry 0. Entries that are NaN are passed over; NaN (and peak 0)
    for a trace that starts at 0 or with NaN.
    """
    lowest = np.fmin.accumulate(loss, axis=-1)
    rise = np.nan_to_num(loss - lowest, nan=0.0, posinf=np.inf)
    peak = rise.argmax(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        amplitude = np.where(loss[..., 0] > 0, rise.max(-1) / loss[..., 0], np.nan)
    return Swing(amplitude, np.where(np.isnan(amplitude), 0, peak))


def turning_points(trace: Float[np.ndarray, "*any step"], least: float = 0.01) -> Int[np.ndarray, "*any"]:
    """How often a trace changes direction, counting only ways longer than `least` times its first entry.

    0 is monotone, 2 is down, up and down again. A way counts once it is longer than that, both before and after a
    turn; the ends of the trace are no turns. Entries that are NaN are passed over.
    """
    flat = trace.reshape(-1, trace.shape[-1])
    threshold = least * np.abs(flat[:, 0])
    low, high = flat[:, 0].copy(), flat[:, 0].copy()  # the extremes since the last turn
    direction, count = np.zeros(len(flat), int), np.zeros(len(flat), int)
    for value in flat.T:
        low, high = np.fmin(low, value), np.fmax(high, value)
        up = (direction <= 0) & (value - low > threshold)
        down = (direction >= 0) & (high - value > threshold)
        count += (up & (direction < 0)) | (down & (direction > 0))
        direction = np.where(up, 1, np.where(down, -1, direction))
        low, high = np.where(down, value, low), np.where(up, value, high)
    return count.reshape(trace.shape[:-1])


def terminal_rate(
    loss: Float[np.ndarray, "*any step"],
    time: Real[np.ndarray, "step"],
    between: tuple[float, float] = (1e-8, 1e-4),
) -> Float[np.ndarray, "*any"]:
    """Slope of ln(loss) against time where the loss lies between two shares of its first entry, by least squares.

    Below them it is rounding, above them not yet the slowest direction alone. In units of one over time, negative for a
    loss that falls. NaN with fewer than three entries there.
    """
    flat = loss.reshape(-1, loss.shape[-1])
    low, high = between
    slopes = np.full(len(flat), np.nan)
    for i, row in enumerate(flat):
        inside = (row > low * row[0]) & (row < high * row[0])
        if inside.sum() >= 3:
            slopes[i] = np.polyfit(np.asarray(time, float)[inside], np.log(row[inside]), 1)[0]
    return slopes.reshape(loss.shape[:-1])
