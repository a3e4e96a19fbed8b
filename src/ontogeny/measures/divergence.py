"""Kullback-Leibler divergence: what it costs to expect one law where another holds."""

import torch
from jaxtyping import Float
from torch import Tensor


def kl(p: Float[Tensor, "*#lead option"], q: Float[Tensor, "*#lead option"]) -> Float[Tensor, "*lead"]:
    r"""$\mathrm{KL}(p \| q) = \sum_j p_j \ln (p_j / q_j)$ in nats, 0 or more up to rounding.

    Options with p = 0 count nothing; infinite where q = 0 and p is not.
    """
    return torch.where(p == 0, 0.0, p * (p / q).log()).sum(-1)


def mean_over(x: Float[Tensor, "*lead sample"]) -> Float[Tensor, "*lead"]:
    """The mean along the last axis, the same for a row alone as among others."""
    # A row that is the only one would be summed in another order, so it never is.
    return torch.stack((x, x)).mean(-1)[0]
