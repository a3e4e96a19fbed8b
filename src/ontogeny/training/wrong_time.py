"""Wrong time: for how long a delayed activation is silent when it should be active, or active when it should not."""

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.models.ghost_flow import best_drive, dead_drive
from ontogeny.models.stacked import member_sum
from ontogeny.tasks.contract import Batch
from ontogeny.training.objectives import Objective, weighted_mean


class WrongTime(Objective):
    r"""Time for which a ghost flow's output is wrong, for targets T that are moments to switch.

    $$|\min(t^*(r), 2T) - T|, \qquad t^*(r) = \pi / (2 \sqrt r)$$

    From 0 (it switches at T) to T (it never switches within 2T). Below r = pi^2 / (16 T^2) the loss is exactly T and
    its gradient exactly 0: the dead zone. Not divided by T, as in the paper's toy model: the gradient is
    +pi / (4 r^1.5) above the best r and -pi / (4 r^1.5) below it.

    Source: Dinc, Cirakman et al., arXiv 2501.02378.
    """

    def __call__(self, outputs: Float[Tensor, "member sample 1"], batch: Batch) -> Float[Tensor, "member"]:
        """Mean over samples."""
        awake = torch.maximum(outputs, dead_drive(batch.targets))
        wrong = ((torch.pi / 2) * awake.rsqrt() - batch.targets).abs()
        wrong = torch.where(outputs > dead_drive(batch.targets), wrong, batch.targets)
        return weighted_mean(wrong[..., 0], batch.weights)


class QuadraticDrive(Objective):
    r"""The smooth loss with the same minimum as `WrongTime` and no dead zone: $\frac T2 (r / r_{opt} - 1)^2$.

    An update multiplies the error by $1 - \frac32 \alpha / \alpha_c$, with the critical rate of the wrong time.
    """

    def __call__(self, outputs: Float[Tensor, "member sample 1"], batch: Batch) -> Float[Tensor, "member"]:
        """Mean over samples."""
        error = outputs / best_drive(batch.targets) - 1
        return weighted_mean((error.square() * batch.targets / 2)[..., 0], batch.weights)


class WrongSteps(Objective):
    """Sum of squared errors over a trial's steps, divided by the number of steps that should be active.

    1 for a network that stays silent, 0 for one that is right at every step: the wrong time in units of the delay.
    """

    def __call__(self, outputs: Float[Tensor, "member sample *rest"], batch: Batch) -> Float[Tensor, "member"]:
        """sum (y - t)^2 / sum t, over samples and steps."""
        return member_sum((outputs - batch.targets).square()) / member_sum(batch.targets)
