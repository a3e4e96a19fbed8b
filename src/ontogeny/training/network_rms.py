r"""Gradient descent normalised by one second moment a network: RMSProp that cannot turn a gradient.

$$v \leftarrow \gamma v + (1 - \gamma)\, \overline{g^2}, \qquad u = g / (\sqrt{v / (1 - \gamma^n)} + \epsilon)$$

with the mean of the squared gradient over all of a member's parameters. Without momentum u points along the gradient,
so a matrix W in front of a normalisation is turned but not pulled: <W, u> = 0, and |W|^2 grows by exactly
$\eta^2 |u|^2$ a step. A second moment a coordinate, as in Adam, breaks that.
"""

from typing import ClassVar

import torch

from ontogeny.models.stacked import member_mean
from ontogeny.parts import PerMember
from ontogeny.training.optimizers import Columns, Optimizer, Table
from ontogeny.training.schedules import Updates


class NetworkRMS(Optimizer):
    """p = p - lr u. The slot `update` of its memory keeps the last u, the step made in units of the learning rate.

    The mean counts the few empty places that align a table of parameters too: their gradient is 0.
    """

    slots: ClassVar[tuple[str, ...]] = ("square", "update")

    gamma: PerMember = 0.999
    eps: PerMember = 1e-8

    def coefficients(self, update: Updates) -> dict[str, PerMember]:
        """The decay and its bias correction, and eps."""
        gamma = torch.as_tensor(self.gamma, dtype=torch.float64)
        bias = -torch.expm1(update * torch.log(gamma))
        return {"gamma": gamma, "new": 1 - gamma, "bias": bias.sqrt(), "eps": self.eps}

    def update(self, parameters: Table, gradient: Table, memory: dict[str, Table], of: Columns) -> None:
        """p = p - lr g / (sqrt(v / (1 - gamma^n)) + eps)."""
        square = memory["square"].mul_(of["gamma"]).add_(member_mean(gradient.square())[:, None] * of["new"])
        divisor = square.sqrt().div_(of["bias"]).add_(of["eps"])
        memory["update"].copy_(torch.where(divisor > 0, gradient / divisor, 0.0))
        parameters.sub_(memory["update"] * of["rate"])
