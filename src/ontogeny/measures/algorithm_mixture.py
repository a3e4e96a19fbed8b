"""Algorithm mixture: a model's predictions as a weighted mean of known predictors'."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.measures.divergence import kl, mean_over


class Mixture(NamedTuple):
    """A fit a row of `choices`: the weights, what they leave unexplained, and how far that can be from the least."""

    weights: Float[Tensor, "*fit choice algorithm"]
    residual: Float[Tensor, "*fit choice"]  # nats
    gap: Float[Tensor, "*fit choice"]  # nats


def algorithm_mixture(
    target: Float[Tensor, "*fit context option"],
    predictors: Float[Tensor, "*fit algorithm context option"],
    choices: Bool[Tensor, "choice algorithm"] | None = None,
    *,
    steps: int = 400,
) -> Mixture:
    r"""Weights of the mixture of predictors that comes closest to a model, over all contexts at once.

    $$\min_{\lambda \in \Delta} \; \mathrm{mean}_c \, \mathrm{KL}\Big(M_c \,\Big\|\, \sum_A \lambda_A P_{A,c}\Big)$$

    by expectation maximisation from equal weights: $\lambda_A \leftarrow \lambda_A \, \mathrm{mean}_c \sum_j M_{cj}
    P_{A,cj} / \sum_B \lambda_B P_{B,cj}$. The problem is convex, and the residual (nats, 0 for an exact mixture) is at
    most `gap` $= \max_A \mathrm{mean}_c \sum_j M_{cj} P_{A,cj} / (\lambda P)_{cj} - 1$ above the least there is.
    Predictors that coincide on the contexts share their weight as they started: equally.

    `choices` are sets of predictors to fit with, a row each (None: all of them). A fit is NaN where its target is, or
    where none of its predictors allows what the target does.

    Raises: `UserError` when a choice is empty.
    Cost: O(steps * choice * algorithm * context * option) a fit.
    Source: Park et al., arXiv 2412.01003 (linear interpolation of algorithms).
    """
    if choices is None:
        choices = torch.ones(1, predictors.shape[-3], dtype=torch.bool, device=target.device)
    if not choices.shape[0] or not choices.any(-1).all():
        raise UserError("an algorithm mixture needs one predictor or more in each choice, got an empty choice")
    start = choices.to(target.dtype) / choices.sum(-1, keepdim=True)
    # A product with a single row would take another path alone than in company: that row goes twice.
    rows = torch.cat((start, start)) if len(start) == 1 else start
    contexts, options = target.shape[-2:]
    laws = predictors.reshape(-1, predictors.shape[-3], contexts * options)
    columns = laws.mT.contiguous()
    wanted = target.reshape(-1, 1, contexts * options) / contexts

    def pull(weights: Tensor) -> Tensor:
        mixed = torch.bmm(weights, laws)
        return torch.bmm(torch.div(wanted, mixed, out=mixed), columns)

    weights = rows.expand(len(laws), -1, -1).contiguous()
    for _ in range(steps):
        weights = weights * pull(weights)
    gap = pull(weights).masked_fill(rows == 0, -torch.inf).amax(-1) - 1
    mixed = torch.bmm(weights, laws).unflatten(-1, (contexts, options))
    residual = mean_over(kl(target.reshape(-1, 1, contexts, options), mixed))
    kept = (x[:, : len(start)].reshape(*target.shape[:-2], *x[0, : len(start)].shape) for x in (weights, residual, gap))
    return Mixture(*kept)
