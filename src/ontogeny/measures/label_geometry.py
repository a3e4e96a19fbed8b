"""Label geometry: whether the states of two classes are apart, and whether they lie apart along the labels' direction.

All functions take the states of one set of samples, `[*set, sample, width]`, and which of two classes each is of.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ontogeny.measures.logistic_regression import fit_logistic, logit, standardise
from ontogeny.models.stacked import matmul


def separability(
    states: Float[Tensor, "*set sample width"],
    second: Bool[Tensor, "*set sample"],
    noise: Float[Tensor, "*set sample width"],
    tested: Bool[Tensor, "sample"],
) -> Float[Tensor, "*set"]:
    """Share of the `tested` samples whose class a linear probe, fitted on the others, tells from `states + noise`.

    The probe is an L2-regularised logistic regression (C = 1) on standardised features, a class of each fit. 0.5 is
    chance for classes of one size. The noise is part of the definition: without it any trace of the class, however
    faint, separates states that nothing else varies, even in untrained networks. NaN where states are not finite.

    Cost: 16 Newton steps of sample * width^2 a set.
    """
    sets = second.shape[:-1]
    x, y = (states + noise).flatten(0, -3).double(), second.flatten(0, -2)
    fitted, rest = x[:, ~tested], x[:, tested]
    every = torch.ones(fitted.shape[:2], dtype=torch.bool, device=x.device)
    # Standardised together, by what the fitted half has: the tested half may not say anything about the scale.
    both = standardise(torch.cat([fitted, rest], 1), torch.cat([every, ~torch.ones_like(y[:, tested])], 1))
    w = fit_logistic(both[:, : fitted.shape[1]], y[:, ~tested])
    right = (logit(both[:, fitted.shape[1] :], w) > 0) == y[:, tested]
    finite = x.isfinite().flatten(1).all(1)
    return right.double().mean(-1).where(finite, torch.nan).view(sets)


def best_cut(scores: Float[Tensor, "*set sample"], second: Bool[Tensor, "*set sample"]) -> Float[Tensor, "*set"]:
    """The greatest share of samples that one threshold on a score puts on the right side, whichever side is whose.

    From 0.5 to 1, for classes of any size at least the share of the larger one. Samples of equal score stand in an
    order of their own, so ties count as if they could be cut.
    """
    ranked = second.gather(-1, torch.argsort(scores, dim=-1, stable=True)).long()
    zero = torch.zeros_like(ranked[..., :1])
    below = torch.cat([zero, ranked.cumsum(-1)], -1)  # of the second class, below each cut
    place = torch.arange(ranked.shape[-1] + 1, device=scores.device)
    right = (place - below) + (below[..., -1:] - below)
    share = right.double() / ranked.shape[-1]
    return torch.maximum(share, 1 - share).amax(-1)


def output_alignment(
    states: Float[Tensor, "*set sample width"],
    second: Bool[Tensor, "*set sample"],
    direction: Float[Tensor, "*set width"],
) -> Float[Tensor, "*set"]:
    """Share of samples on their class's side of the plane through 0 along `direction`, which points to the first class.

    With the final norm's outputs and the difference of two rows of the unembedding it is the accuracy of the readout
    between the two labels. A state on the plane itself counts as the second class's.
    """
    first = _along(states, direction) > 0
    return (first != second).double().mean(-1)


def directional_alignment(
    states: Float[Tensor, "*set sample width"],
    second: Bool[Tensor, "*set sample"],
    direction: Float[Tensor, "*set width"],
) -> Float[Tensor, "*set"]:
    """Cosine of the difference of the class means with `direction`, from -1 to 1. NaN for means that are one."""
    weight = second.to(states.dtype)[..., None]
    means = [(states * w).sum(-2) / w.sum(-2) for w in (1 - weight, weight)]
    between = means[0] - means[1]
    return (between * direction).sum(-1) / (between.norm(dim=-1) * direction.norm(dim=-1))


def spread(states: Float[Tensor, "*set sample width"]) -> Float[Tensor, "*set"]:
    r"""Effective rank of the centred states: in how many directions their variance lies.

    $$\exp\Big(-\sum_k p_k \ln p_k\Big), \qquad p_k = \sigma_k^2 \Big/ \sum_j \sigma_j^2$$

    k for k equal orthogonal directions; 0 for states that are all one, NaN for those that are not finite.
    """
    centred = (states - states.mean(-2, keepdim=True)).double()
    flat = centred.flatten(0, -3)
    finite = flat.isfinite().flatten(1).all(1)
    flat = flat.where(finite[:, None, None], 0.0)  # LAPACK refuses a whole batch for one NaN
    power = torch.linalg.eigvalsh(matmul(flat.mT.contiguous(), flat)).clamp_min(0.0)
    total = power.sum(-1, keepdim=True)
    rank = torch.special.entr(power / total.clamp_min(torch.finfo(power.dtype).tiny)).sum(-1).exp()
    varied = total[:, 0] > 1e-12 * states.flatten(0, -3).double().square().sum((-2, -1)).where(finite, 0.0)
    return rank.where(varied, 0.0).where(finite, torch.nan).view(states.shape[:-2])


def share_along(
    states: Float[Tensor, "*set sample width"], direction: Float[Tensor, "*set width"]
) -> Float[Tensor, "*set"]:
    """Share of the states' variance that lies along `direction`, from 0 to 1. NaN for states without variance."""
    centred = states - states.mean(-2, keepdim=True)
    along = _along(centred, direction).square().sum(-1) / direction.square().sum(-1)
    return along / centred.square().sum(-1).sum(-1)


def _along(states: Float[Tensor, "*set sample width"], direction: Float[Tensor, "*set width"]) -> Tensor:
    return (states * direction[..., None, :]).sum(-1)
