"""AUROC: how well a score tells two kinds of samples apart."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def auroc(
    scores: Float[Tensor, "*member sample"],
    positive: Bool[Tensor, "*member sample"],
    among: Bool[Tensor, "*member sample"] | None = None,
) -> Float[Tensor, "*member"]:
    r"""Probability that a positive sample scores above a negative one, ties counting half.

    $$\mathrm{AUROC} = \frac{\sum_{i \in +} r_i - n_+ (n_+ + 1) / 2}{n_+ \, n_-}, \qquad r_i \text{ the mean rank}$$

    From 0 to 1; 0.5 for a score that says nothing, a constant included. Only samples that `among` marks count (None:
    all). NaN where there is no positive or no negative sample, or where a score that counts is NaN.

    Cost: one sort a member. Float64, exact: ranks are whole numbers.
    Source: Mann & Whitney (1947); equals `sklearn.metrics.roc_auc_score`.
    """
    if among is None:
        among = torch.ones_like(positive)
    counted = among.sum(-1, keepdim=True)
    scores = scores.where(among, torch.inf).contiguous()
    order = scores.sort(-1).values
    below = torch.searchsorted(order, scores)
    upto = torch.searchsorted(order, scores, right=True).minimum(counted)
    positive = positive & among
    n = positive.sum(-1)
    twice = ((below + upto + 1) * positive).sum(-1) - n * (n + 1)
    area = twice.double() / (2 * n * (counted[..., 0] - n))
    return area.where(~scores.isnan().any(-1), torch.nan)
