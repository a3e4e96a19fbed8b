"""Bipartite percolation: how many random pairs it takes until most entities hang together through their values."""

import math

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import root_scalar

from ontogeny.errors import UserError
from ontogeny.streams import Streams


def largest_share(
    left: Int[np.ndarray, "edge"], right: Int[np.ndarray, "edge"], entities: int, values: int
) -> Float[np.ndarray, "edge"]:
    """Share of all entities that are in the component with the most of them, after each edge.

    By union and find with halved paths; only entities are counted, for most values are alone for long.
    """
    parent = list(range(entities + values))
    size = [1] * entities + [0] * values
    most, shares = 1, np.empty(len(left))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for i, (e, v) in enumerate(zip(left.tolist(), right.tolist(), strict=True)):
        a, b = root(e), root(entities + v)
        if a != b:
            if size[a] < size[b]:
                a, b = b, a
            parent[b] = a
            size[a] += size[b]
            most = max(most, size[a])
        shares[i] = most / entities
    return shares


def percolate(streams: Streams, entities: int, values: int, draws: int) -> Float[np.ndarray, "draw edge"]:
    """`largest_share` for `draws` random orders of pairs, each pair drawn anew (as sentences do), for one member.

    As many pairs as are four times the threshold of the limit, sqrt(entities * values).
    """
    if streams.members != 1:
        raise UserError(f"percolate draws for one member at a time, got {streams.members}")
    count = math.ceil(4 * math.sqrt(entities * values))
    left = streams.integers("entity", (draws, count), entities)[0].cpu().numpy()
    right = streams.integers("value", (draws, count), values)[0].cpu().numpy()
    return np.stack([largest_share(a, b, entities, values) for a, b in zip(left, right, strict=True)])


def half_point(shares: Float[np.ndarray, "draw edge"]) -> float:
    """Number of pairs at which the mean share of the largest component is a half, linear between whole numbers.

    NaN where it never is.
    """
    mean = shares.mean(0)
    over = np.flatnonzero(mean >= 0.5)
    if len(over) == 0:
        return math.nan
    i = int(over[0])
    if i == 0:
        return 1.0
    return float(i + (0.5 - mean[i - 1]) / (mean[i] - mean[i - 1]))


def expected_half_point(entities: int, values: int) -> float:
    r"""The same in a large random graph, from the equations that its largest component obeys.

    $$S_E = 1 - e^{-p K S_K}, \qquad S_K = 1 - e^{-p E S_E}$$

    with p the probability of a pair, solved for $S_E = 1/2$; the pairs are then p E K. For K much above E this is
    $\sqrt{2 \ln 2 \, E K}$. (Erdos and Renyi's giant component, for two kinds of nodes.)
    """

    def excess(p: float) -> float:
        return -math.expm1(-p * entities / 2) - math.log(2) / (p * values)

    return entities * values * root_scalar(excess, bracket=(1e-9, 1.0), method="brentq").root
