"""Node means: what the hidden states at the visits of a node have in common, apart from the name the node has."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ontogeny.models.stacked import matmul


def node_means(
    hidden: Float[Tensor, "*lead position width"], nodes: Int[Tensor, "*lead position"], count: int
) -> tuple[Float[Tensor, "*lead node width"], Bool[Tensor, "*lead node"]]:
    """Mean hidden state over the positions of each of `count` nodes, and which nodes were visited at all.

    Nodes that were not have a mean of 0, to be left out. Give it the positions of a window: `hidden[..., a:b, :]` and
    `nodes[..., a:b]`.
    """
    visit = nodes[..., None, :] == torch.arange(count, device=nodes.device)[:, None]
    visits = visit.sum(-1)
    share = visit.to(hidden.dtype) / visits.clamp_min(1)[..., None]
    share, length = share.expand(*hidden.shape[:-2], -1, -1), hidden.shape[-2]
    means = matmul(share.reshape(-1, count, length), hidden.reshape(-1, length, hidden.shape[-1]))
    return means.view(*hidden.shape[:-2], count, hidden.shape[-1]), visits > 0


def without_names(
    means: Float[Tensor, "*lead sample node width"],
    seen: Bool[Tensor, "*lead sample node"],
    names: Int[Tensor, "*lead sample node"],
    vocabulary: int,
) -> tuple[Float[Tensor, "*lead sample node width"], Bool[Tensor, "*lead sample node"]]:
    r"""Node means less what the same name has in the other samples, and which nodes have such a difference.

    $$\tilde h_{s,i} = h_{s,i} - \mathrm{mean}_{s' \neq s}\, h_{s', i'} \quad \text{with } v_{s'}(i') = v_s(i)$$

    over the samples s' in which the token v_s(i) was visited, whichever node it named there. A token's own direction
    goes, and what its place in the graph adds stays, up to a factor. Differences that are undefined, for a node that
    was not visited or a token that no other sample visited, are 0.
    """
    named = seen[..., None] & (names[..., None] == torch.arange(vocabulary, device=names.device))  # sample node token
    flat = named.to(means.dtype).flatten(-3, -2)  # (sample node) token
    times = flat.sum(-2)  # token
    batch, rows, width = flat[..., 0, 0].numel(), flat.shape[-2], means.shape[-1]
    sums = matmul(flat.mT.reshape(batch, vocabulary, rows), means.reshape(batch, rows, width))
    sums = sums.view(*flat.shape[:-2], vocabulary, width)
    place = names.flatten(-2)
    others = torch.take_along_dim(times, place, -1).view(names.shape) - 1
    rest = torch.take_along_dim(sums, place[..., None], -2).view(means.shape) - means
    known = seen & (others > 0)
    return (means - rest / others.clamp_min(1)[..., None]).where(known[..., None], 0.0), known


def aligned(
    values: Float[Tensor, "*lead sample node width"], known: Bool[Tensor, "*lead sample node"], least: int = 10
) -> Float[Tensor, "*lead node width"]:
    """Mean over the samples in which a node is known, node by node; NaN for one known in fewer than `least`."""
    times = known.sum(-2)
    mean = values.where(known[..., None], 0.0).sum(-3) / times.clamp_min(1)[..., None]
    return mean.where((times >= least)[..., None], torch.nan)
