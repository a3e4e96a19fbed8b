"""Level changes: how many times, and where, the level of a series changes, as a Bayesian would believe."""

from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from ontogeny.errors import UserError

FLOOR = 1e-6  # least variance of the noise
AT_ONCE = 100_000  # sets of places times series, about: it bounds the memory


class Changes(NamedTuple):
    """What is believed of the changes of each series; NaN for one that is not all finite.

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
    rows = y.reshape(-1, count)
    each = max(1, AT_ONCE // len(sets[-1]))
    parts = [_changes(rows[i : i + each], sets) for i in range(0, max(1, len(rows)), each)]
    columns = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Changes(*(column.reshape((*y.shape[:-1], *column.shape[1:])) for column in columns))


def _changes(y: Float[np.ndarray, "series point"], sets: list[np.ndarray]) -> Changes:
    count, most = y.shape[1], len(sets) - 1
    y = np.where(np.isfinite(y).all(1, keepdims=True), y, np.nan)
    y = y - y.mean(1, keepdims=True)  # levels do not count, and sums of small numbers keep their digits
    sums, total = np.c_[np.zeros(len(y)), y.cumsum(1)], np.square(y).sum(1, keepdims=True)
    logs = []
    for k, places in enumerate(sets):
        edges = np.c_[np.zeros(len(places), int), places + 1, np.full(len(places), count)]
        explained = (np.square(np.diff(sums[:, edges])) / np.diff(edges)).sum(-1)
        variance = np.maximum((total - explained) / count, FLOOR)
        logs.append(-0.5 * count * np.log(variance) - 0.5 * (k + 2) * np.log(count) - np.log(comb(count - 1, k)))
    evidences = np.stack([logsumexp(log, axis=1) for log in logs], 1)
    scale = logsumexp(evidences, axis=1, keepdims=True)
    place = np.zeros((len(y), count - 1))
    for places, log in zip(sets[1:], logs[1:], strict=True):
        here = (places[..., None] == np.arange(count - 1)).any(1)
        place += np.exp(log - scale) @ here
    several = logsumexp(evidences[:, 1:], axis=1) - np.log(most) - evidences[:, 0]
    single = np.where(np.isfinite(scale[:, 0]), sets[1][logs[1].argmax(1), 0], np.nan)
    return Changes(np.exp(evidences - scale), place, single, several)
