"""Kernel ridge regression and its limit without penalty, the interpolant of least norm."""

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import minimize_scalar
from torch import Tensor

CUTOFF = 1e-12  # eigenvalues below this share of the largest count as 0
_NARROW, _WIDE, _TRIES = -14.0, 14.0, 57  # ln of the penalties tried


def kernel_ridge(
    kernel: Float[Tensor, "*lead point point"], targets: Float[Tensor, "*lead point"], penalty: float = 0.0
) -> Float[Tensor, "*lead point"]:
    r"""$(K + \lambda I)^{+} y$: the coefficients of the predictor $\sum_i \alpha_i K(x, x_i)$.

    With a penalty of 0 the pseudo-inverse: eigenvalues below 1e-12 of the largest count as 0, so that the predictor is
    that of least norm among those that fit best.

    Cost: one symmetric eigenproblem.
    Source: equals `sklearn.kernel_ridge.KernelRidge(alpha=penalty, kernel="precomputed").dual_coef_`.
    """
    values, vectors = torch.linalg.eigh(kernel)
    shifted = values + penalty
    kept = shifted > CUTOFF * shifted.amax(-1, keepdim=True)
    along = (vectors.mT @ targets[..., None])[..., 0]
    return (vectors @ torch.where(kept, along / shifted.where(kept, 1.0), 0.0)[..., None])[..., 0]


def linear_kernel(
    x: Float[Tensor, "*lead point dimension"], other: Float[Tensor, "*lead other dimension"]
) -> Float[Tensor, "*lead point other"]:
    """<x, x'> / d: with it a penalty of gamma is ridge regression with the penalty gamma d on raw features."""
    return x @ other.mT / x.shape[-1]


def excess_error(
    kernel: Float[Tensor, "point point"],
    across: Float[Tensor, "test point"],
    targets: Float[Tensor, "point"],
    clean: Float[Tensor, "test"],
    penalty: float = 0.0,
) -> Float[Tensor, ""]:
    """Mean squared distance of kernel ridge predictions from the clean test targets.

    `across` is the kernel of test points with training points.
    """
    return (across @ kernel_ridge(kernel, targets, penalty) - clean).square().mean()


def closest_penalty(
    x: Float[Tensor, "point dimension"],
    targets: Float[Tensor, "point"],
    test: Float[Tensor, "test dimension"],
    predictions: Float[Tensor, "test"],
) -> float:
    """The penalty of linear ridge regression whose predictions are closest to those given, from 1e-6 to 1e6.

    In units of `linear_kernel`. The best of 57 penalties on a log grid, then bounded minimisation between its
    neighbours; an end of the range when the closest lies beyond it.
    """
    values, vectors = (part.cpu().numpy() for part in torch.linalg.eigh(linear_kernel(x, x)))
    values = values.clip(min=0.0)
    along = vectors.T @ targets.cpu().numpy()
    table = linear_kernel(test, x).cpu().numpy() @ vectors
    wanted = predictions.cpu().numpy()

    def distance(log_penalty: float) -> float:
        return float(np.square(table @ (along / (values + np.exp(log_penalty))) - wanted).sum())

    grid = np.linspace(_NARROW, _WIDE, _TRIES)
    best = int(np.argmin([distance(p) for p in grid]))
    if best in (0, len(grid) - 1):
        return float(np.exp(grid[best]))
    found = minimize_scalar(
        distance, bounds=(grid[best - 1], grid[best + 1]), method="bounded", options={"xatol": 1e-8}
    )
    return float(np.exp(found.x))
