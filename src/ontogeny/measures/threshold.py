r"""Thresholds: where a chance of success falls (or rises) through one half, and how sharply, from counts of successes.

$$P(\text{success at } x) = \frac{1}{1 + e^{-b (x - c)}}$$

by maximum likelihood, with half a success and half a failure added at either end of each curve, so that a perfect step
has a finite slope. Several curves can share their slope, each with its own threshold c.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ontogeny.errors import UserError
from ontogeny.streams import Streams

RISE = 2 * np.log(9.0)  # from 10 % to 90 % of a logistic curve of slope 1
ROUNDS = 60


@dataclass(frozen=True)
class Threshold:
    """Fitted thresholds of some curves (their last axis), and the slope that they share."""

    centre: Float[np.ndarray, "*batch curve"]
    slope: Float[np.ndarray, "*batch"]

    @property
    def width(self) -> Float[np.ndarray, "*batch"]:
        """The distance between chances of 10 % and 90 %: 4.394 / |slope|."""
        return np.asarray(RISE / np.abs(self.slope))

    def chance(self, x: Float[np.ndarray, "curve level"]) -> Float[np.ndarray, "*batch curve level"]:
        """Fitted chances of success."""
        return _logistic(self.slope[..., None, None] * (x - self.centre[..., None]))


def fit_threshold(
    x: Float[np.ndarray, "curve level"],
    hits: Float[np.ndarray, "*batch curve level"],
    trials: Float[np.ndarray, "curve level"],
) -> Threshold:
    """Fits `hits` out of `trials` at the places `x`; a place with no trials does not count.

    Curves with equally many hits everywhere have no slope, and their thresholds are far away or NaN.

    Raises: `UserError` for a curve with fewer than two places.
    """
    if (np.count_nonzero(trials, axis=-1) < 2).any():
        raise UserError("a threshold needs two places with trials or more: add levels")
    used = trials > 0
    place = np.where(used, x, np.nan)
    ends = (place == np.nanmin(place, -1, keepdims=True)) | (place == np.nanmax(place, -1, keepdims=True))
    n, k = trials + 1.0 * ends, np.where(used, hits, 0.0) + 0.5 * ends
    middle, spread = np.nanmean(place), np.nanstd(place)
    u = np.where(used, (x - middle) / spread, 0.0)
    offsets, slope = _maximum(u, k.reshape(-1, *x.shape), n)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = middle - spread * offsets / slope[:, None]
    batch = k.shape[:-2]
    return Threshold(centre.reshape(*batch, -1), (slope / spread).reshape(batch))


def bootstrap(
    fit: Threshold,
    x: Float[np.ndarray, "curve level"],
    trials: Float[np.ndarray, "curve level"],
    streams: Streams,
    count: int = 500,
) -> Threshold:
    """Fits to `count` data sets drawn from a fit (parametric bootstrap): a batch axis in front.

    `streams` are those of one member; the spread of what they give is the uncertainty of the fit.
    """
    most = int(trials.max())
    uniform = streams.uniform("resampled", (count, *x.shape, most))[0].cpu().numpy()
    counted = np.arange(most) < trials[..., None]
    hits = ((uniform < fit.chance(x)[..., None]) & counted).sum(-1)
    return fit_threshold(x, hits.astype(float), trials)


def interval(samples: Float[np.ndarray, "resample"]) -> Float[np.ndarray, "2"]:
    """The ends of the central 95 % of bootstrap samples."""
    return np.quantile(samples, (0.025, 0.975))


def _maximum(
    u: Float[np.ndarray, "curve level"],
    k: Float[np.ndarray, "batch curve level"],
    n: Float[np.ndarray, "curve level"],
) -> tuple[Float[np.ndarray, "batch curve"], Float[np.ndarray, "batch"]]:
    """Newton's method for offsets and slope, each step halved until the likelihood does not fall."""
    curves = u.shape[0]
    beta = np.zeros((len(k), curves + 1))

    def eta(beta: np.ndarray) -> np.ndarray:
        return beta[..., :curves, None] + beta[..., curves, None, None] * u

    def likelihood(beta: np.ndarray) -> np.ndarray:
        at = eta(beta)
        return (k * at - n * np.logaddexp(0.0, at)).sum((-2, -1))

    best = likelihood(beta)
    for _ in range(ROUNDS):
        p = _logistic(eta(beta))
        rest, weight = k - n * p, n * p * (1 - p)
        slope = np.concatenate([rest.sum(-1), (rest * u).sum((-2, -1))[..., None]], -1)
        curvature = np.zeros((*beta.shape, curves + 1))
        curvature[..., range(curves), range(curves)] = weight.sum(-1)
        curvature[..., curves, :curves] = curvature[..., :curves, curves] = (weight * u).sum(-1)
        curvature[..., curves, curves] = (weight * u * u).sum((-2, -1))
        curvature += 1e-12 * np.eye(curves + 1)
        step = np.linalg.solve(curvature, slope[..., None])[..., 0]
        size = np.ones(beta.shape[:-1])
        for _ in range(30):
            reached = likelihood(beta + size[:, None] * step)
            worse = ~(reached >= best - 1e-9)  # rounding is no fall
            if not worse.any():
                break
            size = np.where(worse, size / 2, size)
        beta = np.where(worse[:, None], beta, beta + size[:, None] * step)
        best = np.where(worse, best, reached)
        if np.abs(step).max() < 1e-10:
            break
    return beta[..., :curves], beta[..., curves]


def _logistic(x: np.ndarray) -> np.ndarray:
    return 0.5 * (1.0 + np.tanh(0.5 * x))
