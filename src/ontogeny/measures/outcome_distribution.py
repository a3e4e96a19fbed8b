"""Outcome distribution: what a sequence may still come to at every place of it, and which tokens would change that."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def frequencies(outcome: Int[Tensor, "*any sample"], options: int) -> Float[Tensor, "*any option"]:
    """Share of each option among the samples, float64, summing to 1."""
    return F.one_hot(outcome, options).sum(-2).double() / outcome.shape[-1]


def kept(probability: Float[Tensor, "*any alternate"], least: float) -> Float[Tensor, "*any alternate"]:
    """Probabilities of the alternates that have `least` or more, and of the first in any case, summing to 1.

    The first alternate is the sequence's own token. The others are 0. NaN where none has any probability.
    """
    own = torch.zeros_like(probability, dtype=torch.bool)
    own[..., 0] = True
    p = probability.where(own | (probability >= least), 0.0)
    return p / p.sum(-1, keepdim=True)


def mixture(
    branches: Float[Tensor, "*any alternate option"], weights: Float[Tensor, "*any alternate"]
) -> Float[Tensor, "*any option"]:
    r"""The outcome distribution before a token: $o_t = \sum_w p(w) \, o_{t,w}$."""
    return (branches * weights[..., None]).sum(-2)


def hazard(
    branches: Float[Tensor, "*any alternate option"], weights: Float[Tensor, "*any alternate"], eps: float
) -> Float[Tensor, "*any"]:
    r"""Probability of a token that changes the outcome by more than `eps` from what the sequence's own one leads to.

    $$h_t(\epsilon) = \sum_{w \ne w^*} p(w) \, 1\big[\lVert o_{t,w^*} - o_{t,w} \rVert_2 > \epsilon\big]$$

    with $w^*$ the first alternate. From 0 to 1; 0 for eps of sqrt(2) or more.

    Source: Bigelow et al., arXiv 2412.07961, section on survival analysis.
    """
    far = (branches - branches[..., :1, :]).square().sum(-1).sqrt() > eps
    return (weights * far).sum(-1)
