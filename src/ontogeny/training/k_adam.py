r"""k-Adam: Adam's normalisation applied k times, each to the result of the one before; k = 1 is Adam.

$$u^{(0)} = g, \qquad u^{(i)} = \frac{m_i / (1 - \beta_i^n)}{\sqrt{v_i / (1 - \gamma_i^n)} + \epsilon}, \qquad
m_i \leftarrow \beta_i m_i + (1 - \beta_i) u^{(i-1)}, \quad v_i \leftarrow \gamma_i v_i + (1 - \gamma_i) (u^{(i-1)})^2$$

and the step is $-\eta u^{(k)}$. Source: Gould & Tanaka, arXiv 2411.05746, who propose it because a normalisation layer
in front of which weights stand acts as a second adaptive normalisation.
"""

from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from ontogeny.errors import UserError
from ontogeny.parts import PerMember
from ontogeny.training.optimizers import Columns, Optimizer, Table
from ontogeny.training.schedules import Updates

Stages: TypeAlias = Literal["split", "naive"]


def stage_decay(k: int, decay: PerMember, stages: Stages = "split") -> PerMember:
    """The decay of each of `k` stages: the same (`naive`), or so that all delays add up to that of one (`split`).

    An average of decay b looks 1 / (1 - b) steps back. Split among k stages each looks 1 / k as far:
    b_i = 1 - k (1 - b), and 0, no average at all, where that would be negative.
    """
    if stages == "naive":
        return decay
    split = 1 - k * (1 - decay)
    return split.clamp_min(0.0) if isinstance(split, Tensor) else max(0.0, split)


class KAdam(Optimizer):
    """Adam whose normalisation is applied `k` times, with decoupled decay as in `torch.optim.AdamW`.

    `beta` and `gamma` are the decays of the first and of the second moment at k = 1, and `stages` says what they become
    at a larger one. A coordinate whose gradients were all 0 stays where it is, at an `eps` of 0 too.

    The slot `update` of its memory keeps the last u: the step made in units of the learning rate.
    """

    k: int = 1
    beta: PerMember = 0.9
    gamma: PerMember = 0.999
    eps: PerMember = 1e-8
    weight_decay: PerMember = 0.0
    stages: Stages = "split"

    def check(self) -> None:
        """Values that can work."""
        super().check()
        if self.k < 1:
            raise UserError(f"KAdam applies its normalisation once or more, got k={self.k}")
        if self.stages not in ("split", "naive"):
            raise UserError(f"KAdam splits its decays ('split') or keeps them ('naive'), got stages={self.stages!r}")
        for name in ("beta", "gamma"):
            if isinstance(decay := getattr(self, name), float | int) and not 0 <= decay < 1:
                raise UserError(f"KAdam needs a {name} from 0 to below 1, got {decay}")

    def start(self, parameters: Table) -> dict[str, Table]:
        """Two moments a stage and the last update, all 0."""
        slots = [f"{moment}{i}" for i in range(self.k) for moment in ("mean", "square")]
        return {slot: torch.zeros_like(parameters) for slot in (*slots, "update")}

    def coefficients(self, update: Updates) -> dict[str, PerMember]:
        """Decays and bias corrections, the same at every stage; eps and weight decay."""
        # In float64: 1 - beta^n loses its digits in float32 at the first updates.
        beta, gamma = (
            torch.as_tensor(stage_decay(self.k, decay, self.stages), dtype=torch.float64)
            for decay in (self.beta, self.gamma)
        )
        return {
            "beta": beta,
            "gamma": gamma,
            "new_mean": 1 - beta,
            "new_square": 1 - gamma,
            "mean_bias": -torch.expm1(update * torch.log(beta)),
            "square_bias": (-torch.expm1(update * torch.log(gamma))).sqrt(),
            "eps": self.eps,
            "decay": self.weight_decay,
        }

    def update(self, parameters: Table, gradient: Table, memory: dict[str, Table], of: Columns) -> None:
        """p = p (1 - lr decay) - lr u, with u after the last stage."""
        u = gradient
        for i in range(self.k):
            mean = memory[f"mean{i}"].mul_(of["beta"]).add_(u * of["new_mean"])
            square = memory[f"square{i}"].mul_(of["gamma"]).add_(u.square().mul_(of["new_square"]))
            divisor = square.sqrt().div_(of["square_bias"]).add_(of["eps"]).mul_(of["mean_bias"])
            u = torch.where(divisor > 0, mean / divisor, 0.0)
        memory["update"].copy_(u)
        parameters.mul_(1 - of["rate"] * of["decay"]).sub_(u * of["rate"])


def respond(rule: KAdam, gradients: Float[Tensor, "member sequence step"]) -> Float[Tensor, "member sequence step"]:
    """The updates that a rule makes of given gradients, in units of the learning rate: one coordinate a sequence."""
    place = torch.zeros_like(gradients[..., 0])
    still = rule.replace(lr=0.0)
    memory = still.start(place)
    alive, norm = torch.ones_like(place[:, 0], dtype=torch.bool), torch.ones_like(place[:, 0])
    updates = []
    for n, gradient in enumerate(gradients.unbind(-1), 1):
        still.step(place, gradient, memory, still.columns(n, place), alive, norm)
        updates.append(memory["update"].clone())
    return torch.stack(updates, -1)
