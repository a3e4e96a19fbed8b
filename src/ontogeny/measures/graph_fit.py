"""Graph fit: how much of the similarities between points one and two steps on a graph explain."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ontogeny.measures.relabelling import relabelled
from ontogeny.models.stacked import matmul


def graph_fit(
    apart: Float[Tensor, "*lead node node"],
    edges: Bool[Tensor, "node node"],
    orders: Int[Tensor, "relabelling node"] | None = None,
) -> Float[Tensor, "*lead"] | Float[Tensor, "*lead relabelling"]:
    r"""R^2 of the regression of the points' similarities on the numbers of paths of one and of two edges.

    $$G_{ij} \approx b_0 + b_1 A_{ij} + b_2 (A^2)_{ij}, \quad i \neq j, \qquad G = -\tfrac12 C D C,
      \quad C = 1 - \tfrac1n 11^\top$$

    `apart` are the squared distances D, so that G is the doubly centred Gram matrix of the points. It is not fooled, as
    an energy is, by which sign neighbours have: points that hold their neighbours' mean without their own share,
    h = A e, have G = A^2. From 0 to 1; noise gives 2 / (pairs - 1) on average, so compare with `orders`, which give the
    fit of the graph relabelled in each of them. NaN for distances that are NaN, and where all similarities are alike.
    """
    gram = centred_gram(apart)
    one, other = torch.triu_indices(*edges.shape, offset=1, device=edges.device)
    basis = _bases(edges, orders, one, other).to(apart.dtype)  # graph, pair, column
    y = gram[..., one, other]
    y = y - y.mean(-1, keepdim=True)
    lead, pairs, columns = y.shape[:-1], y.shape[-1], basis.shape[-1]
    table = basis.permute(1, 0, 2).reshape(pairs, -1).expand(max(1, lead[:1].numel()), -1, -1)
    along = matmul(y.reshape(table.shape[0], -1, pairs), table).view(*lead, -1, columns)
    total = y.square().sum(-1, keepdim=True)
    alike = total <= (100 * torch.finfo(gram.dtype).eps) ** 2 * gram.square().sum((-2, -1))[..., None]
    fit = (along.square().sum(-1) / total).where(~alike, torch.nan)
    return fit[..., 0] if orders is None else fit


def centred_gram(apart: Float[Tensor, "*lead node node"]) -> Float[Tensor, "*lead node node"]:
    """Inner products of points less their mean, from their squared distances: -C D C / 2."""
    rows = apart.mean(-1, keepdim=True)
    columns = apart.mean(-2, keepdim=True)
    return -0.5 * (apart - rows - columns + rows.mean(-2, keepdim=True))


def _bases(
    edges: Bool[Tensor, "node node"], orders: Int[Tensor, "relabelling node"] | None, one: Tensor, other: Tensor
) -> Float[Tensor, "graph pair column"]:
    """Orthonormal centred columns that span those of A and A^2, for each order; zeros where these are fewer."""
    steps = edges.double()
    columns = torch.stack([steps, steps @ steps], -1)
    tables = columns[None] if orders is None else relabelled(columns, orders)
    pairs = tables[:, one, other]
    pairs = pairs - pairs.mean(1, keepdim=True)
    first = _unit(pairs[..., 0])
    rest = pairs[..., 1] - (pairs[..., 1] * first).sum(-1, keepdim=True) * first
    rest = rest.where(rest.norm(dim=-1, keepdim=True) > 1e-9 * pairs[..., 1].norm(dim=-1, keepdim=True), 0.0)
    return torch.stack([first, _unit(rest)], -1)


def _unit(x: Float[Tensor, "graph pair"]) -> Float[Tensor, "graph pair"]:
    return x / x.norm(dim=-1, keepdim=True).clamp_min(1e-12)
