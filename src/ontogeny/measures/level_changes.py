"""Level changes: how many times, and where, the level of a series changes, as a Bayesian would believe."""

from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from ontogeny.errors import UserError

FLOOR = 1e-6  # least variance of the noise


class Changes(NamedTuple):
    """What is believed of the changes of each series; NaN for one with a NaN.

    The place between two points has the number of the one before it, from 0.
    """

    number: Float[np.ndarray, "*series number"]  # posterior of 0, 1, ... changes, summing to 1
    place: Float[np.ndarray, "*series place"]  # posterior that there is a change here
    single: Float[np.ndarray, "*series"]  # the most probable place, were there one change
    evidence: Float[np.ndarray, "*series"]  # log Bayes factor of one or more changes against none


def level_changes(y: Float[np.ndarray, "*series point"], most: int = 3) -> Changes:
    r"""Posterior over up to `most` changes of level in Gaussian noise of one unknown variance.

    For changes at places c of a series of n points, with RSS(c) what is left over by the means of its pieces,

    $$\ln p(y \mid c) = -\frac{n}{2} \ln \max\Big(\frac{\mathrm{RSS}(c)}{n}, 10^{-6}\Big) - \frac{K + 2}{2} \ln n$$

    (one level a piece and the variance are fitted, hence the penalty). The prior is uniform over K = 0 ... `most` and,
    given K, over the places. Every set of places is tried, so that nothing is approximated beyond this formula.

    In short series it likes to see one change too many: a single outlier between two levels is enough. And
    a distance to a noisy start is skewed and of unequal variance: `evidence` alone decides nothing, compare it with
    that of series that are known to be constant.

    Raises: `UserError` for fewer than `most` + 2 points.
    Cost: C(n - 1, most) sets a series: 560 for 17 points and 3 changes.
    Source: the change-point view of Bigelow et al., arXiv 2412.07961; criterion of Schwarz (1978).
    """
    count = y.shape[-1]
    if count < most + 2:
        raise UserError(f"{most} changes need a series of {most + 2} points or more, got {count}")
    sets = [
        np.array(list(combinations(range(count - 1), k)), int).reshape(comb(count - 1, k), k) for k in range(most + 1)
    ]
    rows = [_changes(row, sets) for row in y.reshape(-1, count)]
    columns = (np.array(column) for column in zip(*rows, strict=True))
    return Changes(*(column.reshape((*y.shape[:-1], *column.shape[1:])) for column in columns))


def _changes(y: np.ndarray, sets: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, float, float]:
    count, most = len(y), len(sets) - 1
    if not np.isfinite(y).all():
        return np.full(most + 1, np.nan), np.full(count - 1, np.nan), np.nan, np.nan
    y = y - y.mean()
    sums, total = np.concatenate([[0.0], y.cumsum()]), np.square(y).sum()
    logs = []
    for k, places in enumerate(sets):
        edges = np.c_[np.zeros(len(places), int), places + 1, np.full(len(places), count)]
        explained = (np.square(np.diff(sums[edges])) / np.diff(edges)).sum(-1)
        variance = np.maximum((total - explained) / count, FLOOR)
        logs.append(-0.5 * count * np.log(variance) - 0.5 * (k + 2) * np.log(count) - np.log(comb(count - 1, k)))
    evidences = np.array([logsumexp(log) for log in logs])
    scale = logsumexp(evidences)
    place = np.zeros(count - 1)
    for places, log in zip(sets[1:], logs[1:], strict=True):
        np.add.at(place, places, np.exp(log - scale)[:, None])
    several = float(logsumexp(evidences[1:]) - np.log(most) - evidences[0])
    return np.exp(evidences - scale), place, float(sets[1][logs[1].argmax(), 0]), several
