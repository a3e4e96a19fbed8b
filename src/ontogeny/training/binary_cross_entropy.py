"""Binary cross-entropy: the loss of a logit for a target between 0 and 1, kept to members."""

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.tasks.contract import Batch
from ontogeny.training.objectives import Objective, weighted_mean


def softplus(x: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """ln(1 + exp(x)), without overflow: the fused function is not the same in any company."""
    return torch.relu(x) + torch.log1p(torch.exp(-x.abs()))


class BinaryCrossEntropy(Objective):
    """Mean over samples of `softplus(z) - t z` for logits z and targets t: -t ln D - (1 - t) ln(1 - D), in nats."""

    def __call__(self, outputs: Float[Tensor, "member sample 1"], batch: Batch) -> Float[Tensor, "member"]:
        """As `torch.nn.BCEWithLogitsLoss`, member by member."""
        return weighted_mean((softplus(outputs) - batch.targets * outputs)[..., 0], batch.weights)
