"""Shattering: how far the distances between points have changed, and how much they are those of a ring."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.measures.distances import squared_distances


def shattering(
    before: Float[Tensor, "*#lead point width"],
    after: Float[Tensor, "*#lead point width"],
    without: Int[Tensor, "*lead"] | None = None,
) -> Float[Tensor, "*lead"]:
    r"""Relative change of all distances, $R = \|D' - D\|_F \,/\, \|D\|_F$, where $D_{ij} = \|h_i - h_j\|$; float64.

    Without unit, 0 or more: 0 for points that were turned, mirrored or shifted as a whole, e for points that were moved
    apart by a factor 1 + e. `without` names a point in each set whose distances do not count, such as the one that was
    meant to move. NaN where all points were one.

    Source: Nishi et al., arXiv 2410.17194.
    """
    old, new = (squared_distances(points.double()).sqrt() for points in (before, after))
    change = new - old
    old = old.expand(change.shape)
    if without is not None:
        kept = torch.arange(old.shape[-1], device=old.device) != without[..., None]
        pairs = kept[..., :, None] & kept[..., None, :]
        old, change = old.where(pairs, 0.0), change.where(pairs, 0.0)
    size = old.square().flatten(-2).sum(-1)
    return (change.square().flatten(-2).sum(-1) / size).sqrt().where(size > 0, torch.nan)


def ring_correlation(points: Float[Tensor, "*lead node width"]) -> Float[Tensor, "*lead"]:
    r"""Pearson correlation of the distances of points with those along the ring they stand on, in this order.

    Over all pairs i < j, of $\|h_i - h_j\|$ and $\min(|i - j|, n - |i - j|)$; float64. For points on a circle about
    0.98: the chord is a sine of the arc. Points that only hold the names of their neighbours have it too, 0.906 for the
    sums of 8 random vectors next to each of 32 nodes, so ask it of points that were not averaged over neighbours. NaN
    for points that all lie equally far apart.

    Raises: `UserError` with fewer than four nodes.
    """
    nodes = points.shape[-2]
    if nodes < 4:
        raise UserError(f"a ring needs four nodes to be told from a line or a triangle, got {nodes}")
    i, j = torch.triu_indices(nodes, nodes, offset=1, device=points.device)
    apart = squared_distances(points.double()).sqrt()[..., i, j]
    along = torch.minimum(j - i, nodes - (j - i)).double()
    apart, along = apart - apart.mean(-1, keepdim=True), along - along.mean()
    spread = apart.square().sum(-1)
    found = (apart * along).sum(-1) / (spread * along.square().sum()).sqrt()
    return found.where(spread > 0, torch.nan)


def circle_share(points: Float[Tensor, "*lead node width"]) -> Float[Tensor, "*lead"]:
    r"""Share of the variance of points in a ring's order that a single frequency has, the one that has most.

    $\max_k |\hat h_k|^2 / \sum_k |\hat h_k|^2$ over the frequencies k = 1, 2, ... of the Fourier transform along the
    ring; from 0 to 1, 1 for a regular polygon, also one that goes round k times. About 2 / (n - 1) and somewhat more,
    being a maximum, for points in no order. NaN where all points are one.
    """
    nodes = points.shape[-2]
    waves = torch.fft.rfft(points.double(), dim=-2)[..., 1:, :]
    power = waves.abs().square().sum(-1)
    twice = torch.full((power.shape[-1],), 2.0, dtype=power.dtype, device=power.device)
    if nodes % 2 == 0:
        twice[-1] = 1.0  # the highest frequency has no partner
    power = power * twice
    return power.amax(-1) / power.sum(-1)
