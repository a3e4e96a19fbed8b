"""Initial weights: draws from the members' own streams, scaled member by member."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ontogeny.streams import Streams


def normal(streams: Streams, shape: tuple[int, ...], deviation: float, scale: float | Tensor = 1.0) -> nn.Parameter:
    """A parameter `[member, *shape]`, normal with standard deviation `deviation * scale`."""
    return _scaled(streams.normal("weight", shape), deviation, scale)


def uniform(
    streams: Streams, name: str, shape: tuple[int, ...], bound: float, scale: float | Tensor = 1.0
) -> nn.Parameter:
    """A parameter `[member, *shape]`, uniform between plus and minus `bound * scale`."""
    return _scaled(2.0 * streams.uniform(name, shape) - 1.0, bound, scale)


def constant(streams: Streams, shape: tuple[int, ...], value: float) -> nn.Parameter:
    """A parameter `[member, *shape]` of one value."""
    return nn.Parameter(torch.full((streams.members, *shape), value, device=streams.device))


def _scaled(draw: Float[Tensor, "member ..."], size: float, scale: float | Tensor) -> nn.Parameter:
    # In float64, whether the scale is one number or one a member, so that both give the same weights.
    each = size * torch.as_tensor(scale, dtype=torch.float64, device=draw.device).expand(draw.shape[0])
    return nn.Parameter((draw.double() * each.view(-1, *[1] * (draw.ndim - 1))).float())
