"""Objectives: what training makes small, one number a member."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ontogeny.models.stacked import member_sum
from ontogeny.parts import Part
from ontogeny.tasks.contract import Batch


class Objective(Part):
    """Abstract: gives `__call__`."""

    def __call__(self, outputs: Float[Tensor, "member sample *rest"], batch: Batch) -> Float[Tensor, "member"]:
        """The loss of every member."""
        raise NotImplementedError


class CrossEntropy(Objective):
    """Mean cross-entropy in nats over targets: next tokens `[member, sample, position]` or classes `[member, sample]`.

    With `batch.weights` it is sum(w loss) / sum(w) within each member: a target of weight 0 does not count.
    """

    def __call__(self, outputs: Float[Tensor, "member sample *rest"], batch: Batch) -> Float[Tensor, "member"]:
        """-sum w log softmax(outputs)[target] / sum w, per member."""
        loss = F.cross_entropy(outputs.flatten(0, -2), batch.targets.flatten(), reduction="none")
        return weighted_mean(loss.view(batch.targets.shape), batch.weights)


class SquaredError(Objective):
    """Half the squared distance to the target vector, mean over samples: mean of |y - t|^2 / 2."""

    def __call__(self, outputs: Float[Tensor, "member sample *rest"], batch: Batch) -> Float[Tensor, "member"]:
        """mean over samples (and positions) of 0.5 sum_k (y_k - t_k)^2, per member."""
        loss = (outputs - batch.targets).square().sum(-1) * 0.5
        return weighted_mean(loss, batch.weights)


def weighted_mean(
    loss: Float[Tensor, "member *target"], weights: Float[Tensor, "member *target"] | None
) -> Float[Tensor, "member"]:
    """Mean over all but the member axis, weighted where weights are given."""
    if weights is None:
        return member_sum(loss) / (loss.numel() // loss.shape[0])
    return member_sum(loss * weights) / member_sum(weights)
