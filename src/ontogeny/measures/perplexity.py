"""Perplexity: how wide each point looks around itself, and the neighbour probabilities that follow."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError

_WIDEST, _NARROWEST = -30.0, 60.0  # bounds of log(beta), distances being in units of their row's mean
_CLOSE = 1e-12  # nats of entropy


def squared_distances(x: Float[Tensor, "point feature"]) -> Float[Tensor, "point point"]:
    """Squared Euclidean distances, infinite on the diagonal: no point is its own neighbour. Exact, O(n^2 d)."""
    exact = torch.cdist(x, x, compute_mode="donot_use_mm_for_euclid_dist").square()
    return exact.fill_diagonal_(math.inf)


def weights(
    squared: Float[Tensor, "*row point"], beta: Float[Tensor, "*row"]
) -> tuple[Float[Tensor, "*row point"], Float[Tensor, "*row"]]:
    r"""Probabilities $p_k \propto \exp(-\beta d_k^2)$ of each row, and their entropy in nats.

    An infinite distance has probability 0.
    """
    nearest = squared.amin(-1, keepdim=True)
    beyond = (squared - nearest).nan_to_num(posinf=0.0)
    e = torch.exp(-beta[..., None] * (squared - nearest)).where(squared.isfinite(), 0.0)
    total = e.sum(-1)
    entropy = total.log() + beta * (e * beyond).sum(-1) / total
    return e / total[..., None], entropy


def bandwidths(
    squared: Float[Tensor, "*row point"], perplexity: float, start: Float[Tensor, "*row"] | None = None
) -> Float[Tensor, "*row"]:
    r"""The $\beta = 1 / (2 \sigma^2)$ of each row at which the entropy of its probabilities is ln(perplexity).

    Newton steps on ln(beta), inside a bracket that is bisected whenever a step leaves it; to 1e-12 nats. A row with
    more equally near points than the perplexity cannot be that narrow: it gets the narrowest beta that is tried,
    which shares its probability among those points.

    Raises: `UserError` when the perplexity is not between 1 and the number of neighbours.
    """
    reach = int(squared.isfinite().sum(-1).min())
    if not 1 < perplexity < reach:
        raise UserError(
            f"a perplexity lies between 1 and the number of other points, {reach} here, got {perplexity:g}: "
            "lower it or take more points"
        )
    beyond = (squared - squared.amin(-1, keepdim=True)).nan_to_num(posinf=0.0)
    unit = (beyond.sum(-1) / reach).clamp_min(torch.finfo(squared.dtype).tiny)
    scaled = squared / unit[..., None]
    log_beta = torch.zeros_like(unit) if start is None else (start * unit).log()
    low, high = torch.full_like(unit, _WIDEST), torch.full_like(unit, _NARROWEST)
    log_beta = log_beta.clamp(_WIDEST, _NARROWEST)
    for _ in range(64):
        beta = log_beta.exp()
        p, entropy = weights(scaled, beta)
        excess = entropy - math.log(perplexity)
        if bool((excess.abs() < _CLOSE).all()):
            break
        low, high = log_beta.where(excess > 0, low), log_beta.where(excess < 0, high)
        d = (scaled - scaled.amin(-1, keepdim=True)).nan_to_num(posinf=0.0)
        mean = (p * d).sum(-1)
        slope = -(beta**2) * (p * (d - mean[..., None]).square()).sum(-1)
        step = log_beta - excess / slope
        inside = (step >= low) & (step <= high)
        log_beta = step.where(inside, (low + high) / 2).where(excess.abs() >= _CLOSE, log_beta)
    return log_beta.exp() / unit


def joint_probabilities(
    squared: Float[Tensor, "point point"], beta: Float[Tensor, "point"]
) -> Float[Tensor, "point point"]:
    r"""t-SNE's symmetric $P_{ij} = (p_{j|i} + p_{i|j}) / 2n$, which sums to 1."""
    conditional, _ = weights(squared, beta)
    return (conditional + conditional.mT) / (2 * len(squared))
