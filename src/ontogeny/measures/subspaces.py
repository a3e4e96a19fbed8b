"""Subspaces: the angles between two of them, and the directions in which points vary most."""

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.models.stacked import matmul


def principal_directions(
    points: Float[Tensor, "*lead sample width"], count: int, *, first: int = 0, centre: bool = True
) -> Float[Tensor, "*lead width count"]:
    """The right singular vectors `first`, ..., `first + count - 1` of the points, by falling singular value.

    Centred unless told otherwise, they are principal axes. Directions past the rank of the points are arbitrary. NaN
    for points that are not finite.

    Raises: `UserError` where there are not that many.
    """
    left = first + count
    if left > min(points.shape[-2:]):
        raise UserError(
            f"{points.shape[-2]} points in {points.shape[-1]} dimensions have no {left} directions: lower it"
        )
    x = points - points.mean(-2, keepdim=True) if centre else points
    finite = x.isfinite().all(-1).all(-1)[..., None, None]
    directions = torch.linalg.svd(x.where(finite, 0.0), full_matrices=False).Vh.mT[..., first:left]
    return directions.where(finite, torch.nan)


def principal_angle_cosines(
    one: Float[Tensor, "*lead width first"], other: Float[Tensor, "*lead width second"]
) -> Float[Tensor, "*lead angle"]:
    r"""Cosines of the principal angles between two subspaces, the largest first: as many as the smaller has dimensions.

    $$\sigma(Q_1^\top Q_2)$$

    Both are given by orthonormal columns (`principal_directions`, or the Q of a QR). From 0, at right angles, to 1, a
    shared direction. NaN where either is. Source: Bjorck & Golub (1973), Mathematics of Computation 27.
    """
    flat = (
        [x.reshape(-1, *x.shape[-2:]) for x in torch.broadcast_tensors(one, other)]
        if one.shape == other.shape
        else [x.reshape(-1, *x.shape[-2:]) for x in (one, other)]
    )
    product = matmul(flat[0].mT.contiguous(), flat[1])
    finite = product.isfinite().all(-1).all(-1)[:, None]
    cosines = torch.linalg.svdvals(product.where(finite[..., None], 0.0)).clamp_max(1.0)
    return cosines.where(finite, torch.nan).view(*one.shape[:-2], -1)


def canonical_correlation(
    one: Float[Tensor, "*lead width first"], other: Float[Tensor, "*lead width second"]
) -> Float[Tensor, "*lead"]:
    """Mean squared cosine of the principal angles of two subspaces, from 0 to 1: `principal_angle_cosines`."""
    return principal_angle_cosines(one, other).square().mean(-1)
