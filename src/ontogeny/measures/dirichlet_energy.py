"""Dirichlet energy: how much closer than any two nodes of a graph its neighbours lie in a representation."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.measures.relabelling import relabelled
from ontogeny.models.stacked import matmul


def dirichlet_energy(
    apart: Float[Tensor, "*lead node node"],
    edges: Bool[Tensor, "node node"],
    orders: Int[Tensor, "relabelling node"] | None = None,
) -> Float[Tensor, "*lead"] | Float[Tensor, "*lead relabelling"]:
    r"""Mean squared distance over the edges of a graph, divided by that over all pairs of nodes.

    $$E = \frac{1}{|\mathcal{E}|} \sum_{(i,j) \in \mathcal{E}} \lVert h_i - h_j \rVert^2
          \Big/ \binom{n}{2}^{-1} \sum_{i<j} \lVert h_i - h_j \rVert^2$$

    `apart` are squared distances (`ontogeny.measures.distances`). Without unit, 0 or more: 1 says that the graph is no
    matter, less that neighbours are near. Not always below 1 where there is structure: points that hold only their
    neighbours, h = A e, have E >= 1 on small graphs. The least there can be is that of the spectral embedding. NaN for
    distances that are NaN, and where all points are one. With `orders` the energy is that of the graph relabelled in
    each of them, its null.

    Raises: `UserError` for a graph without edges.
    Source: Park et al., arXiv 2501.00070, section 5, normalised.
    """
    weights = _pairs(edges, orders).to(apart.dtype)
    between = apart[..., *_upper(edges)]
    lead, pairs = between.shape[:-1], between.shape[-1]
    table = weights.mT.expand(max(1, lead[:1].numel()), pairs, -1)
    among = matmul(between.reshape(table.shape[0], -1, pairs), table).view(*lead, -1)
    energy = among / between.mean(-1, keepdim=True)
    return energy[..., 0] if orders is None else energy


def _upper(edges: Bool[Tensor, "node node"]) -> tuple[Tensor, Tensor]:
    one, other = torch.triu_indices(*edges.shape, offset=1, device=edges.device)
    return one, other


def _pairs(edges: Tensor, orders: Tensor | None) -> Float[Tensor, "graph pair"]:
    """Every pair's weight in the mean over edges, for each order of the nodes."""
    graphs = edges[None] if orders is None else relabelled(edges, orders)
    among = graphs[:, *_upper(edges)].double()
    if not len(among) or not edges.any():
        raise UserError("Dirichlet energy needs a graph with edges: this one has none")
    return among / among.sum(-1, keepdim=True)
