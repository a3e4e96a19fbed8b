"""Crossings: when a learning curve first reaches a level, between the steps at which it was measured."""

import numpy as np
from jaxtyping import Float


def smooth(curve: Float[np.ndarray, "*any step"], window: int = 3) -> Float[np.ndarray, "*any step"]:
    """The mean over `window` measurements around each, over fewer at the ends.

    A measurement that is NaN counts for nothing and stays NaN.
    """
    half = window // 2
    known = np.isfinite(curve)
    values = np.where(known, curve, 0.0)
    total, count = np.zeros(curve.shape), np.zeros(curve.shape)
    for shift in range(-half, half + 1):
        here = slice(max(0, shift), curve.shape[-1] + min(0, shift))
        there = slice(max(0, -shift), curve.shape[-1] + min(0, -shift))
        total[..., there] += values[..., here]
        count[..., there] += known[..., here]
    return np.where(known, total / np.maximum(count, 1), np.nan)


def crossing(
    steps: Float[np.ndarray, "step"], curve: Float[np.ndarray, "*any step"], level: float
) -> Float[np.ndarray, "*any"]:
    r"""The first step at which a curve is at `level` or above, linear in log(step) from the measurement before it.

    $$\ln t = \ln t_{i-1} + \frac{\ell - y_{i-1}}{y_i - y_{i-1}} (\ln t_i - \ln t_{i-1})$$

    Infinite for a curve that never reaches it (it is later than all that do), and the first step for one that starts
    there. Measurements that are NaN are passed over. Steps rise and are positive.
    """
    rows = curve.reshape(-1, curve.shape[-1])
    found = np.full(len(rows), np.inf)
    for i, row in enumerate(rows):
        known = np.flatnonzero(np.isfinite(row))
        y, x = row[known], np.log(steps[known])
        over = np.flatnonzero(y >= level)
        if len(over) == 0:
            continue
        j = over[0]
        if j == 0:
            found[i] = np.exp(x[0])
        else:
            found[i] = np.exp(x[j - 1] + (level - y[j - 1]) / (y[j] - y[j - 1]) * (x[j] - x[j - 1]))
    return found.reshape(curve.shape[:-1])


def lasting_crossing(
    steps: Float[np.ndarray, "step"], curve: Float[np.ndarray, "*any step"], level: float
) -> Float[np.ndarray, "*any"]:
    """The step from which on a curve stays at `level` or above, linear in log(step) from the measurement before it.

    What was reached and lost again does not count. Infinite for a curve that ends below (or was never measured), and
    the first step for one that is never below. Measurements that are NaN are passed over. Steps rise and are positive.
    """
    rows = curve.reshape(-1, curve.shape[-1])
    found = np.full(len(rows), np.inf)
    for i, row in enumerate(rows):
        known = np.flatnonzero(np.isfinite(row))
        below = np.flatnonzero(row[known] < level)
        last = known[below[-1] :] if len(below) else known
        if len(known) and row[known[-1]] >= level:
            found[i] = crossing(steps[last], row[last], level)
    return found.reshape(curve.shape[:-1])
