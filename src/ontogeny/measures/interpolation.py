"""Interpolation: whether a linear model on given features can fit any targets."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

TOLERANCE = 1e-10  # singular values below this share of the largest count as 0


def least_squares_residual(
    features: Float[Tensor, "point feature"], targets: Float[Tensor, "point"]
) -> tuple[Int[Tensor, ""], Float[Tensor, ""]]:
    r"""Rank of the features, and $|y - \hat y| / |y|$ of the least-squares fit $\hat y$ to the targets.

    From 0 (interpolation; about 1e-14 in float64) to 1. Both with singular values below 1e-10 of the largest counted as
    0. Targets of 0 give a residual of 0; features of 0 a rank of 0 and a residual of 1. Of more features than points,
    only the triangle of their QR decomposition is decomposed further, which has the same left singular vectors.
    """
    table = torch.linalg.qr(features.mT, mode="r").R.mT if features.shape[1] > features.shape[0] else features
    left, values, _ = torch.linalg.svd(table, full_matrices=False)
    kept = values > TOLERANCE * values.amax()
    basis = left * kept
    residual = (targets - basis @ (basis.mT @ targets)).norm()
    size = targets.norm()
    return kept.sum(), torch.where(size > 0, residual / size.where(size > 0, 1.0), 0.0)
