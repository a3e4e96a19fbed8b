"""Clusters: whether points of one label lie together, by cosines and by k-means."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.measures.position_geometry import unit_rows
from ontogeny.models.stacked import matmul

ROUNDS = 40  # of Lloyd's algorithm


def cluster_contrast(
    points: Float[Tensor, "*lead point width"], labels: Int[Tensor, "point"]
) -> Float[Tensor, "*lead"]:
    """Mean |cos| of pairs of points with one label less that of pairs with two, from -1 to 1; pairs, not points, count.

    NaN where a point is zero, and without pairs of either kind. Source: Song & Zhong, arXiv 2310.04861, section 4.
    """
    unit = unit_rows(points).reshape(-1, *points.shape[-2:])
    cosines = matmul(unit, unit.mT).abs()
    same = labels[:, None] == labels
    within, between = same.fill_diagonal_(False), labels[:, None] != labels

    def mean(among: Tensor) -> Tensor:
        return (cosines * among).sum(-1).sum(-1) / among.sum()

    return (mean(within) - mean(between)).view(points.shape[:-2])


def k_means(
    points: Float[Tensor, "batch point width"], starts: Int[Tensor, "batch start cluster"], rounds: int = ROUNDS
) -> Int[Tensor, "batch point"]:
    """The cluster of every point by Lloyd's algorithm, the best of several starts by the sum of squared distances.

    A start is the indices of the points at which the centres begin. A cluster that loses all its points keeps its
    centre. Cost: O(start cluster point width) a round.
    """
    _, tries, clusters = starts.shape
    centres = torch.take_along_dim(points, starts.flatten(1)[..., None], 1)
    squares = points.square().sum(-1)

    def apart(centres: Tensor) -> Tensor:
        inner = matmul(points, centres.mT.contiguous())
        return (squares[..., None] + centres.square().sum(-1)[:, None] - 2 * inner).unflatten(2, (tries, clusters))

    for _ in range(rounds):
        chosen = F.one_hot(apart(centres).argmin(-1), clusters).to(points.dtype).flatten(2)
        counts = chosen.sum(1)[..., None]
        means = matmul(chosen.mT.contiguous(), points) / counts.clamp_min(1)
        centres = torch.where(counts > 0, means, centres)
    least = apart(centres).min(-1)
    best = least.values.sum(1).argmin(-1)
    return torch.take_along_dim(least.indices, best[:, None, None], 2)[..., 0]


def adjusted_rand(
    one: Int[Tensor, "batch point"], other: Int[Tensor, "batch point"], kinds: int
) -> Float[Tensor, "batch"]:
    r"""How far two partitions agree: 1 when they are the same, 0 on average for independent ones; can be below 0.

    $$\frac{S - E}{(A + B) / 2 - E}, \quad S = \sum_{ij} \tbinom{n_{ij}}{2},\ A = \sum_i \tbinom{n_i}{2},\
      B = \sum_j \tbinom{n_j}{2},\ E = A B / \tbinom{n}{2}$$

    Labels are below `kinds`. 1 for two partitions with a single cluster each.

    Source: Hubert & Arabie (1985), Journal of Classification 2.
    """
    tables = F.one_hot(one, kinds).double().mT @ F.one_hot(other, kinds).double()

    def pairs(counts: Tensor) -> Tensor:
        return counts * (counts - 1) / 2

    both = pairs(tables).sum((-2, -1))
    first, second = pairs(tables.sum(-1)).sum(-1), pairs(tables.sum(-2)).sum(-1)
    chance = first * second / pairs(torch.tensor(float(one.shape[-1]), dtype=torch.float64))
    most = (first + second) / 2
    return torch.where(most == chance, 1.0, (both - chance) / (most - chance))
