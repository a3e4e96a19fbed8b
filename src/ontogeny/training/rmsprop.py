"""RMSprop: gradients over the root of an average of their squares (Tieleman & Hinton, lecture 6.5, 2012)."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.parts import PerMember
from ontogeny.training.optimizers import Optimizer
from ontogeny.training.schedules import Updates


class RMSprop(Optimizer):
    """v = decay v + (1 - decay) g^2; p = p - lr g / (sqrt(v) + eps), as in `torch.optim.RMSprop(alpha=decay)`."""

    slots: ClassVar[tuple[str, ...]] = ("square",)

    decay: PerMember = 0.99
    eps: PerMember = 1e-8

    def coefficients(self, update: Updates) -> dict[str, PerMember]:
        """Decay, the rest to 1, and eps."""
        decay = torch.as_tensor(self.decay, dtype=torch.float64)
        return {"decay": decay, "rest": 1 - decay, "eps": self.eps}

    def update(
        self,
        parameters: Float[Tensor, "member parameter"],
        gradient: Float[Tensor, "member parameter"],
        memory: dict[str, Tensor],
        of: dict[str, Tensor],
    ) -> None:
        """In place."""
        square = memory["square"].mul_(of["decay"]).add_(gradient.square().mul_(of["rest"]))
        parameters.sub_(gradient * of["rate"] / square.sqrt().add_(of["eps"]))
