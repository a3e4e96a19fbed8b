"""Spectral alignment: whether the directions in which nodes vary most are the slow waves of their graph."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.models.stacked import matmul

TIED = 1e-6  # eigenvalues this close, relative to the largest, are one


def spectral_alignment(
    points: Float[Tensor, "*lead node width"],
    edges: Bool[Tensor, "node node"],
    *,
    first: int = 0,
    count: int = 2,
    waves: int = 2,
    orders: Int[Tensor, "relabelling node"] | None = None,
) -> Float[Tensor, "*lead"] | Float[Tensor, "*lead relabelling"]:
    r"""Mean squared cosine between principal components of the points and the slowest waves of the graph.

    $$\frac{1}{k} \sum_{j=1}^{k} \lVert U^\top p_j \rVert^2$$

    p_j are the components `first`, ..., `first + count - 1` as unit vectors over nodes, counted from 0 by falling
    variance, and the columns of U the eigenvectors of the graph's Laplacian from the second on, `waves` of them and any
    others that tie with the last (on a ring two are tied, on a square grid likewise). From 0 to 1, 1 for a spectral
    embedding; about waves / (n - 1) by chance. NaN for points that are NaN, or that have fewer components. With
    `orders` the alignment is that with the graph relabelled in each of them.

    Raises: `UserError` for more components or waves than n - 1.
    Source: canonical correlations as in Hotelling (1936), Biometrika 28; the picture is that of Park et al.,
    arXiv 2501.00070, figure 1.
    """
    nodes = len(edges)
    if first + count > nodes - 1 or waves > nodes - 1:
        raise UserError(f"{nodes} nodes have {nodes - 1} components and waves: ask for fewer")
    slow = slow_waves(edges, waves).to(points.dtype)
    centred = points - points.mean(-2, keepdim=True)
    finite = centred.isfinite().all(-1).all(-1)
    u, sigma, _ = torch.linalg.svd(centred.where(finite[..., None, None], 0.0), full_matrices=False)
    if sigma.shape[-1] < first + count:
        raise UserError(f"{sigma.shape[-1]} features have no {first + count} components: ask for fewer")
    parts = u[..., first : first + count]
    there = finite & (sigma[..., first + count - 1] > 100 * torch.finfo(sigma.dtype).eps * sigma[..., 0])
    tables = slow[None] if orders is None else slow[orders]
    lead = parts.shape[:-2]
    flat = parts.reshape(max(1, lead[:1].numel()), -1, nodes, count).mT.flatten(1, 2)
    table = tables.permute(1, 0, 2).reshape(nodes, -1).expand(flat.shape[0], -1, -1)
    along = matmul(flat, table).view(*lead, count, len(tables), -1)
    found = along.square().sum(-1).mean(-2)
    found = found.where(there[..., None], torch.nan)
    return found[..., 0] if orders is None else found


def slow_waves(edges: Bool[Tensor, "node node"], waves: int) -> Float[Tensor, "node wave"]:
    """Eigenvectors of the Laplacian from the second on, `waves` of them and all that tie with the last; float64."""
    joined = edges.double()
    values, vectors = torch.linalg.eigh(torch.diag(joined.sum(-1)) - joined)
    kept = values <= values[waves] + TIED * values[-1]
    return vectors[:, 1 : int(kept.sum())]


def ring_alignment(points: Float[Tensor, "*lead node width"]) -> Float[Tensor, "*lead"]:
    """`spectral_alignment` with the ring that joins each node to the next: 1 for a regular polygon in this order.

    Raises: `UserError` with fewer than four nodes.
    """
    nodes = points.shape[-2]
    if nodes < 4:
        raise UserError(f"a ring needs four nodes to be told from a line or a triangle, got {nodes}")
    index = torch.arange(nodes, device=points.device)
    apart = (index[:, None] - index).remainder(nodes)
    return spectral_alignment(points, (apart == 1) | (apart == nodes - 1))
