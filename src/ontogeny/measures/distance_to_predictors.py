"""Distance to predictors: how far the transition matrix that a model acts on is from a reference."""

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.measures.divergence import kl, mean_over


def matrix_distance(
    p: Float[Tensor, "*#lead state next"],
    q: Float[Tensor, "*#lead state next"],
    stationary: Float[Tensor, "*#lead state"],
) -> Float[Tensor, "*lead"]:
    r"""$d(P, Q) = \sum_s \pi(s) \, \mathrm{KL}(P_s \| Q_s)$ in nats a step: what expecting Q costs under P."""
    return (stationary * kl(p, q)).sum(-1)


def distance_to_predictors(
    model: Float[Tensor, "member path state next"],
    predictors: Float[Tensor, "member algorithm path state next"],
    stationary: Float[Tensor, "member path state"],
) -> Float[Tensor, "member algorithm"]:
    """Mean over paths of the distance from each predictor's matrix to the model's, rows weighted by `stationary`.

    A path's matrix has a row a state: the law of what comes next when that state is put at the path's end.
    Source: Park et al., arXiv 2412.01003.
    """
    return mean_over(matrix_distance(predictors, model[:, None], stationary[:, None]))


def nearest_chain(
    model: Float[Tensor, "member path state next"],
    transitions: Float[Tensor, "member chain state next"],
    stationary: Float[Tensor, "member chain state"],
) -> Float[Tensor, "member path"]:
    r"""Distance from the nearest chain to each path's matrix: $\min_n \sum_s \pi_n(s) \, \mathrm{KL}(T_n[s] \| M_s)$.

    Every chain must be positive. Cost: O(path * chain * state^2) a member.
    """
    flow = (stationary[..., None] * transitions).flatten(-2)
    negative_entropy = (flow * transitions.log().flatten(-2)).sum(-1)
    cross = -torch.bmm(model.log().flatten(-2), flow.mT)
    return (negative_entropy[:, None] + cross).amin(-1).clamp_min(0.0)


def relative_distance(
    to_trained: Float[Tensor, "member path"], to_fresh: Float[Tensor, "member path"]
) -> Float[Tensor, "member"]:
    """Mean distance from the nearest training chain over that from the nearest of as many chains never trained on.

    Well below 1 for a model that falls back on a training chain wherever it is, about 1 for one that does not.
    """
    return mean_over(to_trained) / mean_over(to_fresh)
