"""Margins of linear classifiers: of a given one, and the largest there is."""

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import nnls
from torch import Tensor

_WEIGHT = 10.0  # of the constraint that the weights sum to 1, which rescaling makes exact


def margin(
    halfspaces: Float[Tensor, "*lead point dimension"], theta: Float[Tensor, "*lead dimension"]
) -> Float[Tensor, "*lead"]:
    r"""$\min_i \langle z_i, \theta \rangle / |\theta|$: below 0 when a point lies on the wrong side. NaN for 0."""
    return (halfspaces @ theta[..., None])[..., 0].amin(-1) / theta.norm(dim=-1)


def largest_margin(halfspaces: Float[Tensor, "point dimension"]) -> float:
    r"""The largest margin of any classifier, where it is above 0; 0 where the points cannot be separated.

    It is the distance from 0 to the convex hull of the points (the dual of the hard-margin support vector machine),
    found by non-negative least squares: the $a \ge 0$ that minimise $|Z^T a|^2 + w^2 (1 - \sum a)^2$ are those of the
    nearest point of the hull, up to their sum. Cost: a few thousand rows in 60 dimensions take milliseconds.
    """
    z = halfspaces.double().cpu().numpy()
    nearest = float(np.linalg.norm(_nearest(z)))
    return nearest if nearest > 1e-9 * np.abs(z).max() else 0.0


def largest_margin_direction(halfspaces: Float[Tensor, "point dimension"]) -> Float[Tensor, "dimension"]:
    """The unit vector of the largest margin, along the point of the convex hull that is nearest to 0; float64, CPU.

    NaN where the points cannot be separated.
    """
    z = halfspaces.double().cpu().numpy()
    nearest = _nearest(z)
    length = float(np.linalg.norm(nearest))
    if length <= 1e-9 * np.abs(z).max():
        return torch.full((z.shape[1],), torch.nan, dtype=torch.float64)
    return torch.as_tensor(nearest / length)


def _nearest(z: np.ndarray) -> np.ndarray:
    """The point of the convex hull of rows that is nearest to 0."""
    table = np.vstack([z.T, np.full(len(z), _WEIGHT)])
    weights, _ = nnls(table, np.append(np.zeros(z.shape[1]), _WEIGHT), maxiter=30 * len(z))
    return z.T @ (weights / weights.sum())
