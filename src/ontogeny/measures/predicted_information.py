"""Predicted information: how much a network's predictions depend on something that its inputs tell, in nats.

The mutual information of an input feature and a token drawn from what the network predicts: with predictions p(y|x) and
groups of inputs that share the feature,

$$I = \\sum_g w_g \\, \\mathrm{KL}\\Big(\\bar p_g \\,\\Big\\|\\, \\sum_h w_h \\bar p_h\\Big),$$

$\\bar p_g$ being the mean prediction in group g and $w_g$ its share of the inputs. A network that is always right has
the information that is in the data, one that always says the same has none.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ontogeny.measures.divergence import kl, mean_over
from ontogeny.models.stacked import matmul


def group_information(
    laws: Float[Tensor, "member sample place option"], group: Int[Tensor, "member sample feature"], groups: int
) -> Float[Tensor, "member feature place"]:
    """I(feature; predicted token) for every feature and every place that is predicted, each option's law given.

    Never below 0, and biased upwards: independent predictions that are certain have about
    (groups - 1) (options - 1) / (2 samples). An empty group counts nothing.
    """
    members, samples, places, options = laws.shape
    features = group.shape[-1]
    there = torch.nn.functional.one_hot(group, groups).to(laws.dtype).flatten(2)
    counts = there.sum(1).view(members, features, groups)
    totals = matmul(there.mT.contiguous(), laws.flatten(2)).view(members, features, groups, places, options)
    means = totals / counts.clamp_min(1.0)[..., None, None]
    weight = counts / samples
    overall = mean_over(laws.permute(0, 2, 3, 1))[:, None, None]
    return (weight[..., None] * kl(means, overall)).sum(2)


def excess_information(
    laws: Float[Tensor, "member sample place option"],
    group: Int[Tensor, "member sample feature"],
    groups: int,
    orders: Int[Tensor, "member shuffle sample"],
) -> Float[Tensor, "member feature place"]:
    """`group_information` less what is left of it, on average, when samples get the groups of others, by `orders`.

    That takes most of the bias away; the estimate of none scatters around 0.
    """
    found = group_information(laws, group, groups)
    chance = torch.zeros_like(found)
    for order in orders.unbind(1):
        chance = chance + group_information(laws, group.gather(1, order[..., None].expand(group.shape)), groups)
    return found - chance / orders.shape[1]


def context_information(laws: Float[Tensor, "*member context value option"]) -> Float[Tensor, "*member"]:
    """I(value; predicted token | context) in nats: `value` is set to each of its values in turn, all else kept.

    The mean over contexts of the Jensen-Shannon divergence of the predictions; at most ln(values), without the bias of
    groups, as every value is there once.
    """
    own = kl(laws, laws.mean(-2, keepdim=True))
    return mean_over(own.mean(-1))
