"""Position geometry: how many directions the position part of hidden states uses, how smooth and how large it is."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.measures.context_decomposition import Decomposition
from ontogeny.models.stacked import matmul

LOW = 10  # frequencies that count as low


def stable_rank(x: Float[Tensor, "*lead row column"]) -> Float[Tensor, "*lead"]:
    r"""$\sum_k \sigma_k^2 / \sigma_1^2$: 1 for one direction, k for k equal ones, 0 for zeros. Not centred."""
    sigma = torch.linalg.svdvals(x)
    return sigma.square().sum(-1) / sigma[..., 0].square().clamp_min(torch.finfo(x.dtype).tiny)


def optimal_rank(x: Float[Tensor, "*lead row column"]) -> Float[Tensor, "*lead"]:
    r"""Singular values above $\omega(\beta)$ times their median, the hard threshold that is best under white noise.

    $$\omega(\beta) \approx 0.56 \beta^3 - 0.95 \beta^2 + 1.82 \beta + 1.43$$

    with the smaller side over the larger one as $\beta$.
    0 for noise alone. It needs less than half of the singular values to be signal.

    Source: Gavish & Donoho (2014), arXiv 1305.5870, for an unknown noise level.
    """
    sigma = torch.linalg.svdvals(x)
    beta = min(x.shape[-2:]) / max(x.shape[-2:])
    omega = 0.56 * beta**3 - 0.95 * beta**2 + 1.82 * beta + 1.43
    return (sigma > omega * sigma.quantile(0.5, -1, keepdim=True)).to(x.dtype).sum(-1)


def low_frequency_share(positions: Float[Tensor, "*lead position width"], low: int = LOW) -> Float[Tensor, "*lead"]:
    r"""Share of the squared two-dimensional cosine transform of the positions' cosines at low frequencies.

    $$\sum_{i,j < \mathrm{low}} F_{ij}^2 \Big/ \sum_{i,j} F_{ij}^2, \qquad F = D G D^\top, \quad
      G_{st} = \cos(p_s, p_t)$$

    with the orthonormal DCT-II D. From 0 to 1: near 1 when neighbouring positions are alike, low / T for positions at
    right angles to each other. Positions that are all zero give NaN.

    Raises: `UserError` for no more positions than low frequencies.
    Source: Song & Zhong, arXiv 2310.04861, section 3.
    """
    times = positions.shape[-2]
    if times <= low:
        raise UserError(f"{times} positions have no frequencies past {low}: give more, or a smaller low=")
    unit = unit_rows(positions)
    flat = unit.reshape(-1, *unit.shape[-2:])
    basis = dct(times).to(flat).expand(len(flat), -1, -1)
    spectrum = matmul(matmul(basis, matmul(flat, flat.mT)), basis.mT).square()
    share = spectrum[:, :low, :low].sum((-2, -1)) / spectrum.sum((-2, -1))
    return share.view(positions.shape[:-2])


def dct(size: int) -> Float[Tensor, "frequency position"]:
    """The orthonormal DCT-II, float64: rows sqrt(2 / n) cos(pi (t + 1/2) k / n), the first divided by sqrt(2)."""
    t = torch.arange(size, dtype=torch.float64)
    table = torch.cos(math.pi / size * (t + 0.5) * t[:, None]) * math.sqrt(2 / size)
    table[0] /= math.sqrt(2)
    return table


def relative_norm(parts: Decomposition) -> Float[Tensor, "*lead"]:
    r"""$\lVert P \rVert_2 / \lVert P + C + \mu \rVert_2$ of the stacked (context, position) x width matrices.

    From 0, no position part, to 1. Cross products of the parts vanish, so both norms follow from width x width tables.
    """
    times, contexts = parts.positions.shape[-2], parts.contexts.shape[-2]

    def gram(x: Tensor) -> Tensor:
        flat = x.reshape(-1, *x.shape[-2:])
        return matmul(flat.mT.contiguous(), flat).view(*x.shape[:-2], x.shape[-1], x.shape[-1])

    own = contexts * gram(parts.positions)
    mean = contexts * times * parts.mean[..., :, None] * parts.mean[..., None, :]
    every = own + times * gram(parts.contexts) + mean
    return (torch.linalg.eigvalsh(own)[..., -1].clamp_min(0) / torch.linalg.eigvalsh(every)[..., -1]).sqrt()


def unit_rows(x: Float[Tensor, "*lead row column"]) -> Float[Tensor, "*lead row column"]:
    """Every row at length 1; rows of zeros are NaN."""
    length = x.norm(dim=-1, keepdim=True)
    return (x / length).where(length > 0, torch.nan)


def incoherence(
    one: Float[Tensor, "*lead row width"], other: Float[Tensor, "*lead point width"]
) -> Float[Tensor, "*lead"]:
    r"""Mean $|\cos|$ between the rows of two tables, from 0 to 1; about $\sqrt{2 / (\pi d)}$ for random directions.

    Rows of zeros are left out; NaN where all of a table's are.

    Source: Song & Zhong, arXiv 2310.04861, section 4.
    """
    unit, points = (unit_rows(x).reshape(-1, *x.shape[-2:]) for x in (one, other))
    return matmul(unit, points.mT.contiguous()).abs().view(*one.shape[:-2], -1).nanmean(-1)
