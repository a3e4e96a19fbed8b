"""Squared distances between points, and their mean over samples that each show only some of the points."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ontogeny.models.stacked import matmul


def squared_distances(points: Float[Tensor, "*lead point width"]) -> Float[Tensor, "*lead point point"]:
    r"""$\lVert h_i - h_j \rVert^2$ of all pairs, from inner products of points less their mean; 0 or more."""
    centred = points - points.mean(-2, keepdim=True)
    flat = centred.reshape(-1, *centred.shape[-2:])
    gram = matmul(flat, flat.mT).view(*centred.shape[:-1], -1)
    squares = gram.diagonal(0, -2, -1)
    apart = (squares[..., :, None] + squares[..., None, :] - 2 * gram).clamp_min(0.0)
    return apart.masked_fill(torch.eye(apart.shape[-1], dtype=torch.bool, device=apart.device), 0.0)


def pooled_distances(
    points: Float[Tensor, "*lead sample point width"], known: Bool[Tensor, "*lead sample point"], least: int = 10
) -> Float[Tensor, "*lead point point"]:
    """Mean squared distance of every pair over the samples in which both are known, NaN where these are under `least`.

    What the samples share shows in it even when each has directions of its own: for points h_s = M e_s, with other
    random e_s in every sample, the mean of the points vanishes, while their distances converge to those of M.
    """
    both = known[..., :, None] & known[..., None, :]
    apart = squared_distances(points).double().where(both, 0.0).sum(-3)
    times = both.sum(-3)
    found = (apart / times.clamp_min(1)).where(times >= least, torch.nan)
    return found.masked_fill(torch.eye(found.shape[-1], dtype=torch.bool, device=found.device), 0.0)
