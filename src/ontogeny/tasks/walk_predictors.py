"""What can be known of a walk's next step from the walk alone: counts of the steps that were made before."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

SMOOTHING = 0.1  # imagined steps to every node


def walked_before(
    nodes: Int[Tensor, "*sample step"], count: int, *, directed: bool = True, smoothing: float = SMOOTHING
) -> Float[Tensor, "*sample step node"]:
    r"""Probability of each next node from the steps out of the present node so far, at every step of a walk.

    $$p_t(j) = \frac{n_t(x_t, j) + a}{\sum_k n_t(x_t, k) + a N}$$

    with $n_t(i, j)$ the steps from i to j up to t, or, not `directed`, from i to j and from j to i; a is `smoothing`
    and N is `count`, the number of nodes. At a first visit all nodes are alike, or counted both ways the node
    before is most likely. Float64, rows sum to 1. Cost: O(step^2 node) a walk.

    Source: the smoothed bigram of Akyurek et al., arXiv 2401.12973, on one context.
    """
    length = nodes.shape[-1]
    here = F.one_hot(nodes, count).double()
    same = nodes[..., :, None] == nodes[..., None, :]
    earlier = torch.ones(length, length, dtype=torch.bool, device=nodes.device).tril(-1)
    left = (same & earlier).double()[..., :-1]  # [t, s]: at s < t the walk stood where it stands at t
    steps = left @ here[..., 1:, :]
    if not directed:
        entered = (same & earlier.logical_or(torch.eye(length, device=nodes.device).bool())).double()[..., 1:]
        steps = steps + entered @ here[..., :-1, :]  # [t, s + 1]: at s + 1 <= t it came there from s
    return (steps + smoothing) / (steps.sum(-1, keepdim=True) + smoothing * count)


def visited_before(
    nodes: Int[Tensor, "*sample step"], count: int, *, smoothing: float = SMOOTHING
) -> Float[Tensor, "*sample step node"]:
    """Probability of each next node from how often it was visited so far, the present step counted: no order at all."""
    visits = F.one_hot(nodes, count).double().cumsum(-2)
    return (visits + smoothing) / (visits.sum(-1, keepdim=True) + smoothing * count)
