r"""Linear read-outs without intercept: directions w that classify by the sign of w z, fitted to few labelled samples.

All take features `[..., sample, feature]` and labels -1 or 1 `[..., sample]`, fit every set by itself and give
`[..., feature]`. Only the direction of w counts.
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import nnls
from torch import Tensor

from ontogeny.errors import UserError

Features = Float[Tensor, "*set sample feature"]
Labels = Float[Tensor, "*set sample"]
Directions = Float[Tensor, "*set feature"]


def to_unit_scale(z: Features) -> Features:
    """Features over the root mean square of all entries of their set: one number a set, so no direction is favoured."""
    return z / z.square().mean((-2, -1), keepdim=True).sqrt()


def mean_difference(z: Features, y: Labels) -> Directions:
    """w = mean of y z: half the difference of the class means, for classes of one size."""
    return (y[..., None] * z).mean(-2)


def ridge(z: Features, y: Labels, penalty: float) -> Directions:
    r"""$w = (Z^T Z + \lambda n I)^{-1} Z^T y$; `penalty` lambda 0 is least squares.

    Raises: `UserError` for no penalty and fewer samples than features.
    """
    count, size = z.shape[-2:]
    if penalty < 0 or (penalty == 0 and count < size):
        raise UserError(f"ridge needs a penalty above 0 for {count} samples of {size} features, got {penalty}")
    gram = z.mT @ z + penalty * count * torch.eye(size, dtype=z.dtype, device=z.device)
    return torch.linalg.solve(gram, (z.mT @ y[..., None]))[..., 0]


def max_margin(z: Features, y: Labels) -> Directions:
    """The shortest w with y w z >= 1 for every sample: the hard-margin support vector machine through the origin.

    NaN for a set that no w separates.

    A least-distance problem, solved exactly as a non-negative least-squares one, set by set. Cost: one of `sample`
    unknowns a set, on the CPU. Source: Lawson & Hanson (1974), "Solving least squares problems", chapter 23.
    """
    rows = (y[..., None] * z).flatten(0, -3).double().cpu().numpy() if z.ndim > 2 else (y[:, None] * z)[None].numpy()
    found = np.stack([_least_distance(signed) for signed in rows])
    return torch.as_tensor(found).to(z).view(*z.shape[:-2], z.shape[-1])


def _least_distance(signed: np.ndarray) -> np.ndarray:
    """min |w| with signed w >= 1."""
    count, size = signed.shape
    target = np.zeros(size + 1)
    target[-1] = 1.0
    multipliers, off = nnls(np.vstack([signed.T, np.ones(count)]), target)
    if off < 1e-9:  # the constraints contradict each other
        return np.full(size, np.nan)
    rest = np.vstack([signed.T, np.ones(count)]) @ multipliers - target
    return -rest[:-1] / rest[-1]


def gaussian_accuracy(w: Directions, signal: Float[Tensor, "*#set"]) -> Float[Tensor, "*set"]:
    r"""How often the sign of w h is right for $h = \mu y e_1 + z$: $\Phi(\mu w_1 / |w|)$, exactly. NaN for w = 0."""
    z = signal * w[..., 0] / w.square().sum(-1).sqrt()
    return 0.5 * (1.0 + torch.erf(z / math.sqrt(2.0)))
