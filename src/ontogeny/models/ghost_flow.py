r"""The ghost flow: one number r, and a state that creeps past the place where a fixed point would be for negative r.

$$\dot x = r + x^2, \qquad x(0) = 0$$

For r < 0 the flow has a stable and an unstable fixed point, which meet at r = 0 (a saddle-node). For r > 0 there is
none, but near x = 0 the speed is as small as r: the *ghost* of the two, where the state lingers until it escapes to
infinity at the finite time t*(r). The output is 0 before the escape and 1 after.
"""

import math
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ontogeny.errors import UserError
from ontogeny.models.contract import Model
from ontogeny.parts import PerMember
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape

CLAMP = 1e6  # a simulated state stops here instead of overflowing

Numbers: TypeAlias = Any  # a number, or a tensor or array of numbers: the result is of the same kind


def switch_time(drive: Float[Tensor, "*any"], threshold: float = math.inf) -> Float[Tensor, "*any"]:
    r"""When the state passes a threshold: $t^* = \arctan(x^* / \sqrt r) / \sqrt r$, or $\pi / (2 \sqrt r)$ at infinity.

    Infinite for r <= 0: the state rests at the stable fixed point and never switches.
    """
    root = drive.clamp_min(0.0).sqrt()
    angle = math.pi / 2 if math.isinf(threshold) else torch.arctan(threshold / root)
    return torch.where(drive > 0, angle / root, math.inf)


def position(drive: Float[Tensor, "*any"], time: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    r"""The state before it escapes: $x(t) = \sqrt r \tan(\sqrt r\, t)$ for r > 0; NaN elsewhere."""
    root = drive.sqrt()
    return torch.where(root * time < math.pi / 2, root * torch.tan(root * time), torch.nan)


def simulate(drive: Float[Tensor, "*any"], steps: int, dt: float = 0.1) -> Float[Tensor, "time *any"]:
    """The state after 0, 1, ..., `steps` Euler steps x + dt (r + x^2), stopped at 1e6.

    With dt = 0.1 the switch comes later than in the flow, by O(dt).
    """
    states = [torch.zeros_like(drive)]
    for _ in range(steps):
        states.append((states[-1] + dt * (drive + states[-1].square())).clamp_max(CLAMP))
    return torch.stack(states)


def best_drive(delay: Numbers) -> Numbers:
    r"""The r that switches at the right moment: $r_{opt} = \pi^2 / (4 T^2)$."""
    return math.pi**2 / (4 * delay**2)


def dead_drive(delay: Numbers) -> Numbers:
    r"""The r at and below which the output never switches within 2T, so that no gradient is left: $r_{opt} / 4$."""
    return math.pi**2 / (16 * delay**2)


def critical_rate(delay: Numbers) -> Numbers:
    r"""The learning rate above which gradient descent on the wrong time collapses: $\alpha_c = 3 \pi^4 / (32 T^5)$.

    The longest step down is taken at r_opt and is $\alpha\, 2 T^3 / \pi^2$; it ends in the dead zone just when it is
    longer than $r_{opt} - r_{opt} / 4$. Below, collapse is impossible from any start above r_opt.
    """
    return 3 * math.pi**4 / (32 * delay**5)


def descent_time(start: Numbers, delay: Numbers, rate: Numbers) -> Numbers:
    r"""Updates until r_opt is reached from above, for small rates: $8 (r_0^{5/2} - r_{opt}^{5/2}) / (5 \pi \alpha)$."""
    return 8 * (start**2.5 - best_drive(delay) ** 2.5) / (5 * math.pi * rate)


def descend(
    start: Float[Tensor, "*any"],
    delay: Float[Tensor, "*any"],
    rate: Float[Tensor, "*any"],
    steps: int,
    normalised: bool = False,
) -> Float[Tensor, "*any"]:
    r"""r after plain gradient descent on the wrong time |t*(r) - T|, with its gradient +-pi / (4 r^1.5) written out.

    `normalised` divides the loss by T. An r in the dead zone has no gradient and stays: collapse is seen at the end.
    """
    best, dead = best_drive(delay), dead_drive(delay)
    scale = rate * (math.pi / 4) / (delay if normalised else 1.0)
    drive = start
    for _ in range(steps):
        size = scale * drive.clamp_min(dead).pow(-1.5)
        drive = drive - torch.where(drive > best, size, torch.where(drive > dead, -size, 0.0))
    return drive


class GhostFlow(Model):
    """A ghost flow whose only parameter is its r: the output is r, and what follows from it has a closed form.

    r starts uniformly between `low` and `high` times the best one for `delay`.
    """

    delay: PerMember
    low: float = 1.0
    high: float = 20.0

    def check(self) -> None:
        if not 0 < self.low <= self.high:
            raise UserError(f"a ghost flow starts between two positive multiples, got low={self.low}, high={self.high}")

    def build(self, shape: Shape, streams: Streams) -> nn.Module:
        """One number a member.

        Raises: `UserError` for a task with inputs or with more than one output.
        """
        if shape.outputs != 1 or shape.features != 0:
            raise UserError(f"a ghost flow has no input and one output, the task has {shape}: use DelayedSwitch")
        place = streams.uniform("drive", (1,)).double()
        best = torch.as_tensor(best_drive(self.delay), dtype=torch.float64, device=place.device)
        return GhostFlowNetwork((self.low + (self.high - self.low) * place) * best.expand(place.shape[0])[:, None])


class GhostFlowNetwork(nn.Module):
    """One r a member."""

    def __init__(self, drive: Float[Tensor, "member 1"]) -> None:
        super().__init__()
        self.drive = nn.Parameter(drive)

    def forward(self, inputs: Float[Tensor, "member sample 0"]) -> Float[Tensor, "member sample 1"]:
        """r, for every sample."""
        return self.drive[:, None].expand(-1, inputs.shape[1], -1)
