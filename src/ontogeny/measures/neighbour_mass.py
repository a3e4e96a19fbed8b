"""Neighbour mass: how much probability a network puts on the neighbours of the node where a walk stands."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor


class Mass(NamedTuple):
    """Probability on neighbours, at every step of a walk: on all of them, and on those that are not the last node."""

    all: Float[Tensor, "*sample step"]
    fresh: Float[Tensor, "*sample step"]


def neighbour_mass(
    next_node: Float[Tensor, "*sample step node"],
    nodes: Int[Tensor, "*sample step"],
    edges: Bool[Tensor, "*sample node node"],
) -> Mass:
    r"""Mass on the neighbours N(x_t), and the fresh one, in which the node before is left out.

    $$\mathrm{NM}_t = \sum_{j \in N(x_t)} p_t(j), \qquad
      \mathrm{FM}_t = \sum_{j \in N(x_t) \setminus x_{t-1}} p_t(j) \Big/ (1 - p_t(x_{t-1}))$$

    `next_node` are probabilities of the graph's nodes, which sum to less than 1 where other tokens have some. The node
    before is always a neighbour, so going back scores in the first without any knowledge of the graph; the second is 0
    for it. From 0 to 1. The fresh mass is NaN at the first step, which has no node before it, and where p_t(x_{t-1})
    is 1.
    """
    neighbours = torch.take_along_dim(edges, nodes[..., None], -2).to(next_node.dtype)
    on_all = (next_node * neighbours).sum(-1)
    before = F.pad(nodes, (1, 0))[..., :-1]  # of the first step: no matter what
    back = torch.take_along_dim(next_node, before[..., None], -1)[..., 0]
    was_there = torch.take_along_dim(neighbours, before[..., None], -1)[..., 0]
    rest = 1 - back
    fresh = ((on_all - back * was_there) / rest).where(rest > 0, torch.nan)
    fresh[..., 0] = torch.nan
    return Mass(on_all, fresh)
