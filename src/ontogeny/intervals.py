"""Intervals: 95 % confidence intervals that keep their word at four to sixteen replicates.

Which they are, and what they were chosen over, is measured in `benchmarks/coverage.py` and read in `docs/intervals.md`.
"""

import functools
import math

import numpy as np
import scipy.stats
from jaxtyping import Float

CONFIDENCE = 0.95


def mean_of(x: Float[np.ndarray, "... replicate"]) -> np.ndarray | np.floating:
    """Mean over the last axis, that of equal numbers being exactly their value. NaN for none at all."""
    if x.shape[-1] == 0:
        return np.full(x.shape[:-1], np.nan)[()]
    # The sum of three times 0.1 is not 0.3: a rounding error must not carry a constant past a threshold equal to it.
    return np.where((x == x[..., :1]).all(axis=-1), x[..., 0], x.mean(axis=-1))[()]


def t_interval(
    x: Float[np.ndarray, "... replicate"],
) -> tuple[np.ndarray | np.floating, np.ndarray | np.floating]:
    """Where the mean of a population lies, from some replicates of it: mean -+ t(0.975, n - 1) s / sqrt(n).

    s is the standard deviation with n - 1 in the denominator. Equal replicates give an interval without width, which
    is right for an exact result and too bold for a chance event (use `binomial_interval`). One replicate, none, or one
    that is NaN or infinite give (NaN, NaN). Exact for normal replicates.

    Source: Student (1908), "The probable error of a mean", Biometrika 6.
    """
    n = x.shape[-1]
    known = np.asarray(np.isfinite(x).all(axis=-1))
    if n < 2:
        return np.full(known.shape, np.nan)[()], np.full(known.shape, np.nan)[()]
    values = np.where(known[..., None], x, 0.0)
    mean = np.where(known, mean_of(values), np.nan)
    equal = (values == values[..., :1]).all(axis=-1)
    half = np.where(equal, 0.0, _t_quantile(n - 1) * values.std(axis=-1, ddof=1) / np.sqrt(n))
    return (mean - half)[()], (mean + half)[()]


def half_width(n: int) -> float:
    """Half the width of `t_interval` for n replicates whose standard deviation is 1: t(0.975, n - 1) / sqrt(n).

    NaN for fewer than two.
    """
    return _t_quantile(n - 1) / math.sqrt(n) if n > 1 else math.nan


def binomial_interval(hits: int, n: int) -> tuple[float, float]:
    """Where the chance of an event lies that happened `hits` times out of `n`: Clopper and Pearson's exact interval.

    No hit gives a lower end of 0 and n hits an upper end of 1; no trial gives (NaN, NaN). Whatever the chance is,
    either end misses it at most 2.5 % of the time.

    Source: Clopper & Pearson (1934), "The use of confidence or fiducial limits", Biometrika 26.
    """
    if n == 0:
        return float("nan"), float("nan")
    found = scipy.stats.binomtest(hits, n).proportion_ci(CONFIDENCE, method="exact")
    return float(found.low), float(found.high)


@functools.cache
def _t_quantile(freedom: int) -> float:
    return float(scipy.stats.t.ppf((1 + CONFIDENCE) / 2, freedom))
