"""Gated denoiser: a stacked network that sees through noise, told the time and a condition that shifts and gates it."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ontogeny.errors import UserError
from ontogeny.models.contract import Model
from ontogeny.models.linear import Linear
from ontogeny.models.sites import Site
from ontogeny.models.stacked import silu
from ontogeny.parts import PerMember
from ontogeny.streams import Streams
from ontogeny.tasks.contract import Shape

OCTAVES = 8


class GatedDenoiser(Model):
    r"""Two hidden layers between data and data, both told the condition c: what to generate.

    $$h_1 = s\big((W_1 [x_t, \tau(t)] + A_1 c + b_1)(1 + G_1 c)\big), \quad
    h_2 = h_1 + s\big((W_2 h_1 + A_2 c + b_2)(1 + G_2 c)\big), \quad \hat x = W_3 h_2 + b_3$$

    with s the SiLU and $\tau$ the sines and cosines of $2^k \pi t / 4$ for k = 0 ... 7. Weights start as
    N(0, init_scale^2 / fan_in), gates G at half that deviation, biases at 0.

    For tasks of `ontogeny.tasks.flow_matching`: their features are data, time and condition, in this order.
    """

    hidden: int = 256
    init_scale: PerMember = 1.0

    def check(self) -> None:
        """A unit at least."""
        if self.hidden < 1:
            raise UserError(f"GatedDenoiser: hidden is 1 or more, got {self.hidden}")

    def build(self, shape: Shape, streams: Streams) -> "GatedNetwork":
        """The network for a task of this shape.

        Raises: `UserError` for features that are not data, time and a condition.
        """
        if shape.features is None or shape.length is not None or shape.features < shape.outputs + 2:
            raise UserError(
                f"GatedDenoiser needs data, a time and a condition as features: use FlowMatching, not {shape}"
            )
        return GatedNetwork(self, shape.outputs, shape.features - shape.outputs - 1, streams)


class GatedNetwork(nn.Module):
    """A stacked gated denoiser. Sites: `hook_first` and `hook_second`, the hidden layers after their activation."""

    def __init__(self, model: GatedDenoiser, data: int, conditions: int, streams: Streams) -> None:
        super().__init__()
        self.data, scale = data, model.init_scale
        self.first = Linear(streams.of("first"), data + 2 * OCTAVES, model.hidden, scale=scale)
        self.second = Linear(streams.of("second"), model.hidden, model.hidden, scale=scale)
        self.output = Linear(streams.of("output"), model.hidden, data, scale=scale)
        self.shifts, self.gates = (
            nn.ModuleList(
                Linear(
                    streams.of(f"{name}.{i}"),
                    conditions,
                    model.hidden,
                    bias=False,
                    deviation=deviation * conditions**-0.5,
                    scale=scale,
                )
                for i in range(2)
            )
            for name, deviation in (("shift", 1.0), ("gate", 0.5))
        )
        self.hook_first, self.hook_second = Site(), Site()

    def forward(self, inputs: Float[Tensor, "member sample feature"]) -> Float[Tensor, "member sample data"]:
        """The data behind the noise, from `[noisy data, time, condition]`."""
        x, t, told = inputs[..., : self.data], inputs[..., self.data, None], inputs[..., self.data + 1 :]
        h = self.hook_first(self._told(0, self.first(torch.cat([x, waves(t)], -1)), told))
        h = self.hook_second(h + self._told(1, self.second(h), told))
        return self.output(h)

    def _told(self, layer: int, pre: Tensor, told: Tensor) -> Tensor:
        return silu((pre + self.shifts[layer](told)) * (1.0 + self.gates[layer](told)))


def waves(t: Float[Tensor, "*sample 1"]) -> Float[Tensor, "*sample wave"]:
    """Sines and then cosines of 2^k pi t / 4, k = 0 ... 7."""
    angle = t * (2.0 ** torch.arange(OCTAVES, dtype=t.dtype, device=t.device) * (math.pi / 4.0))
    return torch.cat([angle.sin(), angle.cos()], -1)
